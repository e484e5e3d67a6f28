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

/// A scripted fakd on a socket of its own.
pub struct FakeFakd {
    pub dir: TempDir,
    pub asked: Arc<Mutex<Vec<v1::AdjudicateRequest>>>,
    _runtime: tokio::runtime::Runtime,
}

impl FakeFakd {
    pub fn start(script: Script) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let service = Scripted {
            script,
            asked: Arc::clone(&asked),
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
            _runtime: runtime,
        }
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

struct Scripted {
    script: Script,
    asked: Arc<Mutex<Vec<v1::AdjudicateRequest>>>,
}

impl Scripted {
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
        let scripted = Self {
            script: self.script.clone(),
            asked: Arc::clone(&self.asked),
        };
        let answers = request.into_inner().then(move |request| {
            let scripted = Self {
                script: scripted.script.clone(),
                asked: Arc::clone(&scripted.asked),
            };
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
        _: Request<v1::AdmitRequest>,
    ) -> Result<Response<v1::AdmitResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
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
        _: Request<v1::SessionGetRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        Err(Status::not_found("no session by that id"))
    }

    async fn tell(
        &self,
        _: Request<v1::TellRequest>,
    ) -> Result<Response<v1::TellResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn taint_get(
        &self,
        _: Request<v1::TaintGetRequest>,
    ) -> Result<Response<v1::Taint>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn taint_reset(
        &self,
        _: Request<v1::TaintResetRequest>,
    ) -> Result<Response<v1::Taint>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn changes(
        &self,
        _: Request<v1::ChangesRequest>,
    ) -> Result<Response<v1::ChangesResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn revoke(
        &self,
        _: Request<v1::RevokeRequest>,
    ) -> Result<Response<v1::RevokeResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn approval_list(
        &self,
        _: Request<v1::ApprovalListRequest>,
    ) -> Result<Response<v1::ApprovalListResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn approve(
        &self,
        _: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::Approval>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn session_control(
        &self,
        _: Request<v1::SessionControlRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn session_reserve(
        &self,
        _: Request<v1::SessionReserveRequest>,
    ) -> Result<Response<v1::SessionReserveResponse>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn session_settle(
        &self,
        _: Request<v1::SessionSettleRequest>,
    ) -> Result<Response<v1::Session>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn approval_watch(
        &self,
        _: Request<v1::ApprovalWatchRequest>,
    ) -> Result<Response<Self::ApprovalWatchStream>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn session_watch(
        &self,
        _: Request<v1::SessionWatchRequest>,
    ) -> Result<Response<Self::SessionWatchStream>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn status(
        &self,
        _: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        self.unless_scripted(v1::StatusResponse {
            version: "9.9.9".into(),
            state: "refusing".into(),
            problem: "the journal's disk is full".into(),
            ..v1::StatusResponse::default()
        })
    }
}
