//! The ledger: sequences that grow.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest as _, Sha256};

use crate::{
    command::{Appended, Command, Run, Wipe},
    error::{KvError, NotOwed},
    page::Pages,
    prefix::Pin,
    radix::Index,
    sequence::{Segment, Sequence},
    span::{Span, SpanSpec},
    stats::Counters,
    words::{Kind, PAGE_TOKENS, PageId, PinId, Salt, SeqId, SpanId, Standing, Tag, Token, is_name},
    write::{Writer, segment_for},
};

/// Most pages of an arena.
///
/// LIMIT: 4 Mi pages are 268 million tokens; the ledger keeps about 300 bytes for each that was ever used.
const PAGES_MAX: u32 = 4 << 20;

/// Most sequences at a time, forks included.
///
/// LIMIT: room for every slot of a large batch and its forks.
const SEQUENCES_MAX: usize = 65_536;

/// Most tokens of a sequence.
///
/// LIMIT: no model's context is longer, and positions stay far inside 32 bits.
const TOKENS_MAX: u64 = 4 << 20;

/// Most spans of a sequence at a time.
///
/// LIMIT: one turn takes a few; plans and digests walk all of them.
const SPANS_MAX: usize = 8192;

/// Most spans a sequence and its forks may ever begin.
///
/// LIMIT: what left is remembered by its number for as long as the sequence lives.
const SPANS_EVER_MAX: u32 = 1 << 20;

/// Most principals with pages or sequences.
///
/// LIMIT: the same order as the sessions of one machine.
const PRINCIPALS_MAX: usize = 4096;

/// Most tags.
///
/// LIMIT: a tag is a model that was loaded.
const TAGS_MAX: usize = 256;

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Pages of the arena.
    pub pages: u32,
    /// Pages one principal may have written and not freed.
    pub principal_pages: u32,
    /// Sequences one principal may have at a time, forks included.
    pub principal_sequences: u32,
}

impl Bounds {
    /// An arena of this many pages, all of which any principal may use.
    #[must_use]
    pub const fn pages(pages: u32) -> Self {
        Self {
            pages,
            principal_pages: u32::MAX,
            principal_sequences: 1024,
        }
    }
}

/// Whose sequence it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Who pays for its pages.
    pub principal: &'a str,
    /// Which tenant's prefixes it may find, besides its own and everybody's.
    pub tenant: Salt,
}

/// A span with its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The span.
    pub spec: SpanSpec<'a>,
    /// Its tokens.
    pub tokens: &'a [Token],
}

/// A new sequence.
#[must_use = "the commands come before the rows"]
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its id.
    pub seq: SeqId,
    /// Tokens whose rows were there already. The last token's never is: its logits are wanted.
    pub reused: u32,
    /// To do first.
    pub commands: Vec<Command>,
    /// The rows to compute.
    pub runs: Vec<Run>,
}

/// Which page holds what, for whom. See the crate's words.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(crate) bounds: Bounds,
    pub(crate) pages: Pages,
    pub(crate) sequences: BTreeMap<SeqId, Sequence>,
    pub(crate) index: Index,
    pub(crate) pins: BTreeMap<PinId, Pin>,
    pub(crate) principals: Vec<Arc<str>>,
    /// Sequences each principal has.
    pub(crate) opened: Vec<u32>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) next_seq: u64,
    pub(crate) next_pin: u64,
    pub(crate) counters: Counters,
    /// Zeroings that are due and were not handed out yet. No part of the state: they can be issued anew.
    pub(crate) outbox: Outbox,
}

/// Commands on their way out. A copy of a ledger has none: a request to zero is never doubled.
#[derive(Debug, Default)]
pub(crate) struct Outbox(pub(crate) Vec<Command>);

impl Clone for Outbox {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Ledger {
    /// A ledger of an arena of zeroed pages.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let bounds = Bounds {
            pages: bounds.pages.min(PAGES_MAX),
            ..bounds
        };
        Self {
            bounds,
            pages: Pages::new(bounds.pages),
            sequences: BTreeMap::new(),
            index: Index::default(),
            pins: BTreeMap::new(),
            principals: Vec::new(),
            opened: Vec::new(),
            tags: Vec::new(),
            next_seq: 1,
            next_pin: 1,
            counters: Counters::default(),
            outbox: Outbox::default(),
        }
    }

    /// Opens an empty sequence.
    ///
    /// # Errors
    /// [`KvError::Name`], [`KvError::Bound`].
    pub fn open(&mut self, owner: Owner<'_>, tag: &Tag) -> Result<SeqId, KvError> {
        let tag = self.tag(tag)?;
        let principal = self.principal(owner.principal)?;
        self.admits_sequence(principal)?;
        Ok(self.insert(Sequence {
            principal,
            tenant: owner.tenant,
            tag,
            revision: 0,
            epoch: 0,
            parent: None,
            segments: Vec::new(),
            spans: Vec::new(),
            next: 0,
            removed: crate::gaps::Gaps::default(),
            groups: 0,
        }))
    }

    pub(crate) fn insert(&mut self, sequence: Sequence) -> SeqId {
        let seq = SeqId(self.next_seq);
        self.next_seq += 1;
        let principal = sequence.principal as usize;
        if self.opened.len() <= principal {
            self.opened.resize(principal + 1, 0);
        }
        if let Some(opened) = self.opened.get_mut(principal) {
            *opened += 1;
        }
        self.sequences.insert(seq, sequence);
        seq
    }

    pub(crate) fn remove(&mut self, seq: SeqId) -> Result<Sequence, KvError> {
        let sequence = self
            .sequences
            .remove(&seq)
            .ok_or(KvError::NoSequence(seq))?;
        if let Some(opened) = self.opened.get_mut(sequence.principal as usize) {
            *opened = opened.saturating_sub(1);
        }
        Ok(sequence)
    }

    pub(crate) fn admits_sequence(&self, principal: u32) -> Result<(), KvError> {
        if self.sequences.len() >= SEQUENCES_MAX {
            return Err(KvError::Bound("SEQUENCES_MAX"));
        }
        let theirs = self.opened.get(principal as usize).copied().unwrap_or(0);
        if theirs >= self.bounds.principal_sequences {
            return Err(KvError::Bound("principal_sequences"));
        }
        Ok(())
    }

    pub(crate) fn tag(&mut self, tag: &Tag) -> Result<u16, KvError> {
        if let Some(at) = self.tags.iter().position(|known| known == tag) {
            return u16::try_from(at).map_err(|_| KvError::Bound("TAGS_MAX"));
        }
        if !is_name(&tag.model) || !is_name(&tag.family) {
            return Err(KvError::Name("a model or family"));
        }
        let at = u16::try_from(self.tags.len())
            .ok()
            .filter(|at| usize::from(*at) < TAGS_MAX);
        let at = at.ok_or(KvError::Bound("TAGS_MAX"))?;
        self.tags.push(tag.clone());
        Ok(at)
    }

    pub(crate) fn principal(&mut self, name: &str) -> Result<u32, KvError> {
        let known = self.principals.iter().position(|known| &**known == name);
        if let Some(at) = known {
            return u32::try_from(at).map_err(|_| KvError::Bound("PRINCIPALS_MAX"));
        }
        if !is_name(name) {
            return Err(KvError::Name("a principal"));
        }
        let at = self.principals.len();
        if at >= PRINCIPALS_MAX
            && let Some((at, slot)) = (0_u32..)
                .zip(&mut self.principals)
                .find(|(at, _)| is_idle(&self.pages, &self.index, &self.pins, &self.opened, *at))
        {
            *slot = name.into();
            return Ok(at);
        }
        let number = u32::try_from(at).ok().filter(|_| at < PRINCIPALS_MAX);
        let number = number.ok_or(KvError::Bound("PRINCIPALS_MAX"))?;
        self.principals.push(name.into());
        Ok(number)
    }

    pub(crate) fn sequence(&self, seq: SeqId) -> Result<&Sequence, KvError> {
        self.sequences.get(&seq).ok_or(KvError::NoSequence(seq))
    }

    pub(crate) fn sequence_mut(&mut self, seq: SeqId) -> Result<&mut Sequence, KvError> {
        self.sequences.get_mut(&seq).ok_or(KvError::NoSequence(seq))
    }

    /// Begins a span; tokens given from now on are its.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::Name`], [`KvError::Bound`], [`KvError::NoGroup`].
    pub fn begin(&mut self, seq: SeqId, spec: &SpanSpec<'_>) -> Result<SpanId, KvError> {
        if !is_name(spec.name) {
            return Err(KvError::Name("a span's name"));
        }
        let sequence = self.sequence_mut(seq)?;
        if sequence.spans.len() >= SPANS_MAX {
            return Err(KvError::Bound("SPANS_MAX"));
        }
        if sequence.next >= SPANS_EVER_MAX {
            return Err(KvError::Bound("SPANS_EVER_MAX"));
        }
        let segment = segment_for(sequence, spec.place)?;
        let closed = sequence.spans.len().saturating_sub(1);
        sequence.close(closed);
        let unseen = sequence.structural(segment);
        let id = SpanId(sequence.next);
        let inexact = sequence
            .spans
            .iter()
            .any(|span| span.inexact && !unseen.contains(span.id.0));
        let start = sequence
            .segments
            .get(segment as usize)
            .map_or(0, |segment| segment.len);
        sequence.spans.push(Arc::new(Span {
            id,
            name: spec.name.into(),
            kind: spec.kind,
            taint: spec.taint,
            standing: spec.standing(),
            row: spec.row,
            segment,
            start,
            len: 0,
            unread: unseen.clone(),
            unseen,
            inexact,
            hasher: Sha256::new(),
            closed: None,
        }));
        sequence.next += 1;
        sequence.revision += 1;
        Ok(id)
    }

    /// Adds tokens to the last span.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NoSpanBegun`], [`KvError::Bound`], [`KvError::Full`], [`KvError::Quota`].
    pub fn append(&mut self, seq: SeqId, tokens: &[Token]) -> Result<Appended, KvError> {
        let sequence = self.sequence(seq)?;
        let span = sequence.spans.last().ok_or(KvError::NoSpanBegun)?;
        let (id, standing) = (span.id, span.standing);
        let count = u32::try_from(tokens.len()).map_err(|_| KvError::Bound("TOKENS_MAX"))?;
        if sequence.tokens() + u64::from(count) > TOKENS_MAX {
            return Err(KvError::Bound("TOKENS_MAX"));
        }
        let index = span.segment;
        let segment = sequence
            .segments
            .get(index as usize)
            .ok_or(KvError::Broken("a segment"))?;
        let needed = self.pages_for(segment, count);
        let principal = sequence.principal;
        let row = segment.len;
        self.room(principal, needed, true)?;
        let mut commands = std::mem::take(&mut self.outbox.0);
        let sequence = self
            .sequences
            .get_mut(&seq)
            .ok_or(KvError::NoSequence(seq))?;
        let mut writer = Writer {
            pages: &mut self.pages,
            principal,
            tag: sequence.tag,
        };
        let segment = sequence
            .segments
            .get_mut(index as usize)
            .ok_or(KvError::Broken("a segment"))?;
        commands.extend(writer.extend(segment, tokens, &mut self.outbox.0)?);
        self.counters.copies += commands
            .iter()
            .filter(|c| matches!(c, Command::Copy(_)))
            .count() as u64;
        let (writes, position) = (segment.writes(row, count), segment.base + row);
        if standing == Standing::Quarantined {
            writes
                .iter()
                .for_each(|write| self.pages.mark_secret(write.page));
        }
        if let Some(span) = sequence.spans.last_mut() {
            let span = Arc::make_mut(span);
            span.len += count;
            span.feed(tokens);
        }
        sequence.revision += 1;
        let epoch = sequence.epoch;
        commands.append(&mut self.outbox.0);
        let run = Run {
            segment: index,
            row,
            position,
            tokens: count,
            epoch,
        };
        Ok(Appended {
            span: id,
            commands,
            run,
            writes,
        })
    }

    /// New pages a segment takes for more rows.
    pub(crate) fn pages_for(&self, segment: &Segment, count: u32) -> u32 {
        if count == 0 {
            return 0;
        }
        let after = segment.len.saturating_add(count).div_ceil(PAGE_TOKENS);
        let held = segment.len.div_ceil(PAGE_TOKENS);
        let partial = !segment.len.is_multiple_of(PAGE_TOKENS);
        let last = segment.pages.last().copied().filter(|_| partial);
        let copied = last.is_some_and(|page| self.pages.refs(page) > 1);
        after - held + u32::from(copied)
    }

    /// Takes the last tokens of the last span back, as when a guess was wrong. Answers how many: no more than it has.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NoSpanBegun`].
    pub fn truncate(&mut self, seq: SeqId, tokens: u32) -> Result<(u32, Vec<Command>), KvError> {
        let sequence = self
            .sequences
            .get_mut(&seq)
            .ok_or(KvError::NoSequence(seq))?;
        let span = sequence.spans.last_mut().ok_or(KvError::NoSpanBegun)?;
        let segment = sequence.segments.get_mut(span.segment as usize);
        let segment = segment.ok_or(KvError::Broken("a segment"))?;
        let tokens = tokens.min(span.len);
        let (standing, len) = (span.standing, segment.len - tokens);
        for write in segment.writes(len, tokens) {
            if standing != Standing::Admitted {
                self.pages.mark_secret(write.page);
            }
        }
        let kept = segment.tokens(&self.pages, span.start, span.len - tokens);
        let pages = len.div_ceil(PAGE_TOKENS) as usize;
        for page in segment.pages.iter().skip(pages) {
            self.pages.release(*page, &mut self.outbox.0);
        }
        segment.pages.truncate(pages);
        (segment.len, segment.computed) = (len, segment.computed.min(len));
        let span = Arc::make_mut(span);
        span.len -= tokens;
        span.hasher = Sha256::new();
        span.feed(&kept);
        sequence.revision += 1;
        sequence.epoch += 1;
        Ok((tokens, self.drain()))
    }

    /// Says that the rows of a run are computed; runs of a segment in their order.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NotAsked`] when the run does not continue what is computed, or is of a layout
    /// that an eviction has changed since: its rows went to pages they are no longer on.
    pub fn computed(&mut self, seq: SeqId, run: Run) -> Result<(), KvError> {
        let sequence = self.sequence_mut(seq)?;
        if sequence.epoch != run.epoch {
            return Err(KvError::NotAsked);
        }
        let segment = sequence
            .segments
            .get_mut(run.segment as usize)
            .ok_or(KvError::NotAsked)?;
        let end = run.row.checked_add(run.tokens).ok_or(KvError::NotAsked)?;
        if run.row > segment.computed || end > segment.len {
            return Err(KvError::NotAsked);
        }
        segment.computed = segment.computed.max(end);
        Ok(())
    }

    /// Lets a span stay.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NoSpan`], [`KvError::Quarantined`]: a quarantine is not taken back.
    pub fn admit(&mut self, seq: SeqId, span: SpanId) -> Result<(), KvError> {
        let sequence = self.sequence_mut(seq)?;
        let (at, found) = sequence.span(span).ok_or(KvError::NoSpan(span))?;
        match found.standing {
            Standing::Quarantined => return Err(KvError::Quarantined(span)),
            Standing::Admitted => return Ok(()),
            Standing::Probation => {}
        }
        if let Some(span) = sequence.spans.get_mut(at) {
            Arc::make_mut(span).standing = Standing::Admitted;
        }
        sequence.revision += 1;
        Ok(())
    }

    /// Marks a span as one that must go. Its pages leave the prefix index, held or not, and are zeroed when the last who
    /// holds them gives them back.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NoSpan`].
    pub fn quarantine(&mut self, seq: SeqId, span: SpanId) -> Result<Vec<Command>, KvError> {
        let sequence = self.sequence_mut(seq)?;
        let (at, _) = sequence.span(span).ok_or(KvError::NoSpan(span))?;
        let Some(found) = sequence.spans.get_mut(at) else {
            return Err(KvError::NoSpan(span));
        };
        let found = Arc::make_mut(found);
        found.standing = Standing::Quarantined;
        found.taint = fak_types::Taint::Quarantined;
        let (segment, start, len) = (found.segment, found.start, found.len);
        sequence.revision += 1;
        let held: Vec<PageId> = sequence
            .segments
            .get(segment as usize)
            .map(|segment| segment.writes(start, len))
            .unwrap_or_default()
            .iter()
            .map(|write| write.page)
            .collect();
        for page in held {
            self.pages.mark_secret(page);
            self.unpublish_page(
                page,
                if start % PAGE_TOKENS == 0 {
                    0
                } else {
                    start % PAGE_TOKENS
                },
            );
        }
        Ok(self.drain())
    }

    /// Closes a sequence and gives its pages back.
    ///
    /// # Errors
    /// [`KvError::NoSequence`].
    pub fn close(&mut self, seq: SeqId) -> Result<Vec<Command>, KvError> {
        let sequence = self.remove(seq)?;
        self.release(&sequence);
        Ok(self.drain())
    }

    /// Gives back all pages of a sequence that was taken out.
    pub(crate) fn release(&mut self, sequence: &Sequence) {
        for span in sequence
            .spans
            .iter()
            .filter(|span| span.standing != Standing::Admitted)
        {
            self.taint_pages(sequence, span);
        }
        for page in sequence.pages() {
            self.pages.release(page, &mut self.outbox.0);
        }
    }

    /// Has the pages of a span zeroed when they are given back.
    pub(crate) fn taint_pages(&mut self, sequence: &Sequence, span: &Span) {
        let segment = sequence.segments.get(span.segment as usize);
        let writes = segment.map(|segment| segment.writes(span.start, span.len));
        for write in writes.unwrap_or_default() {
            self.pages.mark_secret(write.page);
        }
    }

    /// Takes a page back that was zeroed.
    ///
    /// # Errors
    /// [`NotOwed`] when the request was issued anew since.
    pub fn zeroed(&mut self, wipe: Wipe) -> Result<(), NotOwed> {
        self.pages.zeroed(wipe)
    }

    /// Every zeroing that is due, issued anew: for a caller that lost its requests, as after a restart. Requests handed
    /// out before no longer count.
    pub fn owed(&mut self) -> Vec<Wipe> {
        self.outbox.0.clear();
        self.pages.owed()
    }

    /// Commands a refused call left behind.
    pub fn drain(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.outbox.0)
    }
}

/// Whether nothing in the ledger is the principal's any more.
fn is_idle(
    pages: &Pages,
    index: &Index,
    pins: &BTreeMap<PinId, Pin>,
    opened: &[u32],
    principal: u32,
) -> bool {
    pages.charged(principal) == 0
        && opened
            .get(principal as usize)
            .is_none_or(|opened| *opened == 0)
        && !index.has_agent(principal)
        && pins.values().all(|pin| pin.principal != principal)
}

/// Whether the words of a span are the model's own.
pub(crate) const fn is_generated(kind: Kind) -> bool {
    matches!(kind, Kind::Assistant)
}
