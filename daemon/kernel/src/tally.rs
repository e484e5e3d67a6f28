//! What the journal says in numbers: counters folded from its rows.
//!
//! A tally has no other source than rows, so it survives restarts with the journal, a fresh fold over the
//! file gives the same one, and a row that was lost is counted as lost and not as what it said.

use std::collections::BTreeMap;

use fak_chain::{Draft, RecordKind, digest_bytes};
use fak_types::{Reason, VerdictKind};
use serde::{Deserialize, Serialize};

use crate::{
    ABOUT_BEGIN, ABOUT_CONTROL, ABOUT_RESERVE, ABOUT_RESET, ABOUT_SETTLE, ABOUT_TAINT,
    BY_APPROVAL_EXPIRED,
    emergency::is_use,
    image::RestoreError,
    record::{ABOUT_GENERATION, ABOUT_REFUSED, admitted},
};

/// What every tally's image begins with.
const MAGIC: &[u8] = b"fak-tally/v3\n";

/// Most rules whose refusals are counted apart. LIMIT: those of further rules are counted together.
pub const TALLY_RULES_MAX: usize = 512;

/// Upper bounds of the latency histogram, in microseconds; what took longer has no bucket of its own.
pub const LATENCY_BOUNDS_US: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    5_000_000,
];

/// The word for a verdict or a reason this build does not know.
const UNKNOWN: &str = "UNKNOWN";

/// Counters over every row of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// By verdict, then by reason, in wire order; the last of each is what this build does not know.
    verdicts: BTreeMap<(u8, u8), u64>,
    rules: BTreeMap<String, u64>,
    /// Refusals by rules beyond [`TALLY_RULES_MAX`].
    pub other_rules: u64,
    /// How long verdicts took to make.
    pub latency: Latency,
    /// Requests that were refused before any judging.
    pub rpcs_refused: u64,
    /// Records lost under overload.
    pub lost: u64,
    /// Policy generations that came into force, and policies that did not.
    pub policies: Policies,
    /// Emergencies that began, and refusals they admitted.
    pub emergencies: Emergencies,
    /// Times the daemon began to judge.
    pub starts: u64,
    /// Signed checkpoints.
    pub checkpoints: Marks,
    /// Backups that were made.
    pub backups: Marks,
    /// Results by what became of them.
    pub results: Results,
    /// Calls that waited for somebody.
    pub approvals: Approvals,
    /// Turns that were put aside.
    pub turns: Turns,
    /// Times somebody steered a session, let it start over or made it trusted again.
    pub steered: u64,
}

/// Calls that waited for somebody, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvals {
    /// Times a call was told to wait.
    pub asked: u64,
    /// Were approved.
    pub approved: u64,
    /// Were refused by somebody.
    pub denied: u64,
    /// Were refused because nobody decided in time.
    pub expired: u64,
    /// Let a call through.
    pub spent: u64,
}

/// Turns, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns {
    /// Were put aside.
    pub reserved: u64,
    /// Were refused.
    pub refused: u64,
    /// Were settled.
    pub settled: u64,
}

impl Approvals {
    fn count(&mut self, draft: &Draft) {
        let place = if admitted(draft) {
            &mut self.spent
        } else if draft.verdict == VerdictKind::RequireWitness.as_str() {
            &mut self.asked
        } else if draft.by == BY_APPROVAL_EXPIRED {
            &mut self.expired
        } else {
            return;
        };
        grow(place, 1);
    }

    fn rule(&mut self, draft: &Draft) {
        if draft.verdict == VerdictKind::Allow.as_str() {
            grow(&mut self.approved, 1);
        } else {
            grow(&mut self.denied, 1);
        }
    }
}

impl Turns {
    fn count(&mut self, draft: &Draft) {
        let place = match draft.subject.as_str() {
            ABOUT_SETTLE => &mut self.settled,
            _ if draft.verdict == VerdictKind::Allow.as_str() => &mut self.reserved,
            _ => &mut self.refused,
        };
        grow(place, 1);
    }
}

/// A histogram of the time verdicts took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many fell into each bucket of [`LATENCY_BOUNDS_US`], not cumulated.
    pub buckets: [u64; LATENCY_BOUNDS_US.len()],
    /// How many there were, those beyond the last bound too.
    pub count: u64,
    /// Microseconds altogether.
    pub sum_us: u64,
}

/// Policies that were loaded, and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// Came into force.
    pub loaded: u64,
    /// Left the one before in force.
    pub refused: u64,
}

/// Emergencies and what they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emergencies {
    /// How many began; another deadline is another one.
    pub begun: u64,
    /// Refusals they admitted.
    pub uses: u64,
}

/// Results, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// Passed as they were.
    pub allowed: u64,
    /// Passed cut, or as a stub of a long one.
    pub transformed: u64,
    /// Were sealed.
    pub sealed: u64,
    /// Were refused because they could not be sealed.
    pub refused: u64,
    /// Seals that a witness cleared.
    pub cleared: u64,
}

impl Results {
    fn count(&mut self, draft: &Draft) {
        let place = match VerdictKind::parse(&draft.verdict) {
            Some(VerdictKind::Allow) if draft.kind == RecordKind::Admit => &mut self.allowed,
            Some(VerdictKind::Transform) if draft.kind == RecordKind::Admit => {
                &mut self.transformed
            }
            Some(VerdictKind::Quarantine) => &mut self.sealed,
            _ => &mut self.refused,
        };
        grow(place, 1);
    }
}

/// Something that was done for the journal, how often and when last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// How often.
    pub count: u64,
    /// The last time, in microseconds since 1970; 0: never.
    pub last_us: u64,
    /// Rows covered by the last one.
    pub last_rows: u64,
    /// The last one's name.
    pub last_name: String,
}

impl Tally {
    /// Counts one row.
    pub fn count(&mut self, draft: &Draft) {
        let many = draft.count.max(1);
        match draft.kind {
            RecordKind::Decide | RecordKind::Deny => self.count_verdict(draft),
            RecordKind::Refused => grow(&mut self.rpcs_refused, many),
            RecordKind::Gap => grow(&mut self.lost, draft.count),
            RecordKind::Policy if draft.subject == ABOUT_GENERATION => {
                grow(&mut self.policies.loaded, 1);
            }
            RecordKind::Policy if draft.subject == ABOUT_REFUSED => {
                grow(&mut self.policies.refused, 1);
            }
            RecordKind::Emergency if draft.subject == ABOUT_BEGIN => {
                grow(&mut self.emergencies.begun, 1);
            }
            RecordKind::Start => grow(&mut self.starts, 1),
            RecordKind::Checkpoint => self.checkpoints.mark(draft),
            RecordKind::Backup => self.backups.mark(draft),
            RecordKind::Admit | RecordKind::Quarantine => self.results.count(draft),
            RecordKind::Clear => grow(&mut self.results.cleared, 1),
            RecordKind::Approve => self.approvals.rule(draft),
            RecordKind::Session => match draft.subject.as_str() {
                ABOUT_RESERVE | ABOUT_SETTLE => self.turns.count(draft),
                ABOUT_CONTROL | ABOUT_RESET | ABOUT_TAINT => grow(&mut self.steered, 1),
                _ => {}
            },
            _ => {}
        }
    }

    fn count_verdict(&mut self, draft: &Draft) {
        let kind = place(
            VerdictKind::ALL.iter().map(|kind| kind.as_str()),
            &draft.verdict,
        );
        let reason = place(
            Reason::ALL.iter().map(|reason| reason.as_str()),
            &draft.reason,
        );
        grow(self.verdicts.entry((kind, reason)).or_default(), 1);
        self.latency.count(draft.took_us);
        if !draft.subject.is_empty() {
            self.approvals.count(draft);
        }
        if is_use(draft) {
            grow(&mut self.emergencies.uses, 1);
        } else if !admitted(draft) {
            if let Some(count) = self.rules.get_mut(&draft.by) {
                grow(count, 1);
            } else if self.rules.len() < TALLY_RULES_MAX {
                self.rules.insert(draft.by.clone(), 1);
            } else {
                grow(&mut self.other_rules, 1);
            }
        }
    }

    /// Verdicts by kind and reason, in wire order; none that never happened.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.verdicts.iter().map(|(&(kind, reason), &count)| {
            let kind = VerdictKind::ALL.get(usize::from(kind));
            let reason = Reason::ALL.get(usize::from(reason));
            (
                kind.map_or(UNKNOWN, |kind| kind.as_str()),
                reason.map_or(UNKNOWN, |reason| reason.as_str()),
                count,
            )
        })
    }

    /// Refusals by rule, by name.
    pub fn rules(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rules
            .iter()
            .map(|(rule, count)| (rule.as_str(), *count))
    }

    /// Calls that got a verdict.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.verdicts
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Of these, those of one kind.
    #[must_use]
    pub fn of_kind(&self, wanted: VerdictKind) -> u64 {
        let of_kind = self
            .verdicts()
            .filter(|(kind, ..)| *kind == wanted.as_str());
        of_kind.fold(0, |sum, (.., count)| sum.saturating_add(count))
    }

    /// Of these, those that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let admitted = self
            .of_kind(VerdictKind::Allow)
            .saturating_add(self.of_kind(VerdictKind::Transform));
        self.decided().saturating_sub(admitted)
    }

    /// The tally as bytes. Equal tallies give equal bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let body = postcard::to_stdvec(self).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&digest_bytes(&body).0);
        bytes.extend_from_slice(&body);
        bytes
    }

    /// The tally a snapshot was taken of.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are not a whole image of this layout.
    pub fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(RestoreError("another layout"))?;
        let (digest, body) = rest
            .split_first_chunk::<32>()
            .ok_or(RestoreError("cut short"))?;
        if digest_bytes(body).0 != *digest {
            return Err(RestoreError("the digest differs"));
        }
        postcard::from_bytes(body).map_err(|_| RestoreError("undecodable"))
    }
}

impl Latency {
    fn count(&mut self, us: u64) {
        grow(&mut self.count, 1);
        grow(&mut self.sum_us, us);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.buckets.get_mut(bucket) {
            grow(count, 1);
        }
    }
}

impl Marks {
    fn mark(&mut self, draft: &Draft) {
        grow(&mut self.count, 1);
        self.last_us = draft.ts_us;
        self.last_rows = draft.count;
        self.last_name.clone_from(&draft.subject);
    }
}

/// The place of a word, or the one after the last.
fn place(words: impl Iterator<Item = &'static str>, word: &str) -> u8 {
    let mut place = 0;
    for known in words {
        if known == word {
            break;
        }
        place += 1;
    }
    place
}

fn grow(count: &mut u64, by: u64) {
    *count = count.saturating_add(by);
}

#[cfg(test)]
mod tests;
