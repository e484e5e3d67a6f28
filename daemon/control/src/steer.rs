//! Steering sessions: run states, budgets, pace, priority.

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
    pub(crate) async fn session_control(
        &self,
        _: &Caller,
        _: v1::SessionControlRequest,
    ) -> Result<v1::Session, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn session_reserve(
        &self,
        _: &Caller,
        _: v1::SessionReserveRequest,
    ) -> Result<v1::SessionReserveResponse, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn session_settle(
        &self,
        _: &Caller,
        _: v1::SessionSettleRequest,
    ) -> Result<v1::Session, Status> {
        Err(Status::unimplemented("not yet"))
    }

    pub(crate) async fn session_watch(
        self: Arc<Self>,
        _: Caller,
        _: v1::SessionWatchRequest,
    ) -> Result<Receiver<Result<v1::Session, Status>>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
