//! Evictions: a plan done.

use std::{collections::BTreeSet, sync::Arc};

use fak_types::Digest;

use crate::{
    command::{Command, Copy, Run},
    error::{KvError, PlanError},
    ledger::Ledger,
    plan::{Laid, Plan, given_back, leaving_pages},
    sequence::{Segment, Sequence},
    span::Span,
    words::{ExactMode, Kind, Mode, PAGE_TOKENS, PageId, SeqId, SpanId, Standing, Tag, Token},
    write::Writer,
};

/// A span that left, or that is named in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanFacts {
    /// Its number.
    pub id: SpanId,
    /// Its name.
    pub name: Arc<str>,
    /// Whose words it held.
    pub kind: Kind,
    /// The journal row that speaks of it; 0 for none.
    pub row: u64,
    /// How many tokens it had.
    pub tokens: u32,
    /// SHA-256 over its token ids.
    pub digest: Digest,
}

pub(crate) fn facts(span: &Span) -> SpanFacts {
    SpanFacts {
        id: span.id,
        name: Arc::clone(&span.name),
        kind: span.kind,
        row: span.row,
        tokens: span.len,
        digest: span.digest(),
    }
}

/// What every receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) seq: SeqId,
    pub(crate) tag: Tag,
    pub(crate) span: SpanFacts,
    /// Everything that left, in order.
    pub(crate) left: Vec<SpanFacts>,
    /// The digest of the list of spans that stay.
    pub(crate) survivors: Digest,
    pub(crate) survivor_tokens: u64,
    /// Whether isolated groups are left: then never-saw is that of the same layout.
    pub(crate) isolated: bool,
    pub(crate) recomputed: u64,
    /// Whether none of what left was admitted, so that its pages are zeroed before they are used again.
    pub(crate) zeroed: bool,
    pub(crate) text_taint: Vec<(SpanId, Arc<str>)>,
    /// Pages with dropped rows that others still hold.
    pub(crate) elsewhere: u64,
}

/// An exact eviction that was done. [`crate::NeverSaw`] is made of it, and only of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactReceipt {
    pub(crate) mode: ExactMode,
    pub(crate) facts: Facts,
}

/// An approximate eviction that was done. [`crate::Approximated`] is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApproximateReceipt {
    pub(crate) facts: Facts,
}

/// An eviction that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The rows left, once what was planned is run again, are those of a sequence that never saw the span.
    Exact(ExactReceipt),
    /// They are not.
    Approximate(ApproximateReceipt),
}

macro_rules! facts_of {
    ($name:ident) => {
        impl $name {
            /// The sequence.
            #[must_use]
            pub const fn seq(&self) -> SeqId {
                self.facts.seq
            }

            /// The span that was to leave.
            #[must_use]
            pub const fn span(&self) -> &SpanFacts {
                &self.facts.span
            }

            /// Every span that left, in order.
            #[must_use]
            pub fn left(&self) -> &[SpanFacts] {
                &self.facts.left
            }

            /// Pages with rows of what left that others still hold: forks, prefixes.
            #[must_use]
            pub const fn elsewhere(&self) -> u64 {
                self.facts.elsewhere
            }
        }
    };
}

facts_of!(ExactReceipt);
facts_of!(ApproximateReceipt);

impl ExactReceipt {
    /// How it left.
    #[must_use]
    pub const fn mode(&self) -> ExactMode {
        self.mode
    }
}

/// What to do after an eviction.
#[must_use = "the commands come before the rows"]
#[derive(Debug, PartialEq, Eq)]
pub struct Evicted {
    /// To do first.
    pub commands: Vec<Command>,
    /// Rows to compute again, in order.
    pub runs: Vec<Run>,
    /// What the certificate is made of.
    pub receipt: Receipt,
}

/// Rows of a span that do not stay where they are.
struct Moving {
    tokens: Vec<Token>,
    segment: usize,
    start: u32,
    row: u32,
}

impl Ledger {
    /// Does what was planned.
    ///
    /// # Errors
    /// [`PlanError::Stale`] when the sequence changed since, [`KvError::Full`] when there are not pages enough. Nothing
    /// has changed then, except that unused prefixes may have made room.
    pub fn execute(&mut self, plan: &Plan) -> Result<Evicted, PlanError> {
        let sequence = self.sequence(plan.seq)?;
        if sequence.revision != plan.revision {
            return Err(PlanError::Stale);
        }
        let leaves: Vec<bool> = sequence
            .spans
            .iter()
            .map(|span| plan.drop.binary_search(&span.id).is_ok())
            .collect();
        let (_, subject) = sequence.span(plan.span).ok_or(KvError::NoSpan(plan.span))?;
        let subject = facts(subject);
        let left: Vec<SpanFacts> = sequence
            .spans
            .iter()
            .zip(&leaves)
            .filter(|(_, leaves)| **leaves)
            .map(|(span, _)| facts(span))
            .collect();
        let zeroed = sequence
            .spans
            .iter()
            .zip(&leaves)
            .all(|(span, leaves)| !*leaves || span.standing != Standing::Admitted);
        let principal = sequence.principal;
        // Forks and prefixes may hold pages by now that they did not when it was planned.
        let needed = self.needed(sequence, &plan.layout, plan.mode);
        self.room(principal, needed, false)?;
        let elsewhere = self.elsewhere(self.sequence(plan.seq)?, plan);
        let mut sequence = self
            .sequences
            .remove(&plan.seq)
            .ok_or(KvError::NoSequence(plan.seq))?;
        let result = self.rebuild(&mut sequence, plan, &leaves);
        sequence.revision += 1;
        sequence.epoch += 1;
        self.sequences.insert(plan.seq, sequence);
        let commands = result?;
        let mut facts = self.receipt(plan.seq, subject, left, elsewhere)?;
        facts.recomputed = plan.tokens();
        facts.zeroed = zeroed;
        facts.text_taint = self.named(plan.seq, &plan.text_taint);
        let runs = self.pending(plan.seq)?;
        let receipt = match plan.mode {
            Mode::Exact(mode) => Receipt::Exact(ExactReceipt { mode, facts }),
            Mode::Approximate => Receipt::Approximate(ApproximateReceipt { facts }),
        };
        Ok(Evicted {
            commands,
            runs,
            receipt,
        })
    }

    /// Pages with rows that leave which others hold too.
    fn elsewhere(&self, sequence: &Sequence, plan: &Plan) -> u64 {
        let leaving = leaving_pages(sequence, &plan.layout);
        let boundaries = plan.layout.iter().filter_map(|laid| {
            let home = sequence.segments.get(laid.home as usize)?;
            let replaced = self.boundary(laid, home, &leaving);
            home.place(laid.kept.checked_sub(1)?)
                .map(|(page, _)| page)
                .filter(|_| replaced)
        });
        let back = given_back(sequence, &plan.layout);
        let shared = back
            .into_iter()
            .chain(boundaries)
            .filter(|page| self.pages.refs(*page) > 1);
        shared.count() as u64
    }

    fn named(&self, seq: SeqId, spans: &[SpanId]) -> Vec<(SpanId, Arc<str>)> {
        let Ok(sequence) = self.sequence(seq) else {
            return Vec::new();
        };
        let found = spans.iter().filter_map(|id| sequence.span(*id));
        found
            .map(|(_, span)| (span.id, Arc::clone(&span.name)))
            .collect()
    }

    /// The facts about a sequence as it is now.
    pub(crate) fn receipt(
        &self,
        seq: SeqId,
        span: SpanFacts,
        left: Vec<SpanFacts>,
        elsewhere: u64,
    ) -> Result<Facts, KvError> {
        let sequence = self.sequence(seq)?;
        let tag = self.tags.get(usize::from(sequence.tag)).cloned();
        Ok(Facts {
            seq,
            tag: tag.ok_or(KvError::Broken("a tag"))?,
            span,
            left,
            survivors: sequence.chain(sequence.spans.len()),
            survivor_tokens: sequence.tokens(),
            isolated: sequence
                .segments
                .iter()
                .any(|segment| segment.group.is_some()),
            recomputed: 0,
            zeroed: true,
            text_taint: Vec::new(),
            elsewhere,
        })
    }

    /// Puts the planned layout in the place of a sequence's. There is room.
    fn rebuild(
        &mut self,
        sequence: &mut Sequence,
        plan: &Plan,
        leaves: &[bool],
    ) -> Result<Vec<Command>, KvError> {
        let exact = plan.mode.is_exact();
        let leaving = leaving_pages(sequence, &plan.layout);
        leaving
            .iter()
            .for_each(|page| self.pages.mark_secret(*page));
        let back = given_back(sequence, &plan.layout);
        let moving = self.moving(sequence, &plan.layout);
        let mut commands = Vec::new();
        if exact {
            // Their rows are not read again, so they may serve for the new ones.
            back.iter()
                .for_each(|page| self.pages.release(*page, &mut self.outbox.0));
        }
        let (mut fresh, boundaries) = self.kept(sequence, plan, &leaving, &mut commands)?;
        let mut outbox = std::mem::take(&mut self.outbox.0);
        if exact {
            boundaries
                .iter()
                .for_each(|page| self.pages.release(*page, &mut outbox));
        }
        for (segment, moving) in fresh.iter_mut().zip(&moving) {
            for moved in moving {
                commands.extend(self.writer(sequence).extend(
                    segment,
                    &moved.tokens,
                    &mut outbox,
                )?);
                if !exact {
                    let from = sequence
                        .segments
                        .get(moved.segment)
                        .ok_or(KvError::Broken("a segment"))?;
                    copies(from, segment, moved, &mut commands);
                    segment.computed = segment.len;
                }
            }
        }
        self.secrets_follow(&commands);
        self.counters.copies += commands.len() as u64;
        if !exact {
            back.iter()
                .chain(&boundaries)
                .for_each(|page| self.pages.release(*page, &mut outbox));
        }
        sequence.segments = fresh;
        self.respan(sequence, plan, leaves);
        commands.append(&mut outbox);
        Ok(commands)
    }

    /// The planned segments with the rows that stay where they are, and the pages that were replaced by a copy of those.
    fn kept(
        &mut self,
        sequence: &Sequence,
        plan: &Plan,
        leaving: &[PageId],
        commands: &mut Vec<Command>,
    ) -> Result<(Vec<Segment>, Vec<PageId>), KvError> {
        let mut fresh = Vec::with_capacity(plan.layout.len());
        let mut boundaries = Vec::new();
        for laid in &plan.layout {
            let home = sequence.segments.get(laid.home as usize);
            let home = home.ok_or(KvError::Broken("a segment"))?;
            let replaced = self.boundary(laid, home, leaving);
            let pages = laid.kept.div_ceil(PAGE_TOKENS) as usize;
            let mut segment = Segment {
                group: laid.group,
                base: laid.base,
                len: laid.kept,
                computed: home.computed.min(laid.kept),
                pages: home.pages.iter().take(pages).copied().collect(),
            };
            if let Some(page) = segment.pages.last().copied().filter(|_| replaced) {
                let mut writer = self.writer(sequence);
                writer.replace(&mut segment, page, laid.kept % PAGE_TOKENS, commands)?;
                boundaries.push(page);
            }
            fresh.push(segment);
        }
        Ok((fresh, boundaries))
    }

    /// What was secret where it lay is secret where it went.
    fn secrets_follow(&mut self, commands: &[Command]) {
        for command in commands {
            if let Command::Copy(copy) = command
                && self.pages.is_secret(copy.from)
            {
                self.pages.mark_secret(copy.to);
            }
        }
    }

    fn writer(&mut self, sequence: &Sequence) -> Writer<'_> {
        Writer {
            pages: &mut self.pages,
            principal: sequence.principal,
            tag: sequence.tag,
        }
    }

    /// The tokens of all spans that do not stay where they are, for each segment of the layout.
    fn moving(&self, sequence: &Sequence, layout: &[Laid]) -> Vec<Vec<Moving>> {
        let moving = |&(at, row, _): &(usize, u32, bool)| {
            let span = sequence.spans.get(at)?;
            let segment = span.segment as usize;
            let tokens = sequence
                .segments
                .get(segment)?
                .tokens(&self.pages, span.start, span.len);
            Some(Moving {
                tokens,
                segment,
                start: span.start,
                row,
            })
        };
        layout
            .iter()
            .map(|laid| {
                laid.spans
                    .iter()
                    .filter(|(_, _, stays)| !stays)
                    .filter_map(moving)
                    .collect()
            })
            .collect()
    }

    /// Puts the spans that stay where their rows are now.
    fn respan(&mut self, sequence: &mut Sequence, plan: &Plan, leaves: &[bool]) {
        let old = std::mem::take(&mut sequence.spans);
        let mut old: Vec<Option<Arc<Span>>> = old.into_iter().map(Some).collect();
        let first = leaves
            .iter()
            .position(|leaves| *leaves)
            .unwrap_or(old.len());
        let mut removed = sequence.removed.clone();
        for id in &plan.drop {
            removed = removed.with(id.0, id.0 + 1);
        }
        sequence.removed = removed;
        let exact = plan.mode.is_exact();
        let mut redone: Vec<usize> = Vec::new();
        let mut changed = first;
        for (segment, laid) in (0_u32..).zip(&plan.layout) {
            for &(at, row, stays) in &laid.spans {
                let Some(mut span) = old.get_mut(at).and_then(Option::take) else {
                    continue;
                };
                let touched = plan.touched.get(at).copied().unwrap_or(false);
                if !exact && touched {
                    Arc::make_mut(&mut span).inexact = true;
                }
                if exact && !stays {
                    redone.push(sequence.spans.len());
                    changed = changed.min(sequence.spans.len());
                }
                if (span.segment, span.start) != (segment, row) {
                    let span = Arc::make_mut(&mut span);
                    (span.segment, span.start) = (segment, row);
                }
                sequence.spans.push(span);
            }
        }
        for at in redone {
            let Some(segment) = sequence.spans.get(at).map(|span| span.segment) else {
                continue;
            };
            let unseen = sequence.structural(segment);
            if let Some(span) = sequence.spans.get_mut(at) {
                let span = Arc::make_mut(span);
                (span.unseen, span.inexact) = (unseen, false);
            }
        }
        self.keep_secret(sequence);
        // The last span may still grow; all before it are closed anew from the first that changed.
        let open = sequence.spans.len().saturating_sub(1);
        for span in sequence.spans.iter_mut().skip(changed) {
            Arc::make_mut(span).closed = None;
        }
        sequence.close_between(changed.min(open), open);
    }

    /// Rows of a quarantined span that stays lie on other pages now.
    fn keep_secret(&mut self, sequence: &Sequence) {
        let quarantined = |span: &&Arc<Span>| span.standing == Standing::Quarantined;
        let pages: BTreeSet<PageId> = sequence
            .spans
            .iter()
            .filter(quarantined)
            .filter_map(|span| {
                let segment = sequence.segments.get(span.segment as usize)?;
                Some(segment.writes(span.start, span.len))
            })
            .flatten()
            .map(|write| write.page)
            .collect();
        pages.iter().for_each(|page| self.pages.mark_secret(*page));
    }
}

/// What copies the rows of a span to where they are now.
fn copies(from: &Segment, to: &Segment, moved: &Moving, commands: &mut Vec<Command>) {
    let count = u32::try_from(moved.tokens.len()).unwrap_or(0);
    let shift = (from.base + moved.start).saturating_sub(to.base + moved.row);
    let mut done = 0;
    while done < count {
        let places = (from.place(moved.start + done), to.place(moved.row + done));
        let (Some((source, from_row)), Some((target, to_row))) = places else {
            break;
        };
        let fits = (PAGE_TOKENS - from_row)
            .min(PAGE_TOKENS - to_row)
            .min(count - done);
        commands.push(Command::Copy(Copy {
            from: source,
            from_row,
            to: target,
            to_row,
            rows: fits,
            shift,
        }));
        done += fits;
    }
}
