//! A kernel, its policy, and every row it wrote.

use std::sync::Arc;

use fak_chain::{Draft, decode, encode};
use fak_kernel::{
    Decision, Kernel, Limits, Reserved, Session, Snapshot, Steer, SteerError, Timestamp, TurnAsk,
    Viewer,
};
use fak_policy::{Format, NoWorld, Policy, PolicySet};
use fak_types::{Principal, ToolCall, Verdict};

pub(crate) const T0: u64 = 1_700_000_000_000_000;
pub(crate) const AGENT: u32 = 1000;
pub(crate) const OTHER: u32 = 1001;
pub(crate) const ADMIN: u32 = 0;

pub(crate) const PLAIN: &str = r#"{"version": "fak-policy/v1", "allow": ["Read", "Deploy", "Drop"],
    "deny": {"Drop": "POLICY_BLOCK"}, "redact_fields": ["password"],
    "arg_rules": [{"name": "prod", "tool": "Deploy", "arg": "to", "deny_regex": "^prod$",
                   "verdict": "REQUIRE_WITNESS", "witness": ["git:clean", "test:make check"]}],
    "approval": {"expires_s": 60}}"#;

pub(crate) const BOUNDED: &str = r#"{"version": "fak-policy/v1", "allow": ["Read"],
    "budget": {"turns": 5, "tokens": 1000, "context_tokens": 400, "cost_micros": 2000,
               "prices": {"small": {"input": 1000000, "output": 2000000}}}}"#;

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp(T0 + ms * 1000)
}

pub(crate) fn uid(uid: u32) -> Principal {
    Principal::Local {
        uid,
        gid: uid,
        groups: Arc::from([]),
        pid: 4242,
    }
}

pub(crate) fn call<'a>(tool: &'a str, args: &'a str, trace: &'a str) -> ToolCall<'a> {
    ToolCall {
        tool,
        args,
        trace,
        cwd: None,
        home: None,
    }
}

pub(crate) fn turn<'a>(trace: &'a str, turn: &'a str, tokens: [u64; 2]) -> TurnAsk<'a> {
    let [input_tokens, output_tokens] = tokens;
    TurnAsk {
        trace,
        turn,
        input_tokens,
        output_tokens,
        model: "",
    }
}

pub(crate) struct Machine {
    pub(crate) kernel: Kernel,
    pub(crate) snapshot: Snapshot,
    pub(crate) limits: Limits,
    pub(crate) rows: Vec<Draft>,
    pub(crate) nonce: u128,
    pub(crate) flow: Option<Verdict>,
}

impl Machine {
    pub(crate) fn new(policy: &str) -> Self {
        Self::with(Limits::default(), policy)
    }

    pub(crate) fn with(limits: Limits, policy: &str) -> Self {
        let (manifest, _) = fak_policy::load("p", policy, Format::Json).expect("a sound policy");
        let policy = Policy::compile("p", &manifest).expect("compiles");
        let set = PolicySet::new(vec![policy]).expect("a set");
        let snapshot = Snapshot::new(1, set);
        let mut kernel = Kernel::new(limits);
        let rows = kernel.install(at(0), &snapshot);
        Self {
            kernel,
            snapshot,
            limits,
            rows,
            nonce: 0,
            flow: None,
        }
    }

    pub(crate) fn settle(
        &mut self,
        now: Timestamp,
        who: &Principal,
        call: &ToolCall<'_>,
    ) -> Decision {
        let mut judgement = match self.kernel.precheck(now, who, call, &self.snapshot) {
            Some(verdict) => self.snapshot.shed(who, call, verdict),
            None => self.snapshot.judge(who, call, &NoWorld),
        };
        self.nonce += 1;
        judgement.nonce = self.nonce;
        judgement.flow = self.flow.clone();
        self.kernel.settle(now, who, call, judgement)
    }

    pub(crate) fn ask(&mut self, now: Timestamp, who: u32, call: &ToolCall<'_>) -> Decision {
        let decision = self.settle(now, &uid(who), call);
        self.rows.push(decision.draft.clone());
        decision
    }

    /// What decides about one more harmless call.
    pub(crate) fn by(&mut self, ms: u64, trace: &str) -> String {
        let read = call("Read", "{}", trace);
        self.ask(at(ms), AGENT, &read).verdict.by.to_string()
    }

    pub(crate) fn reserve(&mut self, ms: u64, ask: &TurnAsk<'_>) -> Verdict {
        let Reserved { verdict, draft } =
            self.kernel
                .reserve(at(ms), &uid(AGENT), ask, &self.snapshot);
        self.rows.push(draft);
        verdict
    }

    /// Settles a turn; whether there was anything to settle.
    pub(crate) fn settle_turn(&mut self, ms: u64, ask: &TurnAsk<'_>) -> bool {
        let draft = self.kernel.settle_turn(at(ms), &uid(AGENT), ask);
        let Some(draft) = draft.expect("the turn is known") else {
            return false;
        };
        self.take_in(draft);
        true
    }

    pub(crate) fn take_in(&mut self, draft: Draft) {
        self.kernel.take_in(&draft);
        self.rows.push(draft);
    }

    pub(crate) fn steer(&mut self, ms: u64, request: &Steer<'_>) -> Result<Session, SteerError> {
        let steered = self.kernel.steer(at(ms), &uid(ADMIN), request)?;
        self.rows.push(steered.draft);
        Ok(steered.session)
    }

    pub(crate) fn session(&self, trace: &str) -> Session {
        let who = uid(AGENT).name();
        let own = self.kernel.session(Viewer::Own(&who), trace);
        own.expect("a live session")
    }

    /// What is left: turns, tokens, context, cost.
    pub(crate) fn left(&self, trace: &str) -> [Option<u64>; 4] {
        let budget = self.session(trace).steering.expect("a budget").budget;
        [
            budget.turns,
            budget.tokens,
            budget.context_tokens,
            budget.cost_micros,
        ]
    }

    /// A restart by the rows alone and one by the image give the state there is.
    pub(crate) fn holds_through_restarts(&self) {
        let live = self.kernel.snapshot();
        let restored = Kernel::restore(self.limits, &live).expect("an image");
        assert_eq!(restored.snapshot(), live, "by the image");
        let mut replayed = Kernel::new(self.limits);
        for (seq, row) in (1..).zip(&self.rows) {
            replayed.replay(&decode(&encode(row, seq)).expect("a record"));
        }
        assert_eq!(replayed.snapshot(), live, "by the rows");
    }
}
