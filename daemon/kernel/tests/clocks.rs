//! Clocks that jump: no order of times opens a quota, loses a count or stops the machine.
//!
//! Who may set the clock is the superuser alone, so this is about accidents: a dead battery, a first synchronisation, a
//! virtual machine that slept. A lifetime quota has no clock in it. A windowed one is measured by the clock there is,
//! and each jump may give back at most one window's worth.

use std::sync::{Arc, LazyLock};

use fak_chain::{Draft, Record, Verifier, decode, encode, link};
use fak_kernel::{Kernel, Limits, Snapshot, Timestamp, Viewer};
use fak_policy::{
    NoWorld, Policy, PolicySet,
    manifest::{Manifest, RateKey, RateLimit},
};
use fak_types::{Digest, Principal, ToolCall, VerdictKind};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000;
const T0: u64 = 1_700_000_000 * SECOND;

/// Calls one session may make, ever.
const EVER: u64 = 5;
/// Calls one principal may make in a window.
const PER_WINDOW: u64 = 3;
const WINDOW_US: u64 = 60 * SECOND;

struct Machine {
    kernel: Kernel,
    snapshot: Snapshot,
    rows: Vec<Draft>,
}

fn quota(key: RateKey, max_calls: u64, window_ms: Option<u64>) -> RateLimit {
    RateLimit {
        max_calls: Some(max_calls),
        key: Some(key),
        window_ms,
        ..RateLimit::default()
    }
}

fn policy(rate_limit: Vec<RateLimit>) -> Arc<PolicySet> {
    let manifest = Manifest {
        name: Some("test".into()),
        allow: vec!["Read".into()],
        rate_limit,
        ..Manifest::default()
    };
    let policy = Policy::compile("test", &manifest).expect("compiles");
    Arc::new(PolicySet::new(vec![policy]).expect("fits together"))
}

fn ever() -> RateLimit {
    quota(RateKey::Trace, EVER, None)
}

fn windowed() -> RateLimit {
    quota(RateKey::Principal, PER_WINDOW, Some(WINDOW_US / 1000))
}

static LIFETIME: LazyLock<Arc<PolicySet>> = LazyLock::new(|| policy(vec![ever()]));
static WINDOWED: LazyLock<Arc<PolicySet>> = LazyLock::new(|| policy(vec![windowed()]));
static BOTH: LazyLock<Arc<PolicySet>> = LazyLock::new(|| policy(vec![ever(), windowed()]));

impl Machine {
    fn new(now: Timestamp, set: &Arc<PolicySet>) -> Self {
        let mut kernel = Kernel::new(Limits::default());
        let snapshot = Snapshot::new(1, Arc::clone(set));
        let rows = kernel.install(now, &snapshot);
        Self {
            kernel,
            snapshot,
            rows,
        }
    }

    /// Whether the call is admitted.
    fn ask(&mut self, now: Timestamp, uid: u32, trace: &str) -> bool {
        let who = Principal::Local {
            uid,
            gid: uid,
            groups: Arc::from([]),
            pid: 1,
        };
        let call = ToolCall {
            tool: "Read",
            args: "{}",
            trace,
            cwd: None,
            home: None,
        };
        let judgement = match self.kernel.precheck(now, &who, &call, &self.snapshot) {
            Some(verdict) => self.snapshot.shed(&who, &call, verdict),
            None => self.snapshot.judge(&who, &call, &NoWorld),
        };
        let decision = self.kernel.settle(now, &who, &call, judgement);
        self.rows.push(decision.draft);
        decision.verdict.kind == VerdictKind::Allow
    }
}

/// The rows as the journal would give them back, and whether their chain holds.
fn journaled(rows: &[Draft]) -> Vec<Record> {
    let (mut verifier, mut head) = (Verifier::new(), Digest::ZERO);
    let records = rows.iter().zip(1..).map(|(draft, seq)| {
        let body = encode(draft, seq);
        head = link(&head, &body);
        verifier.feed(seq, &body, &head.0).expect("the chain holds");
        decode(&body).expect("a row reads back")
    });
    records.collect()
}

/// Any time at all, with a liking for the edges and for the neighbourhood of [`T0`].
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(i64::MAX.unsigned_abs()),
        any::<u64>(),
        T0 - 2 * WINDOW_US..T0 + 2 * WINDOW_US,
    ]
}

/// What happens to the clock before a call.
#[derive(Clone, Copy, Debug)]
enum Tick {
    /// It runs on.
    Runs(u64),
    /// It is set to another time.
    Set(u64),
}

fn tick() -> impl Strategy<Value = Tick> {
    prop_oneof![
        20 => (0..WINDOW_US / 2).prop_map(Tick::Runs),
        1 => (T0 - 100 * WINDOW_US..T0 + 100 * WINDOW_US).prop_map(Tick::Set),
    ]
}

proptest! {
    /// Sessions are forgotten and remembered as the clock says; what they spent for life is not.
    #[test]
    fn no_order_of_times_opens_a_lifetime_quota(
        asks in prop::collection::vec((time(), 0_u8..3), 1..80),
    ) {
        let mut machine = Machine::new(Timestamp(T0), &LIFETIME);
        let mut admitted = [0; 3];
        for (time, session) in asks {
            if machine.ask(Timestamp(time), 1000, &format!("t-{session}")) {
                admitted[usize::from(session)] += 1;
            }
            prop_assert!(admitted.iter().all(|count| *count <= EVER), "{admitted:?}");
        }
        prop_assert!(machine.kernel.sessions_live(Viewer::All) <= 3);
    }

    /// In any stretch of a window's true length: what a window admits, once more for every time the clock was set in
    /// it or before it within a window.
    #[test]
    fn a_clock_that_is_set_gives_back_one_window_at_most(
        ticks in prop::collection::vec(tick(), 1..200),
    ) {
        let mut machine = Machine::new(Timestamp(T0), &WINDOWED);
        // True time never jumps; nobody but this test knows it.
        let (mut truth, mut clock) = (0, T0);
        let (mut admitted, mut set): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        for tick in ticks {
            match tick {
                Tick::Runs(us) => (truth, clock) = (truth + us, clock + us),
                Tick::Set(time) => {
                    clock = time;
                    set.push(truth);
                }
            }
            if machine.ask(Timestamp(clock), 1000, "t") {
                admitted.push(truth);
            }
            let within = |times: &[u64], us| {
                times.iter().filter(|time| **time + us > truth).count() as u64
            };
            let jumps = within(&set, 2 * WINDOW_US);
            let most = 2 * PER_WINDOW * (1 + jumps);
            let count = within(&admitted, WINDOW_US);
            prop_assert!(count <= most, "{count} in a window, {jumps} jumps");
        }
    }

    /// A clock that was wrong by years and is set right locks nobody out for longer than two windows.
    #[test]
    fn a_clock_set_right_locks_nobody_out(wrong in time()) {
        let mut machine = Machine::new(Timestamp(T0), &WINDOWED);
        for _ in 0..=PER_WINDOW {
            machine.ask(Timestamp(wrong), 1000, "t");
        }
        let mut clock = T0;
        while !machine.ask(Timestamp(clock), 1000, "t") {
            clock += WINDOW_US / 10;
            prop_assert!(clock <= T0 + 2 * WINDOW_US, "locked out since the clock was {wrong}");
        }
    }

    /// The journal orders by number, so a restart after any times at all finds what was there before it.
    #[test]
    fn rows_of_any_times_replay_to_the_live_state(
        asks in prop::collection::vec((0..1_u64 << 53, 0_u32..3, 0_u8..3), 1..60),
    ) {
        let mut machine = Machine::new(Timestamp(T0), &BOTH);
        for (time, uid, session) in asks {
            machine.ask(Timestamp(time), uid, &format!("t-{session}"));
        }
        let mut replayed = Kernel::new(Limits::default());
        journaled(&machine.rows).iter().for_each(|record| replayed.replay(record));
        prop_assert_eq!(replayed.snapshot(), machine.kernel.snapshot());
    }
}

/// The longest number a record holds is less than the latest time there is: a row from beyond it is cut, and a restart
/// then finds a state that is no more open than the one before.
#[test]
fn a_row_from_beyond_the_end_of_time_spends_as_any_other() {
    let mut machine = Machine::new(Timestamp(T0), &LIFETIME);
    for _ in 0..EVER {
        assert!(machine.ask(Timestamp(u64::MAX), 1000, "t"));
    }
    let mut replayed = Kernel::new(Limits::default());
    for record in journaled(&machine.rows) {
        replayed.replay(&record);
    }
    machine.kernel = replayed;
    assert!(!machine.ask(Timestamp(T0), 1000, "t"));
    assert!(!machine.ask(Timestamp(0), 1000, "t"));
}
