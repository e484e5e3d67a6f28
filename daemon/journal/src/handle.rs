//! The handle everybody else holds.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use fak_chain::{Draft, Head};
use fak_types::Digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::{
    error::{AppendError, OpenError},
    lock::Lock,
    queue::{Job, Message, Read, Reply},
    store::Store,
    writer::Writer,
};

/// When an append is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After the row is on disk.
    #[default]
    Commit,
    /// When the row is queued. A crash loses what is queued; a failure to write it is counted in a
    /// chained GAP row, and refuses appends for as long as it lasts.
    Async,
}

/// How a journal is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The database file. Its directory must exist; the file need not.
    pub path: PathBuf,
    /// When an append is answered.
    pub durability: Durability,
    /// Most records that wait or are being written at any moment. Appends wait for room; the last
    /// quarter is theirs alone, offers never take it.
    pub queue_max: usize,
    /// Most records taken together into one transaction; a batch handed over whole may exceed it.
    pub batch_max: usize,
}

impl Settings {
    /// The usual settings for a journal at `path`: answer after the commit, 8192 records waiting, 1024
    /// records to a transaction.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Commit,
            queue_max: 8192,
            batch_max: 1024,
        }
    }
}

/// What was found when a journal was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// How many rows there are.
    pub rows: u64,
    /// The last of them.
    pub head: Head,
    /// How many records its GAP rows say were lost.
    pub gaps: u64,
}

/// Proof that a row is on disk: its number and its hash.
///
/// Under [`Durability::Async`] it proves only that the row was queued, and both are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The row's number.
    pub seq: u64,
    /// The row's hash.
    pub hash: Digest,
}

impl Receipt {
    /// The receipt of a row that is queued and has no number yet.
    pub const QUEUED: Self = Self {
        seq: 0,
        hash: Digest::ZERO,
    };
}

impl Default for Receipt {
    fn default() -> Self {
        Self::QUEUED
    }
}

/// A value to be cached beside the records, in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePut {
    /// Its name. Names that begin with `journal.` are the journal's own.
    pub key: String,
    /// The value; it replaces the one before.
    pub value: Vec<u8>,
}

/// A cached value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateValue {
    /// The value.
    pub value: Vec<u8>,
    /// The last row when it was written: what the value is a fold over, at most.
    pub seq: u64,
}

/// How a journal fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether the last write succeeded. While it is false every append is refused or likely to be.
    pub ok: bool,
    /// When it is not: the cause and the fix, in a sentence.
    pub problem: Option<String>,
    /// How many rows are on disk.
    pub rows: u64,
    /// The last of them.
    pub head: Head,
    /// How many records its GAP rows say were lost.
    pub gaps: u64,
}

/// A journal that is open for writing. Clones are handles to the same single writer.
///
/// * Rows get consecutive numbers in the order their appends reached the queue.
/// * A row that was acknowledged under [`Durability::Commit`] is on disk, in WAL with a full sync.
/// * After a failure the writer finds out what the file holds before it writes again, so the chain
///   cannot fork, and it tries again by itself.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Message>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    room: Arc<Semaphore>,
    pub(crate) status: Mutex<Status>,
    /// Offers dropped since the last GAP row.
    pub(crate) dropped: AtomicU64,
    /// Whether the writer has been told of them.
    pub(crate) woken: AtomicBool,
    head: watch::Sender<u64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) head: Head,
    pub(crate) gaps: u64,
    pub(crate) problem: Option<AppendError>,
}

impl Shared {
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        // Every update is one assignment, so a panic cannot leave the status half made.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn announce(&self, head: Head) {
        self.head.send_replace(head.seq);
    }
}

impl Journal {
    /// Opens a journal for writing, making the file when it is missing.
    ///
    /// Takes the lock beside it, brings it to the current format, verifies its last rows and starts the
    /// writer thread.
    ///
    /// # Errors
    /// [`OpenError`] when another daemon holds the journal, the file is of a later format or something
    /// else, its last rows do not verify, or the storage refuses.
    pub fn open(settings: Settings) -> Result<(Self, Opened), OpenError> {
        let lock = Lock::take(&settings.path)?;
        let mut store = Store::open(&settings.path)?;
        let end = store.verified_end()?;
        let head = end.head;
        let gaps = store.gaps()?;
        let (inbox, messages) = mpsc::channel();
        let shared = Arc::new(Shared {
            room: Arc::new(Semaphore::new(
                settings.queue_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            status: Mutex::new(Status {
                head,
                gaps,
                problem: None,
            }),
            dropped: AtomicU64::new(0),
            woken: AtomicBool::new(false),
            head: watch::Sender::new(head.seq),
            thread: Mutex::new(None),
            settings,
        });
        let writer = Writer::new(store, lock, end, Arc::clone(&shared), messages);
        let thread = writer.start()?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok((
            Self { shared, inbox },
            Opened {
                rows: head.seq,
                head,
                gaps,
            },
        ))
    }

    /// Appends one record.
    ///
    /// Under [`Durability::Commit`] the future resolves when the row is on disk; under
    /// [`Durability::Async`] when it is queued, with [`Receipt::QUEUED`]. It waits while the queue is
    /// full. Dropping the future gives up waiting, not the row.
    ///
    /// # Errors
    /// [`AppendError`]: the row must be taken as not written. Under `Async` also for as long as the
    /// last write failed.
    pub async fn append(&self, draft: Draft) -> Result<Receipt, AppendError> {
        let room = self.room(1).await?;
        let (reply, answer) = match self.shared.settings.durability {
            Durability::Async => (Reply::Nobody, None),
            Durability::Commit => {
                let (sender, receiver) = oneshot::channel();
                (Reply::One(sender), Some(receiver))
            }
        };
        self.send(Job {
            drafts: vec![draft],
            state: Vec::new(),
            reply,
            _room: Some(room),
        })?;
        match answer {
            None => Ok(Receipt::QUEUED),
            Some(answer) => answer.await.unwrap_or(Err(AppendError::Closed)),
        }
    }

    /// Appends records with consecutive numbers, all of them or none.
    ///
    /// # Errors
    /// As [`Journal::append`]; [`AppendError::TooMany`] when there are more than the queue holds.
    pub async fn append_all(&self, drafts: Vec<Draft>) -> Result<Vec<Receipt>, AppendError> {
        self.append_with(drafts, Vec::new()).await
    }

    /// Appends records and caches values in the same transaction, all of it or nothing. Each value
    /// carries the number of the last row before it.
    ///
    /// # Errors
    /// As [`Journal::append_all`].
    pub async fn append_with(
        &self,
        drafts: Vec<Draft>,
        state: Vec<StatePut>,
    ) -> Result<Vec<Receipt>, AppendError> {
        let (count, max) = (drafts.len(), self.shared.settings.queue_max);
        if count > max {
            return Err(AppendError::TooMany { count, max });
        }
        let room = self.room(count.max(1)).await?;
        if self.shared.settings.durability == Durability::Async {
            self.send(Job {
                drafts,
                state,
                reply: Reply::Nobody,
                _room: Some(room),
            })?;
            return Ok(vec![Receipt::QUEUED; count]);
        }
        let (sender, answer) = oneshot::channel();
        self.send(Job {
            drafts,
            state,
            reply: Reply::Many(sender),
            _room: Some(room),
        })?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Hands over evidence nobody waits for. Never blocks and never fails: when there is no room, or
    /// the row cannot be written, the loss is counted and becomes part of a chained GAP row.
    pub fn offer(&self, draft: Draft) {
        let room = Arc::clone(&self.shared.room);
        let spare = self.shared.settings.queue_max / 4;
        let permit = if room.available_permits() > spare {
            room.try_acquire_owned().ok()
        } else {
            None
        };
        match permit {
            Some(room) => {
                let job = Job {
                    drafts: vec![draft],
                    state: Vec::new(),
                    reply: Reply::Nobody,
                    _room: Some(room),
                };
                if self.send(job).is_err() {
                    self.shared.dropped.fetch_add(1, Ordering::SeqCst);
                }
            }
            None => {
                self.shared.dropped.fetch_add(1, Ordering::SeqCst);
                if !self.shared.woken.swap(true, Ordering::SeqCst) {
                    // Without a writer there is nobody left to write the GAP row either.
                    let _ = self.inbox.send(Message::Wake);
                }
            }
        }
    }

    /// Reads a cached value, after everything queued before it is written.
    ///
    /// # Errors
    /// [`AppendError`] when the storage refuses or the journal is closed.
    pub async fn state(&self, key: &str) -> Result<Option<StateValue>, AppendError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Read::State(key.to_owned(), sender)).await?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// The size and the root of the Merkle tree over the rows on disk, after everything queued before it
    /// is written. The size is the number of the last row.
    ///
    /// # Errors
    /// [`AppendError`] when the storage refuses or the journal is closed.
    pub async fn tree(&self) -> Result<(u64, Digest), AppendError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Read::Tree(sender)).await?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// How the journal fares; takes no more than a short lock.
    #[must_use]
    pub fn health(&self) -> Health {
        let status = self.shared.status();
        Health {
            ok: status.problem.is_none(),
            problem: status.problem.as_ref().map(ToString::to_string),
            rows: status.head.seq,
            head: status.head,
            gaps: status.gaps,
        }
    }

    /// Follows the number of the last row on disk.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.head.subscribe()
    }

    /// Writes what is queued, moves everything into the database file, closes it and lets go of the
    /// lock. Appends that come later are refused with [`AppendError::Closed`].
    ///
    /// # Errors
    /// [`AppendError`] when rows nobody waited for could not be written.
    pub async fn close(&self) -> Result<(), AppendError> {
        self.shared.room.close();
        let (sender, answer) = oneshot::channel();
        if self.inbox.send(Message::Close(sender)).is_err() {
            return Ok(());
        }
        let outcome = answer.await.unwrap_or(Ok(()));
        let thread = self
            .shared
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The writer answered with its last breath, so this does not block.
            let _ = thread.join();
        }
        outcome
    }

    async fn room(&self, records: usize) -> Result<OwnedSemaphorePermit, AppendError> {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.shared.room)
            .acquire_many_owned(records)
            .await;
        let room = room.map_err(|_| AppendError::Closed)?;
        match &self.shared.status().problem {
            // Nobody will hear that this row is lost, so it is refused while that can be foreseen.
            Some(problem) if self.shared.settings.durability == Durability::Async => {
                Err(problem.clone())
            }
            _ => Ok(room),
        }
    }

    async fn ask(&self, question: Read) -> Result<(), AppendError> {
        let room = self.room(1).await?;
        self.inbox
            .send(Message::Read(question, room))
            .map_err(|_| AppendError::Closed)
    }

    fn send(&self, job: Job) -> Result<(), AppendError> {
        self.inbox
            .send(Message::Job(job))
            .map_err(|_| AppendError::Closed)
    }
}
