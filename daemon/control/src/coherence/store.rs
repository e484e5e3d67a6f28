//! The cache of answers and its log: in step, whatever fails.
//!
//! INVARIANT: an answer is given again only if its keeping is in the log, and what made it stale was in the log before
//! the call that did so was let run.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use fak_cache::{Cache, Changes, Gone, Limits, Step};
use fak_telemetry::{Event, Notice};

use crate::{
    account::lock,
    port::{Remember, Unkept},
};

/// The name of the log.
const LOG: &str = "cache";

/// Records after which the log is condensed to an image. LIMIT: a restart reads at most so many, and the image.
const RECORDS_MAX: usize = 1024;

/// Bytes of records after which the log is condensed.
const RECORD_BYTES_MAX: usize = 4 << 20;

/// What was done since the daemon started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Calls whose answer was looked for.
    pub(crate) lookups: AtomicU64,
    /// Calls whose answer was found and given.
    pub(crate) hits: AtomicU64,
    /// Answers that were kept.
    pub(crate) stores: AtomicU64,
    /// Answers that went before their time.
    pub(crate) evictions: AtomicU64,
    /// Witnesses that were revoked.
    pub(crate) revocations: AtomicU64,
}

/// One more, or so many more.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// The cache of all principals.
#[derive(Debug)]
pub(crate) struct Coherence {
    inner: Mutex<Inner>,
    /// Something was kept or awaited since the start: calls of every profile matter.
    any: AtomicBool,
    pub(crate) counts: Counts,
}

#[derive(Debug)]
struct Inner {
    cache: Cache,
    records: usize,
    bytes: usize,
    /// The cache has let something go that the log does not say yet.
    is_ahead: bool,
}

impl Coherence {
    /// The cache as its log tells. Without a log that can be read it begins empty and trusts no witness, for nobody
    /// knows which were revoked.
    pub(crate) fn new(memory: &dyn Remember, now_us: u64) -> Self {
        let read = || {
            let mut cache = Cache::new(Limits::default());
            let records = memory.recall(LOG)?;
            for record in &records {
                let step = Step::decode(record).map_err(|error| error.to_string())?;
                drop(cache.apply(&step));
            }
            let bytes = records.iter().map(Vec::len).sum();
            Ok::<_, String>((cache, records.len(), bytes))
        };
        let (cache, records, bytes, is_ahead) = match read() {
            Ok((cache, records, bytes)) => (cache, records, bytes, false),
            Err(why) => {
                Notice::of(Event::Internal).say(&format!(
                    "the kept answers cannot be used and begin anew, and none is kept under a witness: {why}"
                ));
                (Cache::lost(Limits::default(), now_us), 0, 0, true)
            }
        };
        Self {
            any: AtomicBool::new(cache.taken().0 > 0),
            inner: Mutex::new(Inner {
                cache,
                records,
                bytes,
                is_ahead,
            }),
            counts: Counts::default(),
        }
    }

    /// Whether anything of anybody may be kept or awaited.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// From now on the calls of every profile are looked at.
    pub(crate) fn expect_some(&self) {
        self.any.store(true, Ordering::Relaxed);
    }

    /// Works with the cache. What changes it for good is a step, for [`Coherence::change`].
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Cache) -> T) -> T {
        work(&mut lock(&self.inner).cache)
    }

    pub(crate) fn changes(&self, who: &str, since: u64, limit: usize) -> Changes {
        lock(&self.inner).cache.changes(who, since, limit)
    }

    /// Makes a step of what `work` finds, writes it to the log and lets it happen. Returns what `work` said besides, and
    /// the sealed bytes nobody needs any more.
    ///
    /// # Errors
    /// [`Unkept`] when the log cannot be written. What lets answers go has happened in memory all the same, and must
    /// not be relied on: the call it belongs to is to be refused. An answer that was to be kept is not.
    pub(crate) fn change<T>(
        &self,
        memory: &dyn Remember,
        work: impl FnOnce(&mut Cache) -> (T, Option<Step>),
    ) -> Result<(T, Vec<Gone>), Unkept> {
        let mut inner = lock(&self.inner);
        let (said, step) = work(&mut inner.cache);
        let Some(step) = step else {
            return Ok((said, Vec::new()));
        };
        let evicted = inner.cache.evicted_by(&step);
        let written = inner.write(memory, &step);
        if written.is_err() && step.keeps() {
            return written.map(|()| (said, Vec::new()));
        }
        let gone = inner.cache.apply(&step);
        count(&self.counts.evictions, evicted);
        if let Err(why) = written {
            inner.is_ahead = true;
            return Err(why);
        }
        inner.condense_if_long(memory);
        Ok((said, gone))
    }
}

impl Inner {
    fn write(&mut self, memory: &dyn Remember, step: &Step) -> Result<(), Unkept> {
        if self.is_ahead {
            self.condense(memory)?;
        }
        let record = step.encode();
        match memory.remember(LOG, &record) {
            Err(Unkept::Full(_)) if self.records > 1 => {
                self.condense(memory)?;
                memory.remember(LOG, &record)?;
            }
            other => other?,
        }
        self.records += 1;
        self.bytes += record.len();
        Ok(())
    }

    fn condense(&mut self, memory: &dyn Remember) -> Result<(), Unkept> {
        memory.condense(LOG, &self.cache.image().encode())?;
        (self.records, self.bytes, self.is_ahead) = (1, 0, false);
        Ok(())
    }

    /// A log that grew long and cannot be written shorter is tried again with the next step.
    fn condense_if_long(&mut self, memory: &dyn Remember) {
        if (self.records > RECORDS_MAX || self.bytes > RECORD_BYTES_MAX)
            && let Err(why) = self.condense(memory)
        {
            Notice::of(Event::Internal).say(&format!(
                "the log of kept answers cannot be shortened: {why}"
            ));
        }
    }
}
