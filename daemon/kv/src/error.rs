//! What can go wrong, one enum for each family of calls.

use std::fmt;

use crate::words::{SeqId, SpanId};

/// Why the ledger did not do what it was asked. Nothing has changed, except that unused prefixes may have made room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvError {
    /// There is no such sequence.
    NoSequence(SeqId),
    /// The sequence has no such span.
    NoSpan(SpanId),
    /// The arena has no room for this many pages, and no unused prefix to give up for them.
    Full(u32),
    /// The principal holds as many pages as it may; it asked for this many more.
    Quota(u32),
    /// A bound was met; its name.
    Bound(&'static str),
    /// A name is empty, longer than 128 bytes or has control characters; which one.
    Name(&'static str),
    /// Tokens were given before any span was begun.
    NoSpanBegun,
    /// A join needs an open group.
    NoGroup,
    /// Rows are still to be computed.
    Pending,
    /// More rows were reported computed than there are.
    NotAsked,
    /// The sequence is no fork, or what it was forked of is gone or has changed since.
    NotCurrent,
    /// The span was not admitted.
    NotAdmitted(SpanId),
    /// The span is quarantined, which nothing undoes.
    Quarantined(SpanId),
    /// Rows that stay carry the influence of something that left approximately, so nothing exact can be said of them.
    Inexact,
    /// The prefix is not in the index.
    NoPrefix,
    /// The ledger is at odds with itself; what.
    Broken(&'static str),
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSequence(seq) => write!(f, "there is no {seq}"),
            Self::NoSpan(span) => write!(f, "there is no {span} in the sequence"),
            Self::Full(pages) => write!(f, "the arena has no room for {pages} pages"),
            Self::Quota(pages) => write!(f, "the principal may not hold {pages} more pages"),
            Self::Bound(name) => write!(f, "the bound {name} is met"),
            Self::Name(which) => {
                write!(
                    f,
                    "{which} must be 1 to 128 bytes without control characters"
                )
            }
            Self::NoSpanBegun => f.write_str("begin a span before giving tokens"),
            Self::NoGroup => f.write_str("there is no open group to join"),
            Self::Pending => f.write_str("rows of the sequence are still to be computed"),
            Self::NotAsked => f.write_str("these rows were not to be computed"),
            Self::NotCurrent => {
                f.write_str("no fork, or what it was forked of is gone or has changed")
            }
            Self::NotAdmitted(span) => write!(f, "{span} was not admitted"),
            Self::Quarantined(span) => write!(f, "{span} is quarantined"),
            Self::Inexact => f.write_str("rows carry the influence of what left approximately"),
            Self::NoPrefix => f.write_str("the prefix is not in the index"),
            Self::Broken(what) => write!(f, "the ledger is at odds with itself: {what}"),
        }
    }
}

impl std::error::Error for KvError {}

/// Why there is no such plan, or why it is not done. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The ledger refused.
    Kv(KvError),
    /// The sequence changed after the plan was made; plan again.
    Stale,
    /// Write-time eviction is for the last span; these came after it.
    Attended(Vec<SpanId>),
    /// The span is in no isolated group.
    NotIsolated,
    /// These spans carry the influence of spans that left approximately; the mode would leave them. `recompute` runs
    /// them again.
    Inexact(Vec<SpanId>),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kv(error) => error.fmt(f),
            Self::Stale => f.write_str("the sequence changed after the plan was made"),
            Self::Attended(spans) => {
                write!(f, "{} spans came after it; take another mode", spans.len())
            }
            Self::NotIsolated => f.write_str("the span is in no isolated group"),
            Self::Inexact(spans) => write!(
                f,
                "{} spans carry what left approximately; recompute them",
                spans.len()
            ),
        }
    }
}

impl std::error::Error for PlanError {}

impl From<KvError> for PlanError {
    fn from(error: KvError) -> Self {
        Self::Kv(error)
    }
}

/// The page is not waiting for this zeroing: the request was issued anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOwed;

impl fmt::Display for NotOwed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the page is not waiting for this zeroing")
    }
}

impl std::error::Error for NotOwed {}
