//! Verdicts over the socket: one, many, streamed, explained, and when the journal cannot be written.

use std::sync::atomic::Ordering;

use crate::support::{Service, call, line};
use fak_chain::RecordKind;
use fak_proto::v1::{
    AdjudicateBatchRequest, AdjudicateRequest, JournalVerifyRequest, MetricsRequest,
    SessionGetRequest, SessionListRequest, StatusRequest,
};
use tonic::Code;

#[tokio::test]
async fn one_call_is_judged_and_journaled_before_the_answer() {
    let service = Service::start();
    let mut client = service.client().await;
    let denied = client
        .adjudicate(call("Shred", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(line(&denied.verdict), "DENY POLICY_BLOCK deny/Shred");
    assert_eq!(denied.verdict.expect("a verdict").disposition, "TERMINAL");
    let unknown = client
        .adjudicate(call("Paint", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(line(&unknown.verdict), "DENY DEFAULT_DENY default");
    let malformed = client
        .adjudicate(call("Read", "{\"a\":1,\"a\":2}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(line(&malformed.verdict), "DENY MALFORMED parse");
    let allowed = client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(line(&allowed.verdict), "ALLOW NONE allow/Read");
    assert_eq!((allowed.seq, allowed.generation), (4, 1));
    let kinds: Vec<_> = service
        .journal
        .drafts()
        .iter()
        .map(|draft| draft.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            RecordKind::Deny,
            RecordKind::Deny,
            RecordKind::Deny,
            RecordKind::Decide
        ]
    );
}

#[tokio::test]
async fn a_transform_changes_its_bytes_and_no_others() {
    let service = Service::start();
    let mut client = service.client().await;
    let args = "{ \"token\" : \"hunter-two\",\t\"n\": 1.50 }";
    let answer = client
        .adjudicate(call("Write", args))
        .await
        .expect("answered")
        .into_inner();
    assert!(
        line(&answer.verdict).starts_with("TRANSFORM "),
        "{answer:?}"
    );
    let repaired = String::from_utf8(answer.repaired_args).expect("text");
    assert_eq!(repaired, args.replace("\"hunter-two\"", "\"[REDACTED]\""));
    let told = format!("{:?}", service.journal.drafts());
    assert!(
        !told.contains("hunter"),
        "an argument's value reached the journal"
    );
}

#[tokio::test]
async fn a_stream_answers_in_order_and_a_bad_call_ends_it_after_the_good_ones() {
    let service = Service::start();
    let mut client = service.client().await;
    let tools = ["Read", "Shred", "Write"];
    let calls: Vec<_> = (0..300)
        .map(|n| AdjudicateRequest {
            call_id: n.to_string(),
            ..call(tools[n % 3], "{}")
        })
        .chain([
            AdjudicateRequest {
                cwd: "relative".to_owned(),
                ..call("Read", "{}")
            },
            call("Read", "{}"),
        ])
        .collect();
    let mut answers = client
        .adjudicate_stream(tokio_stream::iter(calls))
        .await
        .expect("a stream")
        .into_inner();
    for n in 0..300_u64 {
        let answer = answers
            .message()
            .await
            .expect("an answer")
            .expect("not the end");
        assert_eq!(answer.call_id, n.to_string());
        let kind = if n % 3 == 1 { "DENY" } else { "ALLOW" };
        assert_eq!(answer.verdict.expect("a verdict").kind, kind);
        assert_eq!(answer.seq, n + 1);
    }
    let status = answers.message().await.expect_err("the bad call");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status
            .message()
            .starts_with("call 300: cwd: is not an absolute path"),
        "{status}"
    );
    assert_eq!(service.journal.drafts().len(), 300);
}

#[tokio::test]
async fn a_batch_equals_asking_one_by_one() {
    let calls = [
        call("Read", "{}"),
        call("Shred", "{}"),
        call("Read", "{"),
        call("Write", "{\"token\":\"x\"}"),
    ];
    let service = Service::start();
    let mut client = service.client().await;
    let request = AdjudicateBatchRequest {
        calls: calls.to_vec(),
    };
    let batch = client
        .adjudicate_batch(request)
        .await
        .expect("answered")
        .into_inner()
        .verdicts;
    let other = Service::start();
    let mut client = other.client().await;
    for (index, call) in calls.into_iter().enumerate() {
        let single = client
            .adjudicate(call)
            .await
            .expect("answered")
            .into_inner();
        assert_eq!(batch[index], single);
    }
}

#[tokio::test]
async fn a_batch_is_bounded_and_its_bad_call_is_named() {
    let service = Service::start();
    let mut client = service.client().await;
    let many = AdjudicateBatchRequest {
        calls: vec![AdjudicateRequest::default(); 1025],
    };
    let status = client.adjudicate_batch(many).await.expect_err("too many");
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::InvalidArgument,
            "calls: has 1025 entries; send at most 1024"
        )
    );
    let bad = AdjudicateRequest {
        args: vec![0xff],
        ..call("Read", "")
    };
    let request = AdjudicateBatchRequest {
        calls: vec![call("Read", "{}"), bad],
    };
    let status = client.adjudicate_batch(request).await.expect_err("bad");
    assert_eq!(
        status.message(),
        "calls[1].args: is not UTF-8 at byte 0; send JSON text in UTF-8"
    );
    assert!(
        service.journal.drafts().is_empty(),
        "nothing of a refused batch is judged"
    );
}

#[tokio::test]
async fn an_explanation_names_the_rungs_and_leaves_no_trace() {
    let service = Service::start();
    let mut client = service.client().await;
    let answer = client
        .explain(call("Shred", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(line(&answer.verdict), "DENY POLICY_BLOCK deny/Shred");
    assert_eq!(answer.rungs.iter().filter(|rung| rung.winner).count(), 1);
    assert!(answer.rungs.len() > 2, "{answer:?}");
    assert!(service.journal.drafts().is_empty());
}

#[tokio::test]
async fn sessions_and_status_tell_what_happened() {
    let service = Service::start();
    let mut client = service.client().await;
    for tool in ["Read", "Shred"] {
        client.adjudicate(call(tool, "{}")).await.expect("answered");
    }
    let minted = AdjudicateRequest {
        trace_id: String::new(),
        ..call("Read", "{}")
    };
    let minted = client
        .adjudicate(minted)
        .await
        .expect("answered")
        .into_inner()
        .trace_id;
    assert!(minted.starts_with("t-"), "{minted}");
    let listed = client
        .session_list(SessionListRequest::default())
        .await
        .expect("listed")
        .into_inner();
    let traces: Vec<_> = listed
        .sessions
        .iter()
        .map(|session| session.trace_id.as_str())
        .collect();
    assert_eq!(traces, [minted.as_str(), "t"]);
    assert_eq!(listed.live, 2);
    let one = SessionGetRequest {
        trace_id: "t".to_owned(),
    };
    let session = client.session_get(one).await.expect("found").into_inner();
    assert_eq!((session.calls, session.allowed, session.denied), (2, 1, 1));
    assert_eq!(
        (session.run.as_str(), session.last_reason.as_str()),
        ("running", "POLICY_BLOCK")
    );
    let none = SessionGetRequest {
        trace_id: "other".to_owned(),
    };
    assert_eq!(
        client.session_get(none).await.expect_err("missing").code(),
        Code::NotFound
    );

    let status = client
        .status(StatusRequest {})
        .await
        .expect("told")
        .into_inner();
    assert_eq!(
        (status.state.as_str(), status.role.as_str()),
        ("judging", "admin")
    );
    assert_eq!(
        (status.decided, status.refused, status.sessions_live),
        (3, 1, 2)
    );
    assert_eq!(status.recent_refusals.len(), 1);
    assert!(status.you.starts_with("uid:"), "{}", status.you);
    assert_eq!(status.upkeep.map(|upkeep| upkeep.verified_us), Some(0));
    let verify = JournalVerifyRequest {};
    client.journal_verify(verify).await.expect("verified");
    let status = client.status(StatusRequest {}).await.expect("told");
    let upkeep = status.into_inner().upkeep.expect("told");
    assert!(upkeep.verified_us > 0 && upkeep.verified_sound);
    assert_eq!(upkeep.verified_rows, 3);
}

#[tokio::test]
async fn metrics_are_a_page_about_fakd_and_about_nobody_else() {
    let service = Service::start();
    let mut client = service.client().await;
    for tool in ["Read", "Shred", "Shred"] {
        client.adjudicate(call(tool, "{}")).await.expect("answered");
    }
    let page = client.metrics(MetricsRequest {}).await.expect("told");
    let text = page.into_inner().text;
    for line in [
        "fak_verdicts_total{kind=\"ALLOW\",reason=\"NONE\"} 1",
        "fak_verdicts_total{kind=\"DENY\",reason=\"POLICY_BLOCK\"} 2",
        "fak_refusals_total{rule=\"deny/Shred\"} 2",
        "fak_verdict_duration_seconds_count 3",
        "fak_state{state=\"judging\"} 1",
        "fak_sessions 1",
        "fak_build_info{version=\"test\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let own = format!("{}", fak_sys::effective_uid());
    assert!(!text.contains("uid"), "{text}");
    assert!(!text.contains(&format!("\"{own}\"")), "{text}");
}

#[tokio::test]
async fn what_cannot_be_journaled_is_refused_and_costs_nothing() {
    let policy =
        r#"{"version": "fak-policy/v1", "allow": ["Read"], "rate_limit": {"max_calls": 1}}"#;
    let service = Service::with(policy, |_| ());
    let mut client = service.client().await;
    service.journal.fails.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let answer = client
            .adjudicate(call("Read", "{}"))
            .await
            .expect("answered")
            .into_inner();
        assert_eq!(line(&answer.verdict), "DENY DEFAULT_DENY journal");
        assert_eq!(
            answer.verdict.expect("a verdict").detail,
            "the disk is full: free space"
        );
    }
    let status = client
        .status(StatusRequest {})
        .await
        .expect("told")
        .into_inner();
    assert_eq!(
        (status.state.as_str(), status.problem.as_str()),
        ("refusing", "the disk is full")
    );
    service.journal.fails.store(false, Ordering::Relaxed);
    let answer = client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(line(&answer.verdict), "ALLOW NONE allow/Read");
    let answer = client
        .adjudicate(call("Read", "{}"))
        .await
        .expect("answered")
        .into_inner();
    assert!(
        line(&answer.verdict).starts_with("DENY RATE_LIMITED rate_limit"),
        "{answer:?}"
    );
}
