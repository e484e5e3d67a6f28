//! The handlers: requests to questions, answers to responses. No handler decides anything.

use std::{pin::Pin, sync::Arc};

use fak_kernel::Viewer;
use fak_proto::{
    BATCH_CALLS_MAX,
    v1::{self, fak_server::Fak},
};
use fak_types::Right;
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    account::lock,
    desk::{Desk, now},
    gate::Caller,
    notary,
    port::{Change, Evidence, Manifest, Office},
    question::Question,
    status::{self, Checked},
    stream::{BURST_CALLS_MAX, TAIL_ROWS, Tail, answer_stream},
    wire,
};

/// Most rows of a tail that does not follow. LIMIT: for more, read the file.
const TAIL_ROWS_MAX: u32 = 1 << 20;

/// Rows a tail shows when the caller does not say how many.
const TAIL_ROWS_DEFAULT: u32 = 20;

/// Sessions listed when the caller does not say how many.
const SESSIONS_DEFAULT: u32 = 100;

/// Most sessions listed at once. LIMIT: a caller that asks for more gets these.
const SESSIONS_MAX: u32 = 10_000;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service.
pub(crate) struct Handlers<E, O> {
    pub(crate) desk: Arc<Desk<E, O>>,
}

impl<E, O> Clone for Handlers<E, O> {
    fn clone(&self) -> Self {
        Self {
            desk: Arc::clone(&self.desk),
        }
    }
}

/// Who asks; the gate has put it there.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("a request came around the gate"))
}

pub(crate) fn viewer(caller: &Caller) -> Viewer<'_> {
    if caller.rights.has(Right::Audit) {
        Viewer::All
    } else {
        Viewer::Own(&caller.peer.name)
    }
}

#[tonic::async_trait]
impl<E: Evidence, O: Office> Fak for Handlers<E, O> {
    type AdjudicateStreamStream = Answers<v1::AdjudicateResponse>;
    type JournalTailStream = Answers<v1::JournalRow>;
    type ApprovalWatchStream = Answers<v1::Approval>;
    type SessionWatchStream = Answers<v1::Session>;

    async fn adjudicate(
        &self,
        request: Request<v1::AdjudicateRequest>,
    ) -> Result<Response<v1::AdjudicateResponse>, Status> {
        let caller = caller(&request)?;
        let question = Question::of(request.into_inner(), "").map_err(|status| *status)?;
        Ok(Response::new(
            self.desk.answer(&caller.peer.principal, question).await,
        ))
    }

    async fn adjudicate_stream(
        &self,
        request: Request<Streaming<v1::AdjudicateRequest>>,
    ) -> Result<Response<Self::AdjudicateStreamStream>, Status> {
        let caller = caller(&request)?;
        let (send, receive) = mpsc::channel(BURST_CALLS_MAX);
        let answering = answer_stream(Arc::clone(&self.desk), caller, request.into_inner(), send);
        tokio::spawn(answering);
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn adjudicate_batch(
        &self,
        request: Request<v1::AdjudicateBatchRequest>,
    ) -> Result<Response<v1::AdjudicateBatchResponse>, Status> {
        let caller = caller(&request)?;
        let calls = request.into_inner().calls;
        if calls.len() > BATCH_CALLS_MAX {
            let text = format!(
                "calls: has {} entries; send at most {BATCH_CALLS_MAX}",
                calls.len()
            );
            return Err(Status::invalid_argument(text));
        }
        let questions: Result<Vec<_>, _> = calls
            .into_iter()
            .enumerate()
            .map(|(index, call)| Question::of(call, &format!("calls[{index}].")))
            .collect();
        let questions = questions.map_err(|status| *status)?;
        let verdicts = self
            .desk
            .answer_all(&caller.peer.principal, questions)
            .await;
        Ok(Response::new(v1::AdjudicateBatchResponse { verdicts }))
    }

    async fn explain(
        &self,
        request: Request<v1::AdjudicateRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let caller = caller(&request)?;
        let question = Question::of(request.into_inner(), "").map_err(|status| *status)?;
        Ok(Response::new(
            self.desk.explain(&caller.peer.principal, &question),
        ))
    }

    async fn admit(
        &self,
        request: Request<v1::AdmitRequest>,
    ) -> Result<Response<v1::AdmitResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.admit(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn clear(
        &self,
        request: Request<v1::ClearRequest>,
    ) -> Result<Response<v1::ClearResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.clear(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn forget(
        &self,
        request: Request<v1::ForgetRequest>,
    ) -> Result<Response<v1::ForgetResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.forget(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn page_in(
        &self,
        request: Request<v1::PageInRequest>,
    ) -> Result<Response<v1::PageInResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.page_in(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn tell(
        &self,
        request: Request<v1::TellRequest>,
    ) -> Result<Response<v1::TellResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.tell(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn taint_get(
        &self,
        request: Request<v1::TaintGetRequest>,
    ) -> Result<Response<v1::Taint>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.taint_get(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn taint_reset(
        &self,
        request: Request<v1::TaintResetRequest>,
    ) -> Result<Response<v1::Taint>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.taint_reset(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn changes(
        &self,
        request: Request<v1::ChangesRequest>,
    ) -> Result<Response<v1::ChangesResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.changes(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.revoke(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn approval_list(
        &self,
        request: Request<v1::ApprovalListRequest>,
    ) -> Result<Response<v1::ApprovalListResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self
            .desk
            .approval_list(&caller, request.into_inner())
            .await?;
        Ok(Response::new(answer))
    }

    async fn approval_watch(
        &self,
        request: Request<v1::ApprovalWatchRequest>,
    ) -> Result<Response<Self::ApprovalWatchStream>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let receive = Arc::clone(&self.desk).approval_watch(caller, asked).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn approve(
        &self,
        request: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::Approval>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.approve(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn policy_list(
        &self,
        request: Request<v1::PolicyListRequest>,
    ) -> Result<Response<v1::PolicyListResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(v1::PolicyListResponse {
            generation: self.desk.snapshot().generation(),
            profiles: status::profiles(&self.desk, &caller, true),
        }))
    }

    async fn policy_load(
        &self,
        request: Request<v1::PolicyLoadRequest>,
    ) -> Result<Response<v1::PolicyLoadResponse>, Status> {
        let caller = caller(&request)?;
        let v1::PolicyLoadRequest {
            text,
            name,
            format,
            dry_run,
        } = request.into_inner();
        if !matches!(format.as_str(), "" | "json" | "yaml") {
            return Err(Status::invalid_argument(
                "format: is not known; send json, yaml or nothing",
            ));
        }
        let change = Change::Load(Manifest { text, name, format });
        let who = &caller.peer.principal;
        let loaded = self.desk.change(Some(who), &change, dry_run).await;
        Ok(Response::new(v1::PolicyLoadResponse {
            loaded: loaded.ok,
            generation: loaded.generation,
            digest: loaded.digest,
            diagnostics: wire::diagnostics(loaded.diagnostics),
        }))
    }

    async fn reload(
        &self,
        request: Request<v1::ReloadRequest>,
    ) -> Result<Response<v1::ReloadResponse>, Status> {
        let caller = caller(&request)?;
        let who = &caller.peer.principal;
        let loaded = self.desk.change(Some(who), &Change::Reload, false).await;
        Ok(Response::new(v1::ReloadResponse {
            reloaded: loaded.ok,
            generation: loaded.generation,
            diagnostics: wire::diagnostics(loaded.diagnostics),
        }))
    }

    async fn journal_tail(
        &self,
        request: Request<v1::JournalTailRequest>,
    ) -> Result<Response<Self::JournalTailStream>, Status> {
        let caller = caller(&request)?;
        let v1::JournalTailRequest {
            from_seq,
            limit,
            follow,
        } = request.into_inner();
        if limit > TAIL_ROWS_MAX {
            let text =
                format!("limit: is {limit}; ask for at most {TAIL_ROWS_MAX}, or read the file");
            return Err(Status::invalid_argument(text));
        }
        let limit = if limit == 0 { TAIL_ROWS_DEFAULT } else { limit };
        let (send, receive) = mpsc::channel(TAIL_ROWS);
        let tail = Tail {
            desk: Arc::clone(&self.desk),
            send,
            _caller: caller,
        };
        tokio::spawn(tail.run(from_seq, limit, follow));
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn journal_verify(
        &self,
        request: Request<v1::JournalVerifyRequest>,
    ) -> Result<Response<v1::JournalVerifyResponse>, Status> {
        caller(&request)?;
        let found = self
            .desk
            .evidence
            .verify()
            .await
            .map_err(Status::unavailable)?;
        *lock(&self.desk.checked) = Some(Checked::of(&found));
        let (bad_seq, problem) = found.fault.clone().unwrap_or_default();
        Ok(Response::new(v1::JournalVerifyResponse {
            sound: found.fault.is_none(),
            rows: found.rows,
            head_seq: found.head_seq,
            head_hash: found.head_hash,
            bad_seq,
            problem,
        }))
    }

    async fn checkpoint(
        &self,
        request: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        caller(&request)?;
        let answer = notary::checkpoint(&self.desk.evidence, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn prove(
        &self,
        request: Request<v1::ProveRequest>,
    ) -> Result<Response<v1::ProveResponse>, Status> {
        caller(&request)?;
        let answer = notary::prove(&self.desk.evidence, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn prove_consistency(
        &self,
        request: Request<v1::ProveConsistencyRequest>,
    ) -> Result<Response<v1::ProveConsistencyResponse>, Status> {
        caller(&request)?;
        let answer = notary::prove_consistency(&self.desk.evidence, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn witness(
        &self,
        request: Request<v1::WitnessRequest>,
    ) -> Result<Response<v1::WitnessResponse>, Status> {
        let who = caller(&request)?;
        let evidence = &self.desk.evidence;
        let answer = notary::witness(evidence, &who.peer.name, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn rotate_key(
        &self,
        request: Request<v1::RotateKeyRequest>,
    ) -> Result<Response<v1::RotateKeyResponse>, Status> {
        let who = caller(&request)?;
        let evidence = &self.desk.evidence;
        let answer = notary::rotate_key(evidence, &who.peer.name, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn emergency_disable(
        &self,
        request: Request<v1::EmergencyDisableRequest>,
    ) -> Result<Response<v1::EmergencyDisableResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.disable(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn emergency_enable(
        &self,
        request: Request<v1::EmergencyEnableRequest>,
    ) -> Result<Response<v1::EmergencyEnableResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self.desk.enable(&caller, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn session_list(
        &self,
        request: Request<v1::SessionListRequest>,
    ) -> Result<Response<v1::SessionListResponse>, Status> {
        let caller = caller(&request)?;
        let limit = match request.into_inner().limit {
            0 => SESSIONS_DEFAULT,
            limit => limit.min(SESSIONS_MAX),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let viewer = viewer(&caller);
        let (sessions, live) = self
            .desk
            .with_kernel(|kernel| (kernel.sessions(viewer, limit), kernel.sessions_live(viewer)));
        Ok(Response::new(v1::SessionListResponse {
            sessions: sessions
                .iter()
                .map(|session| wire::session(session, now()))
                .collect(),
            live: u64::try_from(live).unwrap_or(u64::MAX),
        }))
    }

    async fn session_get(
        &self,
        request: Request<v1::SessionGetRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let caller = caller(&request)?;
        let trace = request.into_inner().trace_id;
        if trace.is_empty() {
            return Err(Status::invalid_argument(
                "trace_id: is empty; send the session's id",
            ));
        }
        let viewer = viewer(&caller);
        let session = self
            .desk
            .with_kernel(|kernel| kernel.session(viewer, &trace));
        let session =
            session.ok_or_else(|| Status::not_found("there is no such session of yours"))?;
        Ok(Response::new(wire::session(&session, now())))
    }

    async fn session_watch(
        &self,
        request: Request<v1::SessionWatchRequest>,
    ) -> Result<Response<Self::SessionWatchStream>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let receive = Arc::clone(&self.desk).session_watch(caller, asked).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn session_control(
        &self,
        request: Request<v1::SessionControlRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let caller = caller(&request)?;
        let answer = self
            .desk
            .session_control(&caller, request.into_inner())
            .await?;
        Ok(Response::new(answer))
    }

    async fn session_reserve(
        &self,
        request: Request<v1::SessionReserveRequest>,
    ) -> Result<Response<v1::SessionReserveResponse>, Status> {
        let caller = caller(&request)?;
        let answer = self
            .desk
            .session_reserve(&caller, request.into_inner())
            .await?;
        Ok(Response::new(answer))
    }

    async fn session_settle(
        &self,
        request: Request<v1::SessionSettleRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let caller = caller(&request)?;
        let answer = self
            .desk
            .session_settle(&caller, request.into_inner())
            .await?;
        Ok(Response::new(answer))
    }

    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(status::status(&self.desk, &caller).await))
    }

    async fn metrics(
        &self,
        request: Request<v1::MetricsRequest>,
    ) -> Result<Response<v1::MetricsResponse>, Status> {
        caller(&request)?;
        let text = status::page(&self.desk).await.render();
        Ok(Response::new(v1::MetricsResponse { text }))
    }
}
