//! Forks: the same pages under another sequence, committed or dropped.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    command::Command,
    error::KvError,
    evict::{ExactReceipt, SpanFacts, facts},
    ledger::Ledger,
    sequence::{Parent, Sequence},
    words::{ExactMode, PageId, SeqId, SpanId, Standing},
};

/// A fork that was dropped because its span may not stay.
#[must_use = "the pages are free only after their zeroing"]
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// To do.
    pub commands: Vec<Command>,
    /// What the certificate is made of.
    pub receipt: ExactReceipt,
}

impl Ledger {
    /// Another sequence with the same rows. Costs the length of the lists of pages and spans; no row is copied until one
    /// of both is written to.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::Pending`]: rows that are not computed cannot be shared, [`KvError::Bound`].
    pub fn fork(&mut self, seq: SeqId) -> Result<SeqId, KvError> {
        let sequence = self.sequence(seq)?;
        if !sequence.is_computed() {
            return Err(KvError::Pending);
        }
        self.admits_sequence(sequence.principal)?;
        let parent = Parent {
            seq,
            revision: sequence.revision,
            next: sequence.next,
        };
        let fork = Sequence {
            parent: Some(parent),
            ..sequence.clone()
        };
        for page in fork.pages() {
            self.pages.retain(page);
        }
        Ok(self.insert(fork))
    }

    /// The sequence a fork was made of, when it is still as it was then.
    fn parent_of(&self, fork: SeqId) -> Result<Parent, KvError> {
        let parent = self.sequence(fork)?.parent.ok_or(KvError::NotCurrent)?;
        let now = self.sequences.get(&parent.seq).ok_or(KvError::NotCurrent)?;
        if now.revision != parent.revision {
            return Err(KvError::NotCurrent);
        }
        Ok(parent)
    }

    /// Puts a fork in the place of what it was forked of. The fork's id is gone then; its spans keep their numbers.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NotCurrent`] when the other changed since, [`KvError::NotAdmitted`] with the
    /// first span of the fork that was not admitted.
    pub fn commit(&mut self, fork: SeqId) -> Result<Vec<Command>, KvError> {
        let parent = self.parent_of(fork)?;
        let sequence = self.sequence(fork)?;
        let own = sequence
            .spans
            .iter()
            .filter(|span| span.id.0 >= parent.next);
        if let Some(span) = own.clone().find(|span| span.standing != Standing::Admitted) {
            return Err(KvError::NotAdmitted(span.id));
        }
        let mut fork = self.remove(fork)?;
        let old = self
            .sequences
            .remove(&parent.seq)
            .ok_or(KvError::NotCurrent)?;
        self.release(&old);
        // A later revision than both had, so that no plan of either is taken for one of the new.
        fork.revision = fork.revision.max(old.revision) + 1;
        fork.epoch = fork.epoch.max(old.epoch) + 1;
        fork.parent = old.parent;
        self.sequences.insert(parent.seq, fork);
        Ok(self.drain())
    }

    /// Drops a fork with a span that may not stay: what it was forked of never saw it.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NoSpan`] when the span is not the fork's own, [`KvError::NotCurrent`] when what
    /// it was forked of changed since, [`KvError::Inexact`]; [`Ledger::close`] drops it all the same.
    pub fn refuse(&mut self, fork: SeqId, span: SpanId) -> Result<Refused, KvError> {
        let parent = self.parent_of(fork)?;
        let sequence = self.sequence(fork)?;
        let own = |id: SpanId| id.0 >= parent.next;
        let (_, refused) = sequence
            .span(span)
            .filter(|_| own(span))
            .ok_or(KvError::NoSpan(span))?;
        let left: Vec<SpanFacts> = sequence
            .spans
            .iter()
            .filter(|span| own(span.id))
            .map(|span| facts(span))
            .collect();
        let subject = facts(refused);
        if self
            .sequence(parent.seq)?
            .spans
            .iter()
            .any(|span| span.inexact)
        {
            return Err(KvError::Inexact);
        }
        let mut fork = self.remove(fork)?;
        for span in fork.spans.iter_mut().filter(|span| own(span.id)) {
            Arc::make_mut(span).standing = Standing::Quarantined;
        }
        // A fork's own rows are never on pages of what it was forked of: those are copied before they are written.
        let held: BTreeSet<PageId> = fork
            .spans
            .iter()
            .filter(|span| own(span.id))
            .filter_map(|span| {
                let segment = fork.segments.get(span.segment as usize)?;
                Some(segment.writes(span.start, span.len))
            })
            .flatten()
            .map(|write| write.page)
            .collect();
        self.release(&fork);
        let elsewhere = held
            .iter()
            .filter(|page| self.pages.refs(**page) > 0)
            .count() as u64;
        let receipt = self.receipt(parent.seq, subject, left, elsewhere)?;
        let receipt = ExactReceipt {
            mode: ExactMode::WriteTime,
            facts: receipt,
        };
        Ok(Refused {
            commands: self.drain(),
            receipt,
        })
    }
}
