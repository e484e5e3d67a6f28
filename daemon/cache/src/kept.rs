//! What is kept, and the steps it changes by. The same steps give the same state.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use fak_types::{Digest, Taint};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    call::Effect,
    feed::{Event, EventKind, Feed},
    key::Key,
    resource::Resources,
};

/// Answers that are kept of all principals. LIMIT: those used longest ago go.
pub const ENTRIES_MAX: usize = 4096;

/// Answers that are kept of one principal. LIMIT: its own that were used longest ago go.
pub const ENTRIES_OF_ONE_MAX: usize = 1024;

/// Bytes of the answers of all principals. LIMIT: as [`ENTRIES_MAX`].
pub const BYTES_MAX: u64 = 256 << 20;

/// Bytes of the answers of one principal. LIMIT: as [`ENTRIES_OF_ONE_MAX`].
pub const BYTES_OF_ONE_MAX: u64 = 64 << 20;

/// Longest answer that is kept. LIMIT: a longer one is not.
pub const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Revoked witnesses that are remembered. LIMIT: when there are more, nothing is kept under any witness any more,
/// since nobody knows which were revoked.
pub const REVOKED_MAX: usize = 16_384;

/// What a step begins with; another number is another form.
const FORM: u8 = 1;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Answers of all principals.
    pub entries_max: usize,
    /// Answers of one.
    pub entries_of_one_max: usize,
    /// Bytes of all principals' answers.
    pub bytes_max: u64,
    /// Bytes of one's.
    pub bytes_of_one_max: u64,
    /// Bytes of one answer.
    pub answer_bytes_max: u64,
    /// Revoked witnesses that are remembered.
    pub revoked_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries_max: ENTRIES_MAX,
            entries_of_one_max: ENTRIES_OF_ONE_MAX,
            bytes_max: BYTES_MAX,
            bytes_of_one_max: BYTES_OF_ONE_MAX,
            answer_bytes_max: ANSWER_BYTES_MAX,
            revoked_max: REVOKED_MAX,
        }
    }
}

/// What a revoked witness is remembered by: it may be long, and is none of the state's business.
pub(crate) type WitnessId = [u8; 32];

pub(crate) fn witness_id(witness: &str) -> WitnessId {
    Sha256::digest(witness).into()
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose it is.
    pub who: String,
    /// The tool that gave it.
    pub tool: String,
    /// Under which name its bytes are sealed.
    pub seal: String,
    /// Their SHA-256.
    pub digest: [u8; 32],
    /// How many there are.
    pub len: u64,
    /// The journal's row of their admission.
    pub row: u64,
    /// Whether they may be trusted; else they are tainted.
    pub is_trusted: bool,
    /// When they were kept, in microseconds since 1970.
    pub at_us: u64,
    /// From when on they are believed no more.
    pub until_us: u64,
    pub(crate) namespace: String,
    pub(crate) resources: Resources,
    /// Nothing without a witness.
    pub(crate) witness: Option<WitnessId>,
}

impl Entry {
    /// How far it may be trusted.
    #[must_use]
    pub const fn taint(&self) -> Taint {
        if self.is_trusted {
            Taint::Trusted
        } else {
            Taint::Tainted
        }
    }

    /// Their digest as the journal has it.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        Digest(self.digest)
    }

    /// Whether it is believed at a time. A clock that was set back believes nothing from its future.
    #[must_use]
    pub const fn is_fresh(&self, now_us: u64) -> bool {
        self.at_us <= now_us && now_us < self.until_us
    }
}

/// Sealed bytes that no entry of this principal needs any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gone {
    /// Whose they were.
    pub who: String,
    /// Their seal.
    pub seal: String,
}

/// One change of what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step(pub(crate) Change);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// All there is, in the place of all there was.
    Image(Box<State>),
    /// An answer came, and these went to make room or because it takes their place.
    Kept {
        key: Key,
        entry: Entry,
        gone: Vec<Key>,
    },
    /// A call changed something.
    Mutated {
        who: String,
        tool: String,
        effect: Effect,
    },
    /// A witness was revoked.
    Revoked { witness: String },
    /// Answers went for another reason.
    Dropped { gone: Vec<Key> },
}

/// Bytes that are no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepError;

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no step of this version's cache; without its log the cache begins empty")
    }
}

impl std::error::Error for StepError {}

impl Step {
    /// Its bytes, for a log.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Writing to memory cannot fail; the empty record that would come of it is no step.
        postcard::to_extend(self, vec![FORM]).unwrap_or_default()
    }

    /// Reads what [`Step::encode`] wrote.
    ///
    /// # Errors
    /// [`StepError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StepError> {
        let (form, rest) = bytes.split_first().ok_or(StepError)?;
        match postcard::take_from_bytes(rest) {
            Ok((step, [])) if *form == FORM => Ok(step),
            _ => Err(StepError),
        }
    }

    /// Whether an answer comes with it; every other step only lets some go.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        matches!(self.0, Change::Kept { .. } | Change::Image(_))
    }

    /// Whether what happens makes an answer stale.
    pub(crate) fn touches(&self, entry: &Entry) -> bool {
        match &self.0 {
            Change::Mutated { who, effect, .. } => {
                *who == entry.who && effect.touches(&entry.namespace, &entry.resources)
            }
            Change::Revoked { witness } => entry.witness == Some(witness_id(witness)),
            _ => false,
        }
    }
}

/// What one principal takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) entries: usize,
    pub(crate) bytes: u64,
}

/// All that outlives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) world: u64,
    pub(crate) trust: u64,
    pub(crate) entries: BTreeMap<Key, Entry>,
    pub(crate) revoked: BTreeSet<WitnessId>,
    /// There were more revocations than could be remembered.
    pub(crate) is_overrun: bool,
    pub(crate) feed: Feed,
    taken: BTreeMap<String, Taken>,
    pub(crate) all: Taken,
}

impl State {
    pub(crate) fn taken(&self, who: &str) -> Taken {
        self.taken.get(who).copied().unwrap_or_default()
    }

    /// Whether nothing may be kept under a witness.
    pub(crate) fn is_refused(&self, witness: Option<&WitnessId>) -> bool {
        witness.is_some_and(|witness| self.is_overrun || self.revoked.contains(witness))
    }

    /// Lets a step happen. Returns what nobody needs any more.
    pub(crate) fn apply(&mut self, step: &Step, limits: &Limits) -> Vec<Gone> {
        let mut gone = Vec::new();
        match &step.0 {
            Change::Image(image) => *self = (**image).clone(),
            Change::Kept {
                key,
                entry,
                gone: keys,
            } => {
                gone = self.remove(keys.iter().chain([key]));
                self.insert(*key, entry.clone());
                // The new one may need what an older one let go.
                gone.retain(|gone| (&gone.who, &gone.seal) != (&entry.who, &entry.seal));
            }
            Change::Mutated { who, tool, effect } => {
                self.world = self.world.saturating_add(1);
                let kind = EventKind::Mutation {
                    tool: tool.clone(),
                    effect: effect.clone(),
                };
                gone = self.evict(step, who, kind);
            }
            Change::Revoked { witness } => {
                self.trust = self.trust.saturating_add(1);
                if self.revoked.len() < limits.revoked_max {
                    self.revoked.insert(witness_id(witness));
                } else if !self.revoked.contains(&witness_id(witness)) {
                    self.is_overrun = true;
                }
                let kind = EventKind::Revocation {
                    witness: witness.clone(),
                };
                gone = self.evict(step, "", kind);
            }
            Change::Dropped { gone: keys } => gone = self.remove(keys),
        }
        gone
    }

    /// Removes what a step touches, and says so in the feed.
    fn evict(&mut self, step: &Step, who: &str, kind: EventKind) -> Vec<Gone> {
        let keys = self.touched(step);
        let gone = self.remove(&keys);
        let event = Event {
            cursor: 0,
            kind,
            evicted: keys.len() as u64,
            world: self.world,
            trust: self.trust,
        };
        self.feed.push(who, event);
        gone
    }

    pub(crate) fn touched(&self, step: &Step) -> Vec<Key> {
        let touched = self.entries.iter().filter(|(_, entry)| step.touches(entry));
        touched.map(|(key, _)| *key).collect()
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        let own = self.taken.entry(entry.who.clone()).or_default();
        for taken in [own, &mut self.all] {
            taken.entries += 1;
            taken.bytes = taken.bytes.saturating_add(entry.len);
        }
        self.entries.insert(key, entry);
    }

    /// Removes entries. Returns the seals that no other entry of their principal needs.
    fn remove<'a>(&mut self, keys: impl IntoIterator<Item = &'a Key>) -> Vec<Gone> {
        let mut gone = BTreeSet::new();
        for key in keys {
            let Some(entry) = self.entries.remove(key) else {
                continue;
            };
            if let Some(own) = self.taken.get_mut(&entry.who) {
                own.leave(entry.len);
                if own.entries == 0 {
                    self.taken.remove(&entry.who);
                }
            }
            self.all.leave(entry.len);
            gone.insert((entry.who, entry.seal));
        }
        if gone.is_empty() {
            return Vec::new();
        }
        let mut needed = BTreeSet::new();
        for entry in self.entries.values() {
            let seal = (entry.who.clone(), entry.seal.clone());
            if gone.contains(&seal) {
                needed.insert(seal);
            }
        }
        let gone = gone.into_iter().filter(|seal| !needed.contains(seal));
        gone.map(|(who, seal)| Gone { who, seal }).collect()
    }
}

impl Taken {
    const fn leave(&mut self, bytes: u64) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
