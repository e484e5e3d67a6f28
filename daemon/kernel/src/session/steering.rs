//! What one session may still spend, and what of it is put aside.

use std::{collections::VecDeque, sync::Arc};

use fak_chain::digest_bytes;

use crate::{
    Timestamp,
    session::{RunState, Session},
    terms::{Budget, Pace, Price},
    time::mint_trace,
};

/// Most turns of one session put aside at once. LIMIT: the next one is `RATE_LIMITED` until one is settled.
pub const RESERVED_TURNS_MAX: usize = 64;
/// Most settled turns a session remembers by name. LIMIT: about 150 bytes each; an older name counts as a new turn.
pub const SETTLED_TURNS_MAX: usize = 16;
/// Longest time a turn stays put aside, in milliseconds: an hour. LIMIT: then it counts as spent in full.
pub const RESERVED_MS_MAX: u64 = 3600 * 1000;

/// How a session is steered and what it has left. Most sessions have none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// What is left.
    pub budget: Budget,
    /// How fast it may be spent.
    pub pace: Pace,
    /// Who is served first when there is a queue; higher is sooner.
    pub priority: i32,
    /// Why it was steered last; empty: nobody steered it.
    pub why: Arc<str>,
    /// The session that carries on, once the context is used up.
    pub continuation: Option<Arc<str>>,
    /// The session it carries on.
    pub continues: Option<Arc<str>>,
    /// How many sessions came before it in the chain.
    pub(crate) links: u32,
    /// Tokens the context holds, as far as turns told.
    pub(crate) context_held: u64,
    pub(crate) reserved: Vec<Reservation>,
    /// Names of the last turns that are settled, the oldest first.
    pub(crate) settled: VecDeque<Arc<str>>,
    /// The last admitted call.
    pub(crate) called: Timestamp,
    /// The beginning of the last turn.
    pub(crate) turned: Timestamp,
}

/// A turn that is put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) turn: Arc<str>,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) price: Price,
    pub(crate) until: Timestamp,
    /// What of the budgets in force was put aside for it: turns, tokens, cost. What it does not use comes back up to
    /// this; a budget that was set since got nothing from this turn and gets nothing back.
    pub(crate) held: [u64; 3],
}

/// What a turn costs at most, or did cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) price: Price,
}

impl Cost {
    pub(crate) const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    pub(crate) fn micros(&self) -> u64 {
        self.price
            .cost_micros(self.input_tokens, self.output_tokens)
    }
}

impl Reservation {
    const fn estimate(&self) -> Cost {
        Cost {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            price: self.price,
        }
    }
}

impl Steering {
    /// Turns put aside that are neither settled nor lapsed.
    #[must_use]
    pub fn reserved_turns(&self, now: Timestamp) -> u64 {
        let open = self.reserved.iter().filter(|turn| now < turn.until);
        u64::try_from(open.count()).unwrap_or(u64::MAX)
    }

    pub(crate) fn given(budget: Budget, pace: Pace) -> Self {
        Self {
            budget,
            pace,
            ..Self::default()
        }
    }

    /// The budget that nothing is left of, while no turn that was paid for runs. Equality is allowed: the last unit may
    /// be spent.
    pub(crate) fn spent(&self, now: Timestamp) -> Option<&'static str> {
        let budget = &self.budget;
        let spent = [
            ("turns", budget.turns),
            ("tokens", budget.tokens),
            ("cost_micros", budget.cost_micros),
        ];
        let (name, _) = spent.into_iter().find(|(_, left)| *left == Some(0))?;
        (self.reserved_turns(now) == 0).then_some(name)
    }

    /// The first budget that has no room for one more turn: its name, what is left, what is asked for.
    pub(crate) fn lacks(&self, cost: &Cost) -> Option<(&'static str, u64, u64)> {
        let budget = &self.budget;
        let wanted = [
            ("turns", budget.turns, 1),
            ("tokens", budget.tokens, cost.tokens()),
            ("cost_micros", budget.cost_micros, cost.micros()),
        ];
        wanted.into_iter().find_map(|(name, left, wanted)| {
            let left = left.filter(|left| *left < wanted)?;
            Some((name, left, wanted))
        })
    }

    /// Whether a context of this many tokens is more than there is room for: what it may hold at most.
    pub(crate) fn overflows(&self, input_tokens: u64) -> Option<u64> {
        let held_max = self
            .budget
            .context_tokens?
            .saturating_add(self.context_held);
        (input_tokens > held_max).then_some(held_max)
    }

    pub(crate) fn knows(&self, turn: &str) -> bool {
        self.is_settled(turn) || self.reserved.iter().any(|held| &*held.turn == turn)
    }

    pub(crate) fn is_settled(&self, turn: &str) -> bool {
        self.settled.iter().any(|settled| &**settled == turn)
    }

    /// Puts a turn aside. A turn that is known already changes nothing.
    pub(crate) fn reserve(&mut self, now: Timestamp, turn: &str, cost: &Cost, until: Timestamp) {
        if self.knows(turn) {
            return;
        }
        let held = [
            take(&mut self.budget.turns, 1),
            take(&mut self.budget.tokens, cost.tokens()),
            take(&mut self.budget.cost_micros, cost.micros()),
        ];
        self.reserved.push(Reservation {
            turn: turn.into(),
            input_tokens: cost.input_tokens,
            output_tokens: cost.output_tokens,
            price: cost.price,
            until,
            held,
        });
        self.turned = now;
    }

    /// Replaces the estimate of a turn by what it did cost; nothing for a turn that did not run. Says whether there
    /// was such a turn.
    pub(crate) fn settle(&mut self, turn: &str, input_tokens: u64, output_tokens: u64) -> bool {
        let Some(at) = self.reserved.iter().position(|held| &*held.turn == turn) else {
            return false;
        };
        let held = self.reserved.remove(at);
        self.remember(&held.turn);
        let estimate = held.estimate();
        let did = Cost {
            input_tokens,
            output_tokens,
            price: held.price,
        };
        let [turns, tokens, cost] = held.held;
        let ran = did.tokens() > 0;
        correct(&mut self.budget.turns, turns, 1, u64::from(ran));
        let (most, used) = (estimate.tokens(), did.tokens());
        correct(&mut self.budget.tokens, tokens, most, used);
        let (most, used) = (estimate.micros(), did.micros());
        correct(&mut self.budget.cost_micros, cost, most, used);
        if ran {
            self.hold(input_tokens);
        }
        true
    }

    /// Takes back a turn that was never durable.
    pub(crate) fn unreserve(&mut self, turn: &str) {
        let Some(at) = self.reserved.iter().position(|held| &*held.turn == turn) else {
            return;
        };
        let [turns, tokens, cost] = self.reserved.remove(at).held;
        give(&mut self.budget.turns, turns);
        give(&mut self.budget.tokens, tokens);
        give(&mut self.budget.cost_micros, cost);
    }

    /// Counts turns nobody settled in time as spent in full.
    pub(crate) fn lapse(&mut self, now: Timestamp) {
        let lapsed = |turn: &Reservation| turn.until <= now;
        if !self.reserved.iter().any(lapsed) {
            return;
        }
        let (gone, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.reserved)
            .into_iter()
            .partition(lapsed);
        self.reserved = open;
        for turn in gone {
            self.remember(&turn.turn);
            self.hold(turn.input_tokens);
        }
    }

    /// Forgets what running turns put aside of every budget: what they do not use comes back to nobody.
    pub(crate) fn unhold(&mut self, which: [bool; 3]) {
        for turn in &mut self.reserved {
            for (held, is_anew) in turn.held.iter_mut().zip(which) {
                if is_anew {
                    *held = 0;
                }
            }
        }
    }

    /// The context holds this many tokens now; what it may hold at most stays.
    fn hold(&mut self, tokens: u64) {
        let Some(left) = &mut self.budget.context_tokens else {
            self.context_held = tokens;
            return;
        };
        let held_max = left.saturating_add(self.context_held);
        self.context_held = tokens.min(held_max);
        *left = held_max - self.context_held;
    }

    fn remember(&mut self, turn: &Arc<str>) {
        if self.settled.len() >= SETTLED_TURNS_MAX {
            self.settled.pop_front();
        }
        self.settled.push_back(Arc::clone(turn));
    }
}

/// Takes what there is, at most `wanted`, and says how much that was.
fn take(left: &mut Option<u64>, wanted: u64) -> u64 {
    left.as_mut().map_or(0, |left| {
        let taken = wanted.min(*left);
        *left -= taken;
        taken
    })
}

const fn give(left: &mut Option<u64>, back: u64) {
    if let Some(left) = left {
        *left = left.saturating_add(back);
    }
}

/// What was put aside and not used comes back; what was used beyond the estimate is taken.
fn correct(left: &mut Option<u64>, held: u64, estimate: u64, used: u64) {
    if used <= estimate {
        give(left, held.min(estimate - used));
    } else {
        take(left, used - estimate);
    }
}

impl Session {
    /// Takes no new calls: the context is used up, and another session carries on.
    pub(crate) fn drain(&mut self) {
        let steering = self.steering.get_or_insert_default();
        let next = steering.links.saturating_add(1);
        if steering.continuation.is_none() {
            steering.continuation = Some(continuation(&self.trace, next));
        }
        if matches!(self.run, RunState::Running | RunState::Throttled) {
            self.run = RunState::Draining;
        }
    }

    /// Drains a session whose context is full and whose turns are all settled.
    pub(crate) fn exhaust(&mut self) {
        let is_full = |steering: &Steering| {
            steering.budget.context_tokens == Some(0) && steering.reserved.is_empty()
        };
        if self.steering.as_deref().is_some_and(is_full) {
            self.drain();
        }
    }
}

/// The name of the session that carries on: the same for the same session, whoever asks and however often.
fn continuation(trace: &str, link: u32) -> Arc<str> {
    let digest = digest_bytes(format!("fak-continuation/v1 {link} {trace}").as_bytes());
    let half = digest.0.first_chunk::<16>();
    mint_trace(half.map_or(0, |bytes| u128::from_be_bytes(*bytes))).into()
}
