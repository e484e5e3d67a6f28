//! The vault itself: the directory, the keys and the index in step.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use fak_chain::digest_bytes;

use crate::{
    cipher::{Nonces, Sealer},
    disk::{Disk, NotRead, Raw},
    error::{OpenError, ReadError, SealError, Trouble},
    index::{Index, Known, LIST_MAX, Limits},
    key::{KeyId, Keys, VaultKey},
    log::Logs,
    meta::{Kind, Meta, SealId, Sealed},
};

/// Most looks at one file while keys change between them. LIMIT: then the last answer stands.
const LOOKS_MAX: usize = 4;

/// An open vault. Share it by reference: reads go on beside each other and beside one write.
pub struct Vault {
    pub(crate) disk: Disk,
    pub(crate) limits: Limits,
    pub(crate) logs: Logs,
    /// Held while files change, so that directory and index change together.
    writing: Mutex<()>,
    index: RwLock<Index>,
    ring: RwLock<Arc<Ring>>,
}

/// The keys in use.
pub(crate) struct Ring {
    current: Arc<Sealer>,
    old: Vec<Arc<Sealer>>,
}

impl Ring {
    pub(crate) const fn current(&self) -> &Arc<Sealer> {
        &self.current
    }

    pub(crate) fn find(&self, key: KeyId) -> Option<&Arc<Sealer>> {
        std::iter::once(&self.current)
            .chain(&self.old)
            .find(|sealer| sealer.id() == key)
    }
}

/// What was found when the vault was opened.
#[derive(Debug, Default)]
pub struct Opened {
    /// Blobs that can be read.
    pub blobs: usize,
    /// Half-written files of the process before, removed: none of them was acknowledged.
    pub removed: usize,
    /// Names in the directory that are none of ours; they were left alone.
    pub foreign: usize,
    /// Logs whose names could be read.
    pub logs: usize,
    /// Blobs and logs that cannot be read, and why; they were left alone.
    pub unreadable: Vec<Unreadable>,
}

/// A blob or log that cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The name of its file.
    pub id: SealId,
    /// Why.
    pub problem: ReadError,
}

/// What the vault holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Blobs that are never displaced.
    pub quarantined: usize,
    /// Blobs that are displaced when room is needed.
    pub paged_out: usize,
    /// Kept answers, which are displaced before the others.
    pub cached: usize,
    /// Files that cannot be read: damaged, or sealed with another key.
    pub unreadable: usize,
    /// Blobs that are still sealed with an old key.
    pub under_old_keys: usize,
    /// Bytes of all blobs' files.
    pub bytes: u64,
    /// Logs, those that cannot be read among them.
    pub logs: usize,
    /// Bytes of all logs.
    pub log_bytes: u64,
}

/// Which blobs to list. The default lists all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Held by this session alone or among others: principal and trace.
    pub session: Option<(String, String)>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Behind this one, as [`Page::next`] says.
    pub after: Option<SealId>,
}

/// Some of the blobs, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The blobs.
    pub blobs: Vec<Sealed>,
    /// Where to go on; `None` at the end.
    pub next: Option<SealId>,
}

/// What became of a blob when a hold on it was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Nobody held it any more, and its file is gone.
    Gone,
    /// So many sessions hold it still.
    HeldBy(usize),
    /// The session had no hold on it; nothing changed.
    NotHeld,
}

/// What a change of keys did.
#[derive(Debug, Default)]
pub struct Rotated {
    /// Blobs and logs that were sealed with the new key.
    pub resealed: usize,
    /// Blobs and logs that could not be. While there are any the old key is needed: rotate again when the cause
    /// is gone.
    pub left: Vec<Unreadable>,
}

impl Vault {
    /// Opens the vault in `dir`, which is made when it is not there, and removes what was half written.
    ///
    /// A key that does not fit is no error here: what is sealed with another one is named in [`Opened`]
    /// and by every read, takes room, and is left alone.
    ///
    /// # Errors
    /// [`OpenError`]: the disk, a directory others may look into, a vault another process has open.
    pub fn open(
        dir: &Path,
        keys: impl Into<Keys>,
        limits: Limits,
    ) -> Result<(Self, Opened), OpenError> {
        let keys = keys.into();
        let disk = Disk::open(dir)?;
        let found = disk.scan()?;
        let vault = Self {
            disk,
            limits,
            logs: Logs::default(),
            writing: Mutex::default(),
            index: RwLock::default(),
            ring: RwLock::new(Arc::new(Ring {
                current: Arc::new(Sealer::new(&keys.current)),
                old: keys
                    .old
                    .iter()
                    .map(|key| Arc::new(Sealer::new(key)))
                    .collect(),
            })),
        };
        let mut opened = Opened {
            removed: found.removed,
            foreign: found.foreign,
            ..Opened::default()
        };
        let ring = vault.ring();
        for id in found.sealed {
            match vault.look(&ring, id) {
                Ok(known) => {
                    vault.index_mut().insert(known);
                    opened.blobs += 1;
                }
                Err(problem) => {
                    let file_len = vault.disk.file_len(id);
                    vault.index_mut().insert_unreadable(id, file_len);
                    opened.unreadable.push(Unreadable { id, problem });
                }
            }
        }
        let unreadable = vault.learn_logs(&found.logs);
        opened.logs = found.logs.len() - unreadable.len();
        opened.unreadable.extend(unreadable);
        Ok((vault, opened))
    }

    /// Seals `bytes` for the session `meta` names. When this returns well they are on disk.
    ///
    /// The same content is stored once; each session has one hold on it, and what a session has in
    /// quarantine stays that when it is also paged out. Paged-out blobs may be displaced to make room.
    ///
    /// # Errors
    /// [`SealError`]: then nothing was sealed, and what came in must not pass.
    pub fn seal(&self, bytes: &[u8], meta: &Meta) -> Result<SealId, SealError> {
        meta.check()?;
        let (len, max) = (bytes.len() as u64, self.limits.blob_bytes_max);
        if len > max {
            return Err(SealError::TooLarge { len, max });
        }
        let digest = digest_bytes(bytes);
        let nonces = Nonces::random().map_err(SealError::Random)?;
        let _writing = self.writing();
        let current = Arc::clone(&self.ring().current);
        let before = self.index().of_content(&digest).cloned();
        let mut sealed = before.map_or_else(
            || Sealed {
                id: current.name(&digest),
                len,
                digest,
                holds: Vec::new(),
            },
            |known| known.sealed,
        );
        sealed.hold(meta);
        let id = sealed.id;
        // Written whole even if the content is there: a hold is acknowledged by the same rename, and a
        // file that was damaged meanwhile is whole again.
        let parts = current.seal(&sealed, bytes, &nonces);
        let known = Known {
            sealed,
            key: current.id(),
            file_len: parts.len(),
        };
        let displaced = self.index().make_room(&known, &meta.who, &self.limits)?;
        for other in displaced {
            self.disk.remove(other)?;
            self.index_mut().remove(other);
        }
        let written = self.disk.write(id, &parts);
        if written.as_ref().err().is_none_or(|failed| failed.is_there) {
            self.index_mut().insert(known);
        }
        match written {
            Ok(()) => Ok(id),
            Err(failed) => Err(failed.trouble.into()),
        }
    }

    /// Reads back what was sealed, after its metadata, its content and its digest were checked.
    ///
    /// # Errors
    /// [`ReadError`], which names the file and what is wrong with it.
    pub fn read(&self, id: SealId) -> Result<Vec<u8>, ReadError> {
        self.with_keys(|ring| self.open_file(ring, id).map(|(_, bytes)| bytes))
    }

    /// What is known of a blob.
    ///
    /// # Errors
    /// [`ReadError`]. Its content is not looked at.
    pub fn meta(&self, id: SealId) -> Result<Sealed, ReadError> {
        if let Some(known) = self.index().get(id) {
            return Ok(known.sealed.clone());
        }
        self.with_keys(|ring| self.look(ring, id).map(|known| known.sealed))
    }

    /// The blobs that pass `filter`, at most `most` and never more than [`LIST_MAX`].
    #[must_use]
    pub fn list(&self, filter: &Filter, most: usize) -> Page {
        let index = self.index();
        let most = most.clamp(1, LIST_MAX);
        let mut fitting = index
            .known_after(filter.after)
            .filter(|known| filter.takes(&known.sealed));
        let blobs: Vec<_> = fitting
            .by_ref()
            .take(most)
            .map(|known| known.sealed.clone())
            .collect();
        let more = fitting.next().is_some();
        Page {
            next: blobs.last().filter(|_| more).map(|last| last.id),
            blobs,
        }
    }

    /// What the vault holds now.
    #[must_use]
    pub fn status(&self) -> Status {
        let current = self.ring().current.id();
        let (logs, log_bytes) = self.logs.taken();
        let index = self.index();
        let mut status = Status {
            logs,
            log_bytes,
            unreadable: index.unreadable(),
            bytes: index.bytes(),
            ..Status::default()
        };
        for known in index.known() {
            match known.sealed.kind() {
                Kind::Quarantined => status.quarantined += 1,
                Kind::PagedOut => status.paged_out += 1,
                Kind::Cached => status.cached += 1,
            }
            status.under_old_keys += usize::from(known.key != current);
        }
        status
    }

    /// Gives up a session's hold on a blob. When nobody else holds it the file is removed.
    ///
    /// # Errors
    /// [`ReadError`]; then the hold is as it was.
    pub fn release(&self, id: SealId, who: &str, trace: &str) -> Result<Released, ReadError> {
        let _writing = self.writing();
        let sealed = self.meta(id)?;
        let is_others = |hold: &Meta| !hold.is_of(who, trace);
        let others = sealed.holds.iter().filter(|hold| is_others(hold)).count();
        if others == sealed.holds.len() {
            return Ok(Released::NotHeld);
        }
        if others == 0 {
            self.remove(id)?;
            return Ok(Released::Gone);
        }
        self.rewrite(id, |sealed| sealed.holds.retain(is_others))?;
        Ok(Released::HeldBy(others))
    }

    /// Removes a blob whoever holds it, readable or not.
    ///
    /// # Errors
    /// [`ReadError::Unknown`] and [`ReadError::Storage`].
    pub fn forget(&self, id: SealId) -> Result<(), ReadError> {
        let _writing = self.writing();
        if self.index().is_there(id) {
            Ok(self.remove(id)?)
        } else {
            Err(ReadError::Unknown(id))
        }
    }

    /// Seals everything anew with `to`, one blob or log after the other, while the vault goes on.
    ///
    /// New blobs are sealed with `to` at once; the key before is accepted until nothing needs it. After
    /// an interruption open the vault with `Keys::from(to).and_old(before)` and rotate to the same key
    /// again. Names stay as they are.
    ///
    /// # Errors
    /// None of its own: [`Rotated::left`] says what still needs the key before.
    pub fn rotate(&self, to: &VaultKey) -> Rotated {
        let current = self.adopt(to);
        let ids: Vec<_> = (self.index().known())
            .filter(|known| known.key != current)
            .map(|known| known.sealed.id)
            .collect();
        let mut rotated = Rotated::default();
        for id in ids {
            let _writing = self.writing();
            // It may have been released, or sealed again, since the list was made.
            if self
                .index()
                .get(id)
                .is_none_or(|known| known.key == current)
            {
                continue;
            }
            match self.rewrite(id, |_| ()) {
                Ok(()) => rotated.resealed += 1,
                Err(problem) => rotated.left.push(Unreadable { id, problem }),
            }
        }
        let (resealed, left) = self.rotate_logs();
        rotated.resealed += resealed;
        rotated.left.extend(left);
        self.drop_old();
        rotated
    }

    /// Makes `to` the key that seals; the one before is kept for reading.
    fn adopt(&self, to: &VaultKey) -> KeyId {
        let _writing = self.writing();
        let before = self.ring();
        let id = to.id();
        if before.current.id() != id {
            let others = std::iter::once(&before.current).chain(&before.old);
            let ring = Ring {
                current: Arc::new(Sealer::new(to)),
                old: others.filter(|old| old.id() != id).cloned().collect(),
            };
            self.set_ring(ring);
        }
        id
    }

    /// Drops the keys that no blob and no log needs.
    fn drop_old(&self) {
        let _writing = self.writing();
        let before = self.ring();
        let logs = self.keys_of_logs();
        let is_needed = |old: &&Arc<Sealer>| {
            logs.contains(&old.id()) || self.index().known().any(|known| known.key == old.id())
        };
        let ring = Ring {
            current: Arc::clone(&before.current),
            old: before.old.iter().filter(is_needed).cloned().collect(),
        };
        self.set_ring(ring);
    }

    /// Seals a blob anew with the current key after `change`. The caller holds the lock for writing.
    fn rewrite(&self, id: SealId, change: impl FnOnce(&mut Sealed)) -> Result<(), ReadError> {
        let ring = self.ring();
        let (mut sealed, bytes) = self.open_file(&ring, id)?;
        change(&mut sealed);
        let nonces = Nonces::random().map_err(ReadError::Random)?;
        let parts = ring.current.seal(&sealed, &bytes, &nonces);
        let written = self.disk.write(id, &parts);
        if written.as_ref().err().is_none_or(|failed| failed.is_there) {
            self.index_mut().insert(Known {
                sealed,
                key: ring.current.id(),
                file_len: parts.len(),
            });
        }
        written.map_err(|failed| failed.trouble.into())
    }

    /// Removes a file for good. The caller holds the lock for writing.
    fn remove(&self, id: SealId) -> Result<(), Trouble> {
        self.disk.remove(id)?;
        self.index_mut().remove(id);
        self.disk.sync()
    }

    /// Reads header and metadata.
    fn look(&self, ring: &Ring, id: SealId) -> Result<Known, ReadError> {
        let (raw, sealer) = self.raw(ring, id, false)?;
        let sealed = sealer.open_meta(&raw.header, &raw.parts.head);
        Ok(Known {
            sealed: sealed.map_err(|damage| self.damaged(id, damage))?,
            key: raw.header.key,
            file_len: raw.header.file_len(),
        })
    }

    fn open_file(&self, ring: &Ring, id: SealId) -> Result<(Sealed, Vec<u8>), ReadError> {
        let (Raw { header, parts }, sealer) = self.raw(ring, id, true)?;
        let damaged = |damage| self.damaged(id, damage);
        let sealed = sealer.open_meta(&header, &parts.head).map_err(damaged)?;
        let bytes = sealer.open_body(&header, &sealed, parts).map_err(damaged)?;
        Ok((sealed, bytes))
    }

    fn raw<'a>(
        &self,
        ring: &'a Ring,
        id: SealId,
        with_body: bool,
    ) -> Result<(Raw, &'a Sealer), ReadError> {
        let raw = self.disk.read(id, with_body).map_err(|not| match not {
            NotRead::Gone => ReadError::Unknown(id),
            NotRead::Damaged(damage) => self.damaged(id, damage),
            NotRead::Storage(trouble) => trouble.into(),
        })?;
        match ring.find(raw.header.key) {
            Some(sealer) => Ok((raw, &**sealer)),
            None => Err(ReadError::WrongKey {
                id,
                sealed_with: raw.header.key,
                have: ring.current.id(),
            }),
        }
    }

    fn damaged(&self, id: SealId, damage: crate::Damage) -> ReadError {
        ReadError::Damaged {
            path: self.disk.path(id),
            damage,
        }
    }

    /// Reads with the keys in use, again when they changed while a file was looked at.
    fn with_keys<T>(&self, read: impl Fn(&Ring) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let mut ring = self.ring();
        let mut found = read(&ring);
        for _ in 1..LOOKS_MAX {
            let now = self.ring();
            if Arc::ptr_eq(&now, &ring) || !matches!(found, Err(ReadError::WrongKey { .. })) {
                break;
            }
            ring = now;
            found = read(&ring);
        }
        found
    }

    // A panic elsewhere leaves index and directory as the last finished step left them; every step below
    // changes the index in one call, so going on is sound.

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_ring(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }
}

impl Filter {
    fn takes(&self, sealed: &Sealed) -> bool {
        let is_held = self.session.as_ref().is_none_or(|(who, trace)| {
            let mut holds = sealed.holds.iter();
            holds.any(|hold| hold.is_of(who, trace))
        });
        is_held && self.kind.is_none_or(|kind| kind == sealed.kind())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("disk", &self.disk)
            .field("key", &self.ring().current.id())
            .finish_non_exhaustive()
    }
}
