//! Why: every rung's opinion on one call.

use fak_types::{Principal, ToolCall, Verdict, VerdictKind};

use crate::{
    Timestamp,
    approval::BY_APPROVAL,
    emergency::BY_EMERGENCY,
    judge::Judgement,
    kernel::Kernel,
    quota::Keys,
    rungs::{Question, RUNG_APPROVAL, RUNG_EMERGENCY, RUNG_FLOW, RUNG_POLICY, RUNG_SESSION},
};

/// What every rung thinks of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The verdict the call would get now.
    pub verdict: Verdict,
    /// The rungs' opinions, in the order they are asked.
    pub rungs: Vec<Opinion>,
}

/// One rung's opinion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// The rung.
    pub name: String,
    /// What it says; a rung without an opinion defers.
    pub verdict: Verdict,
    /// Whether this rung decided.
    pub winner: bool,
}

impl Kernel {
    /// Says what every rung thinks of a call now, given what [`crate::Snapshot::explain`] found. Spends and counts
    /// nothing; the verdict is the one [`Kernel::settle`] would give at the same moment.
    #[must_use]
    pub fn explain(
        &self,
        now: Timestamp,
        who: &Principal,
        call: &ToolCall<'_>,
        judgement: &Judgement,
        policy_rungs: Vec<(String, Verdict)>,
    ) -> Explanation {
        let name = who.name();
        let (question, mut keys) = (Question::new(now, &name, call, judgement), Keys::default());
        let asked = self.rungs(&question, &mut keys);
        let verdict = self.decide(&asked, &question, &mut keys).verdict;
        // Steering and information flow are told where they have anything to say.
        let is_told =
            |opinion: &Verdict| opinion.kind != VerdictKind::Defer || opinion.would_deny.is_some();
        let (before, after): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .filter(|(rung, opinion)| match *rung {
                RUNG_POLICY => false,
                RUNG_SESSION | RUNG_FLOW => is_told(opinion),
                _ => true,
            })
            .map(|(rung, opinion)| (rung.to_owned(), opinion))
            .partition(|(rung, _)| rung != RUNG_FLOW);
        let is_waited = verdict.by.starts_with(BY_APPROVAL);
        let mut rungs: Vec<_> = before
            .into_iter()
            .chain(policy_rungs)
            .chain(after)
            .chain(is_waited.then(|| (RUNG_APPROVAL.to_owned(), verdict.clone())))
            .chain(
                (&*verdict.by == BY_EMERGENCY)
                    .then(|| (RUNG_EMERGENCY.to_owned(), verdict.clone())),
            )
            .map(|(name, verdict)| Opinion {
                name,
                verdict,
                winner: false,
            })
            .collect();
        let decided = |rung: &Opinion| {
            rung.verdict.kind == verdict.kind
                && rung.verdict.kind != VerdictKind::Defer
                && rung.verdict.by == verdict.by
        };
        if let Some(winner) = rungs.iter_mut().find(|rung| decided(rung)) {
            winner.winner = true;
        }
        Explanation { verdict, rungs }
    }
}
