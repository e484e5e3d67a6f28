//! The directory: one file for each blob, each changed by rename alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    cipher::Parts,
    error::{Damage, OpenError, Trouble},
    format::{HEADER_BYTES, Header},
    meta::SealId,
};

const SEALED: &str = "seal";
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

    /// Lists the blobs and removes what was half written when the last process ended.
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
            } else if id(HALF_WRITTEN).is_some() {
                let path = self.dir.join(name);
                fs::remove_file(&path).map_err(|error| Trouble::new(&path, "removed", error))?;
                found.removed += 1;
            } else {
                found.foreign += 1;
            }
        }
        found.sealed.sort_unstable();
        Ok(found)
    }

    /// Puts a file in the place of the one before, if any. When this returns well it outlasts a power cut.
    pub(crate) fn write(&self, id: SealId, parts: &Parts) -> Result<(), NotWritten> {
        let path = self.path(id);
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
                file.write_all(&parts.head)?;
                file.write_all(&parts.body)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&aside, &path));
        if let Err(error) = written {
            // What cannot be removed now is removed when the vault is opened again.
            let _ = fs::remove_file(&aside);
            return Err(NotWritten {
                trouble: Trouble::new(&path, "written", error),
                is_there: false,
            });
        }
        self.sync().map_err(|trouble| NotWritten {
            trouble,
            is_there: true,
        })
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
        let opened = OpenOptions::new()
            .read(true)
            // A link or a pipe under a blob's name was not put there by fakd.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path);
        let irregular = NotRead::Damaged(Damage::Irregular);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotRead::Gone),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(irregular),
            Err(error) => return Err(storage(error)),
        };
        let found = file.metadata().map_err(storage)?;
        if !found.is_file() {
            return Err(irregular);
        }
        let file_len = found.len();
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
