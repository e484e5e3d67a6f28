//! Results: what a session has read, and whose word lets sealed bytes out.

use std::collections::VecDeque;

use fak_chain::{Draft, RecordKind};
use fak_types::{Digest, Principal, Taint, Verdict};

use crate::{
    Timestamp,
    form::{recordable, trace_is_sound},
    judge::Snapshot,
    kernel::Kernel,
    record::by_principal,
    session::Name,
};

/// Most clearances remembered. LIMIT: the oldest is forgotten, and what it cleared is sealed again until
/// somebody clears it anew.
pub const CLEARANCES_MAX: usize = 8192;

/// What is known of a result that was screened.
#[derive(Clone, Copy, Debug)]
pub struct ResultFacts<'a> {
    /// The tool it came from.
    pub tool: &'a str,
    /// The session that asked for it.
    pub trace: &'a str,
    /// The caller's id of the call.
    pub call: &'a str,
    /// What becomes of it.
    pub verdict: &'a Verdict,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub bytes: u64,
    /// How far what the session reads may be trusted.
    pub taint: Taint,
    /// The seal of what was kept, when something was.
    pub seal: &'a str,
    /// Bounded words for people.
    pub note: &'a str,
}

/// The row of a result: ADMIT for what the session reads, QUARANTINE for what it does not.
#[must_use]
pub fn result_row(
    now: Timestamp,
    who: &Principal,
    snapshot: &Snapshot,
    facts: &ResultFacts<'_>,
) -> Draft {
    let profile = snapshot.profile_of(who);
    let verdict = facts.verdict;
    let kind = if verdict.kind.admits() {
        RecordKind::Admit
    } else {
        RecordKind::Quarantine
    };
    let trace = if trace_is_sound(facts.trace) {
        facts.trace
    } else {
        ""
    };
    Draft {
        trace: trace.to_owned(),
        tool: recordable(facts.tool, fak_types::TOOL_NAME_BYTES_MAX).into_owned(),
        call: facts.call.to_owned(),
        verdict: verdict.kind.as_str().to_owned(),
        reason: verdict.reason.as_str().to_owned(),
        by: verdict.by.as_ref().to_owned(),
        disposition: verdict
            .disposition()
            .map_or("", |word| word.as_str())
            .to_owned(),
        result_digest: Some(facts.digest),
        result_bytes: facts.bytes,
        taint: facts.taint.as_str().to_owned(),
        subject: facts.seal.to_owned(),
        note: facts.note.to_owned(),
        profile: profile.map_or_else(String::new, |profile| profile.name.as_ref().to_owned()),
        policy: profile.map(|profile| profile.digest),
        generation: snapshot.generation(),
        ..by_principal(kind, now, who)
    }
}

/// The row of a witness's word.
#[must_use]
pub fn clear_row(now: Timestamp, who: &Principal, trace: &str, seal: &str, why: &str) -> Draft {
    Draft {
        trace: trace.to_owned(),
        subject: seal.to_owned(),
        note: why.to_owned(),
        ..by_principal(RecordKind::Clear, now, who)
    }
}

/// The row of kept bytes that are removed for good.
#[must_use]
pub fn forget_row(now: Timestamp, who: &Principal, seal: &str, why: &str) -> Draft {
    Draft {
        subject: seal.to_owned(),
        note: why.to_owned(),
        ..by_principal(RecordKind::Evict, now, who)
    }
}

/// The row of a witness under which nothing may be read again; `evicted` kept answers go with it.
#[must_use]
pub fn revoke_row(
    now: Timestamp,
    who: &Principal,
    witness: &str,
    evicted: u64,
    why: &str,
) -> Draft {
    Draft {
        subject: witness.to_owned(),
        count: evicted,
        note: why.to_owned(),
        ..by_principal(RecordKind::Revoke, now, who)
    }
}

/// Whose word lets which sealed bytes out, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clearances(VecDeque<(String, String)>);

impl Clearances {
    pub(crate) fn add(&mut self, seal: &str, who: &str) {
        self.0.retain(|(held, _)| held != seal);
        if self.0.len() >= CLEARANCES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((seal.to_owned(), who.to_owned()));
    }

    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        self.0.iter().cloned().collect()
    }
}

impl Kernel {
    /// Takes a row into the state: one of [`result_row`] before anything of the result is shown, one of
    /// [`clear_row`] once it is durable.
    pub fn take_in(&mut self, draft: &Draft) {
        self.apply(draft);
    }

    /// Who cleared this seal, when somebody has.
    #[must_use]
    pub fn cleared_by(&self, seal: &str) -> Option<&str> {
        let held = self.clearances.0.iter().find(|(held, _)| held == seal);
        held.map(|(_, who)| who.as_str())
    }

    pub(crate) fn apply_result(&mut self, draft: &Draft) {
        if draft.trace.is_empty() {
            return;
        }
        // A word this build does not know is the unsafe one.
        let taint = Taint::parse(&draft.taint).unwrap_or_default();
        let sealed = draft.kind == RecordKind::Quarantine;
        let now = Timestamp(draft.ts_us);
        self.sessions.read(now, Name::of(draft), taint, sealed);
    }

    pub(crate) fn apply_clear(&mut self, draft: &Draft) {
        self.clearances.add(&draft.subject, &draft.who);
    }
}

/// The one of the two that may be trusted less.
pub(crate) const fn worse(one: Taint, other: Taint) -> Taint {
    const fn rank(taint: Taint) -> u8 {
        match taint {
            Taint::Trusted => 0,
            Taint::Tainted => 1,
            Taint::Quarantined => 2,
        }
    }
    if rank(one) >= rank(other) { one } else { other }
}
