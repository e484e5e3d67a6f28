//! Plans: what an eviction would drop and what it would run again.

use std::sync::Arc;

use crate::{
    error::{KvError, PlanError},
    ledger::{Ledger, is_generated},
    sequence::{Segment, Sequence},
    span::Span,
    words::{ExactMode, Mode, PAGE_TOKENS, PageId, SeqId, SpanId, Standing},
};

/// Tokens to run again, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rerun {
    /// The span they belong to.
    pub span: SpanId,
    /// The segment they will be in.
    pub segment: u32,
    /// The first row there.
    pub row: u32,
    /// The first row's position.
    pub position: u32,
    /// How many.
    pub tokens: u32,
}

/// An eviction that could be done. It changes nothing until [`Ledger::execute`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) seq: SeqId,
    pub(crate) revision: u64,
    pub(crate) span: SpanId,
    pub(crate) mode: Mode,
    pub(crate) drop: Vec<SpanId>,
    pub(crate) pages: Vec<PageId>,
    pub(crate) recompute: Vec<Rerun>,
    pub(crate) text_taint: Vec<SpanId>,
    pub(crate) needed: u32,
    pub(crate) layout: Vec<Laid>,
    /// Spans, by their place in the list, that carry the influence of what leaves.
    pub(crate) touched: Vec<bool>,
}

impl Plan {
    /// The sequence.
    #[must_use]
    pub const fn seq(&self) -> SeqId {
        self.seq
    }

    /// The span that is to leave.
    #[must_use]
    pub const fn span(&self) -> SpanId {
        self.span
    }

    /// How it leaves.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the rows left are those of a sequence that never saw the span. Rows, not text: see
    /// [`Plan::text_taint`].
    #[must_use]
    pub const fn exact(&self) -> bool {
        self.mode.is_exact()
    }

    /// The spans that leave, in order.
    #[must_use]
    pub fn drop(&self) -> &[SpanId] {
        &self.drop
    }

    /// The pages the sequence gives back. Others may hold them too.
    #[must_use]
    pub fn pages(&self) -> &[PageId] {
        &self.pages
    }

    /// What is run again, in order.
    #[must_use]
    pub fn recompute(&self) -> &[Rerun] {
        &self.recompute
    }

    /// How many tokens are run again.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.recompute
            .iter()
            .map(|rerun| u64::from(rerun.tokens))
            .sum()
    }

    /// Spans that stay and were generated while the span was visible, or after such a one: they may repeat it.
    #[must_use]
    pub fn text_taint(&self) -> &[SpanId] {
        &self.text_taint
    }

    /// Pages that must be free for it, besides those it gives back.
    #[must_use]
    pub const fn pages_needed(&self) -> u32 {
        self.needed
    }
}

/// A segment as it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Laid {
    /// The segment whose first rows it keeps.
    pub(crate) home: u32,
    pub(crate) group: Option<u32>,
    pub(crate) base: u32,
    /// Rows that stay where they are.
    pub(crate) kept: u32,
    pub(crate) len: u32,
    /// Places of its spans in the list now, the first row of each there, and whether it stays where it is.
    pub(crate) spans: Vec<(usize, u32, bool)>,
}

impl Laid {
    const fn end(&self) -> u32 {
        self.base + self.len
    }
}

impl Sequence {
    /// Which spans attended this one, or one that did. `sees` says what a span did not attend.
    fn reached(
        &self,
        at: usize,
        unseen: impl Fn(&Span) -> &crate::gaps::Gaps,
        carries: impl Fn(&Span) -> bool,
    ) -> Vec<bool> {
        let mut reached = vec![false; self.spans.len()];
        // Hits before each place in the list: `hits[i]` counts those among the first i.
        let mut hits = vec![0_u32; self.spans.len() + 1];
        let place = |id: u32| self.spans.partition_point(|span| span.id.0 < id);
        let own = self.spans.get(at).map_or(0, |span| span.id.0);
        let mut count = 0;
        // Nothing before the span attended it.
        for (here, span) in self.spans.iter().enumerate().skip(at) {
            if let Some(hit) = hits.get_mut(here) {
                *hit = count;
            }
            let before = |place: usize| hits.get(place.min(here)).copied().unwrap_or(count);
            let ranges = unseen(span).ranges();
            let from = ranges.partition_point(|&(_, to)| to <= own);
            let missed: u32 = ranges
                .iter()
                .skip(from)
                .take_while(|&&(low, _)| low < span.id.0)
                .map(|&(low, high)| before(place(high)).saturating_sub(before(place(low))))
                .sum();
            let attended = count > missed;
            if let Some(reached) = reached.get_mut(here) {
                *reached = attended;
            }
            if here == at || (attended && carries(span)) {
                count += 1;
            }
        }
        reached
    }

    /// Spans whose rows attended this one, or attended one that did.
    pub(crate) fn attended(&self, at: usize) -> Vec<bool> {
        self.reached(at, |span| &span.unseen, |_| true)
    }

    /// Generated spans that came to be while this one was visible, or after such a one.
    pub(crate) fn read(&self, at: usize) -> Vec<bool> {
        let mut read = self.reached(at, |span| &span.unread, |span| is_generated(span.kind));
        for (read, span) in read.iter_mut().zip(&self.spans) {
            *read &= is_generated(span.kind);
        }
        read
    }

    /// The segments without some spans. What is in `again` keeps no row where it is.
    ///
    /// A group without members is none, and the trunk behind it goes on where the trunk before it ended: the layout is a
    /// function of the list that is left.
    pub(crate) fn laid(&self, leaves: &[bool], again: &[bool]) -> Vec<Laid> {
        let is = |set: &[bool], at: usize| set.get(at).copied().unwrap_or(false);
        let mut laid: Vec<Laid> = Vec::new();
        let mut current = None;
        for (at, span) in self
            .spans
            .iter()
            .enumerate()
            .filter(|(at, _)| !is(leaves, *at))
        {
            if current != Some(span.segment) {
                let group = self
                    .segments
                    .get(span.segment as usize)
                    .and_then(|s| s.group);
                let last = laid.last();
                let continues = last.is_some_and(|last| last.group.is_none()) && group.is_none();
                if !continues {
                    let base = match (last, group) {
                        (Some(last), Some(_)) if last.group == group => last.base,
                        _ => end_of(&laid),
                    };
                    let home = span.segment;
                    laid.push(Laid {
                        home,
                        group,
                        base,
                        kept: 0,
                        len: 0,
                        spans: Vec::new(),
                    });
                }
                current = Some(span.segment);
            }
            let Some(last) = laid.last_mut() else { break };
            let old_base = self
                .segments
                .get(span.segment as usize)
                .map(|segment| segment.base);
            let stays = !is(again, at)
                && old_base == Some(last.base)
                && last.home == span.segment
                && last.kept == last.len
                && span.start == last.len;
            last.spans.push((at, last.len, stays));
            last.len += span.len;
            if stays {
                last.kept = last.len;
            }
        }
        laid
    }
}

/// Where the next segment begins that sees all of these.
fn end_of(laid: &[Laid]) -> u32 {
    let Some(last) = laid.last() else { return 0 };
    if last.group.is_none() {
        return last.end();
    }
    let members = laid
        .iter()
        .rev()
        .take_while(|member| member.group == last.group);
    members.map(Laid::end).max().unwrap_or(0)
}

impl Ledger {
    /// The spans whose rows attended this one, or attended one that did, in order.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NoSpan`].
    pub fn dependents(&self, seq: SeqId, span: SpanId) -> Result<Vec<SpanId>, KvError> {
        let sequence = self.sequence(seq)?;
        let (at, _) = sequence.span(span).ok_or(KvError::NoSpan(span))?;
        Ok(chosen(sequence, &sequence.attended(at)))
    }

    /// What evicting a span would do. Changes nothing.
    ///
    /// # Errors
    /// [`PlanError`]; `Stale` never.
    pub fn plan(&self, seq: SeqId, span: SpanId, mode: Mode) -> Result<Plan, PlanError> {
        let sequence = self.sequence(seq)?;
        let (at, found) = sequence.span(span).ok_or(KvError::NoSpan(span))?;
        let touched = sequence.attended(at);
        let (leaves, again) = fates(sequence, (at, found), mode, &touched)?;
        let layout = sequence.laid(&leaves, &again);
        let mut recompute = Vec::new();
        if mode.is_exact() {
            for (segment, laid) in (0..).zip(&layout) {
                for &(at, row, _) in laid.spans.iter().filter(|(_, _, stays)| !stays) {
                    let Some(span) = sequence.spans.get(at) else {
                        continue;
                    };
                    let position = laid.base + row;
                    recompute.push(Rerun {
                        span: span.id,
                        segment,
                        row,
                        position,
                        tokens: span.len,
                    });
                }
            }
        }
        let mut text_taint = sequence.read(at);
        text_taint
            .iter_mut()
            .zip(&leaves)
            .for_each(|(tainted, leaves)| *tainted &= !leaves);
        Ok(Plan {
            seq,
            revision: sequence.revision,
            span,
            mode,
            drop: chosen(sequence, &leaves),
            pages: given_back(sequence, &layout),
            recompute,
            text_taint: chosen(sequence, &text_taint),
            needed: self.needed(sequence, &layout, mode),
            layout,
            touched,
        })
    }

    /// Pages to take besides those that come back at once.
    pub(crate) fn needed(&self, sequence: &Sequence, layout: &[Laid], mode: Mode) -> u32 {
        let mut needed = 0;
        let leaving = leaving_pages(sequence, layout);
        for laid in layout {
            let Some(home) = sequence.segments.get(laid.home as usize) else {
                continue;
            };
            let kept = laid.kept.div_ceil(PAGE_TOKENS);
            needed += laid.len.div_ceil(PAGE_TOKENS) - kept;
            needed += u32::from(self.boundary(laid, home, &leaving));
        }
        if !mode.is_exact() {
            // Rows are copied out of the old pages before those come back.
            return needed;
        }
        let back = given_back(sequence, layout);
        let free = back.iter().filter(|page| {
            self.pages.refs(**page) == 1
                && !self.pages.is_secret(**page)
                && leaving.binary_search(page).is_err()
        });
        needed.saturating_sub(u32::try_from(free.count()).unwrap_or(u32::MAX))
    }

    /// Whether the last page a segment keeps is replaced by a copy of its kept rows: because others hold it and rows
    /// follow, or because rows that must be zeroed follow in it.
    pub(crate) fn boundary(&self, laid: &Laid, home: &Segment, leaving: &[PageId]) -> bool {
        if laid.kept.is_multiple_of(PAGE_TOKENS) {
            return false;
        }
        let Some((page, _)) = home.place(laid.kept - 1) else {
            return false;
        };
        let written = laid.len > laid.kept && self.pages.refs(page) > 1;
        written || leaving.binary_search(&page).is_ok()
    }
}

/// Which spans leave and which are run again.
fn fates(
    sequence: &Sequence,
    (at, found): (usize, &Arc<Span>),
    mode: Mode,
    touched: &[bool],
) -> Result<(Vec<bool>, Vec<bool>), PlanError> {
    let none = vec![false; sequence.spans.len()];
    let mut leaves = none.clone();
    if let Some(leaves) = leaves.get_mut(at) {
        *leaves = true;
    }
    let isolated = sequence
        .segments
        .get(found.segment as usize)
        .is_some_and(|s| s.group.is_some());
    let mut again = none;
    match mode {
        Mode::Exact(ExactMode::WriteTime) => {
            let after: Vec<SpanId> = sequence
                .spans
                .iter()
                .skip(at + 1)
                .map(|span| span.id)
                .collect();
            if !after.is_empty() {
                return Err(PlanError::Attended(after));
            }
        }
        Mode::Exact(ExactMode::Isolated) if !isolated => return Err(PlanError::NotIsolated),
        Mode::Exact(ExactMode::Recompute | ExactMode::Isolated) => {
            for ((again, touched), span) in again.iter_mut().zip(touched).zip(&sequence.spans) {
                *again = *touched || span.inexact;
            }
        }
        Mode::Exact(ExactMode::Lineage) => {
            leaves
                .iter_mut()
                .zip(touched)
                .for_each(|(leaves, touched)| *leaves |= touched);
        }
        Mode::Approximate if !sequence.is_computed() => return Err(KvError::Pending.into()),
        Mode::Approximate => {}
    }
    if matches!(mode, Mode::Exact(ExactMode::WriteTime | ExactMode::Lineage)) {
        let inexact = sequence
            .spans
            .iter()
            .zip(&leaves)
            .filter(|(span, leaves)| span.inexact && !**leaves);
        let inexact: Vec<SpanId> = inexact.map(|(span, _)| span.id).collect();
        if !inexact.is_empty() {
            return Err(PlanError::Inexact(inexact));
        }
    }
    Ok((leaves, again))
}

pub(crate) fn chosen(sequence: &Sequence, set: &[bool]) -> Vec<SpanId> {
    let spans = sequence
        .spans
        .iter()
        .zip(set)
        .filter(|(_, chosen)| **chosen);
    spans.map(|(span, _)| span.id).collect()
}

/// Pages a sequence no longer holds under a layout.
pub(crate) fn given_back(sequence: &Sequence, layout: &[Laid]) -> Vec<PageId> {
    let mut back = Vec::new();
    for (at, segment) in (0_u32..).zip(&sequence.segments) {
        let kept = layout
            .iter()
            .find(|laid| laid.home == at)
            .map_or(0, |laid| laid.kept);
        back.extend(
            segment
                .pages
                .iter()
                .skip(kept.div_ceil(PAGE_TOKENS) as usize),
        );
    }
    back
}

/// Pages with rows that leave them and must be zeroed, in the order of their numbers: rows of spans that were not
/// admitted and do not stay where they are.
pub(crate) fn leaving_pages(sequence: &Sequence, layout: &[Laid]) -> Vec<PageId> {
    let mut stays = vec![false; sequence.spans.len()];
    for &(at, _, stay) in layout.iter().flat_map(|laid| &laid.spans) {
        if let Some(stays) = stays.get_mut(at) {
            *stays = stay;
        }
    }
    let mut pages = Vec::new();
    for (span, _) in sequence.spans.iter().zip(stays).filter(|(_, stays)| !stays) {
        if span.standing == Standing::Admitted {
            continue;
        }
        if let Some(segment) = sequence.segments.get(span.segment as usize) {
            let writes = segment.writes(span.start, span.len);
            pages.extend(writes.iter().map(|write| write.page));
        }
    }
    pages.sort_unstable();
    pages.dedup();
    pages
}
