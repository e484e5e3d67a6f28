//! Spans: named runs of tokens, and what their rows attended.

use std::sync::Arc;

use fak_types::{Digest, Taint};
use sha2::{Digest as _, Sha256};

use crate::{
    gaps::Gaps,
    words::{Kind, Place, SpanId, Standing, Token},
};

/// A span to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanSpec<'a> {
    /// Its name: `system`, `tool result 17`.
    pub name: &'a str,
    /// Whose words it holds.
    pub kind: Kind,
    /// How far they may be trusted. `Quarantined` begins it quarantined.
    pub taint: Taint,
    /// Admitted already, or still to be judged.
    pub admitted: bool,
    /// The journal row that speaks of it; 0 for none.
    pub row: u64,
    /// Where it goes.
    pub place: Place,
}

impl<'a> SpanSpec<'a> {
    /// An admitted, tainted span behind the last one.
    #[must_use]
    pub const fn new(name: &'a str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            taint: Taint::Tainted,
            admitted: true,
            row: 0,
            place: Place::Next,
        }
    }

    /// The same, to be judged first.
    #[must_use]
    pub const fn probation(mut self) -> Self {
        self.admitted = false;
        self
    }

    /// The same, at another place.
    #[must_use]
    pub const fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The same, with its journal row.
    #[must_use]
    pub const fn row(mut self, row: u64) -> Self {
        self.row = row;
        self
    }

    /// The same, with this taint.
    #[must_use]
    pub const fn taint(mut self, taint: Taint) -> Self {
        self.taint = taint;
        self
    }

    pub(crate) const fn standing(&self) -> Standing {
        match (self.taint, self.admitted) {
            (Taint::Quarantined, _) => Standing::Quarantined,
            (_, true) => Standing::Admitted,
            (_, false) => Standing::Probation,
        }
    }
}

/// A span as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanView {
    /// Its number in the sequence.
    pub id: SpanId,
    /// Its name.
    pub name: Arc<str>,
    /// Whose words it holds.
    pub kind: Kind,
    /// How far they may be trusted.
    pub taint: Taint,
    /// Admitted or not.
    pub standing: Standing,
    /// The journal row that speaks of it; 0 for none.
    pub row: u64,
    /// The segment it lies in.
    pub segment: u32,
    /// The isolated group it belongs to.
    pub group: Option<u32>,
    /// The position of its first token.
    pub position: u32,
    /// How many tokens it has.
    pub tokens: u32,
    /// SHA-256 over its token ids, each four bytes, little-endian.
    pub digest: Digest,
    /// The spans its rows attended besides itself, in order. Some may have left approximately.
    pub visible: Vec<SpanId>,
    /// Its rows carry the influence of spans that left approximately.
    pub inexact: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: SpanId,
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) taint: Taint,
    pub(crate) standing: Standing,
    pub(crate) row: u64,
    pub(crate) segment: u32,
    /// The first row, counted in the segment.
    pub(crate) start: u32,
    pub(crate) len: u32,
    /// Earlier spans its rows, as they are now, did not attend.
    pub(crate) unseen: Gaps,
    /// Earlier spans that were not visible when its tokens came to be. No recomputing changes it.
    pub(crate) unread: Gaps,
    pub(crate) inexact: bool,
    pub(crate) hasher: Sha256,
    /// Digest of its tokens and of the list up to it, once the next span was begun.
    pub(crate) closed: Option<(Digest, Digest)>,
}

impl Span {
    pub(crate) fn sees(&self, other: SpanId) -> bool {
        other < self.id && !self.unseen.contains(other.0)
    }

    pub(crate) fn digest(&self) -> Digest {
        match self.closed {
            Some((digest, _)) => digest,
            None => Digest(self.hasher.clone().finalize().into()),
        }
    }

    pub(crate) fn feed(&mut self, tokens: &[Token]) {
        for token in tokens {
            self.hasher.update(token.to_le_bytes());
        }
        self.closed = None;
    }
}

/// What a span adds to the digest of the list it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Continues = 0,
    Trunk = 1,
    Isolated = 2,
}

/// The digest of a list of spans with one more: SHA-256 over the digest before, the mark, the length (little-endian) and
/// the digest of the tokens.
pub(crate) fn chain(before: Digest, mark: Mark, len: u32, tokens: Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(before.0);
    hasher.update([mark as u8]);
    hasher.update(len.to_le_bytes());
    hasher.update(tokens.0);
    Digest(hasher.finalize().into())
}
