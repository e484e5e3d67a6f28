//! Checkpoints: the size and the root of the journal's tree as a signed note, and what a witness adds.
//!
//! The formats are C2SP `tlog-checkpoint` and `tlog-cosignature` (version 1, Ed25519):
//!
//! ```text
//! checkpoint    ORIGIN "\n" SIZE "\n" base64(ROOT) "\n"
//! cosignature   u64 TIME (seconds since 1970, big-endian) || Ed25519 over
//!               "cosignature/v1\ntime " TIME "\n" CHECKPOINT
//! ```

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fak_types::Digest;

use crate::note::{Note, NoteError, PublicKey, SecretKey, Signature};

/// What a journal was at one moment: so many rows, with this root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose journal: one line, unique to it.
    pub origin: String,
    /// How many rows.
    pub size: u64,
    /// The root of the RFC 6962 tree over their bodies.
    pub root: Digest,
}

/// Why a text is no checkpoint, or not to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// As a note.
    Note(NoteError),
    /// The text is not an origin, a size and a root.
    Form,
    /// The key verifies another log's checkpoints.
    Origin {
        /// The origin in the text.
        found: String,
        /// The name of the key.
        key: String,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => error.fmt(f),
            Self::Form => {
                f.write_str("its text is not an origin, a size and a root, one line each")
            }
            Self::Origin { found, key } => write!(
                f,
                "it is a checkpoint of `{found}`, and the key is for `{key}`"
            ),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<NoteError> for CheckpointError {
    fn from(error: NoteError) -> Self {
        Self::Note(error)
    }
}

impl Checkpoint {
    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Note {
        let mut note = Note::new(self.to_string());
        note.sign(key);
        note
    }

    /// Reads a checkpoint out of a note and believes it only with the signature of `key`, whose name is
    /// the journal's origin.
    ///
    /// # Errors
    /// [`CheckpointError`] names what does not fit.
    pub fn open(note: &Note, key: &PublicKey) -> Result<Self, CheckpointError> {
        let found = Self::of_text(note.text()).ok_or(CheckpointError::Form)?;
        note.verify(key)?;
        if found.origin == key.name() {
            Ok(found)
        } else {
            Err(CheckpointError::Origin {
                found: found.origin,
                key: key.name().to_owned(),
            })
        }
    }

    /// Reads the text of a note without asking for a signature: for messages, never for trust.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty())?;
        let size = lines.next()?;
        let is_plain = size == "0" || !size.starts_with('0');
        let is_digits = size.bytes().all(|digit| digit.is_ascii_digit());
        let root = hash_of_line(lines.next()?)?;
        // Extension lines belong to their writers; they may not be empty.
        let is_whole = lines.all(|line| !line.is_empty());
        (is_plain && is_digits && is_whole).then_some(())?;
        Some(Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root,
        })
    }
}

/// The text to be signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{}\n", STANDARD.encode(root.0))
    }
}

/// A witness's line for a checkpoint: seen at `time_s`, and consistent with all it saw before. That it is
/// consistent is the caller's to have found out; `key` is of type
/// [`KeyType::Cosignature`](crate::KeyType::Cosignature).
#[must_use]
pub fn cosign(note: &Note, key: &SecretKey, time_s: u64) -> Signature {
    let mut bytes = time_s.to_be_bytes().to_vec();
    bytes.extend_from_slice(&key.sign(&cosigned(note, time_s)));
    Signature {
        name: key.public().name().to_owned(),
        id: key.public().id(),
        bytes,
    }
}

/// When the witness `key` saw this checkpoint, in seconds since 1970.
///
/// # Errors
/// [`NoteError::NotSigned`] or [`NoteError::Forged`].
pub fn verify_cosignature(note: &Note, key: &PublicKey) -> Result<u64, NoteError> {
    let line = note.line_of(key)?;
    let forged = || NoteError::Forged { by: key.label() };
    let (time, signature) = line.bytes.split_first_chunk::<8>().ok_or_else(forged)?;
    let signature = <&[u8; 64]>::try_from(signature).map_err(|_| forged())?;
    let time_s = u64::from_be_bytes(*time);
    if key.accepts(&cosigned(note, time_s), signature) {
        Ok(time_s)
    } else {
        Err(forged())
    }
}

fn cosigned(note: &Note, time_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{}", note.text()).into_bytes()
}

/// A line of base64 that is one hash; one spelling only.
pub(crate) fn hash_of_line(line: &str) -> Option<Digest> {
    let bytes = STANDARD.decode(line).ok()?;
    <[u8; 32]>::try_from(bytes).ok().map(Digest)
}

/// A hash as such a line.
pub(crate) fn line_of_hash(hash: &Digest) -> String {
    STANDARD.encode(hash.0)
}
