//! The machine: what is kept, what is read or changed just now, and what is used.

use std::collections::{BTreeMap, HashMap};

use fak_types::{Digest, Outcome};

use crate::{
    call::{Effect, Read},
    feed::{Changes, Feed},
    kept::{Change, Entry, Gone, Limits, State, Step, Taken, WitnessId, witness_id},
    key::{Key, Uncacheable},
    negative::is_negative,
    resource::Resources,
};

/// Calls of one principal that were let run and whose answers are awaited. LIMIT: the oldest is forgotten, and its
/// answer is not kept.
pub const READS_MAX: usize = 256;

/// How long the answer of a call is awaited. LIMIT: a later one is not kept.
pub const READ_US: u64 = 10 * 60 * 1_000_000;

/// Calls of one principal that change something and whose end is awaited. LIMIT: with more of them nothing of this
/// principal is kept for [`FLIGHT_US`].
pub const FLIGHTS_MAX: usize = 64;

/// How long the end of a call that changes something is awaited; until then nothing it may change is kept. LIMIT: a
/// later end is a change of its own.
pub const FLIGHT_US: u64 = 10 * 60 * 1_000_000;

/// Principals that have a call under way. LIMIT: with more of them the answers of the others are not kept, and when one
/// of the others changes something nothing is kept of anybody for [`FLIGHT_US`].
pub const PRINCIPALS_MAX: usize = 1024;

/// After so many uses the idle principals are looked for.
const SWEEP_EVERY: u64 = 256;

/// By what an answer is found to belong to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The journal's row of its verdict; 0 when it is not known.
    pub row: u64,
    /// Its session.
    pub trace: String,
    /// The caller's own id for it, or nothing.
    pub id: String,
}

impl Call {
    /// Whether `asked` names this call: by row, or without one by a session's id.
    fn is(&self, asked: &Self) -> bool {
        if asked.row != 0 && self.row != 0 {
            return asked.row == self.row && asked.trace == self.trace;
        }
        !asked.id.is_empty() && asked.id == self.id && asked.trace == self.trace
    }
}

/// What a call was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The tool that says so.
    pub tool: &'a str,
    /// The bytes as they came, which are the bytes that were shown.
    pub body: &'a [u8],
    /// Their digest.
    pub digest: Digest,
    /// Under which name they are sealed.
    pub seal: &'a str,
    /// The row of their admission.
    pub row: u64,
    /// Whether they may be trusted.
    pub is_trusted: bool,
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// No call of this kind is awaited; it was forgotten, answered before, or what it read has changed since.
    NotAwaited,
    /// It is empty, or says that it failed.
    Negative,
    /// It is too long.
    TooLong,
    /// Its witness was revoked, or nobody knows whether it was.
    Revoked,
    /// A call that changes what it read has not ended.
    Changing,
    /// The call did not go well.
    Outcome,
}

#[derive(Debug)]
struct Reading {
    call: Call,
    key: Key,
    tool: String,
    namespace: String,
    resources: Resources,
    witness: Option<WitnessId>,
    ttl_us: u64,
    since_us: u64,
}

#[derive(Debug)]
struct Flight {
    call: Call,
    tool: String,
    effect: Effect,
    until_us: u64,
}

/// What one principal is about. None of it outlives the process.
#[derive(Debug, Default)]
struct Pending {
    reads: BTreeMap<u64, Reading>,
    flights: BTreeMap<u64, Flight>,
    /// Nothing is kept before this time.
    closed_until_us: u64,
}

impl Pending {
    fn is_idle(&self, now_us: u64) -> bool {
        self.reads.is_empty() && self.flights.is_empty() && self.closed_until_us <= now_us
    }

    /// Forgets what was awaited too long. A time from the future is too long ago as well.
    fn expire(&mut self, now_us: u64) {
        self.reads
            .retain(|_, read| now_us >= read.since_us && now_us - read.since_us < READ_US);
        while let Some(entry) = self.flights.first_entry()
            && entry.get().until_us <= now_us
        {
            let flight = entry.remove();
            // It has ended by now, and nobody said when.
            self.touch(&flight.effect);
        }
    }

    /// Awaits no answer that read what has changed.
    fn touch(&mut self, effect: &Effect) {
        self.reads
            .retain(|_, read| !effect.touches(&read.namespace, &read.resources));
    }
}

/// The cache of all principals.
#[derive(Debug, Default)]
pub struct Cache {
    limits: Limits,
    state: State,
    pending: BTreeMap<String, Pending>,
    /// When each answer was used last, by a count of uses.
    used: HashMap<Key, u64>,
    /// Nothing is kept before this time, of nobody.
    closed_until_us: u64,
    /// Numbers for uses and pending calls.
    count: u64,
}

/// A call that is under way, for [`Cache::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// A cache that does not know what was before: which witnesses were revoked, what its feed has told. Nothing is
    /// kept under a witness any more, and whoever asks for changes is told of a gap. `epoch` is higher than any cursor
    /// that was ever given, such as the time.
    #[must_use]
    pub fn lost(limits: Limits, epoch: u64) -> Self {
        let mut cache = Self::new(limits);
        cache.state.is_overrun = true;
        cache.state.feed = Feed::after(epoch);
        cache
    }

    /// Whether anything of a principal is kept or awaited, so that what it changes matters.
    #[must_use]
    pub fn concerns(&self, who: &str) -> bool {
        self.state.taken(who).entries > 0
            || (self.pending.get(who)).is_some_and(|pending| !pending.reads.is_empty())
    }

    /// The key of a call, or why it has none.
    ///
    /// # Errors
    /// [`Uncacheable`].
    pub fn key(&self, read: &Read<'_>) -> Result<Key, Uncacheable> {
        Key::of(read)
    }

    /// The answer of a call, if one is kept that is still true.
    pub fn look(&mut self, key: &Key, now_us: u64) -> Option<&Entry> {
        let entry = self.state.entries.get(key)?;
        if !entry.is_fresh(now_us) || self.state.is_refused(entry.witness.as_ref()) {
            return None;
        }
        self.count += 1;
        self.used.insert(*key, self.count);
        Some(entry)
    }

    /// A call that reads is let run: its answer may be kept when it comes. Called before the call can run.
    pub fn read_begins(&mut self, key: Key, read: &Read<'_>, call: &Call, now_us: u64) -> Ticket {
        let number = self.number();
        let Some(pending) = self.pending_of(read.who, now_us) else {
            return Ticket(number);
        };
        pending.reads.insert(
            number,
            Reading {
                call: call.clone(),
                key,
                tool: read.tool.to_owned(),
                namespace: read.namespace.to_owned(),
                resources: read.resources.clone(),
                witness: (!read.witness.is_empty()).then(|| witness_id(read.witness)),
                ttl_us: read.ttl_us,
                since_us: now_us,
            },
        );
        if pending.reads.len() > READS_MAX {
            pending.reads.pop_first();
        }
        Ticket(number)
    }

    /// A call that changes something is let run. What it changes is stale from now on; call it before the call can run.
    ///
    /// The step is to be written and applied before the caller is told that the call may run; there is none when
    /// nothing kept is touched and nobody said what the call changes.
    pub fn write_begins(
        &mut self,
        who: &str,
        tool: &str,
        effect: &Effect,
        call: &Call,
        now_us: u64,
    ) -> (Ticket, Option<Step>) {
        let step = self.changed(who, tool, effect, now_us);
        let number = self.number();
        let until_us = now_us.saturating_add(FLIGHT_US);
        let Some(pending) = self.pending_of(who, now_us) else {
            self.closed_until_us = until_us;
            return (Ticket(number), step);
        };
        if pending.flights.len() >= FLIGHTS_MAX {
            pending.flights.pop_first();
            pending.closed_until_us = until_us;
        }
        pending.flights.insert(
            number,
            Flight {
                call: call.clone(),
                tool: tool.to_owned(),
                effect: effect.clone(),
                until_us,
            },
        );
        (Ticket(number), step)
    }

    /// The row of a call's verdict, which is known after the call was announced here.
    pub fn name(&mut self, who: &str, ticket: Ticket, row: u64) {
        if let Some(pending) = self.pending.get_mut(who) {
            let read = pending.reads.get_mut(&ticket.0).map(|read| &mut read.call);
            let flight = pending.flights.get_mut(&ticket.0);
            if let Some(call) = read.or_else(|| flight.map(|flight| &mut flight.call)) {
                call.row = row;
            }
        }
    }

    /// The call of a ticket does not run after all. What it would have changed stays stale.
    pub fn cancel(&mut self, who: &str, ticket: Ticket) {
        if let Some(pending) = self.pending.get_mut(who) {
            pending.reads.remove(&ticket.0);
            pending.flights.remove(&ticket.0);
        }
    }

    /// A call that changes something has ended, well or not. Its effect is what was announced, else `effect`.
    pub fn write_ends(
        &mut self,
        who: &str,
        tool: &str,
        effect: &Effect,
        call: &Call,
        now_us: u64,
    ) -> Option<Step> {
        let flight = self.pending_of(who, now_us).and_then(|pending| {
            let mut flights = pending.flights.iter();
            let (number, _) =
                flights.find(|(_, flight)| flight.tool == tool && flight.call.is(call))?;
            let number = *number;
            pending.flights.remove(&number)
        });
        let effect = flight.map_or_else(|| effect.clone(), |flight| flight.effect);
        self.changed(who, tool, &effect, now_us)
    }

    /// What a call changed is stale: nothing that was read of it meanwhile is kept.
    fn changed(&mut self, who: &str, tool: &str, effect: &Effect, now_us: u64) -> Option<Step> {
        if let Some(pending) = self.pending_of(who, now_us) {
            pending.touch(effect);
        }
        let step = Step(Change::Mutated {
            who: who.to_owned(),
            tool: tool.to_owned(),
            effect: effect.clone(),
        });
        // What nobody declared is told only when it made something stale, or every call would be.
        let is_told = *effect != Effect::Unknown
            || self.state.entries.values().any(|entry| step.touches(entry));
        is_told.then_some(step)
    }

    /// Whether the answer of this call is awaited, which is to be known before its bytes are sealed.
    ///
    /// # Errors
    /// Why it would not be kept.
    pub fn is_awaited(
        &mut self,
        who: &str,
        call: &Call,
        answer: &Answer<'_>,
        outcome: Outcome,
        now_us: u64,
    ) -> Result<(), NotKept> {
        self.awaited(who, call, answer, outcome, now_us).map(|_| ())
    }

    fn awaited(
        &mut self,
        who: &str,
        call: &Call,
        answer: &Answer<'_>,
        outcome: Outcome,
        now_us: u64,
    ) -> Result<u64, NotKept> {
        if outcome != Outcome::Ok {
            return Err(NotKept::Outcome);
        }
        self.pending_of(who, now_us);
        let pending = self.pending.get(who).ok_or(NotKept::NotAwaited)?;
        let (number, read) = (pending.reads.iter())
            .find(|(_, read)| read.tool == answer.tool && read.call.is(call))
            .ok_or(NotKept::NotAwaited)?;
        // What was read while nobody knew what was changing is not kept later either.
        let closed_until_us = pending.closed_until_us.max(self.closed_until_us);
        let is_changing = read.since_us < closed_until_us
            || (pending.flights.values())
                .any(|flight| flight.effect.touches(&read.namespace, &read.resources));
        let limits = &self.limits;
        let most = limits.answer_bytes_max.min(limits.bytes_max);
        if self.state.is_refused(read.witness.as_ref()) {
            Err(NotKept::Revoked)
        } else if is_changing {
            Err(NotKept::Changing)
        } else if answer.body.len() as u64 > most.min(limits.bytes_of_one_max) {
            Err(NotKept::TooLong)
        } else if is_negative(answer.body) {
            Err(NotKept::Negative)
        } else {
            Ok(*number)
        }
    }

    /// The answer of an awaited call. Its bytes are sealed already; the step is to be written and applied.
    ///
    /// A call is answered once: whatever comes of this, it is awaited no more.
    ///
    /// # Errors
    /// [`NotKept`].
    pub fn answered(
        &mut self,
        who: &str,
        call: &Call,
        answer: &Answer<'_>,
        outcome: Outcome,
        now_us: u64,
    ) -> Result<Step, NotKept> {
        let found = self.awaited(who, call, answer, outcome, now_us);
        let pending = self.pending.get_mut(who);
        let number = match found {
            Ok(number) => number,
            Err(refused) => {
                if let Some(pending) = pending {
                    pending.reads.retain(|_, read| !read.call.is(call));
                }
                return Err(refused);
            }
        };
        let read = pending
            .and_then(|pending| pending.reads.remove(&number))
            .ok_or(NotKept::NotAwaited)?;
        let entry = Entry {
            who: who.to_owned(),
            tool: answer.tool.to_owned(),
            seal: answer.seal.to_owned(),
            digest: answer.digest.0,
            len: answer.body.len() as u64,
            row: answer.row,
            is_trusted: answer.is_trusted,
            at_us: now_us,
            until_us: now_us.saturating_add(read.ttl_us),
            namespace: read.namespace,
            resources: read.resources,
            witness: read.witness,
        };
        let gone = self.room_for(&read.key, &entry, now_us);
        Ok(Step(Change::Kept {
            key: read.key,
            entry,
            gone,
        }))
    }

    /// What must go before an answer can come: what is stale by its time, then the principal's own that was used
    /// longest ago, then anybody's.
    fn room_for(&self, key: &Key, new: &Entry, now_us: u64) -> Vec<Key> {
        let limits = &self.limits;
        let (mut own, mut all) = (self.state.taken(&new.who), self.state.all);
        let mut gone: Vec<Key> = Vec::new();
        let mut leave = |key: Key, entry: &Entry, own: &mut Taken, all: &mut Taken| {
            gone.push(key);
            for taken in std::iter::once(all).chain((entry.who == new.who).then_some(own)) {
                taken.entries = taken.entries.saturating_sub(1);
                taken.bytes = taken.bytes.saturating_sub(entry.len);
            }
        };
        let mut rest: Vec<(u64, Key, &Entry)> = Vec::new();
        for (other, entry) in &self.state.entries {
            if other == key || entry.until_us <= now_us {
                leave(*other, entry, &mut own, &mut all);
            } else {
                rest.push((
                    self.used.get(other).copied().unwrap_or_default(),
                    *other,
                    entry,
                ));
            }
        }
        rest.sort_unstable_by_key(|(used, other, entry)| (*used, entry.at_us, *other));
        let fits = |taken: &Taken, entries: usize, bytes: u64| {
            taken.entries < entries && taken.bytes.saturating_add(new.len) <= bytes
        };
        for own_only in [true, false] {
            rest.retain(|(_, other, entry)| {
                let is_full = if own_only {
                    entry.who == new.who
                        && !fits(&own, limits.entries_of_one_max, limits.bytes_of_one_max)
                } else {
                    !fits(&all, limits.entries_max, limits.bytes_max)
                };
                if is_full {
                    leave(*other, entry, &mut own, &mut all);
                }
                !is_full
            });
        }
        gone
    }

    /// A witness is believed no more: what was kept under it goes, and nothing is kept under it again.
    pub fn revoke(&mut self, witness: &str) -> Step {
        let id = Some(witness_id(witness));
        for pending in self.pending.values_mut() {
            pending.reads.retain(|_, read| read.witness != id);
        }
        Step(Change::Revoked {
            witness: witness.to_owned(),
        })
    }

    /// Lets go of answers with these bytes, whoever has them; none when there are none.
    pub fn forget_bytes(&mut self, digest: &Digest) -> Option<Step> {
        self.drop_where(|entry| entry.digest == digest.0)
    }

    /// Lets go of answers whose bytes are gone.
    pub fn forget_seal(&mut self, seal: &str) -> Option<Step> {
        self.drop_where(|entry| entry.seal == seal)
    }

    fn drop_where(&self, is_gone: impl Fn(&Entry) -> bool) -> Option<Step> {
        let gone: Vec<Key> = (self.state.entries.iter())
            .filter(|(_, entry)| is_gone(entry))
            .map(|(key, _)| *key)
            .collect();
        (!gone.is_empty()).then_some(Step(Change::Dropped { gone }))
    }

    /// Lets a step happen. Returns the sealed bytes that no answer of their principal needs any more.
    pub fn apply(&mut self, step: &Step) -> Vec<Gone> {
        let gone = self.state.apply(step, &self.limits);
        let entries = &self.state.entries;
        if self.used.len() > entries.len() {
            self.used.retain(|key, _| entries.contains_key(key));
        }
        if let Change::Kept { key, .. } = &step.0 {
            self.count += 1;
            self.used.insert(*key, self.count);
        }
        gone
    }

    /// All there is as one step, in the place of all steps before.
    #[must_use]
    pub fn image(&self) -> Step {
        Step(Change::Image(Box::new(self.state.clone())))
    }

    /// What happened since a cursor, to this principal's resources and to all witnesses; at most `limit` events.
    #[must_use]
    pub fn changes(&self, who: &str, since: u64, limit: usize) -> Changes {
        self.state.feed.since(who, since, limit)
    }

    /// How many answers a step lets go.
    #[must_use]
    pub fn evicted_by(&self, step: &Step) -> u64 {
        match &step.0 {
            Change::Kept { gone, .. } | Change::Dropped { gone } => gone.len() as u64,
            _ => self.state.touched(step).len() as u64,
        }
    }

    /// The clocks: of the world's state, and of trust.
    #[must_use]
    pub const fn clocks(&self) -> (u64, u64) {
        (self.state.world, self.state.trust)
    }

    /// How many answers are kept, and their bytes.
    #[must_use]
    pub const fn taken(&self) -> (usize, u64) {
        (self.state.all.entries, self.state.all.bytes)
    }

    /// Whether an answer of this principal lies under this seal.
    #[must_use]
    pub fn needs(&self, who: &str, seal: &str) -> bool {
        let mut entries = self.state.entries.values();
        entries.any(|entry| entry.who == who && entry.seal == seal)
    }

    /// Every seal that is needed, with whose it is.
    #[must_use]
    pub fn seals(&self) -> Vec<Gone> {
        let seal = |entry: &Entry| Gone {
            who: entry.who.clone(),
            seal: entry.seal.clone(),
        };
        let mut seals: Vec<_> = self.state.entries.values().map(seal).collect();
        seals.sort_unstable();
        seals.dedup();
        seals
    }

    const fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// What a principal is about; nothing when too many others are about something.
    fn pending_of(&mut self, who: &str, now_us: u64) -> Option<&mut Pending> {
        self.count += 1;
        let is_new = !self.pending.contains_key(who);
        if self.count.is_multiple_of(SWEEP_EVERY) || is_new && self.pending.len() >= PRINCIPALS_MAX
        {
            self.pending.retain(|_, pending| {
                pending.expire(now_us);
                !pending.is_idle(now_us)
            });
        }
        if is_new && self.pending.len() >= PRINCIPALS_MAX {
            return None;
        }
        let pending = self.pending.entry(who.to_owned()).or_default();
        pending.expire(now_us);
        Some(pending)
    }
}
