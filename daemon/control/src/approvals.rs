//! Calls that wait for somebody other than who asked.

use std::sync::Arc;

use fak_proto::v1;
use tokio::sync::mpsc::Receiver;
use tonic::Status;

use crate::{
    desk::Desk,
    gate::Caller,
    port::{Evidence, Office},
};

impl<E: Evidence, O: Office> Desk<E, O> {
    pub(crate) async fn approval_list(
        &self,
        _: &Caller,
        _: v1::ApprovalListRequest,
    ) -> Result<v1::ApprovalListResponse, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn approve(
        &self,
        _: &Caller,
        _: v1::ApproveRequest,
    ) -> Result<v1::Approval, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn approval_watch(
        self: Arc<Self>,
        _: Caller,
        _: v1::ApprovalWatchRequest,
    ) -> Result<Receiver<Result<v1::Approval, Status>>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
