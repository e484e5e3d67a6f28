//! Where values come from: what the user said, what results held, and what a call may do with them.

use fak_proto::v1;
use tonic::Status;

use crate::{
    desk::Desk,
    gate::Caller,
    port::{Evidence, Office},
};

impl<E: Evidence, O: Office> Desk<E, O> {
    pub(crate) async fn tell(
        &self,
        _: &Caller,
        _: v1::TellRequest,
    ) -> Result<v1::TellResponse, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn taint_get(
        &self,
        _: &Caller,
        _: v1::TaintGetRequest,
    ) -> Result<v1::Taint, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn taint_reset(
        &self,
        _: &Caller,
        _: v1::TaintResetRequest,
    ) -> Result<v1::Taint, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
