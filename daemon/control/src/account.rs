//! Who holds how much of fakd: accounts per user, claims that give back what they took.
//!
//! Every connection, every call being answered and every open stream is charged to the user the kernel
//! named. A claim that does not fit is refused at once: nothing queues on behalf of a peer that is over
//! its bounds, so one user cannot take another's share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::sparing::Sparing;

/// Bounds on what peers may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections of one user.
    pub connections_per_uid: usize,
    /// Open connections altogether.
    pub connections: usize,
    /// Calls of one user being answered.
    pub in_flight_per_uid: usize,
    /// Open streams of one user.
    pub streams_per_uid: usize,
    /// Longest message, in bytes.
    pub frame_bytes: usize,
}

/// Connections over a user's bound that are kept open just long enough to be told so. LIMIT: beyond
/// these a connection is closed without a word.
const EXCESS_CONNECTIONS: usize = 8;

/// Locks a mutex of plain counters, which stay sound whatever panicked while holding it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All accounts.
#[derive(Debug)]
pub(crate) struct Accounts {
    limits: Limits,
    open: Arc<AtomicUsize>,
    /// Calls and streams of all users together.
    busy: Arc<AtomicUsize>,
    by_uid: Mutex<HashMap<u32, Weak<Account>>>,
}

/// One user's account; lives as long as one of its connections.
#[derive(Debug)]
pub(crate) struct Account {
    limits: Limits,
    busy: Arc<AtomicUsize>,
    connections: AtomicUsize,
    calls: AtomicUsize,
    streams: AtomicUsize,
    refusals: Sparing,
}

/// What a claim is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charge {
    Call,
    Stream,
}

/// Something held by a peer; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Claim {
    account: Arc<Account>,
    charge: Charge,
}

/// A connection held by a peer.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) account: Arc<Account>,
    /// The user is over its bound: the connection stays only to be told so.
    pub(crate) excess: bool,
    open: Arc<AtomicUsize>,
}

impl Accounts {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Arc::default(),
            busy: Arc::default(),
            by_uid: Mutex::default(),
        }
    }

    /// Takes a connection for `uid`; `None` when it must be closed without a word.
    pub(crate) fn seat(&self, uid: u32) -> Option<Seat> {
        if !take(&self.open, self.limits.connections) {
            return None;
        }
        let account = self.account(uid);
        let held = account.connections.fetch_add(1, Ordering::Relaxed);
        // From here on dropping the seat gives both back.
        let excess = held >= self.limits.connections_per_uid;
        let seat = Seat {
            account,
            excess,
            open: Arc::clone(&self.open),
        };
        (held < self.limits.connections_per_uid + EXCESS_CONNECTIONS).then_some(seat)
    }

    /// How many calls and streams are open altogether.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    fn account(&self, uid: u32) -> Arc<Account> {
        let mut by_uid = lock(&self.by_uid);
        if let Some(account) = by_uid.get(&uid).and_then(Weak::upgrade) {
            return account;
        }
        // Users come and go; the table keeps only those that are here.
        by_uid.retain(|_, account| account.strong_count() > 0);
        let account = Arc::new(Account::new(self.limits, Arc::clone(&self.busy)));
        by_uid.insert(uid, Arc::downgrade(&account));
        account
    }
}

impl Account {
    fn new(limits: Limits, busy: Arc<AtomicUsize>) -> Self {
        Self {
            limits,
            busy,
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            refusals: Sparing::new(),
        }
    }

    /// Takes room for a call or a stream; `Err` with the bound when there is none.
    pub(crate) fn claim(self: &Arc<Self>, charge: Charge) -> Result<Claim, usize> {
        let (counter, bound) = self.counter(charge);
        if !take(counter, bound) {
            return Err(bound);
        }
        self.busy.fetch_add(1, Ordering::Relaxed);
        Ok(Claim {
            account: Arc::clone(self),
            charge,
        })
    }

    fn counter(&self, charge: Charge) -> (&AtomicUsize, usize) {
        match charge {
            Charge::Call => (&self.calls, self.limits.in_flight_per_uid),
            Charge::Stream => (&self.streams, self.limits.streams_per_uid),
        }
    }

    /// Whether one more refused RPC may be journaled now; then how many the row stands for.
    pub(crate) fn tell_refusal(&self, now: Instant) -> Option<u64> {
        self.refusals.tell(now)
    }
}

impl Claim {
    pub(crate) fn is_stream(&self) -> bool {
        self.charge == Charge::Stream
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.account
            .counter(self.charge)
            .0
            .fetch_sub(1, Ordering::Relaxed);
        self.account.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.account.connections.fetch_sub(1, Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds one to a counter unless that would pass its bound.
fn take(counter: &AtomicUsize, bound: usize) -> bool {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            (held < bound).then_some(held + 1)
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections_per_uid: 2,
        connections: 16,
        in_flight_per_uid: 1,
        streams_per_uid: 1,
        frame_bytes: 1 << 16,
    };

    #[test]
    fn a_user_over_its_bound_is_told_and_then_cut_off() {
        let accounts = Accounts::new(LIMITS);
        let seats: Vec<_> = (0..2 + EXCESS_CONNECTIONS)
            .map(|_| accounts.seat(1).expect("a seat"))
            .collect();
        assert_eq!(
            seats.iter().filter(|seat| seat.excess).count(),
            EXCESS_CONNECTIONS
        );
        assert!(accounts.seat(1).is_none());
        assert!(!accounts.seat(2).expect("another user's seat").excess);
        drop(seats);
        assert!(!accounts.seat(1).expect("a seat again").excess);
    }

    #[test]
    fn all_users_together_are_bounded() {
        let accounts = Accounts::new(LIMITS);
        let seats: Vec<_> = (0..16)
            .map(|uid| accounts.seat(uid).expect("a seat"))
            .collect();
        assert!(accounts.seat(99).is_none());
        drop(seats);
        assert!(accounts.seat(99).is_some());
        assert_eq!(accounts.open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn claims_give_back() {
        let accounts = Accounts::new(LIMITS);
        let seat = accounts.seat(1).expect("a seat");
        let claim = seat.account.claim(Charge::Call).expect("room");
        assert_eq!(seat.account.claim(Charge::Call).map(drop), Err(1));
        let stream = seat
            .account
            .claim(Charge::Stream)
            .expect("streams are counted apart");
        assert_eq!(accounts.busy(), 2);
        drop(claim);
        seat.account.claim(Charge::Call).expect("room again");
        drop(stream);
        assert_eq!(accounts.busy(), 0, "a stop waits for nobody");
    }
}
