//! What a record says.

use std::{fmt, ops::Deref};

use fak_types::Digest;

/// Longest text field, in bytes before escaping. LIMIT: [`crate::encode`] cuts longer text at a character
/// boundary, so one caller cannot make rows of any size; [`crate::decode`] refuses it.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Largest number a record holds, the largest integer every JSON reader keeps exactly. LIMIT:
/// [`crate::encode`] writes this value for anything above it; [`crate::decode`] refuses it.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// What a record is about: a closed, append-only vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// The daemon began to judge.
    Start,
    /// The daemon stopped in order.
    Stop,
    /// A policy generation came into force, or a load was refused.
    Policy,
    /// A call was admitted.
    Decide,
    /// A call was refused.
    Deny,
    /// A result was admitted.
    Admit,
    /// A result was sealed away.
    Quarantine,
    /// What an admitted call did.
    Effect,
    /// A span left the cache.
    Evict,
    /// A lease changed hands.
    Lease,
    /// A session changed state.
    Session,
    /// A request to the daemon was refused before any judging.
    Refused,
    /// Records were lost; `count` says how many.
    Gap,
    /// A head of the Merkle tree was signed.
    Checkpoint,
    /// A signing key came into use.
    Key,
    /// A witness cosigned a checkpoint of some log.
    Witness,
    /// A copy of the journal was made or put back.
    Backup,
    /// An emergency began or ended.
    Emergency,
    /// A witness let sealed bytes out, or took that back.
    Clear,
    /// A call that waited for a witness was decided.
    Approve,
    /// What was admitted under a witness may not be read from the cache any more.
    Revoke,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::Start,
        Self::Stop,
        Self::Policy,
        Self::Decide,
        Self::Deny,
        Self::Admit,
        Self::Quarantine,
        Self::Effect,
        Self::Evict,
        Self::Lease,
        Self::Session,
        Self::Refused,
        Self::Gap,
        Self::Checkpoint,
        Self::Key,
        Self::Witness,
        Self::Backup,
        Self::Emergency,
        Self::Clear,
        Self::Approve,
        Self::Revoke,
    ];

    /// The spelling in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Stop => "STOP",
            Self::Policy => "POLICY",
            Self::Decide => "DECIDE",
            Self::Deny => "DENY",
            Self::Admit => "ADMIT",
            Self::Quarantine => "QUARANTINE",
            Self::Effect => "EFFECT",
            Self::Evict => "EVICT",
            Self::Lease => "LEASE",
            Self::Session => "SESSION",
            Self::Refused => "REFUSED",
            Self::Gap => "GAP",
            Self::Checkpoint => "CHECKPOINT",
            Self::Key => "KEY",
            Self::Witness => "WITNESS",
            Self::Backup => "BACKUP",
            Self::Emergency => "EMERGENCY",
            Self::Clear => "CLEAR",
            Self::Approve => "APPROVE",
            Self::Revoke => "REVOKE",
        }
    }

    /// Reads the spelling in the record; `None` for a kind this build does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record before it has a place in the chain.
///
/// Empty text, zero numbers and absent digests are not written. No field may carry an argument's or a
/// result's value: those appear as digests and sizes only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What this is about.
    pub kind: RecordKind,
    /// When, in microseconds since 1970. A clock may jump: order is the sequence number's.
    pub ts_us: u64,
    /// The session.
    pub trace: String,
    /// The principal: `uid:1000`, `key:ci`, `node:edge-3`.
    pub who: String,
    /// The principal's process: a label, never an authority.
    pub pid: u32,
    /// The tool's name.
    pub tool: String,
    /// The verdict kind.
    pub verdict: String,
    /// The reason of a refusal.
    pub reason: String,
    /// The rule or rung that decided.
    pub by: String,
    /// What the caller should do.
    pub disposition: String,
    /// The reason that would have refused under a stricter posture.
    pub would_deny: String,
    /// SHA-256 of the raw argument bytes.
    pub args_digest: Option<Digest>,
    /// Size of the raw argument bytes.
    pub args_bytes: u64,
    /// SHA-256 of the raw result bytes.
    pub result_digest: Option<Digest>,
    /// Size of the raw result bytes.
    pub result_bytes: u64,
    /// How far what was admitted may be trusted.
    pub taint: String,
    /// The profile that judged.
    pub profile: String,
    /// SHA-256 of the judging policy's canonical text.
    pub policy: Option<Digest>,
    /// The policy generation that judged.
    pub generation: u64,
    /// The caller's id of the call.
    pub call: String,
    /// What else the record is about: a file, an RPC, a lease, a session.
    pub subject: String,
    /// Bounded words for people.
    pub note: String,
    /// How many.
    pub count: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// The Merkle root over the first `count` rows.
    pub root: Option<Digest>,
    /// When what this begins ends by itself, in microseconds since 1970.
    pub until_us: u64,
}

impl Draft {
    /// A record of this kind at this time with every other field empty.
    #[must_use]
    pub const fn new(kind: RecordKind, ts_us: u64) -> Self {
        Self {
            kind,
            ts_us,
            trace: String::new(),
            who: String::new(),
            pid: 0,
            tool: String::new(),
            verdict: String::new(),
            reason: String::new(),
            by: String::new(),
            disposition: String::new(),
            would_deny: String::new(),
            args_digest: None,
            args_bytes: 0,
            result_digest: None,
            result_bytes: 0,
            taint: String::new(),
            profile: String::new(),
            policy: None,
            generation: 0,
            call: String::new(),
            subject: String::new(),
            note: String::new(),
            count: 0,
            took_us: 0,
            root: None,
            until_us: 0,
        }
    }
}

/// A record in its place: a [`Draft`] and its sequence number. The draft's fields read as its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the chain; the first is 1.
    pub seq: u64,
    /// What it says.
    pub draft: Draft,
}

impl Deref for Record {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

/// The last row of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Its sequence number; 0 before the first row.
    pub seq: u64,
    /// Its hash; 32 zero bytes before the first row.
    pub hash: Digest,
}

impl Head {
    /// The head of a chain without rows.
    pub const EMPTY: Self = Self {
        seq: 0,
        hash: Digest::ZERO,
    };
}

impl Default for Head {
    fn default() -> Self {
        Self::EMPTY
    }
}
