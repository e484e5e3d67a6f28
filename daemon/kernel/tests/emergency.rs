//! Break-glass from outside: what it admits, what bounds it, what a replay makes of it.

use std::sync::Arc;

use fak_chain::{Draft, Record, RecordKind, decode, encode};
use fak_kernel::{
    BY_EMERGENCY, Decision, EMERGENCY_US_MAX, Kernel, Limits, Snapshot, Timestamp, Viewer,
    emergency_begin, emergency_end,
};
use fak_policy::{
    NoWorld, Policy, PolicySet,
    manifest::{Manifest, RateKey, RateLimit},
};
use fak_types::{Principal, Reason, ToolCall, VerdictKind};
use proptest::prelude::*;

const T0: u64 = 1_700_000_000_000_000;
const SECOND: u64 = 1_000_000;

fn at(second: u64) -> Timestamp {
    Timestamp(T0 + second * SECOND)
}

fn uid(uid: u32) -> Principal {
    Principal::Local {
        uid,
        gid: uid,
        groups: Arc::from([]),
        pid: 4242,
    }
}

fn snapshot(generation: u64, max_calls: u64) -> Snapshot {
    let manifest = Manifest {
        name: Some("test".into()),
        allow: vec!["Read".into(), "Write".into()],
        deny: vec![("Drop".into(), Reason::PolicyBlock)],
        redact_fields: vec!["password".into()],
        rate_limit: vec![RateLimit {
            max_calls: Some(max_calls),
            key: Some(RateKey::Trace),
            ..RateLimit::default()
        }],
        ..Manifest::default()
    };
    let policy = Policy::compile("test", &manifest).expect("compiles");
    Snapshot::new(generation, PolicySet::new(vec![policy]).expect("fits"))
}

/// A kernel, its policy, and every row it wrote.
struct Machine {
    kernel: Kernel,
    snapshot: Snapshot,
    rows: Vec<Draft>,
}

impl Machine {
    fn new(max_calls: u64) -> Self {
        let (mut kernel, snapshot) = (Kernel::new(Limits::default()), snapshot(1, max_calls));
        let rows = kernel.install(at(0), &snapshot);
        Self {
            kernel,
            snapshot,
            rows,
        }
    }

    fn declare(&mut self, draft: Draft) {
        self.kernel.declare(&draft);
        self.rows.push(draft);
    }

    fn begin(&mut self, now: Timestamp, seconds: u64) {
        self.declare(emergency_begin(
            now,
            &uid(7),
            "the site is down",
            seconds * SECOND,
        ));
    }

    fn ask(&mut self, now: Timestamp, tool: &str, args: &str) -> Decision {
        let (who, trace) = (uid(1), "t");
        let call = ToolCall {
            tool,
            args,
            trace,
            cwd: None,
            home: None,
        };
        let judgement = match self.kernel.precheck(now, &who, &call, &self.snapshot) {
            Some(verdict) => self.snapshot.shed(&who, &call, verdict),
            None => self.snapshot.judge(&who, &call, &NoWorld),
        };
        let decision = self.kernel.settle(now, &who, &call, judgement);
        self.rows.push(decision.draft.clone());
        decision
    }

    fn admits(&mut self, now: Timestamp) -> bool {
        self.ask(now, "Drop", "{}").verdict.kind.admits()
    }

    fn uses(&self) -> Option<u64> {
        self.kernel.emergency().map(|emergency| emergency.uses)
    }
}

fn replayed(rows: &[Draft]) -> Kernel {
    let mut kernel = Kernel::new(Limits::default());
    for (draft, seq) in rows.iter().zip(1..) {
        let record: Record = decode(&encode(draft, seq)).expect("a row reads back");
        kernel.replay(&record);
    }
    kernel
}

#[test]
fn every_kind_of_refusal_is_admitted_and_says_what_it_was() {
    let mut m = Machine::new(2);
    m.begin(at(1), 60);
    let refused = [
        ("Drop", "{}", Reason::PolicyBlock),
        ("Unheard", "{}", Reason::DefaultDeny),
        ("bad\u{7}name", "{}", Reason::Malformed),
        // Two calls were admitted, so the session's quota is spent.
        ("Read", "{}", Reason::RateLimited),
    ];
    for (tool, args, would_deny) in refused {
        let Decision { verdict, draft, .. } = m.ask(at(2), tool, args);
        assert_eq!(
            (
                verdict.kind,
                verdict.reason,
                &*verdict.by,
                verdict.would_deny
            ),
            (
                VerdictKind::Allow,
                Reason::None,
                BY_EMERGENCY,
                Some(would_deny)
            ),
            "{tool}"
        );
        assert_eq!(draft.kind, RecordKind::Decide);
        assert_eq!(
            (&*draft.by, &*draft.would_deny),
            (BY_EMERGENCY, would_deny.as_str())
        );
        assert!(draft.note.starts_with("refused by "), "{}", draft.note);
    }
    assert_eq!(m.uses(), Some(4));
    assert_eq!(m.rows[0].kind, RecordKind::Policy);
}

#[test]
fn what_is_admitted_anyway_stays_as_it_is_and_edits_are_still_made() {
    let mut m = Machine::new(2);
    m.begin(at(1), 60);
    let allowed = m.ask(at(2), "Read", "{}").verdict;
    assert_eq!((&*allowed.by, allowed.would_deny), ("allow/Read", None));
    let secret = r#"{"password":"hunter2"}"#;
    let edited = m.ask(at(2), "Read", secret).verdict;
    assert_eq!(
        (edited.kind, &*edited.by),
        (VerdictKind::Transform, "redact_fields")
    );
    assert_eq!(m.uses(), Some(0));
    // Over its quota the call is admitted by the emergency, and still without the secret.
    let relieved = m.ask(at(2), "Read", secret).verdict;
    assert_eq!(
        (relieved.kind, &*relieved.by, relieved.would_deny),
        (
            VerdictKind::Transform,
            BY_EMERGENCY,
            Some(Reason::RateLimited)
        )
    );
    assert_eq!(relieved.edits, edited.edits);
}

#[test]
fn the_wall_clock_ends_it_on_both_sides() {
    let mut m = Machine::new(9);
    assert!(!m.admits(at(9)));
    m.begin(at(10), 60);
    for (second, admitted) in [(10, true), (69, true), (70, false), (9, false), (0, false)] {
        assert_eq!(m.admits(at(second)), admitted, "at {second}");
    }
    assert_eq!(m.uses(), Some(2), "told until a row ends it");
}

#[test]
fn time_that_passed_ends_it_whatever_the_wall_clock_says() {
    let mut m = Machine::new(9);
    m.begin(at(10), 60);
    m.kernel.lapse();
    assert!(!m.admits(at(11)));
    assert!(m.kernel.emergency().is_some());
    // The one after it has its own time.
    m.begin(at(12), 60);
    assert!(m.admits(at(13)));
}

#[test]
fn a_row_ends_it_and_another_extends_it() {
    let mut m = Machine::new(9);
    m.begin(at(10), 60);
    assert!(m.admits(at(11)));
    m.begin(at(20), 100);
    assert!(m.admits(at(119)));
    assert_eq!(m.uses(), Some(2), "an extended emergency counts on");
    m.declare(emergency_end(at(30), Some(&uid(7)), "repaired"));
    assert!(!m.admits(at(31)));
    assert_eq!(m.uses(), None);
    let end = &m.rows[m.rows.len() - 2];
    assert_eq!(
        (&*end.subject, &*end.who, &*end.note, end.until_us),
        ("end", "uid:7", "repaired", 0)
    );
}

#[test]
fn nobody_is_granted_more_than_a_day() {
    let begin = emergency_begin(at(0), &uid(7), "x", u64::MAX);
    assert_eq!(begin.until_us, T0 + EMERGENCY_US_MAX);
    // Not by a row either.
    let mut m = Machine::new(9);
    m.declare(Draft {
        until_us: u64::MAX >> 11,
        ..begin
    });
    assert!(!m.admits(Timestamp(T0 + EMERGENCY_US_MAX)));
}

#[test]
fn a_use_that_was_never_durable_is_taken_back() {
    let mut m = Machine::new(9);
    m.begin(at(1), 60);
    let decision = m.ask(at(2), "Drop", "{}");
    m.kernel.retract(&decision.draft);
    assert_eq!(m.uses(), Some(0));
}

#[test]
fn an_explanation_names_the_emergency_and_what_refused() {
    let mut m = Machine::new(9);
    m.begin(at(1), 60);
    let call = ToolCall {
        tool: "Drop",
        args: "{}",
        trace: "t",
        cwd: None,
        home: None,
    };
    let (judgement, rungs) = m.snapshot.explain(&uid(1), &call, &NoWorld);
    let told = m.kernel.explain(at(2), &uid(1), &call, &judgement, rungs);
    let winner = told.rungs.iter().find(|rung| rung.winner).expect("one");
    assert_eq!(winner.name, "emergency");
    let refused = |rung: &&fak_kernel::Opinion| rung.verdict.kind == VerdictKind::Deny;
    assert!(told.rungs.iter().any(|rung| refused(&rung)));
    assert_eq!(told.verdict, m.ask(at(2), "Drop", "{}").verdict);
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u8),
    Wait(u64),
    ClockBack(u64),
    Begin(u64),
    End,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..4_u8).prop_map(Step::Ask),
        3 => (0..40_u64).prop_map(Step::Wait),
        1 => (0..90_u64).prop_map(Step::ClockBack),
        2 => (1..60_u64).prop_map(Step::Begin),
        1 => Just(Step::End),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_replay_gives_the_live_state_and_no_use_lies_outside(
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut m = Machine::new(5);
        let mut now = at(1000);
        let mut granted: Option<(u64, u64)> = None;
        for step in steps {
            match step {
                Step::Wait(seconds) => now.0 += seconds * SECOND,
                Step::ClockBack(seconds) => now.0 -= seconds * SECOND,
                Step::Begin(seconds) => {
                    m.begin(now, seconds);
                    granted = Some((now.0, now.0 + seconds * SECOND));
                }
                Step::End => {
                    m.declare(emergency_end(now, None, "its time had passed"));
                    granted = None;
                }
                Step::Restart => {
                    m.kernel = Kernel::restore(Limits::default(), &m.kernel.snapshot())
                        .expect("restores");
                }
                Step::Ask(tool) => {
                    let tool = ["Read", "Write", "Drop", "Other"][usize::from(tool)];
                    let verdict = m.ask(now, tool, "{}").verdict;
                    let inside = granted.is_some_and(|(from, to)| (from..to).contains(&now.0));
                    if inside {
                        prop_assert!(verdict.kind.admits());
                    } else {
                        prop_assert!(&*verdict.by != BY_EMERGENCY);
                    }
                    prop_assert_eq!(
                        &*verdict.by == BY_EMERGENCY,
                        verdict.would_deny.is_some()
                    );
                }
            }
        }
        let replayed = replayed(&m.rows);
        prop_assert_eq!(replayed.emergency(), m.kernel.emergency());
        prop_assert_eq!(replayed.snapshot(), m.kernel.snapshot());
        prop_assert_eq!(
            replayed.session(Viewer::All, "t"),
            m.kernel.session(Viewer::All, "t")
        );
    }
}
