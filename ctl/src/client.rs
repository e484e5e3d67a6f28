//! The connection to fakd: connect, ask, and turn every way it can fail into one exit code and one fix.

use std::{
    error::Error as StdError, future::Future, io, path::Path, path::PathBuf, time::Duration,
};

use fak_proto::v1::fak_client::FakClient;
use tonic::{
    Code, Response, Status,
    transport::{Channel, Endpoint},
};

use crate::exit::{Exit, Failure};

/// The stub every verb uses.
pub(crate) type Fak = FakClient<Channel>;

/// Longest answer accepted, in bytes. LIMIT: room for one frame and its repaired copy.
const ANSWER_BYTES_MAX: usize = 2 * fak_proto::FRAME_BYTES_MAX;

/// Where fakd is and how long to wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    pub(crate) socket: PathBuf,
    pub(crate) timeout: Duration,
}

impl Daemon {
    /// Runs one exchange under the time limit, on a runtime that lives only for it.
    ///
    /// # Errors
    /// Whatever `job` says, [`Exit::TryAgain`] when the time is up, and every way connecting can fail.
    pub(crate) fn ask<T, F>(&self, job: impl FnOnce(Fak) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        runtime()?.block_on(async {
            let exchange = async { job(self.connect().await?).await };
            match tokio::time::timeout(self.timeout, exchange).await {
                Ok(answer) => answer,
                Err(_) => Err(self.late()),
            }
        })
    }

    /// One question, one answer.
    ///
    /// # Errors
    /// As [`Daemon::ask`]; a gRPC error becomes what [`Daemon::failed`] makes of it.
    pub(crate) fn call<T, F>(&self, rpc: impl FnOnce(Fak) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.call_or(rpc, |_| None)
    }

    /// As [`Daemon::call`], for a question with errors of its own: `named` says what some of them mean.
    ///
    /// # Errors
    /// As [`Daemon::call`].
    pub(crate) fn call_or<T, F>(
        &self,
        rpc: impl FnOnce(Fak) -> F,
        named: impl FnOnce(&Status) -> Option<Failure>,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.ask(async |client| {
            rpc(client)
                .await
                .map(Response::into_inner)
                .map_err(|status| named(&status).unwrap_or_else(|| self.failed(&status)))
        })
    }

    /// Runs a conversation that may last: only the connection is under the time limit.
    ///
    /// # Errors
    /// As [`Daemon::ask`].
    pub(crate) fn converse<T, F>(&self, job: impl FnOnce(Fak) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        runtime()?.block_on(async {
            let client = match tokio::time::timeout(self.timeout, self.connect()).await {
                Ok(client) => client?,
                Err(_) => return Err(self.late()),
            };
            job(client).await
        })
    }

    /// Waits for one answer of a longer conversation.
    ///
    /// # Errors
    /// [`Exit::TryAgain`] when the time is up.
    pub(crate) async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::time::timeout(self.timeout, answer)
            .await
            .map_err(|_| self.late())
    }

    /// A connection, not under the time limit.
    ///
    /// # Errors
    /// Every way connecting can fail.
    pub(crate) async fn connect(&self) -> Result<Fak, Failure> {
        let path = self.socket.to_str().ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!(
                    "{}: the path of a socket must be UTF-8",
                    self.socket.display()
                ),
            )
        })?;
        let endpoint = Endpoint::from_shared(format!("unix:{path}"))
            .map_err(|error| Failure::new(Exit::Usage, format!("{path}: {error}")))?;
        match endpoint.connect().await {
            Ok(channel) => Ok(FakClient::new(channel)
                .max_decoding_message_size(ANSWER_BYTES_MAX)
                .max_encoding_message_size(ANSWER_BYTES_MAX)),
            Err(error) => Err(unreachable(&self.socket, io_kind(&error))),
        }
    }

    fn late(&self) -> Failure {
        Failure::new(
            Exit::TryAgain,
            format!(
                "fakd at {} gave no answer within {} ms",
                self.socket.display(),
                self.timeout.as_millis()
            ),
        )
        .fix("count it as a refusal; look at `fakctl status`, or wait longer with --timeout")
    }

    /// What an RPC's error means here.
    pub(crate) fn failed(&self, status: &Status) -> Failure {
        let at = self.socket.display();
        let said = crate::out::plain(status.message()).into_owned();
        if status.source().is_some() {
            // No answer of fakd's own: the connection broke underneath the call.
            return match io_kind(status) {
                None => Failure::new(Exit::Protocol, format!("whoever listens at {at} does not speak {}", fak_proto::PROTOCOL))
                    .fix("check --socket and FAK_SOCKET, and that fakd and fakctl are of the same release"),
                kind => unreachable(&self.socket, kind),
            };
        }
        match status.code() {
            Code::InvalidArgument | Code::OutOfRange => Failure::data(said),
            Code::NotFound => Failure::new(Exit::Missing, said),
            Code::PermissionDenied | Code::Unauthenticated => {
                Failure::new(Exit::NotPermitted, said)
                    .fix("`fakctl doctor` shows your role; an administrator grants it in fakd.toml")
            }
            Code::ResourceExhausted | Code::Aborted => {
                Failure::new(Exit::TryAgain, said).fix("count it as a refusal and ask again later")
            }
            Code::DeadlineExceeded | Code::Cancelled => Failure::new(Exit::TryAgain, said),
            Code::Unavailable => Failure::new(
                Exit::Unreachable,
                format!("fakd at {at} cannot answer: {said}"),
            )
            .fix("count it as a refusal; `fakctl status` says why"),
            Code::Unimplemented => Failure::new(
                Exit::Protocol,
                format!("fakd at {at} does not know this question: {said}"),
            )
            .fix("install the same release of fakd and fakctl"),
            Code::FailedPrecondition => Failure::new(Exit::Config, said),
            _ => Failure::new(Exit::Internal, format!("fakd at {at}: {said}")),
        }
    }
}

/// A runtime for as long as one verb runs.
///
/// # Errors
/// [`Exit::Internal`] when there is none to be had.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot start: {error}")))
}

/// The I/O error at the bottom of a chain of sources.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found.kind());
        }
        next = error.source();
    }
    None
}

fn unreachable(socket: &Path, kind: Option<io::ErrorKind>) -> Failure {
    let at = socket.display();
    match kind {
        Some(io::ErrorKind::PermissionDenied) => {
            Failure::new(Exit::NotPermitted, format!("the socket {at} is closed to this user"))
                .fix("join the group that owns it (`sudo usermod -aG fak $USER`, then log in again), or run `fakd --user`")
        }
        Some(io::ErrorKind::NotFound) => {
            Failure::new(Exit::Unreachable, format!("fakd is not running: no socket at {at}"))
                .fix("start it with `systemctl start fakd`, or `fakd --user` for this user alone")
        }
        _ => Failure::new(Exit::Unreachable, format!("fakd does not answer at {at}"))
            .fix("start it with `systemctl start fakd`, or `fakd --user` for this user alone"),
    }
}
