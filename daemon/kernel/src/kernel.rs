//! The machine: one value, changed by verdicts.

use std::sync::Arc;

use fak_chain::{Draft, Record, RecordKind};
use fak_types::{CallLimits, Posture, Principal, Reason, ToolCall, Verdict, VerdictKind};

use crate::{
    Timestamp,
    admit::Clearances,
    approval::Approvals,
    emergency::Emergency,
    form,
    judge::{Judgement, Snapshot},
    limit,
    meter::Owners,
    quota::{Keys, Quotas, Spend},
    record::{self, ABOUT_GENERATION, ABOUT_PROFILE, admitted},
    rungs::{Question, spend_of, tool_name},
    session::{Bounds, Session, Sessions, Turn, Viewer},
    steer::{ABOUT_CONTROL, ABOUT_RESET, ABOUT_TAINT},
    turns::{ABOUT_RESERVE, ABOUT_SETTLE},
};

/// Most live sessions. LIMIT: about 400 bytes each; the least recent one is displaced.
pub const SESSIONS_MAX: usize = 100_000;
/// Most live sessions of one principal. LIMIT: the principal's own least recent one is displaced.
pub const SESSIONS_PER_PRINCIPAL_MAX: usize = 20_000;
/// Longest time a session is kept without a call, in milliseconds: a week. LIMIT: then it is forgotten.
pub const SESSION_IDLE_MS_MAX: u64 = 7 * 24 * 3600 * 1000;
/// Most keys all quotas count. LIMIT: about 64 bytes each; a call that would need another is `RATE_LIMITED`.
pub const QUOTA_KEYS_MAX: usize = 1_000_000;
/// Most keys one principal's calls may open in all quotas. LIMIT: its next new key is `RATE_LIMITED`; no key is
/// forgotten to make room, for a forgotten lifetime quota would be a fresh one.
pub const QUOTA_KEYS_PER_PRINCIPAL_MAX: usize = 200_000;

/// The bounds of a kernel; the defaults are the constants of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`SESSIONS_MAX`].
    pub sessions_max: usize,
    /// See [`SESSIONS_PER_PRINCIPAL_MAX`].
    pub sessions_per_principal_max: usize,
    /// See [`SESSION_IDLE_MS_MAX`].
    pub session_idle_ms_max: u64,
    /// See [`QUOTA_KEYS_MAX`].
    pub quota_keys_max: usize,
    /// See [`QUOTA_KEYS_PER_PRINCIPAL_MAX`].
    pub quota_keys_per_principal_max: usize,
    /// Bounds on one call.
    pub call: CallLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions_max: SESSIONS_MAX,
            sessions_per_principal_max: SESSIONS_PER_PRINCIPAL_MAX,
            session_idle_ms_max: SESSION_IDLE_MS_MAX,
            quota_keys_max: QUOTA_KEYS_MAX,
            quota_keys_per_principal_max: QUOTA_KEYS_PER_PRINCIPAL_MAX,
            call: CallLimits::default(),
        }
    }
}

/// The answer to a call and the row that must be durable before it leaves.
#[derive(Clone, Debug)]
#[must_use]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Its record. `call` and `took_us` are the caller's to fill in.
    pub draft: Draft,
    /// The id of the approval this call waits for, or of the one that let it through.
    pub approval: Option<Arc<str>>,
}

/// Sessions and quotas.
///
/// * Every state change is made from a [`Draft`] and nothing else, and [`Kernel::replay`] makes the same change from
///   the same record: replaying a journal gives the state of the kernel that wrote it.
/// * The answer to a call depends on the state, the call, the judgement and `now`; never on whether
///   [`Kernel::precheck`] was asked before, or whether calls came one by one or as a batch.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) quotas: Quotas,
    pub(crate) generation: u64,
    pub(crate) emergency: Option<Emergency>,
    /// The emergency's time is over by a clock nobody can set. Not state: a start reads the clocks anew.
    pub(crate) lapsed: bool,
    pub(crate) clearances: Clearances,
    pub(crate) approvals: Approvals,
}

impl Kernel {
    /// A kernel that has seen nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let bounds = Bounds {
            live_max: limits.sessions_max,
            per_principal_max: limits.sessions_per_principal_max,
            idle_ms_max: limits.session_idle_ms_max,
        };
        let owners = Owners::new(limits.quota_keys_max, limits.quota_keys_per_principal_max);
        Self {
            limits,
            sessions: Sessions::new(bounds),
            quotas: Quotas::new(owners),
            generation: 0,
            clearances: Clearances::default(),
            approvals: Approvals::default(),
            emergency: None,
            lapsed: false,
        }
    }

    /// Puts the policy's quotas in force, keeping what is spent of those the policy before stated too.
    ///
    /// Returns the rows that say so: one for the generation, then those of each profile. They belong in the journal
    /// together, before any row of the new generation.
    #[must_use = "the policy rows belong in the journal"]
    pub fn install(&mut self, now: Timestamp, snapshot: &Snapshot) -> Vec<Draft> {
        let drafts = record::policy_rows(now, snapshot);
        for draft in &drafts {
            self.apply(draft);
        }
        drafts
    }

    /// Sheds a call before it is judged: `Some` when its form is wrong or a quota is spent already.
    ///
    /// Spends nothing. A `None` promises nothing: [`Kernel::settle`] asks the same rungs again.
    #[must_use]
    pub fn precheck(
        &self,
        now: Timestamp,
        who: &Principal,
        call: &ToolCall<'_>,
        snapshot: &Snapshot,
    ) -> Option<Verdict> {
        let profile = snapshot.profile_of(who)?;
        if profile.posture == Posture::Observe || self.is_emergency(now) {
            return None;
        }
        let form = form::opinion(call, &self.limits.call);
        if form.kind == VerdictKind::Deny {
            return Some(form);
        }
        let who = who.name();
        let gate = self.gate(now, &who, call.trace);
        if gate.kind == VerdictKind::Deny {
            return Some(gate);
        }
        if !self.quotas.limits_any(&profile.name) {
            return None;
        }
        let tool = tool_name(call);
        let spend = spend_of(&profile.name, &who, call, &tool);
        let rate = self.quotas.opinion(now, &spend, &mut Keys::default());
        (rate.kind == VerdictKind::Deny).then_some(rate)
    }

    /// Folds the rungs' opinions, spends and counts, and makes the record.
    ///
    /// The record's fields are bounded and hold no argument's value.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a judgement settles one call, once"
    )]
    pub fn settle(
        &mut self,
        now: Timestamp,
        who: &Principal,
        call: &ToolCall<'_>,
        judgement: Judgement,
    ) -> Decision {
        self.quotas.advance(now);
        let name = who.name();
        let question = Question::new(now, &name, call, &judgement);
        let mut keys = Keys::default();
        let rungs = self.rungs(&question, &mut keys);
        let outcome = self.decide(&rungs, &question, &mut keys);
        let mut draft = record::verdict_row(now, who, call, &outcome.verdict, &judgement);
        outcome.mark(&mut draft);
        self.apply_verdict(&draft, &mut keys);
        Decision {
            verdict: outcome.verdict,
            draft,
            approval: outcome.approval,
        }
    }

    /// Folds one journal row into the state; rows that concern no session and no quota change nothing.
    ///
    /// Rows come in order, each once, beginning after the row a restored state stands at.
    pub fn replay(&mut self, record: &Record) {
        self.apply(&record.draft);
    }

    /// Takes back a decision whose row never became durable and whose verdict never left.
    ///
    /// What it spent can be spent again, and the session forgets the call. Without this, a full disk would use up
    /// lifetime quotas on calls that were all refused.
    pub fn retract(&mut self, draft: &Draft) {
        if draft.kind == RecordKind::Session {
            self.unreserve(draft);
        }
        if !matches!(draft.kind, RecordKind::Decide | RecordKind::Deny) {
            return;
        }
        let admitted = admitted(draft);
        if admitted {
            self.quotas.give_back(&spend_in(draft));
        }
        self.sessions.give_back(&turn_in(draft));
        self.uncount_use(draft);
        self.unwitness(draft);
    }

    /// The viewer's sessions, last used first, at most `count_max` of them.
    #[must_use]
    pub fn sessions(&self, viewer: Viewer<'_>, count_max: usize) -> Vec<Session> {
        self.sessions
            .newest(viewer)
            .take(count_max)
            .cloned()
            .collect()
    }

    /// How many sessions the viewer may see.
    #[must_use]
    pub fn sessions_live(&self, viewer: Viewer<'_>) -> usize {
        self.sessions.live(viewer)
    }

    /// One session; for [`Viewer::All`] the last used one of that trace id.
    #[must_use]
    pub fn session(&self, viewer: Viewer<'_>, trace: &str) -> Option<Session> {
        self.sessions.get(viewer, trace).cloned()
    }

    /// The generation of the last policy installed; a new snapshot takes the next number.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// INVARIANT: state changes here and in what this calls, and nothing but the draft is read.
    pub(crate) fn apply(&mut self, draft: &Draft) {
        match draft.kind {
            RecordKind::Decide | RecordKind::Deny => {
                self.apply_verdict(draft, &mut Keys::default());
            }
            RecordKind::Policy if draft.subject == ABOUT_GENERATION => {
                self.generation = draft.generation;
                self.quotas.begin();
                self.sessions.terms.clear();
            }
            RecordKind::Policy if draft.subject == ABOUT_PROFILE => {
                let profile: Arc<str> = draft.profile.as_str().into();
                limit::of_note(&draft.note).for_each(|limit| self.quotas.add(&profile, limit));
                if let Some(terms) = record::terms_of(&draft.note) {
                    self.sessions.terms.insert(profile, terms);
                }
            }
            RecordKind::Admit | RecordKind::Quarantine => self.apply_result(draft),
            RecordKind::Clear => self.apply_clear(draft),
            RecordKind::Emergency => self.apply_emergency(draft),
            RecordKind::Approve => self.apply_ruling(draft),
            RecordKind::Session if !draft.trace.is_empty() => self.apply_session(draft),
            _ => {}
        }
    }

    fn apply_session(&mut self, draft: &Draft) {
        match draft.subject.as_str() {
            ABOUT_CONTROL => self.apply_control(draft),
            ABOUT_RESET => self.apply_reset(draft),
            ABOUT_TAINT => self.apply_taint(draft),
            ABOUT_RESERVE => self.apply_reserve(draft),
            ABOUT_SETTLE => self.apply_settle(draft),
            // What a session was told is its flow's, and changes nothing here.
            _ => {}
        }
    }

    /// `keys` holds the digests of this draft's names, as far as they are known already.
    fn apply_verdict(&mut self, draft: &Draft, keys: &mut Keys) {
        let now = Timestamp(draft.ts_us);
        self.quotas.advance(now);
        if admitted(draft) {
            self.quotas.charge(now, &spend_in(draft), keys);
        }
        if !draft.trace.is_empty() {
            self.sessions.count(now, &turn_in(draft));
        }
        self.count_use(draft);
        self.apply_witness(draft);
    }
}

fn spend_in(draft: &Draft) -> Spend<'_> {
    Spend {
        profile: &draft.profile,
        who: &draft.who,
        trace: &draft.trace,
        tool: &draft.tool,
        bytes: draft.args_bytes,
    }
}

fn turn_in(draft: &Draft) -> Turn<'_> {
    Turn {
        who: &draft.who,
        trace: &draft.trace,
        admitted: admitted(draft),
        // A reason this build does not know is still a refusal.
        reason: Reason::parse(&draft.reason).unwrap_or(Reason::DefaultDeny),
        profile: &draft.profile,
    }
}
