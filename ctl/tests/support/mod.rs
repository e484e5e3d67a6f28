//! A fakd that says what a test tells it to, and a way to run the real program against it.

#![allow(
    clippy::allow_attributes,
    dead_code,
    clippy::large_enum_variant,
    unreachable_pub,
    reason = "every test file uses its own part of this"
)]

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use fak_proto::v1::{
    self,
    fak_server::{Fak, FakServer},
};
use tempfile::TempDir;
use tokio_stream::{Stream, StreamExt as _, wrappers::UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// What the scripted fakd does with a question.
#[derive(Clone)]
pub enum Script {
    /// Answers every question with this.
    Verdict(v1::AdjudicateResponse),
    /// Answers with the verdict whose kind is the tool's name.
    Echo,
    /// Answers with a gRPC error.
    Error(tonic::Code, &'static str),
    /// Never answers.
    Silent,
}

/// An answer, or a gRPC error; nothing scripted is `UNIMPLEMENTED`.
pub type Scripted1<T> = Option<Result<T, (tonic::Code, &'static str)>>;

/// What the scripted fakd answers beyond verdicts. Of a list the first answer is taken off; the last one stays.
#[derive(Default)]
pub struct Replies {
    pub admit: Scripted1<v1::AdmitResponse>,
    pub tell: Scripted1<v1::TellResponse>,
    pub taint: Scripted1<v1::Taint>,
    pub changes: Vec<v1::ChangesResponse>,
    pub revoke: Scripted1<v1::RevokeResponse>,
    pub approvals: Vec<v1::Approval>,
    pub approve: Scripted1<v1::Approval>,
    /// One list of messages for each time the stream is opened; it ends after all but the last.
    pub approval_watch: Vec<Vec<v1::Approval>>,
    pub session: Scripted1<v1::Session>,
    pub reserve: Scripted1<v1::SessionReserveResponse>,
    pub session_watch: Vec<Vec<v1::Session>>,
    /// The caller, as `Status` names him.
    pub you: &'static str,
}

/// What the scripted fakd was asked beyond verdicts, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    Admit(v1::AdmitRequest),
    Tell(v1::TellRequest),
    TaintGet(v1::TaintGetRequest),
    TaintReset(v1::TaintResetRequest),
    Changes(v1::ChangesRequest),
    Revoke(v1::RevokeRequest),
    ApprovalList(v1::ApprovalListRequest),
    ApprovalWatch(v1::ApprovalWatchRequest),
    Approve(v1::ApproveRequest),
    SessionGet(v1::SessionGetRequest),
    SessionControl(v1::SessionControlRequest),
    SessionReserve(v1::SessionReserveRequest),
    SessionSettle(v1::SessionSettleRequest),
    SessionWatch(v1::SessionWatchRequest),
}

/// A scripted fakd on a socket of its own.
pub struct FakeFakd {
    pub dir: TempDir,
    pub asked: Arc<Mutex<Vec<v1::AdjudicateRequest>>>,
    pub log: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

impl FakeFakd {
    pub fn start(script: Script) -> Self {
        Self::with(script, Replies::default())
    }

    pub fn with(script: Script, replies: Replies) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::at(dir, script, replies)
    }

    /// In a place where another one may have been before.
    pub fn at(dir: TempDir, script: Script, replies: Replies) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let service = Scripted {
            script,
            asked: Arc::clone(&asked),
            log: Arc::clone(&log),
            replies: Arc::new(Mutex::new(replies)),
        };
        let listener = {
            let _in_runtime = runtime.enter();
            tokio::net::UnixListener::bind(dir.path().join("fakd.sock")).unwrap()
        };
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(FakServer::new(service))
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        Self {
            dir,
            asked,
            log,
            _runtime: runtime,
        }
    }

    /// Goes away; its place stays.
    pub fn gone(self) -> TempDir {
        let Self { dir, _runtime, .. } = self;
        _runtime.shutdown_background();
        std::fs::remove_file(dir.path().join("fakd.sock")).unwrap();
        dir
    }

    /// The program, asking here.
    pub fn fakctl(&self, words: &[&str]) -> Command {
        let mut command = fakctl(self.dir.path());
        command.arg("--socket").arg(self.socket()).args(words);
        command
    }

    pub fn ask(&self, words: &[&str]) -> Output {
        run(&mut self.fakctl(words), "")
    }

    pub fn logged(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("fakd.sock")
    }
}

/// A verdict with its kind, reason and rule.
pub fn verdict(kind: &str, reason: &str, by: &str) -> v1::Verdict {
    v1::Verdict {
        kind: kind.into(),
        reason: reason.into(),
        by: by.into(),
        ..v1::Verdict::default()
    }
}

/// The program, away from the machine's own daemon and environment.
pub fn fakctl(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fakctl"));
    command
        .env_clear()
        .env("HOME", "/home/someone")
        .env("XDG_RUNTIME_DIR", home)
        .env("XDG_STATE_HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .stdin(Stdio::null());
    command
}

/// Runs with standard input.
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[derive(Clone)]
struct Scripted {
    script: Script,
    asked: Arc<Mutex<Vec<v1::AdjudicateRequest>>>,
    log: Arc<Mutex<Vec<Asked>>>,
    replies: Arc<Mutex<Replies>>,
}

impl Scripted {
    /// Notes the question; answers as scripted.
    async fn reply<T>(
        &self,
        asked: Asked,
        take: impl FnOnce(&mut Replies) -> Scripted1<T>,
    ) -> Result<Response<T>, Status> {
        self.log.lock().unwrap().push(asked);
        match &self.script {
            Script::Error(code, message) => return Err(Status::new(*code, *message)),
            Script::Silent => std::future::pending().await,
            _ => {}
        }
        let taken = take(&mut self.replies.lock().unwrap());
        match taken {
            Some(Ok(answer)) => Ok(Response::new(answer)),
            Some(Err((code, message))) => Err(Status::new(code, message)),
            None => Err(Status::unimplemented("not scripted")),
        }
    }

    async fn watch<T: Clone + Send + 'static>(
        &self,
        asked: Asked,
        lists: impl FnOnce(&mut Replies) -> &mut Vec<Vec<T>>,
    ) -> Result<Response<Answers<T>>, Status> {
        let next = self.reply(asked, |replies| {
            let lists = lists(replies);
            match lists.len() {
                0 => None,
                1 => Some(Ok((lists.remove(0), true))),
                _ => Some(Ok((lists.remove(0), false))),
            }
        });
        let (messages, stays) = next.await?.into_inner();
        let messages = tokio_stream::iter(messages.into_iter().map(Ok));
        Ok(Response::new(if stays {
            Box::pin(messages.chain(tokio_stream::pending()))
        } else {
            Box::pin(messages)
        }))
    }

    async fn answer(
        &self,
        request: v1::AdjudicateRequest,
    ) -> Result<v1::AdjudicateResponse, Status> {
        self.asked.lock().unwrap().push(request.clone());
        let mut response = match &self.script {
            Script::Verdict(response) => response.clone(),
            Script::Echo => v1::AdjudicateResponse {
                verdict: Some(verdict(&request.tool, "NONE", "echo")),
                ..v1::AdjudicateResponse::default()
            },
            Script::Error(code, message) => return Err(Status::new(*code, *message)),
            Script::Silent => std::future::pending().await,
        };
        response.trace_id = if request.trace_id.is_empty() {
            "minted".into()
        } else {
            request.trace_id
        };
        response.call_id = request.call_id;
        Ok(response)
    }

    fn unless_scripted<T>(&self, answer: T) -> Result<Response<T>, Status> {
        match &self.script {
            Script::Error(code, message) => Err(Status::new(*code, *message)),
            _ => Ok(Response::new(answer)),
        }
    }
}

type Answers<T> = std::pin::Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Fak for Scripted {
    type AdjudicateStreamStream = Answers<v1::AdjudicateResponse>;
    type JournalTailStream = Answers<v1::JournalRow>;
    type ApprovalWatchStream = Answers<v1::Approval>;
    type SessionWatchStream = Answers<v1::Session>;

    async fn adjudicate(
        &self,
        request: Request<v1::AdjudicateRequest>,
    ) -> Result<Response<v1::AdjudicateResponse>, Status> {
        self.answer(request.into_inner()).await.map(Response::new)
    }

    async fn adjudicate_stream(
        &self,
        request: Request<Streaming<v1::AdjudicateRequest>>,
    ) -> Result<Response<Self::AdjudicateStreamStream>, Status> {
        let scripted = self.clone();
        let answers = request.into_inner().then(move |request| {
            let scripted = scripted.clone();
            async move { scripted.answer(request?).await }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn adjudicate_batch(
        &self,
        _: Request<v1::AdjudicateBatchRequest>,
    ) -> Result<Response<v1::AdjudicateBatchResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn explain(
        &self,
        request: Request<v1::AdjudicateRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        let verdict = self.answer(request.into_inner()).await?.verdict;
        let rung = v1::Rung {
            name: "default".into(),
            verdict: verdict.clone(),
            winner: true,
        };
        self.unless_scripted(v1::ExplainResponse {
            verdict,
            rungs: vec![rung],
            profile: "embedded".into(),
            policy_digest: "sha256:00".into(),
            generation: 1,
        })
    }

    async fn admit(
        &self,
        request: Request<v1::AdmitRequest>,
    ) -> Result<Response<v1::AdmitResponse>, Status> {
        let asked = Asked::Admit(request.into_inner());
        self.reply(asked, |replies| replies.admit.clone()).await
    }

    async fn clear(
        &self,
        _: Request<v1::ClearRequest>,
    ) -> Result<Response<v1::ClearResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn page_in(
        &self,
        _: Request<v1::PageInRequest>,
    ) -> Result<Response<v1::PageInResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn forget(
        &self,
        _: Request<v1::ForgetRequest>,
    ) -> Result<Response<v1::ForgetResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn policy_list(
        &self,
        _: Request<v1::PolicyListRequest>,
    ) -> Result<Response<v1::PolicyListResponse>, Status> {
        self.unless_scripted(v1::PolicyListResponse::default())
    }

    async fn policy_load(
        &self,
        _: Request<v1::PolicyLoadRequest>,
    ) -> Result<Response<v1::PolicyLoadResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn reload(
        &self,
        _: Request<v1::ReloadRequest>,
    ) -> Result<Response<v1::ReloadResponse>, Status> {
        self.unless_scripted(v1::ReloadResponse {
            reloaded: false,
            generation: 4,
            diagnostics: vec![v1::Diagnostic {
                severity: "error".into(),
                file: "10-ops.yaml".into(),
                line: 3,
                column: 5,
                message: "unknown key `allwo`".into(),
                help: "did you mean `allow`?".into(),
            }],
        })
    }

    async fn journal_tail(
        &self,
        _: Request<v1::JournalTailRequest>,
    ) -> Result<Response<Self::JournalTailStream>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn journal_verify(
        &self,
        _: Request<v1::JournalVerifyRequest>,
    ) -> Result<Response<v1::JournalVerifyResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn checkpoint(
        &self,
        _: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn prove(
        &self,
        _: Request<v1::ProveRequest>,
    ) -> Result<Response<v1::ProveResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn prove_consistency(
        &self,
        _: Request<v1::ProveConsistencyRequest>,
    ) -> Result<Response<v1::ProveConsistencyResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn witness(
        &self,
        _: Request<v1::WitnessRequest>,
    ) -> Result<Response<v1::WitnessResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn rotate_key(
        &self,
        _: Request<v1::RotateKeyRequest>,
    ) -> Result<Response<v1::RotateKeyResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn emergency_disable(
        &self,
        _: Request<v1::EmergencyDisableRequest>,
    ) -> Result<Response<v1::EmergencyDisableResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn emergency_enable(
        &self,
        _: Request<v1::EmergencyEnableRequest>,
    ) -> Result<Response<v1::EmergencyEnableResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn metrics(
        &self,
        _: Request<v1::MetricsRequest>,
    ) -> Result<Response<v1::MetricsResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn session_list(
        &self,
        _: Request<v1::SessionListRequest>,
    ) -> Result<Response<v1::SessionListResponse>, Status> {
        self.unless_scripted(v1::SessionListResponse::default())
    }

    async fn session_get(
        &self,
        request: Request<v1::SessionGetRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let asked = Asked::SessionGet(request.into_inner());
        self.reply(asked, |replies| {
            let missing = Err((tonic::Code::NotFound, "no session by that id"));
            Some(replies.session.clone().unwrap_or(missing))
        })
        .await
    }

    async fn tell(
        &self,
        request: Request<v1::TellRequest>,
    ) -> Result<Response<v1::TellResponse>, Status> {
        let asked = Asked::Tell(request.into_inner());
        self.reply(asked, |replies| replies.tell.clone()).await
    }

    async fn taint_get(
        &self,
        request: Request<v1::TaintGetRequest>,
    ) -> Result<Response<v1::Taint>, Status> {
        let asked = Asked::TaintGet(request.into_inner());
        self.reply(asked, |replies| replies.taint.clone()).await
    }

    async fn taint_reset(
        &self,
        request: Request<v1::TaintResetRequest>,
    ) -> Result<Response<v1::Taint>, Status> {
        let asked = Asked::TaintReset(request.into_inner());
        self.reply(asked, |replies| replies.taint.clone()).await
    }

    async fn changes(
        &self,
        request: Request<v1::ChangesRequest>,
    ) -> Result<Response<v1::ChangesResponse>, Status> {
        let asked = Asked::Changes(request.into_inner());
        self.reply(asked, |replies| match replies.changes.len() {
            0 => None,
            1 => replies.changes.first().cloned().map(Ok),
            _ => Some(Ok(replies.changes.remove(0))),
        })
        .await
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        let asked = Asked::Revoke(request.into_inner());
        self.reply(asked, |replies| replies.revoke.clone()).await
    }

    async fn approval_list(
        &self,
        request: Request<v1::ApprovalListRequest>,
    ) -> Result<Response<v1::ApprovalListResponse>, Status> {
        let asked = Asked::ApprovalList(request.into_inner());
        self.reply(asked, |replies| {
            Some(Ok(v1::ApprovalListResponse {
                pending: replies
                    .approvals
                    .iter()
                    .filter(|approval| approval.state == "pending")
                    .count() as u64,
                approvals: replies.approvals.clone(),
            }))
        })
        .await
    }

    async fn approve(
        &self,
        request: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::Approval>, Status> {
        let asked = Asked::Approve(request.into_inner());
        self.reply(asked, |replies| replies.approve.clone()).await
    }

    async fn session_control(
        &self,
        request: Request<v1::SessionControlRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let asked = Asked::SessionControl(request.into_inner());
        self.reply(asked, |replies| replies.session.clone()).await
    }

    async fn session_reserve(
        &self,
        request: Request<v1::SessionReserveRequest>,
    ) -> Result<Response<v1::SessionReserveResponse>, Status> {
        let asked = Asked::SessionReserve(request.into_inner());
        self.reply(asked, |replies| replies.reserve.clone()).await
    }

    async fn session_settle(
        &self,
        request: Request<v1::SessionSettleRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        let asked = Asked::SessionSettle(request.into_inner());
        self.reply(asked, |replies| replies.session.clone()).await
    }

    async fn approval_watch(
        &self,
        request: Request<v1::ApprovalWatchRequest>,
    ) -> Result<Response<Self::ApprovalWatchStream>, Status> {
        let asked = Asked::ApprovalWatch(request.into_inner());
        self.watch(asked, |replies| &mut replies.approval_watch)
            .await
    }

    async fn session_watch(
        &self,
        request: Request<v1::SessionWatchRequest>,
    ) -> Result<Response<Self::SessionWatchStream>, Status> {
        let asked = Asked::SessionWatch(request.into_inner());
        self.watch(asked, |replies| &mut replies.session_watch)
            .await
    }

    async fn status(
        &self,
        _: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        self.unless_scripted(v1::StatusResponse {
            version: "9.9.9".into(),
            state: "refusing".into(),
            problem: "the journal's disk is full".into(),
            you: self.replies.lock().unwrap().you.into(),
            ..v1::StatusResponse::default()
        })
    }
}
