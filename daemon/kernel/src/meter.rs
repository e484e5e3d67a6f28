//! What has been spent: one bounded table per distinct quota.

use std::{collections::HashMap, sync::Arc};

use slab::Slab;

use crate::{
    gcra::{Rate, Wait},
    limit::{Limit, Measure, Together},
};

/// The name of a key in a table: a digest of what is counted together, so that a key costs the same memory
/// whatever the caller called its session.
pub(crate) type Key = u128;

/// Which limits share a table.
///
/// A lifetime count is the same number whatever the maximum, so raising a lifetime quota keeps what was spent.
/// A windowed state is measured in time and means something only under its own rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MeterId {
    pub(crate) measure: Measure,
    pub(crate) together: Together,
    /// Window in milliseconds and maximum; `None` for a lifetime count.
    pub(crate) window: Option<(u64, u64)>,
}

impl MeterId {
    pub(crate) fn of(limit: &Limit) -> Self {
        Self {
            measure: limit.measure,
            together: limit.together,
            window: limit.window_ms.map(|ms| (ms, limit.max)),
        }
    }
}

/// One entry: who pays for its memory, and the count or the arrival time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) owner: usize,
    pub(crate) value: u64,
}

/// One quota's table.
///
/// INVARIANT: a lifetime entry is never dropped while the quota is in force. A windowed entry is dropped only when it
/// is whole again, which says the same as no entry: tables have two generations of one window each, and what was not
/// touched for a whole generation goes with it.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) id: MeterId,
    rate: Option<Rate>,
    pub(crate) epoch: u64,
    pub(crate) young: HashMap<Key, Entry>,
    pub(crate) old: HashMap<Key, Entry>,
}

impl Meter {
    pub(crate) fn new(id: MeterId) -> Self {
        let rate = id.window.and_then(|(ms, max)| Rate::new(max, ms));
        Self {
            id,
            rate,
            epoch: 0,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    pub(crate) fn holds(&self, key: Key) -> bool {
        self.entry(key).is_some()
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    /// What is spent of a lifetime quota, or the arrival time of a windowed one.
    fn value(&self, key: Key) -> u64 {
        self.entry(key).map_or(0, |entry| entry.value)
    }

    /// Whether `units` more have room under `max`.
    ///
    /// # Errors
    /// [`Wait`] when they have not.
    pub(crate) fn probe(&self, key: Key, now_ns: u64, units: u64, max: u64) -> Result<(), Wait> {
        if self.id.window.is_none() {
            let total = self.value(key).saturating_add(units);
            return if total > max {
                Err(Wait { ms: None })
            } else {
                Ok(())
            };
        }
        match self.rate {
            Some(rate) => rate.take(self.value(key), now_ns, units).map(drop),
            None => Err(Wait { ms: None }),
        }
    }

    /// Spends. A key that is new and finds no room in `owners` is not counted; callers asked before.
    pub(crate) fn charge(
        &mut self,
        key: Key,
        now_ns: u64,
        units: u64,
        who: &str,
        owners: &mut Owners,
    ) {
        let before = self.value(key);
        let after = match (self.id.window, self.rate) {
            (None, _) => before.saturating_add(units),
            // Over the rate under a posture that admits anyway: the quota stays spent.
            (Some(_), Some(rate)) => rate.take(before, now_ns, units).unwrap_or(before),
            (Some(_), None) => return,
        };
        if let Some(entry) = self.young.get_mut(&key) {
            entry.value = after;
        } else if let Some(entry) = self.old.remove(&key) {
            self.young.insert(
                key,
                Entry {
                    value: after,
                    ..entry
                },
            );
        } else if let Some(owner) = owners.claim(who) {
            self.young.insert(
                key,
                Entry {
                    owner,
                    value: after,
                },
            );
        }
    }

    /// Undoes one charge.
    pub(crate) fn give_back(&mut self, key: Key, units: u64) {
        let rate = self.rate;
        if let Some(entry) = self.young.get_mut(&key).or_else(|| self.old.get_mut(&key)) {
            entry.value = match rate {
                Some(rate) => rate.give_back(entry.value, units),
                None => entry.value.saturating_sub(units),
            };
        }
    }

    /// Lets time pass: drops what is whole again.
    pub(crate) fn advance(&mut self, now_ns: u64, owners: &mut Owners) {
        let Some(rate) = self.rate else { return };
        let epoch = now_ns / rate.window_ns();
        if epoch > self.epoch {
            let young = std::mem::take(&mut self.young);
            owners.release_all(&std::mem::take(&mut self.old));
            if epoch - self.epoch == 1 {
                self.old = young;
            } else {
                owners.release_all(&young);
            }
        }
        // Also when the clock was set back: generations then turn from the new time on.
        self.epoch = epoch;
    }

    /// Forgets everything, for a quota no policy states any more.
    pub(crate) fn retire(&self, owners: &mut Owners) {
        owners.release_all(&self.young);
        owners.release_all(&self.old);
    }
}

/// How many entries each principal pays for.
#[derive(Debug)]
pub(crate) struct Owners {
    ids: HashMap<Arc<str>, usize>,
    slots: Slab<(Arc<str>, usize)>,
    keys: usize,
    keys_max: usize,
    keys_per_principal_max: usize,
}

impl Owners {
    pub(crate) fn new(keys_max: usize, keys_per_principal_max: usize) -> Self {
        let (ids, slots) = (HashMap::new(), Slab::new());
        Self {
            ids,
            slots,
            keys: 0,
            keys_max,
            keys_per_principal_max,
        }
    }

    /// Whether `who` may add `count` entries.
    pub(crate) fn has_room(&self, who: &str, count: usize) -> bool {
        let own = self
            .ids
            .get(who)
            .and_then(|&id| self.slots.get(id))
            .map_or(0, |slot| slot.1);
        self.keys.saturating_add(count) <= self.keys_max
            && own.saturating_add(count) <= self.keys_per_principal_max
    }

    fn claim(&mut self, who: &str) -> Option<usize> {
        self.has_room(who, 1).then(|| self.claim_anyway(who))
    }

    /// For entries that exist already: a lowered maximum forgets nothing.
    pub(crate) fn claim_anyway(&mut self, who: &str) -> usize {
        let id = match self.ids.get(who) {
            Some(&id) => id,
            None => {
                let name: Arc<str> = who.into();
                let id = self.slots.insert((Arc::clone(&name), 0));
                self.ids.insert(name, id);
                id
            }
        };
        if let Some(slot) = self.slots.get_mut(id) {
            slot.1 += 1;
            self.keys += 1;
        }
        id
    }

    pub(crate) fn name(&self, id: usize) -> &str {
        self.slots.get(id).map_or("", |slot| &slot.0)
    }

    #[cfg(test)]
    pub(crate) const fn keys(&self) -> usize {
        self.keys
    }

    fn release_all(&mut self, entries: &HashMap<Key, Entry>) {
        for entry in entries.values() {
            self.release(entry.owner);
        }
    }

    fn release(&mut self, id: usize) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        slot.1 = slot.1.saturating_sub(1);
        self.keys = self.keys.saturating_sub(1);
        if slot.1 == 0 {
            let (name, _) = self.slots.remove(id);
            self.ids.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const T0: u64 = 1_700_000_000_000 * MS;

    fn meter(window: Option<(u64, u64)>) -> Meter {
        Meter::new(MeterId {
            measure: Measure::Calls,
            together: Together::Trace,
            window,
        })
    }

    #[test]
    fn a_flood_of_keys_costs_one_principal_its_own_room_only() {
        let mut owners = Owners::new(100, 10);
        let mut meter = meter(None);
        for key in 0..1000 {
            meter.charge(key, T0, 1, "uid:1", &mut owners);
        }
        assert_eq!(meter.young.len(), 10);
        assert!(!owners.has_room("uid:1", 1));
        assert!(owners.has_room("uid:2", 10));
        assert!(!owners.has_room("uid:2", 11));
        assert!(
            meter.probe(3, T0, 1, 1).is_err(),
            "what was spent stays spent"
        );
    }

    #[test]
    fn windowed_entries_go_when_they_are_whole_again() {
        let mut owners = Owners::new(100, 100);
        let mut meter = meter(Some((1000, 2)));
        meter.advance(T0, &mut owners);
        for key in 0..50 {
            meter.charge(key, T0, 2, "uid:1", &mut owners);
        }
        assert_eq!(owners.keys(), 50);
        assert!(meter.probe(7, T0 + 400 * MS, 1, 2).is_err());
        meter.advance(T0 + 1000 * MS, &mut owners);
        assert_eq!(owners.keys(), 50, "the generation before is still there");
        meter.charge(7, T0 + 1000 * MS, 1, "uid:1", &mut owners);
        meter.advance(T0 + 2000 * MS, &mut owners);
        assert_eq!(owners.keys(), 1, "the one that was touched stays");
        meter.advance(T0 + 9000 * MS, &mut owners);
        assert_eq!(
            (owners.keys(), owners.slots.len(), owners.ids.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn dropping_a_generation_forgets_no_spent_window() {
        for start in 0..20 {
            let mut owners = Owners::new(100, 100);
            let mut meter = meter(Some((1000, 1)));
            let spent = T0 + start * 50 * MS;
            meter.advance(spent, &mut owners);
            meter.charge(1, spent, 1, "uid:1", &mut owners);
            for step in 1..20 {
                let now = spent + step * 50 * MS;
                meter.advance(now, &mut owners);
                assert!(
                    meter.probe(1, now, 1, 1).is_err(),
                    "start {start} step {step}"
                );
            }
            meter.advance(spent + 1000 * MS, &mut owners);
            assert!(meter.probe(1, spent + 1000 * MS, 1, 1).is_ok());
        }
    }

    #[test]
    fn a_clock_set_back_keeps_the_generations_turning() {
        let mut owners = Owners::new(100, 100);
        let mut meter = meter(Some((1000, 1)));
        meter.advance(T0 + 1_000_000 * MS, &mut owners);
        meter.charge(1, T0 + 1_000_000 * MS, 1, "uid:1", &mut owners);
        meter.advance(T0, &mut owners);
        assert!(meter.probe(1, T0, 1, 1).is_err());
        for step in 1..4 {
            meter.advance(T0 + step * 1000 * MS, &mut owners);
        }
        assert_eq!(owners.keys(), 0);
    }

    #[test]
    fn a_quota_of_nothing_refuses_everything() {
        assert!(meter(Some((1000, 0))).probe(1, T0, 1, 0).is_err());
        assert!(meter(None).probe(1, T0, 1, 0).is_err());
    }
}
