//! Proofs as texts that verify offline, with a public key and nothing else.
//!
//! * [`RowProof`]: this record is row N of that journal. The format is C2SP `tlog-proof` (version 1); the
//!   extra data is the record's body, so the file says what it proves.
//! * [`GrowthProof`]: that journal, at an earlier size, was the beginning of what it is now. The format is
//!   the request body of C2SP `tlog-witness` (`add-checkpoint`), so a witness of that protocol reads it.
//!
//! ```text
//! c2sp.org/tlog-proof@v1            old OLD-SIZE
//! extra base64(BODY)                base64(HASH) ...
//! index SEQ-1
//! base64(HASH) ...                  CHECKPOINT
//!
//! CHECKPOINT
//! ```

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fak_types::Digest;

use crate::{
    checkpoint::{Checkpoint, CheckpointError, hash_of_line, line_of_hash},
    decode::{DecodeError, decode},
    hash::leaf,
    note::{Note, NoteError, PublicKey},
    record::Record,
    tree::{ProofFault, verify_consistency, verify_inclusion},
};

/// Longest proof read. LIMIT: a longer one is refused before it is looked at.
pub const PROOF_BYTES_MAX: usize = 128 << 10;

const ROW_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why a text is no proof, or proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvidenceError {
    /// Longer than [`PROOF_BYTES_MAX`].
    TooLong,
    /// The part before the checkpoint has another form.
    Form(&'static str),
    /// The checkpoint is not one, or not of this journal.
    Checkpoint(CheckpointError),
    /// The body is not a record.
    Body(DecodeError),
    /// The record carries another number than the proof is about.
    Row {
        /// What the record says.
        found: u64,
        /// What the proof is about.
        wanted: u64,
    },
    /// The hashes do not lead to the checkpoint's root.
    Proof(ProofFault),
    /// The kept checkpoint is of another size than the proof begins at.
    Size {
        /// Of the kept checkpoint.
        kept: u64,
        /// Of the proof.
        proof: u64,
    },
}

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {PROOF_BYTES_MAX} bytes"),
            Self::Form(what) => write!(f, "it is no proof: {what}"),
            Self::Checkpoint(error) => write!(f, "its checkpoint proves nothing: {error}"),
            Self::Body(error) => write!(f, "what it proves is no record: {error}"),
            Self::Row { found, wanted } => write!(
                f,
                "it is about row {wanted} and holds the record of row {found}"
            ),
            Self::Proof(error) => error.fmt(f),
            Self::Size { kept, proof } => write!(
                f,
                "it begins at size {proof}, and the kept checkpoint has size {kept}"
            ),
        }
    }
}

impl std::error::Error for EvidenceError {}

impl From<CheckpointError> for EvidenceError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

impl From<NoteError> for EvidenceError {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

/// That a record is a row of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProof {
    /// The row's number, from 1.
    pub seq: u64,
    /// The record's bytes.
    pub body: Vec<u8>,
    /// The way from the row's leaf to the root.
    pub hashes: Vec<Digest>,
    /// The signed checkpoint that has the root.
    pub note: Note,
}

impl RowProof {
    /// Reads a proof. Says nothing about whether it holds.
    ///
    /// # Errors
    /// [`EvidenceError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, EvidenceError> {
        let (head, note) = halves(text)?;
        let mut lines = head.lines();
        if lines.next() != Some(ROW_HEADER) {
            return Err(EvidenceError::Form("its first line is another one"));
        }
        let body = lines
            .next()
            .and_then(|line| line.strip_prefix("extra "))
            .and_then(|body| STANDARD.decode(body).ok())
            .ok_or(EvidenceError::Form("its second line is not the record"))?;
        let index = lines
            .next()
            .and_then(|line| number(line.strip_prefix("index ")?))
            .ok_or(EvidenceError::Form("its third line is not the index"))?;
        Ok(Self {
            seq: index.saturating_add(1),
            body,
            hashes: hashes(lines)?,
            note,
        })
    }

    /// The record and the checkpoint, if `key` signed the checkpoint and the record is that row of it.
    ///
    /// # Errors
    /// [`EvidenceError`] names the first thing that does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<(Record, Checkpoint), EvidenceError> {
        let checkpoint = Checkpoint::open(&self.note, key)?;
        let index = self.seq.saturating_sub(1);
        let leaf = leaf(&self.body);
        verify_inclusion(leaf, index, checkpoint.size, &self.hashes, checkpoint.root)
            .map_err(EvidenceError::Proof)?;
        let record = decode(&self.body).map_err(EvidenceError::Body)?;
        if record.seq == self.seq {
            Ok((record, checkpoint))
        } else {
            Err(EvidenceError::Row {
                found: record.seq,
                wanted: self.seq,
            })
        }
    }
}

impl fmt::Display for RowProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{ROW_HEADER}")?;
        writeln!(f, "extra {}", STANDARD.encode(&self.body))?;
        writeln!(f, "index {}", self.seq.saturating_sub(1))?;
        write_hashes(f, &self.hashes)?;
        write!(f, "\n{}", self.note)
    }
}

/// That a journal only grew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrowthProof {
    /// The earlier size.
    pub old_size: u64,
    /// The way from the earlier root to the later one.
    pub hashes: Vec<Digest>,
    /// The later checkpoint, signed.
    pub note: Note,
}

impl GrowthProof {
    /// Reads a proof. Says nothing about whether it holds.
    ///
    /// # Errors
    /// [`EvidenceError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, EvidenceError> {
        let (head, note) = halves(text)?;
        let mut lines = head.lines();
        let old_size = lines
            .next()
            .and_then(|line| number(line.strip_prefix("old ")?))
            .ok_or(EvidenceError::Form("its first line is not the old size"))?;
        Ok(Self {
            old_size,
            hashes: hashes(lines)?,
            note,
        })
    }

    /// The later checkpoint, if `key` signed it and it goes on from `old`, which the caller believes.
    ///
    /// # Errors
    /// [`EvidenceError`] names the first thing that does not hold.
    pub fn verify(&self, old: &Checkpoint, key: &PublicKey) -> Result<Checkpoint, EvidenceError> {
        let new = Checkpoint::open(&self.note, key)?;
        if old.origin != new.origin {
            return Err(EvidenceError::Checkpoint(CheckpointError::Origin {
                found: old.origin.clone(),
                key: key.name().to_owned(),
            }));
        }
        if old.size != self.old_size {
            return Err(EvidenceError::Size {
                kept: old.size,
                proof: self.old_size,
            });
        }
        verify_consistency(old.size, old.root, new.size, new.root, &self.hashes)
            .map_err(EvidenceError::Proof)?;
        Ok(new)
    }
}

impl fmt::Display for GrowthProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        write_hashes(f, &self.hashes)?;
        write!(f, "\n{}", self.note)
    }
}

/// What stands before the first empty line, and the note after it.
fn halves(text: &str) -> Result<(&str, Note), EvidenceError> {
    if text.len() > PROOF_BYTES_MAX {
        return Err(EvidenceError::TooLong);
    }
    let (head, note) = text
        .split_once("\n\n")
        .ok_or(EvidenceError::Form("it has no checkpoint"))?;
    Ok((head, Note::parse(note)?))
}

fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Digest>, EvidenceError> {
    lines
        .map(|line| hash_of_line(line).ok_or(EvidenceError::Form("a line is not a hash")))
        .collect()
}

fn write_hashes(f: &mut fmt::Formatter<'_>, hashes: &[Digest]) -> fmt::Result {
    hashes
        .iter()
        .try_for_each(|hash| writeln!(f, "{}", line_of_hash(hash)))
}

/// A decimal number in its one spelling.
fn number(text: &str) -> Option<u64> {
    let found: u64 = text.parse().ok()?;
    (found.to_string() == text).then_some(found)
}
