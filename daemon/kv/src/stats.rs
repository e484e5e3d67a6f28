//! Figures for people.

use std::collections::BTreeMap;

use crate::{ledger::Ledger, page::State};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) looked: u64,
    pub(crate) found: u64,
    pub(crate) evicted: u64,
    pub(crate) copies: u64,
}

/// What one principal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrincipalStats {
    /// Pages it pays for.
    pub pages: u32,
    /// Sequences, forks included.
    pub sequences: u32,
}

/// The ledger in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pages of the arena.
    pub pages: u32,
    /// Pages that are free.
    pub free: u32,
    /// Pages that wait for their zeroing.
    pub wiping: u32,
    /// Pages with more than one holder.
    pub shared: u32,
    /// Pages only the prefix index holds: what could be given up for room.
    pub cached: u32,
    /// Sequences, forks included.
    pub sequences: u32,
    /// Tokens in them; those on shared pages count for each.
    pub tokens: u64,
    /// Tokens whose rows are still to be computed.
    pub pending: u64,
    /// Published pages.
    pub prefix_pages: u32,
    /// Held prefixes.
    pub pins: u32,
    /// Tokens that were looked for in the index.
    pub looked: u64,
    /// Tokens that were found.
    pub found: u64,
    /// Published pages given up for room.
    pub evicted: u64,
    /// Copies of rows that were ordered.
    pub copies: u64,
    /// By principal.
    pub principals: BTreeMap<String, PrincipalStats>,
}

impl Ledger {
    /// The ledger in figures. Walks all of it.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let slots = &self.pages.slots;
        let cached = self.index.held.iter().filter(|(page, nodes)| {
            usize::try_from(self.pages.refs(**page)).is_ok_and(|refs| refs == nodes.len())
        });
        let pending = self
            .sequences
            .values()
            .flat_map(crate::sequence::Sequence::pending);
        let principals = (0_u32..).zip(&self.principals).map(|(at, name)| {
            let sequences = self.opened.get(at as usize).copied().unwrap_or(0);
            (
                name.to_string(),
                PrincipalStats {
                    pages: self.pages.charged(at),
                    sequences,
                },
            )
        });
        Stats {
            pages: self.bounds.pages,
            free: self.pages.free(),
            wiping: count(
                slots
                    .iter()
                    .filter(|s| matches!(s.state, State::Wiping(_)))
                    .count(),
            ),
            shared: count(slots.iter().filter(|slot| slot.refs > 1).count()),
            cached: count(cached.count()),
            sequences: count(self.sequences.len()),
            tokens: self
                .sequences
                .values()
                .map(crate::sequence::Sequence::tokens)
                .sum(),
            pending: pending.map(|run| u64::from(run.tokens)).sum(),
            prefix_pages: count(self.index.len()),
            pins: count(self.pins.len()),
            looked: self.counters.looked,
            found: self.counters.found,
            evicted: self.counters.evicted,
            copies: self.counters.copies,
            principals: principals
                .filter(|(_, of)| of.pages > 0 || of.sequences > 0)
                .collect(),
        }
    }
}
