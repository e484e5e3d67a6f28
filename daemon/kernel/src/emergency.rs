//! Break-glass: for a short while, refusals are admitted and every one of them is a row.
//!
//! An emergency is state like any other: it begins and ends with rows, and a replay finds it where it was.
//! Two clocks bound it. The wall clock is an argument: before `begun` and from `until` on there is no
//! emergency, so a clock set forward ends it and one set back before it began does too. What a clock set
//! back within it would add, the caller takes away with [`Kernel::lapse`], by a clock nobody can set.

use std::sync::Arc;

use fak_chain::{Draft, RecordKind};
use fak_types::{Edit, Principal, Reason, Verdict, VerdictKind};

use crate::{
    Timestamp, fold,
    kernel::Kernel,
    record::{self, by_principal},
};

/// Longest emergency, in microseconds: a day. LIMIT: whoever needs longer begins another, which is another row.
pub const EMERGENCY_US_MAX: u64 = 24 * 3600 * 1_000_000;

/// Longest reason of an emergency, in bytes. LIMIT: it stands in a row and on the status screen.
pub const EMERGENCY_REASON_BYTES_MAX: usize = 512;

/// Reported in `by` when an emergency admitted what was refused.
pub const BY_EMERGENCY: &str = "emergency";

/// `subject` of the row that begins an emergency.
pub const ABOUT_BEGIN: &str = "begin";

/// `subject` of the row that ends one.
pub const ABOUT_END: &str = "end";

/// An emergency that began and has not been ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Why, in the words of whoever began it.
    pub reason: Arc<str>,
    /// Who began it.
    pub who: Arc<str>,
    /// When.
    pub begun: Timestamp,
    /// When it is over, whatever else happens.
    pub until: Timestamp,
    /// Refusals it admitted, of those before it was extended too.
    pub uses: u64,
}

impl Emergency {
    /// Whether it holds by the wall clock.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.begun <= now && now < self.until
    }

    /// How much longer it may hold, in microseconds: never more than was granted.
    #[must_use]
    pub fn left_us(&self, now: Timestamp) -> u64 {
        if self.holds_at(now) {
            self.until.0 - now.0
        } else {
            0
        }
    }
}

/// The row that begins an emergency. It holds for `lasts_us`, at most [`EMERGENCY_US_MAX`].
#[must_use]
pub fn emergency_begin(now: Timestamp, who: &Principal, reason: &str, lasts_us: u64) -> Draft {
    Draft {
        subject: ABOUT_BEGIN.to_owned(),
        note: reason.to_owned(),
        until_us: now.0.saturating_add(lasts_us.min(EMERGENCY_US_MAX)),
        ..by_principal(RecordKind::Emergency, now, who)
    }
}

/// The row that ends an emergency: who asked for it and why, or nobody because its time had passed.
#[must_use]
pub fn emergency_end(now: Timestamp, who: Option<&Principal>, why: &str) -> Draft {
    let base = match who {
        Some(who) => by_principal(RecordKind::Emergency, now, who),
        None => Draft::new(RecordKind::Emergency, now.0),
    };
    Draft {
        subject: ABOUT_END.to_owned(),
        note: why.to_owned(),
        ..base
    }
}

impl Kernel {
    /// Folds the durable row that begins or ends an emergency; other rows change nothing here.
    pub fn declare(&mut self, draft: &Draft) {
        if draft.kind == RecordKind::Emergency {
            self.apply_emergency(draft);
        }
    }

    /// The emergency that began and was not ended by a row, whether or not it still holds.
    #[must_use]
    pub const fn emergency(&self) -> Option<&Emergency> {
        self.emergency.as_ref()
    }

    /// Whether refusals are admitted now.
    #[must_use]
    pub fn is_emergency(&self, now: Timestamp) -> bool {
        let holds = |emergency: &Emergency| emergency.holds_at(now);
        !self.lapsed && self.emergency.as_ref().is_some_and(holds)
    }

    /// Ends the emergency's effect at once: as much time as was granted has passed, whatever the wall clock
    /// says. The row that ends it is the caller's to write; until it is folded the emergency is still told.
    pub const fn lapse(&mut self) {
        self.lapsed = true;
    }

    pub(crate) fn apply_emergency(&mut self, draft: &Draft) {
        let before = self.emergency.take();
        self.lapsed = false;
        if draft.subject != ABOUT_BEGIN {
            return;
        }
        let granted = draft.until_us.saturating_sub(draft.ts_us);
        self.emergency = Some(Emergency {
            reason: draft.note.as_str().into(),
            who: draft.who.as_str().into(),
            begun: Timestamp(draft.ts_us),
            until: Timestamp(draft.ts_us.saturating_add(granted.min(EMERGENCY_US_MAX))),
            uses: before.map_or(0, |before| before.uses),
        });
    }

    /// Counts a row as a use of the emergency, when it is one.
    pub(crate) fn count_use(&mut self, draft: &Draft) {
        if let (true, Some(emergency)) = (is_use(draft), &mut self.emergency) {
            emergency.uses = emergency.uses.saturating_add(1);
        }
    }

    /// Takes a use back, when the row is one.
    pub(crate) fn uncount_use(&mut self, draft: &Draft) {
        if let (true, Some(emergency)) = (is_use(draft), &mut self.emergency) {
            emergency.uses = emergency.uses.saturating_sub(1);
        }
    }
}

/// Whether a row admits what was refused, by an emergency.
pub(crate) fn is_use(draft: &Draft) -> bool {
    record::admitted(draft) && draft.by == BY_EMERGENCY
}

/// What an emergency makes of a refusal: the call goes ahead, with the edits a rung wanted, and the verdict says
/// what would have been refused and by which rule. What is admitted anyway stays as it is.
pub(crate) fn relieved(refusal: Verdict, opinions: &[(&'static str, Verdict)]) -> Verdict {
    if refusal.kind.admits() {
        return refusal;
    }
    let edits = edits_of(opinions);
    let kind = if edits.is_empty() {
        VerdictKind::Allow
    } else {
        VerdictKind::Transform
    };
    let reason = match refusal.reason {
        Reason::None if refusal.kind == VerdictKind::RequireWitness => Reason::Unwitnessed,
        Reason::None => Reason::DefaultDeny,
        reason => reason,
    };
    let detail = format!("refused by {}: {}", refusal.by, refusal.detail.as_str());
    Verdict {
        would_deny: Some(reason),
        detail: fak_types::Detail::new(detail.trim_end_matches([':', ' '])),
        edits,
        ..Verdict::of(kind, BY_EMERGENCY)
    }
}

/// The edits of the rungs that made any, a witness wanted besides or not, where all of them can be made.
fn edits_of(opinions: &[(&'static str, Verdict)]) -> Vec<Edit> {
    let transforms = opinions
        .iter()
        .filter(|(_, opinion)| !opinion.edits.is_empty())
        .map(|(_, opinion)| Verdict {
            kind: VerdictKind::Transform,
            ..opinion.clone()
        });
    fold(transforms).edits
}
