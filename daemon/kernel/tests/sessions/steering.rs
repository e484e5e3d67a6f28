//! What a person says about a session holds: for its next call, through restarts, and after it was forgotten.

use fak_kernel::{
    Budget, Limits, Pace, ResultFacts, RunState, Steer, SteerError, THROTTLED_GAP_MS, Viewer,
    result_row,
};
use fak_types::{Disposition, Reason, Taint, Verdict, VerdictKind};

use crate::support::{ADMIN, AGENT, BOUNDED, Machine, OTHER, PLAIN, at, call, turn, uid};

fn run(trace: &str, run: RunState) -> Steer<'_> {
    Steer {
        trace,
        run: Some(run),
        why: "because",
        ..Steer::default()
    }
}

#[test]
fn a_session_that_is_held_refuses_its_next_call_and_its_next_turn() {
    for (state, by, reason, todo) in [
        (
            RunState::Paused,
            "session/paused",
            Reason::RateLimited,
            Disposition::Wait,
        ),
        (
            RunState::Draining,
            "session/draining",
            Reason::PolicyBlock,
            Disposition::Terminal,
        ),
        (
            RunState::Stopped,
            "session/stopped",
            Reason::PolicyBlock,
            Disposition::Terminal,
        ),
    ] {
        let mut m = Machine::new(PLAIN);
        assert_eq!(m.by(1, "t"), "allow/Read");
        assert_eq!(m.steer(2, &run("t", state)).expect("steered").run, state);
        let refused = m.ask(at(3), AGENT, &call("Read", "{}", "t")).verdict;
        assert_eq!(
            (
                &*refused.by,
                refused.reason,
                refused.disposition(),
                refused.kind
            ),
            (by, reason, Some(todo), VerdictKind::Deny)
        );
        assert_eq!(&*m.reserve(4, &turn("t", "1", [1, 1])).by, by);
        assert_eq!(m.by(5, "another"), "allow/Read");
        let shed = m
            .kernel
            .precheck(at(5), &uid(AGENT), &call("Read", "{}", "t"), &m.snapshot);
        assert_eq!(&*shed.expect("shed before it is judged").by, by);
        // What is held is held: neither an emergency nor an observing profile lets it through.
        m.take_in(fak_kernel::emergency_begin(
            at(6),
            &uid(ADMIN),
            "locked out",
            1_000_000,
        ));
        assert_eq!(m.by(7, "t"), by);
        m.holds_through_restarts();
    }
}

#[test]
fn observing_records_a_budget_and_obeys_a_person() {
    let observe = PLAIN.replace(
        r#""approval""#,
        r#""posture": "observe", "budget": {"turns": 1}, "approval""#,
    );
    let mut m = Machine::new(&observe);
    assert_eq!(m.reserve(1, &turn("t", "1", [1, 1])).would_deny, None);
    assert!(m.settle_turn(2, &turn("t", "1", [1, 1])));
    let turned = m.reserve(3, &turn("t", "2", [1, 1]));
    assert_eq!(
        (turned.kind, turned.would_deny),
        (VerdictKind::Allow, Some(Reason::RateLimited))
    );
    assert!(m.settle_turn(4, &turn("t", "2", [1, 1])));
    let called = m.ask(at(5), AGENT, &call("Read", "{}", "t")).verdict;
    assert_eq!(
        (called.kind, called.would_deny),
        (VerdictKind::Allow, Some(Reason::RateLimited))
    );
    let _ = m.steer(6, &run("t", RunState::Paused)).expect("steered");
    assert_eq!(m.by(7, "t"), "session/paused");
    m.holds_through_restarts();
}

#[test]
fn a_throttled_session_is_told_how_long_to_wait() {
    let mut m = Machine::new(PLAIN);
    assert_eq!(m.by(0, "t"), "allow/Read");
    let _ = m.steer(0, &run("t", RunState::Throttled)).expect("steered");
    assert_eq!(m.by(10, "t"), "allow/Read");
    let refused = m.ask(at(11), AGENT, &call("Read", "{}", "t")).verdict;
    assert_eq!(
        (&*refused.by, refused.reason, refused.retry_after_ms),
        (
            "session/pace",
            Reason::RateLimited,
            Some(THROTTLED_GAP_MS - 1)
        )
    );
    let pace = Steer {
        pace: Pace {
            turn_gap_ms_min: Some(50),
            ..Pace::default()
        },
        ..run("t", RunState::Throttled)
    };
    let _ = m.steer(12, &pace).expect("steered");
    let waits = |m: &mut Machine, ms| m.ask(at(ms), AGENT, &call("Read", "{}", "t")).verdict;
    assert_eq!(waits(&mut m, 59).retry_after_ms, Some(1));
    assert_eq!(&*waits(&mut m, 60).by, "allow/Read");
    // A clock that was set back locks nobody out.
    assert_eq!(&*waits(&mut m, 5).by, "allow/Read");
    assert_eq!(waits(&mut m, 6).retry_after_ms, Some(49));
    m.holds_through_restarts();
}

#[test]
fn a_request_that_lost_its_race_or_makes_no_sense_changes_nothing() {
    let mut m = Machine::new(PLAIN);
    assert_eq!(m.by(0, "t"), "allow/Read");
    let rev = m.session("t").rev;
    assert_eq!(m.by(1, "t"), "allow/Read");
    let before = m.kernel.snapshot();
    let good = run("t", RunState::Paused);
    let long = "x".repeat(513);
    let bad: [(Steer<'_>, SteerError); 4] = [
        (Steer { trace: "u", ..good }, SteerError::NotFound),
        (
            Steer {
                owner: Some("uid:7"),
                ..good
            },
            SteerError::NotFound,
        ),
        (
            Steer {
                if_rev: Some(rev),
                ..good
            },
            SteerError::RevLost { rev: rev + 1 },
        ),
        (
            Steer {
                unbounded: &["money"],
                ..good
            },
            SteerError::Invalid {
                field: "unbounded",
                text: "no budget and no pace has this name; there are turns tokens cost_micros \
                       context_tokens turn_tokens turn_gap_ms"
                    .to_owned(),
            },
        ),
    ];
    for (request, error) in bad {
        assert_eq!(m.steer(2, &request), Err(error));
    }
    for request in [
        Steer { why: "", ..good },
        Steer {
            why: "two\nlines",
            ..good
        },
        Steer { why: &long, ..good },
        Steer { run: None, ..good },
        Steer {
            budget: Budget {
                turns: Some(1),
                ..Budget::default()
            },
            unbounded: &["turns"],
            ..good
        },
    ] {
        let refused = m.steer(2, &request);
        assert!(
            matches!(refused, Err(SteerError::Invalid { .. })),
            "{request:?}"
        );
    }
    assert_eq!(m.kernel.snapshot(), before);
    let sound = Steer {
        if_rev: Some(rev + 1),
        ..good
    };
    assert_eq!(m.steer(3, &sound).expect("steered").rev, rev + 2);
}

#[test]
fn two_principals_with_one_name_are_told_apart_and_stopped_is_for_good() {
    let mut m = Machine::new(PLAIN);
    for who in [AGENT, OTHER] {
        let _ = m.ask(at(1), who, &call("Read", "{}", "t"));
    }
    assert_eq!(
        m.steer(2, &run("t", RunState::Stopped)),
        Err(SteerError::Ambiguous)
    );
    let whose = Steer {
        owner: Some("uid:1001"),
        ..run("t", RunState::Stopped)
    };
    assert_eq!(&*m.steer(2, &whose).expect("steered").principal, "uid:1001");
    assert_eq!(m.by(3, "t"), "allow/Read");
    let back = Steer {
        run: Some(RunState::Running),
        ..whose
    };
    assert_eq!(m.steer(4, &back), Err(SteerError::Stopped));
    let reset = Steer {
        reset: true,
        run: None,
        ..whose
    };
    assert_eq!(m.steer(4, &reset), Err(SteerError::Stopped));
}

#[test]
fn what_was_never_durable_is_taken_back() {
    let mut m = Machine::new(BOUNDED);
    assert_eq!(m.by(0, "t"), "allow/Read");
    let before = m.session("t");
    let request = run("t", RunState::Paused);
    let steered = m.kernel.steer(at(1), &uid(ADMIN), &request).expect("sound");
    assert_eq!(steered.session.run, RunState::Paused);
    m.kernel.unsteer(steered);
    let after = m.session("t");
    assert_eq!((after.run, &after.steering), (before.run, &before.steering));
    assert!(after.rev > before.rev, "nobody's `if_rev` fits two states");
    // The continuation that was opened goes with it.
    assert_eq!(
        &*m.reserve(2, &turn("t", "1", [500, 1])).by,
        "session/budget"
    );
    let next = m.session("t").steering.expect("a budget").continuation;
    let reset = Steer {
        run: None,
        reset: true,
        ..request
    };
    let steered = m.kernel.steer(at(3), &uid(ADMIN), &reset).expect("sound");
    assert_eq!(Some(&steered.session.trace), next.as_ref());
    m.kernel.unsteer(steered);
    assert_eq!(m.kernel.sessions_live(Viewer::All), 1);
    assert_eq!(m.session("t").run, RunState::Draining);
}

fn tainted(m: &mut Machine, ms: u64, trace: &str) {
    let allow = Verdict::allow("screen");
    let facts = ResultFacts {
        tool: "Fetch",
        trace,
        call: "c",
        verdict: &allow,
        digest: fak_chain::digest_bytes(b"page"),
        bytes: 4,
        taint: Taint::Tainted,
        seal: "",
        note: "",
    };
    let row = result_row(at(ms), &uid(AGENT), &m.snapshot, &facts);
    m.take_in(row);
}

#[test]
fn being_forgotten_frees_no_session() {
    let limits = Limits {
        sessions_max: 4,
        sessions_per_principal_max: 2,
        session_idle_ms_max: 1000,
        ..Limits::default()
    };
    let mut m = Machine::with(limits, PLAIN);
    assert_eq!(m.by(0, "clean"), "allow/Read");
    tainted(&mut m, 1, "read");
    assert_eq!(m.by(2, "held"), "allow/Read");
    let _ = m
        .steer(3, &run("held", RunState::Stopped))
        .expect("steered");
    for n in 0..9 {
        assert_eq!(m.by(4, &format!("flood-{n}")), "allow/Read");
    }
    let who = uid(AGENT).name();
    for forgotten in ["clean", "read", "held"] {
        assert_eq!(m.kernel.session(Viewer::Own(&who), forgotten), None);
    }
    m.holds_through_restarts();
    // The first call of a session that comes back is gated like any other.
    assert_eq!(m.by(5, "held"), "session/stopped");
    assert_eq!(m.by(5, "read"), "allow/Read");
    assert_eq!(m.session("read").taint, Taint::Tainted);
    assert_eq!(m.by(5, "clean"), "allow/Read");
    assert_eq!(m.session("clean").taint, Taint::Trusted);
    // Time makes nobody trusted either.
    assert_eq!(m.by(6, "read"), "allow/Read");
    assert_eq!(m.by(9_000, "x"), "allow/Read");
    assert_eq!(m.kernel.session(Viewer::Own(&who), "read"), None);
    assert_eq!(m.by(9_001, "read"), "allow/Read");
    assert_eq!(m.session("read").taint, Taint::Tainted);
    m.holds_through_restarts();
}

#[test]
fn only_somebody_else_makes_a_session_trusted_again() {
    let mut m = Machine::new(PLAIN);
    tainted(&mut m, 1, "t");
    let own = m
        .kernel
        .taint_reset(at(2), &uid(AGENT), None, "t", "I looked");
    assert_eq!(own, Err(SteerError::Own));
    let row = m
        .kernel
        .taint_reset(at(2), &uid(ADMIN), None, "t", "I looked");
    let row = row.expect("sound");
    assert_eq!(m.session("t").taint, Taint::Tainted, "not before the row");
    m.take_in(row);
    assert_eq!(m.session("t").taint, Taint::Trusted);
    m.holds_through_restarts();
}
