//! One windowed quota's arithmetic: the generic cell rate algorithm, by `governor`.
//!
//! The kernel holds no clock and its state must be readable, storable and replayable, while `governor` keeps
//! both inside. Its state store and its clock are traits, so both are given to it as plain values: the state is
//! one number (the theoretical arrival time, in nanoseconds since 1970) loaded into a register for the length of
//! one check, and the clock is the `now` of the argument.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

/// Longest window, in milliseconds: ten years. LIMIT: longer windows count as this one, which keeps every
/// sum of a time and a window far from overflow.
pub const WINDOW_MS_MAX: u64 = 10 * 365 * 24 * 3600 * 1000;

/// Latest time the arithmetic sees, in nanoseconds since 1970 (the year 2262). LIMIT: later times count as this.
const NOW_NS_MAX: u64 = i64::MAX.unsigned_abs();

/// Shortest time one cell takes, in nanoseconds. Rounding is by at most one nanosecond per cell, so the rate in
/// force differs from the rate written by less than a thousandth.
const CELL_NS_MIN: u64 = 1000;

/// A rate: at most `max` units at once, refilled continuously over a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    quota: Quota,
    /// How many counted units (calls, bytes) one cell holds; more than one only for quotas of many bytes.
    units_per_cell: u64,
    cell_ns: u64,
    /// How long an emptied quota takes to be whole again.
    window_ns: u64,
}

/// A quota that has no room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Milliseconds until there is room, rounded up; `None` when there will never be.
    pub(crate) ms: Option<u64>,
}

impl Rate {
    /// `None` when the rate admits nothing at all.
    pub(crate) fn new(max: u64, window_ms: u64) -> Option<Self> {
        let window_ns = window_ms.clamp(1, WINDOW_MS_MAX) * 1_000_000;
        let cells_max = (window_ns / CELL_NS_MIN).clamp(1, u64::from(u32::MAX));
        let units_per_cell = max.div_ceil(cells_max).max(1);
        // Rounded down, and the time per cell up: never more than what was written.
        let cells = u32::try_from(max / units_per_cell)
            .ok()
            .and_then(NonZeroU32::new)?;
        let cell_ns = window_ns.div_ceil(u64::from(cells.get()));
        let quota = Quota::with_period(Duration::from_nanos(cell_ns))?.allow_burst(cells);
        Some(Self {
            quota,
            units_per_cell,
            cell_ns,
            window_ns: cell_ns * u64::from(cells.get()),
        })
    }

    /// How long an emptied quota takes to be whole again, in nanoseconds.
    pub(crate) const fn window_ns(&self) -> u64 {
        self.window_ns
    }

    /// The state after taking `units` at `now`, given the state before.
    ///
    /// # Errors
    /// [`Wait`] when there is no room; the state is then unchanged.
    pub(crate) fn take(&self, state: u64, now_ns: u64, units: u64) -> Result<u64, Wait> {
        let now_ns = now_ns.min(NOW_NS_MAX);
        // A clock that was set back must not lock a key for longer than its window.
        let state = state.min(now_ns + self.window_ns);
        let cells = units.div_ceil(self.units_per_cell);
        if cells == 0 {
            return Ok(state);
        }
        let Some(cells) = self.fitting(cells) else {
            return Err(Wait { ms: None });
        };
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(self.quota, Register(Cell::new(state)), Given(Cell::new(0)));
        limiter.clock().0.set(now_ns);
        match limiter.check_n(cells) {
            Ok(Ok(())) => Ok(limiter.into_state_store().0.get()),
            Ok(Err(until)) => {
                let wait = until.wait_time_from(Nanos::new(now_ns));
                let ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
                Err(Wait {
                    ms: Some(ms.max(1)),
                })
            }
            Err(_) => Err(Wait { ms: None }),
        }
    }

    /// `None` for more cells than the whole quota has; `governor` multiplies before it compares.
    fn fitting(&self, cells: u64) -> Option<NonZeroU32> {
        let cells = u32::try_from(cells).ok().and_then(NonZeroU32::new)?;
        (cells <= self.quota.burst_size()).then_some(cells)
    }

    /// The state after `units` are given back.
    pub(crate) fn give_back(&self, state: u64, units: u64) -> u64 {
        state.saturating_sub(
            units
                .div_ceil(self.units_per_cell)
                .saturating_mul(self.cell_ns),
        )
    }
}

/// The state of one check, read and written in place of a table.
struct Register(Cell<u64>);

impl StateStore for Register {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = f(Some(Nanos::new(self.0.get())))?;
        self.0.set(next.as_u64());
        Ok(outcome)
    }
}

/// The time somebody else read. It shows zero while the limiter is built, for that is where the limiter begins to
/// count, and the real time afterwards.
struct Given(Cell<u64>);

impl Clock for Given {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;
    const T0: u64 = 1_700_000_000 * SECOND_NS;

    #[test]
    fn a_burst_then_a_steady_trickle() {
        let rate = Rate::new(5, 10_000).unwrap();
        let mut state = 0;
        for _ in 0..5 {
            state = rate.take(state, T0, 1).unwrap();
        }
        assert_eq!(rate.take(state, T0, 1), Err(Wait { ms: Some(2000) }));
        assert_eq!(
            rate.take(state, T0 + 2 * SECOND_NS - 1, 1),
            Err(Wait { ms: Some(1) })
        );
        state = rate.take(state, T0 + 2 * SECOND_NS, 1).unwrap();
        assert_eq!(
            rate.take(state, T0 + 2 * SECOND_NS, 1),
            Err(Wait { ms: Some(2000) })
        );
    }

    #[test]
    fn more_than_the_whole_quota_never_passes() {
        let rate = Rate::new(100, 1000).unwrap();
        assert_eq!(rate.take(0, T0, 101), Err(Wait { ms: None }));
        assert_eq!(rate.take(0, T0, u64::MAX), Err(Wait { ms: None }));
        assert!(rate.take(0, T0, 100).is_ok());
    }

    #[test]
    fn a_clock_set_back_locks_a_key_for_at_most_its_window() {
        let rate = Rate::new(1, 60_000).unwrap();
        let state = rate.take(0, T0 + 3600 * SECOND_NS, 1).unwrap();
        assert_eq!(rate.take(state, T0, 1), Err(Wait { ms: Some(60_000) }));
    }

    #[test]
    fn nothing_admits_nothing() {
        assert!(Rate::new(0, 1000).is_none());
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_twice_the_quota(
            max in 1_u64..2000,
            window_ms in 1_u64..100_000,
            steps in prop::collection::vec((0_u64..50_000_000_000, 1_u64..50), 1..200),
        ) {
            let rate = Rate::new(max, window_ms).unwrap();
            let mut now = T0;
            let mut state = 0;
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (step, units) in steps {
                now += step;
                if let Ok(next) = rate.take(state, now, units) {
                    state = next;
                    taken.push((now, units));
                }
                let since = now - window_ms * 1_000_000;
                let within: u64 = taken.iter().filter(|(t, _)| *t > since).map(|(_, n)| n).sum();
                prop_assert!(within <= 2 * max);
            }
        }

        #[test]
        fn any_rate_and_any_time_are_arithmetic(
            max in any::<u64>(),
            window_ms in any::<u64>(),
            state in any::<u64>(),
            now in any::<u64>(),
            units in any::<u64>(),
        ) {
            if let Some(rate) = Rate::new(max, window_ms)
                && let Ok(next) = rate.take(state, now, units)
            {
                prop_assert!(next <= now.min(NOW_NS_MAX) + rate.window_ns());
                let _ = rate.give_back(next, units);
            }
        }

        #[test]
        fn waiting_as_told_is_enough(max in 1_u64..100, window_ms in 10_u64..100_000, n in 1_u64..100) {
            let rate = Rate::new(max, window_ms).unwrap();
            let full = rate.take(0, T0, max).unwrap();
            if let Err(Wait { ms: Some(ms) }) = rate.take(full, T0, n) {
                prop_assert!(rate.take(full, T0 + ms * 1_000_000, n).is_ok());
            }
        }

        #[test]
        fn what_is_given_back_can_be_taken_again(max in 1_u64..100, window_ms in 10_u64..10_000) {
            let rate = Rate::new(max, window_ms).unwrap();
            let full = rate.take(0, T0, max).unwrap();
            prop_assert!(rate.take(full, T0, 1).is_err());
            prop_assert!(rate.take(rate.give_back(full, 1), T0, 1).is_ok());
        }
    }
}
