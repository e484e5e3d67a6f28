//! The rungs: who is asked about a call, in which order, and the one verdict their opinions come to.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use fak_chain::Draft;
use fak_types::{Posture, Reason, TOOL_NAME_BYTES_MAX, ToolCall, Verdict, VerdictKind};

use crate::{
    Timestamp,
    emergency::relieved,
    fold, form,
    gate::{self, is_held},
    judge::Judgement,
    kernel::Kernel,
    quota::{BY_RATE_LIMIT, Keys, Spend, rate_limit_word},
    record,
};

/// The rung that asks whether this is a call at all.
pub(crate) const RUNG_CALL: &str = "call";
/// The rung that asks whether the session may go on.
pub(crate) const RUNG_SESSION: &str = "session";
/// The rung that asks whether anything is left to spend.
pub(crate) const RUNG_RATE_LIMIT: &str = "rate_limit";
/// The rung that asks the principal's policy.
pub(crate) const RUNG_POLICY: &str = "policy";
/// The rung that asks where the call's values come from.
pub(crate) const RUNG_FLOW: &str = "flow";
/// What is told beside the rungs when an approval decided.
pub(crate) const RUNG_APPROVAL: &str = "approval";
/// What is told beside the rungs when an emergency decided.
pub(crate) const RUNG_EMERGENCY: &str = "emergency";

static FLOW: LazyLock<Arc<str>> = LazyLock::new(|| RUNG_FLOW.into());

/// Every rung's name and opinion, in order.
pub(crate) type Rungs = [(&'static str, Verdict); 5];

/// What the rungs' opinions come to.
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// The approval that is waited for, or that decided.
    pub(crate) approval: Option<Arc<str>>,
    /// For a call that waits: the words of its row, and when it is over.
    pub(crate) wait: Option<(String, Timestamp)>,
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            approval: None,
            wait: None,
        }
    }
}

impl Outcome {
    /// Says in the call's row what the row of an ordinary verdict does not.
    pub(crate) fn mark(&self, draft: &mut Draft) {
        if let Some(id) = &self.approval {
            draft.subject = id.as_ref().to_owned();
        }
        if let Some((note, expires)) = &self.wait {
            draft.note.clone_from(note);
            draft.until_us = expires.0;
        }
    }
}

/// One call as the rungs see it.
pub(crate) struct Question<'a> {
    pub(crate) now: Timestamp,
    pub(crate) who: &'a str,
    pub(crate) call: &'a ToolCall<'a>,
    pub(crate) tool: Cow<'a, str>,
    pub(crate) judgement: &'a Judgement,
}

impl<'a> Question<'a> {
    pub(crate) fn new(
        now: Timestamp,
        who: &'a str,
        call: &'a ToolCall<'a>,
        judgement: &'a Judgement,
    ) -> Self {
        Self {
            now,
            who,
            call,
            tool: tool_name(call),
            judgement,
        }
    }

    pub(crate) fn trace(&self) -> &'a str {
        record::trace_id(self.call)
    }

    fn spend(&self) -> Spend<'_> {
        spend_of(&self.judgement.profile, self.who, self.call, &self.tool)
    }
}

impl Kernel {
    /// Every rung's name and opinion on a call, in order, as [`Kernel::settle`] would fold them now. Changes nothing.
    pub(crate) fn rungs(&self, question: &Question<'_>, keys: &mut Keys) -> Rungs {
        let judgement = question.judgement;
        let mut form = form::opinion(question.call, &self.limits.call);
        let mut session = gate::open();
        let mut rate = Verdict::defer(rate_limit_word());
        // What is no call has no session, spends nothing and is told so first.
        if form.kind == VerdictKind::Defer {
            session = self.gate(question.now, question.who, question.call.trace);
            if self.quotas.limits_any(&judgement.profile) {
                rate = self.quotas.opinion(question.now, &question.spend(), keys);
            }
        }
        let flow = judgement.flow.clone();
        let mut flow = flow.unwrap_or_else(|| Verdict::defer(Arc::clone(&FLOW)));
        if judgement.posture == Posture::Observe {
            (form, rate, flow) = (relaxed(form), relaxed(rate), relaxed(flow));
            if !is_held(&session) {
                session = relaxed(session);
            }
        }
        [
            (RUNG_CALL, form),
            (RUNG_SESSION, session),
            (RUNG_RATE_LIMIT, rate),
            (RUNG_POLICY, judgement.verdict.clone()),
            (RUNG_FLOW, flow),
        ]
    }

    /// What the rungs' opinions come to.
    pub(crate) fn decide(
        &self,
        rungs: &Rungs,
        question: &Question<'_>,
        keys: &mut Keys,
    ) -> Outcome {
        let [_, (_, session), ..] = rungs;
        if is_held(session) {
            return session.clone().into();
        }
        let is_emergency = self.is_emergency(question.now);
        // A rung without an opinion adds nothing, and most have none.
        let spoken = rungs.iter().map(|(_, opinion)| opinion);
        let spoken = spoken
            .filter(|opinion| opinion.kind != VerdictKind::Defer || opinion.would_deny.is_some());
        let mut folded = fold(spoken.cloned());
        if &*folded.by == fold::BY_EMPTY {
            folded = fold(rungs.iter().map(|(_, opinion)| opinion.clone()));
        }
        let mut outcome = if folded.kind == VerdictKind::RequireWitness && !is_emergency {
            self.witness(rungs, question, folded)
        } else {
            folded.into()
        };
        if let Some(refused) = self.uncountable(&outcome.verdict, question, keys) {
            outcome = refused.into();
        }
        if is_emergency {
            outcome = relieved(outcome.verdict, rungs).into();
        }
        outcome
    }

    /// A call that cannot be counted is not admitted.
    fn uncountable(
        &self,
        verdict: &Verdict,
        question: &Question<'_>,
        keys: &mut Keys,
    ) -> Option<Verdict> {
        let judgement = question.judgement;
        let counted = !verdict.kind.admits()
            || judgement.posture == Posture::Observe
            || !self.quotas.limits_any(&judgement.profile)
            || self.quotas.can_count(&question.spend(), keys);
        if counted {
            return None;
        }
        let detail = format!(
            "quotas already count {} keys for this principal, the most they may",
            self.limits.quota_keys_per_principal_max
        );
        Some(Verdict::deny(Reason::RateLimited, BY_RATE_LIMIT, &detail))
    }
}

/// Under `observe` a refusal becomes a note on the allow.
fn relaxed(opinion: Verdict) -> Verdict {
    if opinion.kind.admits() || opinion.kind == VerdictKind::Defer {
        return opinion;
    }
    let reason = match opinion.reason {
        Reason::None => Reason::Unwitnessed,
        reason => reason,
    };
    Verdict {
        would_deny: Some(reason),
        ..Verdict::defer(opinion.by)
    }
}

/// The call as the quotas see it, in the words its record will use.
pub(crate) fn spend_of<'a>(
    profile: &'a str,
    who: &'a str,
    call: &ToolCall<'a>,
    tool: &'a str,
) -> Spend<'a> {
    let bytes = u64::try_from(call.args.len()).unwrap_or(u64::MAX);
    Spend {
        profile,
        who,
        trace: record::trace_id(call),
        tool,
        bytes,
    }
}

/// The tool's name as records and quotas keep it.
pub(crate) fn tool_name<'a>(call: &ToolCall<'a>) -> Cow<'a, str> {
    form::recordable(call.tool, TOOL_NAME_BYTES_MAX)
}
