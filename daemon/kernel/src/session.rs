//! Sessions: what each conversation did so far.

mod lost;
mod steering;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use fak_chain::Draft;
use fak_types::{Reason, Taint};
use slab::Slab;

use crate::{
    Timestamp,
    admit::worse,
    recency::{Mark, Recency},
    terms::{Budget, Pace},
};

pub use lost::{LOST_MAX, LOST_PER_PRINCIPAL_MAX};
pub(crate) use lost::{Lost, Owner as LostOwner, Residue};
pub(crate) use steering::{Cost, Reservation};
pub use steering::{RESERVED_MS_MAX, RESERVED_TURNS_MAX, SETTLED_TURNS_MAX, Steering};

/// Most idle sessions one call sweeps. LIMIT: no caller pays for everybody's rubbish.
pub const EXPIRED_PER_CALL_MAX: usize = 64;

/// Whether a session's calls are judged at all.
///
/// Every session is `Running` until somebody steers it or its context is used up. From `Stopped` nothing leads back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Calls are judged.
    Running,
    /// Calls are judged, later.
    Throttled,
    /// Calls are refused until somebody resumes the session.
    Paused,
    /// New calls are refused; what runs may finish.
    Draining,
    /// Calls are refused for good.
    Stopped,
}

impl RunState {
    /// Every word, in order.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Throttled,
        Self::Paused,
        Self::Draining,
        Self::Stopped,
    ];

    /// The wire spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Throttled => "throttled",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// Reads the wire spelling; `None` for a word this build does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// One conversation of one principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its trace id, as the caller or fakd chose it.
    pub trace: Arc<str>,
    /// Whose it is. Another principal's session may have the same trace id and shares nothing with it.
    pub principal: Arc<str>,
    /// Whether its calls are judged.
    pub run: RunState,
    /// Calls that got a verdict.
    pub calls: u64,
    /// Of these, admitted, as they were or transformed.
    pub allowed: u64,
    /// Of these, refused.
    pub denied: u64,
    /// Time of the first call.
    pub first: Timestamp,
    /// Time of the last call.
    pub last: Timestamp,
    /// Results it has read.
    pub results: u64,
    /// Results that were sealed instead.
    pub sealed: u64,
    /// The least trusted thing it has read; `Trusted` while it has read nothing.
    pub taint: Taint,
    /// Reason of the last call's verdict.
    pub last_reason: Reason,
    /// Grows by one with every change.
    pub rev: u64,
    /// The profile that judged when it was opened.
    pub profile: Arc<str>,
    /// What it may still spend and how it is steered; `None`: unbounded, and nobody steered it.
    pub steering: Option<Box<Steering>>,
}

/// Whose sessions somebody may see.
#[derive(Clone, Copy, Debug)]
pub enum Viewer<'a> {
    /// The sessions of the principal with this name.
    Own(&'a str),
    /// Every session.
    All,
}

/// How many sessions are remembered, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) live_max: usize,
    pub(crate) per_principal_max: usize,
    pub(crate) idle_ms_max: u64,
}

#[derive(Debug)]
struct Slot {
    session: Session,
    tick: u64,
}

#[derive(Debug, Default)]
struct Owner {
    by_trace: HashMap<Arc<str>, usize>,
    recency: Recency,
}

/// Every live session.
///
/// INVARIANT: at most `live_max` sessions, at most `per_principal_max` of one principal; a new one displaces the
/// principal's own least recent first, so a flood of trace ids displaces the flooder's sessions. Sessions are memory of
/// what happened, not what is left to spend: displacing one gives no quota back.
#[derive(Debug)]
pub(crate) struct Sessions {
    bounds: Bounds,
    slots: Slab<Slot>,
    owners: HashMap<Arc<str>, Owner>,
    recency: Recency,
    tick: u64,
    pub(crate) lost: Lost,
    /// What each profile in force gives a new session; none for a profile that gives no bounds.
    pub(crate) terms: BTreeMap<Arc<str>, (Budget, Pace)>,
    /// How many live sessions have a [`Steering`].
    steered: usize,
    /// The name of the profile that opened the last session: most sessions share it.
    profile: Arc<str>,
}

/// What one verdict did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) who: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) admitted: bool,
    pub(crate) reason: Reason,
    pub(crate) profile: &'a str,
}

/// Which session a row is about, and by which profile it is opened should it be new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) who: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) profile: &'a str,
}

impl<'a> Name<'a> {
    pub(crate) fn of(draft: &'a Draft) -> Self {
        Self {
            who: &draft.who,
            trace: &draft.trace,
            profile: &draft.profile,
        }
    }
}

/// A session as its gate sees it, live or forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gated<'a> {
    pub(crate) run: RunState,
    pub(crate) steering: &'a Steering,
}

fn fresh(slots: &Slab<Slot>) -> impl Fn(Mark) -> bool + '_ {
    |mark| {
        slots
            .get(mark.slot)
            .is_some_and(|slot| slot.tick == mark.tick)
    }
}

impl Sessions {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (slots, owners) = (Slab::new(), HashMap::new());
        Self {
            bounds,
            slots,
            owners,
            recency: Recency::default(),
            tick: 0,
            lost: Lost::default(),
            terms: BTreeMap::new(),
            steered: 0,
            profile: Arc::default(),
        }
    }

    /// Counts one verdict, opening the session when it is new.
    pub(crate) fn count(&mut self, now: Timestamp, turn: &Turn<'_>) {
        self.expire(now);
        let at = match self.find(turn.who, turn.trace) {
            Some(at) => at,
            None => self.open(now, turn.who, turn.trace, turn.profile),
        };
        if let Some(slot) = self.slots.get_mut(at) {
            let session = &mut slot.session;
            session.calls += 1;
            session.allowed += u64::from(turn.admitted);
            session.denied += u64::from(!turn.admitted);
            session.last = now;
            session.last_reason = turn.reason;
            session.rev += 1;
            if let (true, Some(steering)) = (turn.admitted, &mut session.steering) {
                steering.called = now;
            }
        }
        self.touch(at);
    }

    /// Notes one result, opening the session when it is new.
    pub(crate) fn read(&mut self, now: Timestamp, name: Name<'_>, taint: Taint, sealed: bool) {
        self.change(now, name, |session| {
            session.results += u64::from(!sealed);
            session.sealed += u64::from(sealed);
            session.taint = worse(session.taint, taint);
            session.last = now;
        });
    }

    /// Changes one session, opening it when it is new.
    pub(crate) fn change(
        &mut self,
        now: Timestamp,
        name: Name<'_>,
        change: impl FnOnce(&mut Session),
    ) {
        self.expire(now);
        let at = match self.find(name.who, name.trace) {
            Some(at) => at,
            None => self.open(now, name.who, name.trace, name.profile),
        };
        if let Some(slot) = self.slots.get_mut(at) {
            let session = &mut slot.session;
            self.steered -= usize::from(session.steering.is_some());
            change(session);
            session.rev += 1;
            self.steered += usize::from(session.steering.is_some());
        }
        self.touch(at);
    }

    /// A session as its gate sees it; `None` for one that nothing stands against. Costs nothing while nobody is
    /// steered and no profile gives budgets.
    pub(crate) fn gated(&self, who: &str, trace: &str) -> Option<Gated<'_>> {
        if self.steered == 0 && self.lost.steered() == 0 {
            return None;
        }
        let (run, steering) = match self.find(who, trace).and_then(|at| self.session(at)) {
            Some(session) => (session.run, session.steering.as_deref()),
            None => {
                let residue = self.lost.get(who, trace)?;
                (residue.run, residue.steering.as_deref())
            }
        };
        steering.map(|steering| Gated { run, steering })
    }

    /// Whether there is a session of this name, live or not wholly forgotten.
    pub(crate) fn is_known(&self, who: &str, trace: &str) -> bool {
        self.find(who, trace).is_some() || self.lost.get(who, trace).is_some()
    }

    /// Whose sessions of this name are live.
    pub(crate) fn owners_of(&self, trace: &str) -> Vec<&Session> {
        let places = self
            .owners
            .values()
            .filter_map(|owner| owner.by_trace.get(trace));
        places.filter_map(|at| self.session(*at)).collect()
    }

    /// What a new session of this profile is given.
    pub(crate) fn given(&self, profile: &str) -> Option<Box<Steering>> {
        let (budget, pace) = self.terms.get(profile)?;
        Some(Box::new(Steering::given(*budget, *pace)))
    }

    /// Puts a session back as it was, or away when it was not there.
    pub(crate) fn put_back(&mut self, who: &str, trace: &str, before: Option<Session>) {
        let Some(at) = self.find(who, trace) else {
            return;
        };
        let Some(before) = before else {
            self.take_out(at);
            return;
        };
        if let Some(slot) = self.slots.get_mut(at) {
            self.steered -= usize::from(slot.session.steering.is_some());
            self.steered += usize::from(before.steering.is_some());
            let rev = slot.session.rev + 1;
            slot.session = Session { rev, ..before };
        }
    }

    /// Undoes one count.
    pub(crate) fn give_back(&mut self, turn: &Turn<'_>) {
        let at = self.find(turn.who, turn.trace);
        if let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) {
            let session = &mut slot.session;
            session.calls = session.calls.saturating_sub(1);
            session.allowed = session.allowed.saturating_sub(u64::from(turn.admitted));
            session.denied = session.denied.saturating_sub(u64::from(!turn.admitted));
            session.rev += 1;
        }
    }

    pub(crate) fn get(&self, viewer: Viewer<'_>, trace: &str) -> Option<&Session> {
        match viewer {
            Viewer::Own(who) => self.session(self.find(who, trace)?),
            Viewer::All => self.newest(viewer).find(|session| &*session.trace == trace),
        }
    }

    /// The viewer's sessions, last used first.
    pub(crate) fn newest(&self, viewer: Viewer<'_>) -> impl Iterator<Item = &Session> {
        let recency = match viewer {
            Viewer::All => Some(&self.recency),
            Viewer::Own(who) => self.owners.get(who).map(|owner| &owner.recency),
        };
        recency
            .into_iter()
            .flat_map(|recency| recency.newest_first(fresh(&self.slots)))
            .filter_map(|at| self.session(at))
    }

    pub(crate) fn live(&self, viewer: Viewer<'_>) -> usize {
        match viewer {
            Viewer::All => self.slots.len(),
            Viewer::Own(who) => self.owners.get(who).map_or(0, |owner| owner.by_trace.len()),
        }
    }

    /// Puts back a session that was live, as the most recent.
    pub(crate) fn restore(&mut self, session: Session) {
        let at = self.open(
            session.first,
            &session.principal,
            &session.trace,
            &session.profile,
        );
        if let Some(slot) = self.slots.get_mut(at) {
            self.steered -= usize::from(slot.session.steering.is_some());
            self.steered += usize::from(session.steering.is_some());
            let profile = Arc::clone(&slot.session.profile);
            slot.session = Session { profile, ..session };
        }
        self.touch(at);
    }

    fn session(&self, at: usize) -> Option<&Session> {
        self.slots.get(at).map(|slot| &slot.session)
    }

    fn find(&self, who: &str, trace: &str) -> Option<usize> {
        self.owners.get(who)?.by_trace.get(trace).copied()
    }

    fn open(&mut self, now: Timestamp, who: &str, trace: &str, profile: &str) -> usize {
        self.make_room(who);
        let residue = match self.lost.take(who, trace) {
            Some(residue) => residue,
            None => self.unknown(who, profile),
        };
        self.steered += usize::from(residue.steering.is_some());
        let name = self
            .owners
            .get_key_value(who)
            .map(|(name, _)| Arc::clone(name));
        let name = name.unwrap_or_else(|| who.into());
        let trace: Arc<str> = trace.into();
        let session = Session {
            trace: Arc::clone(&trace),
            principal: Arc::clone(&name),
            run: residue.run,
            calls: 0,
            allowed: 0,
            denied: 0,
            results: 0,
            sealed: 0,
            taint: residue.taint,
            first: now,
            last: now,
            last_reason: Reason::None,
            rev: residue.rev,
            profile: residue.profile,
            steering: residue.steering,
        };
        let at = self.slots.insert(Slot { session, tick: 0 });
        self.owners
            .entry(name)
            .or_default()
            .by_trace
            .insert(trace, at);
        at
    }

    /// What a session nobody knows begins as.
    fn unknown(&mut self, who: &str, profile: &str) -> Residue {
        if *self.profile != *profile {
            self.profile = profile.into();
        }
        Residue {
            taint: self.lost.unknown(who),
            run: RunState::Running,
            rev: 0,
            profile: Arc::clone(&self.profile),
            steering: self.given(profile),
        }
    }

    fn touch(&mut self, at: usize) {
        self.tick += 1;
        let mark = Mark {
            tick: self.tick,
            slot: at,
        };
        let Some(slot) = self.slots.get_mut(at) else {
            return;
        };
        slot.tick = mark.tick;
        let name = Arc::clone(&slot.session.principal);
        self.recency
            .touch(mark, self.slots.len(), fresh(&self.slots));
        if let Some(owner) = self.owners.get_mut(&name) {
            owner
                .recency
                .touch(mark, owner.by_trace.len(), fresh(&self.slots));
        }
    }

    fn make_room(&mut self, who: &str) {
        let full = self.slots.len() >= self.bounds.live_max;
        let displaced = match self.owners.get_mut(who) {
            Some(own) if full || own.by_trace.len() >= self.bounds.per_principal_max => {
                own.recency.oldest(fresh(&self.slots))
            }
            None if full => self.recency.oldest(fresh(&self.slots)),
            _ => None,
        };
        if let Some(at) = displaced {
            self.remove(at);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        for _ in 0..EXPIRED_PER_CALL_MAX {
            let Some(at) = self.recency.oldest(fresh(&self.slots)) else {
                return;
            };
            let idle_ms = self
                .session(at)
                .map_or(0, |session| now.0.saturating_sub(session.last.0) / 1000);
            if idle_ms <= self.bounds.idle_ms_max {
                return;
            }
            self.remove(at);
        }
    }

    /// Forgets a session, but for what must not be forgotten of it.
    fn remove(&mut self, at: usize) {
        if let Some(session) = self.take_out(at) {
            self.lost.keep(session);
        }
    }

    fn take_out(&mut self, at: usize) -> Option<Session> {
        let Slot { session, .. } = self.slots.try_remove(at)?;
        self.steered -= usize::from(session.steering.is_some());
        let name = &session.principal;
        if let Some(owner) = self.owners.get_mut(name) {
            owner.by_trace.remove(&session.trace);
            if owner.by_trace.is_empty() {
                self.owners.remove(name);
            }
        }
        Some(session)
    }
}

#[cfg(test)]
mod tests;
