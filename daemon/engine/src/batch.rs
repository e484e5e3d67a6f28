//! A batch: the new rows of some sequences, checked before anything is computed, and their places in the cache.

use std::ops::Range;

use fak_simd::{KvPage, PAGE_TOKENS};

use crate::{
    error::ForwardError,
    kv::{KvMemory, PageView},
    model::Model,
};

/// LIMIT: visible tokens of one sequence.
pub const VISIBLE_MAX: usize = 1 << 20;

/// A token to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The token.
    pub token: u32,
    /// Its position.
    pub position: u32,
    /// Whether its logits are wanted.
    pub logits: bool,
}

/// New rows of one sequence, and the pages of all it sees.
///
/// The rows are the last ones of the views, in order: their keys and values are written there. A row sees what stands
/// before it along the views, and itself; in a sliding layer, the last of these.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    /// Pages in order, the new rows' places included.
    pub views: &'a [PageView],
    /// The new rows.
    pub rows: &'a [Row],
}

/// A batch, checked.
pub(crate) struct Plan {
    pub(crate) rows: Vec<Row>,
    /// For each row, the page and the row in it that it is written to.
    places: Vec<(u32, usize)>,
    /// For each sequence, what its rows see in full layers.
    pub(crate) visible: Vec<Vec<Range<usize>>>,
}

impl Plan {
    pub(crate) fn new(
        model: &Model,
        kv: &dyn KvMemory,
        batch: &[Sequence<'_>],
    ) -> Result<Plan, ForwardError> {
        let count = batch
            .iter()
            .map(|s| s.rows.len())
            .fold(0, usize::saturating_add);
        if count > model.rows_max {
            return Err(ForwardError::Rows {
                rows: count,
                most: model.rows_max,
            });
        }
        let mut plan = Plan {
            rows: Vec::with_capacity(count),
            places: Vec::with_capacity(count),
            visible: Vec::with_capacity(batch.len()),
        };
        for sequence in batch {
            plan.sequence(model, kv, sequence)?;
        }
        let mut sorted = plan.places.clone();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find(|pair| pair.first() == pair.last());
        if let Some(&[(page, row), _]) = twice {
            return Err(ForwardError::Twice { page, row });
        }
        Ok(plan)
    }

    /// Forgets the rows whose logits are not wanted. Their places stay known.
    pub(crate) fn retain_wanted(&mut self) {
        let mut rows = self.rows.iter();
        for visible in &mut self.visible {
            visible.retain(|_| rows.next().is_some_and(|row| row.logits));
        }
        self.rows.retain(|row| row.logits);
    }

    fn sequence(
        &mut self,
        model: &Model,
        kv: &dyn KvMemory,
        sequence: &Sequence<'_>,
    ) -> Result<(), ForwardError> {
        let bytes = model.layout.page_bytes();
        let mut total = 0;
        for view in sequence.views {
            if !(1..=PAGE_TOKENS).contains(&(view.rows as usize)) {
                let PageView { page, rows } = *view;
                return Err(ForwardError::View { page, rows });
            }
            if kv.page(view.page).is_none_or(|page| page.len() != bytes) {
                return Err(ForwardError::Page(view.page));
            }
            total += view.rows as usize;
            if total > VISIBLE_MAX {
                return Err(ForwardError::Visible(VISIBLE_MAX));
            }
        }
        let count = sequence.rows.len();
        let first = total.checked_sub(count).ok_or(ForwardError::NoRoom {
            rows: count,
            visible: total,
        })?;
        for row in sequence.rows {
            if row.token >= model.config.vocab {
                return Err(ForwardError::Token(row.token));
            }
            if row.position >= model.config.context {
                return Err(ForwardError::Position(row.position));
            }
        }
        self.rows.extend_from_slice(sequence.rows);
        let places = sequence
            .views
            .iter()
            .flat_map(|view| (0..view.rows as usize).map(|row| (view.page, row)));
        self.places.extend(places.skip(first));
        self.visible
            .push((first..total).map(|own| 0..own + 1).collect());
        Ok(())
    }
}

/// What rows see in a layer with a window.
pub(crate) fn windowed(
    visible: &[Vec<Range<usize>>],
    window: Option<usize>,
) -> Vec<Vec<Range<usize>>> {
    let window = window.unwrap_or(usize::MAX);
    let narrow = |seen: &Range<usize>| seen.start.max(seen.end.saturating_sub(window))..seen.end;
    visible
        .iter()
        .map(|rows| rows.iter().map(narrow).collect())
        .collect()
}

/// Writes the keys and values of all rows into one layer of their pages.
pub(crate) fn write_rows(
    model: &Model,
    layer: usize,
    kv: &mut dyn KvMemory,
    plan: &Plan,
    (keys, values): (&[f32], &[f32]),
) -> Result<(), ForwardError> {
    let (layout, shape) = (&model.layout, model.layout.shape());
    let (dim, bytes) = (shape.head_dim(), layout.layer_bytes());
    let width = dim * model.config.heads.kv as usize;
    let rows = keys.chunks(width).zip(values.chunks(width));
    for (&(page, slot), (key, value)) in plan.places.iter().zip(rows) {
        let blocks = kv
            .page_mut(page)
            .and_then(|page| page.get_mut(layer * bytes..(layer + 1) * bytes))
            .ok_or(ForwardError::Page(page))?;
        let heads = key.chunks(dim).zip(value.chunks(dim));
        for (block, (key, value)) in blocks.chunks_mut(shape.block_bytes()).zip(heads) {
            if !shape.write(block, slot, key, value) {
                return Err(ForwardError::Page(page));
            }
        }
    }
    Ok(())
}

/// One layer of the pages of every sequence.
pub(crate) fn pages_of<'k>(
    model: &Model,
    layer: usize,
    kv: &'k dyn KvMemory,
    batch: &[Sequence<'_>],
) -> Result<Vec<Vec<KvPage<'k>>>, ForwardError> {
    let bytes = model.layout.layer_bytes();
    let page_of = |view: &PageView| {
        let blocks = kv
            .page(view.page)
            .and_then(|page| page.get(layer * bytes..(layer + 1) * bytes))
            .ok_or(ForwardError::Page(view.page))?;
        Ok(KvPage {
            blocks,
            len: view.rows as usize,
        })
    };
    batch
        .iter()
        .map(|sequence| sequence.views.iter().map(page_of).collect())
        .collect()
}
