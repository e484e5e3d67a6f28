//! A naive ledger and a make-believe arena.
//!
//! A row's value is a hash of its token, its position and the values of every row it sees, in their order, which is what
//! the numeric contract says of real rows. So a row that saw too much, too little or another order has another value, and
//! "never saw" is an equality.

use std::collections::BTreeMap;

use crate::{
    Command, Kind, Ledger, PAGE_TOKENS, PageId, SeqId, SpanId, Standing, Token, Wipe, page::State,
};

/// What a row without content holds.
const NOTHING: u64 = 0;

pub(super) fn value(token: Token, position: u32, seen: impl Iterator<Item = u64>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for value in seen {
        hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(7);
    }
    for value in [u64::from(token), u64::from(position)] {
        hash = (hash ^ value)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(11);
    }
    hash | 1
}

/// A key rotated by some positions.
pub(super) fn rotated(value: u64, shift: u32) -> u64 {
    if shift == 0 {
        value
    } else {
        (value.rotate_left(3) ^ u64::from(shift)) | 1
    }
}

/// Pages with values; a row of a span that may not stay is marked.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena {
    rows: BTreeMap<(PageId, u32), (u64, bool)>,
}

impl Arena {
    pub(super) fn get(&self, page: PageId, row: u32) -> u64 {
        self.rows
            .get(&(page, row))
            .map_or(NOTHING, |(value, _)| *value)
    }

    fn put(&mut self, page: PageId, row: u32, value: u64) {
        self.rows.insert((page, row), (value, false));
    }

    /// Does what the ledger says and keeps the requests to zero.
    pub(super) fn obey(&mut self, commands: Vec<Command>, wipes: &mut Vec<Wipe>) {
        for command in commands {
            match command {
                Command::Copy(copy) => {
                    let read: Vec<_> = (0..copy.rows)
                        .map(|row| self.rows.get(&(copy.from, copy.from_row + row)).copied())
                        .collect();
                    for (row, held) in (0..).zip(read) {
                        let (value, secret) = held.expect("only rows that are there are copied");
                        let value = rotated(value, copy.shift);
                        self.rows
                            .insert((copy.to, copy.to_row + row), (value, secret));
                    }
                }
                Command::Zero(wipe) => {
                    self.rows.retain(|(page, _), _| *page != wipe.page());
                    wipes.push(wipe);
                }
            }
        }
    }

    /// Computes what a sequence has pending.
    pub(super) fn compute(&mut self, ledger: &mut Ledger, seq: SeqId) {
        for run in ledger.pending(seq).expect("the sequence is there") {
            let tokens = ledger.tokens(seq, run).expect("the run is its");
            let view = ledger.view(seq, run.segment).expect("the segment is there");
            let writes = ledger.writes(seq, run).expect("the run is its");
            let places: Vec<_> = writes
                .iter()
                .flat_map(|write| {
                    (0..write.rows)
                        .map(move |row| (write.page, write.row + row, write.position + row))
                })
                .collect();
            assert_eq!(places.len(), tokens.len());
            assert_eq!(
                places.first().map(|place| place.2),
                tokens.first().map(|_| run.position)
            );
            for ((page, row, position), token) in places.into_iter().zip(tokens) {
                let seen = view
                    .iter()
                    .flat_map(|view| (0..view.rows).map(|row| (view.page, row)))
                    .take_while(|place| *place != (page, row))
                    .map(|(page, row)| self.get(page, row));
                let value = value(token, position, seen);
                self.put(page, row, value);
            }
            ledger.computed(seq, run).expect("the run was asked for");
        }
    }

    /// Marks the rows of spans that are not admitted: from here on they may not be in a page that is free.
    pub(super) fn mark_secrets(&mut self, ledger: &Ledger, seq: SeqId) {
        for standing in [Standing::Probation, Standing::Quarantined] {
            self.mark(ledger, seq, standing, true);
        }
    }

    /// Marks the rows of spans that are quarantined.
    pub(super) fn mark_quarantined(&mut self, ledger: &Ledger, seq: SeqId) {
        self.mark(ledger, seq, Standing::Quarantined, true);
    }

    /// Rows of spans that stay and are still to be judged may yet be admitted.
    pub(super) fn unmark_probation(&mut self, ledger: &Ledger, seq: SeqId) {
        self.mark(ledger, seq, Standing::Probation, false);
    }

    fn mark(&mut self, ledger: &Ledger, seq: SeqId, standing: Standing, mark: bool) {
        let spans = ledger.spans(seq).expect("the sequence is there");
        for span in spans.iter().filter(|span| span.standing == standing) {
            let own = &ledger.sequences[&seq].segments[span.segment as usize];
            let start = span.position - own.base;
            for row in start..start + span.tokens {
                let place = own.place(row).expect("its rows are on pages");
                if let Some((_, secret)) = self.rows.get_mut(&place) {
                    *secret = mark;
                }
            }
        }
    }

    /// No page that is free holds a row of a span that might not stay.
    pub(super) fn free_pages_are_clean(&self, ledger: &Ledger) {
        for ((page, row), (_, secret)) in &self.rows {
            let state = ledger.pages.get(*page).map(|slot| slot.state);
            assert!(
                !secret || state == Some(State::Used),
                "row {row} of {page} was not zeroed"
            );
        }
    }
}

/// Where a span stands: in the trunk, or in a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Trunk,
    Member(u32, u32),
}

#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) id: SpanId,
    pub(super) kind: Kind,
    pub(super) standing: Standing,
    pub(super) stand: Stand,
    pub(super) tokens: Vec<Token>,
    pub(super) values: Vec<u64>,
    pub(super) visible: Vec<SpanId>,
    /// What was visible when its text came to be.
    pub(super) read: Vec<SpanId>,
}

/// Every token with everything it sees, and nothing shared with anybody.
#[derive(Clone, Debug, Default)]
pub(super) struct Naive {
    pub(super) spans: Vec<Span>,
    pub(super) revision_of_parent: Option<(SeqId, u64, u32)>,
    pub(super) principal: usize,
}

impl Naive {
    /// The position of each span's first token.
    pub(super) fn positions(&self) -> Vec<u32> {
        let mut positions = Vec::new();
        let (mut trunk, mut end) = (0, 0);
        let mut member: Option<(u32, u32, u32)> = None;
        for span in &self.spans {
            let len = u32::try_from(span.tokens.len()).expect("short");
            let at = match (span.stand, member) {
                (Stand::Trunk, _) => end,
                (Stand::Member(group, own), Some((open, last, at))) if open == group => {
                    if own == last { at } else { trunk }
                }
                (Stand::Member(..), _) => {
                    trunk = end;
                    end
                }
            };
            positions.push(at);
            end = end.max(at + len);
            member = match span.stand {
                Stand::Trunk => None,
                Stand::Member(group, own) => Some((group, own, at + len)),
            };
        }
        positions
    }

    fn sees(&self, at: usize) -> Vec<usize> {
        let own = self.spans[at].stand;
        (0..at)
            .filter(|before| match (own, self.spans[*before].stand) {
                (Stand::Member(group, own), Stand::Member(theirs, other)) => {
                    group != theirs || own == other
                }
                _ => true,
            })
            .collect()
    }

    /// Computes a span anew, from what stands before it.
    pub(super) fn compute(&mut self, at: usize) {
        let sees = self.sees(at);
        let position = self.positions()[at];
        let mut seen: Vec<u64> = sees
            .iter()
            .flat_map(|at| self.spans[*at].values.clone())
            .collect();
        let before = seen.len();
        let ids = sees.iter().map(|at| self.spans[*at].id).collect();
        let span = &mut self.spans[at];
        for (row, token) in (0..).zip(&span.tokens) {
            let value = value(*token, position + row, seen.iter().copied());
            seen.push(value);
        }
        span.values = seen.split_off(before);
        span.visible = ids;
    }

    pub(super) fn add(&mut self, span: Span) {
        self.spans.push(span);
        let at = self.spans.len() - 1;
        self.compute(at);
        self.spans[at].read = self.spans[at].visible.clone();
    }

    /// Spans that attended this one, or one that did, by going round until nothing is added.
    pub(super) fn closure(
        &self,
        of: SpanId,
        by: impl Fn(&Span) -> &Vec<SpanId>,
        carries: impl Fn(&Span) -> bool,
    ) -> Vec<SpanId> {
        let mut reached = vec![of];
        loop {
            let next = self.spans.iter().find(|span| {
                !reached.contains(&span.id)
                    && carries(span)
                    && by(span).iter().any(|id| reached.contains(id))
            });
            match next {
                Some(span) => reached.push(span.id),
                None => break,
            }
        }
        reached.retain(|id| *id != of);
        reached.sort();
        reached
    }

    /// Spans that carry what is not there any more.
    pub(super) fn inexact(&self) -> Vec<SpanId> {
        let here: Vec<SpanId> = self.spans.iter().map(|span| span.id).collect();
        let mut all: Vec<SpanId> = Vec::new();
        for span in &self.spans {
            if span
                .visible
                .iter()
                .any(|id| !here.contains(id) || all.contains(id))
            {
                all.push(span.id);
            }
        }
        all
    }

    /// The sequence holds just this, row by row.
    pub(super) fn holds(&self, ledger: &Ledger, arena: &Arena, seq: SeqId) {
        let spans = ledger.spans(seq).expect("the sequence is there");
        let positions = self.positions();
        let inexact = self.inexact();
        assert_eq!(spans.len(), self.spans.len());
        for ((naive, span), position) in self.spans.iter().zip(&spans).zip(positions) {
            assert_eq!(span.id, naive.id);
            assert_eq!(span.standing, naive.standing);
            assert_eq!(span.position, position, "{} of {seq}", span.id);
            assert_eq!(span.visible, naive.visible, "{} of {seq}", span.id);
            assert_eq!(
                span.inexact,
                inexact.contains(&span.id),
                "{} of {seq}",
                span.id
            );
            assert_eq!(
                ledger.span_tokens(seq, span.id).expect("the span is there"),
                naive.tokens
            );
            let segment = &ledger.sequences[&seq].segments[span.segment as usize];
            for (row, expected) in (position - segment.base..).zip(&naive.values) {
                let (page, row) = segment.place(row).expect("its rows are on pages");
                assert_eq!(
                    arena.get(page, row),
                    *expected,
                    "row {row} of {} in {seq}",
                    span.id
                );
            }
        }
        for (at, segment) in ledger.sequences[&seq].segments.iter().enumerate() {
            assert_eq!(
                segment.pages.len(),
                segment.len.div_ceil(PAGE_TOKENS) as usize,
                "segment {at}"
            );
        }
    }
}
