//! Approvals over the socket: somebody else decides, with the claims seen, and only this call passes.

use std::{sync::Arc, sync::atomic::Ordering};

use fak_chain::RecordKind;
use fak_kernel::Decision;
use fak_policy::NoWorld;
use fak_proto::v1::{
    Approval, ApprovalListRequest, ApprovalWatchRequest, ApproveRequest, Evidence,
};
use fak_types::{Principal, ToolCall};
use tonic::Code;

use crate::support::{Service, call, line};

const POLICY: &str = r#"{"version": "fak-policy/v1", "allow": ["Deploy"],
    "arg_rules": [{"name": "prod", "tool": "Deploy", "arg": "to", "deny_regex": "^prod$",
                   "verdict": "REQUIRE_WITNESS", "witness": ["git:clean"]}],
    "approval": {"expires_s": 1}}"#;

const LONG: &str = r#"{"version": "fak-policy/v1", "allow": ["Deploy"],
    "arg_rules": [{"name": "prod", "tool": "Deploy", "arg": "to", "deny_regex": "^prod$",
                   "verdict": "REQUIRE_WITNESS", "witness": ["git:clean"]}]}"#;

const PROD: &str = r#"{"to":"prod"}"#;

/// An agent of another user asks, as it would over the socket.
fn agent_asks(service: &Service, nonce: u128) -> Decision {
    let who = Principal::Local {
        uid: 54_321,
        gid: 54_321,
        groups: Arc::from([]),
        pid: 1,
    };
    let deploy = ToolCall {
        tool: "Deploy",
        args: PROD,
        trace: "agent",
        cwd: None,
        home: None,
    };
    let mut judgement = service.desk.snapshot().judge(&who, &deploy, &NoWorld);
    judgement.nonce = nonce;
    service
        .desk
        .with_kernel(|kernel| kernel.settle(fak_control::now(), &who, &deploy, judgement))
}

fn ruling(id: &str, approve: bool) -> ApproveRequest {
    let seen = Evidence {
        claim: "git:clean".to_owned(),
        holds: true,
        seen: "0a1b".to_owned(),
    };
    ApproveRequest {
        id: id.to_owned(),
        approve,
        reason: "I looked".to_owned(),
        evidence: vec![seen],
    }
}

#[tokio::test]
async fn nobody_approves_their_own_call_and_the_attempt_is_journaled() {
    let service = Service::with(LONG, |_| ());
    let mut client = service.client().await;
    let asked = client.adjudicate(call("Deploy", PROD)).await;
    let asked = asked.expect("answered").into_inner();
    assert_eq!(asked.verdict.as_ref().expect("one").kind, "REQUIRE_WITNESS");
    assert_eq!(asked.approval_id.len(), 32);
    let own = client.approve(ruling(&asked.approval_id, true)).await;
    assert_eq!(own.expect_err("own").code(), Code::PermissionDenied);
    let last = service.journal.drafts().pop().expect("a row");
    assert_eq!(
        (last.kind, &*last.subject),
        (RecordKind::Refused, "Approve")
    );
    let again = client.adjudicate(call("Deploy", PROD)).await;
    let again = again.expect("answered").into_inner();
    assert_eq!(again.approval_id, asked.approval_id);
    let none = client.approve(ruling("00", true)).await;
    assert_eq!(none.expect_err("none").code(), Code::NotFound);
}

#[tokio::test]
async fn an_approval_needs_its_claims_and_its_row_and_lets_one_call_through() {
    let service = Service::with(LONG, |_| ());
    let mut client = service.client().await;
    let id = agent_asks(&service, 7).approval.expect("an id").to_string();
    let listed = client.approval_list(ApprovalListRequest::default()).await;
    let listed = listed.expect("listed").into_inner();
    assert_eq!((listed.pending, listed.approvals.len()), (1, 1));
    let one = &listed.approvals[0];
    assert_eq!(
        (
            &*one.id,
            &*one.state,
            &*one.principal,
            &*one.by,
            &one.claims
        ),
        (
            &*id,
            "pending",
            "uid:54321",
            "arg_rules/prod",
            &vec!["git:clean".to_owned()]
        )
    );
    let unseen = ApproveRequest {
        evidence: Vec::new(),
        ..ruling(&id, true)
    };
    let refused = client.approve(unseen).await.expect_err("unseen");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let silent = ApproveRequest {
        reason: String::new(),
        ..ruling(&id, true)
    };
    let refused = client.approve(silent).await.expect_err("no reason");
    assert_eq!(refused.code(), Code::InvalidArgument);
    service.journal.fails.store(true, Ordering::Relaxed);
    let refused = client.approve(ruling(&id, true)).await.expect_err("no row");
    assert_eq!(refused.code(), Code::Unavailable);
    service.journal.fails.store(false, Ordering::Relaxed);
    assert!(!agent_asks(&service, 8).verdict.kind.admits());
    let approved = client.approve(ruling(&id, true)).await;
    let approved = approved.expect("approved").into_inner();
    assert_eq!((&*approved.state, approved.seq > 0), ("approved", true));
    let twice = client
        .approve(ruling(&id, false))
        .await
        .expect_err("decided");
    assert_eq!(twice.code(), Code::FailedPrecondition);
    let passed = agent_asks(&service, 9);
    assert_eq!(
        (&*passed.verdict.by, passed.approval.as_deref()),
        ("approval", Some(&*id))
    );
    assert!(!agent_asks(&service, 10).verdict.kind.admits(), "once");
    let row = service.journal.drafts().pop().expect("a row");
    assert_eq!(
        (row.kind, &*row.subject, &*row.verdict, &*row.note),
        (
            RecordKind::Approve,
            &*id,
            "ALLOW",
            "I looked\nholds 0a1b git:clean"
        )
    );
}

async fn next(watch: &mut tonic::Streaming<Approval>) -> Option<Approval> {
    watch.message().await.expect("sound")
}

#[tokio::test]
async fn a_watcher_hears_of_the_question_the_answer_and_the_end() {
    let service = Service::with(LONG, |_| ());
    let mut client = service.client().await;
    let id = agent_asks(&service, 7).approval.expect("an id").to_string();
    let all = ApprovalWatchRequest::default();
    let mut all = client
        .approval_watch(all)
        .await
        .expect("watched")
        .into_inner();
    let named = ApprovalWatchRequest { id: id.clone() };
    let mut one = client
        .approval_watch(named)
        .await
        .expect("watched")
        .into_inner();
    assert_eq!(next(&mut all).await.expect("one").state, "pending");
    assert_eq!(next(&mut one).await.expect("one").state, "pending");
    let mine = client.adjudicate(call("Deploy", PROD)).await;
    let mine = mine.expect("answered").into_inner();
    assert_eq!(next(&mut all).await.expect("mine").id, mine.approval_id);
    let refused = client.approve(ruling(&id, false)).await.expect("decided");
    assert_eq!(refused.into_inner().state, "denied");
    assert_eq!(next(&mut all).await.expect("one").state, "denied");
    assert_eq!(next(&mut one).await.expect("one").state, "denied");
    assert!(next(&mut one).await.is_none(), "the named one is decided");
    let denied = agent_asks(&service, 8).verdict;
    assert_eq!(
        (&*denied.by, denied.detail.as_str()),
        ("approval/denied", "somebody refused this call: I looked")
    );
    let nobody = ApprovalWatchRequest {
        id: "00".to_owned(),
    };
    let none = client.approval_watch(nobody).await.expect_err("none");
    assert_eq!(none.code(), Code::NotFound);
}

#[tokio::test]
async fn what_nobody_decides_ends_by_itself_and_the_watcher_is_told() {
    let service = Service::with(POLICY, |_| ());
    let mut client = service.client().await;
    let asked = client.adjudicate(call("Deploy", PROD)).await;
    let id = asked.expect("answered").into_inner().approval_id;
    let named = ApprovalWatchRequest { id };
    let mut one = client
        .approval_watch(named)
        .await
        .expect("watched")
        .into_inner();
    assert_eq!(next(&mut one).await.expect("one").state, "pending");
    assert_eq!(next(&mut one).await.expect("one").state, "expired");
    assert!(next(&mut one).await.is_none());
    let late = client.adjudicate(call("Deploy", PROD)).await;
    let late = late.expect("answered").into_inner();
    assert_eq!(line(&late.verdict), "DENY UNWITNESSED approval/expired");
    let anew = client.adjudicate(call("Deploy", PROD)).await;
    let anew = anew.expect("answered").into_inner();
    assert_eq!(anew.verdict.expect("one").kind, "REQUIRE_WITNESS");
}
