//! Approvals: somebody else, this call, once, in time.

use fak_kernel::{
    APPROVALS_PER_PRINCIPAL_MAX, ApprovalState, ApproveError, Decision, Ruling, RunState, Seen,
    Steer, Viewer,
};
use fak_types::{Reason, ToolCall, Verdict, VerdictKind};

use crate::support::{ADMIN, AGENT, Machine, OTHER, PLAIN, at, call, uid};

const PROD: &str = r#"{"to":"prod"}"#;

const SEEN: [Seen<'static>; 2] = [
    Seen {
        claim: "git:clean",
        holds: true,
        seen: "ab12",
    },
    Seen {
        claim: "test:make check",
        holds: true,
        seen: "cd34",
    },
];

fn deploy(trace: &str) -> ToolCall<'_> {
    call("Deploy", PROD, trace)
}

fn yes(id: &str) -> Ruling<'_> {
    Ruling {
        id,
        approve: true,
        why: "I looked",
        evidence: &SEEN,
    }
}

fn waits(m: &mut Machine, ms: u64, call: &ToolCall<'_>) -> String {
    let Decision {
        verdict, approval, ..
    } = m.ask(at(ms), AGENT, call);
    assert_eq!(verdict.kind, VerdictKind::RequireWitness, "{verdict:?}");
    approval.expect("an id").to_string()
}

fn rule(m: &mut Machine, ms: u64, ruling: &Ruling<'_>) -> Result<(), ApproveError> {
    let draft = m.kernel.rule(at(ms), &uid(ADMIN), ruling)?;
    m.take_in(draft);
    Ok(())
}

fn by(m: &mut Machine, ms: u64, call: &ToolCall<'_>) -> String {
    m.ask(at(ms), AGENT, call).verdict.by.to_string()
}

#[test]
fn an_approval_lets_one_call_through_once() {
    let mut m = Machine::new(PLAIN);
    let id = waits(&mut m, 1, &deploy("t"));
    assert_eq!(id.len(), 32);
    assert_eq!(waits(&mut m, 2, &deploy("t")), id, "asked twice is one");
    let all = m.kernel.approvals(at(2), Viewer::All, false, 10);
    assert_eq!(all.len(), 1);
    assert_eq!(
        (&*all[0].call.tool, &*all[0].by, all[0].claims.len()),
        ("Deploy", "arg_rules/prod", 2)
    );
    assert_eq!(
        all[0].detail,
        m.rows
            .last()
            .map_or("", |row| row.note.split('\n').next().unwrap_or(""))
    );
    let draft = m.kernel.rule(at(3), &uid(ADMIN), &yes(&id)).expect("sound");
    assert_eq!(
        waits(&mut m, 3, &deploy("t")),
        id,
        "not before the row is durable"
    );
    m.take_in(draft);
    m.holds_through_restarts();
    let passed = m.ask(at(4), AGENT, &deploy("t"));
    assert_eq!(
        (
            passed.verdict.kind,
            &*passed.verdict.by,
            passed.approval.as_deref()
        ),
        (VerdictKind::Allow, "approval", Some(&*id))
    );
    assert_eq!(passed.draft.subject, id);
    let spent = m.kernel.approval(at(4), Viewer::All, &id).expect("known");
    assert_eq!(spent.state, ApprovalState::Spent);
    assert_ne!(waits(&mut m, 5, &deploy("t")), id, "once");
    m.holds_through_restarts();
}

#[test]
fn an_approval_fits_no_other_call() {
    let mut m = Machine::new(PLAIN);
    let id = waits(&mut m, 1, &deploy("t"));
    rule(&mut m, 2, &yes(&id)).expect("approved");
    let spaced = r#"{"to": "prod"}"#;
    let elsewhere = ToolCall {
        cwd: Some("/srv"),
        ..deploy("t")
    };
    for other in [
        deploy("u"),
        call("Deploy", spaced, "t"),
        call("Deploy", r#"{"to":"prod","x":1}"#, "t"),
        elsewhere,
    ] {
        assert_ne!(waits(&mut m, 3, &other), id, "{other:?}");
    }
    let stranger = m.ask(at(3), OTHER, &deploy("t"));
    assert_eq!(stranger.verdict.kind, VerdictKind::RequireWitness);
    // Another rule that asks as well was not answered.
    m.flow = Some(Verdict {
        reason: Reason::TrustViolation,
        ..Verdict::of(VerdictKind::RequireWitness, "flow/control")
    });
    let both = waits(&mut m, 4, &deploy("t"));
    assert_ne!(both, id);
    rule(&mut m, 5, &yes(&both)).expect("approved");
    assert_eq!(by(&mut m, 6, &deploy("t")), "approval");
    m.flow = None;
    assert_eq!(by(&mut m, 7, &deploy("t")), "approval", "still not spent");
    m.holds_through_restarts();
}

#[test]
fn a_denial_of_another_rung_stays_a_denial() {
    let mut m = Machine::new(PLAIN);
    let id = waits(&mut m, 1, &deploy("t"));
    rule(&mut m, 2, &yes(&id)).expect("approved");
    m.flow = Some(Verdict::deny(Reason::TrustViolation, "flow/control", ""));
    assert_eq!(by(&mut m, 3, &deploy("t")), "flow/control");
    m.flow = None;
    let pause = Steer {
        trace: "t",
        run: Some(RunState::Paused),
        why: "wait",
        ..Steer::default()
    };
    let _ = m.steer(4, &pause).expect("steered");
    assert_eq!(by(&mut m, 5, &deploy("t")), "session/paused");
    let resume = Steer {
        run: Some(RunState::Running),
        ..pause
    };
    let _ = m.steer(6, &resume).expect("steered");
    assert_eq!(
        by(&mut m, 7, &deploy("t")),
        "approval",
        "refusals spent nothing"
    );
}

#[test]
fn an_approved_call_is_still_redacted() {
    let mut m = Machine::new(PLAIN);
    let args = r#"{"to":"prod","password":"x"}"#;
    let secret = call("Deploy", args, "t");
    let id = waits(&mut m, 1, &secret);
    rule(&mut m, 2, &yes(&id)).expect("approved");
    let passed = m.ask(at(3), AGENT, &secret).verdict;
    assert_eq!(
        (passed.kind, passed.edits.len()),
        (VerdictKind::Transform, 1)
    );
}

#[test]
fn nobody_approves_their_own_call_or_without_having_looked() {
    let mut m = Machine::new(PLAIN);
    let id = waits(&mut m, 1, &deploy("t"));
    let own = m.kernel.rule(at(2), &uid(AGENT), &yes(&id));
    assert_eq!(own, Err(ApproveError::Own));
    let denies = Ruling {
        approve: false,
        ..yes(&id)
    };
    let own = m.kernel.rule(at(2), &uid(AGENT), &denies);
    assert_eq!(own, Err(ApproveError::Own));
    let fails = [
        SEEN[0],
        Seen {
            holds: false,
            ..SEEN[1]
        },
    ];
    let twice = [SEEN[0], SEEN[1], fails[1]];
    for evidence in [&SEEN[..1], &fails, &[], &twice] {
        let refused = rule(
            &mut m,
            3,
            &Ruling {
                evidence,
                ..yes(&id)
            },
        );
        let claim = if evidence.is_empty() {
            "git:clean"
        } else {
            "test:make check"
        };
        assert_eq!(refused, Err(ApproveError::Unwitnessed(claim.to_owned())));
    }
    for why in ["", "two\nlines"] {
        let refused = rule(&mut m, 3, &Ruling { why, ..yes(&id) });
        assert!(matches!(refused, Err(ApproveError::Invalid { .. })));
    }
    let unknown = rule(&mut m, 3, &yes("00"));
    assert_eq!(unknown, Err(ApproveError::NotFound));
    // A forged row of the requester changes nothing either.
    let mut forged = m.kernel.rule(at(4), &uid(ADMIN), &yes(&id)).expect("sound");
    forged.who = uid(AGENT).name();
    m.take_in(forged);
    assert_eq!(waits(&mut m, 5, &deploy("t")), id);
    m.holds_through_restarts();
}

#[test]
fn a_refused_call_stays_refused_until_its_time_is_over() {
    let mut m = Machine::new(PLAIN);
    let id = waits(&mut m, 1, &deploy("t"));
    let no = Ruling {
        approve: false,
        evidence: &[],
        why: "not today",
        id: &id,
    };
    rule(&mut m, 1_000, &no).expect("refused");
    assert_eq!(
        rule(&mut m, 1_001, &yes(&id)),
        Err(ApproveError::NotPending(ApprovalState::Denied))
    );
    let refused = m.ask(at(60_999), AGENT, &deploy("t")).verdict;
    assert_eq!(
        (refused.kind, refused.reason, &*refused.by),
        (VerdictKind::Deny, Reason::Unwitnessed, "approval/denied")
    );
    assert_ne!(waits(&mut m, 61_000, &deploy("t")), id);
    m.holds_through_restarts();
}

#[test]
fn what_nobody_decides_is_refused_once_and_may_be_asked_anew() {
    let mut m = Machine::new(PLAIN);
    let id = waits(&mut m, 0, &deploy("t"));
    assert_eq!(waits(&mut m, 59_999, &deploy("t")), id);
    let refused = m.kernel.rule(at(60_000), &uid(ADMIN), &yes(&id));
    assert_eq!(
        refused,
        Err(ApproveError::NotPending(ApprovalState::Expired))
    );
    let expired = m.ask(at(60_000), AGENT, &deploy("t"));
    assert_eq!(
        (
            &*expired.verdict.by,
            expired.verdict.reason,
            expired.approval.as_deref()
        ),
        ("approval/expired", Reason::Unwitnessed, Some(&*id))
    );
    let next = waits(&mut m, 60_001, &deploy("t"));
    assert_ne!(next, id);
    // Approved and not used in time is over as well.
    rule(&mut m, 60_002, &yes(&next)).expect("approved");
    assert_eq!(by(&mut m, 120_002, &deploy("t")), "approval/expired");
    assert_ne!(waits(&mut m, 120_003, &deploy("t")), next);
    m.holds_through_restarts();
}

#[test]
fn a_flood_of_questions_fills_the_askers_own_room_only() {
    let mut m = Machine::new(PLAIN);
    let traces: Vec<String> = (0..=APPROVALS_PER_PRINCIPAL_MAX)
        .map(|n| format!("t{n}"))
        .collect();
    let (last, rest) = traces.split_last().expect("some");
    for trace in rest {
        let _ = waits(&mut m, 1, &deploy(trace));
    }
    let full = m.ask(at(2), AGENT, &deploy(last)).verdict;
    assert_eq!(
        (full.reason, &*full.by, full.retry_after_ms),
        (Reason::RateLimited, "approval/full", Some(59_999))
    );
    let other = m.ask(at(2), OTHER, &deploy("t"));
    assert!(other.approval.is_some());
    // Of the 256, what is over makes room, the oldest first.
    let _ = waits(&mut m, 60_001, &deploy(last));
    assert_eq!(
        m.kernel
            .approvals_pending(at(60_001), Viewer::Own("uid:1000")),
        1
    );
    m.holds_through_restarts();
}

#[test]
fn without_random_bits_a_call_waits_and_nobody_can_approve() {
    let mut m = Machine::new(PLAIN);
    m.nonce = u128::MAX - 1;
    let _ = waits(&mut m, 1, &deploy("t"));
    let who = uid(AGENT);
    let judgement = m.snapshot.judge(&who, &deploy("u"), &fak_policy::NoWorld);
    let decision = m.kernel.settle(at(2), &who, &deploy("u"), judgement);
    assert_eq!(decision.verdict.kind, VerdictKind::RequireWitness);
    assert_eq!((decision.approval, &*decision.draft.subject), (None, ""));
}

#[test]
fn a_verdict_that_was_never_durable_spends_no_approval() {
    let mut m = Machine::new(PLAIN);
    let id = waits(&mut m, 1, &deploy("t"));
    rule(&mut m, 2, &yes(&id)).expect("approved");
    let lost = m.settle(at(3), &uid(AGENT), &deploy("t"));
    assert_eq!(&*lost.verdict.by, "approval");
    m.kernel.retract(&lost.draft);
    assert_eq!(by(&mut m, 4, &deploy("t")), "approval");
    let lost = m.settle(at(5), &uid(AGENT), &deploy("u"));
    m.kernel.retract(&lost.draft);
    let id = lost.approval.expect("an id");
    assert!(m.kernel.approval(at(5), Viewer::All, &id).is_none());
}

#[test]
fn an_explanation_says_what_the_call_would_wait_for() {
    let mut m = Machine::new(PLAIN);
    let (who, call) = (uid(AGENT), deploy("t"));
    for ms in [1, 3] {
        let before = m.kernel.snapshot();
        let (judgement, rungs) = m.snapshot.explain(&who, &call, &fak_policy::NoWorld);
        let told = m.kernel.explain(at(ms), &who, &call, &judgement, rungs);
        assert_eq!(m.kernel.snapshot(), before);
        let decision = m.ask(at(ms), AGENT, &call);
        assert_eq!(told.verdict, decision.verdict);
        assert_eq!(told.rungs.iter().filter(|rung| rung.winner).count(), 1);
        if ms == 1 {
            rule(&mut m, 2, &yes(&decision.approval.expect("an id"))).expect("approved");
        }
    }
}
