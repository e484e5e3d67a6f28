//! Matrices as the kernels read them: panels of sixteen rows.
//!
//! A row of a file is a row of the matrix; sixteen rows lie side by side in a panel so that one vector holds the same
//! columns of all sixteen. The numbers are the file's own, only their places change, so a packed matrix is within 3 % of the
//! size of its tensor and nothing about its values.

use std::ops::Range;

use crate::{
    blocks::{self, Block, bf16_to_f32, decode, half_to_f32, has_mins, sub_columns, zero_point},
    kind::{Layout, Places, WeightKind},
    lines::{Lines, Shared},
    pool::Pool,
};

/// Rows in one panel.
pub(crate) const PANEL_ROWS: usize = 16;

/// Panels that lie together and are read as one stream.
const GROUP_PANELS: usize = 4;

/// LIMIT: rows or columns of one matrix; products of the two stay far from overflow.
pub const MATRIX_SIDE_MAX: usize = 1 << 28;

/// Why a tensor is no matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A side is zero or over [`MATRIX_SIDE_MAX`].
    #[error("a matrix of {rows} rows and {columns} columns is not supported")]
    Shape {
        /// Rows asked for.
        rows: usize,
        /// Columns asked for.
        columns: usize,
    },
    /// The columns are no whole number of blocks.
    #[error("{columns} columns are no whole number of {kind:?} blocks")]
    Blocks {
        /// Kind of the tensor.
        kind: WeightKind,
        /// Columns asked for.
        columns: usize,
    },
    /// The tensor has another size than its shape says.
    #[error("the tensor has {found} bytes, not {expected}")]
    Size {
        /// Bytes the shape asks for.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}

/// A weight matrix in panels: `rows` outputs, `columns` inputs.
pub struct Matrix {
    kind: WeightKind,
    rows: usize,
    columns: usize,
    /// Bytes of one panel.
    panel_bytes: usize,
    data: Lines,
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matrix")
            .field("kind", &self.kind)
            .field("rows", &self.rows)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl Matrix {
    /// Packs a tensor of a file: `raw` is `rows` rows of whole blocks, as GGUF stores them.
    ///
    /// # Errors
    /// When shape, kind and size do not fit together.
    pub fn pack(
        kind: WeightKind,
        rows: usize,
        columns: usize,
        raw: &[u8],
        pool: &mut Pool,
    ) -> Result<Matrix, PackError> {
        let sides = 1..=MATRIX_SIDE_MAX;
        if !sides.contains(&rows) || !sides.contains(&columns) {
            return Err(PackError::Shape { rows, columns });
        }
        let row_bytes = kind
            .row_bytes(columns)
            .ok_or(PackError::Blocks { kind, columns })?;
        let expected = row_bytes * rows;
        if raw.len() != expected {
            let found = raw.len();
            return Err(PackError::Size { expected, found });
        }
        let panels = rows.div_ceil(PANEL_ROWS);
        let layout = kind.layout();
        let panel_bytes = columns.div_ceil(layout.columns()) * layout.bytes();
        let mut data = Lines::zeroed(panels * panel_bytes);
        let to = Shared(data.as_mut_ptr());
        pool.run(panels.div_ceil(GROUP_PANELS), &|_, index| {
            let group = GROUP_PANELS.min(panels - index * GROUP_PANELS);
            let first = index * GROUP_PANELS * PANEL_ROWS * row_bytes;
            let last = (first + GROUP_PANELS * PANEL_ROWS * row_bytes).min(raw.len());
            // SAFETY: the group is written by this unit alone, and lies in the buffer.
            let out = unsafe {
                let at = to.at(index * GROUP_PANELS * panel_bytes);
                std::slice::from_raw_parts_mut(at, group * panel_bytes)
            };
            let rows = raw.get(first..last).unwrap_or_default();
            pack_group(kind, rows, row_bytes, group, out);
        });
        Ok(Matrix {
            kind,
            rows,
            columns,
            panel_bytes,
            data,
        })
    }

    /// How the weights are stored.
    #[must_use]
    pub fn kind(&self) -> WeightKind {
        self.kind
    }

    /// Outputs.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes held, which are the bytes one product reads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.bytes()
    }

    /// Writes the numbers of row `row` to `out`; `false`, and nothing written, when there is no such row or `out` is not as
    /// long as one.
    #[must_use]
    pub fn read_row(&self, row: usize, out: &mut [f32]) -> bool {
        if row >= self.rows || out.len() != self.columns {
            return false;
        }
        let (_, group, p) = self.place(row / PANEL_ROWS);
        let at = (row / PANEL_ROWS - p) * self.panel_bytes;
        let blocks = part(self.data.as_slice(), at, group * self.panel_bytes);
        read_lane(self.kind, blocks, (group, p, row % PANEL_ROWS), out);
        true
    }

    pub(crate) fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL_ROWS)
    }

    /// Where the group of panel `panel` begins, how many panels it has, and which of them this is.
    pub(crate) fn place(&self, panel: usize) -> (*const u8, usize, usize) {
        let first = panel - panel % GROUP_PANELS;
        let base = self.data.as_ptr().wrapping_add(first * self.panel_bytes);
        (base, GROUP_PANELS.min(self.panels() - first), panel - first)
    }
}

/// Writes one row of a tensor as numbers: what an embedding is looked up with when its tensor is not packed.
///
/// Returns `false`, and writes nothing, when the sizes do not fit together.
#[must_use]
pub fn read_tensor_row(kind: WeightKind, raw: &[u8], out: &mut [f32]) -> bool {
    if kind.row_bytes(out.len()) != Some(raw.len()) {
        return false;
    }
    let numbers = out.chunks_mut(kind.block_columns());
    for (numbers, raw) in numbers.zip(raw.chunks(kind.block_bytes())) {
        match (kind, raw) {
            (WeightKind::F32, &[a, b, c, d]) => numbers.fill(f32::from_le_bytes([a, b, c, d])),
            (WeightKind::F16, &[a, b]) => numbers.fill(half_to_f32(u16::from_le_bytes([a, b]))),
            (WeightKind::Bf16, &[a, b]) => numbers.fill(bf16_to_f32(u16::from_le_bytes([a, b]))),
            _ => block_numbers(kind, &decode(kind, raw), numbers),
        }
    }
    true
}

/// The numbers of a block, by the contract: the scale of a sub-block is exact, its product with the number is rounded once,
/// and so is the sum with the minimum.
fn block_numbers(kind: WeightKind, block: &Block, out: &mut [f32]) {
    let (d, m) = (half_to_f32(block.d), half_to_f32(block.m));
    let super_block = kind.block_columns() == 256;
    let subs = out
        .chunks_mut(sub_columns(kind))
        .zip(block.q.chunks(sub_columns(kind)));
    for (index, (out, q)) in subs.enumerate() {
        let scale = d * f32::from(block.scales.get(index).copied().unwrap_or(1));
        let min = m * f32::from(block.mins.get(index).copied().unwrap_or(1));
        for (out, q) in out.iter_mut().zip(q) {
            // Five bits and eight bits: exact as `f32`.
            let number = (i32::from(*q) - zero_point(kind)) as f32;
            *out = match (has_mins(kind), super_block) {
                (false, _) => scale * number,
                (true, false) => scale * number + min,
                (true, true) => scale * number - min,
            };
        }
    }
}

/// Fills one group of panels; rows that are missing stay zero.
fn pack_group(kind: WeightKind, raw: &[u8], row_bytes: usize, group: usize, out: &mut [u8]) {
    let layout = kind.layout();
    let size = kind.block_bytes() * layout.columns() / kind.block_columns();
    for (index, out) in out.chunks_exact_mut(group * layout.bytes()).enumerate() {
        for (row, raw) in raw.chunks_exact(row_bytes).enumerate() {
            let (p, lane) = (row / PANEL_ROWS, row % PANEL_ROWS);
            let end = ((index + 1) * size).min(raw.len());
            let block = raw.get(index * size..end).unwrap_or_default();
            if kind.is_quantized() {
                put_block(kind, &decode(kind, block), (group, p, lane), out);
            } else {
                let column = part_mut(out, layout.places(group, p, 0).chunks, layout.chunk);
                put(column, lane, block);
            }
        }
    }
}

fn part_mut(bytes: &mut [u8], at: usize, len: usize) -> &mut [u8] {
    bytes.get_mut(at..at + len).unwrap_or_default()
}

fn part(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    bytes.get(at..at + len).unwrap_or_default()
}

/// Writes `bytes` as cell `lane` of a row of equal cells.
fn put(cells: &mut [u8], lane: usize, bytes: &[u8]) {
    if let Some(cell) = cells.get_mut(lane * bytes.len()..(lane + 1) * bytes.len()) {
        cell.copy_from_slice(bytes);
    }
}

/// Writes one row's block into its lane of a group's block.
fn put_block(
    kind: WeightKind,
    block: &Block,
    (group, p, lane): (usize, usize, usize),
    out: &mut [u8],
) {
    let layout = kind.layout();
    for (sub, q) in (0..layout.subs).zip(block.q.chunks_exact(32)) {
        let places = layout.places(group, p, sub);
        let all = all_scales(&layout, &places);
        let all = out.get_mut(all).unwrap_or_default();
        put(all, lane, &block.d.to_le_bytes());
        if has_mins(kind) {
            put(
                all.get_mut(32..).unwrap_or_default(),
                lane,
                &block.m.to_le_bytes(),
            );
        }
        if layout.head > 0 {
            let scales = part_mut(out, places.scale, layout.scale);
            let [first, second] = sub_scales(kind, block, sub);
            put(scales, lane, &[first]);
            put(scales, PANEL_ROWS + lane, &[second]);
        }
        put_numbers(kind, q, lane, &places, out);
    }
}

/// Where the scale of all stands: in the head where there is one, else beside the numbers.
fn all_scales(layout: &Layout, places: &Places) -> Range<usize> {
    if layout.head > 0 {
        places.head..places.head + layout.head
    } else {
        places.scale..places.scale + layout.scale
    }
}

/// The two bytes beside 32 columns: scale and minimum, or the scales of both halves.
fn sub_scales(kind: WeightKind, block: &Block, sub: usize) -> [u8; 2] {
    // Six bits, or a signed byte: its two's complement is the low byte.
    let scale = |index: usize| {
        block
            .scales
            .get(index)
            .map_or(0, |scale| scale.to_le_bytes()[0])
    };
    if kind == WeightKind::Q6K {
        [scale(2 * sub), scale(2 * sub + 1)]
    } else {
        [scale(sub), block.mins.get(sub).copied().unwrap_or(0)]
    }
}

/// Writes 32 numbers of one row into its lane: whole bytes, or nibbles with what is above them.
fn put_numbers(kind: WeightKind, q: &[u8], lane: usize, places: &Places, out: &mut [u8]) {
    let layout = kind.layout();
    let (first, second) = q.split_at(16);
    let quads = first.chunks_exact(4).zip(second.chunks_exact(4));
    for (index, (low, high)) in quads.enumerate() {
        let chunk = part_mut(out, places.chunks + index * places.step, layout.chunk);
        if kind == WeightKind::Q8_0 {
            put(chunk, lane, low);
            put(chunk, PANEL_ROWS + lane, high);
            continue;
        }
        let mut cell = [0; 4];
        for ((cell, low), high) in cell.iter_mut().zip(low).zip(high) {
            *cell = (low & 0x0f) | ((high & 0x0f) << 4);
        }
        put(chunk, lane, &cell);
    }
    // Bits over the nibble: one for each of eight groups in a byte, or two for each of four.
    let (groups, width) = above_groups(kind);
    let above = part_mut(out, places.above, layout.above);
    for (vector, numbers) in above.chunks_exact_mut(64).zip(q.chunks_exact(groups * 4)) {
        let mut cell = [0; 4];
        for (group, four) in numbers.chunks_exact(4).enumerate() {
            for (cell, q) in cell.iter_mut().zip(four) {
                *cell |= (q >> 4) << (group * width);
            }
        }
        put(vector, lane, &cell);
    }
}

/// Groups of four columns that share a byte of the bits above, and how many bits each has.
fn above_groups(kind: WeightKind) -> (usize, usize) {
    if kind == WeightKind::Q6K {
        (4, 2)
    } else {
        (8, 1)
    }
}

fn cell<const N: usize>(cells: &[u8], lane: usize) -> [u8; N] {
    cells
        .get(lane * N..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

/// Reads the numbers of one row of a group back.
fn read_lane(
    kind: WeightKind,
    packed: &[u8],
    (group, p, lane): (usize, usize, usize),
    out: &mut [f32],
) {
    let layout = kind.layout();
    let blocks = packed.chunks_exact(group * layout.bytes());
    for (numbers, packed) in out.chunks_mut(layout.columns()).zip(blocks) {
        if kind.is_quantized() {
            block_numbers(kind, &take_block(kind, packed, (group, p, lane)), numbers);
            continue;
        }
        let column = part(packed, layout.places(group, p, 0).chunks, layout.chunk);
        numbers.fill(match kind {
            WeightKind::F32 => f32::from_le_bytes(cell(column, lane)),
            WeightKind::F16 => half_to_f32(u16::from_le_bytes(cell(column, lane))),
            _ => bf16_to_f32(u16::from_le_bytes(cell(column, lane))),
        });
    }
}

/// The inverse of [`put_block`].
fn take_block(kind: WeightKind, packed: &[u8], (group, p, lane): (usize, usize, usize)) -> Block {
    let layout = kind.layout();
    let mut block = Block::default();
    for (sub, q) in (0..layout.subs).zip(block.q.chunks_exact_mut(32)) {
        let places = layout.places(group, p, sub);
        let all = packed.get(all_scales(&layout, &places)).unwrap_or_default();
        block.d = u16::from_le_bytes(cell(all, lane));
        block.m = u16::from_le_bytes(cell(all.get(32..).unwrap_or_default(), lane));
        if layout.head > 0 {
            let scales = part(packed, places.scale, layout.scale);
            let [first] = cell(scales, lane);
            let [second] = cell(scales, PANEL_ROWS + lane);
            if kind == WeightKind::Q6K {
                put_scale(&mut block.scales, 2 * sub, i16::from(first.cast_signed()));
                put_scale(
                    &mut block.scales,
                    2 * sub + 1,
                    i16::from(second.cast_signed()),
                );
            } else {
                put_scale(&mut block.scales, sub, i16::from(first));
                put(&mut block.mins, sub, &[second]);
            }
        }
        take_numbers(kind, packed, lane, &places, q);
    }
    block
}

fn put_scale(scales: &mut [i16; 16], index: usize, scale: i16) {
    if let Some(to) = scales.get_mut(index) {
        *to = scale;
    }
}

/// The inverse of [`put_numbers`].
fn take_numbers(kind: WeightKind, packed: &[u8], lane: usize, places: &Places, q: &mut [u8]) {
    let layout = kind.layout();
    let (first, second) = q.split_at_mut(16);
    let quads = first.chunks_exact_mut(4).zip(second.chunks_exact_mut(4));
    for (index, (low, high)) in quads.enumerate() {
        let chunk = part(packed, places.chunks + index * places.step, layout.chunk);
        if kind == WeightKind::Q8_0 {
            low.copy_from_slice(&cell::<4>(chunk, lane));
            high.copy_from_slice(&cell::<4>(chunk, PANEL_ROWS + lane));
            continue;
        }
        for ((low, high), both) in low.iter_mut().zip(high).zip(cell::<4>(chunk, lane)) {
            *low = both & 0x0f;
            *high = both >> 4;
        }
    }
    let (groups, width) = above_groups(kind);
    let mask = (1 << width) - 1;
    let above = part(packed, places.above, layout.above);
    for (numbers, vector) in q.chunks_exact_mut(groups * 4).zip(above.chunks_exact(64)) {
        for (group, four) in numbers.chunks_exact_mut(4).enumerate() {
            for (q, bits) in four.iter_mut().zip(cell::<4>(vector, lane)) {
                *q |= ((bits >> (group * width)) & mask) << 4;
            }
        }
    }
}

/// The block's numbers for tests and the oracle: per column the integer less its zero point, the exact scale, the exact
/// minimum with its sign.
pub(crate) fn exact_numbers(kind: WeightKind, raw: &[u8]) -> Vec<(i32, f32, f32)> {
    let block = blocks::decode(kind, raw);
    let (d, m) = (half_to_f32(block.d), half_to_f32(block.m));
    let less = kind.block_columns() == 256;
    let per = sub_columns(kind);
    let columns = block.q.iter().take(kind.block_columns()).enumerate();
    columns
        .map(|(column, q)| {
            let scale = block.scales.get(column / per).copied().unwrap_or(1);
            let min = block.mins.get(column / per).copied().unwrap_or(1);
            let min = m * f32::from(min);
            let min = match (has_mins(kind), less) {
                (false, _) => 0.0,
                (true, false) => min,
                (true, true) => 0.0 - min,
            };
            (i32::from(*q) - zero_point(kind), d * f32::from(scale), min)
        })
        .collect()
}
