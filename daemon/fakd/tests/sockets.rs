//! Sockets the service manager hands over: one serves everybody, several are told apart by name.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use fak_proto::v1::{
    AdjudicateRequest, JournalVerifyRequest, ReloadRequest, StatusRequest, fak_client::FakClient,
};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{net::UnixStream, runtime::Runtime};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Binds sockets as descriptors 3 and up and becomes fakd, as a service manager does.
const ACTIVATE: &str = "
import os, socket, sys
names = sys.argv[2].split(':')
held = []
for name in names:
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.join(sys.argv[1], name + '.sock'))
    s.listen(8)
    # Out of the way of the descriptors they are to have.
    held.append(os.dup2(s.fileno(), 100 + len(held)))
for place, fd in enumerate(held):
    os.dup2(fd, 3 + place)
    os.set_inheritable(3 + place, True)
os.environ.update(LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=sys.argv[2], LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])
";

struct Activated {
    dir: TempDir,
    runtime: Runtime,
    daemon: Child,
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Activated {
    /// fakd with a socket for each name; `None` without what plays the service manager.
    fn with(names: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let daemon = Command::new("python3")
            .args(["-c", ACTIVATE])
            .arg(dir.path())
            .arg(names)
            .arg(env!("CARGO_BIN_EXE_fakd"))
            .arg("--user")
            .env("HOME", dir.path())
            .env("XDG_RUNTIME_DIR", dir.path().join("run"))
            .env("XDG_STATE_HOME", dir.path().join("state"))
            .env("XDG_CONFIG_HOME", dir.path().join("config"))
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Some(Self {
            dir,
            runtime,
            daemon,
        })
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.sock"))
    }

    /// Asks at a socket once fakd answers there.
    fn client(&self, name: &str) -> FakClient<Channel> {
        let begun = Instant::now();
        loop {
            let found = self.runtime.block_on(async {
                let mut client = client(&self.socket(name)).await.ok()?;
                client.status(StatusRequest {}).await.ok()?;
                Some(client)
            });
            if let Some(client) = found {
                return client;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} is not served");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn client(socket: &Path) -> Result<FakClient<Channel>, tonic::transport::Error> {
    let socket = socket.to_owned();
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static(fak_proto::AUTHORITY)
        .connect_with_connector(connector)
        .await
        .map(FakClient::new)
}

#[expect(
    clippy::print_stdout,
    reason = "this is how a test says that it skipped itself"
)]
fn skipped(test: &str) {
    println!("SKIP: {test}: needs python3");
}

fn code<T>(answer: Result<T, tonic::Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

#[test]
fn a_single_inherited_socket_serves_everybody_and_is_left_behind() {
    let Some(mut activated) = Activated::with("fakd.socket") else {
        return skipped("a_single_inherited_socket_serves_everybody_and_is_left_behind");
    };
    let mut client = activated.client("fakd.socket");
    let reloaded = activated.runtime.block_on(client.reload(ReloadRequest {}));
    assert_eq!(code(reloaded), Code::Ok);
    assert!(
        !activated.dir.path().join("run/fak/fakd.sock").exists(),
        "no socket of its own is made"
    );
    let pid = activated.daemon.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.expect("sent").success());
    assert_eq!(activated.daemon.wait().expect("ended").code(), Some(0));
    assert!(
        activated.socket("fakd.socket").exists(),
        "the socket belongs to the service manager"
    );
}

#[test]
fn three_sockets_let_through_what_their_names_say() {
    let Some(activated) = Activated::with("grpc:admin:audit") else {
        return skipped("three_sockets_let_through_what_their_names_say");
    };
    // The asker is the daemon's own user, whom only the auditors' socket caps.
    let denied = Code::PermissionDenied;
    for (name, role, wanted) in [
        ("grpc", "admin", [Code::Ok, Code::Ok, Code::Ok]),
        ("audit", "audit", [denied, Code::Ok, denied]),
        ("admin", "admin", [Code::Ok, Code::Ok, Code::Ok]),
    ] {
        let mut client = activated.client(name);
        let call = AdjudicateRequest {
            tool: "Read".to_owned(),
            trace_id: "t".to_owned(),
            ..AdjudicateRequest::default()
        };
        let found = activated.runtime.block_on(async {
            let status = client.status(StatusRequest {}).await.expect("told");
            assert_eq!(status.into_inner().role, role, "{name}");
            [
                code(client.adjudicate(call).await),
                code(client.journal_verify(JournalVerifyRequest {}).await),
                code(client.reload(ReloadRequest {}).await),
            ]
        });
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn a_socket_of_an_unknown_name_among_several_ends_it_with_73() {
    let Some(mut activated) = Activated::with("grpc:grcp") else {
        return skipped("a_socket_of_an_unknown_name_among_several_ends_it_with_73");
    };
    let ended = activated.daemon.wait().expect("ended");
    assert_eq!(ended.code(), Some(73));
    let mut told = String::new();
    if let Some(stderr) = &mut activated.daemon.stderr {
        std::io::Read::read_to_string(stderr, &mut told).expect("read");
    }
    assert!(
        told.contains("a socket named `grcp`") && told.contains("`grpc`, `audit`, `admin`"),
        "{told}"
    );
}
