//! Sets of spans that were *not* seen.
//!
//! A span sees nearly everything before it. So what it saw is kept as what it did not see: the spans that had left by
//! then, and its siblings. Spans of a flat sequence share one such set.

use std::sync::Arc;

/// Ascending half-open ranges of span numbers that touch nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gaps(Arc<[(u32, u32)]>);

impl Default for Gaps {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl Gaps {
    pub(crate) fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// The set of these ranges; `None` when they are no ascending ranges.
    pub(crate) fn of(ranges: Vec<(u32, u32)>) -> Option<Self> {
        let mut end = None;
        for &(from, to) in &ranges {
            if from >= to || end.is_some_and(|end| from <= end) {
                return None;
            }
            end = Some(to);
        }
        Some(Self(ranges.into()))
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let at = self.0.partition_point(|&(_, to)| to <= number);
        self.0.get(at).is_some_and(|&(from, _)| from <= number)
    }

    /// This set and the range.
    pub(crate) fn with(&self, from: u32, to: u32) -> Self {
        if from >= to {
            return self.clone();
        }
        let (mut from, mut to) = (from, to);
        let mut ranges = Vec::with_capacity(self.0.len() + 1);
        let mut after = Vec::new();
        for &(low, high) in self.0.iter() {
            if high < from {
                ranges.push((low, high));
            } else if low > to {
                after.push((low, high));
            } else {
                from = from.min(low);
                to = to.max(high);
            }
        }
        ranges.push((from, to));
        ranges.append(&mut after);
        Self(ranges.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Gaps;

    proptest! {
        #[test]
        fn gaps_are_the_set_of_what_was_added(ranges in prop::collection::vec((0_u32..50, 0_u32..6), 0..20)) {
            let mut gaps = Gaps::default();
            let mut set = BTreeSet::new();
            for (from, length) in ranges {
                gaps = gaps.with(from, from + length);
                set.extend(from..from + length);
            }
            for number in 0..60 {
                prop_assert_eq!(gaps.contains(number), set.contains(&number));
            }
            prop_assert_eq!(Gaps::of(gaps.ranges().to_vec()), Some(gaps));
        }
    }
}
