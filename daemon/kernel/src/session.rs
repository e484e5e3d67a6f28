//! Sessions: what each conversation did so far.

use std::{collections::HashMap, sync::Arc};

use fak_types::{Reason, Taint};
use slab::Slab;

use crate::{
    Timestamp,
    admit::worse,
    recency::{Mark, Recency},
};

/// Most idle sessions one call sweeps. LIMIT: no caller pays for everybody's rubbish.
pub const EXPIRED_PER_CALL_MAX: usize = 64;

/// Whether a session's calls are judged at all.
///
/// Every session is `Running` until somebody steers it; the other words are what steering will set.
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
}

/// What one verdict did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) who: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) admitted: bool,
    pub(crate) reason: Reason,
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
        }
    }

    /// Counts one verdict, opening the session when it is new.
    pub(crate) fn count(&mut self, now: Timestamp, turn: &Turn<'_>) {
        self.expire(now);
        let at = match self.find(turn.who, turn.trace) {
            Some(at) => at,
            None => self.open(now, turn.who, turn.trace),
        };
        if let Some(slot) = self.slots.get_mut(at) {
            let session = &mut slot.session;
            session.calls += 1;
            session.allowed += u64::from(turn.admitted);
            session.denied += u64::from(!turn.admitted);
            session.last = now;
            session.last_reason = turn.reason;
            session.rev += 1;
        }
        self.touch(at);
    }

    /// Notes one result, opening the session when it is new.
    pub(crate) fn read(
        &mut self,
        now: Timestamp,
        who: &str,
        trace: &str,
        taint: Taint,
        sealed: bool,
    ) {
        self.expire(now);
        let at = match self.find(who, trace) {
            Some(at) => at,
            None => self.open(now, who, trace),
        };
        if let Some(slot) = self.slots.get_mut(at) {
            let session = &mut slot.session;
            session.results += u64::from(!sealed);
            session.sealed += u64::from(sealed);
            session.taint = worse(session.taint, taint);
            session.last = now;
            session.rev += 1;
        }
        self.touch(at);
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
        let at = self.open(session.first, &session.principal, &session.trace);
        if let Some(slot) = self.slots.get_mut(at) {
            slot.session = session;
        }
        self.touch(at);
    }

    fn session(&self, at: usize) -> Option<&Session> {
        self.slots.get(at).map(|slot| &slot.session)
    }

    fn find(&self, who: &str, trace: &str) -> Option<usize> {
        self.owners.get(who)?.by_trace.get(trace).copied()
    }

    fn open(&mut self, now: Timestamp, who: &str, trace: &str) -> usize {
        self.make_room(who);
        let name = self
            .owners
            .get_key_value(who)
            .map(|(name, _)| Arc::clone(name));
        let name = name.unwrap_or_else(|| who.into());
        let trace: Arc<str> = trace.into();
        let session = Session {
            trace: Arc::clone(&trace),
            principal: Arc::clone(&name),
            run: RunState::Running,
            calls: 0,
            allowed: 0,
            denied: 0,
            results: 0,
            sealed: 0,
            taint: Taint::Trusted,
            first: now,
            last: now,
            last_reason: Reason::None,
            rev: 0,
        };
        let at = self.slots.insert(Slot { session, tick: 0 });
        self.owners
            .entry(name)
            .or_default()
            .by_trace
            .insert(trace, at);
        at
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

    fn remove(&mut self, at: usize) {
        let Some(slot) = self.slots.try_remove(at) else {
            return;
        };
        let name = &slot.session.principal;
        if let Some(owner) = self.owners.get_mut(name) {
            owner.by_trace.remove(&slot.session.trace);
            if owner.by_trace.is_empty() {
                self.owners.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_700_000_000_000_000;

    fn sessions() -> Sessions {
        Sessions::new(Bounds {
            live_max: 20,
            per_principal_max: 8,
            idle_ms_max: 1000,
        })
    }

    fn admit<'a>(who: &'a str, trace: &'a str) -> Turn<'a> {
        Turn {
            who,
            trace,
            admitted: true,
            reason: Reason::None,
        }
    }

    #[test]
    fn a_trace_belongs_to_who_opened_it() {
        let mut sessions = sessions();
        let refused = Turn {
            admitted: false,
            reason: Reason::PolicyBlock,
            ..admit("uid:2", "t")
        };
        sessions.count(Timestamp(T0), &admit("uid:1", "t"));
        sessions.count(Timestamp(T0 + 5), &admit("uid:1", "t"));
        sessions.count(Timestamp(T0 + 9), &refused);
        let own = sessions.get(Viewer::Own("uid:1"), "t").unwrap();
        assert_eq!((own.calls, own.allowed, own.denied, own.rev), (2, 2, 0, 2));
        assert_eq!((own.first.0, own.last.0), (T0, T0 + 5));
        let other = sessions.get(Viewer::Own("uid:2"), "t").unwrap();
        assert_eq!(
            (other.calls, other.denied, other.last_reason),
            (1, 1, Reason::PolicyBlock)
        );
        assert_eq!(sessions.get(Viewer::Own("uid:3"), "t"), None);
        assert_eq!(&*sessions.get(Viewer::All, "t").unwrap().principal, "uid:2");
        assert_eq!(
            (
                sessions.live(Viewer::All),
                sessions.live(Viewer::Own("uid:1"))
            ),
            (2, 1)
        );
    }

    #[test]
    fn a_flood_displaces_the_flooders_own_sessions() {
        let mut sessions = sessions();
        sessions.count(Timestamp(T0), &admit("uid:1", "quiet"));
        for n in 0..1000 {
            sessions.count(Timestamp(T0), &admit("uid:2", &format!("flood-{n}")));
        }
        assert_eq!(sessions.live(Viewer::Own("uid:2")), 8);
        assert!(sessions.get(Viewer::Own("uid:1"), "quiet").is_some());
        let newest: Vec<_> = sessions
            .newest(Viewer::Own("uid:2"))
            .take(2)
            .map(|s| s.trace.to_string())
            .collect();
        assert_eq!(newest, ["flood-999", "flood-998"]);
        for who in 3..30 {
            for n in 0..8 {
                sessions.count(
                    Timestamp(T0),
                    &admit(&format!("uid:{who}"), &format!("{n}")),
                );
            }
        }
        assert_eq!(sessions.live(Viewer::All), 20);
        assert_eq!(sessions.newest(Viewer::All).count(), 20);
    }

    #[test]
    fn idle_sessions_go() {
        let mut sessions = sessions();
        sessions.count(Timestamp(T0), &admit("uid:1", "old"));
        sessions.count(Timestamp(T0 + 900_000), &admit("uid:1", "new"));
        sessions.count(Timestamp(T0 + 1_500_000), &admit("uid:2", "x"));
        assert!(sessions.get(Viewer::Own("uid:1"), "old").is_none());
        assert!(sessions.get(Viewer::Own("uid:1"), "new").is_some());
        sessions.count(Timestamp(T0 + 99_000_000), &admit("uid:2", "y"));
        assert_eq!(
            sessions.owners.len(),
            1,
            "a principal without sessions costs nothing"
        );
    }

    #[test]
    fn spellings_are_golden() {
        let words: Vec<_> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        assert_eq!(
            words,
            ["running", "throttled", "paused", "draining", "stopped"]
        );
        assert!(
            RunState::ALL
                .iter()
                .all(|&state| RunState::parse(state.as_str()) == Some(state))
        );
        assert_eq!(RunState::parse("RUNNING"), None);
    }
}
