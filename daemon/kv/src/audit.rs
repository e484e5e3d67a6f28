//! The ledger held against itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ledger::Ledger,
    page::State,
    sequence::Sequence,
    words::{PAGE_TOKENS, PageId},
};

impl Ledger {
    /// Counts everything anew and compares it with what the ledger keeps.
    ///
    /// # Errors
    /// What is at odds. A ledger that was only ever changed by its calls has nothing.
    pub fn audit(&self) -> Result<(), &'static str> {
        let mut refs: BTreeMap<PageId, u32> = BTreeMap::new();
        for sequence in self.sequences.values() {
            sequence.audit(self)?;
            sequence
                .pages()
                .for_each(|page| *refs.entry(page).or_default() += 1);
        }
        self.audit_index(&mut refs)?;
        self.audit_pages(&refs)?;
        for (at, opened) in (0_u32..).zip(&self.opened) {
            let theirs = self
                .sequences
                .values()
                .filter(|s| s.principal == at)
                .count();
            if usize::try_from(*opened) != Ok(theirs) {
                return Err("a principal's sequences are miscounted");
            }
        }
        for sequence in self.sequences.values() {
            if self.opened.get(sequence.principal as usize).is_none() {
                return Err("a sequence of no principal");
            }
        }
        if self
            .sequences
            .keys()
            .next_back()
            .is_some_and(|seq| seq.0 >= self.next_seq)
        {
            return Err("a sequence's number comes again");
        }
        if self
            .pins
            .keys()
            .next_back()
            .is_some_and(|pin| pin.0 >= self.next_pin)
        {
            return Err("a pin's number comes again");
        }
        Ok(())
    }

    fn audit_pages(&self, refs: &BTreeMap<PageId, u32>) -> Result<(), &'static str> {
        let mut charged: BTreeMap<u32, u32> = BTreeMap::new();
        let free: BTreeSet<PageId> = self.pages.free.iter().copied().collect();
        if free.len() != self.pages.free.len() {
            return Err("a page is free twice");
        }
        for (number, slot) in (0_u32..).zip(&self.pages.slots) {
            let page = PageId(number);
            let held = refs.get(&page).copied().unwrap_or(0);
            let fits = match slot.state {
                State::Free => held == 0 && free.contains(&page) && !slot.secret,
                State::Used => held > 0 && !free.contains(&page),
                State::Wiping(nonce) => {
                    held == 0 && !free.contains(&page) && nonce < self.pages.nonce
                }
            };
            if !fits || slot.refs != held {
                return Err("a page's holders are miscounted");
            }
            if slot.state != State::Free {
                *charged.entry(slot.owner).or_default() += 1;
                let known = usize::from(slot.tag) < self.tags.len()
                    && (slot.owner as usize) < self.principals.len();
                if !known {
                    return Err("a page of nobody");
                }
            }
        }
        let grown = self.pages.slots.len();
        if grown > self.pages.capacity as usize {
            return Err("more pages than the arena has");
        }
        let beyond = |page: &PageId| page.0 as usize >= grown;
        if refs.keys().any(beyond) || free.iter().any(beyond) {
            return Err("a page that is none");
        }
        for (at, known) in (0_u32..).zip(&self.pages.charged) {
            if charged.remove(&at).unwrap_or(0) != *known {
                return Err("a principal's pages are miscounted");
            }
        }
        if charged.is_empty() {
            Ok(())
        } else {
            Err("a page nobody pays for")
        }
    }

    fn audit_index(&self, refs: &mut BTreeMap<PageId, u32>) -> Result<(), &'static str> {
        let mut seen = BTreeSet::new();
        let roots = self.index.roots.values().flatten().map(|at| (*at, None));
        let mut waiting: Vec<(u32, Option<u32>)> = roots.collect();
        while let Some((at, parent)) = waiting.pop() {
            let node = self.index.node(at).ok_or("a prefix without a node")?;
            if !seen.insert(at) || node.parent != parent {
                return Err("a prefix in two places");
            }
            let full = node.len == PAGE_TOKENS;
            if node.len == 0 || node.len > PAGE_TOKENS || (!full && !node.children.is_empty()) {
                return Err("a prefix of a wrong length");
            }
            let tag = self.pages.get(node.page).map(|slot| slot.tag);
            if tag != Some(node.root.tag) {
                return Err("a prefix under another tag");
            }
            *refs.entry(node.page).or_default() += 1;
            let held = self
                .index
                .held
                .get(&node.page)
                .ok_or("a prefix its page does not know")?;
            if held.iter().filter(|held| **held == at).count() != 1 {
                return Err("a prefix its page does not know");
            }
            let ranked = self
                .index
                .leaving
                .contains(&(node.class, node.worth, node.tick, at));
            if ranked != (node.children.is_empty() && node.pins == 0) {
                return Err("a prefix that may go and is not listed, or the other way round");
            }
            let pins = self
                .pins
                .values()
                .filter(|pin| pin.node == at && pin.born == node.born);
            if usize::try_from(node.pins) != Ok(pins.count()) {
                return Err("a prefix's pins are miscounted");
            }
            self.audit_siblings(&node.children)?;
            waiting.extend(node.children.iter().map(|child| (*child, Some(at))));
        }
        for children in self.index.roots.values() {
            self.audit_siblings(children)?;
        }
        let leaves = self.index.leaving.len();
        let held: usize = self.index.held.values().map(Vec::len).sum();
        if seen.len() != self.index.len() || held != seen.len() || leaves > seen.len() {
            return Err("a prefix nobody finds");
        }
        Ok(())
    }

    fn audit_siblings(&self, children: &[u32]) -> Result<(), &'static str> {
        let tokens = |at: &u32| {
            self.index
                .node(*at)
                .map(|node| self.pages.tokens(node.page, node.len))
                .unwrap_or_default()
        };
        for pair in children.windows(2) {
            if let [left, right] = pair
                && (tokens(left) >= tokens(right) || tokens(right).starts_with(tokens(left)))
            {
                return Err("prefixes out of order");
            }
        }
        Ok(())
    }
}

impl Sequence {
    fn audit(&self, ledger: &Ledger) -> Result<(), &'static str> {
        let mut ends = vec![0_u32; self.segments.len()];
        let mut last = None;
        let mut before = 0;
        for span in &self.spans {
            if last.is_some_and(|last| last >= span.id) || span.id.0 >= self.next {
                return Err("spans out of order");
            }
            last = Some(span.id);
            if self.removed.contains(span.id.0) || span.segment < before {
                return Err("a span that left");
            }
            before = span.segment;
            let end = ends
                .get_mut(span.segment as usize)
                .ok_or("a span outside")?;
            if span.start != *end {
                return Err("a span out of place");
            }
            *end += span.len;
            let segment = self
                .segments
                .get(span.segment as usize)
                .ok_or("a span outside")?;
            if *end > segment.len {
                return Err("a span outside");
            }
            let mut fresh = crate::span::Span {
                closed: None,
                ..(**span).clone()
            };
            fresh.hasher = sha2::Digest::new();
            fresh.feed(&segment.tokens(&ledger.pages, span.start, span.len));
            if fresh.digest() != span.digest() {
                return Err("a span's tokens are not those on its pages");
            }
        }
        for (segment, end) in self.segments.iter().zip(ends) {
            let pages = segment.len.div_ceil(PAGE_TOKENS) as usize;
            if segment.len != end || segment.computed > segment.len || segment.pages.len() != pages
            {
                return Err("a segment's rows are miscounted");
            }
            for page in &segment.pages {
                let slot = ledger.pages.get(*page).ok_or("a page that is none")?;
                if slot.tag != self.tag {
                    return Err("a page under another tag");
                }
            }
        }
        Ok(())
    }
}
