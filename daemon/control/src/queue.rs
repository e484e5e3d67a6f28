//! Turns at work that takes long, shared fairly: one principal's pile does not keep another's single call waiting.
//!
//! Start-time fair queueing with one unit for each piece of work (Goyal, Vin, Cheng 1996): a principal's next turn is
//! due one after its last, or now when it had nothing to do meanwhile, and the one that is due first is served first.
//! Among its own, a principal's sessions of higher priority go first.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::oneshot;

use crate::account::lock;

/// Who waits for a turn. Waiters are bounded by what each principal may have in flight.
#[derive(Debug)]
struct Waiter {
    priority: i32,
    number: u64,
    wake: oneshot::Sender<Turn>,
}

/// One principal's waiters.
#[derive(Debug, Default)]
struct Line {
    due: u64,
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Inner {
    free: usize,
    clock: u64,
    number: u64,
    lines: BTreeMap<Arc<str>, Line>,
    /// When each principal that has turns now is due next.
    due: BTreeMap<Arc<str>, u64>,
}

/// A number of turns, given out fairly.
#[derive(Clone, Debug)]
pub(crate) struct FairQueue(Arc<Mutex<Inner>>);

/// One turn; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Option<FairQueue>);

impl FairQueue {
    /// A queue that gives out `turns` at a time, at least one.
    pub(crate) fn new(turns: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            free: turns.max(1),
            clock: 0,
            number: 0,
            lines: BTreeMap::new(),
            due: BTreeMap::new(),
        })))
    }

    /// Waits for a turn. A caller that goes away meanwhile leaves the queue.
    pub(crate) async fn turn(&self, who: &Arc<str>, priority: i32) -> Turn {
        let receive = {
            let mut inner = lock(&self.0);
            if inner.free > 0 {
                inner.free -= 1;
                inner.serve(who);
                return Turn(Some(self.clone()));
            }
            inner.join(who, priority)
        };
        // The queue holds the sender until it sends: this fails only when the daemon ends.
        receive.await.unwrap_or(Turn(None))
    }

    /// Hands a turn that is over to who is due first.
    fn pass_on(&self) {
        let mut turn = Turn(Some(self.clone()));
        loop {
            let next = lock(&self.0).next();
            let Some(waiter) = next else {
                turn.0 = None;
                return;
            };
            match waiter.wake.send(turn) {
                Ok(()) => return,
                // Gone away meanwhile.
                Err(unused) => turn = unused,
            }
        }
    }
}

impl Inner {
    fn join(&mut self, who: &Arc<str>, priority: i32) -> oneshot::Receiver<Turn> {
        let (wake, receive) = oneshot::channel();
        self.number += 1;
        let due = self.due.get(who).copied().unwrap_or(0).max(self.clock);
        let line = self.lines.entry(Arc::clone(who)).or_insert_with(|| Line {
            due,
            waiters: Vec::new(),
        });
        line.waiters.push(Waiter {
            priority,
            number: self.number,
            wake,
        });
        receive
    }

    /// Takes out the waiter who is due first; counts the turn as free when there is none.
    fn next(&mut self) -> Option<Waiter> {
        let first = self.lines.iter().min_by_key(|(_, line)| line.due);
        let Some(who) = first.map(|(who, _)| Arc::clone(who)) else {
            self.free += 1;
            self.due.clear();
            return None;
        };
        let line = self.lines.get_mut(&who)?;
        let best = (0..line.waiters.len()).min_by_key(|&at| {
            let waiter = line.waiters.get(at);
            waiter.map(|waiter| (-i64::from(waiter.priority), waiter.number))
        })?;
        let waiter = line.waiters.swap_remove(best);
        if line.waiters.is_empty() {
            self.lines.remove(&who);
        }
        self.serve(&who);
        Some(waiter)
    }

    fn serve(&mut self, who: &Arc<str>) {
        let start = self.due.get(who).copied().unwrap_or(0).max(self.clock);
        self.clock = start;
        self.due.insert(Arc::clone(who), start + 1);
        if let Some(line) = self.lines.get_mut(who) {
            line.due = start + 1;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.0.take() {
            queue.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Lets every task run as far as it can.
    async fn settle() {
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
    }

    struct Served(mpsc::UnboundedReceiver<&'static str>);

    /// Queues the named principals behind a held turn and tells in which order they are served.
    async fn order(of: &[(&'static str, &'static str, i32)]) -> Vec<&'static str> {
        let queue = FairQueue::new(1);
        let held = queue.turn(&"holder".into(), 0).await;
        let (send, receive) = mpsc::unbounded_channel();
        for &(who, name, priority) in of {
            let (queue, send) = (queue.clone(), send.clone());
            tokio::spawn(async move {
                let _turn = queue.turn(&who.into(), priority).await;
                send.send(name).expect("someone listens");
            });
            settle().await;
        }
        drop((held, send));
        let mut served = Served(receive);
        let mut names = Vec::new();
        while let Some(name) = served.0.recv().await {
            names.push(name);
        }
        names
    }

    #[tokio::test]
    async fn a_pile_does_not_keep_anothers_single_call_waiting() {
        let pile = [
            ("a", "a1", 0),
            ("a", "a2", 0),
            ("a", "a3", 0),
            ("a", "a4", 0),
            ("b", "b1", 0),
            ("c", "c1", 0),
        ];
        let served = order(&pile).await;
        let place = |name| {
            served
                .iter()
                .position(|served| *served == name)
                .expect("served")
        };
        assert_eq!(served.len(), pile.len());
        assert!(place("b1") <= 2 && place("c1") <= 2, "{served:?}");
        assert!(
            place("a1") < place("a2") && place("a2") < place("a3"),
            "{served:?}"
        );
    }

    #[tokio::test]
    async fn higher_priority_goes_first_among_ones_own_only() {
        let served = order(&[("a", "low", 0), ("a", "high", 5), ("b", "other", -9)]).await;
        let place = |name| {
            served
                .iter()
                .position(|served| *served == name)
                .expect("served")
        };
        assert!(place("high") < place("low"), "{served:?}");
        assert!(place("other") < place("low"), "{served:?}");
    }

    #[tokio::test]
    async fn who_goes_away_keeps_no_turn() {
        let queue = FairQueue::new(1);
        let held = queue.turn(&"a".into(), 0).await;
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { drop(queue.turn(&"b".into(), 0).await) }
        });
        settle().await;
        waiting.abort();
        settle().await;
        drop(held);
        let _again = queue.turn(&"c".into(), 0).await;
    }

    #[tokio::test]
    async fn as_many_turns_as_there_are() {
        let queue = FairQueue::new(2);
        let (one, two) = (
            queue.turn(&"a".into(), 0).await,
            queue.turn(&"a".into(), 0).await,
        );
        let third = tokio::spawn({
            let queue = queue.clone();
            async move { drop(queue.turn(&"a".into(), 0).await) }
        });
        settle().await;
        assert!(!third.is_finished());
        drop(one);
        settle().await;
        assert!(third.is_finished());
        drop(two);
        assert_eq!(lock(&queue.0).free, 2);
    }
}
