//! One writer per journal.
//!
//! SQLite's own locks are taken per transaction; between two transactions a second daemon could slip in
//! and chain its rows to ours. A `flock` on a file beside the journal lasts as long as the process and
//! is released by the kernel however it ends. The file stays: removing it would let two processes lock
//! two files of the same name.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::error::{OpenError, Trouble};

/// Holds the journal for this process until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    pub(crate) fn take(journal: &Path) -> Result<Self, OpenError> {
        let path = beside(journal);
        let storage = |error: &std::io::Error| OpenError::Storage(Trouble::io(journal, error));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(path)
            .map_err(|error| storage(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::LockHeld {
                    path: journal.into(),
                    pid: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(storage(&error)),
        }
        // The number is a help for people; on a full disk the lock holds without it.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn beside(journal: &Path) -> PathBuf {
    let mut name = OsString::from(journal);
    name.push(".lock");
    name.into()
}
