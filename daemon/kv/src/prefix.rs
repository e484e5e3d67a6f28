//! Prefixes: what is published, found, held, and given up for room.

use fak_types::Scope;

use crate::{
    command::Command,
    error::KvError,
    ledger::{Ledger, Opened, Owner, Part},
    radix::{RootKey, Share, Step, Worth},
    sequence::Segment,
    words::{PAGE_TOKENS, PageId, PinId, Place, Priority, SeqId, Standing, Tag, Token},
};

/// Most pins of one principal.
///
/// LIMIT: what is pinned is never given up for room.
const PINS_MAX: usize = 64;

/// Most nodes of the index for each page of the arena.
///
/// LIMIT: a page is published for an agent, its tenant and the fleet at most.
const NODES_OF_A_PAGE_MAX: usize = 3;

/// A held prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) principal: u32,
    pub(crate) node: u32,
    /// The node's birth: a node that was removed since is not the one that has its number now.
    pub(crate) born: u64,
}

/// How a prefix is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Who may find it: the same principal, its tenant, or everybody.
    pub scope: Scope,
    /// When it goes, if room is needed.
    pub priority: Priority,
    /// What computing one token of this model costs, against other models in this arena.
    pub token_cost: u32,
    /// At most this many tokens.
    pub tokens_max: u32,
}

impl Default for Publish {
    /// For the principal alone, all of it.
    fn default() -> Self {
        Self {
            scope: Scope::Agent,
            priority: Priority::Normal,
            token_cost: 1,
            tokens_max: u32::MAX,
        }
    }
}

/// A prefix that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// How many tokens of the list.
    pub tokens: u32,
    /// On how many pages.
    pub pages: u32,
    /// Who may find it.
    pub scope: Option<Scope>,
}

const fn scope_of(share: Share) -> Scope {
    match share {
        Share::Agent(..) => Scope::Agent,
        Share::Tenant(_) => Scope::Tenant,
        Share::Fleet => Scope::Fleet,
    }
}

fn tokens_of(steps: &[Step]) -> u32 {
    steps.iter().map(|step| step.rows).sum()
}

impl Ledger {
    /// The longest prefix somebody of this tenant and principal may find. Nothing else is looked at: not even whether it
    /// would be there for another.
    fn lookup(
        &self,
        owner: (u32, crate::Salt),
        tag: u16,
        tokens: &[Token],
    ) -> (Option<Share>, Vec<Step>) {
        let (principal, tenant) = owner;
        let shares = [
            Share::Agent(tenant, principal),
            Share::Tenant(tenant),
            Share::Fleet,
        ];
        let mut best = (None, Vec::new());
        for share in shares {
            let steps = self.index.find(&self.pages, RootKey { share, tag }, tokens);
            if tokens_of(&steps) > tokens_of(&best.1) {
                best = (Some(share), steps);
            }
        }
        best
    }

    /// What of a list of tokens is there for this owner. Changes nothing.
    #[must_use]
    pub fn find(&self, owner: Owner<'_>, tag: &Tag, tokens: &[Token]) -> Hit {
        let tag = self
            .tags
            .iter()
            .position(|known| known == tag)
            .and_then(|at| u16::try_from(at).ok());
        let Some(tag) = tag else {
            return Hit {
                tokens: 0,
                pages: 0,
                scope: None,
            };
        };
        let known = self
            .principals
            .iter()
            .position(|known| &**known == owner.principal);
        // A principal nobody knows has published nothing; it may still find what others of its tenant did.
        let principal = known
            .and_then(|at| u32::try_from(at).ok())
            .unwrap_or(u32::MAX);
        let (share, steps) = self.lookup((principal, owner.tenant), tag, tokens);
        Hit {
            tokens: tokens_of(&steps),
            pages: u32::try_from(steps.len()).unwrap_or(u32::MAX),
            scope: share.map(scope_of),
        }
    }

    /// Opens a sequence with these spans; what is there of them already is shared, but for the last token.
    ///
    /// Only what stands before the first isolated span, and only rows of admitted spans, are shared.
    ///
    /// # Errors
    /// As of [`Ledger::open`], [`Ledger::begin`] and [`Ledger::append`]; then there is no sequence.
    pub fn start(
        &mut self,
        owner: Owner<'_>,
        tag: &Tag,
        parts: &[Part<'_>],
    ) -> Result<Opened, KvError> {
        let seq = self.open(owner, tag)?;
        let mut commands = Vec::new();
        match self.fill(seq, parts, &mut commands) {
            Ok(reused) => {
                commands.append(&mut self.outbox.0);
                let runs = self.pending(seq)?;
                Ok(Opened {
                    seq,
                    reused,
                    commands,
                    runs,
                })
            }
            Err(error) => {
                // What made room for the first spans is to be zeroed all the same.
                commands.retain(|command| matches!(command, Command::Zero(_)));
                self.outbox.0.append(&mut commands);
                let sequence = self.remove(seq)?;
                self.release(&sequence);
                Err(error)
            }
        }
    }

    fn fill(
        &mut self,
        seq: SeqId,
        parts: &[Part<'_>],
        commands: &mut Vec<Command>,
    ) -> Result<u32, KvError> {
        let flat: Vec<Token> = parts
            .iter()
            .take_while(|part| {
                part.spec.place == Place::Next && part.spec.standing() == Standing::Admitted
            })
            .flat_map(|part| part.tokens.iter().copied())
            .collect();
        let all: usize = parts.iter().map(|part| part.tokens.len()).sum();
        let wanted = flat
            .get(..flat.len().min(all.saturating_sub(1)))
            .unwrap_or_default();
        let sequence = self.sequence(seq)?;
        let (_, steps) = self.lookup((sequence.principal, sequence.tenant), sequence.tag, wanted);
        let reused = tokens_of(&steps);
        self.index.touch(&steps);
        self.counters.looked += wanted.len() as u64;
        self.counters.found += u64::from(reused);
        let mut shared: Vec<PageId> = steps.iter().map(|step| step.page).collect();
        let mut left = reused;
        for part in parts {
            self.begin(seq, &part.spec)?;
            let sequence = self
                .sequences
                .get_mut(&seq)
                .ok_or(KvError::NoSequence(seq))?;
            if let Some(segment) = sequence.segments.first_mut().filter(|_| !shared.is_empty()) {
                shared.iter().for_each(|page| self.pages.retain(*page));
                segment.pages = std::mem::take(&mut shared);
                (segment.len, segment.computed) = (reused, reused);
            }
            let own = left.min(u32::try_from(part.tokens.len()).unwrap_or(u32::MAX));
            left -= own;
            let (known, new) = part
                .tokens
                .split_at_checked(own as usize)
                .unwrap_or((part.tokens, &[]));
            if let Some(span) = sequence.spans.last_mut() {
                let span = std::sync::Arc::make_mut(span);
                // The rows were adopted with the first span, so a later one's begin is where the one before ended.
                span.len = own;
                span.feed(known);
            }
            self.settle_starts(seq)?;
            if !new.is_empty() {
                commands.extend(self.append(seq, new)?.commands);
            }
        }
        Ok(reused)
    }

    /// Puts the last span behind the one before it: rows of a found prefix are there before their spans are.
    fn settle_starts(&mut self, seq: SeqId) -> Result<(), KvError> {
        let sequence = self.sequence_mut(seq)?;
        let before = sequence
            .spans
            .len()
            .checked_sub(2)
            .and_then(|at| sequence.spans.get(at));
        let end = before.map(|span| (span.segment, span.start + span.len));
        if let Some(span) = sequence.spans.last_mut() {
            let start = end
                .filter(|(segment, _)| *segment == span.segment)
                .map_or(0, |(_, end)| end);
            std::sync::Arc::make_mut(span).start = start;
        }
        Ok(())
    }

    /// How much of a sequence may be published: computed rows of admitted, exact spans before the first isolated one.
    fn publishable(segment: &Segment, spans: &[std::sync::Arc<crate::span::Span>]) -> u32 {
        let mut end = 0;
        for span in spans.iter().take_while(|span| {
            span.segment == 0 && span.standing == Standing::Admitted && !span.inexact
        }) {
            end = span.start + span.len;
        }
        if segment.group.is_some() {
            0
        } else {
            end.min(segment.computed)
        }
    }

    /// Publishes a sequence's prefix, and answers how many tokens of it are in the index now and what to do. Pages the
    /// index has already take the place of the sequence's own.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::Bound`].
    pub fn publish(&mut self, seq: SeqId, how: Publish) -> Result<(u32, Vec<Command>), KvError> {
        let sequence = self.sequence(seq)?;
        let Some(segment) = sequence.segments.first() else {
            return Ok((0, Vec::new()));
        };
        let tokens = Self::publishable(segment, &sequence.spans).min(how.tokens_max);
        let share = match how.scope {
            Scope::Agent => Share::Agent(sequence.tenant, sequence.principal),
            Scope::Tenant => Share::Tenant(sequence.tenant),
            Scope::Fleet => Share::Fleet,
        };
        let root = RootKey {
            share,
            tag: sequence.tag,
        };
        let held: Vec<PageId> = segment.pages.clone();
        if self.index.len() + held.len() > self.bounds.pages as usize * NODES_OF_A_PAGE_MAX {
            return Err(KvError::Bound("NODES_OF_A_PAGE_MAX"));
        }
        let worth = Worth {
            class: how.priority,
            token_cost: how.token_cost,
        };
        let mut steps = Vec::new();
        let mut parent = None;
        for (row, page) in (0..tokens).step_by(PAGE_TOKENS as usize).zip(held) {
            let rows = (tokens - row).min(PAGE_TOKENS);
            let place = (root, parent);
            let (node, kept) = self.index.insert(
                &mut self.pages,
                place,
                (page, rows),
                worth,
                &mut self.outbox.0,
            );
            steps.push(Step {
                node,
                page: kept,
                rows,
            });
            parent = Some(node);
            if kept != page && rows == PAGE_TOKENS {
                self.adopt(seq, (row / PAGE_TOKENS) as usize, kept);
            }
        }
        self.index.touch(&steps);
        Ok((tokens, self.drain()))
    }

    /// Puts a page with the same rows in the place of a sequence's own.
    fn adopt(&mut self, seq: SeqId, at: usize, page: PageId) {
        let segment = self
            .sequences
            .get_mut(&seq)
            .and_then(|sequence| sequence.segments.first_mut());
        let Some(slot) = segment.and_then(|segment| segment.pages.get_mut(at)) else {
            return;
        };
        let own = std::mem::replace(slot, page);
        self.pages.retain(page);
        self.pages.release(own, &mut self.outbox.0);
    }

    /// Holds a published prefix of these tokens: it is not given up for room until it is let go.
    ///
    /// A quarantine removes it all the same.
    ///
    /// # Errors
    /// [`KvError::NoPrefix`] when not all of it is there, [`KvError::Bound`].
    pub fn pin(&mut self, owner: Owner<'_>, tag: &Tag, tokens: &[Token]) -> Result<PinId, KvError> {
        let (tag, principal) = (self.tag(tag)?, self.principal(owner.principal)?);
        if self
            .pins
            .values()
            .filter(|pin| pin.principal == principal)
            .count()
            >= PINS_MAX
        {
            return Err(KvError::Bound("PINS_MAX"));
        }
        let (_, steps) = self.lookup((principal, owner.tenant), tag, tokens);
        let last = steps
            .last()
            .filter(|_| tokens_of(&steps) as usize == tokens.len());
        let node = last.ok_or(KvError::NoPrefix)?.node;
        let born = self.index.node(node).ok_or(KvError::NoPrefix)?.born;
        self.index.pin(node);
        let id = PinId(self.next_pin);
        self.next_pin += 1;
        self.pins.insert(
            id,
            Pin {
                principal,
                node,
                born,
            },
        );
        Ok(id)
    }

    /// Lets a held prefix go.
    ///
    /// # Errors
    /// [`KvError::NoPrefix`] when there is no such pin.
    pub fn unpin(&mut self, pin: PinId) -> Result<(), KvError> {
        let pin = self.pins.remove(&pin).ok_or(KvError::NoPrefix)?;
        if self
            .index
            .node(pin.node)
            .is_some_and(|node| node.born == pin.born)
        {
            self.index.unpin(pin.node);
        }
        Ok(())
    }

    /// Removes what is published of these tokens and everything that goes on from it, for this owner at this scope,
    /// however lately it was used and whoever holds it. Answers how many pages left the index.
    pub fn forget(
        &mut self,
        owner: Owner<'_>,
        tag: &Tag,
        scope: Scope,
        tokens: &[Token],
    ) -> (u32, Vec<Command>) {
        let tag = self
            .tags
            .iter()
            .position(|known| known == tag)
            .and_then(|at| u16::try_from(at).ok());
        let known = self
            .principals
            .iter()
            .position(|known| &**known == owner.principal);
        let (Some(tag), Some(principal)) = (tag, known.and_then(|at| u32::try_from(at).ok()))
        else {
            return (0, Vec::new());
        };
        let share = match scope {
            Scope::Agent => Share::Agent(owner.tenant, principal),
            Scope::Tenant => Share::Tenant(owner.tenant),
            Scope::Fleet => Share::Fleet,
        };
        let root = RootKey { share, tag };
        let mut gone = 0;
        if tokens.is_empty() {
            for node in self.index.roots.get(&root).cloned().unwrap_or_default() {
                gone += self.index.cut(&mut self.pages, node, &mut self.outbox.0);
            }
        }
        // Several pages may go on from a list that ends inside a page.
        loop {
            let steps = self.index.find(&self.pages, root, tokens);
            let whole = tokens_of(&steps) as usize == tokens.len();
            let Some(last) = steps.last().filter(|_| whole) else {
                break;
            };
            gone += self
                .index
                .cut(&mut self.pages, last.node, &mut self.outbox.0);
        }
        (gone, self.drain())
    }

    /// Takes a page out of the index where more than its first rows are published.
    pub(crate) fn unpublish_page(&mut self, page: PageId, rows: u32) {
        for node in self.index.held.get(&page).cloned().unwrap_or_default() {
            if self
                .index
                .node(node)
                .is_some_and(|node| node.page == page && node.len > rows)
            {
                self.index.cut(&mut self.pages, node, &mut self.outbox.0);
            }
        }
    }

    /// Sees to it that this many pages can be taken: prefixes nobody uses are given up for them, the principal's own first
    /// when it is at its bound.
    pub(crate) fn room(
        &mut self,
        principal: u32,
        needed: u32,
        bounded: bool,
    ) -> Result<(), KvError> {
        if needed > self.bounds.pages {
            return Err(KvError::Full(needed));
        }
        while bounded
            && self.pages.charged(principal).saturating_add(needed) > self.bounds.principal_pages
        {
            let gone = self
                .index
                .evict(&mut self.pages, Some(principal), &mut self.outbox.0);
            gone.ok_or(KvError::Quota(needed))?;
            self.counters.evicted += 1;
        }
        while self.pages.free() < needed {
            let gone = self.index.evict(&mut self.pages, None, &mut self.outbox.0);
            gone.ok_or(KvError::Full(needed))?;
            self.counters.evicted += 1;
        }
        Ok(())
    }

    /// Gives up unused prefixes until this many pages are free; answers how many are.
    pub fn make_room(&mut self, pages: u32) -> (u32, Vec<Command>) {
        // Whether it was enough is in the answer.
        let _ = self.room(0, pages.min(self.bounds.pages), false);
        (self.pages.free(), self.drain())
    }
}
