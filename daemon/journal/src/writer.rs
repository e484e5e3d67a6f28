//! The one thread that writes.
//!
//! It takes whatever waits, up to a transaction's worth, commits it, answers everybody in it, and begins
//! again: while one commit syncs the next group gathers, and a single append never waits for company.
//!
//! After a failure nothing is assumed about the file. The transaction is rolled back, everybody in it is
//! refused, and before the next write the head is read again, because a commit that was reported as
//! failed may have happened. While writing fails the thread tries by itself every [`RETRY`].

use std::{
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fak_chain::{Draft, RecordKind};
use tokio::sync::oneshot;

use crate::{
    error::{AppendError, OpenError, Trouble, TroubleKind},
    handle::{Receipt, Shared, StatePut},
    lock::Lock,
    queue::{Job, Message, Read, Reply},
    store::{End, Store},
};

/// How long writing has failed before it is tried again without being asked.
const RETRY: Duration = Duration::from_millis(500);

/// How long nothing may come before the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_secs(2);

/// How long rows that nobody waits for may gather before they are written: fewer syncs, and more of the
/// processor for those who are asking.
const LINGER: Duration = Duration::from_millis(4);

/// What is rewritten to find out whether the storage takes writes again.
const PROBE_KEY: &str = "journal.probe";

#[derive(Debug)]
pub(crate) struct Writer {
    /// `None` after a failure that calls for opening the file again.
    store: Option<Store>,
    /// The end that was acknowledged or found on disk.
    acknowledged: End,
    /// Whether the file is known to end there.
    certain: bool,
    /// Whether the write-ahead log may hold what the database does not.
    dirty: bool,
    owed: Owed,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Message>,
    /// Let go of last: fields drop in order.
    _lock: Lock,
}

/// Losses that no GAP row tells of yet.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    dropped: u64,
    unwritten: u64,
}

type CloseReply = oneshot::Sender<Result<(), AppendError>>;

impl Writer {
    pub(crate) fn new(
        store: Store,
        lock: Lock,
        end: End,
        shared: Arc<Shared>,
        inbox: mpsc::Receiver<Message>,
    ) -> Self {
        Self {
            store: Some(store),
            acknowledged: end,
            certain: true,
            dirty: true,
            owed: Owed::default(),
            shared,
            inbox,
            _lock: lock,
        }
    }

    pub(crate) fn start(self) -> Result<JoinHandle<()>, OpenError> {
        let path = self.shared.settings.path.clone();
        thread::Builder::new()
            .name("fak-journal".into())
            .spawn(move || self.run())
            .map_err(|error| Trouble::io(&path, &error).into())
    }

    fn run(mut self) {
        let mut last_words = None;
        while let Some(message) = self.wait() {
            if let ControlFlow::Break(close) = self.serve(message) {
                last_words = Some(close);
                break;
            }
        }
        let outcome = self.settle_up();
        // The file is closed and the lock is free before the answer says so.
        drop(self);
        if let Some(close) = last_words {
            let _ = close.send(outcome);
        }
    }

    /// The next message; `None` when every handle is gone. Does what idle time is for meanwhile.
    fn wait(&mut self) -> Option<Message> {
        loop {
            let failing = !self.certain;
            let patience = match (failing, self.dirty) {
                (true, _) => RETRY,
                (false, true) => IDLE,
                (false, false) => return self.inbox.recv().ok(),
            };
            match self.inbox.recv_timeout(patience) {
                Ok(message) => return Some(message),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) if failing => self.probe(),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if let Some(store) = &self.store {
                        store.checkpoint();
                    }
                    self.dirty = false;
                }
            }
        }
    }

    /// Gathers a transaction's worth, beginning with `first`, and deals with it.
    fn serve(&mut self, first: Message) -> ControlFlow<CloseReply> {
        let (mut jobs, mut reads, mut rows) = (Vec::new(), Vec::new(), 0);
        let mut close = None;
        let mut attended = false;
        let mut next = Some(first);
        let until = Instant::now() + LINGER;
        while let Some(message) = next {
            match message {
                Message::Job(job) => {
                    rows += job.drafts.len();
                    attended |= !matches!(job.reply, Reply::Nobody);
                    jobs.push(job);
                }
                Message::Read(question, room) => reads.push((question, room)),
                Message::Wake => self.shared.woken.store(false, Ordering::SeqCst),
                Message::Close(caller) => {
                    close = Some(caller);
                    break;
                }
            }
            // A read ends the gathering: it has to see what came before it and nothing else.
            let full = rows >= self.shared.settings.batch_max.max(1) || !reads.is_empty();
            next = match (full, attended) {
                (true, _) => None,
                (false, true) => self.inbox.try_recv().ok(),
                (false, false) => self
                    .inbox
                    .recv_timeout(until - Instant::now().min(until))
                    .ok(),
            };
        }
        self.commit(jobs);
        for (question, _room) in reads {
            self.answer(question);
        }
        close.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }

    fn answer(&mut self, question: Read) {
        match question {
            Read::State(key, caller) => {
                let value = self
                    .store()
                    .and_then(|store| store.state(&key).map_err(AppendError::from));
                let _ = caller.send(value);
            }
            Read::Tree(caller) => {
                let tree = self.find_end().map(|()| &self.acknowledged.tree);
                let _ = caller.send(tree.map(|tree| (tree.size(), tree.root())));
            }
        }
    }

    /// Writes the jobs and whatever GAP rows are due, and answers everybody.
    fn commit(&mut self, mut jobs: Vec<Job>) {
        self.owed.dropped += self.shared.dropped.swap(0, Ordering::SeqCst);
        let asked = jobs.len();
        let owed = self.owed;
        jobs.extend(owed.job());
        if jobs.is_empty() {
            return;
        }
        match self.try_commit(&jobs) {
            Ok(receipts) => {
                self.owed = Owed::default();
                self.note_success(owed.total());
                let mut rest = receipts.as_slice();
                for job in jobs {
                    let (mine, others) = rest.split_at(job.drafts.len().min(rest.len()));
                    rest = others;
                    job.reply.confirm(mine);
                }
            }
            Err(error) => {
                self.note_failure(&error);
                for job in jobs.into_iter().take(asked) {
                    let records = job.drafts.len() as u64;
                    if !job.reply.refuse(&error) {
                        self.owed.unwritten += records;
                    }
                }
            }
        }
    }

    fn try_commit(&mut self, jobs: &[Job]) -> Result<Vec<Receipt>, AppendError> {
        self.store()?.still_in_place()?;
        self.find_end()?;
        let end = self.acknowledged.clone();
        let (receipts, end) = self.store()?.commit(end, jobs)?;
        self.acknowledged = end;
        Ok(receipts)
    }

    /// Takes head and tree from the file again when it is not known where it ends.
    fn find_end(&mut self) -> Result<(), AppendError> {
        if !self.certain {
            let head = self.acknowledged.head;
            self.acknowledged = self.store()?.end_after(head)?;
        }
        Ok(())
    }

    /// The open file; opens it again when a failure had it closed.
    fn store(&mut self) -> Result<&mut Store, AppendError> {
        let path = &self.shared.settings.path;
        match &mut self.store {
            Some(store) => Ok(store),
            // The file was there. If it is not, a new one would be another chain under its name.
            None if !path.exists() => Err(AppendError::Moved { path: path.clone() }),
            empty => match Store::open(path) {
                Ok(store) => Ok(empty.insert(store)),
                Err(OpenError::Storage(trouble)) => Err(trouble.into()),
                Err(other) => {
                    let kind = TroubleKind::Damaged;
                    let detail = other.to_string();
                    Err(Trouble {
                        path: path.as_path().into(),
                        kind,
                        detail,
                    }
                    .into())
                }
            },
        }
    }

    fn note_success(&mut self, gaps: u64) {
        (self.certain, self.dirty) = (true, true);
        let mut status = self.shared.status();
        status.head = self.acknowledged.head;
        status.gaps += gaps;
        status.problem = None;
        drop(status);
        self.shared.announce(self.acknowledged.head);
    }

    fn note_failure(&mut self, error: &AppendError) {
        self.certain = false;
        self.shared.status().problem = Some(error.clone());
        // What was full or locked goes on with the same descriptors. After any other failure SQLite's
        // view of the file and the kernel's may differ, so the next attempt begins with the file.
        if let AppendError::Storage(Trouble { kind, .. }) = error
            && !matches!(kind, TroubleKind::DiskFull | TroubleKind::Busy)
        {
            self.store = None;
        }
    }

    /// Finds out whether the storage takes writes again: the GAP row that is due, or a cached value.
    fn probe(&mut self) {
        if self.owed.total() > 0 {
            return self.commit(Vec::new());
        }
        let put = StatePut {
            key: PROBE_KEY.into(),
            value: Vec::new(),
        };
        self.commit(vec![Job {
            drafts: Vec::new(),
            state: vec![put],
            reply: Reply::Nobody,
            _room: None,
        }]);
    }

    /// The last attempt to write what is owed; then the log goes into the database.
    fn settle_up(&mut self) -> Result<(), AppendError> {
        self.commit(Vec::new());
        if let Some(store) = &self.store {
            store.checkpoint();
        }
        match (self.owed.total(), self.shared.status().problem.take()) {
            (0, _) | (_, None) => Ok(()),
            (_, Some(problem)) => Err(problem),
        }
    }
}

impl Owed {
    const fn total(self) -> u64 {
        self.dropped.saturating_add(self.unwritten)
    }

    /// The GAP rows that tell of these losses, if any.
    fn job(self) -> Option<Job> {
        let gap = |count, note: &str| Draft {
            count,
            note: note.into(),
            ..Draft::new(RecordKind::Gap, now_us())
        };
        let mut drafts = Vec::new();
        if self.dropped > 0 {
            drafts.push(gap(self.dropped, "dropped: the queue was full"));
        }
        if self.unwritten > 0 {
            drafts.push(gap(
                self.unwritten,
                "lost: the journal could not be written",
            ));
        }
        let some = !drafts.is_empty();
        some.then(|| Job {
            drafts,
            state: Vec::new(),
            reply: Reply::Nobody,
            _room: None,
        })
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
