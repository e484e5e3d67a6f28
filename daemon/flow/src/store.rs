//! The values of a ledger, each once, one behind the other in one text.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

/// The slots of the smallest table.
const SLOTS_MIN: usize = 64;
/// No value stands here.
const EMPTY: u32 = u32::MAX;

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    len: u32,
}

/// A value's number, and the part of its hash that does not say where its slot is.
#[derive(Clone, Copy, Debug)]
struct Slot {
    value: u32,
    tag: u32,
}

/// The values. Their numbers are the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    text: String,
    places: Vec<Place>,
    /// A power of two of them, at most half of them taken; a value stands in the first free one from where its hash says.
    slots: Vec<Slot>,
    state: RandomState,
}

/// The hash of a value, for one store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(u64);

impl Hash {
    fn tag(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or_default()
    }
}

impl Store {
    pub(crate) fn hash(&self, value: &str) -> Hash {
        let mut hasher = self.state.build_hasher();
        hasher.write(value.as_bytes());
        Hash(hasher.finish())
    }

    /// The number of a value.
    pub(crate) fn find(&self, value: &str, hash: Hash) -> Option<u32> {
        let mut at = self.first(hash)?;
        loop {
            let slot = self.slots.get(at)?;
            if slot.value == EMPTY {
                return None;
            }
            if slot.tag == hash.tag() && self.get(slot.value) == Some(value) {
                return Some(slot.value);
            }
            at = self.after(at);
        }
    }

    /// Takes in a value that is not there; nothing when no number is left for it.
    pub(crate) fn insert(&mut self, value: &str, hash: Hash) -> Option<u32> {
        let number = u32::try_from(self.places.len()).ok()?;
        let place = Place {
            start: u32::try_from(self.text.len()).ok()?,
            len: u32::try_from(value.len()).ok()?,
        };
        // Where a value ends must be a number, too.
        place.start.checked_add(place.len)?;
        if self.slots.len() < 2 * (self.places.len() + 1) {
            self.grow();
        }
        self.text.push_str(value);
        self.places.push(place);
        self.seat(number, hash);
        Some(number)
    }

    /// The value of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&str> {
        let place = self.places.get(number as usize)?;
        let start = place.start as usize;
        self.text.get(start..start + place.len as usize)
    }

    /// Every value in the order of the numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|place| {
            let start = place.start as usize;
            self.text.get(start..start + place.len as usize)
        })
    }

    fn first(&self, hash: Hash) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        Some(usize::try_from(hash.0 & u64::from(u32::MAX)).unwrap_or_default() & mask)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & self.slots.len().saturating_sub(1)
    }

    fn seat(&mut self, value: u32, hash: Hash) {
        let Some(mut at) = self.first(hash) else {
            return;
        };
        while self.slots.get(at).is_some_and(|slot| slot.value != EMPTY) {
            at = self.after(at);
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Slot {
                value,
                tag: hash.tag(),
            };
        }
    }

    fn grow(&mut self) {
        let empty = Slot {
            value: EMPTY,
            tag: 0,
        };
        self.slots = vec![empty; (2 * self.slots.len()).max(SLOTS_MIN)];
        for number in (0_u32..).take(self.places.len()) {
            if let Some(hash) = self.get(number).map(|value| self.hash(value)) {
                self.seat(number, hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_map_knows_the_same(values in prop::collection::vec("[a-c]{0,4}|\\PC{0,8}", 0..400)) {
            let mut store = Store::default();
            let mut map: HashMap<&str, u32> = HashMap::new();
            for value in &values {
                let hash = store.hash(value);
                prop_assert_eq!(store.find(value, hash), map.get(value.as_str()).copied());
                if !map.contains_key(value.as_str()) {
                    let number = store.insert(value, hash).unwrap();
                    map.insert(value, number);
                }
            }
            prop_assert_eq!(store.iter().count(), map.len());
            for (number, value) in (0..).zip(store.iter()) {
                prop_assert_eq!(map.get(value), Some(&number));
            }
        }
    }
}
