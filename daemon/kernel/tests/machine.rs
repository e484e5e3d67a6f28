//! The machine from outside: rungs, rows, replay.

use std::sync::{Arc, LazyLock};

use fak_chain::{Draft, Record, RecordKind, decode, encode};
use fak_kernel::{
    Decision, Kernel, Limits, Snapshot, Tally, Timestamp, Viewer, mint_trace, policy_refused,
    rpc_refused,
};
use fak_policy::{
    NoWorld, Policy, PolicySet,
    manifest::{Bind, Manifest, RateKey, RateLimit},
};
use fak_types::{Posture, Principal, Reason, ToolCall, VerdictKind};
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

fn call<'a>(tool: &'a str, args: &'a str, trace: &'a str) -> ToolCall<'a> {
    ToolCall {
        tool,
        args,
        trace,
        cwd: None,
        home: None,
    }
}

fn per(key: RateKey, max_calls: u64, window_ms: Option<u64>) -> RateLimit {
    RateLimit {
        max_calls: Some(max_calls),
        key: Some(key),
        window_ms,
        ..RateLimit::default()
    }
}

fn manifest(rate_limit: Vec<RateLimit>) -> Manifest {
    Manifest {
        name: Some("test".into()),
        allow: vec!["Read".into(), "Write".into()],
        deny: vec![("Drop".into(), Reason::PolicyBlock)],
        redact_fields: vec!["password".into()],
        rate_limit,
        ..Manifest::default()
    }
}

fn set(manifests: &[Manifest]) -> Arc<PolicySet> {
    let compiled = manifests
        .iter()
        .map(|m| Policy::compile(m.name.as_deref().unwrap_or("test"), m).expect("compiles"))
        .collect();
    Arc::new(PolicySet::new(compiled).expect("fits together"))
}

/// A kernel, its policy, and every row it wrote.
struct Machine {
    kernel: Kernel,
    snapshot: Snapshot,
    rows: Vec<Draft>,
}

impl Machine {
    fn new(limits: Limits, manifests: &[Manifest]) -> Self {
        Self::with(limits, set(manifests))
    }

    fn with(limits: Limits, set: Arc<PolicySet>) -> Self {
        let (kernel, snapshot) = (Kernel::new(limits), Snapshot::new(0, Arc::clone(&set)));
        let mut machine = Self {
            kernel,
            snapshot,
            rows: Vec::new(),
        };
        machine.install(at(0), set);
        machine
    }

    fn install(&mut self, now: Timestamp, set: Arc<PolicySet>) {
        self.snapshot = Snapshot::new(self.kernel.generation() + 1, set);
        self.rows.extend(self.kernel.install(now, &self.snapshot));
    }

    fn ask(&mut self, now: Timestamp, who: &Principal, call: &ToolCall<'_>) -> Decision {
        let judgement = match self.kernel.precheck(now, who, call, &self.snapshot) {
            Some(verdict) => self.snapshot.shed(who, call, verdict),
            None => self.snapshot.judge(who, call, &NoWorld),
        };
        let decision = self.kernel.settle(now, who, call, judgement);
        self.rows.push(decision.draft.clone());
        decision
    }

    fn kinds(&mut self, now: Timestamp, who: &Principal, calls: &[ToolCall<'_>]) -> String {
        let letter = |decision: Decision| match (decision.verdict.kind, decision.verdict.reason) {
            (VerdictKind::Allow, _) => 'a',
            (VerdictKind::Transform, _) => 't',
            (_, Reason::RateLimited) => 'r',
            (_, Reason::Malformed) => 'm',
            _ => 'd',
        };
        calls
            .iter()
            .map(|call| letter(self.ask(now, who, call)))
            .collect()
    }
}

/// The rows as a journal would give them back.
fn journaled(rows: &[Draft]) -> Vec<Record> {
    rows.iter()
        .zip(1..)
        .map(|(draft, seq)| decode(&encode(draft, seq)).expect("a row reads back"))
        .collect()
}

fn replayed(limits: Limits, rows: &[Draft]) -> Kernel {
    let mut kernel = Kernel::new(limits);
    journaled(rows)
        .iter()
        .for_each(|record| kernel.replay(record));
    kernel
}

#[test]
fn the_first_rung_that_refuses_speaks() {
    let mut m = Machine::new(
        Limits::default(),
        &[manifest(vec![per(RateKey::Trace, 1, None)])],
    );
    let who = uid(1000);
    assert_eq!(
        &*m.ask(at(1), &who, &call("Read", "{}", "t")).verdict.by,
        "allow/Read"
    );
    let by = |m: &mut Machine, c: ToolCall<'_>| m.ask(at(1), &who, &c).verdict.by.to_string();
    assert_eq!(by(&mut m, call("Read", "{}", "t")), "rate_limit/0");
    assert_eq!(by(&mut m, call("Drop", "{}", "t")), "rate_limit/0");
    assert_eq!(by(&mut m, call("", "{}", "t")), "parse");
    assert_eq!(by(&mut m, call("Drop", "{}", "fresh")), "deny/Drop");
    assert_eq!(by(&mut m, call("Read", "{", "fresh")), "parse");
    assert_eq!(by(&mut m, call("Other", "{}", "fresh")), "default");
}

#[test]
fn only_admitted_calls_spend() {
    let mut m = Machine::new(
        Limits::default(),
        &[manifest(vec![per(RateKey::Trace, 3, None)])],
    );
    let (read, refused) = (call("Read", "{}", "t"), call("Drop", "{}", "t"));
    let calls = [refused, read, refused, read, refused, read, refused, read];
    assert_eq!(m.kinds(at(1), &uid(1), &calls), "dadadarr");
    let mut tally = Tally::default();
    m.rows.iter().for_each(|row| tally.count(row));
    assert_eq!((tally.decided(), tally.refused()), (8, 5));
}

#[test]
fn a_window_refills_and_says_when() {
    let rules = vec![per(RateKey::Principal, 2, Some(10_000))];
    let mut m = Machine::new(Limits::default(), &[manifest(rules)]);
    let (who, read) = (uid(1), call("Read", "{}", "t"));
    assert_eq!(m.kinds(at(1), &who, &[read; 3]), "aar");
    let refused = m.ask(at(1), &who, &read);
    assert_eq!(refused.verdict.retry_after_ms, Some(5000));
    assert_eq!(
        refused.verdict.detail.as_str(),
        "at most 2 calls per principal in 10000 ms"
    );
    assert_eq!(
        (refused.draft.kind, &*refused.draft.disposition),
        (RecordKind::Deny, "WAIT")
    );
    assert_eq!(m.kinds(at(6), &who, &[read; 2]), "ar");
}

#[test]
fn observe_admits_everything_and_says_what_it_would_have_refused() {
    let observe = Manifest {
        posture: Some(Posture::Observe),
        ..manifest(vec![per(RateKey::Trace, 1, None)])
    };
    let mut m = Machine::new(Limits::default(), &[observe]);
    let read = call("Read", "{}", "t");
    assert_eq!(m.ask(at(1), &uid(1), &read).draft.would_deny, "");
    let second = m.ask(at(1), &uid(1), &read);
    assert_eq!(
        (second.verdict.kind, &*second.draft.would_deny),
        (VerdictKind::Allow, "RATE_LIMITED")
    );
    let drop = m.ask(at(1), &uid(1), &call("Drop", "{}", "u"));
    assert_eq!(
        (drop.verdict.kind, &*drop.draft.would_deny),
        (VerdictKind::Allow, "POLICY_BLOCK")
    );
    let nameless = m.ask(at(1), &uid(1), &call("Re\u{200b}ad", "{}", "u"));
    assert_eq!(nameless.draft.would_deny, "MALFORMED");
}

#[test]
fn a_row_says_what_happened_and_holds_no_value() {
    let mut m = Machine::new(Limits::default(), &[manifest(vec![])]);
    let args = r#"{"user":"me","password":"hunter2"}"#;
    let decision = m.ask(at(5), &uid(1000), &call("Write", args, "t-1"));
    assert_eq!(decision.verdict.kind, VerdictKind::Transform);
    let draft = &decision.draft;
    assert_eq!(
        (draft.kind, draft.ts_us),
        (RecordKind::Decide, T0 + 5 * SECOND)
    );
    assert_eq!(
        (&*draft.who, draft.pid, &*draft.trace),
        ("uid:1000", 4242, "t-1")
    );
    assert_eq!(
        (&*draft.tool, &*draft.verdict, &*draft.reason),
        ("Write", "TRANSFORM", "NONE")
    );
    assert_eq!((&*draft.by, &*draft.disposition), ("redact_fields", ""));
    assert_eq!(
        draft.args_digest,
        Some(fak_chain::digest_bytes(args.as_bytes()))
    );
    assert_eq!((draft.args_bytes, draft.generation), (34, 1));
    assert_eq!((&*draft.profile, draft.policy.is_some()), ("test", true));
    let refused = m.ask(at(5), &uid(1000), &call("Drop", args, "t-1"));
    for draft in [draft, &refused.draft] {
        let body = String::from_utf8(encode(draft, 1)).expect("rows are text");
        assert!(!body.contains("hunter2"), "{body}");
    }
}

#[test]
fn hostile_names_reach_no_row_whole() {
    let mut m = Machine::new(Limits::default(), &[manifest(vec![])]);
    let long = "x".repeat(100_000);
    let decision = m.ask(at(1), &uid(1), &call(&long, "{}", &long));
    assert_eq!(decision.verdict.reason, Reason::Malformed);
    assert_eq!(
        (decision.draft.tool.len(), decision.draft.trace.len()),
        (256, 0)
    );
    let decision = m.ask(at(1), &uid(1), &call("a\u{1b}[31m", "{}", "t"));
    assert_eq!(decision.draft.tool, "a\u{fffd}[31m");
    assert_eq!(
        m.kernel.sessions_live(Viewer::All),
        1,
        "a nameless session is none"
    );
}

#[test]
fn profiles_have_their_own_quotas_and_generations_their_own_rows() {
    let bound = Manifest {
        name: Some("bound".into()),
        bind: Some(Bind {
            uids: vec![7],
            ..Bind::default()
        }),
        ..manifest(vec![per(RateKey::Global, 1, None)])
    };
    let mut m = Machine::new(Limits::default(), &[bound, manifest(vec![])]);
    let read = call("Read", "{}", "t");
    assert_eq!(m.kinds(at(1), &uid(7), &[read, read]), "ar");
    assert_eq!(m.kinds(at(1), &uid(8), &[read, read]), "aa");
    let policy: Vec<_> = m
        .rows
        .iter()
        .filter(|row| row.kind == RecordKind::Policy)
        .collect();
    let said: Vec<_> = policy
        .iter()
        .map(|row| (&*row.subject, &*row.profile, &*row.note, row.count))
        .collect();
    assert_eq!(
        said,
        [
            ("generation", "", "", 2),
            ("profile", "bound", "calls=1 key=global rule=0", 0),
            ("profile", "test", "", 0),
        ]
    );
    assert!(
        policy
            .iter()
            .all(|row| row.policy.is_some() && row.generation == 1)
    );
}

#[test]
fn a_reload_keeps_what_is_spent() {
    let limited = manifest(vec![per(RateKey::Trace, 2, None)]);
    let mut m = Machine::new(Limits::default(), std::slice::from_ref(&limited));
    let read = call("Read", "{}", "t");
    assert_eq!(m.kinds(at(1), &uid(1), &[read, read, read]), "aar");
    let mut changed = limited;
    changed.allow.push("New".into());
    changed
        .rate_limit
        .insert(0, per(RateKey::Principal, 100, Some(1000)));
    m.install(at(2), set(&[changed]));
    assert_eq!(m.kernel.generation(), 2);
    let refused = m.ask(at(2), &uid(1), &read);
    assert_eq!(&*refused.verdict.by, "rate_limit/1");
}

#[test]
fn a_full_table_refuses_the_flooder_and_forgets_nothing() {
    let limits = Limits {
        quota_keys_per_principal_max: 50,
        ..Limits::default()
    };
    let mut m = Machine::new(limits, &[manifest(vec![per(RateKey::Trace, 1, None)])]);
    let names: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let calls: Vec<_> = names.iter().map(|name| call("Read", "{}", name)).collect();
    let first = m.kinds(at(1), &uid(1), &calls);
    assert_eq!(first, "a".repeat(50) + &"r".repeat(10));
    assert_eq!(m.kinds(at(1_000_000), &uid(1), &calls), "r".repeat(60));
    assert_eq!(
        m.kinds(at(1_000_001), &uid(2), &calls[..10]),
        "a".repeat(10)
    );
    let refused = m.ask(at(1_000_001), &uid(1), &call("Read", "{}", "t999"));
    assert_eq!(
        (&*refused.verdict.by, refused.verdict.reason),
        ("rate_limit", Reason::RateLimited)
    );
}

#[test]
fn what_was_never_durable_is_taken_back() {
    let mut m = Machine::new(
        Limits::default(),
        &[manifest(vec![per(RateKey::Trace, 1, None)])],
    );
    let read = call("Read", "{}", "t");
    for _ in 0..5 {
        let decision = m.ask(at(1), &uid(1), &read);
        assert_eq!(decision.verdict.kind, VerdictKind::Allow);
        m.kernel.retract(&decision.draft);
    }
    let session = m
        .kernel
        .session(Viewer::Own("uid:1"), "t")
        .expect("it was opened");
    assert_eq!((session.calls, session.allowed), (0, 0));
    assert_eq!(m.kinds(at(1), &uid(1), &[read, read]), "ar");
}

#[test]
fn an_explanation_agrees_with_the_verdict_and_changes_nothing() {
    let mut m = Machine::new(
        Limits::default(),
        &[manifest(vec![per(RateKey::Trace, 2, None)])],
    );
    let who = uid(1);
    let _ = m.ask(at(1), &who, &call("Read", "{}", "t"));
    for c in [
        call("Read", "{}", "t"),
        call("Drop", "{}", "t"),
        call("Other", "{}", "t"),
        call("Read", "[]", "t"),
        call("", "{}", "t"),
        call("Write", r#"{"password":"x"}"#, "t"),
        call("Read", "{}", "t"),
    ] {
        let before = m.kernel.snapshot();
        let (judgement, rungs) = m.snapshot.explain(&who, &c, &NoWorld);
        let explained = m.kernel.explain(at(1), &who, &c, &judgement, rungs);
        assert_eq!(m.kernel.snapshot(), before);
        assert_eq!(explained.verdict, m.ask(at(1), &who, &c).verdict, "{c:?}");
        let winners: Vec<_> = explained.rungs.iter().filter(|rung| rung.winner).collect();
        assert_eq!(winners.len(), 1, "{c:?} {explained:#?}");
        assert_eq!(winners[0].verdict.by, explained.verdict.by);
        let names: Vec<_> = explained
            .rungs
            .iter()
            .take(2)
            .map(|rung| &*rung.name)
            .collect();
        assert_eq!(names, ["call", "rate_limit"]);
    }
}

#[test]
fn other_rows_change_no_state() {
    let mut m = Machine::new(
        Limits::default(),
        &[manifest(vec![per(RateKey::Trace, 2, None)])],
    );
    let _ = m.ask(at(1), &uid(1), &call("Read", "{}", "t"));
    let before = m.kernel.snapshot();
    let refused = rpc_refused(at(2), &uid(1), "PolicyLoad", "needs the role admin");
    assert_eq!(
        (refused.kind, &*refused.subject),
        (RecordKind::Refused, "PolicyLoad")
    );
    let bad = policy_refused(at(2), None, "10-team.json:3:5: unknown key");
    let mut others = vec![refused, bad];
    let telling = [
        RecordKind::Decide,
        RecordKind::Deny,
        RecordKind::Policy,
        RecordKind::Emergency,
        RecordKind::Admit,
        RecordKind::Quarantine,
        RecordKind::Clear,
    ];
    let silent = RecordKind::ALL
        .into_iter()
        .filter(|kind| !telling.contains(kind));
    others.extend(silent.map(|kind| Draft {
        trace: "t".into(),
        ..Draft::new(kind, T0)
    }));
    for record in journaled(&others) {
        m.kernel.replay(&record);
    }
    assert_eq!(m.kernel.snapshot(), before);
}

#[test]
fn a_verdict_this_build_does_not_know_counts_as_a_refusal() {
    let mut kernel = Kernel::new(Limits::default());
    let draft = Draft {
        who: "uid:1".into(),
        trace: "t".into(),
        verdict: "KIND_9".into(),
        reason: "REASON_77".into(),
        ..Draft::new(RecordKind::Decide, T0)
    };
    kernel.replay(&Record { seq: 1, draft });
    let session = kernel.session(Viewer::All, "t").expect("it was counted");
    assert_eq!((session.allowed, session.denied), (0, 1));
    assert_eq!(session.last_reason, Reason::DefaultDeny);
}

#[test]
fn a_damaged_image_is_refused() {
    let mut m = Machine::new(
        Limits::default(),
        &[manifest(vec![per(RateKey::Trace, 2, None)])],
    );
    let _ = m.ask(at(1), &uid(1), &call("Read", "{}", &mint_trace(9)));
    let image = m.kernel.snapshot();
    assert!(Kernel::restore(Limits::default(), &image).is_ok());
    for cut in 0..image.len() {
        assert!(Kernel::restore(Limits::default(), &image[..cut]).is_err());
        let mut flipped = image.clone();
        flipped[cut] ^= 0x40;
        assert!(Kernel::restore(Limits::default(), &flipped).is_err());
    }
}

/// One step of a generated history.
#[derive(Clone, Debug)]
enum Step {
    Ask {
        uid: u32,
        trace: u8,
        tool: u8,
        args: u8,
    },
    Wait(u64),
    ClockBack(u64),
    Reload(u8),
    Restart,
    Precheck,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (1..4_u32, 0..6_u8, 0..5_u8, 0..4_u8)
            .prop_map(|(uid, trace, tool, args)| Step::Ask { uid, trace, tool, args }),
        5 => (0..20_000_000_u64).prop_map(Step::Wait),
        1 => (0..100_000_000_u64).prop_map(Step::ClockBack),
        2 => (0..4_u8).prop_map(Step::Reload),
        1 => Just(Step::Restart),
        2 => Just(Step::Precheck),
    ]
}

const TOOLS: [&str; 5] = ["Read", "Write", "Drop", "Other", "bad\u{7}name"];
const ARGS: [&str; 4] = ["{}", r#"{"password":"x"}"#, r#"{"a":"0123456789"}"#, "[]"];
const TRACES: [&str; 6] = ["a", "b", "c", "d", "", "e\n"];

fn policies(which: u8) -> Vec<Manifest> {
    let cost = RateLimit {
        max_cost: Some(60),
        window_ms: Some(9000),
        ..RateLimit::default()
    };
    let rules = match which {
        0 => vec![],
        1 => vec![
            per(RateKey::Trace, 3, None),
            per(RateKey::Tool, 9, Some(20_000)),
        ],
        2 => vec![
            cost,
            per(RateKey::Trace, 5, None),
            per(RateKey::Global, 12, Some(30_000)),
        ],
        _ => vec![
            per(RateKey::Tool, 9, Some(20_000)),
            per(RateKey::Principal, 30, None),
        ],
    };
    let observed = Manifest {
        name: Some("observed".into()),
        bind: Some(Bind {
            uids: vec![3],
            ..Bind::default()
        }),
        posture: Some(Posture::Observe),
        ..manifest(rules.clone())
    };
    vec![observed, manifest(rules)]
}

/// Compiled once: histories reload often.
static POLICIES: LazyLock<Vec<Arc<PolicySet>>> =
    LazyLock::new(|| (0..4).map(|which| set(&policies(which))).collect());

static STRICT: LazyLock<Arc<PolicySet>> =
    LazyLock::new(|| set(&[manifest(vec![per(RateKey::Trace, 3, None)])]));

fn policy(which: u8) -> Arc<PolicySet> {
    Arc::clone(&POLICIES[usize::from(which)])
}

fn small() -> Limits {
    Limits {
        sessions_max: 7,
        sessions_per_principal_max: 3,
        session_idle_ms_max: 30_000,
        quota_keys_max: 14,
        quota_keys_per_principal_max: 8,
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn replaying_the_rows_gives_the_live_state(
        steps in prop::collection::vec(step(), 1..120),
        checkpoint in any::<prop::sample::Index>(),
    ) {
        let mut m = Machine::with(small(), policy(1));
        let mut now = at(0);
        let at_step = checkpoint.index(steps.len());
        let mut image = (m.kernel.snapshot(), m.rows.len());
        for (n, step) in steps.iter().enumerate() {
            match *step {
                Step::Wait(us) => now.0 += us,
                Step::ClockBack(us) => now.0 -= us,
                Step::Reload(which) => m.install(now, policy(which)),
                Step::Restart => {
                    m.kernel = Kernel::restore(small(), &m.kernel.snapshot()).expect("restores");
                }
                Step::Precheck => {
                    let _ = m.kernel.precheck(now, &uid(1), &call("Read", "{}", "a"), &m.snapshot);
                }
                Step::Ask { uid: who, trace, tool, args } => {
                    let c = call(TOOLS[tool as usize], ARGS[args as usize], TRACES[trace as usize]);
                    let _ = m.ask(now, &uid(who), &c);
                }
            }
            if n == at_step {
                image = (m.kernel.snapshot(), m.rows.len());
            }
        }
        let live = m.kernel.snapshot();
        prop_assert_eq!(&replayed(small(), &m.rows).snapshot(), &live);
        let mut tail = Kernel::restore(small(), &image.0).expect("restores");
        journaled(&m.rows)[image.1..].iter().for_each(|record| tail.replay(record));
        prop_assert_eq!(&tail.snapshot(), &live);
        prop_assert!(m.kernel.sessions_live(Viewer::All) <= 7);
    }

    #[test]
    fn a_batch_gives_what_its_calls_give_one_by_one(
        warm in 0..6_usize,
        asked in prop::collection::vec((1..4_u32, 0..6_usize, 0..5_usize, 0..4_usize), 1..40),
        which in 0..4_u8,
    ) {
        let start = || {
            let mut m = Machine::with(small(), policy(which));
            for _ in 0..warm {
                let _ = m.ask(at(1), &uid(1), &call("Read", "{}", "a"));
            }
            m
        };
        let (mut serial, mut batch) = (start(), start());
        let calls: Vec<_> = asked.iter()
            .map(|&(who, trace, tool, args)| (uid(who), call(TOOLS[tool], ARGS[args], TRACES[trace])))
            .collect();
        let one_by_one: Vec<_> =
            calls.iter().map(|(who, c)| serial.ask(at(2), who, c)).collect();
        // As a server would: shed and judge all of them first, on any thread, then settle in order.
        let judged: Vec<_> = calls.iter().map(|(who, c)| {
            match batch.kernel.precheck(at(2), who, c, &batch.snapshot) {
                Some(verdict) => batch.snapshot.shed(who, c, verdict),
                None => batch.snapshot.judge(who, c, &NoWorld),
            }
        }).collect();
        for (((who, c), judgement), expected) in calls.iter().zip(judged).zip(one_by_one) {
            let decision = batch.kernel.settle(at(2), who, c, judgement);
            prop_assert_eq!(&decision.verdict, &expected.verdict);
            prop_assert_eq!(&decision.draft, &expected.draft);
        }
        prop_assert_eq!(batch.kernel.snapshot(), serial.kernel.snapshot());
    }

    #[test]
    fn no_key_is_admitted_beyond_its_lifetime_quota(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut m = Machine::with(small(), Arc::clone(&STRICT));
        let mut now = at(0);
        let mut admitted = std::collections::HashMap::new();
        for step in steps {
            match step {
                Step::Wait(us) => now.0 += us,
                Step::ClockBack(us) => now.0 -= us,
                Step::Reload(_) => m.install(now, Arc::clone(&STRICT)),
                Step::Restart => m.kernel = replayed(small(), &m.rows),
                Step::Precheck => {}
                Step::Ask { uid: who, trace, tool, args } => {
                    let c = call(TOOLS[tool as usize], ARGS[args as usize], TRACES[trace as usize]);
                    if m.ask(now, &uid(who), &c).verdict.kind.admits() {
                        let count = admitted.entry((who, trace)).or_insert(0_u32);
                        *count += 1;
                        prop_assert!(*count <= 3);
                    }
                }
            }
        }
    }
}
