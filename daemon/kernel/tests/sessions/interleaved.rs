//! Any order of everything: budgets hold, approvals count once, held sessions stay held, and the rows say it all.

use std::collections::{HashMap, HashSet};

use fak_kernel::{Budget, Kernel, Limits, Ruling, RunState, Seen, Steer, TurnAsk, Viewer};
use fak_types::VerdictKind;
use proptest::prelude::*;

use crate::support::{ADMIN, AGENT, Machine, OTHER, at, call, turn, uid};

const POLICY: &str = r#"{"version": "fak-policy/v1", "allow": ["Read", "Deploy", "Drop"],
    "deny": {"Drop": "POLICY_BLOCK"},
    "arg_rules": [{"name": "prod", "tool": "Deploy", "arg": "to", "deny_regex": "^prod$",
                   "verdict": "REQUIRE_WITNESS", "witness": ["git:clean"]}],
    "approval": {"expires_s": 5},
    "budget": {"turns": 4, "tokens": 100, "context_tokens": 60, "cost_micros": 90,
               "prices": {"m": {"input": 1000000, "output": 2000000}}}}"#;

const TRACES: [&str; 3] = ["a", "b", "c"];
const TURNS: [&str; 4] = ["1", "2", "3", "4"];
const CALLS: [(&str, &str); 3] = [
    ("Read", "{}"),
    ("Deploy", r#"{"to":"prod"}"#),
    ("Drop", "{}"),
];

#[derive(Clone, Debug)]
enum Step {
    Ask {
        who: bool,
        trace: usize,
        call: usize,
    },
    Reserve {
        trace: usize,
        turn: usize,
        tokens: [u64; 2],
        priced: bool,
    },
    Settle {
        trace: usize,
        turn: usize,
        part: u64,
    },
    Run {
        trace: usize,
        run: usize,
    },
    Bound {
        trace: usize,
        tokens: u64,
    },
    Reset {
        trace: usize,
    },
    Rule {
        nth: usize,
        who: bool,
        approve: bool,
        seen: bool,
    },
    Wait(u64),
    Restart,
    Reinstall,
}

fn step() -> impl Strategy<Value = Step> {
    let trace = 0..TRACES.len();
    prop_oneof![
        8 => (any::<bool>(), trace.clone(), 0..CALLS.len())
            .prop_map(|(who, trace, call)| Step::Ask { who, trace, call }),
        8 => (trace.clone(), 0..TURNS.len(), [0..70_u64, 0..40], any::<bool>())
            .prop_map(|(trace, turn, tokens, priced)| Step::Reserve { trace, turn, tokens, priced }),
        6 => (trace.clone(), 0..TURNS.len(), 0..=100_u64)
            .prop_map(|(trace, turn, part)| Step::Settle { trace, turn, part }),
        1 => (trace.clone(), 0..RunState::ALL.len())
            .prop_map(|(trace, run)| Step::Run { trace, run }),
        1 => (trace.clone(), 0..50_u64).prop_map(|(trace, tokens)| Step::Bound { trace, tokens }),
        1 => trace.prop_map(|trace| Step::Reset { trace }),
        3 => (0..4_usize, any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(nth, who, approve, seen)| Step::Rule { nth, who, approve, seen }),
        4 => (0..4000_u64).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => Just(Step::Reinstall),
    ]
}

fn small() -> Limits {
    Limits {
        sessions_max: 3,
        sessions_per_principal_max: 2,
        session_idle_ms_max: 20_000,
        ..Limits::default()
    }
}

/// What the test knows by itself: what was put aside and spent, who may pass, what is held.
#[derive(Default)]
struct Model {
    /// Estimates that are open, and what each settled turn did cost: tokens.
    open: HashMap<(usize, usize), u64>,
    spent: HashMap<usize, u64>,
    granted: HashMap<usize, u64>,
    /// Approvals somebody gave, and those that let a call through.
    approved: HashSet<String>,
    passed: HashSet<String>,
    held: HashMap<usize, RunState>,
}

impl Model {
    fn used(&self, trace: usize) -> u64 {
        let open = self.open.iter().filter(|((of, _), _)| *of == trace);
        let open: u64 = open.map(|(_, tokens)| tokens).sum();
        open + self.spent.get(&trace).copied().unwrap_or(0)
    }
}

struct World {
    m: Machine,
    model: Model,
    ms: u64,
}

impl World {
    fn new() -> Self {
        Self {
            m: Machine::with(small(), POLICY),
            model: Model::default(),
            ms: 1,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Wait(ms) => self.ms += ms,
            Step::Restart => {
                let image = self.m.kernel.snapshot();
                self.m.kernel = Kernel::restore(small(), &image).expect("an image");
            }
            Step::Reinstall => {
                let rows = self.m.kernel.install(at(self.ms), &self.m.snapshot);
                self.m.rows.extend(rows);
            }
            Step::Ask {
                who,
                trace,
                call: n,
            } => self.ask(who, trace, n),
            Step::Reserve {
                trace,
                turn: name,
                tokens,
                priced,
            } => {
                self.reserve(trace, name, tokens, priced);
            }
            Step::Settle {
                trace,
                turn: name,
                part,
            } => self.settle(trace, name, part),
            Step::Run { trace, run } => {
                let request = Steer {
                    run: Some(RunState::ALL[run]),
                    ..self.about(trace)
                };
                if let Ok(session) = self.m.steer(self.ms, &request) {
                    self.model.held.insert(trace, session.run);
                }
            }
            Step::Bound { trace, tokens } => {
                let budget = Budget {
                    tokens: Some(tokens),
                    ..Budget::default()
                };
                let request = Steer {
                    budget,
                    ..self.about(trace)
                };
                if self.m.steer(self.ms, &request).is_ok() {
                    // From now on: what runs and what is left.
                    let used = self.model.used(trace);
                    self.model.granted.insert(trace, used + tokens);
                }
            }
            Step::Reset { trace } => {
                let request = Steer {
                    reset: true,
                    ..self.about(trace)
                };
                if self.m.steer(self.ms, &request).is_ok() {
                    let used = self.model.used(trace);
                    self.model.granted.insert(trace, used + 100);
                    self.model.held.remove(&trace);
                }
            }
            Step::Rule {
                nth,
                who,
                approve,
                seen,
            } => self.rule(nth, who, approve, seen),
        }
    }

    fn about(&self, trace: usize) -> Steer<'static> {
        Steer {
            trace: TRACES[trace],
            owner: Some("uid:1000"),
            why: "because",
            ..Steer::default()
        }
    }

    fn ask(&mut self, own: bool, trace: usize, n: usize) {
        let who = if own { AGENT } else { OTHER };
        let (tool, args) = CALLS[n];
        let decision = self
            .m
            .ask(at(self.ms), who, &call(tool, args, TRACES[trace]));
        let admits = decision.verdict.kind.admits();
        assert!(!(admits && tool == "Drop"), "a denied call never passes");
        if admits && tool == "Deploy" {
            let id = decision
                .approval
                .expect("an approval let it through")
                .to_string();
            assert!(self.model.approved.contains(&id), "somebody approved it");
            assert!(self.model.passed.insert(id), "once");
        }
        let held = self.model.held.get(&trace);
        if own && matches!(held, Some(RunState::Paused | RunState::Stopped)) {
            assert!(!admits, "what is held stays held");
        }
    }

    fn reserve(&mut self, trace: usize, name: usize, tokens: [u64; 2], priced: bool) {
        let ask = TurnAsk {
            model: if priced { "m" } else { "" },
            ..turn(TRACES[trace], TURNS[name], tokens)
        };
        let admits = self.m.reserve(self.ms, &ask).kind.admits();
        if !admits {
            return;
        }
        self.model
            .open
            .entry((trace, name))
            .or_insert_with(|| tokens.iter().sum());
        let granted = self.model.granted.get(&trace).copied().unwrap_or(100);
        assert!(self.model.used(trace) <= granted, "no budget is overshot");
    }

    /// Settles within the estimate, as an honest caller does.
    fn settle(&mut self, trace: usize, name: usize, part: u64) {
        let Some(estimate) = self.model.open.get(&(trace, name)).copied() else {
            return;
        };
        let did = turn(TRACES[trace], TURNS[name], [estimate * part / 100, 0]);
        let draft = self.m.kernel.settle_turn(at(self.ms), &uid(AGENT), &did);
        let Ok(Some(draft)) = draft else { return };
        self.m.take_in(draft);
        self.model.open.remove(&(trace, name));
        *self.model.spent.entry(trace).or_default() += did.input_tokens;
    }

    fn rule(&mut self, nth: usize, own: bool, approve: bool, seen: bool) {
        let waiting = self.m.kernel.approvals(at(self.ms), Viewer::All, true, 9);
        let Some(one) = waiting.get(nth) else { return };
        let evidence = [Seen {
            claim: "git:clean",
            holds: seen,
            seen: "ab",
        }];
        let ruling = Ruling {
            id: &one.id,
            approve,
            why: "looked",
            evidence: &evidence,
        };
        let who = if own { AGENT } else { ADMIN };
        if let Ok(draft) = self.m.kernel.rule(at(self.ms), &uid(who), &ruling) {
            assert_ne!(one.call.principal, uid(who).name());
            assert!(seen || !approve);
            self.m.take_in(draft);
            if approve {
                assert!(self.model.approved.insert(one.id.to_string()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_everything_keeps_every_promise(steps in prop::collection::vec(step(), 1..150)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.m.holds_through_restarts();
        let live = world.m.kernel.sessions_live(Viewer::All);
        prop_assert!(live <= 3);
    }

    #[test]
    fn concurrent_turns_never_overshoot(
        asks in prop::collection::vec((0..120_u64, 0..80_u64), 1..40),
        settle_every in 1..5_usize,
    ) {
        let mut m = Machine::new(POLICY.replace(r#""turns": 4, "#, "").replace(r#""context_tokens": 60, "#, "").as_str());
        let (mut open, mut used) = (Vec::new(), 0);
        for (n, (input, output)) in asks.into_iter().enumerate() {
            let name = format!("turn-{n}");
            if m.reserve(1, &turn("t", &name, [input, output])).kind == VerdictKind::Allow {
                used += input + output;
                open.push((name, input, output));
            }
            prop_assert!(used <= 100);
            if n % settle_every == 0 && let Some((name, input, output)) = open.pop() {
                m.settle_turn(2, &turn("t", &name, [input / 2, output / 2]));
                used -= input + output;
                used += input / 2 + output / 2;
            }
        }
        if m.kernel.sessions_live(Viewer::All) > 0 {
            prop_assert_eq!(m.left("t")[1], Some(100 - used));
        }
        m.holds_through_restarts();
    }
}
