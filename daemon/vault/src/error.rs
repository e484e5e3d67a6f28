//! What can be wrong, one type for each family of calls.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{key::KeyId, meta::SealId};

/// What the disk said, of which file, while doing what.
#[derive(Debug)]
pub struct Trouble {
    path: PathBuf,
    doing: &'static str,
    error: io::Error,
}

impl Trouble {
    pub(crate) fn new(path: &Path, doing: &'static str, error: io::Error) -> Self {
        Self {
            path: path.into(),
            doing,
            error,
        }
    }

    /// What the system said.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.path.display();
        write!(f, "{at}: cannot be {}: {}", self.doing, self.error)?;
        match self.error.kind() {
            io::ErrorKind::StorageFull => f.write_str("; make room on the file system"),
            io::ErrorKind::PermissionDenied => {
                f.write_str("; the vault must belong to fakd's user")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Trouble {}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// It does not begin as a sealed file.
    #[error("it does not begin as a sealed file")]
    Magic,
    /// Another version of the format.
    #[error("it is of format {0}, and this fakd reads format 1: install the fakd that wrote it")]
    Version(u16),
    /// Another set of algorithms.
    #[error(
        "it is sealed with suite {0}, and this fakd knows suite 1: install the fakd that wrote it"
    )]
    Suite(u16),
    /// It is shorter or longer than its header says, or the header says what cannot be.
    #[error("its length and what its header says differ: it was cut off or changed")]
    Length,
    /// It is no regular file.
    #[error("it is no regular file")]
    Irregular,
    /// The name in the header is not the file's.
    #[error("its header names another blob: it was renamed or changed")]
    Misnamed,
    /// The header or the metadata is not what was sealed.
    #[error("its header or metadata is not what was sealed: it was changed")]
    MetaTampered,
    /// The metadata is authentic but not in the form of this version.
    #[error("its metadata has no valid {0}")]
    Meta(&'static str),
    /// The content is not what was sealed.
    #[error("its content is not what was sealed: it was changed")]
    BodyTampered,
    /// The content has another digest than the one sealed with it.
    #[error("its content has another digest than the one that was sealed")]
    Digest,
    /// The head of a log is not what was written.
    #[error("the head of the log is not what was written: it was changed")]
    LogHead,
    /// A record of a log, counted from 0, is not what was written, or records before it are gone.
    #[error("record {0} of the log is not what was written: it was changed, moved or taken out")]
    LogRecord(u64),
    /// Two files hold a log of one name; the vault had two keys and was opened with one of them at a time.
    #[error("another file holds the log of this name: remove one of the two")]
    LogTwice,
}

/// Why a vault cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The disk.
    #[error("{0}")]
    Storage(#[from] Trouble),
    /// Others may look into the directory.
    #[error("{path}: others may look into the vault (mode {mode:04o}); `chmod 0700` it")]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The directory is another user's.
    #[error("{path}: the vault belongs to uid {owner}, and fakd runs as uid {own}; `chown` it")]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        own: u32,
    },
    /// Another process has it open.
    #[error("{path}: another process has the vault open; stop it first")]
    LockHeld {
        /// The directory.
        path: PathBuf,
    },
}

/// Why bytes were not sealed. The caller must not let them pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The content is longer than one blob may be.
    #[error("{len} bytes are too many for one blob; `blob_bytes_max` is {max}")]
    TooLarge {
        /// Its length.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// A text of the metadata is too long.
    #[error("the {field} has {len} bytes; at most {max} fit")]
    Text {
        /// Which.
        field: &'static str,
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// No room, and nothing that may be displaced makes enough.
    #[error(
        "the vault is full: {bytes} of {bytes_max} bytes and {holds} of {holds_max} holds are taken; \
         release what is quarantined, or raise the limit"
    )]
    Full {
        /// Bytes taken.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
        /// Holds taken.
        holds: usize,
        /// The limit.
        holds_max: usize,
    },
    /// One principal's share is spent.
    #[error(
        "{who} has spent its share of the vault ({percent} percent of bytes or holds); release what is \
         quarantined for it, or raise the limit"
    )]
    Share {
        /// Who.
        who: String,
        /// The limit.
        percent: u8,
    },
    /// So many sessions hold this content that no more fit into its file.
    #[error("{id}: {held} sessions hold this content already; release it for some")]
    Crowded {
        /// The blob.
        id: SealId,
        /// How many.
        held: usize,
    },
    /// The disk. What was there before is there still.
    #[error("{0}")]
    Storage(#[from] Trouble),
    /// The system has no randomness.
    #[error("no randomness to seal with: {0}")]
    Random(String),
}

/// Why a blob cannot be read, released or sealed anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is none of that name; it may have been released or displaced.
    #[error("{0}: nothing is sealed under this name; it was released, displaced or never here")]
    Unknown(SealId),
    /// It is sealed with a key that was not given. Nothing is lost: with that key it can be read.
    #[error(
        "{id}: sealed with key {sealed_with}, and the vault's key is {have}: give it the right key"
    )]
    WrongKey {
        /// The blob.
        id: SealId,
        /// The key its header names.
        sealed_with: KeyId,
        /// The key the vault seals with.
        have: KeyId,
    },
    /// The file is not what was written.
    #[error("{path}: {damage}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
    /// The disk.
    #[error("{0}")]
    Storage(#[from] Trouble),
    /// The system has no randomness.
    #[error("no randomness to seal with: {0}")]
    Random(String),
}

/// Why a log cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// No name, or too long a one.
    #[error("the name of a log has {len} bytes; 1 to {max} are allowed")]
    Name {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A record too long.
    #[error("a record of {len} bytes is too long for a log; at most {max} fit")]
    Record {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The log would be too long; nothing was written.
    #[error(
        "the log has {bytes} bytes and may have {max}: write it anew without what is not needed"
    )]
    TooLong {
        /// What it has.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// All logs together would be too many or too long; nothing was written.
    #[error(
        "the vault's logs are full: {bytes} of {bytes_max} bytes and {count} of {count_max} logs are \
         taken; remove some, or raise the limit"
    )]
    Full {
        /// Bytes taken.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
        /// How many logs there are.
        count: usize,
        /// The limit.
        count_max: usize,
    },
    /// The file cannot be read, or is not what was written.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The disk. What was acknowledged before is there still; the record that failed may be too.
    #[error("{0}")]
    Storage(#[from] Trouble),
    /// The system has no randomness.
    #[error("no randomness to seal with: {0}")]
    Random(String),
}
