//! Sequences: segments of rows, and the spans over them.
//!
//! A segment is a run of rows on pages of its own. The trunk is one; every member of an isolated group is one, and behind
//! a group the trunk goes on in a new one. Page boundaries are a function of the visible list alone: every 64 rows from
//! the start of a segment.

use std::sync::Arc;

use fak_types::Digest;

use crate::{
    command::{Run, View, Write},
    gaps::Gaps,
    page::Pages,
    span::{Mark, Span, SpanView, chain},
    words::{PAGE_TOKENS, PageId, Salt, SeqId, SpanId, Token},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The isolated group it is a member of; `None` for the trunk.
    pub(crate) group: Option<u32>,
    /// The position of its first row.
    pub(crate) base: u32,
    /// Rows.
    pub(crate) len: u32,
    /// Rows that are computed, from the first.
    pub(crate) computed: u32,
    pub(crate) pages: Vec<PageId>,
}

impl Segment {
    pub(crate) const fn end(&self) -> u32 {
        self.base + self.len
    }

    /// The page a row lies in, and where.
    pub(crate) fn place(&self, row: u32) -> Option<(PageId, u32)> {
        let page = *self.pages.get((row / PAGE_TOKENS) as usize)?;
        Some((page, row % PAGE_TOKENS))
    }

    /// Pages with the rows of each.
    pub(crate) fn views(&self) -> impl Iterator<Item = View> + '_ {
        (0_u32..).zip(&self.pages).map(|(index, &page)| {
            let row = index * PAGE_TOKENS;
            View {
                page,
                rows: (self.len.saturating_sub(row)).min(PAGE_TOKENS),
                position: self.base + row,
            }
        })
    }

    /// The rows of a run, page by page.
    pub(crate) fn writes(&self, row: u32, tokens: u32) -> Vec<Write> {
        let mut writes = Vec::new();
        let (mut at, end) = (row, row + tokens);
        while at < end {
            let Some((page, in_page)) = self.place(at) else {
                break;
            };
            let rows = (PAGE_TOKENS - in_page).min(end - at);
            writes.push(Write {
                page,
                row: in_page,
                rows,
                position: self.base + at,
            });
            at += rows;
        }
        writes
    }

    /// The tokens of some rows.
    pub(crate) fn tokens(&self, pages: &Pages, row: u32, len: u32) -> Vec<Token> {
        let mut tokens = Vec::with_capacity(len as usize);
        let (mut at, end) = (row, row + len);
        while at < end {
            let Some((page, in_page)) = self.place(at) else {
                break;
            };
            let rows = (PAGE_TOKENS - in_page).min(end - at);
            let held = pages.tokens(page, in_page + rows);
            tokens.extend(held.iter().skip(in_page as usize));
            at += rows;
        }
        tokens
    }
}

/// What a sequence was forked of: the sequence, its revision then, and the first span number of the fork's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) seq: SeqId,
    pub(crate) revision: u64,
    pub(crate) next: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) principal: u32,
    pub(crate) tenant: Salt,
    pub(crate) tag: u16,
    pub(crate) revision: u64,
    /// How often rows were taken away or moved.
    pub(crate) epoch: u64,
    pub(crate) parent: Option<Parent>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) spans: Vec<Arc<Span>>,
    /// The next span's number.
    pub(crate) next: u32,
    /// Numbers of the spans that left.
    pub(crate) removed: Gaps,
    /// Groups ever opened.
    pub(crate) groups: u32,
}

impl Sequence {
    pub(crate) fn span(&self, id: SpanId) -> Option<(usize, &Arc<Span>)> {
        let at = self.spans.binary_search_by_key(&id, |span| span.id).ok()?;
        self.spans.get(at).map(|span| (at, span))
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| u64::from(segment.len))
            .sum()
    }

    pub(crate) fn is_computed(&self) -> bool {
        self.segments
            .iter()
            .all(|segment| segment.computed == segment.len)
    }

    pub(crate) fn pages(&self) -> impl Iterator<Item = PageId> + '_ {
        self.segments
            .iter()
            .flat_map(|segment| segment.pages.iter().copied())
    }

    /// Runs that are still to be computed, in order.
    pub(crate) fn pending(&self) -> Vec<Run> {
        (0_u32..)
            .zip(&self.segments)
            .filter(|(_, segment)| segment.computed < segment.len)
            .map(|(index, segment)| Run {
                segment: index,
                row: segment.computed,
                position: segment.base + segment.computed,
                tokens: segment.len - segment.computed,
                epoch: self.epoch,
            })
            .collect()
    }

    /// Segments whose rows a segment's rows see besides their own.
    pub(crate) fn seen_by(&self, index: u32) -> impl Iterator<Item = &Segment> + '_ {
        let group = self
            .segments
            .get(index as usize)
            .and_then(|segment| segment.group);
        self.segments
            .iter()
            .take(index as usize)
            .filter(move |before| group.is_none() || before.group != group)
    }

    /// What a span in this segment does not see, as the sequence is: what left, and the siblings before it.
    pub(crate) fn structural(&self, segment: u32) -> Gaps {
        let group_of = |index: u32| self.segments.get(index as usize).and_then(|s| s.group);
        let Some(group) = group_of(segment) else {
            return self.removed.clone();
        };
        let first = self
            .spans
            .iter()
            .find(|span| group_of(span.segment) == Some(group));
        let own = self.spans.iter().find(|span| span.segment == segment);
        let own = own.map_or(self.next, |span| span.id.0);
        self.removed.with(first.map_or(own, |span| span.id.0), own)
    }

    /// How a span continues the list.
    pub(crate) fn mark(&self, span: &Span) -> Mark {
        match self
            .segments
            .get(span.segment as usize)
            .and_then(|segment| segment.group)
        {
            _ if span.start > 0 => Mark::Continues,
            Some(_) => Mark::Isolated,
            None => Mark::Trunk,
        }
    }

    /// The digest of the list of the first `count` spans.
    pub(crate) fn chain(&self, count: usize) -> Digest {
        let mut digest = Digest::ZERO;
        let mut from = 0;
        for (at, span) in self.spans.iter().take(count).enumerate().rev() {
            if let Some((_, closed)) = span.closed {
                digest = closed;
                from = at + 1;
                break;
            }
        }
        for span in self.spans.iter().take(count).skip(from) {
            digest = chain(digest, self.mark(span), span.len, span.digest());
        }
        digest
    }

    /// Closes every span from this place on.
    pub(crate) fn close(&mut self, from: usize) {
        self.close_between(from, self.spans.len());
    }

    /// Closes the spans between two places.
    pub(crate) fn close_between(&mut self, from: usize, to: usize) {
        let mut digest = self.chain(from);
        for at in from..to {
            let Some(span) = self.spans.get(at) else {
                break;
            };
            let tokens = span.digest();
            digest = chain(digest, self.mark(span), span.len, tokens);
            if let Some(span) = self.spans.get_mut(at) {
                Arc::make_mut(span).closed = Some((tokens, digest));
            }
        }
    }

    pub(crate) fn view(&self, span: &Span) -> SpanView {
        let segment = self.segments.get(span.segment as usize);
        let visible = (0..span.id.0).map(SpanId).filter(|id| {
            // A number that was never a span of this sequence's list is not seen; there is none below the next.
            span.sees(*id) && (self.span(*id).is_some() || self.removed.contains(id.0))
        });
        SpanView {
            id: span.id,
            name: Arc::clone(&span.name),
            kind: span.kind,
            taint: span.taint,
            standing: span.standing,
            row: span.row,
            segment: span.segment,
            group: segment.and_then(|segment| segment.group),
            position: segment.map_or(0, |segment| segment.base) + span.start,
            tokens: span.len,
            digest: span.digest(),
            visible: visible.collect(),
            inexact: span.inexact,
        }
    }
}
