//! Every session's ledger of values: in memory while it is used, in a sealed log always.
//!
//! INVARIANT: what a ledger in memory knows beyond its log was never acted upon: a record is in the log before the
//! answer it belongs to leaves, so a ledger can be dropped at any time and read again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use fak_args::{Args, Limits as ArgsLimits};
use fak_chain::digest_bytes;
use fak_flow::{Bounds, Ledger, Rules, Scope};
use fak_kernel::Timestamp;
use fak_telemetry::{Event, Notice};
use fak_types::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    account::lock,
    port::{Remember, Unkept},
};

/// What the names of these logs begin with.
const LOG_PREFIX: &str = "flow\n";

/// Most memory all ledgers take together, in bytes. LIMIT: the ones used longest ago are dropped and read again.
const LIVE_BYTES_MAX: usize = 256 << 20;

/// Memory a ledger takes for each byte of a value it remembers: the value twice, its entry and its place in a table.
const BYTES_PER_VALUE_BYTE: usize = 6;

/// Memory a ledger takes at least.
const LEDGER_BYTES: usize = 2048;

/// Records after which a log is condensed to an image. LIMIT: a restart reads at most this many.
const RECORDS_MAX: usize = 512;

/// Bytes of records after which a log is condensed, unless its image is larger.
const RECORD_BYTES_MAX: usize = 4 << 20;

/// Longest record a log keeps as it is, in bytes; of a longer one it keeps the image of the ledger after it.
const RECORD_BYTES_LONG: usize = 512 << 10;

/// Longest name of a log, in bytes; a longer one is replaced by its digest.
const LOG_NAME_BYTES_MAX: usize = 200;

/// Of the logs of whoever has most, one in so many goes when there is no room for another.
const DROPPED_SHARE: usize = 64;

/// Bounds on arguments read here; the kernel judges their form.
pub(crate) const ARGS: ArgsLimits = ArgsLimits {
    bytes_max: 16 << 20,
    depth_max: 64,
    values_max: 1 << 18,
};

/// One thing that happened to a session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    /// The ledger as it stood.
    Image(Vec<u8>),
    /// Something was read that is not here.
    Closed,
    /// What the user said.
    Words(String),
    /// What the session is held to.
    Scope(Vec<(String, Option<u32>)>),
    /// What a tool answered, in the row of that number; the arguments, when they are known.
    Result {
        tool: String,
        args: Option<String>,
        bytes: Vec<u8>,
        row: u64,
    },
    /// A call that went ahead, and whether a person said yes to it.
    Call {
        tool: String,
        args: String,
        approved: bool,
    },
}

/// A session's ledger and how it stands to its log.
#[derive(Debug)]
pub(crate) struct Held {
    log: String,
    pub(crate) ledger: Ledger,
    /// The rules its values were labelled by.
    rules: Option<Digest>,
    records: usize,
    bytes: usize,
}

type Slot = Arc<Mutex<Option<Held>>>;

#[derive(Debug)]
struct Place {
    slot: Slot,
    bytes: usize,
    tick: u64,
}

#[derive(Debug, Default)]
struct Live {
    places: HashMap<String, Place>,
    bytes: usize,
    tick: u64,
}

/// The ledgers of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Ledgers {
    live: Mutex<Live>,
    /// Some session was told something or has a log: sessions without rules of their own must be looked up.
    any: AtomicBool,
}

/// A session, and the rules its values are labelled by.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) who: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) rules: &'a Rules,
    pub(crate) digest: Digest,
    /// Asked when there is no log: whether the session can have read nothing yet.
    pub(crate) is_new: &'a dyn Fn() -> bool,
}

/// The log of a session.
fn log_name(who: &str, trace: &str) -> String {
    let name = format!("{LOG_PREFIX}{who}\n{trace}");
    if name.len() <= LOG_NAME_BYTES_MAX {
        return name;
    }
    format!("{LOG_PREFIX}{}", digest_bytes(name.as_bytes()))
}

fn is_ours(log: &str) -> bool {
    log.starts_with(LOG_PREFIX)
}

impl Ledgers {
    /// Ledgers as the logs tell.
    pub(crate) fn new(memory: &dyn Remember) -> Self {
        let any = memory.logs().iter().any(|(name, _)| is_ours(name));
        Self {
            any: AtomicBool::new(any),
            ..Self::default()
        }
    }

    /// From now on sessions are looked up whose profile states no rules.
    pub(crate) fn expect_some(&self) {
        self.any.store(true, Ordering::Relaxed);
    }

    /// Whether a session may have a ledger although its profile states no rules.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Works with a session's ledger, which is read from its log first when it is not in memory. Others who want the
    /// same ledger wait.
    pub(crate) fn with<T>(
        &self,
        memory: &dyn Remember,
        of: &Of<'_>,
        work: impl FnOnce(&mut Held) -> T,
    ) -> T {
        let log = log_name(of.who, of.trace);
        let slot = self.slot(&log);
        let mut guard = locked(&slot);
        let held = guard.get_or_insert_with(|| Held::load(memory, &log, of));
        let answer = work(held);
        let bytes = held.memory_bytes();
        drop(guard);
        self.weigh(&log, bytes);
        answer
    }

    /// Works with a session's ledger when it is in memory.
    pub(crate) fn peek(&self, who: &str, trace: &str, work: impl FnOnce(&Held)) {
        let log = log_name(who, trace);
        let slot = lock(&self.live)
            .places
            .get(&log)
            .map(|place| Arc::clone(&place.slot));
        if let Some(slot) = slot
            && let Some(held) = &*locked(&slot)
        {
            work(held);
        }
    }

    /// Puts an empty ledger in a session's place.
    pub(crate) fn reset(
        &self,
        memory: &dyn Remember,
        who: &str,
        trace: &str,
    ) -> Result<(), Unkept> {
        let log = log_name(who, trace);
        let slot = self.slot(&log);
        let mut guard = locked(&slot);
        let empty = Ledger::new(Bounds::default());
        memory.condense(&log, &encoded(&Record::Image(empty.to_bytes()))?)?;
        *guard = None;
        Ok(())
    }

    /// Takes a record into a session's log and ledger. When there is no room for another log, the oldest sessions of
    /// whoever has most are forgotten, which is safe: a ledger that is missing trusts nothing.
    ///
    /// # Errors
    /// As of [`Held::take`].
    pub(crate) fn take(
        &self,
        memory: &dyn Remember,
        (held, of): (&mut Held, &Of<'_>),
        record: &Record,
    ) -> Result<(), Unkept> {
        match held.take(memory, of, record) {
            Err(Unkept::Full(_)) => {
                self.make_room(memory, &held.log);
                held.take(memory, of, record)
            }
            other => other,
        }
    }

    fn make_room(&self, memory: &dyn Remember, but: &str) {
        for log in dispensable(memory.logs(), but) {
            self.drop_idle(memory, &log);
        }
    }

    /// Gives a session what another of the same principal remembers, in the place of what it has.
    pub(crate) fn carry(
        &self,
        memory: &dyn Remember,
        (who, from, to): (&str, &str, &str),
    ) -> Result<(), Unkept> {
        let source = self.slot(&log_name(who, from));
        let _held = locked(&source);
        let records = memory
            .recall(&log_name(who, from))
            .map_err(Unkept::Failed)?;
        let log = log_name(who, to);
        let slot = self.slot(&log);
        let mut guard = locked(&slot);
        *guard = None;
        let mut records = records.iter();
        let Some(first) = records.next() else {
            return Ok(());
        };
        memory.condense(&log, first)?;
        records.try_for_each(|record| memory.remember(&log, record))
    }

    /// Drops a log nobody works with.
    fn drop_idle(&self, memory: &dyn Remember, log: &str) {
        let mut live = lock(&self.live);
        let place = live.places.get(log);
        let idle = place.is_none_or(|place| Arc::strong_count(&place.slot) == 1);
        if idle && memory.drop_log(log).is_ok() {
            let place = live.places.remove(log);
            live.bytes = live
                .bytes
                .saturating_sub(place.map_or(0, |place| place.bytes));
        }
    }

    /// Drops the logs of sessions nobody used since `before`.
    pub(crate) fn sweep(&self, memory: &dyn Remember, before: Timestamp) {
        for (log, last) in memory.logs() {
            if last >= before || !is_ours(&log) {
                continue;
            }
            self.drop_idle(memory, &log);
        }
    }

    fn slot(&self, log: &str) -> Slot {
        let mut live = lock(&self.live);
        live.tick += 1;
        let tick = live.tick;
        if let Some(place) = live.places.get_mut(log) {
            place.tick = tick;
            return Arc::clone(&place.slot);
        }
        let slot = Slot::default();
        let place = Place {
            slot: Arc::clone(&slot),
            bytes: 0,
            tick,
        };
        live.places.insert(log.to_owned(), place);
        slot
    }

    /// Notes how much memory a ledger takes, and drops those used longest ago when all take too much.
    fn weigh(&self, log: &str, bytes: usize) {
        let mut live = lock(&self.live);
        let Some(place) = live.places.get_mut(log) else {
            return;
        };
        let before = std::mem::replace(&mut place.bytes, bytes);
        live.bytes = (live.bytes + bytes).saturating_sub(before);
        if live.bytes <= LIVE_BYTES_MAX {
            return;
        }
        let mut by_age: Vec<_> = live
            .places
            .iter()
            .map(|(log, place)| (place.tick, log.clone()))
            .collect();
        by_age.sort_unstable();
        for (_, log) in by_age {
            if live.bytes <= LIVE_BYTES_MAX / 4 * 3 {
                return;
            }
            // A ledger somebody works with stays.
            let idle = live
                .places
                .get(&log)
                .is_some_and(|place| Arc::strong_count(&place.slot) == 1);
            if idle && let Some(place) = live.places.remove(&log) {
                live.bytes = live.bytes.saturating_sub(place.bytes);
            }
        }
    }
}

fn locked(slot: &Slot) -> MutexGuard<'_, Option<Held>> {
    lock(slot)
}

impl Held {
    /// The ledger a log tells of. One that cannot be read is a ledger that does not know what the session read.
    fn load(memory: &dyn Remember, log: &str, of: &Of<'_>) -> Self {
        let mut held = Self {
            log: log.to_owned(),
            ledger: Ledger::new(Bounds::default()),
            rules: None,
            records: 0,
            bytes: 0,
        };
        let records = match memory.recall(log) {
            Ok(records) => records,
            Err(why) => {
                Notice::of(Event::Internal).say(&format!(
                    "what a session's values came from cannot be read, so none is trusted: {why}"
                ));
                held.ledger.close();
                return held;
            }
        };
        // A session that read something before anybody kept a ledger of it.
        if records.is_empty() && !(of.is_new)() {
            held.ledger.close();
        }
        for bytes in &records {
            match postcard::from_bytes::<Record>(bytes) {
                Ok(record) => held.apply(of.rules, &record),
                Err(_) => held.ledger.close(),
            }
            held.records += 1;
            held.bytes += bytes.len();
            held.rules = Some(of.digest);
        }
        held
    }

    /// Takes a record into the log, then into the ledger.
    ///
    /// # Errors
    /// A sentence. Then the ledger is as it was, and what depends on the record must be refused.
    fn take(&mut self, memory: &dyn Remember, of: &Of<'_>, record: &Record) -> Result<(), Unkept> {
        let relabelled = self.rules.is_some_and(|rules| rules != of.digest);
        let long = self.records >= RECORDS_MAX || self.bytes >= RECORD_BYTES_MAX;
        // Labels made by other rules are kept as they are: records are read by the rules that follow an image.
        if self.records > 0 && (relabelled || long) {
            self.condense(memory)?;
        }
        if self.records == 0 && self.ledger.usage().full {
            self.write(memory, &Record::Closed)?;
        }
        let bytes = encoded(record)?;
        if bytes.len() > RECORD_BYTES_LONG {
            return self.take_long(memory, of, record);
        }
        self.append(memory, &bytes)?;
        self.rules = Some(of.digest);
        self.apply(of.rules, record);
        Ok(())
    }

    /// Takes a record of which the log keeps only what came of it.
    fn take_long(
        &mut self,
        memory: &dyn Remember,
        of: &Of<'_>,
        record: &Record,
    ) -> Result<(), Unkept> {
        let before = self.ledger.clone();
        self.apply(of.rules, record);
        if let Err(why) = self.condense(memory) {
            self.ledger = before;
            return Err(why);
        }
        self.rules = Some(of.digest);
        Ok(())
    }

    fn write(&mut self, memory: &dyn Remember, record: &Record) -> Result<(), Unkept> {
        self.append(memory, &encoded(record)?)
    }

    fn append(&mut self, memory: &dyn Remember, bytes: &[u8]) -> Result<(), Unkept> {
        memory.remember(&self.log, bytes)?;
        self.records += 1;
        self.bytes += bytes.len();
        Ok(())
    }

    fn condense(&mut self, memory: &dyn Remember) -> Result<(), Unkept> {
        let bytes = encoded(&Record::Image(self.ledger.to_bytes()))?;
        memory.condense(&self.log, &bytes)?;
        self.records = 1;
        self.bytes = 0;
        Ok(())
    }

    fn apply(&mut self, rules: &Rules, record: &Record) {
        match record {
            Record::Image(image) => match Ledger::from_bytes(image) {
                Ok(ledger) => self.ledger = ledger,
                Err(_) => self.ledger.close(),
            },
            Record::Closed => self.ledger.close(),
            Record::Words(words) => self.ledger.user_said(words),
            Record::Scope(tools) => {
                let add =
                    |scope: Scope, (tool, most): &(String, Option<u32>)| scope.tool(tool, *most);
                self.ledger.narrow(tools.iter().fold(Scope::new(), add));
            }
            Record::Result {
                tool,
                args,
                bytes,
                row,
            } => {
                let known = args
                    .as_deref()
                    .and_then(|args| Args::parse(args, &ARGS).ok());
                match known {
                    Some(args) => self.ledger.admit(rules, tool, &args, bytes, *row),
                    None => self.ledger.admit_unasked(rules, tool, bytes, *row),
                }
            }
            Record::Call {
                tool,
                args,
                approved,
            } => {
                let Ok(args) = Args::parse(args, &ARGS) else {
                    return;
                };
                if *approved {
                    self.ledger.approve(rules, tool, &args);
                }
                let verdict = self.ledger.check(rules, tool, &args);
                self.ledger.settle(rules, tool, &verdict);
            }
        }
    }

    /// Nothing was ever recorded.
    pub(crate) fn is_blank(&self) -> bool {
        self.records == 0
    }

    fn memory_bytes(&self) -> usize {
        LEDGER_BYTES
            + self
                .ledger
                .usage()
                .bytes
                .saturating_mul(BYTES_PER_VALUE_BYTE)
    }
}

fn encoded(record: &Record) -> Result<Vec<u8>, Unkept> {
    let failed = |_| Unkept::Failed("the record cannot be encoded".to_owned());
    postcard::to_stdvec(record).map_err(failed)
}

/// Whose log it is; nothing for one whose name was too long.
fn owner(log: &str) -> &str {
    let name = log.strip_prefix(LOG_PREFIX).unwrap_or_default();
    name.split_once('\n').map_or("", |(who, _)| who)
}

/// The logs to drop so that another fits: the oldest of whoever has most.
fn dispensable(logs: Vec<(String, Timestamp)>, but: &str) -> Vec<String> {
    let mut by_owner: BTreeMap<String, Vec<(Timestamp, String)>> = BTreeMap::new();
    for (log, last) in logs {
        if is_ours(&log) && log != but {
            by_owner
                .entry(owner(&log).to_owned())
                .or_default()
                .push((last, log));
        }
    }
    let most = by_owner.into_values().max_by_key(Vec::len);
    let mut oldest_first = most.unwrap_or_default();
    oldest_first.sort_unstable();
    let count = (oldest_first.len() / DROPPED_SHARE).max(1);
    oldest_first
        .into_iter()
        .take(count)
        .map(|(_, log)| log)
        .collect()
}
