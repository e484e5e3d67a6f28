//! Attention over lists of visible pages.

use std::ops::Range;

use super::{Compute, ShapeError, fits};
use crate::{
    arch::Backend,
    generic::{
        attention::{Byte, PAGE_TOKENS, PART_HEAD, PageTile},
        weights::{Half, Plain, Single},
    },
    isa::with_backend,
    kv::{KvKind, KvShape},
    lines::Shared,
};

/// Query tokens one unit walks the pages with.
const UNIT_TOKENS: usize = 16;

/// Pages one unit takes when the pages of a sequence are divided among threads.
const UNIT_PAGES: usize = 4;

/// Query tokens up to which the pages, not the tokens, are divided.
const FEW_TOKENS: usize = 4;

/// Rows that share one reading of a page.
const TILE_ROWS: usize = 4;

/// What all sequences of a call share.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Keys and values.
    pub shape: KvShape,
    /// Query heads; a multiple of the key-value heads.
    pub heads: usize,
    /// Key-value heads. Query head `h` meets key-value head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Multiplies queries, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
    /// Bends scores to `cap * tanh(score / cap)`.
    pub cap: Option<f32>,
    /// One more score for each query head, with no value behind it.
    pub sinks: Option<&'a [f32]>,
}

/// One page of one layer: a block for each key-value head, and how many leading slots are in use.
#[derive(Clone, Copy, Debug)]
pub struct KvPage<'a> {
    /// `kv_heads` blocks of [`KvShape::block_bytes`].
    pub blocks: &'a [u8],
    /// Slots in use, 1 to 64.
    pub len: usize,
}

/// The query tokens of one sequence and what they see.
#[derive(Clone, Copy, Debug)]
pub struct KvSequence<'a> {
    /// The visible pages in order. A token that was evicted is in none of them.
    pub pages: &'a [KvPage<'a>],
    /// For each query token the tokens it sees, counted along the pages; never empty.
    pub visible: &'a [Range<usize>],
}

/// The call, checked.
struct Call<'a> {
    attention: Attention<'a>,
    sequences: &'a [KvSequence<'a>],
    /// First query token of each sequence.
    first_tokens: Vec<usize>,
    /// For each sequence, where each of its pages begins, and the end of the last.
    starts: Vec<Vec<usize>>,
    q: &'a [f32],
    out: Shared<f32>,
}

/// Part of the work: some tokens of a sequence with one key-value head, over some of its pages.
#[derive(Clone)]
struct Unit {
    sequence: usize,
    head: usize,
    tokens: Range<usize>,
    pages: Range<usize>,
    /// Where parts go when pages are divided: the first of `pages` x tokens x heads of the group.
    parts: Option<usize>,
}

impl Attention<'_> {
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Numbers in a part.
    fn part(&self) -> usize {
        PART_HEAD + self.shape.padded()
    }
}

impl Compute {
    /// `out = softmax(scale q k) v` for each query token over the tokens it sees. `q` and `out` are one row of
    /// `heads * head_dim` numbers for each query token, sequence after sequence.
    ///
    /// # Errors
    /// When sizes contradict each other, a page is empty, or a token sees nothing or more than there is.
    pub fn attend(
        &mut self,
        attention: &Attention<'_>,
        sequences: &[KvSequence<'_>],
        q: &[f32],
        out: &mut [f32],
    ) -> Result<(), ShapeError> {
        let call = check(attention, sequences, q, out)?;
        let (units, parts) = plan(&call, self.pool.threads());
        let rows = UNIT_TOKENS.max(FEW_TOKENS) * attention.group();
        let dims = attention.shape.padded();
        let numbers = rows * (attention.part() + dims)
            + TILE_ROWS * attention.part()
            + 2 * PAGE_TOKENS * dims;
        let scratch = self.scratch(numbers * size_of::<f32>());
        self.parts.resize(parts * attention.part(), 0.0);
        let shared = Shared(self.parts.as_mut_ptr());
        let isa = self.isa;
        self.pool.run(units.len(), &|thread, unit| {
            if let (Some(unit), Some(scratch)) = (units.get(unit), scratch.get(thread)) {
                with_backend!(isa, run_unit::<_>(&call, unit, scratch.0.cast(), shared));
            }
        });
        let divided: Vec<Unit> = first_parts(&units);
        self.pool.run(divided.len(), &|_, unit| {
            if let Some(unit) = divided.get(unit) {
                with_backend!(isa, join_parts::<_>(&call, unit, shared));
            }
        });
        Ok(())
    }
}

fn check<'a>(
    attention: &Attention<'a>,
    sequences: &'a [KvSequence<'a>],
    q: &'a [f32],
    out: &mut [f32],
) -> Result<Call<'a>, ShapeError> {
    let (heads, kv_heads) = (attention.heads, attention.kv_heads);
    fits(
        kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads),
        "heads",
    )?;
    fits(
        attention.sinks.is_none_or(|sinks| sinks.len() == heads),
        "sinks",
    )?;
    let page_bytes = kv_heads * attention.shape.block_bytes();
    let mut tokens = 0;
    let mut first_tokens = Vec::new();
    let mut starts = Vec::new();
    for sequence in sequences {
        let mut start = 0;
        let mut ends = vec![0];
        for page in sequence.pages {
            fits((1..=PAGE_TOKENS).contains(&page.len), "page")?;
            fits(page.blocks.len() == page_bytes, "blocks")?;
            start += page.len;
            ends.push(start);
        }
        let seen = |range: &Range<usize>| range.start < range.end && range.end <= start;
        fits(sequence.visible.iter().all(seen), "visible")?;
        first_tokens.push(tokens);
        starts.push(ends);
        tokens += sequence.visible.len();
    }
    let row = heads * attention.shape.head_dim();
    fits(q.len() == tokens * row, "q")?;
    fits(out.len() == q.len(), "out")?;
    Ok(Call {
        attention: *attention,
        sequences,
        first_tokens,
        starts,
        q,
        out: Shared(out.as_mut_ptr()),
    })
}

/// Divides the call: few tokens over many pages by pages, all else by tokens. Also gives how many parts are kept.
fn plan(call: &Call<'_>, threads: usize) -> (Vec<Unit>, usize) {
    let mut units = Vec::new();
    let mut parts = 0;
    let heads = call.attention.kv_heads;
    let enough = call.sequences.len() * heads >= 4 * threads;
    for (sequence, owned) in call.sequences.iter().enumerate() {
        let (tokens, pages) = (owned.visible.len(), owned.pages.len());
        let divide = threads > 1 && !enough && tokens <= FEW_TOKENS && pages >= 2 * UNIT_PAGES;
        let (by_tokens, by_pages) = if divide {
            (tokens.max(1), UNIT_PAGES)
        } else {
            (UNIT_TOKENS, pages.max(1))
        };
        for head in 0..heads {
            for token in (0..tokens).step_by(by_tokens) {
                for page in (0..pages).step_by(by_pages) {
                    let unit = Unit {
                        sequence,
                        head,
                        tokens: token..(token + by_tokens).min(tokens),
                        pages: page..(page + by_pages).min(pages),
                        parts: divide.then_some(parts),
                    };
                    if divide {
                        parts += unit.pages.len() * tokens * call.attention.group();
                    }
                    units.push(unit);
                }
            }
        }
    }
    (units, parts)
}

/// For each sequence and head whose pages were divided, a unit over all of them.
fn first_parts(units: &[Unit]) -> Vec<Unit> {
    let mut joined: Vec<Unit> = Vec::new();
    for unit in units.iter().filter(|unit| unit.parts.is_some()) {
        match joined.last_mut() {
            Some(last) if last.sequence == unit.sequence && last.head == unit.head => {
                last.pages.end = unit.pages.end;
            }
            _ => joined.push(unit.clone()),
        }
    }
    joined
}

/// Slots of page `page` that `visible` reaches; `None` when there are none.
fn slots(starts: &[usize], page: usize, visible: &Range<usize>) -> Option<(usize, usize)> {
    let (start, end) = (*starts.get(page)?, *starts.get(page + 1)?);
    let (first, last) = (visible.start.max(start), visible.end.min(end));
    (first < last).then(|| (first - start, last - start))
}

fn run_unit<V: Backend>(call: &Call<'_>, unit: &Unit, scratch: *mut f32, parts: Shared<f32>) {
    let Some(walk) = Walk::new(call, unit, scratch, parts) else {
        return;
    };
    match call.attention.shape.kind() {
        KvKind::F32 => walk.run::<V, Single>(),
        KvKind::F16 => walk.run::<V, Half>(),
        KvKind::Q8 => walk.run::<V, Byte>(),
    }
}

/// One unit on its way over its pages.
struct Walk<'a> {
    call: &'a Call<'a>,
    unit: &'a Unit,
    sequence: &'a KvSequence<'a>,
    starts: &'a [usize],
    first_token: usize,
    /// What each row has gathered so far, unless parts are kept.
    states: *mut f32,
    /// Scaled queries, `[tokens][group][head_dim]`.
    queries: *mut f32,
    /// Parts of one tile.
    tile: *mut f32,
    /// Keys and values of one page as `f32`.
    wide: *mut f32,
    parts: Shared<f32>,
}

impl<'a> Walk<'a> {
    fn new(
        call: &'a Call<'a>,
        unit: &'a Unit,
        scratch: *mut f32,
        parts: Shared<f32>,
    ) -> Option<Walk<'a>> {
        let attention = &call.attention;
        let rows = unit.tokens.len() * attention.group();
        let (part, padded) = (attention.part(), attention.shape.padded());
        let queries = scratch.wrapping_add(rows * part);
        let tile = queries.wrapping_add(rows * padded);
        Some(Walk {
            call,
            unit,
            sequence: call.sequences.get(unit.sequence)?,
            starts: call.starts.get(unit.sequence)?,
            first_token: *call.first_tokens.get(unit.sequence)?,
            states: scratch,
            queries,
            tile,
            wide: tile.wrapping_add(TILE_ROWS * part),
            parts,
        })
    }

    fn run<V: Backend, K: Plain>(&self) {
        self.scale_queries();
        let tokens = self.unit.tokens.len();
        let mut begun = vec![false; tokens];
        for page in self.unit.pages.clone() {
            let wide = tokens * self.call.attention.group() > 2 * TILE_ROWS;
            let Some(tile) = self.lay_out::<V, K>(page, wide) else {
                return;
            };
            let mut token = 0;
            while token < tokens {
                let Some((first, end)) = self.slots(page, token) else {
                    token += 1;
                    continue;
                };
                // Tokens that see the same slots stand in the same tiles.
                let same = |next: &usize| self.slots(page, *next) == Some((first, end));
                let run = (token..tokens).take_while(same).count();
                let tile = PageTile { first, end, ..tile };
                let run = token..token + run;
                if wide {
                    self.meet::<V, Single>(tile, page, run.clone(), &begun);
                } else {
                    self.meet::<V, K>(tile, page, run.clone(), &begun);
                }
                token = run.end;
                for begun in begun.get_mut(run).into_iter().flatten() {
                    *begun = true;
                }
            }
        }
        if self.unit.parts.is_none() {
            self.finish::<V>();
        }
    }

    /// The slots of a page that a token of the unit sees.
    fn slots(&self, page: usize, token: usize) -> Option<(usize, usize)> {
        let visible = self.sequence.visible.get(self.unit.tokens.start + token)?;
        slots(self.starts, page, visible)
    }

    fn scale_queries(&self) {
        let attention = &self.call.attention;
        let width = attention.group() * attention.shape.head_dim();
        for token in 0..self.unit.tokens.len() {
            let row = self.first_token + self.unit.tokens.start + token;
            let from = (row * attention.kv_heads + self.unit.head) * width;
            let own = self.call.q.get(from..from + width).unwrap_or_default();
            for (index, q) in own.iter().enumerate() {
                // SAFETY: the scratch holds a head for each row of the unit.
                unsafe { *self.queries.add(token * width + index) = q * attention.scale };
            }
        }
    }

    /// The page as a tile without rows; with `wide`, keys and values are widened first.
    fn lay_out<V: Backend, K: Plain>(&self, page: usize, wide: bool) -> Option<PageTile> {
        let attention = &self.call.attention;
        let shape = &attention.shape;
        let bytes = shape.block_bytes();
        let block = self.sequence.pages.get(page)?.blocks;
        let block = block.get(self.unit.head * bytes..(self.unit.head + 1) * bytes)?;
        let (head_dim, padded) = (shape.head_dim(), shape.padded());
        let at = |offset: usize| block.as_ptr().wrapping_add(offset);
        let scales = |offset| {
            if shape.keys_at() == 0 {
                std::ptr::null()
            } else {
                at(offset)
            }
        };
        let (mut k, mut v) = (at(shape.keys_at()), at(shape.values_at()));
        if wide {
            let values = self.wide.wrapping_add(PAGE_TOKENS * head_dim);
            // SAFETY: the instruction set is available; the block holds both, the scratch has room for both.
            unsafe {
                V::widen::<K>(k, PAGE_TOKENS / 16 * head_dim, self.wide);
                V::widen::<K>(v, PAGE_TOKENS * padded / 16, values);
            }
            (k, v) = (self.wide.cast_const().cast(), values.cast_const().cast());
        }
        Some(PageTile {
            k,
            v,
            k_scales: scales(0),
            v_scales: scales(2 * PAGE_TOKENS),
            head_dim,
            padded,
            first: 0,
            end: PAGE_TOKENS,
            q: self.queries,
            cap: attention.cap.unwrap_or(0.0),
            out: self.tile,
        })
    }

    /// The rows of some tokens meet the page, four at a time.
    fn meet<V: Backend, K: Plain>(
        &self,
        tile: PageTile,
        page: usize,
        tokens: Range<usize>,
        begun: &[bool],
    ) {
        let attention = &self.call.attention;
        let (group, part) = (attention.group(), attention.part());
        let all = self.unit.tokens.len() * group;
        let kept = self
            .unit
            .parts
            .map(|first| first + (page - self.unit.pages.start) * all);
        let mut row = tokens.start * group;
        while row < tokens.end * group {
            let count = TILE_ROWS.min(tokens.end * group - row);
            let tile = PageTile {
                q: self.queries.wrapping_add(row * tile.head_dim).cast_const(),
                out: kept.map_or(tile.out, |kept| {
                    self.parts.0.wrapping_add((kept + row) * part)
                }),
                ..tile
            };
            // SAFETY: the instruction set is available; queries and room for parts exist for every row of the unit.
            unsafe {
                match count {
                    1 => V::page::<K, 1>(&tile),
                    2 => V::page::<K, 2>(&tile),
                    3 => V::page::<K, 3>(&tile),
                    _ => V::page::<K, 4>(&tile),
                }
            }
            if kept.is_none() {
                for index in 0..count {
                    let begun = begun.get((row + index) / group) == Some(&true);
                    let (state, part) = (
                        self.states.wrapping_add((row + index) * part),
                        tile.out.wrapping_add(index * part).cast_const(),
                    );
                    // SAFETY: as above; state and part do not overlap.
                    unsafe { gather::<V>(state, part, tile.padded, begun) };
                }
            }
            row += count;
        }
    }

    /// Writes the rows of the unit.
    fn finish<V: Backend>(&self) {
        let attention = &self.call.attention;
        for row in 0..self.unit.tokens.len() * attention.group() {
            let state = self
                .states
                .wrapping_add(row * attention.part())
                .cast_const();
            let token = self.first_token + self.unit.tokens.start + row / attention.group();
            let head = self.unit.head * attention.group() + row % attention.group();
            finish_row::<V>(self.call, state, token, head);
        }
    }
}

/// Puts a part behind what a row has gathered; the first part is what it begins with.
///
/// # Safety
/// The instruction set is available; both hold a part and do not overlap.
unsafe fn gather<V: Backend>(state: *mut f32, part: *const f32, padded: usize, begun: bool) {
    // SAFETY: by the promise above.
    unsafe {
        if begun {
            V::combine(state, part, padded);
        } else {
            std::ptr::copy_nonoverlapping(part, state, PART_HEAD + padded);
        }
    }
}

fn finish_row<V: Backend>(call: &Call<'_>, state: *const f32, token: usize, head: usize) {
    let attention = &call.attention;
    let head_dim = attention.shape.head_dim();
    let sink = attention.sinks.and_then(|sinks| sinks.get(head)).copied();
    // SAFETY: the instruction set is available; this head of this row lies in the output and belongs to this unit.
    unsafe {
        let out = call.out.at((token * attention.heads + head) * head_dim);
        V::finish(state, sink, head_dim, out);
    }
}

/// Puts the parts of divided pages together, in their order.
fn join_parts<V: Backend>(call: &Call<'_>, unit: &Unit, parts: Shared<f32>) {
    let (Some(sequence), Some(starts), Some(first_token), Some(first)) = (
        call.sequences.get(unit.sequence),
        call.starts.get(unit.sequence),
        call.first_tokens.get(unit.sequence),
        unit.parts,
    ) else {
        return;
    };
    let attention = &call.attention;
    let (group, part, padded) = (
        attention.group(),
        attention.part(),
        attention.shape.padded(),
    );
    let rows = unit.tokens.len() * group;
    for row in 0..rows {
        let Some(visible) = sequence.visible.get(unit.tokens.start + row / group) else {
            return;
        };
        let mut state: Option<*mut f32> = None;
        for page in unit.pages.clone() {
            if slots(starts, page, visible).is_none() {
                continue;
            }
            let index = (page - unit.pages.start) * rows + row;
            let own = parts.0.wrapping_add((first + index) * part);
            match state {
                // The first part is gathered into in place; nobody reads it again.
                None => state = Some(own),
                // SAFETY: the instruction set is available; two parts of one row never overlap.
                Some(state) => unsafe { V::combine(state, own, padded) },
            }
        }
        if let Some(state) = state {
            let head = unit.head * group + row % group;
            finish_row::<V>(
                call,
                state,
                first_token + unit.tokens.start + row / group,
                head,
            );
        }
    }
}
