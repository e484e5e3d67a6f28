//! What is in the vault, in memory, and what may be displaced to make room.

use std::collections::{BTreeMap, HashMap};

use fak_types::Digest;

use crate::{
    error::SealError,
    key::KeyId,
    log::LogLimits,
    meta::{HOLDS_MAX, Kind, SealId, Sealed},
};

/// Bytes of all files unless set otherwise. LIMIT: kept answers and then blobs that were paged out are displaced, oldest first;
/// when only quarantined ones are left sealing is refused.
pub const TOTAL_BYTES_MAX: u64 = 1 << 30;

/// Holds of all blobs unless set otherwise, and so the most blobs. LIMIT: as [`TOTAL_BYTES_MAX`].
pub const COUNT_MAX: usize = 16_384;

/// Percent of bytes and holds one principal may take unless set otherwise. LIMIT: what it has paged out
/// is displaced, then sealing is refused for it, so that no principal can keep the others from sealing.
pub const SHARE_PERCENT_MAX: u8 = 75;

/// Longest content unless set otherwise. LIMIT: sealing a longer one is refused.
const BLOB_BYTES_MAX: u64 = 64 << 20;

/// Most entries of one page of a list. LIMIT: a page is cut there and says where the next begins.
pub const LIST_MAX: usize = 1000;

/// How much a vault may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files; while one is written anew it counts once, though both lie on the disk.
    pub bytes_max: u64,
    /// Holds of all blobs. A blob has at least one.
    pub count_max: usize,
    /// Longest content.
    pub blob_bytes_max: u64,
    /// Percent of both that one principal may take.
    pub share_percent_max: u8,
    /// What logs may take, besides.
    pub logs: LogLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: TOTAL_BYTES_MAX,
            count_max: COUNT_MAX,
            blob_bytes_max: BLOB_BYTES_MAX,
            share_percent_max: SHARE_PERCENT_MAX,
            logs: LogLimits::default(),
        }
    }
}

/// A blob whose metadata was read.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) sealed: Sealed,
    pub(crate) key: KeyId,
    pub(crate) file_len: u64,
}

impl Known {
    fn may_be_displaced(&self) -> bool {
        self.sealed.kind() < Kind::Quarantined
    }

    fn is_held_by(&self, who: &str) -> bool {
        self.sealed.holds.iter().any(|hold| hold.who == who)
    }

    fn is_held_by_none_but(&self, who: &str) -> bool {
        self.sealed.holds.iter().all(|hold| hold.who == who)
    }
}

/// Every file of the vault.
#[derive(Debug, Default)]
pub(crate) struct Index {
    known: BTreeMap<SealId, Known>,
    by_digest: HashMap<Digest, SealId>,
    /// Files that say nothing without another key, or are damaged, with their lengths. They take room.
    unreadable: BTreeMap<SealId, u64>,
    bytes: u64,
    holds: usize,
}

impl Index {
    pub(crate) fn get(&self, id: SealId) -> Option<&Known> {
        self.known.get(&id)
    }

    pub(crate) fn of_content(&self, digest: &Digest) -> Option<&Known> {
        self.known.get(self.by_digest.get(digest)?)
    }

    pub(crate) fn known(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    pub(crate) fn known_after(&self, after: Option<SealId>) -> impl Iterator<Item = &Known> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        self.known.range((from, Unbounded)).map(|(_, known)| known)
    }

    pub(crate) fn unreadable(&self) -> usize {
        self.unreadable.len()
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_there(&self, id: SealId) -> bool {
        self.known.contains_key(&id) || self.unreadable.contains_key(&id)
    }

    pub(crate) fn insert(&mut self, known: Known) {
        let id = known.sealed.id;
        self.remove(id);
        self.bytes = self.bytes.saturating_add(known.file_len);
        self.holds += known.sealed.holds.len();
        self.by_digest.insert(known.sealed.digest, id);
        self.known.insert(id, known);
    }

    pub(crate) fn insert_unreadable(&mut self, id: SealId, file_len: u64) {
        self.remove(id);
        self.bytes = self.bytes.saturating_add(file_len);
        self.holds += 1;
        self.unreadable.insert(id, file_len);
    }

    pub(crate) fn remove(&mut self, id: SealId) {
        if let Some(file_len) = self.unreadable.remove(&id) {
            self.bytes = self.bytes.saturating_sub(file_len);
            self.holds -= 1;
        }
        if let Some(known) = self.known.remove(&id) {
            self.bytes = self.bytes.saturating_sub(known.file_len);
            self.holds -= known.sealed.holds.len();
            if self.by_digest.get(&known.sealed.digest) == Some(&id) {
                self.by_digest.remove(&known.sealed.digest);
            }
        }
    }

    /// The blobs that must go before `new`, which `who` seals, can come, in the place of one of its name
    /// if there is one. Refuses without displacing anything when that is not enough.
    pub(crate) fn make_room(
        &self,
        new: &Known,
        who: &str,
        limits: &Limits,
    ) -> Result<Vec<SealId>, SealError> {
        let id = new.sealed.id;
        if new.sealed.holds.len() > HOLDS_MAX {
            return Err(SealError::Crowded {
                id,
                held: HOLDS_MAX,
            });
        }
        let mut plan = Plan::default();
        let mut all = Taken {
            bytes: self.bytes,
            holds: self.holds,
        };
        all.leave(self.taken(id));
        all.enter(new.into());
        let mut own = Taken::default();
        own.enter(new.into());
        for known in self.known().filter(|known| known.sealed.id != id) {
            if known.is_held_by(who) {
                own.enter(known.into());
            }
        }
        let (mine, theirs) = self.displaceable(id, who);
        let share = Taken {
            bytes: percent(limits.bytes_max, limits.share_percent_max),
            holds: usize::try_from(percent(limits.count_max as u64, limits.share_percent_max))
                .unwrap_or(usize::MAX),
        };
        let total = Taken {
            bytes: limits.bytes_max,
            holds: limits.count_max,
        };
        let mut mine = mine.into_iter();
        // Who may have all of it is told that it is full.
        while limits.share_percent_max < 100 && !own.fits(share) {
            let Some(known) = mine.next() else {
                return Err(SealError::Share {
                    who: who.into(),
                    percent: limits.share_percent_max,
                });
            };
            own.leave(known.into());
            all.leave(known.into());
            plan.push(known.sealed.id);
        }
        let mut rest = mine.chain(theirs);
        while !all.fits(total) {
            let Some(known) = rest.next() else {
                return Err(SealError::Full {
                    bytes: self.bytes,
                    bytes_max: limits.bytes_max,
                    holds: self.holds,
                    holds_max: limits.count_max,
                });
            };
            all.leave(known.into());
            plan.push(known.sealed.id);
        }
        Ok(plan)
    }

    fn taken(&self, id: SealId) -> Taken {
        match (self.known.get(&id), self.unreadable.get(&id)) {
            (Some(known), _) => known.into(),
            (None, Some(file_len)) => Taken {
                bytes: *file_len,
                holds: 1,
            },
            (None, None) => Taken::default(),
        }
    }

    /// What may go, answers before what was paged out and the oldest first: what `who` alone holds, and the rest.
    fn displaceable(&self, but: SealId, who: &str) -> (Vec<&Known>, Vec<&Known>) {
        let mut all: Vec<&Known> = self
            .known()
            .filter(|known| known.sealed.id != but && known.may_be_displaced())
            .collect();
        all.sort_by_key(|known| (known.sealed.kind(), known.sealed.at_us(), known.sealed.id));
        all.into_iter()
            .partition(|known| known.is_held_by_none_but(who))
    }
}

type Plan = Vec<SealId>;

/// Room that is taken.
#[derive(Clone, Copy, Default)]
struct Taken {
    bytes: u64,
    holds: usize,
}

impl Taken {
    const fn enter(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.holds = self.holds.saturating_add(other.holds);
    }

    const fn leave(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.holds = self.holds.saturating_sub(other.holds);
    }

    const fn fits(self, limit: Self) -> bool {
        self.bytes <= limit.bytes && self.holds <= limit.holds
    }
}

impl From<&Known> for Taken {
    fn from(known: &Known) -> Self {
        Self {
            bytes: known.file_len,
            holds: known.sealed.holds.len(),
        }
    }
}

const fn percent(of: u64, percent: u8) -> u64 {
    let percent = percent as u64;
    (of / 100)
        .saturating_mul(percent)
        .saturating_add(of % 100 * percent / 100)
}
