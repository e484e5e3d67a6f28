//! A copy of a live journal that is one complete file.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::Duration,
};

use fak_chain::Head;
use fak_types::Digest;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::Reader;
use crate::error::{ReadError, Trouble};

/// Pages to one step of a copy, 1 MiB of them; between two steps others get at the disk.
const STEP_PAGES: i32 = 256;

/// How long a copy rests between two steps.
const REST: Duration = Duration::from_millis(1);

/// How often a step that finds the source locked is tried again. LIMIT: somebody who holds the database
/// locked makes a copy fail after some seconds, not wait for ever.
const LOCKED_TRIES_MAX: u32 = 1000;

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its last row.
    pub head: Head,
    /// How many rows its tree has: the number of the last.
    pub size: u64,
    /// The root of the Merkle tree over them.
    pub root: Digest,
    /// The size of the file.
    pub bytes: u64,
}

impl Reader {
    /// Copies the journal as it is now, live or not, into a new file at `path`.
    ///
    /// The copy is one file with mode 0600, complete without a log, and on disk together with its name
    /// when this returns. The daemon goes on writing meanwhile; its log is not shortened before the copy
    /// is done. What was copied is a snapshot: rows that come later are not in it.
    ///
    /// # Errors
    /// [`ReadError::Copy`] when there is a file at `path` already or it cannot be written; then there is
    /// no copy. Otherwise when the journal cannot be read.
    pub fn backup_to(&self, path: impl AsRef<Path>) -> Result<Copied, ReadError> {
        let path = path.as_ref();
        let refused = |error: io::Error| ReadError::Copy {
            path: path.into(),
            why: error.to_string(),
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(refused)?;
        let copied = self.copy_into(path, &file);
        if copied.is_err() {
            // The name was new, so what lies there is this copy's.
            for part in ["", "-journal", "-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(part);
                let _ = fs::remove_file(name);
            }
        }
        copied
    }

    fn copy_into(&self, path: &Path, file: &File) -> Result<Copied, ReadError> {
        let failed = |why: String| ReadError::Copy {
            path: path.into(),
            why,
        };
        // A transaction holds the snapshot: without it the copy would begin anew after every commit.
        let snapshot = self
            .conn
            .unchecked_transaction()
            .map_err(|error| self.storage(&error))?;
        let head = self.head()?;
        let root = self.tree_root_at(head.seq)?;
        copy_pages(&snapshot, path)
            .map_err(|error| failed(Trouble::sqlite(path, &error).detail))?;
        drop(snapshot);
        let on_disk = || -> io::Result<u64> {
            file.sync_all()?;
            let directory = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or_else(|| Path::new("."));
            File::open(directory)?.sync_all()?;
            Ok(file.metadata()?.len())
        };
        let bytes = on_disk().map_err(|error| failed(error.to_string()))?;
        // What was written is what a later reader will find.
        let copy = Self::open(path)?.head()?;
        if copy != head {
            let last = copy.seq;
            return Err(failed(format!(
                "it ends at row {last} and should end at row {}",
                head.seq
            )));
        }
        Ok(Copied {
            head,
            size: head.seq,
            root,
            bytes,
        })
    }
}

fn copy_pages(from: &Connection, path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut to = Connection::open_with_flags(path, flags)?;
    let copy = Backup::new(from, &mut to)?;
    let mut locked = 0;
    loop {
        match copy.step(STEP_PAGES)? {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked if locked >= LOCKED_TRIES_MAX => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    Some("the journal stays locked".into()),
                ));
            }
            StepResult::Busy | StepResult::Locked => locked += 1,
            _ => locked = 0,
        }
        thread::sleep(REST);
    }
    drop(copy);
    // The first page says that there is a log beside the file, as it does in the source.
    let mode: String = to.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if mode != "delete" {
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR);
        let words = format!("its journal mode stays {mode}");
        return Err(rusqlite::Error::SqliteFailure(failure, Some(words)));
    }
    to.close().map_err(|(_, error)| error)
}
