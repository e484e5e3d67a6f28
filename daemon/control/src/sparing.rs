//! Telling of what may happen often: at once for the first few, then now and then with a count.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::account::lock;

/// Events told of at once. LIMIT: beyond these they are counted into the next one told.
const BURST: u64 = 10;

/// How often one more may be told of.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// Tells of some events and counts all.
#[derive(Debug)]
pub(crate) struct Sparing(Mutex<State>);

#[derive(Debug)]
struct State {
    left: u64,
    since: Instant,
    untold: u64,
}

impl Sparing {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            left: BURST,
            since: Instant::now(),
            untold: 0,
        }))
    }

    /// Whether this event may be told of now; then how many the telling stands for.
    pub(crate) fn tell(&self, now: Instant) -> Option<u64> {
        let mut state = lock(&self.0);
        let passed = now.saturating_duration_since(state.since);
        let earned = u64::try_from(passed.as_micros() / EVERY.as_micros()).unwrap_or(u64::MAX);
        if earned > 0 {
            state.left = state.left.saturating_add(earned).min(BURST);
            state.since = now;
        }
        state.untold += 1;
        state.left = state.left.checked_sub(1)?;
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_few_tellings_that_count_all() {
        let sparing = Sparing::new();
        let start = Instant::now();
        let told: Vec<_> = (0..100).filter_map(|_| sparing.tell(start)).collect();
        assert_eq!(told, vec![1; 10]);
        assert_eq!(sparing.tell(start + EVERY), Some(91));
    }
}
