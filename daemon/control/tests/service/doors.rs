//! Doors: what each socket lets through, whoever comes, and what the refused are told.

use fak_control::Door;
use fak_proto::v1::{
    JournalTailRequest, JournalVerifyRequest, PolicyListRequest, PolicyLoadRequest, ReloadRequest,
    SessionGetRequest, SessionListRequest, StatusRequest,
};
use tonic::{Code, Status};

use crate::support::{POLICY, Service, call, client};

const DOORS: [(&str, Door); 3] = [
    ("fakd.sock", Door::Submit),
    ("audit.sock", Door::Audit),
    ("admin.sock", Door::Admin),
];

/// A service with three sockets whose user is an administrator and not the daemon's own.
fn with_doors() -> Service {
    Service::at_doors(&DOORS, POLICY, |acl| {
        acl.own_uid = fak_sys::effective_uid().wrapping_add(4242);
        acl.admin.uids.push(fak_sys::effective_uid());
    })
}

fn passes<T>(answer: Result<T, Status>) -> bool {
    match answer {
        Ok(_) => true,
        Err(status) => status.code() != Code::PermissionDenied,
    }
}

/// Which RPCs get past this socket, in the order of the table below.
async fn past(service: &Service, socket: &str) -> Vec<bool> {
    let mut client = client(&service.dir.path().join(socket))
        .await
        .expect("connected");
    let calls = tokio_stream::iter([call("Read", "{}")]);
    let load = PolicyLoadRequest {
        dry_run: true,
        ..PolicyLoadRequest::default()
    };
    let own = SessionGetRequest {
        trace_id: "t".to_owned(),
    };
    vec![
        passes(client.status(StatusRequest {}).await),
        passes(client.policy_list(PolicyListRequest {}).await),
        passes(client.session_list(SessionListRequest::default()).await),
        passes(client.session_get(own).await),
        passes(client.adjudicate(call("Read", "{}")).await),
        passes(client.adjudicate_stream(calls).await),
        passes(client.explain(call("Read", "{}")).await),
        passes(client.journal_tail(JournalTailRequest::default()).await),
        passes(client.journal_verify(JournalVerifyRequest {}).await),
        passes(client.policy_load(load).await),
        passes(client.reload(ReloadRequest {}).await),
    ]
}

#[tokio::test]
async fn each_socket_caps_what_an_administrator_may_do() {
    let service = with_doors();
    let want = |asks: bool, reads: bool, changes: bool| {
        let mut row = vec![true; 4];
        row.extend([asks; 3]);
        row.extend([reads; 2]);
        row.extend([changes; 2]);
        row
    };
    for (socket, wanted) in [
        ("fakd.sock", want(true, false, false)),
        ("audit.sock", want(false, true, false)),
        ("admin.sock", want(true, true, true)),
    ] {
        assert_eq!(past(&service, socket).await, wanted, "{socket}");
    }
}

#[tokio::test]
async fn the_daemons_own_user_reloads_where_everyone_asks() {
    let service = Service::at_doors(&DOORS, POLICY, |_| ());
    assert_eq!(past(&service, "fakd.sock").await, [true; 11]);
    let audit = past(&service, "audit.sock").await;
    assert_eq!(
        audit.last(),
        Some(&false),
        "an auditor's socket changes nothing"
    );
}

#[tokio::test]
async fn who_stands_at_the_wrong_door_is_shown_the_right_one() {
    let service = with_doors();
    let at = |socket: &str| service.dir.path().join(socket);
    let mut asker = client(&at("fakd.sock")).await.expect("connected");
    let status = asker.reload(ReloadRequest {}).await.expect_err("capped");
    assert_eq!(
        status.message(),
        format!(
            "Reload is not answered on this socket; ask at {}",
            at("admin.sock").display()
        )
    );
    let status = asker
        .journal_verify(JournalVerifyRequest {})
        .await
        .expect_err("capped");
    assert!(
        status.message().ends_with("audit.sock"),
        "the door that lets the least through: {status}"
    );
    let mut auditor = client(&at("audit.sock")).await.expect("connected");
    let status = auditor
        .adjudicate(call("Read", "{}"))
        .await
        .expect_err("capped");
    assert!(status.message().ends_with("fakd.sock"), "{status}");
    let told = asker
        .status(StatusRequest {})
        .await
        .expect("told")
        .into_inner();
    assert_eq!(told.role, "submit", "the role that holds here");
    let notes: Vec<_> = service
        .journal
        .drafts()
        .into_iter()
        .filter(|row| !row.subject.is_empty())
        .map(|row| (row.subject, row.note))
        .collect();
    assert_eq!(
        notes[0],
        (
            "Reload".to_owned(),
            "the caller's role is `submit`".to_owned()
        )
    );
}

#[tokio::test]
async fn an_auditor_sees_every_session_and_an_asker_its_own() {
    let service = with_doors();
    let foreign = fak_types::Principal::Key("ci".into());
    let judged = fak_types::ToolCall {
        tool: "Read",
        args: "{}",
        trace: "theirs",
        cwd: None,
        home: None,
    };
    let judgement = service
        .desk
        .snapshot()
        .judge(&foreign, &judged, &fak_policy::NoWorld);
    service.desk.with_kernel(|kernel| {
        drop(kernel.settle(fak_control::now(), &foreign, &judged, judgement));
    });
    for (socket, seen) in [("fakd.sock", 0), ("audit.sock", 1), ("admin.sock", 1)] {
        let mut client = client(&service.dir.path().join(socket))
            .await
            .expect("connected");
        let found = client
            .session_list(SessionListRequest::default())
            .await
            .expect("listed")
            .into_inner();
        assert_eq!(found.live, seen, "{socket}");
    }
}

#[tokio::test]
async fn an_asker_sees_its_own_refusals_and_an_auditor_everybodys() {
    use fak_control::Evidence as _;
    let service = with_doors();
    let refused = |who: String| fak_chain::Draft {
        who,
        verdict: "DENY".to_owned(),
        ..fak_chain::Draft::new(fak_chain::RecordKind::Deny, 1)
    };
    let own = format!("uid:{}", fak_sys::effective_uid());
    for who in ["key:ci".to_owned(), own.clone(), "key:ci".to_owned()] {
        service.desk.evidence.offer(refused(who));
    }
    for (socket, seqs) in [("fakd.sock", vec![2]), ("audit.sock", vec![3, 2, 1])] {
        let mut client = client(&service.dir.path().join(socket))
            .await
            .expect("connected");
        let told = client.status(StatusRequest {}).await.expect("told");
        let found: Vec<_> = told
            .into_inner()
            .recent_refusals
            .iter()
            .map(|row| row.seq)
            .collect();
        assert_eq!(found, seqs, "{socket}");
    }
}
