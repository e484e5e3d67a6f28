//! From kinds and numbers of rows to the tiles compiled for them.

use crate::{
    arch::Backend,
    generic::{
        tile::{PlainTile, QuantRows, QuantTile},
        weights::{Brain, Format, Half, Open, Plain, Q8, Single, Six, Small, Super},
    },
    kind::WeightKind,
    panel::Matrix,
};

/// The activations of one call.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub x: &'a [f32],
    pub quants: QuantRows,
    pub rows: usize,
    pub columns: usize,
}

/// Shapes of tiles for few rows, as panels by rows: as many accumulators as hide the latency of one.
pub(super) fn few(isa_tile: usize, rows: usize) -> (usize, usize) {
    match rows {
        1 if isa_tile >= 8 => (4, 1),
        1 => (2, 1),
        2 | 3 if isa_tile >= 8 => (2, 2),
        2 | 3 => (1, 2),
        4..8 if isa_tile >= 8 => (2, 4),
        8.. if isa_tile >= 8 => (1, 8),
        _ => (1, 2),
    }
}

/// Rows of the next tile when there are many.
pub(super) fn many(isa_tile: usize, rows: usize) -> usize {
    [12, 8, 4, 2, 1]
        .into_iter()
        .find(|size| *size <= isa_tile && *size <= rows)
        .unwrap_or(1)
}

/// Unpacks a panel whose kind is worth it; `false` for those read as they are.
///
/// # Safety
/// As for the entry it calls.
pub(super) unsafe fn open_panel<V: Backend>(
    matrix: &Matrix,
    panel: usize,
    blocks: usize,
    to: *mut u8,
) -> bool {
    let (base, group, p) = matrix.place(panel);
    let panel = (group, p);
    // SAFETY: passed on to the caller.
    unsafe {
        match matrix.kind() {
            WeightKind::Q4_0 => V::open::<Small<false, false>>(base, panel, blocks, to),
            WeightKind::Q4_1 => V::open::<Small<false, true>>(base, panel, blocks, to),
            WeightKind::Q5_0 => V::open::<Small<true, false>>(base, panel, blocks, to),
            WeightKind::Q5_1 => V::open::<Small<true, true>>(base, panel, blocks, to),
            WeightKind::Q4K => V::open::<Super<false>>(base, panel, blocks, to),
            WeightKind::Q5K => V::open::<Super<true>>(base, panel, blocks, to),
            WeightKind::Q6K => V::open::<Six>(base, panel, blocks, to),
            _ => return false,
        }
    }
    true
}

/// Computes a tile of any kind.
///
/// # Safety
/// Panels and rows exist; `out` holds the tile.
pub(super) unsafe fn any_tile<V: Backend>(
    matrix: &Matrix,
    input: &Input<'_>,
    (panel, row): (usize, usize),
    shape: (usize, usize),
    opened: Option<*const u8>,
    out: *mut f32,
) {
    let columns = input.columns;
    let (base, group, first) = matrix.place(panel);
    let plain = PlainTile {
        base,
        group,
        first,
        x: input.x.as_ptr().wrapping_add(row * columns),
        columns,
        out,
    };
    // An unpacked panel is a group of its own.
    let (base, group, first) = opened.map_or((base, group, first), |opened| (opened, 1, 0));
    let quant = QuantTile {
        base,
        group,
        first,
        rows: input.quants,
        row,
        out,
    };
    let open = opened.is_some();
    // SAFETY: passed on to the caller.
    unsafe {
        match matrix.kind() {
            WeightKind::F32 => plain_shape::<V, Single>(&plain, shape),
            WeightKind::F16 => plain_shape::<V, Half>(&plain, shape),
            WeightKind::Bf16 => plain_shape::<V, Brain>(&plain, shape),
            WeightKind::Q8_0 => quant_shape::<V, Q8>(&quant, shape),
            WeightKind::Q4_0 => maybe_open::<V, Small<false, false>>(&quant, shape, open),
            WeightKind::Q4_1 => maybe_open::<V, Small<false, true>>(&quant, shape, open),
            WeightKind::Q5_0 => maybe_open::<V, Small<true, false>>(&quant, shape, open),
            WeightKind::Q5_1 => maybe_open::<V, Small<true, true>>(&quant, shape, open),
            WeightKind::Q4K => maybe_open::<V, Super<false>>(&quant, shape, open),
            WeightKind::Q5K => maybe_open::<V, Super<true>>(&quant, shape, open),
            WeightKind::Q6K => maybe_open::<V, Six>(&quant, shape, open),
        }
    }
}

unsafe fn maybe_open<V: Backend, W: Format>(t: &QuantTile, shape: (usize, usize), open: bool) {
    // SAFETY: passed on to the caller.
    unsafe {
        if open {
            open_shape::<V, Open<W>>(t, shape.1);
        } else {
            few_shape::<V, W>(t, shape);
        }
    }
}

/// Tiles of packed panels.
unsafe fn few_shape<V: Backend, W: Format>(t: &QuantTile, shape: (usize, usize)) {
    // SAFETY: passed on to the caller.
    unsafe {
        match shape {
            (4, 1) => V::quant::<W, 4, 1>(t),
            (4, 2) => V::quant::<W, 4, 2>(t),
            (2, 1) => V::quant::<W, 2, 1>(t),
            (2, 2) => V::quant::<W, 2, 2>(t),
            (2, 4) => V::quant::<W, 2, 4>(t),
            (1, 2) => V::quant::<W, 1, 2>(t),
            (1, 4) => V::quant::<W, 1, 4>(t),
            (1, 8) => V::quant::<W, 1, 8>(t),
            _ => V::quant::<W, 1, 1>(t),
        }
    }
}

/// Tiles of unpacked panels.
unsafe fn open_shape<V: Backend, W: Format>(t: &QuantTile, tall: usize) {
    // SAFETY: passed on to the caller.
    unsafe {
        match tall {
            12 => V::quant::<W, 1, 12>(t),
            8 => V::quant::<W, 1, 8>(t),
            4 => V::quant::<W, 1, 4>(t),
            2 => V::quant::<W, 1, 2>(t),
            _ => V::quant::<W, 1, 1>(t),
        }
    }
}

/// Tiles of a kind that needs no unpacking.
unsafe fn quant_shape<V: Backend, W: Format>(t: &QuantTile, shape: (usize, usize)) {
    // SAFETY: passed on to the caller.
    unsafe {
        match shape {
            (1, 12) => V::quant::<W, 1, 12>(t),
            _ => few_shape::<V, W>(t, shape),
        }
    }
}

unsafe fn plain_shape<V: Backend, W: Plain>(t: &PlainTile, shape: (usize, usize)) {
    // SAFETY: passed on to the caller.
    unsafe {
        match shape {
            (4, 1) => V::plain::<W, 4, 1>(t),
            (4, 2) => V::plain::<W, 4, 2>(t),
            (2, 1) => V::plain::<W, 2, 1>(t),
            (2, 2) => V::plain::<W, 2, 2>(t),
            (2, 4) => V::plain::<W, 2, 4>(t),
            (1, 2) => V::plain::<W, 1, 2>(t),
            (1, 4) => V::plain::<W, 1, 4>(t),
            (1, 8) => V::plain::<W, 1, 8>(t),
            (1, 12) => V::plain::<W, 1, 12>(t),
            _ => V::plain::<W, 1, 1>(t),
        }
    }
}
