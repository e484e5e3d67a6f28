//! What can go wrong, in the operator's words.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use fak_chain::Fault;
use rusqlite::ErrorCode;

/// Trouble with the storage under a journal. Renders as one sentence that names the cause and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The journal.
    pub path: Arc<Path>,
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// The storage's own words, for the log.
    pub detail: String,
}

/// What kind of trouble with the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// No space is left.
    DiskFull,
    /// The file or its file system is read-only.
    ReadOnly,
    /// The file may not be opened by this user.
    Denied,
    /// Another program holds a lock of the database.
    Busy,
    /// The file is not a sound database.
    Damaged,
    /// Reading or writing failed.
    Io,
}

impl Trouble {
    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TroubleKind::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => TroubleKind::ReadOnly,
            io::ErrorKind::PermissionDenied => TroubleKind::Denied,
            _ => TroubleKind::Io,
        };
        Self {
            path: path.into(),
            kind,
            detail: error.to_string(),
        }
    }

    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => TroubleKind::DiskFull,
            Some(ErrorCode::ReadOnly) => TroubleKind::ReadOnly,
            Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
                TroubleKind::Denied
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => TroubleKind::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => TroubleKind::Damaged,
            _ => TroubleKind::Io,
        };
        let code = error.sqlite_error().map_or(0, |error| error.extended_code);
        Self {
            path: path.into(),
            kind,
            detail: format!("{error} (SQLite code {code})"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, detail) = (self.path.display(), &self.detail);
        match self.kind {
            TroubleKind::DiskFull => write!(
                f,
                "the disk under the journal {path} is full: free space there, and writing goes on by itself"
            ),
            TroubleKind::ReadOnly => write!(
                f,
                "the journal {path} cannot be written, the file or its file system is read-only: make it \
                 writable, and writing goes on by itself"
            ),
            TroubleKind::Denied => write!(
                f,
                "the journal {path} may not be opened by this user: give the user access to the file \
                 and its directory"
            ),
            TroubleKind::Busy => write!(
                f,
                "another program holds the journal {path} locked: end that program; only fakd writes \
                 this file"
            ),
            TroubleKind::Damaged => write!(
                f,
                "the journal {path} is damaged ({detail}): keep it for inspection, and restore a copy \
                 or start a new one in its place"
            ),
            TroubleKind::Io => write!(
                f,
                "the journal {path} cannot be read or written ({detail}): look after the disk and its \
                 limits; it is tried again by itself"
            ),
        }
    }
}

impl std::error::Error for Trouble {}

/// Why a journal was not opened for writing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another daemon writes this journal.
    #[error(
        "the journal {} is in use by {}: end that process, or give this one a journal of its own",
        path.display(), Holder(*pid)
    )]
    LockHeld {
        /// The journal.
        path: PathBuf,
        /// The process that holds it, when it left its number.
        pid: Option<u32>,
    },
    /// A later version wrote this journal. It is left as it is.
    #[error(
        "the journal {} has format {found} and this fakd knows formats up to {known}: run the newer \
         fakd, or set another journal path", path.display()
    )]
    TooNew {
        /// The journal.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format this build knows.
        known: u32,
    },
    /// The file is something else. It is left as it is.
    #[error("{} is not a journal of fakd ({why}): set another journal path", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// How it was told.
        why: &'static str,
    },
    /// The last rows do not verify. Nothing is appended to them.
    #[error(
        "the journal {} does not verify at its end: {fault}; keep the file for inspection, and restore a \
         copy or start a new journal in its place", path.display()
    )]
    Unsound {
        /// The journal.
        path: PathBuf,
        /// The bad row.
        fault: Fault,
    },
    /// The storage refused.
    #[error(transparent)]
    Storage(#[from] Trouble),
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

/// Why a record was not made durable. Whoever waited for it must take that as a refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The storage refused; the writer tries again by itself.
    #[error(transparent)]
    Storage(#[from] Trouble),
    /// The path no longer names the file that was opened.
    #[error(
        "the journal {} was moved, removed or replaced while fakd runs: put the file back, or restart fakd",
        path.display()
    )]
    Moved {
        /// The journal.
        path: PathBuf,
    },
    /// Rows that were acknowledged are gone, or rows behind them are not this chain's.
    #[error(
        "the journal {} was changed by something else than fakd ({fault}): keep it for inspection, and \
         restore a copy or start a new journal in its place", path.display()
    )]
    Rewritten {
        /// The journal.
        path: PathBuf,
        /// The first row that is not as it was acknowledged.
        fault: Fault,
    },
    /// More records in one batch than the queue holds.
    #[error(
        "a batch of {count} records is larger than the journal's queue of {max}: send smaller batches"
    )]
    TooMany {
        /// The records in the batch.
        count: usize,
        /// The most a batch may hold.
        max: usize,
    },
    /// The journal was closed, or its writer is gone.
    #[error("the journal is closed: fakd is stopping")]
    Closed,
}

/// Why a journal could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("there is no journal at {}: the file is missing", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a journal of fakd ({why})", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// How it was told.
        why: &'static str,
    },
    /// A later version wrote this journal.
    #[error(
        "the journal {} has format {found} and this program knows formats up to {known}: read it with the \
         newer program", path.display()
    )]
    TooNew {
        /// The journal.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format this build knows.
        known: u32,
    },
    /// A row that was asked for is bad.
    #[error("the journal {} has a bad row: {fault}", path.display())]
    Row {
        /// The journal.
        path: PathBuf,
        /// The row and what is wrong with it.
        fault: Fault,
    },
    /// The storage refused.
    #[error(transparent)]
    Storage(#[from] Trouble),
    /// A row or a tree that is not there yet, or is not part of what was asked about.
    #[error(
        "the journal {} was asked about row {asked} of {rows}: name a row, or a size of its tree, that is \
         not beyond that", path.display()
    )]
    Beyond {
        /// The journal.
        path: PathBuf,
        /// The row, or the size of the tree.
        asked: u64,
        /// How many rows there are.
        rows: u64,
    },
    /// A copy was not made. There is nothing at its path that was not there before.
    #[error("the copy {} cannot be made: {why}", path.display())]
    Copy {
        /// Where the copy was to be.
        path: PathBuf,
        /// What stands in the way.
        why: String,
    },
    /// Where the rows were to be written, writing failed.
    #[error("the rows cannot be written out: {0}")]
    Output(String),
}
