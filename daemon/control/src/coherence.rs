//! Answers that are kept and read again while they are true.

use fak_proto::v1;
use tonic::Status;

use crate::{
    desk::Desk,
    gate::Caller,
    port::{Evidence, Office},
};

impl<E: Evidence, O: Office> Desk<E, O> {
    pub(crate) async fn changes(
        &self,
        _: &Caller,
        _: v1::ChangesRequest,
    ) -> Result<v1::ChangesResponse, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn revoke(
        &self,
        _: &Caller,
        _: v1::RevokeRequest,
    ) -> Result<v1::RevokeResponse, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
