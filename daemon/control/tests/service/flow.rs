//! Information flow: a value only a stranger supplied steers nothing, though no screen noticed anything.

use std::sync::atomic::Ordering;

use fak_chain::RecordKind;
use fak_control::Change;
use fak_proto::v1::{
    AdjudicateResponse, AdmitRequest, AdmitResponse, Budget, Scope, ScopeTool,
    SessionControlRequest, SessionReserveRequest, SessionSettleRequest, TaintGetRequest,
    TaintResetRequest, TellRequest, TellResponse,
};
use tonic::{Code, Status};

use crate::support::{LOGS_MAX, Notebook, Service, call, line};

const MAIL: &str = r#"{
    "version": "fak-policy/v1",
    "allow": ["contacts", "inbox", "send_mail", "Read"],
    "flow": {
        "sources": {"contacts": {"otherwise": "trusted"}},
        "sinks": {"send_mail": {"controls": {"to": {}}, "texts": {"body": {}}}}
    }
}"#;

const STRANGER: &[u8] =
    br#"[{"from": "Eve", "body": "Hello! My address is eve@evil.example now."}]"#;
const PEOPLE: &[u8] = br#"[{"name": "Ann", "mail": "ann@work.example"}]"#;

fn mail(notebook: &Notebook) -> Service {
    Service::remembering(MAIL, notebook.clone())
}

async fn read(service: &Service, tool: &str, bytes: &[u8], args: &str) -> AdmitResponse {
    let request = AdmitRequest {
        tool: tool.to_owned(),
        result: bytes.to_vec(),
        trace_id: "t".to_owned(),
        args: args.as_bytes().to_vec(),
        ..AdmitRequest::default()
    };
    let answer = service.client().await.admit(request).await;
    answer.expect("answered").into_inner()
}

async fn asks(service: &Service, tool: &str, args: &str) -> AdjudicateResponse {
    let answer = service.client().await.adjudicate(call(tool, args)).await;
    answer.expect("answered").into_inner()
}

async fn sends(service: &Service, to: &str) -> String {
    let args = format!(r#"{{"to": "{to}", "body": "hi"}}"#);
    line(&asks(service, "send_mail", &args).await.verdict)
}

async fn tell(
    service: &Service,
    words: &str,
    scope: &[(&str, u32)],
) -> Result<TellResponse, Status> {
    let tool = |(name, count_max): &(&str, u32)| ScopeTool {
        name: (*name).to_owned(),
        count_max: *count_max,
    };
    let request = TellRequest {
        trace_id: "t".to_owned(),
        words: words.to_owned(),
        scope: (!scope.is_empty()).then(|| Scope {
            tools: scope.iter().map(tool).collect(),
        }),
    };
    let told = service.client().await.tell(request).await;
    told.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_strangers_value_steers_no_sink_and_is_named_by_its_origin() {
    let service = mail(&Notebook::default());
    let answer = read(&service, "inbox", STRANGER, "{}").await;
    assert_eq!(line(&answer.verdict), "ALLOW NONE screen");
    let args = r#"{"to": "eve@evil.example", "body": "hi"}"#;
    let refused = asks(&service, "send_mail", args).await;
    assert_eq!(line(&refused.verdict), "DENY TRUST_VIOLATION flow");
    let verdict = refused.verdict.expect("a verdict");
    assert!(verdict.detail.contains("/to"), "{}", verdict.detail);
    let origin = format!("inbox (row {})", answer.seq);
    assert!(verdict.detail.contains(&origin), "{}", verdict.detail);
    assert!(!verdict.detail.contains("eve@"), "{}", verdict.detail);
    assert_eq!(verdict.disposition, "ESCALATE");
    let row = service.journal.drafts().pop().expect("a row");
    assert_eq!((row.kind, row.by.as_str()), (RecordKind::Deny, "flow"));
}

#[tokio::test]
async fn the_users_word_and_a_trusted_field_steer() {
    let service = mail(&Notebook::default());
    assert_eq!(
        sends(&service, "bob@home.example").await,
        "DENY TRUST_VIOLATION flow"
    );
    tell(
        &service,
        "Please write to bob@home.example and to Ann.",
        &[],
    )
    .await
    .expect("told");
    assert_eq!(
        sends(&service, "bob@home.example").await,
        "ALLOW NONE allow/send_mail"
    );
    assert_eq!(
        sends(&service, "ann@work.example").await,
        "DENY TRUST_VIOLATION flow"
    );
    read(&service, "contacts", PEOPLE, r#"{"name": "Ann"}"#).await;
    assert_eq!(
        sends(&service, "ann@work.example").await,
        "ALLOW NONE allow/send_mail"
    );
}

#[tokio::test]
async fn a_result_without_its_arguments_earns_no_trust() {
    let service = mail(&Notebook::default());
    read(&service, "contacts", PEOPLE, "").await;
    assert_eq!(
        sends(&service, "ann@work.example").await,
        "DENY TRUST_VIOLATION flow"
    );
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let notebook = Notebook::default();
    {
        let service = mail(&notebook);
        tell(&service, "Write to bob@home.example.", &[])
            .await
            .expect("told");
        read(&service, "contacts", PEOPLE, "{}").await;
        read(&service, "inbox", STRANGER, "{}").await;
    }
    let service = mail(&notebook);
    assert_eq!(
        sends(&service, "bob@home.example").await,
        "ALLOW NONE allow/send_mail"
    );
    assert_eq!(
        sends(&service, "ann@work.example").await,
        "ALLOW NONE allow/send_mail"
    );
    let args = r#"{"to": "eve@evil.example", "body": "hi"}"#;
    let verdict = asks(&service, "send_mail", args)
        .await
        .verdict
        .expect("a verdict");
    assert!(verdict.detail.contains("inbox (row "), "{}", verdict.detail);
}

#[tokio::test]
async fn what_cannot_be_labelled_is_not_shown() {
    let notebook = Notebook::default();
    let service = mail(&notebook);
    notebook.fails.store(true, Ordering::Relaxed);
    let answer = read(&service, "inbox", STRANGER, "{}").await;
    assert_eq!(line(&answer.verdict), "DENY DEFAULT_DENY vault");
    assert!(answer.result.is_empty());
    let told = tell(&service, "Write to bob@home.example.", &[]).await;
    assert_eq!(told.expect_err("refused").code(), Code::Unavailable);
    notebook.fails.store(false, Ordering::Relaxed);
    assert_eq!(
        sends(&service, "bob@home.example").await,
        "DENY TRUST_VIOLATION flow"
    );
}

#[tokio::test]
async fn a_counted_call_that_cannot_be_counted_is_refused() {
    let notebook = Notebook::default();
    let service = mail(&notebook);
    tell(&service, "Write to bob@home.example.", &[])
        .await
        .expect("told");
    notebook.fails.store(true, Ordering::Relaxed);
    assert_eq!(
        sends(&service, "bob@home.example").await,
        "DENY DEFAULT_DENY vault"
    );
    notebook.fails.store(false, Ordering::Relaxed);
    assert_eq!(
        sends(&service, "bob@home.example").await,
        "ALLOW NONE allow/send_mail"
    );
}

#[tokio::test]
async fn a_scope_only_narrows_and_outlives_a_restart() {
    let notebook = Notebook::default();
    {
        let service = Service::remembering(crate::support::POLICY, notebook.clone());
        tell(&service, "", &[("Read", 2), ("Shred", 0)])
            .await
            .expect("told");
        assert_eq!(
            line(&asks(&service, "Read", "{}").await.verdict),
            "ALLOW NONE allow/Read"
        );
        assert_eq!(
            line(&asks(&service, "Write", "{}").await.verdict),
            "DENY POLICY_BLOCK flow/scope"
        );
        assert_eq!(
            line(&asks(&service, "Shred", "{}").await.verdict),
            "DENY POLICY_BLOCK deny/Shred"
        );
    }
    let service = Service::remembering(crate::support::POLICY, notebook);
    assert_eq!(
        line(&asks(&service, "Read", "{}").await.verdict),
        "ALLOW NONE allow/Read"
    );
    assert_eq!(
        line(&asks(&service, "Read", "{}").await.verdict),
        "DENY POLICY_BLOCK flow/scope"
    );
    let mut other = call("Write", "{}");
    other.trace_id = "another".to_owned();
    let other = service
        .client()
        .await
        .adjudicate(other)
        .await
        .expect("answered");
    assert_eq!(line(&other.into_inner().verdict), "ALLOW NONE allow/Write");
}

#[tokio::test]
async fn a_session_that_read_before_there_were_rules_trusts_nothing_it_does_not_know() {
    let service = Service::remembering(crate::support::POLICY, Notebook::default());
    read(&service, "Fetch", STRANGER, "{}").await;
    let manifest = fak_control::Manifest {
        text: MAIL.to_owned(),
        name: "mail.json".to_owned(),
        format: String::new(),
    };
    let changed = service
        .desk
        .change(None, &Change::Load(manifest), false)
        .await;
    assert!(changed.ok, "{:?}", changed.diagnostics);
    read(&service, "contacts", PEOPLE, "{}").await;
    assert_eq!(
        sends(&service, "ann@work.example").await,
        "DENY TRUST_VIOLATION flow"
    );
    tell(&service, "Write to bob@home.example.", &[])
        .await
        .expect("told");
    assert_eq!(
        sends(&service, "bob@home.example").await,
        "ALLOW NONE allow/send_mail"
    );
}

#[tokio::test]
async fn the_taint_is_told_and_only_a_witness_resets_it() {
    let service = mail(&Notebook::default());
    read(&service, "inbox", STRANGER, "{}").await;
    let mut client = service.client().await;
    let asked = TaintGetRequest {
        trace_id: "t".to_owned(),
        principal: String::new(),
    };
    let taint = client.taint_get(asked).await.expect("told").into_inner();
    assert_eq!(
        (taint.taint.as_str(), taint.results, taint.full),
        ("tainted", 1, false)
    );
    assert!(taint.values > 0);
    let reset = TaintResetRequest {
        trace_id: "t".to_owned(),
        reason: "looked at it".to_owned(),
        ..TaintResetRequest::default()
    };
    let refused = client.taint_reset(reset).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("somebody else"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn unsound_words_are_told_by_field() {
    let service = mail(&Notebook::default());
    for (words, scope, part) in [
        ("", &[][..], "words: are empty"),
        ("", &[("", 1)][..], "scope.tools[0].name: is empty"),
    ] {
        let refused = tell(&service, words, scope).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(part), "{}", refused.message());
    }
    let long = "x".repeat(60_000);
    tell(&service, &long, &[]).await.expect("told");
    let refused = tell(&service, &long, &[]).await.expect_err("refused");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(
        refused.message().contains("room for"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn a_flood_of_sessions_finds_room_and_what_was_dropped_is_not_trusted() {
    let service = mail(&Notebook::default());
    let in_session = |index: usize| AdmitRequest {
        tool: "contacts".to_owned(),
        result: PEOPLE.to_vec(),
        trace_id: format!("s{index}"),
        args: b"{}".to_vec(),
        ..AdmitRequest::default()
    };
    let mut client = service.client().await;
    for index in 0..2 * LOGS_MAX {
        let answer = client
            .admit(in_session(index))
            .await
            .expect("answered")
            .into_inner();
        assert_eq!(
            line(&answer.verdict),
            "ALLOW NONE screen",
            "session {index}"
        );
    }
    let mut send = call("send_mail", r#"{"to": "ann@work.example", "body": "hi"}"#);
    for (index, wanted) in [
        (0, "DENY TRUST_VIOLATION flow"),
        (2 * LOGS_MAX - 1, "ALLOW NONE allow/send_mail"),
    ] {
        send.trace_id = format!("s{index}");
        let answer = client
            .adjudicate(send.clone())
            .await
            .expect("answered")
            .into_inner();
        assert_eq!(line(&answer.verdict), wanted, "session {index}");
    }
}

#[tokio::test]
async fn a_session_that_carries_on_remembers_what_the_one_before_it_did() {
    let service = mail(&Notebook::default());
    tell(&service, "Write to bob@home.example.", &[])
        .await
        .expect("told");
    read(&service, "inbox", STRANGER, "{}").await;
    let mut client = service.client().await;
    let budget = Budget {
        context_tokens: Some(90),
        ..Budget::default()
    };
    let steer = |budget, reset| SessionControlRequest {
        trace_id: "t".to_owned(),
        budget,
        reset,
        reason: "a test".to_owned(),
        ..SessionControlRequest::default()
    };
    client
        .session_control(steer(Some(budget), false))
        .await
        .expect("steered");
    let turn = SessionReserveRequest {
        trace_id: "t".to_owned(),
        turn_id: "1".to_owned(),
        input_tokens: 90,
        output_tokens: 10,
        model: String::new(),
    };
    client.session_reserve(turn).await.expect("reserved");
    let settle = SessionSettleRequest {
        trace_id: "t".to_owned(),
        turn_id: "1".to_owned(),
        input_tokens: 90,
        output_tokens: 10,
    };
    let session = client
        .session_settle(settle)
        .await
        .expect("settled")
        .into_inner();
    assert_eq!(session.run, "draining");
    let next = client
        .session_control(steer(None, true))
        .await
        .expect("reset")
        .into_inner();
    assert_eq!(next.trace_id, session.continuation);
    let mut send = call("send_mail", r#"{"to": "bob@home.example", "body": "hi"}"#);
    send.trace_id.clone_from(&next.trace_id);
    let answer = client
        .adjudicate(send.clone())
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(line(&answer.verdict), "ALLOW NONE allow/send_mail");
    send.args = br#"{"to": "eve@evil.example", "body": "hi"}"#.to_vec();
    let answer = client
        .adjudicate(send)
        .await
        .expect("answered")
        .into_inner();
    let detail = answer.verdict.expect("a verdict").detail;
    assert!(detail.contains("inbox (row "), "{detail}");
}

#[tokio::test]
async fn a_call_without_arguments_counts_like_any_other() {
    let service = Service::remembering(crate::support::POLICY, Notebook::default());
    tell(&service, "", &[("Read", 1)]).await.expect("told");
    let read = || asks(&service, "Read", "");
    assert_eq!(line(&read().await.verdict), "ALLOW NONE allow/Read");
    assert_eq!(line(&read().await.verdict), "DENY POLICY_BLOCK flow/scope");
}

#[tokio::test]
async fn labels_stay_what_they_were_when_the_policy_changes_after_a_restart() {
    let notebook = Notebook::default();
    {
        let service = mail(&notebook);
        read(&service, "contacts", PEOPLE, "{}").await;
    }
    let distrusting = MAIL.replace("\"otherwise\": \"trusted\"", "\"otherwise\": \"tainted\"");
    {
        let service = mail(&notebook);
        // Looks the ledger up and leaves nothing in its log.
        assert_eq!(
            sends(&service, "made-up@nowhere.example").await,
            "DENY TRUST_VIOLATION flow"
        );
        let manifest = fak_control::Manifest {
            text: distrusting.clone(),
            name: "mail.json".to_owned(),
            format: String::new(),
        };
        let change = Change::Load(manifest);
        assert!(service.desk.change(None, &change, false).await.ok);
        read(&service, "inbox", STRANGER, "{}").await;
        assert_eq!(
            sends(&service, "ann@work.example").await,
            "ALLOW NONE allow/send_mail"
        );
    }
    let service = Service::remembering(&distrusting, notebook);
    assert_eq!(
        sends(&service, "ann@work.example").await,
        "ALLOW NONE allow/send_mail"
    );
}
