//! Who was touched last, in constant time.

use std::collections::VecDeque;

/// Stale marks kept before a queue is swept, beyond one per live slot.
const SLACK: usize = 64;

/// One touch: the slot and when, on a counter that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) tick: u64,
    pub(crate) slot: usize,
}

/// Slots in the order they were last touched, oldest first.
///
/// A touch appends; the mark before becomes stale and is skipped or swept later, so a touch costs no search.
#[derive(Debug, Default)]
pub(crate) struct Recency {
    marks: VecDeque<Mark>,
}

impl Recency {
    /// Notes a touch. `live` is how many slots there are, `fresh` whether a mark is its slot's last.
    pub(crate) fn touch(&mut self, mark: Mark, live: usize, fresh: impl Fn(Mark) -> bool) {
        self.marks.push_back(mark);
        if self.marks.len() > 2 * live + SLACK {
            self.marks.retain(|&mark| fresh(mark));
        }
    }

    /// The slot touched longest ago.
    pub(crate) fn oldest(&mut self, fresh: impl Fn(Mark) -> bool) -> Option<usize> {
        while let Some(&mark) = self.marks.front() {
            if fresh(mark) {
                return Some(mark.slot);
            }
            self.marks.pop_front();
        }
        None
    }

    /// Slots, last touched first.
    pub(crate) fn newest_first<'a>(
        &'a self,
        fresh: impl Fn(Mark) -> bool + 'a,
    ) -> impl Iterator<Item = usize> + 'a {
        self.marks
            .iter()
            .rev()
            .filter(move |&&mark| fresh(mark))
            .map(|mark| mark.slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_last_touch_and_memory_by_live_slots() {
        let mut last = [0_u64; 4];
        let mut recency = Recency::default();
        for tick in 1..10_000_u64 {
            let slot = usize::try_from(tick % 7 % 4).unwrap();
            last[slot] = tick;
            recency.touch(Mark { tick, slot }, 4, |mark| last[mark.slot] == mark.tick);
            assert!(recency.marks.len() <= 2 * 4 + SLACK + 1);
        }
        let fresh = |mark: Mark| last[mark.slot] == mark.tick;
        let mut expected: Vec<usize> = (0..4).collect();
        expected.sort_by_key(|&slot| std::cmp::Reverse(last[slot]));
        assert_eq!(recency.newest_first(fresh).collect::<Vec<_>>(), expected);
        assert_eq!(recency.oldest(fresh), expected.last().copied());
    }
}
