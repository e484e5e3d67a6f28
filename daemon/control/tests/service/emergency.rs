//! Break-glass over the socket: who may, what it does, what is journaled.

use std::sync::atomic::Ordering;

use fak_chain::RecordKind;
use fak_control::Door;
use fak_kernel::{EMERGENCY_REASON_BYTES_MAX, EMERGENCY_US_MAX};
use fak_proto::v1::{
    AdjudicateRequest, EmergencyDisableRequest, EmergencyEnableRequest, StatusRequest,
    fak_client::FakClient,
};
use tonic::{Code, transport::Channel};

use crate::support::{POLICY, Service, call, client, line};

fn disable(reason: &str, seconds: u32) -> EmergencyDisableRequest {
    EmergencyDisableRequest {
        reason: reason.to_owned(),
        seconds,
    }
}

fn enable(reason: &str) -> EmergencyEnableRequest {
    EmergencyEnableRequest {
        reason: reason.to_owned(),
    }
}

async fn asked(client: &mut FakClient<Channel>, request: AdjudicateRequest) -> (String, String) {
    let answer = client.adjudicate(request).await.expect("answered");
    let verdict = answer.into_inner().verdict;
    let would_deny = verdict.as_ref().expect("a verdict").would_deny.clone();
    (line(&verdict), would_deny)
}

#[tokio::test]
async fn an_emergency_admits_refusals_until_it_is_ended() {
    let service = Service::start();
    let mut client = service.client().await;
    let refused = ("DENY POLICY_BLOCK deny/Shred".to_owned(), String::new());
    assert_eq!(asked(&mut client, call("Shred", "{}")).await, refused);
    let begun = client
        .emergency_disable(disable("the site is down", 60))
        .await
        .expect("begun")
        .into_inner();
    let emergency = begun.emergency.expect("told");
    assert_eq!(emergency.until_us - emergency.begun_us, 60_000_000);
    assert_eq!(
        asked(&mut client, call("Shred", "{}")).await,
        ("ALLOW NONE emergency".to_owned(), "POLICY_BLOCK".to_owned())
    );
    let status = client
        .status(StatusRequest {})
        .await
        .expect("told")
        .into_inner();
    let told = status.emergency.expect("an emergency");
    assert_eq!(
        (told.uses, told.reason.as_str(), status.state.as_str()),
        (1, "the site is down", "judging")
    );
    let ended = client
        .emergency_enable(enable("repaired"))
        .await
        .expect("ended")
        .into_inner();
    assert_eq!(ended.ended.expect("it").uses, 1);
    assert_eq!(asked(&mut client, call("Shred", "{}")).await, refused);
    let again = client
        .emergency_enable(enable("repaired"))
        .await
        .expect_err("none");
    assert_eq!(again.code(), Code::FailedPrecondition);

    let own = format!("uid:{}", fak_sys::effective_uid());
    let rows: Vec<_> = service
        .journal
        .drafts()
        .into_iter()
        .filter(|row| row.kind == RecordKind::Emergency)
        .map(|row| (row.subject, row.who, row.note, row.until_us))
        .collect();
    let (until, text) = (emergency.until_us, str::to_owned);
    assert_eq!(
        rows,
        [
            (text("begin"), own.clone(), text("the site is down"), until),
            (text("end"), own, text("repaired"), 0),
        ]
    );
}

#[tokio::test]
async fn another_deadline_is_another_row() {
    let service = Service::start();
    let mut client = service.client().await;
    let first = client.emergency_disable(disable("a", 60)).await;
    let second = client.emergency_disable(disable("b", 10)).await;
    let until = |answer: Result<tonic::Response<_>, _>| {
        let answer: fak_proto::v1::EmergencyDisableResponse = answer.expect("begun").into_inner();
        (answer.seq, answer.emergency.expect("told").until_us)
    };
    let (first, second) = (until(first), until(second));
    assert_eq!((first.0, second.0), (1, 2));
    assert!(second.1 < first.1, "the last row's deadline holds");
}

#[tokio::test]
async fn its_time_passes_by_a_clock_nobody_sets_and_the_end_is_journaled() {
    let service = Service::start();
    let mut client = service.client().await;
    client
        .emergency_disable(disable("briefly", 1))
        .await
        .expect("begun");
    service.desk.mind_emergency().await;
    assert_eq!(service.journal.drafts().len(), 1, "it holds");
    while service.desk.emergency().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (told, _) = asked(&mut client, call("Shred", "{}")).await;
    assert_eq!(told, "DENY POLICY_BLOCK deny/Shred");
    service.desk.mind_emergency().await;
    service.desk.mind_emergency().await;
    let last = service.journal.drafts().pop().expect("a row");
    assert_eq!(
        (last.subject.as_str(), last.who.as_str(), last.note.as_str()),
        ("end", "", "its time had passed")
    );
    let ends = |rows: Vec<fak_chain::Draft>| {
        rows.iter()
            .filter(|row| row.kind == RecordKind::Emergency)
            .count()
    };
    assert_eq!(ends(service.journal.drafts()), 2, "one begin, one end");
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_admits_nothing() {
    let service = Service::start();
    let mut client = service.client().await;
    service.journal.fails.store(true, Ordering::Relaxed);
    let status = client
        .emergency_disable(disable("the disk is full", 60))
        .await
        .expect_err("not begun");
    assert_eq!(status.code(), Code::Unavailable);
    service.journal.fails.store(false, Ordering::Relaxed);
    let (told, _) = asked(&mut client, call("Shred", "{}")).await;
    assert_eq!(told, "DENY POLICY_BLOCK deny/Shred", "no row, no emergency");

    client
        .emergency_disable(disable("now", 60))
        .await
        .expect("begun");
    service.journal.fails.store(true, Ordering::Relaxed);
    let (told, _) = asked(&mut client, call("Shred", "{}")).await;
    assert_eq!(told, "DENY DEFAULT_DENY journal", "fail closed stays");
    client
        .emergency_enable(enable("repaired"))
        .await
        .expect_err("the row is missing");
    service.journal.fails.store(false, Ordering::Relaxed);
    let (told, _) = asked(&mut client, call("Shred", "{}")).await;
    assert_eq!(told, "DENY POLICY_BLOCK deny/Shred", "its effect has ended");
    service.desk.mind_emergency().await;
    let last = service.journal.drafts().pop().expect("a row");
    assert_eq!(
        (last.kind, last.subject.as_str()),
        (RecordKind::Emergency, "end")
    );
}

#[tokio::test]
async fn only_the_administrators_door_has_the_glass() {
    const DOORS: [(&str, Door); 3] = [
        ("fakd.sock", Door::Submit),
        ("audit.sock", Door::Audit),
        ("admin.sock", Door::Admin),
    ];
    // The asker is the daemon's own user, who may do everything else at the first door.
    let service = Service::at_doors(&DOORS, POLICY, |_| ());
    let at = |name: &str| service.dir.path().join(name);
    for name in ["fakd.sock", "audit.sock"] {
        let mut client = client(&at(name)).await.expect("connected");
        let status = client
            .emergency_disable(disable("x", 60))
            .await
            .expect_err("the wrong door");
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().ends_with("admin.sock"), "{status}");
    }
    assert!(service.desk.emergency().is_none());
    let mut client = client(&at("admin.sock")).await.expect("connected");
    client
        .emergency_disable(disable("x", 60))
        .await
        .expect("begun");
}

#[tokio::test]
async fn what_is_asked_is_bounded() {
    let service = Service::start();
    let mut client = service.client().await;
    let day = u32::try_from(EMERGENCY_US_MAX / 1_000_000).expect("small");
    let long = "x".repeat(EMERGENCY_REASON_BYTES_MAX + 1);
    for (request, says) in [
        (disable("", 60), "reason: is empty"),
        (disable(" \t", 60), "reason: is empty"),
        (disable(&long, 60), "reason: has 513 bytes"),
        (
            disable("two\nlines", 60),
            "reason: holds a control character",
        ),
        (
            disable("x", 0),
            "seconds: is 0; an emergency lasts from 1 to 86400",
        ),
        (disable("x", day + 1), "seconds: is 86401"),
    ] {
        let status = client
            .emergency_disable(request)
            .await
            .expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(says), "{status}");
    }
    assert!(service.journal.drafts().is_empty());
    client
        .emergency_disable(disable(&long[1..], day))
        .await
        .expect("the bounds themselves are fine");
}
