//! Sessions over the socket: who steers, what a turn may cost, who hears of it.

use std::sync::atomic::Ordering;

use fak_chain::RecordKind;
use fak_proto::v1::{
    Budget, Session, SessionControlRequest, SessionReserveRequest, SessionSettleRequest,
    SessionWatchRequest, fak_client::FakClient,
};
use tonic::{Code, Status, transport::Channel};

use crate::support::{Service, call, line};

const BOUNDED: &str = r#"{"version": "fak-policy/v1", "allow": ["Read"],
    "budget": {"turns": 3, "tokens": 100, "cost_micros": 500,
               "prices": {"small": {"input": 1000000, "output": 5000000}}}}"#;

fn control(run: &str) -> SessionControlRequest {
    SessionControlRequest {
        trace_id: "t".to_owned(),
        run: run.to_owned(),
        reason: "because".to_owned(),
        ..SessionControlRequest::default()
    }
}

fn reserve(turn: &str, input_tokens: u64, output_tokens: u64) -> SessionReserveRequest {
    SessionReserveRequest {
        trace_id: "t".to_owned(),
        turn_id: turn.to_owned(),
        input_tokens,
        output_tokens,
        model: "small".to_owned(),
    }
}

fn settle(turn: &str, input_tokens: u64, output_tokens: u64) -> SessionSettleRequest {
    SessionSettleRequest {
        trace_id: "t".to_owned(),
        turn_id: turn.to_owned(),
        input_tokens,
        output_tokens,
    }
}

async fn read(client: &mut FakClient<Channel>) -> String {
    let answer = client.adjudicate(call("Read", "{}")).await;
    line(&answer.expect("answered").into_inner().verdict)
}

fn told(answer: Result<tonic::Response<Session>, Status>) -> Session {
    answer.expect("answered").into_inner()
}

fn left(session: &Session) -> [Option<u64>; 3] {
    let budget = session.budget.as_ref().expect("a budget");
    [budget.turns, budget.tokens, budget.cost_micros]
}

#[tokio::test]
async fn a_pause_holds_from_the_next_call_and_is_journaled() {
    let service = Service::start();
    let mut client = service.client().await;
    let unknown = client.session_control(control("paused")).await;
    assert_eq!(unknown.expect_err("none").code(), Code::NotFound);
    assert_eq!(read(&mut client).await, "ALLOW NONE allow/Read");
    let paused = told(client.session_control(control("paused")).await);
    assert_eq!((&*paused.run, &*paused.steered_why), ("paused", "because"));
    assert_eq!(read(&mut client).await, "DENY RATE_LIMITED session/paused");
    let stale = SessionControlRequest {
        if_rev: Some(paused.rev),
        ..control("running")
    };
    let lost = client.session_control(stale).await.expect_err("stale");
    assert_eq!(lost.code(), Code::Aborted);
    assert_eq!(
        told(client.session_control(control("running")).await).run,
        "running"
    );
    assert_eq!(read(&mut client).await, "ALLOW NONE allow/Read");
    assert_eq!(
        told(client.session_control(control("stopped")).await).run,
        "stopped"
    );
    let back = client.session_control(control("running")).await;
    assert_eq!(back.expect_err("stopped").code(), Code::FailedPrecondition);
    let own = format!("uid:{}", fak_sys::effective_uid());
    let rows: Vec<_> = service
        .journal
        .drafts()
        .into_iter()
        .filter(|row| row.kind == RecordKind::Session)
        .map(|row| (row.subject, row.by, row.note))
        .collect();
    let row = |run: &str| {
        let note = format!("run={run}; because");
        ("control".to_owned(), own.clone(), note)
    };
    assert_eq!(rows, [row("paused"), row("running"), row("stopped")]);
}

#[tokio::test]
async fn what_cannot_be_written_changes_nothing() {
    let service = Service::with(BOUNDED, |_| ());
    let mut client = service.client().await;
    assert_eq!(read(&mut client).await, "ALLOW NONE allow/Read");
    service.journal.fails.store(true, Ordering::Relaxed);
    let refused = client.session_control(control("stopped")).await;
    assert_eq!(refused.expect_err("no row").code(), Code::Unavailable);
    let turn = client.session_reserve(reserve("1", 10, 10)).await;
    let turn = turn.expect("answered").into_inner();
    assert_eq!(line(&turn.verdict), "DENY DEFAULT_DENY journal");
    service.journal.fails.store(false, Ordering::Relaxed);
    let turn = client.session_reserve(reserve("1", 10, 10)).await;
    let session = turn.expect("answered").into_inner().session.expect("it");
    assert_eq!(
        (&*session.run, left(&session)),
        ("running", [Some(2), Some(80), Some(440)])
    );
    service.journal.fails.store(true, Ordering::Relaxed);
    let refused = client.session_settle(settle("1", 1, 0)).await;
    assert_eq!(refused.expect_err("no row").code(), Code::Unavailable);
    service.journal.fails.store(false, Ordering::Relaxed);
    let settled = told(client.session_settle(settle("1", 1, 0)).await);
    assert_eq!(left(&settled), [Some(2), Some(99), Some(499)]);
}

#[tokio::test]
async fn requests_that_make_no_sense_name_the_field() {
    let service = Service::start();
    let mut client = service.client().await;
    assert_eq!(read(&mut client).await, "ALLOW NONE allow/Read");
    let bad = [
        (control("asleep"), "run: "),
        (control(""), "request: "),
        (
            SessionControlRequest {
                reason: String::new(),
                ..control("paused")
            },
            "reason: ",
        ),
        (
            SessionControlRequest {
                unbounded: vec!["money".to_owned()],
                ..control("paused")
            },
            "unbounded: ",
        ),
    ];
    for (request, field) in bad {
        let refused = client.session_control(request).await.expect_err("bad");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused}");
    }
    let nameless = client.session_reserve(reserve("", 1, 1)).await;
    assert_eq!(nameless.expect_err("bad").code(), Code::InvalidArgument);
    let unknown = client.session_settle(settle("7", 1, 1)).await;
    assert_eq!(unknown.expect_err("none").code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_turns_never_overshoot_the_budget() {
    let service = Service::with(BOUNDED, |_| ());
    let client = service.client().await;
    let asked: Vec<_> = (0..4)
        .map(|n| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let turn = reserve(&format!("turn-{n}"), 30, 10);
                let answer = client.session_reserve(turn).await.expect("answered");
                line(&answer.into_inner().verdict)
            })
        })
        .collect();
    let mut lines = Vec::new();
    for one in asked {
        lines.push(one.await.expect("asked"));
    }
    lines.sort();
    assert_eq!(
        lines,
        [
            "ALLOW NONE session/turn",
            "ALLOW NONE session/turn",
            "DENY RATE_LIMITED session/budget",
            "DENY RATE_LIMITED session/budget",
        ]
    );
}

#[tokio::test]
async fn a_budget_is_told_spent_and_set_anew() {
    let service = Service::with(BOUNDED, |_| ());
    let mut client = service.client().await;
    let turn = client.session_reserve(reserve("1", 40, 60)).await;
    let turn = turn.expect("answered").into_inner();
    let session = turn.session.expect("it");
    assert_eq!(line(&turn.verdict), "ALLOW NONE session/turn");
    assert_eq!(
        (left(&session), session.reserved_turns),
        ([Some(2), Some(0), Some(160)], 1)
    );
    assert_eq!(read(&mut client).await, "ALLOW NONE allow/Read");
    let settled = told(client.session_settle(settle("1", 40, 60)).await);
    assert_eq!(settled.reserved_turns, 0);
    assert_eq!(read(&mut client).await, "DENY RATE_LIMITED session/budget");
    let more = SessionControlRequest {
        budget: Some(Budget {
            tokens: Some(7),
            ..Budget::default()
        }),
        ..control("")
    };
    let session = told(client.session_control(more).await);
    assert_eq!(left(&session), [Some(2), Some(7), Some(160)]);
    assert_eq!(read(&mut client).await, "ALLOW NONE allow/Read");
}

#[tokio::test]
async fn a_watcher_hears_of_every_change() {
    let service = Service::start();
    let mut client = service.client().await;
    assert_eq!(read(&mut client).await, "ALLOW NONE allow/Read");
    let mut watch = client
        .session_watch(SessionWatchRequest {
            trace_id: "t".to_owned(),
        })
        .await
        .expect("watched")
        .into_inner();
    let first = watch.message().await.expect("sound").expect("one");
    assert_eq!((first.calls, &*first.run), (1, "running"));
    let _ = told(client.session_control(control("paused")).await);
    let mut last = first;
    while last.run != "paused" {
        last = watch.message().await.expect("sound").expect("one");
    }
    assert_eq!(read(&mut client).await, "DENY RATE_LIMITED session/paused");
    while last.denied == 0 {
        last = watch.message().await.expect("sound").expect("one");
    }
    // A watcher that reads nothing holds up nobody, and reads how it is at last.
    for _ in 0..3000 {
        let _ = read(&mut client).await;
    }
    while last.denied < 3001 {
        last = watch.message().await.expect("sound").expect("one");
    }
}
