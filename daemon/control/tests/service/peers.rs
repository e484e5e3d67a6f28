//! Peers: what their role permits, what their bounds are, what is told and journaled.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use crate::support::{LIMITS, Service, call, client, line};
use fak_chain::RecordKind;
use fak_proto::v1::{
    JournalTailRequest, JournalVerifyRequest, PolicyListRequest, PolicyLoadRequest, ReloadRequest,
    SessionListRequest, StatusRequest,
};
use tonic::{Code, Status};

const PEER_SOCKET: &str = "FAK_TEST_PEER_SOCKET";
const PEER_CODES: &str = "FAK_TEST_PEER_CODES";

/// The user nobody is on every Linux.
const NOBODY: u32 = 65_534;

fn code<T>(answer: Result<T, Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// The other half of the role tests: runs in a process of another user, and does nothing in this one.
#[tokio::test]
async fn as_another_user() {
    let Some(socket) = std::env::var_os(PEER_SOCKET) else {
        return;
    };
    let mut client = client(&PathBuf::from(socket)).await.expect("connected");
    let codes = [
        code(client.status(StatusRequest {}).await),
        code(client.adjudicate(call("Read", "{}")).await),
        code(client.policy_list(PolicyListRequest {}).await),
        code(client.reload(ReloadRequest {}).await),
        code(client.journal_tail(JournalTailRequest::default()).await),
    ];
    let sessions = client.session_list(SessionListRequest::default()).await;
    let seen = sessions.map_or(0, |sessions| sessions.into_inner().sessions.len());
    assert_eq!(
        format!("{codes:?} {seen}"),
        std::env::var(PEER_CODES).expect("what is expected")
    );
}

/// Runs [`as_another_user`] as nobody against a service; `false` when this user cannot become another.
fn ask_as_nobody(service: &Service, expected: &str) -> bool {
    if fak_sys::effective_uid() != 0 {
        return false;
    }
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .args(["--exact", "peers::as_another_user"])
        .env(PEER_SOCKET, service.socket())
        .env(PEER_CODES, expected)
        .output();
    let Ok(output) = output else { return false };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    true
}

#[expect(
    clippy::print_stdout,
    reason = "this is how a test says that it skipped itself"
)]
fn skipped(test: &str) {
    println!("SKIP: {test}: needs root and setpriv to ask as another user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_may_do_nothing_and_that_is_journaled() {
    let service = Service::start();
    let denied = "PermissionDenied";
    let expected = format!("[{denied}, {denied}, {denied}, {denied}, {denied}] 0");
    if !ask_as_nobody(&service, &expected) {
        return skipped("a_stranger_may_do_nothing_and_that_is_journaled");
    }
    let rows = service.journal.drafts();
    assert!(
        rows.iter()
            .all(|row| row.kind == RecordKind::Refused && row.who == "uid:65534")
    );
    let subjects: Vec<_> = rows.iter().map(|row| row.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "Status",
            "Adjudicate",
            "PolicyList",
            "Reload",
            "JournalTail",
            "SessionList"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submitter_asks_and_sees_its_own_sessions_only() {
    let service = Service::with(crate::support::POLICY, |acl| acl.submit.gids.push(NOBODY));
    service
        .client()
        .await
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered");
    if !ask_as_nobody(
        &service,
        "[Ok, Ok, Ok, PermissionDenied, PermissionDenied] 1",
    ) {
        skipped("a_submitter_asks_and_sees_its_own_sessions_only");
    }
}

#[tokio::test]
async fn an_unknown_rpc_is_refused_and_journaled() {
    let service = Service::start();
    let socket = service.socket();
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async {
            tokio::net::UnixStream::connect(socket)
                .await
                .map(hyper_util::rt::TokioIo::new)
        }
    });
    let channel = tonic::transport::Endpoint::from_static(fak_proto::AUTHORITY)
        .connect_with_connector(connector)
        .await
        .expect("connected");
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.expect("ready");
    let path = http::uri::PathAndQuery::from_static("/fak.v1.Fak/Surrender");
    let codec = tonic_prost::ProstCodec::<StatusRequest, StatusRequest>::default();
    let status = grpc
        .unary(tonic::Request::new(StatusRequest {}), path, codec)
        .await
        .expect_err("unknown");
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(service.journal.drafts()[0].subject, "/fak.v1.Fak/Surrender");
}

#[tokio::test]
async fn a_message_over_the_bound_names_the_bound() {
    let service = Service::start();
    let mut client = service.client().await;
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LIMITS.frame_bytes));
    let status = client
        .adjudicate(call("Read", &long))
        .await
        .expect_err("too long");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.message().contains("65536 bytes (limits.frame_bytes"),
        "{status}"
    );
    let stream = client.adjudicate_stream(tokio_stream::iter([
        call("Read", "{}"),
        call("Read", &long),
    ]));
    let mut answers = stream.await.expect("a stream").into_inner();
    answers
        .message()
        .await
        .expect("an answer")
        .expect("not the end");
    let status = answers.message().await.expect_err("too long");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let answer = client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("the connection lives")
        .into_inner();
    assert_eq!(line(&answer.verdict), "ALLOW NONE allow/Read");
}

#[tokio::test]
async fn connections_and_streams_of_one_user_are_bounded() {
    let service = Service::start();
    let mut clients = Vec::new();
    for _ in 0..LIMITS.connections_per_uid {
        let mut client = service.client().await;
        client.status(StatusRequest {}).await.expect("told");
        clients.push(client);
    }
    let mut excess = service.client().await;
    let status = excess
        .status(StatusRequest {})
        .await
        .expect_err("one too many");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status.message().contains("too many connections open"),
        "{status}"
    );
    drop(excess);

    let mut open = Vec::new();
    for _ in 0..LIMITS.streams_per_uid {
        let tail = JournalTailRequest {
            follow: true,
            ..JournalTailRequest::default()
        };
        open.push(clients[0].journal_tail(tail).await.expect("a stream"));
    }
    let tail = JournalTailRequest {
        follow: true,
        ..JournalTailRequest::default()
    };
    let status = clients[1]
        .journal_tail(tail)
        .await
        .expect_err("one too many");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        status
            .message()
            .contains("2 streams open (limits.streams_per_uid)"),
        "{status}"
    );
    drop(open);
    for _ in 0..100 {
        if clients[1].journal_tail(tail).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a closed stream is not given back");
}

#[tokio::test]
async fn a_peer_that_says_nothing_or_nonsense_is_let_go() {
    let service = Service::start();
    let socket = service.socket();
    let nonsense = tokio::task::spawn_blocking(move || {
        let mut peer = UnixStream::connect(socket).expect("connected");
        peer.set_read_timeout(Some(Duration::from_secs(20)))
            .expect("set");
        peer.write_all(b"GET / HTTP/1.1\r\n\r\n\0\0\0\0\0\0\0\0")
            .expect("written");
        let mut rest = Vec::new();
        // Reset or end: either way it is over.
        let _ = peer.read_to_end(&mut rest);
    });
    tokio::time::timeout(Duration::from_secs(15), nonsense)
        .await
        .expect("let go")
        .expect("ended");
    service
        .client()
        .await
        .status(StatusRequest {})
        .await
        .expect("others are served");
}

#[tokio::test]
async fn a_policy_is_loaded_checked_and_refused_with_its_place() {
    let service = Service::start();
    let mut client = service.client().await;
    let load = |text: &str, dry_run| PolicyLoadRequest {
        text: text.to_owned(),
        name: "new.json".to_owned(),
        format: "json".to_owned(),
        dry_run,
    };
    let narrower = r#"{"version": "fak-policy/v1", "allow": ["Paint"]}"#;
    let checked = client
        .policy_load(load(narrower, true))
        .await
        .expect("answered")
        .into_inner();
    assert!(checked.loaded && checked.generation == 1, "{checked:?}");
    let broken = client
        .policy_load(load("{\n  \"allowed\": []\n}", false))
        .await
        .expect("answered")
        .into_inner();
    assert!(!broken.loaded);
    let problem = &broken.diagnostics[0];
    assert_eq!((problem.line, problem.severity.as_str()), (2, "error"));
    let answer = client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(
        (line(&answer.verdict).as_str(), answer.generation),
        ("ALLOW NONE allow/Read", 1)
    );
    let loaded = client
        .policy_load(load(narrower, false))
        .await
        .expect("answered")
        .into_inner();
    assert!(loaded.loaded && loaded.generation == 2, "{loaded:?}");
    let answer = client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(
        (line(&answer.verdict).as_str(), answer.generation),
        ("DENY DEFAULT_DENY default", 2)
    );
    let reloaded = client
        .reload(ReloadRequest {})
        .await
        .expect("answered")
        .into_inner();
    assert!(
        reloaded.reloaded && reloaded.generation == 3,
        "{reloaded:?}"
    );

    let policy: Vec<_> = service
        .journal
        .drafts()
        .into_iter()
        .filter(|row| row.kind == RecordKind::Policy)
        .collect();
    assert_eq!(policy[0].subject, "refused");
    assert_eq!(
        policy
            .iter()
            .filter(|row| row.subject == "generation")
            .count(),
        2
    );
}

#[tokio::test]
async fn the_journal_is_tailed_followed_and_verified() {
    let service = Service::start();
    let mut client = service.client().await;
    for _ in 0..5 {
        client
            .adjudicate(call("Read", "{}"))
            .await
            .expect("answered");
    }
    let tail = JournalTailRequest {
        limit: 2,
        follow: true,
        ..JournalTailRequest::default()
    };
    let mut rows = client
        .journal_tail(tail)
        .await
        .expect("a stream")
        .into_inner();
    let mut next = async || {
        rows.message()
            .await
            .expect("a row")
            .expect("not the end")
            .seq
    };
    assert_eq!((next().await, next().await), (4, 5));
    client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered");
    assert_eq!(next().await, 6);
    let tail = JournalTailRequest {
        from_seq: 2,
        limit: 3,
        follow: false,
    };
    let mut rows = client
        .journal_tail(tail)
        .await
        .expect("a stream")
        .into_inner();
    let mut seqs = Vec::new();
    while let Some(row) = rows.message().await.expect("a row") {
        seqs.push(row.seq);
    }
    assert_eq!(seqs, [2, 3, 4]);
    let found = client
        .journal_verify(JournalVerifyRequest {})
        .await
        .expect("verified")
        .into_inner();
    assert!(found.sound && found.rows == 6, "{found:?}");
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_ends_streams() {
    let mut service = Service::start();
    let mut client = service.client().await;
    let tail = JournalTailRequest {
        follow: true,
        ..JournalTailRequest::default()
    };
    let mut rows = client
        .journal_tail(tail)
        .await
        .expect("a stream")
        .into_inner();
    client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered");
    service.desk.drain();
    let _ = service.stop.take().expect("running").send(());
    while rows.message().await.is_ok_and(|row| row.is_some()) {}
    tokio::time::timeout(Duration::from_secs(10), &mut service.done)
        .await
        .expect("drained")
        .expect("ended");
    // A process another test is starting holds every descriptor until it becomes its own program.
    for _ in 0..200 {
        if crate::support::client(&service.socket()).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("somebody still listens");
}
