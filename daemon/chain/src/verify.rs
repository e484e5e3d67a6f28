//! Walking a chain.

use std::fmt;

use fak_types::Digest;

use crate::{
    decode::{DecodeError, check},
    hash::link,
    record::Head,
};

/// The first bad row of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number: the number it carries, or the number that was expected where none can be read.
    pub seq: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The row does not follow its predecessor's number: rows are missing, inserted or out of order.
    Sequence {
        /// The number that had to come.
        expected: u64,
    },
    /// The stored hash is not 32 bytes.
    HashLength {
        /// How many bytes it is.
        bytes: usize,
    },
    /// The stored hash is not the hash of this body after the rows before it: the body, the hash or an
    /// earlier row is not what was written.
    HashMismatch {
        /// The hash that belongs there.
        expected: Digest,
    },
    /// The hash is right and the body is not a record: what wrote it was no fakd of this version.
    Body(DecodeError),
    /// The hash is right and the record carries another number than its row.
    BodySequence {
        /// The number in the record.
        found: u64,
    },
    /// The row is right by itself, and a head that was kept elsewhere has another hash for it: the
    /// journal was rewritten before this row.
    Forked {
        /// The hash that was kept elsewhere.
        kept: Digest,
    },
    /// A head that was kept elsewhere names this row, and the journal ends before it: rows were cut off.
    CutOff {
        /// The last row there is.
        last: u64,
    },
    /// Where the rows are kept, the row cannot be read; in the store's words.
    Unreadable(String),
    /// The rows up to here are right, and the Merkle tree over them has another root than the one that
    /// was kept elsewhere for this many rows: the journal was rewritten.
    RootForked {
        /// The root of these rows.
        found: Digest,
        /// The root that was kept elsewhere.
        kept: Digest,
    },
    /// The rows up to here are right, and what is stored of the Merkle tree over them is not: derived
    /// data, which proves nothing and can be computed again.
    Tile {
        /// The tile's level.
        level: u8,
        /// Its place there.
        index: u64,
        /// How it differs.
        why: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: ", self.seq)?;
        match &self.problem {
            Problem::Sequence { expected } => write!(
                f,
                "the next row has to be number {expected}: rows were removed, inserted or renumbered"
            ),
            Problem::HashLength { bytes } => {
                write!(f, "its hash is {bytes} bytes long instead of 32")
            }
            Problem::HashMismatch { expected } => write!(
                f,
                "its hash does not fit its body and the row before it (expected {expected}): the row \
                 was changed, moved or inserted, or a row before it was removed"
            ),
            Problem::Body(error) => write!(f, "its body is not a record of this version: {error}"),
            Problem::BodySequence { found } => write!(f, "its record says it is row {found}"),
            Problem::Forked { kept } => write!(
                f,
                "it is not the row whose hash was kept elsewhere ({kept}): the journal was rewritten"
            ),
            Problem::CutOff { last } => write!(
                f,
                "it existed when the head was kept elsewhere, and now the journal ends at row {last}"
            ),
            Problem::Unreadable(words) => write!(f, "it cannot be read: {words}"),
            Problem::RootForked { found, kept } => write!(
                f,
                "the Merkle tree of the rows up to it has the root {found}, not the one that was kept \
                 elsewhere ({kept}): the journal was rewritten"
            ),
            Problem::Tile { level, index, why } => write!(
                f,
                "the stored tile {level}/{index} of the Merkle tree, which ends with this row, {why}: it is \
                 derived data, the rows themselves are right"
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// Verifies rows one by one, in order.
///
/// After the first fault the verifier keeps answering with it: rows after a bad one prove nothing.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    head: Head,
    rows: u64,
    kept: Option<Head>,
    fault: Option<Fault>,
}

impl Verifier {
    /// A verifier that wants row 1 first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A verifier that goes on after a row that is known to be right.
    #[must_use]
    pub const fn after(head: Head) -> Self {
        Self {
            head,
            rows: 0,
            kept: None,
            fault: None,
        }
    }

    /// Also demands that `kept`, a head of this chain that was kept elsewhere, is part of it.
    ///
    /// This is what shows a journal that was cut off at its end or rewritten as a whole. A head before
    /// the first row that is fed cannot be checked and is ignored.
    #[must_use]
    pub const fn expecting(mut self, kept: Head) -> Self {
        self.kept = Some(kept);
        self
    }

    /// The last good row.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// How many rows were found good.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The number the next row must have.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.head.seq.saturating_add(1)
    }

    /// Judges the next row.
    ///
    /// # Errors
    /// The [`Fault`] of this row, or of the first bad row before it.
    pub fn feed(&mut self, seq: u64, body: &[u8], hash: &[u8]) -> Result<(), Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        match self.judge(seq, body, hash) {
            Ok(hash) => {
                self.head = Head { seq, hash };
                self.rows += 1;
                Ok(())
            }
            Err(problem) => Err(self.refuse(seq, problem)),
        }
    }

    /// Says that there are no more rows, and yields the head.
    ///
    /// # Errors
    /// The [`Fault`] found before, or [`Problem::CutOff`] when the expected head was not reached.
    pub fn finish(&mut self) -> Result<Head, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        match self.kept {
            Some(kept) if kept.seq > self.head.seq => Err(self.refuse(
                kept.seq,
                Problem::CutOff {
                    last: self.head.seq,
                },
            )),
            _ => Ok(self.head),
        }
    }

    /// Notes that the row after the last good one cannot be read, and yields the fault.
    pub fn unreadable(&mut self, words: impl Into<String>) -> Fault {
        match &self.fault {
            Some(fault) => fault.clone(),
            None => self.refuse(self.expected(), Problem::Unreadable(words.into())),
        }
    }

    fn refuse(&mut self, seq: u64, problem: Problem) -> Fault {
        self.fault.insert(Fault { seq, problem }).clone()
    }

    fn judge(&self, seq: u64, body: &[u8], hash: &[u8]) -> Result<Digest, Problem> {
        if seq != self.expected() {
            return Err(Problem::Sequence {
                expected: self.expected(),
            });
        }
        let stored =
            <[u8; 32]>::try_from(hash).map_err(|_| Problem::HashLength { bytes: hash.len() })?;
        let expected = link(&self.head.hash, body);
        if stored != expected.0 {
            return Err(Problem::HashMismatch { expected });
        }
        let found = check(body).map_err(Problem::Body)?;
        if found != seq {
            return Err(Problem::BodySequence { found });
        }
        if let Some(kept) = self
            .kept
            .filter(|kept| kept.seq == seq && kept.hash != expected)
        {
            return Err(Problem::Forked { kept: kept.hash });
        }
        Ok(expected)
    }
}
