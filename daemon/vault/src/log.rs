//! Logs: named sequences of records, sealed like everything else here, that only grow until they are written anew.

mod frame;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::UNIX_EPOCH,
};

pub(crate) use frame::LogKeys;
use frame::{HEAD_BYTES, Head, Number, Place, frame_len};

use crate::{
    cipher::Sealer,
    disk::{Append, NotRead},
    error::{Damage, LogError, ReadError},
    format::Nonce,
    key::KeyId,
    meta::SealId,
    vault::{Ring, Unreadable, Vault},
};

/// Longest name of a log. LIMIT: a log with a longer one cannot be opened.
pub const LOG_NAME_BYTES_MAX: usize = 200;

/// Longest record unless set otherwise. LIMIT: a longer one is refused.
pub const LOG_RECORD_BYTES_MAX: usize = 1 << 20;

/// Longest log unless set otherwise, and so what reading one takes. LIMIT: a record that would make it longer is
/// refused; its owner writes the log anew without what it no longer needs.
pub const LOG_BYTES_MAX: u64 = 16 << 20;

/// Bytes of all logs unless set otherwise. LIMIT: a record that would make them longer is refused.
pub const LOGS_BYTES_MAX: u64 = 512 << 20;

/// How many logs unless set otherwise. LIMIT: the first record of another one is refused.
pub const LOGS_MAX: usize = 16_384;

/// Names without a file that are remembered. LIMIT: beyond it those nobody uses are forgotten.
const IDLE_MAX: usize = 1024;

/// How much logs may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of all logs; while one is written anew it counts once, though both lie on the disk.
    pub bytes_max: u64,
    /// How many logs.
    pub count_max: usize,
    /// Bytes of one log, what is added for sealing included.
    pub log_bytes_max: u64,
    /// Bytes of one record.
    pub record_bytes_max: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            bytes_max: LOGS_BYTES_MAX,
            count_max: LOGS_MAX,
            log_bytes_max: LOG_BYTES_MAX,
            record_bytes_max: LOG_RECORD_BYTES_MAX,
        }
    }
}

/// What is known of a log without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInfo {
    /// Its name.
    pub name: String,
    /// The length of its file.
    pub bytes: u64,
    /// When a record came to it last, in microseconds since 1970, by the file system's clock.
    pub changed_us: u64,
}

/// A log of a [`Vault`], whether it has records yet or not.
///
/// Calls on one log wait for each other; calls on different logs do not.
#[derive(Clone)]
pub struct Log<'v> {
    vault: &'v Vault,
    slot: Arc<Slot>,
}

/// All logs of a vault.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    slots: RwLock<BTreeMap<String, Arc<Slot>>>,
    room: Mutex<Room>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Room {
    bytes: u64,
    count: usize,
}

#[derive(Debug)]
struct Slot {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    id: SealId,
    /// What the file takes of the room for all.
    counted: u64,
    tail: Tail,
}

/// Where the next record goes.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// There is no file.
    Absent,
    /// There is one, sealed with this key, that was not read yet or must be read again.
    Unread(KeyId),
    /// It was read.
    Here(Here),
}

#[derive(Clone, Copy, Debug)]
struct Here {
    key: KeyId,
    place: Place,
    /// The length of the file, a torn tail left out.
    end: u64,
    count: u64,
    /// How many records are known to be on disk.
    durable: u64,
    /// This process wrote the last byte, or has cut behind it.
    is_own: bool,
}

type Records = Vec<Vec<u8>>;

impl Vault {
    /// The log of this name. Nothing is read or written until it is used, and a log without records has no file.
    ///
    /// # Errors
    /// [`LogError::Name`].
    pub fn log(&self, name: &str) -> Result<Log<'_>, LogError> {
        let (len, max) = (name.len(), LOG_NAME_BYTES_MAX);
        if len == 0 || len > max {
            return Err(LogError::Name { len, max });
        }
        let slot = self
            .logs
            .slot(name, || self.ring().current().logs().file_id(name));
        Ok(Log { vault: self, slot })
    }

    /// The logs that have a file, in the order of their names. What cannot be read is in [`crate::Opened`] only.
    #[must_use]
    pub fn logs(&self) -> Vec<LogInfo> {
        let info = |slot: Arc<Slot>| {
            let state = slot.state();
            let found = match state.tail {
                Tail::Absent => None,
                Tail::Unread(_) | Tail::Here(_) => self.disk.stat_log(state.id),
            }?;
            let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(LogInfo {
                name: slot.name.clone(),
                bytes: found.len(),
                changed_us: u64::try_from(changed.as_micros()).unwrap_or(u64::MAX),
            })
        };
        self.logs.all().into_iter().filter_map(info).collect()
    }

    /// Learns the names of the logs that are there. Those that cannot be read are left alone, and take room.
    pub(crate) fn learn_logs(&self, ids: &[SealId]) -> Vec<Unreadable> {
        let ring = self.ring();
        let mut unreadable = Vec::new();
        let mut found = Vec::new();
        for id in ids.iter().copied() {
            let bytes = self.disk.stat_log(id).map_or(0, |found| found.len());
            self.logs.room().add(bytes);
            match self.log_head(&ring, id) {
                Ok((head, name)) => found.push((head, name, bytes)),
                Err(problem) => unreadable.push(Unreadable { id, problem }),
            }
        }
        // Of two with one name the one of the key in use is the newer one.
        found.sort_by_key(|(head, ..)| head.key != ring.current().id());
        let mut names = HashSet::new();
        for (head, name, counted) in found {
            let id = head.place.id;
            if names.insert(name.clone()) {
                let slot = self.logs.slot(&name, || id);
                *slot.state() = State {
                    id,
                    counted,
                    tail: Tail::Unread(head.key),
                };
            } else {
                let problem = self.log_damaged(id, Damage::LogTwice);
                unreadable.push(Unreadable { id, problem });
            }
        }
        unreadable
    }

    /// Seals the logs anew that are sealed with another key. Returns how many, and those that could not be.
    pub(crate) fn rotate_logs(&self) -> (usize, Vec<Unreadable>) {
        let (mut resealed, mut left) = (0, Vec::new());
        for slot in self.logs.all() {
            let mut state = slot.state();
            let log = Log {
                vault: self,
                slot: Arc::clone(&slot),
            };
            match log.reseal(&mut state) {
                Ok(is_new) => resealed += usize::from(is_new),
                Err(LogError::Read(problem)) => left.push(Unreadable {
                    id: state.id,
                    problem,
                }),
                Err(LogError::Storage(trouble)) => left.push(Unreadable {
                    id: state.id,
                    problem: trouble.into(),
                }),
                Err(other) => left.push(Unreadable {
                    id: state.id,
                    problem: ReadError::Random(other.to_string()),
                }),
            }
        }
        (resealed, left)
    }

    /// The keys that logs need.
    pub(crate) fn keys_of_logs(&self) -> HashSet<KeyId> {
        let key = |slot: Arc<Slot>| match slot.state().tail {
            Tail::Absent => None,
            Tail::Unread(key) | Tail::Here(Here { key, .. }) => Some(key),
        };
        self.logs.all().into_iter().filter_map(key).collect()
    }

    fn log_head(&self, ring: &Ring, id: SealId) -> Result<(Head, String), ReadError> {
        let bytes = self.log_bytes(id, HEAD_BYTES as u64)?;
        let (head, sealer) = self.known_head(ring, id, &bytes)?;
        let name = sealer.logs().open_head(&head, &bytes);
        Ok((head, name.map_err(|damage| self.log_damaged(id, damage))?))
    }

    fn known_head(
        &self,
        ring: &Ring,
        id: SealId,
        bytes: &[u8],
    ) -> Result<(Head, Arc<Sealer>), ReadError> {
        let damaged = |damage| self.log_damaged(id, damage);
        let head = Head::parse(bytes).map_err(damaged)?;
        if head.place.id != id {
            return Err(damaged(Damage::Misnamed));
        }
        match ring.find(head.key) {
            Some(sealer) => Ok((head, Arc::clone(sealer))),
            None => Err(ReadError::WrongKey {
                id,
                sealed_with: head.key,
                have: ring.current().id(),
            }),
        }
    }

    fn log_bytes(&self, id: SealId, most: u64) -> Result<Vec<u8>, ReadError> {
        self.disk.read_log(id, most).map_err(|not| match not {
            NotRead::Gone => ReadError::Unknown(id),
            NotRead::Damaged(damage) => self.log_damaged(id, damage),
            NotRead::Storage(trouble) => trouble.into(),
        })
    }

    fn log_damaged(&self, id: SealId, damage: Damage) -> ReadError {
        ReadError::Damaged {
            path: self.disk.log_path(id),
            damage,
        }
    }
}

impl Log<'_> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.slot.name
    }

    /// Adds a record. When this returns well it is on disk, and so is every record before it.
    ///
    /// # Errors
    /// [`LogError`]. After [`LogError::Storage`] the record may be found later nevertheless; after any other error
    /// nothing has changed.
    pub fn append(&self, record: &[u8]) -> Result<(), LogError> {
        self.add(record, true)
    }

    /// Adds a record that outlasts the process, and a power cut only once a later [`Log::append`] has returned.
    ///
    /// # Errors
    /// As of [`Log::append`].
    pub fn append_later(&self, record: &[u8]) -> Result<(), LogError> {
        self.add(record, false)
    }

    /// All records, in the order they came. A log without a file has none.
    ///
    /// # Errors
    /// [`LogError::Read`]: the file cannot be read, or is not what was written.
    pub fn read_all(&self) -> Result<Vec<Vec<u8>>, LogError> {
        let mut state = self.slot.state();
        match state.tail {
            Tail::Absent => Ok(Vec::new()),
            Tail::Unread(_) => self.load(&mut state).map(|(_, records)| records),
            Tail::Here(_) => Ok(self.read(&state)?.1),
        }
    }

    /// Puts these records in the place of all that are there; none of it or all of it happens. It mends a log with
    /// a damaged record; one with a damaged head must be removed first.
    ///
    /// # Errors
    /// [`LogError`]; only after [`LogError::Storage`] may the new records be there.
    pub fn replace(&self, records: &[&[u8]]) -> Result<(), LogError> {
        self.write_whole(&mut self.slot.state(), records)
    }

    /// Removes the log and its file.
    ///
    /// # Errors
    /// [`LogError::Storage`].
    pub fn remove(&self) -> Result<(), LogError> {
        let mut state = self.slot.state();
        let found = self.vault.disk.stat_log(state.id);
        self.vault.disk.remove_log(state.id)?;
        if !matches!(state.tail, Tail::Absent) {
            self.vault.logs.room().leave(state.counted);
        } else if let Some(unreadable) = found {
            self.vault.logs.room().leave(unreadable.len());
        }
        state.counted = 0;
        state.tail = Tail::Absent;
        Ok(self.vault.disk.sync()?)
    }

    fn add(&self, record: &[u8], at_once: bool) -> Result<(), LogError> {
        self.check(record)?;
        let mut state = self.slot.state();
        let here = match state.tail {
            // A new log is written whole, and so durable at once.
            Tail::Absent => return self.write_whole(&mut state, &[record]),
            Tail::Unread(_) => self.load(&mut state)?.0,
            Tail::Here(here) => here,
        };
        let ring = self.vault.ring();
        let sealer = ring.find(here.key).ok_or_else(|| ReadError::WrongKey {
            id: state.id,
            sealed_with: here.key,
            have: ring.current().id(),
        })?;
        let grown = here.end.saturating_add(frame_len(record.len()) as u64);
        self.check_len(here.end, grown)?;
        let nonce: Nonce = random()?;
        self.vault.logs.take(state.counted, grown, self.limits())?;
        state.counted = state.counted.max(grown);
        // Cutting makes everything before it last.
        let durable = if here.is_own {
            here.durable
        } else {
            here.count
        };
        let number = Number {
            index: here.count,
            durable,
        };
        let frame = sealer.logs().frame(&here.place, number, record, &nonce);
        let written = self.vault.disk.append_log(
            state.id,
            &Append {
                at: here.end,
                frame: &frame,
                cut_first: !here.is_own,
                sync: at_once,
            },
        );
        match written {
            Ok(()) => {
                let count = here.count + 1;
                let durable = if at_once { count } else { durable };
                self.count(&mut state, grown);
                state.tail = Tail::Here(Here {
                    end: grown,
                    count,
                    durable,
                    is_own: true,
                    ..here
                });
                Ok(())
            }
            Err(trouble) => {
                // What the file ends with now is found out when it is read again.
                state.tail = Tail::Unread(here.key);
                Err(trouble.into())
            }
        }
    }

    /// Reads the file and finds its end.
    fn load(&self, state: &mut State) -> Result<(Here, Records), LogError> {
        let (here, records) = self.read(state)?;
        state.tail = Tail::Here(here);
        Ok((here, records))
    }

    fn read(&self, state: &State) -> Result<(Here, Records), ReadError> {
        let id = state.id;
        // A log may be longer than the limit is now; it was not when it was written.
        let bytes = self.vault.log_bytes(id, u64::MAX)?;
        let (head, sealer) = self.vault.known_head(&self.vault.ring(), id, &bytes)?;
        let damaged = |damage| self.vault.log_damaged(id, damage);
        let keys = sealer.logs();
        let name = keys.open_head(&head, &bytes).map_err(damaged)?;
        if name != self.slot.name {
            return Err(damaged(Damage::Misnamed));
        }
        let scan = keys
            .scan(&head.place, &bytes[HEAD_BYTES..])
            .map_err(damaged)?;
        let mut here = Here {
            key: head.key,
            place: head.place,
            end: (HEAD_BYTES + scan.whole) as u64,
            count: scan.records.len() as u64,
            durable: 0,
            is_own: false,
        };
        if let Tail::Here(before) = state.tail {
            if (before.place, before.end, before.count) != (here.place, here.end, here.count) {
                return Err(damaged(Damage::Length));
            }
            here = before;
        }
        Ok((here, scan.records))
    }

    /// Writes head and records into a new file, in the place of the one there.
    fn write_whole(&self, state: &mut State, records: &[&[u8]]) -> Result<(), LogError> {
        let mut len = HEAD_BYTES as u64;
        for record in records {
            self.check(record)?;
            len = len.saturating_add(frame_len(record.len()) as u64);
        }
        self.check_len(state.counted, len)?;
        // Taken inside the log's lock: a change of keys has seen this log, or its key is the one read here.
        let ring = self.vault.ring();
        let sealer = ring.current();
        let place = Place {
            id: state.id,
            generation: random()?,
        };
        let mut bytes = sealer.logs().head(&self.slot.name, &place, &random()?);
        for (index, record) in (0..).zip(records) {
            let number = Number {
                index,
                durable: index,
            };
            let frame = sealer.logs().frame(&place, number, record, &random()?);
            bytes.extend_from_slice(&frame);
        }
        let before = match state.tail {
            Tail::Absent => {
                // A file of this name that could not be read is not written over.
                if self.vault.disk.stat_log(state.id).is_some() {
                    self.vault.log_head(&ring, state.id)?;
                    return Err(self.vault.log_damaged(state.id, Damage::LogTwice).into());
                }
                self.vault.logs.take_new(len, self.limits())?;
                None
            }
            Tail::Unread(_) | Tail::Here(_) => {
                self.vault.logs.take(state.counted, len, self.limits())?;
                Some(state.counted)
            }
        };
        match self.vault.disk.write_log(state.id, &bytes) {
            Ok(()) => {
                state.counted = state.counted.max(len);
                self.count(state, len);
                let count = records.len() as u64;
                state.tail = Tail::Here(Here {
                    key: sealer.id(),
                    place,
                    end: len,
                    count,
                    durable: count,
                    is_own: true,
                });
                Ok(())
            }
            Err(failed) => {
                if failed.is_there {
                    state.counted = state.counted.max(len);
                    state.tail = Tail::Unread(sealer.id());
                } else if let Some(before) = before {
                    state.counted = state.counted.max(len);
                    self.count(state, before);
                } else {
                    self.vault.logs.room().leave(len);
                }
                Err(failed.trouble.into())
            }
        }
    }

    /// Seals it with the current key if it is not. Its time stays.
    fn reseal(&self, state: &mut State) -> Result<bool, LogError> {
        let current = self.vault.ring().current().id();
        let key = match state.tail {
            Tail::Absent => return Ok(false),
            Tail::Unread(key) | Tail::Here(Here { key, .. }) => key,
        };
        if key == current {
            return Ok(false);
        }
        let (_, records) = self.read(state)?;
        let changed = self.vault.disk.stat_log(state.id);
        let records: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
        self.write_whole(state, &records)?;
        if let Some(changed) = changed.and_then(|found| found.modified().ok()) {
            self.vault.disk.set_log_time(state.id, changed);
        }
        Ok(true)
    }

    const fn limits(&self) -> &LogLimits {
        &self.vault.limits.logs
    }

    fn check(&self, record: &[u8]) -> Result<(), LogError> {
        let (len, max) = (record.len(), self.limits().record_bytes_max);
        if len > max || u32::try_from(len).is_err() {
            return Err(LogError::Record { len, max });
        }
        Ok(())
    }

    const fn check_len(&self, bytes: u64, grown: u64) -> Result<(), LogError> {
        let max = self.limits().log_bytes_max;
        // What is longer than the limit already may be written shorter.
        if grown > max && grown > bytes {
            return Err(LogError::TooLong { bytes, max });
        }
        Ok(())
    }

    /// Gives back what was taken of the room and is not needed.
    fn count(&self, state: &mut State, bytes: u64) {
        let mut room = self.vault.logs.room();
        room.bytes = room
            .bytes
            .saturating_sub(state.counted.saturating_sub(bytes));
        state.counted = bytes;
    }
}

impl Logs {
    fn slot(&self, name: &str, id: impl FnOnce() -> SealId) -> Arc<Slot> {
        let known = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = known.get(name) {
            return Arc::clone(slot);
        }
        drop(known);
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= self.room().count.saturating_add(IDLE_MAX) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || !slot.is_absent());
        }
        let new = || {
            Arc::new(Slot {
                name: name.into(),
                state: Mutex::new(State {
                    id: id(),
                    counted: 0,
                    tail: Tail::Absent,
                }),
            })
        };
        Arc::clone(slots.entry(name.into()).or_insert_with(new))
    }

    fn all(&self) -> Vec<Arc<Slot>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.values().map(Arc::clone).collect()
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many logs there are, and the bytes they take.
    pub(crate) fn taken(&self) -> (usize, u64) {
        let room = self.room();
        (room.count, room.bytes)
    }

    /// Takes what a file needs more than it has.
    fn take(&self, has: u64, needs: u64, limits: &LogLimits) -> Result<(), LogError> {
        let mut room = self.room();
        let more = needs.saturating_sub(has);
        room.check(more, 0, limits)?;
        room.bytes = room.bytes.saturating_add(more);
        Ok(())
    }

    fn take_new(&self, bytes: u64, limits: &LogLimits) -> Result<(), LogError> {
        let mut room = self.room();
        room.check(bytes, 1, limits)?;
        room.add(bytes);
        Ok(())
    }
}

impl Room {
    const fn check(self, more: u64, logs: usize, limits: &LogLimits) -> Result<(), LogError> {
        let fits = self.bytes.saturating_add(more) <= limits.bytes_max || more == 0;
        if fits && (logs == 0 || self.count < limits.count_max) {
            return Ok(());
        }
        Err(LogError::Full {
            bytes: self.bytes,
            bytes_max: limits.bytes_max,
            count: self.count,
            count_max: limits.count_max,
        })
    }

    const fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.count += 1;
    }

    const fn leave(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.count = self.count.saturating_sub(1);
    }
}

impl Slot {
    // Every step below changes the state in one assignment, so a panic elsewhere leaves it as it was.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it certainly has no file.
    fn is_absent(&self) -> bool {
        let state = self.state.try_lock();
        state.is_ok_and(|state| matches!(state.tail, Tail::Absent))
    }
}

fn random<const N: usize>() -> Result<[u8; N], LogError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| LogError::Random(error.to_string()))?;
    Ok(bytes)
}
