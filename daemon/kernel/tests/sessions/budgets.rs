//! Budgets: nothing is spent that was not put aside, and nothing put aside is spent twice.

use fak_kernel::{
    Budget, Pace, RESERVED_MS_MAX, RESERVED_TURNS_MAX, RunState, Steer, TurnAsk, TurnError, Viewer,
};
use fak_types::{Reason, Taint, VerdictKind};

use crate::support::{ADMIN, AGENT, BOUNDED, Machine, PLAIN, at, call, turn, uid};

#[test]
fn a_budget_is_spent_to_the_last_unit_and_no_further() {
    let mut m = Machine::new(BOUNDED);
    let first = m.reserve(1, &turn("t", "1", [100, 900]));
    assert_eq!(
        (first.kind, &*first.by),
        (VerdictKind::Allow, "session/turn")
    );
    assert_eq!(m.left("t"), [Some(4), Some(0), Some(400), Some(2000)]);
    assert_eq!(
        m.by(2, "t"),
        "allow/Read",
        "the turn that was paid for runs"
    );
    let refused = m.reserve(3, &turn("t", "2", [1, 0]));
    assert_eq!(
        (refused.reason, &*refused.by, refused.detail.as_str()),
        (
            Reason::RateLimited,
            "session/budget",
            "the budget of tokens has 0 left, the turn asks for 1"
        )
    );
    assert!(m.settle_turn(4, &turn("t", "1", [100, 900])));
    let spent = m.ask(at(5), AGENT, &call("Read", "{}", "t")).verdict;
    assert_eq!(
        (spent.kind, spent.reason, &*spent.by, spent.detail.as_str()),
        (
            VerdictKind::Deny,
            Reason::RateLimited,
            "session/budget",
            "the budget of tokens is used up"
        )
    );
    m.holds_through_restarts();
}

#[test]
fn a_turn_is_one_reservation_and_its_settlement_replaces_the_estimate() {
    let mut m = Machine::new(BOUNDED);
    for _ in 0..3 {
        let again = m.reserve(1, &turn("t", "1", [100, 200]));
        assert_eq!(again.kind, VerdictKind::Allow);
    }
    assert_eq!(m.left("t"), [Some(4), Some(700), Some(400), Some(2000)]);
    assert!(m.settle_turn(2, &turn("t", "1", [90, 10])));
    assert_eq!(m.left("t"), [Some(4), Some(900), Some(310), Some(2000)]);
    // Said twice is said once, and a settled name is no new turn.
    assert!(!m.settle_turn(3, &turn("t", "1", [90, 10])));
    let again = m.reserve(3, &turn("t", "1", [1, 1]));
    assert_eq!(
        (again.reason, &*again.by),
        (Reason::Malformed, "session/turn")
    );
    assert_eq!(m.left("t"), [Some(4), Some(900), Some(310), Some(2000)]);
    // A turn that did not run costs nothing, one that cost more than it said is counted as it was.
    assert_eq!(
        m.reserve(4, &turn("t", "2", [100, 200])).kind,
        VerdictKind::Allow
    );
    assert!(m.settle_turn(5, &turn("t", "2", [0, 0])));
    assert_eq!(m.left("t"), [Some(4), Some(900), Some(310), Some(2000)]);
    assert_eq!(
        m.reserve(6, &turn("t", "3", [10, 10])).kind,
        VerdictKind::Allow
    );
    assert!(m.settle_turn(7, &turn("t", "3", [10, 2000])));
    assert_eq!(m.left("t"), [Some(3), Some(0), Some(390), Some(2000)]);
    let unknown = m
        .kernel
        .settle_turn(at(8), &uid(AGENT), &turn("t", "9", [1, 1]));
    assert_eq!(unknown, Err(TurnError::NotFound));
    let stranger = m
        .kernel
        .settle_turn(at(8), &uid(ADMIN), &turn("t", "3", [1, 1]));
    assert_eq!(stranger, Err(TurnError::NotFound));
    m.holds_through_restarts();
}

#[test]
fn what_nobody_settles_is_spent_in_full() {
    let mut m = Machine::new(BOUNDED);
    assert_eq!(
        m.reserve(0, &turn("t", "1", [100, 900])).kind,
        VerdictKind::Allow
    );
    let last = RESERVED_MS_MAX - 1;
    assert_eq!(m.by(last, "t"), "allow/Read");
    assert_eq!(m.by(RESERVED_MS_MAX, "t"), "session/budget");
    assert!(!m.settle_turn(RESERVED_MS_MAX, &turn("t", "1", [1, 1])));
    assert_eq!(m.left("t"), [Some(4), Some(0), Some(400), Some(2000)]);
    m.holds_through_restarts();
}

#[test]
fn a_price_nobody_said_is_not_nothing() {
    let mut m = Machine::new(BOUNDED);
    let with = |model, name| TurnAsk {
        model,
        ..turn("t", name, [300, 350])
    };
    let refused = m.reserve(1, &with("large", "1"));
    assert_eq!(
        (refused.kind, &*refused.by),
        (VerdictKind::Deny, "session/price")
    );
    assert_eq!(m.reserve(2, &with("small", "2")).kind, VerdictKind::Allow);
    assert_eq!(m.left("t"), [Some(4), Some(350), Some(400), Some(1000)]);
    assert!(m.settle_turn(3, &turn("t", "2", [300, 0])));
    assert_eq!(m.left("t"), [Some(4), Some(700), Some(100), Some(1700)]);
    // Where no money is counted, a model needs no price.
    let mut free = Machine::new(PLAIN);
    assert_eq!(
        free.reserve(1, &with("large", "1")).kind,
        VerdictKind::Allow
    );
}

#[test]
fn a_context_that_is_used_up_carries_on_as_one_continuation() {
    let mut m = Machine::new(BOUNDED);
    assert_eq!(m.by(0, "t"), "allow/Read");
    assert_eq!(
        m.reserve(1, &turn("t", "1", [400, 10])).kind,
        VerdictKind::Allow
    );
    assert!(m.settle_turn(2, &turn("t", "1", [400, 10])));
    let drained = m.session("t");
    assert_eq!(drained.run, RunState::Draining);
    let next = drained.steering.expect("a budget").continuation;
    let next = next.expect("a continuation");
    let refused = m.ask(at(3), AGENT, &call("Read", "{}", "t")).verdict;
    assert_eq!(&*refused.by, "session/draining");
    assert!(refused.detail.as_str().contains(&*next));

    // Another history that comes to the same end names the same continuation.
    let mut other = Machine::new(BOUNDED);
    let refused = other.reserve(1, &turn("t", "x", [401, 0]));
    assert_eq!(
        refused.detail.as_str(),
        "the budget of context_tokens has 400 left, the turn asks for 401"
    );
    let same = other.session("t");
    assert_eq!(same.run, RunState::Draining);
    assert_eq!(
        same.steering.expect("a budget").continuation.as_deref(),
        Some(&*next)
    );

    let reset = Steer {
        trace: "t",
        reset: true,
        why: "go on",
        ..Steer::default()
    };
    let carried = m.steer(4, &reset).expect("reset");
    assert_eq!((&*carried.trace, carried.run), (&*next, RunState::Running));
    let steering = carried.steering.expect("a budget");
    assert_eq!(steering.continues.as_deref(), Some("t"));
    assert_eq!(m.left(&next), [Some(5), Some(1000), Some(400), Some(2000)]);
    assert_eq!(m.session("t").run, RunState::Stopped);
    assert_eq!(m.by(5, &next), "allow/Read");
    assert_eq!(m.by(5, "t"), "session/stopped");
    // The next in the chain has another name.
    assert_eq!(
        &*m.reserve(6, &turn("t", "y", [1, 1])).by,
        "session/stopped"
    );
    assert_eq!(
        &*m.reserve(6, &turn(&next, "y", [401, 1])).by,
        "session/budget"
    );
    let third = m.session(&next).steering.expect("a budget").continuation;
    assert!(third.is_some_and(|third| third != next));
    m.holds_through_restarts();
}

#[test]
fn a_continuation_inherits_what_the_session_has_read() {
    let mut m = Machine::new(BOUNDED);
    assert_eq!(
        &*m.reserve(1, &turn("t", "1", [401, 0])).by,
        "session/budget"
    );
    let mut taint = fak_chain::Draft {
        who: "uid:1000".into(),
        trace: "t".into(),
        taint: "quarantined".into(),
        ..fak_chain::Draft::new(fak_chain::RecordKind::Admit, at(2).0)
    };
    taint.verdict = "ALLOW".into();
    m.take_in(taint);
    let reset = Steer {
        trace: "t",
        reset: true,
        why: "go on",
        ..Steer::default()
    };
    let carried = m.steer(3, &reset).expect("reset");
    assert_eq!(carried.taint, Taint::Quarantined);
    m.holds_through_restarts();
}

#[test]
fn a_budget_somebody_sets_is_what_is_left_and_nothing_comes_back_to_it() {
    let mut m = Machine::new(BOUNDED);
    assert_eq!(
        m.reserve(1, &turn("t", "1", [100, 400])).kind,
        VerdictKind::Allow
    );
    let set = Steer {
        trace: "t",
        budget: Budget {
            tokens: Some(50),
            ..Budget::default()
        },
        unbounded: &["cost_micros"],
        why: "enough",
        ..Steer::default()
    };
    let session = m.steer(2, &set).expect("steered");
    assert_eq!(&*session.steering.expect("a budget").why, "enough");
    // What was not said stays as it was.
    assert_eq!(m.left("t"), [Some(4), Some(50), Some(400), None]);
    assert!(m.settle_turn(3, &turn("t", "1", [100, 0])));
    assert_eq!(m.left("t"), [Some(4), Some(50), Some(300), None]);
    let nothing = Steer {
        budget: Budget {
            turns: Some(0),
            ..Budget::default()
        },
        unbounded: &["tokens"],
        ..set
    };
    let _ = m.steer(4, &nothing).expect("steered");
    let spent = m.ask(at(5), AGENT, &call("Read", "{}", "t")).verdict;
    assert_eq!(spent.detail.as_str(), "the budget of turns is used up");
    // Over again: what the profile gives, in the same session.
    let reset = Steer {
        trace: "t",
        reset: true,
        why: "again",
        ..Steer::default()
    };
    let _ = m.steer(6, &reset).expect("reset");
    assert_eq!(m.left("t"), [Some(5), Some(1000), Some(400), Some(2000)]);
    m.holds_through_restarts();
}

#[test]
fn turns_keep_their_pace_and_their_number() {
    let mut m = Machine::new(PLAIN);
    assert_eq!(m.by(0, "t"), "allow/Read");
    let pace = Steer {
        trace: "t",
        pace: Pace {
            turn_tokens_max: Some(100),
            turn_gap_ms_min: Some(10),
        },
        why: "slowly",
        ..Steer::default()
    };
    let _ = m.steer(0, &pace).expect("steered");
    let large = m.reserve(1, &turn("t", "0", [100, 1]));
    assert_eq!(
        (large.reason, &*large.by),
        (Reason::Oversize, "session/pace")
    );
    assert_eq!(
        m.reserve(1, &turn("t", "1", [100, 0])).kind,
        VerdictKind::Allow
    );
    let soon = m.reserve(3, &turn("t", "2", [1, 1]));
    assert_eq!(
        (soon.reason, soon.retry_after_ms),
        (Reason::RateLimited, Some(8))
    );
    for n in 1..RESERVED_TURNS_MAX as u64 {
        let name = format!("turn-{n}");
        let verdict = m.reserve(10 * n + 1, &turn("t", &name, [1, 1]));
        assert_eq!(verdict.kind, VerdictKind::Allow, "{n}");
    }
    let many = m.reserve(100_000, &turn("t", "more", [1, 1]));
    assert_eq!(
        (many.reason, &*many.by),
        (Reason::RateLimited, "session/turn")
    );
    for (trace, name) in [("", "n"), ("t\n", "n"), ("t", ""), ("t", "a\u{7}")] {
        let refused = m.reserve(200_000, &turn(trace, name, [1, 1]));
        assert_eq!(refused.reason, Reason::Malformed, "{trace:?} {name:?}");
    }
    m.holds_through_restarts();
}

#[test]
fn a_turn_that_was_never_durable_is_given_back() {
    let mut m = Machine::new(BOUNDED);
    assert_eq!(m.by(0, "t"), "allow/Read");
    let before = m.left("t");
    let reserved = m
        .kernel
        .reserve(at(1), &uid(AGENT), &turn("t", "1", [100, 100]), &m.snapshot);
    assert_ne!(m.left("t"), before);
    m.kernel.retract(&reserved.draft);
    assert_eq!(m.left("t"), before);
    assert_eq!(
        m.reserve(2, &turn("t", "1", [100, 100])).kind,
        VerdictKind::Allow
    );
    assert_eq!(m.kernel.sessions_live(Viewer::All), 1);
}
