//! What the ledger says of its sequences.

use std::sync::Arc;

use crate::{
    command::{Run, View, Write},
    error::KvError,
    ledger::Ledger,
    sequence::{Segment, Sequence},
    span::SpanView,
    words::{SeqId, SpanId, Tag, Token, is_name},
};

/// A sequence as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceView {
    /// Its id.
    pub seq: SeqId,
    /// Who pays for it.
    pub principal: Arc<str>,
    /// What makes its rows.
    pub tag: Tag,
    /// What it was forked of.
    pub parent: Option<SeqId>,
    /// How often it changed.
    pub revision: u64,
    /// Its spans.
    pub spans: u32,
    /// Its tokens.
    pub tokens: u64,
    /// Its pages; others may hold them too.
    pub pages: u32,
    /// Rows that are still to be computed.
    pub pending: u64,
}

impl Ledger {
    /// Every sequence, the oldest first.
    #[must_use]
    pub fn sequences(&self) -> Vec<SequenceView> {
        let view = |(seq, sequence): (&SeqId, &Sequence)| {
            let pending = sequence.pending();
            Some(SequenceView {
                seq: *seq,
                principal: self.principals.get(sequence.principal as usize)?.clone(),
                tag: self.tags.get(usize::from(sequence.tag))?.clone(),
                parent: sequence.parent.map(|parent| parent.seq),
                revision: sequence.revision,
                spans: u32::try_from(sequence.spans.len()).unwrap_or(u32::MAX),
                tokens: sequence.tokens(),
                pages: u32::try_from(sequence.pages().count()).unwrap_or(u32::MAX),
                pending: pending.iter().map(|run| u64::from(run.tokens)).sum(),
            })
        };
        self.sequences.iter().filter_map(view).collect()
    }

    /// The digest of a sequence's list of spans as it is: what a certificate calls its survivors.
    ///
    /// # Errors
    /// [`KvError::NoSequence`].
    pub fn list_digest(&self, seq: SeqId) -> Result<fak_types::Digest, KvError> {
        let sequence = self.sequence(seq)?;
        Ok(sequence.chain(sequence.spans.len()))
    }

    /// Rows that are still to be computed, in order.
    ///
    /// # Errors
    /// [`KvError::NoSequence`].
    pub fn pending(&self, seq: SeqId) -> Result<Vec<Run>, KvError> {
        Ok(self.sequence(seq)?.pending())
    }

    /// The tokens of a run.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NotAsked`] when the sequence has no such rows.
    pub fn tokens(&self, seq: SeqId, run: Run) -> Result<Vec<Token>, KvError> {
        let segment = self.sequence(seq)?.segments.get(run.segment as usize);
        let segment = segment.ok_or(KvError::NotAsked)?;
        let end = run
            .row
            .checked_add(run.tokens)
            .filter(|end| *end <= segment.len);
        end.ok_or(KvError::NotAsked)?;
        Ok(segment.tokens(&self.pages, run.row, run.tokens))
    }

    /// The pages a run's rows are written to.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NotAsked`] when the sequence has no such rows.
    pub fn writes(&self, seq: SeqId, run: Run) -> Result<Vec<Write>, KvError> {
        let segment = self.sequence(seq)?.segments.get(run.segment as usize);
        let segment = segment.ok_or(KvError::NotAsked)?;
        let end = run
            .row
            .checked_add(run.tokens)
            .filter(|end| *end <= segment.len);
        end.ok_or(KvError::NotAsked)?;
        Ok(segment.writes(run.row, run.tokens))
    }

    /// The visible list of a segment's rows: first what stands before it, then its own pages; a row sees its own page list
    /// up to itself.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NotAsked`] when there is no such segment.
    pub fn view(&self, seq: SeqId, segment: u32) -> Result<Vec<View>, KvError> {
        let sequence = self.sequence(seq)?;
        let own = sequence
            .segments
            .get(segment as usize)
            .ok_or(KvError::NotAsked)?;
        Ok(sequence
            .seen_by(segment)
            .chain([own])
            .flat_map(Segment::views)
            .collect())
    }

    /// The spans of a sequence, in order.
    ///
    /// # Errors
    /// [`KvError::NoSequence`].
    pub fn spans(&self, seq: SeqId) -> Result<Vec<SpanView>, KvError> {
        let sequence = self.sequence(seq)?;
        Ok(sequence
            .spans
            .iter()
            .map(|span| sequence.view(span))
            .collect())
    }

    /// The tokens of a span.
    ///
    /// # Errors
    /// [`KvError::NoSequence`], [`KvError::NoSpan`].
    pub fn span_tokens(&self, seq: SeqId, span: SpanId) -> Result<Vec<Token>, KvError> {
        let sequence = self.sequence(seq)?;
        let (_, found) = sequence.span(span).ok_or(KvError::NoSpan(span))?;
        let segment = sequence.segments.get(found.segment as usize);
        let tokens = segment.map(|segment| segment.tokens(&self.pages, found.start, found.len));
        Ok(tokens.unwrap_or_default())
    }

    /// How often the sequence changed: plans and forks are of one revision.
    ///
    /// # Errors
    /// [`KvError::NoSequence`].
    pub fn revision(&self, seq: SeqId) -> Result<u64, KvError> {
        Ok(self.sequence(seq)?.revision)
    }

    /// Whether a text may be the name of a span, a model, a family or a principal.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        is_name(text)
    }
}
