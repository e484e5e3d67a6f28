//! The directory: one file for each blob, changed by rename alone, and one for each log, which also grows.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    cipher::Parts,
    error::{Damage, OpenError, Trouble},
    format::{HEADER_BYTES, Header},
    meta::SealId,
};

const SEALED: &str = "seal";
const LOG: &str = "log";
const HALF_WRITTEN: &str = "tmp";

/// The directory of a vault, locked for this process.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: PathBuf,
    /// Holds the lock, which the kernel lets go of however the process ends.
    file: File,
}

/// What the directory holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sealed: Vec<SealId>,
    pub(crate) logs: Vec<SealId>,
    /// Half-written files, which are gone now.
    pub(crate) removed: usize,
    /// Names that are none of ours; they are left alone.
    pub(crate) foreign: usize,
}

/// A file that was read; its length is what its header says.
pub(crate) struct Raw {
    pub(crate) header: Header,
    pub(crate) parts: Parts,
}

/// Why a file was not read.
pub(crate) enum NotRead {
    Gone,
    Damaged(Damage),
    Storage(Trouble),
}

/// What is added to a log.
pub(crate) struct Append<'a> {
    /// The length of the log before.
    pub(crate) at: u64,
    pub(crate) frame: &'a [u8],
    /// What stands behind `at` goes first, and what stands before it is made to last.
    pub(crate) cut_first: bool,
    /// It is on disk when the call returns.
    pub(crate) sync: bool,
}

/// What a write that failed has left behind.
pub(crate) struct NotWritten {
    pub(crate) trouble: Trouble,
    /// The new file stands under its name, though a power cut may take it away again.
    pub(crate) is_there: bool,
}

impl Disk {
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        make_private(dir)?;
        let file = File::open(dir).map_err(|error| Trouble::new(dir, "opened", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                dir: dir.into(),
                file,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::LockHeld { path: dir.into() }),
            Err(TryLockError::Error(error)) => Err(Trouble::new(dir, "locked", error).into()),
        }
    }

    pub(crate) fn path(&self, id: SealId) -> PathBuf {
        self.dir.join(format!("{id}.{SEALED}"))
    }

    pub(crate) fn log_path(&self, id: SealId) -> PathBuf {
        self.dir.join(format!("{id}.{LOG}"))
    }

    /// Lists blobs and logs and removes what was half written when the last process ended.
    pub(crate) fn scan(&self) -> Result<Found, Trouble> {
        let mut found = Found::default();
        let unlisted = |error| Trouble::new(&self.dir, "listed", error);
        for entry in fs::read_dir(&self.dir).map_err(unlisted)? {
            let name = entry.map_err(unlisted)?.file_name();
            let name = name.to_str().unwrap_or_default();
            let id = |suffix| {
                let (stem, end) = name.rsplit_once('.')?;
                SealId::parse(stem).filter(|_| end == suffix)
            };
            if let Some(id) = id(SEALED) {
                found.sealed.push(id);
            } else if let Some(id) = id(LOG) {
                found.logs.push(id);
            } else if id(HALF_WRITTEN).is_some() {
                let path = self.dir.join(name);
                fs::remove_file(&path).map_err(|error| Trouble::new(&path, "removed", error))?;
                found.removed += 1;
            } else {
                found.foreign += 1;
            }
        }
        found.sealed.sort_unstable();
        found.logs.sort_unstable();
        Ok(found)
    }

    /// Puts a file in the place of the one before, if any. When this returns well it outlasts a power cut.
    pub(crate) fn write(&self, id: SealId, parts: &Parts) -> Result<(), NotWritten> {
        self.write_parts(&self.path(id), &[&parts.head, &parts.body])
    }

    /// The same for a log.
    pub(crate) fn write_log(&self, id: SealId, bytes: &[u8]) -> Result<(), NotWritten> {
        self.write_parts(&self.log_path(id), &[bytes])
    }

    fn write_parts(&self, path: &Path, parts: &[&[u8]]) -> Result<(), NotWritten> {
        let aside = path.with_extension(HALF_WRITTEN);
        let written = remove_if_there(&aside)
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&aside)
            })
            .and_then(|mut file| {
                parts.iter().try_for_each(|part| file.write_all(part))?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&aside, path));
        if let Err(error) = written {
            // What cannot be removed now is removed when the vault is opened again.
            let _ = fs::remove_file(&aside);
            return Err(NotWritten {
                trouble: Trouble::new(path, "written", error),
                is_there: false,
            });
        }
        self.sync().map_err(|trouble| NotWritten {
            trouble,
            is_there: true,
        })
    }

    /// Writes a frame at the end of a log. The file is opened for each call, so that no number of logs uses up the
    /// descriptors.
    pub(crate) fn append_log(&self, id: SealId, append: &Append<'_>) -> Result<(), Trouble> {
        let path = self.log_path(id);
        let written = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)
            .and_then(|file| {
                if append.cut_first {
                    file.set_len(append.at)?;
                    file.sync_data()?;
                } else if file.metadata()?.len() != append.at {
                    return Err(io::Error::other(
                        "it has another length than it was left with",
                    ));
                }
                let written = file.write_all_at(append.frame, append.at).and_then(|()| {
                    if append.sync {
                        file.sync_data()
                    } else {
                        Ok(())
                    }
                });
                if written.is_err() {
                    // What cannot be cut now is recognised as torn, or as a record nobody was told of.
                    let _ = file.set_len(append.at);
                }
                written
            });
        written.map_err(|error| Trouble::new(&path, "written", error))
    }

    /// Reads the first `most` bytes of a log.
    pub(crate) fn read_log(&self, id: SealId, most: u64) -> Result<Vec<u8>, NotRead> {
        let path = self.log_path(id);
        let (file, len) = open_regular(&path)?;
        let mut bytes = Vec::with_capacity(usize::try_from(len.min(most)).unwrap_or_default());
        file.take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| NotRead::Storage(Trouble::new(&path, "read", error)))?;
        Ok(bytes)
    }

    /// What the system knows of a log's file, if it is there.
    pub(crate) fn stat_log(&self, id: SealId) -> Option<fs::Metadata> {
        fs::symlink_metadata(self.log_path(id)).ok()
    }

    /// Says when a log has changed last. That it did not work loses no record, so it is not told.
    pub(crate) fn set_log_time(&self, id: SealId, changed: SystemTime) {
        let file = OpenOptions::new().write(true).open(self.log_path(id));
        let _ = file.and_then(|file| file.set_modified(changed));
    }

    /// Removes a log; one that is gone already is no error. [`Disk::sync`] makes it last.
    pub(crate) fn remove_log(&self, id: SealId) -> Result<(), Trouble> {
        let path = self.log_path(id);
        remove_if_there(&path).map_err(|error| Trouble::new(&path, "removed", error))
    }

    /// Removes a file; one that is gone already is no error. [`Disk::sync`] makes it last.
    pub(crate) fn remove(&self, id: SealId) -> Result<(), Trouble> {
        let path = self.path(id);
        remove_if_there(&path).map_err(|error| Trouble::new(&path, "removed", error))
    }

    /// The length of a file, whatever it holds.
    pub(crate) fn file_len(&self, id: SealId) -> u64 {
        fs::symlink_metadata(self.path(id)).map_or(0, |found| found.len())
    }

    pub(crate) fn sync(&self) -> Result<(), Trouble> {
        self.file
            .sync_all()
            .map_err(|error| Trouble::new(&self.dir, "written to disk", error))
    }

    /// Reads a file whole, or header and metadata alone.
    pub(crate) fn read(&self, id: SealId, with_body: bool) -> Result<Raw, NotRead> {
        let path = self.path(id);
        let storage = |error| NotRead::Storage(Trouble::new(&path, "read", error));
        let (mut file, file_len) = open_regular(&path)?;
        let damaged = NotRead::Damaged;
        let mut head = vec![0; HEADER_BYTES];
        read_exactly(&mut file, &mut head)
            .map_err(storage)?
            .ok_or_else(|| damaged(Damage::Length))?;
        let header = Header::parse(&head).map_err(damaged)?;
        if header.id != id {
            return Err(damaged(Damage::Misnamed));
        }
        // From here on the lengths are the file's own, and no header makes anyone reserve more.
        if header.file_len() != file_len {
            return Err(damaged(Damage::Length));
        }
        let meta_len = usize::try_from(header.meta_len).map_err(|_| damaged(Damage::Length))?;
        let body_len = usize::try_from(header.body_len).map_err(|_| damaged(Damage::Length))?;
        head.resize(HEADER_BYTES + meta_len, 0);
        let mut body = vec![0; if with_body { body_len } else { 0 }];
        for buffer in [&mut head[HEADER_BYTES..], &mut body[..]] {
            read_exactly(&mut file, buffer)
                .map_err(storage)?
                .ok_or_else(|| damaged(Damage::Length))?;
        }
        Ok(Raw {
            header,
            parts: Parts { head, body },
        })
    }
}

/// Opens a file for reading, and says how long it is. A link or a pipe under one of our names was not put there
/// by fakd.
fn open_regular(path: &Path) -> Result<(File, u64), NotRead> {
    let storage = |error| NotRead::Storage(Trouble::new(path, "read", error));
    let irregular = NotRead::Damaged(Damage::Irregular);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotRead::Gone),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(irregular),
        Err(error) => return Err(storage(error)),
    };
    let found = file.metadata().map_err(storage)?;
    if found.is_file() {
        Ok((file, found.len()))
    } else {
        Err(irregular)
    }
}

/// `None` when the file is shorter.
fn read_exactly(file: &mut File, buffer: &mut [u8]) -> io::Result<Option<()>> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the directory, or sees that the one there is this user's alone.
fn make_private(dir: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().mode(0o700).create(dir);
    match made {
        Ok(()) => {
            if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
                let synced = File::open(above).and_then(|above| above.sync_all());
                synced.map_err(|error| Trouble::new(above, "written to disk", error))?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Trouble::new(dir, "made", error).into()),
    }
    let found = fs::metadata(dir).map_err(|error| Trouble::new(dir, "looked at", error))?;
    let own = fak_sys::effective_uid();
    if found.uid() != own {
        return Err(OpenError::Owner {
            path: dir.into(),
            owner: found.uid(),
            own,
        });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(OpenError::Exposed {
            path: dir.into(),
            mode,
        });
    }
    Ok(())
}
