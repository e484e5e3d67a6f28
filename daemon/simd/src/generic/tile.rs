//! The tiles every matrix product is made of: some panels by some rows of activations, over all columns.
//!
//! INVARIANT: each output is one lane of one accumulator, filled in the order of columns, whatever the tile's shape. So a
//! row has the same bits alone and in a batch, and whoever computes it.

use super::weights::{Format, Plain};
use crate::vector::Vector;

/// One int8 block of 32 columns, of four rows of activations side by side: what a tile reads of them is one place.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Quad {
    /// Numbers.
    pub q: [[i8; 32]; 4],
    /// Scales.
    pub d: [f32; 4],
    /// Scale times sum of the numbers.
    pub s: [f32; 4],
    /// -128 times the sum of the numbers.
    pub c: [i32; 4],
    /// The same for each half.
    pub h: [[i32; 2]; 4],
}

/// Rows of activations as int8 blocks.
#[derive(Clone, Copy)]
pub(crate) struct QuantRows {
    /// `[rows / 4][blocks]`.
    pub quads: *const Quad,
    /// Blocks in a row.
    pub blocks: usize,
}

impl QuantRows {
    /// Block `b` of row `m` of a tile of `M` rows that begins at `row`, and which of its four it is. Tiles of four rows and
    /// more begin at a multiple of four, smaller ones at a multiple of their size.
    #[inline(always)]
    unsafe fn at<const M: usize>(&self, row: usize, m: usize, b: usize) -> (*const Quad, usize) {
        let (quad, lane) = if M >= 4 {
            (row / 4 + m / 4, m % 4)
        } else {
            (row / 4, row % 4 + m)
        };
        // SAFETY: the row and the block exist, by the caller's promise.
        unsafe { (self.quads.add(quad * self.blocks + b), lane) }
    }
}

// SAFETY: the pointer is read only, and the borrow it was made from outlives the call that uses it.
unsafe impl Sync for QuantRows {}

/// One quantised tile: `P` panels from `first` on, `M` rows from `row` on.
#[derive(Clone, Copy)]
pub(crate) struct QuantTile {
    /// The group of panels.
    pub base: *const u8,
    /// Panels in the group.
    pub group: usize,
    pub first: usize,
    pub rows: QuantRows,
    pub row: usize,
    /// `[P][M][16]`.
    pub out: *mut f32,
}

/// One tile of plain numbers.
#[derive(Clone, Copy)]
pub(crate) struct PlainTile {
    pub base: *const u8,
    pub group: usize,
    pub first: usize,
    /// Row `row` of the activations.
    pub x: *const f32,
    pub columns: usize,
    /// `[P][M][16]`.
    pub out: *mut f32,
}

/// How far ahead of the reading a group is asked for when it is read once. Measured: half of it leaves memory idle, four
/// times as much pushes lines out before they are used.
const AHEAD_BYTES: usize = 4096;

#[inline(always)]
unsafe fn four(from: *const i8) -> i32 {
    // SAFETY: the four bytes lie in a block, by the caller's promise.
    unsafe { from.cast::<i32>().read_unaligned() }
}

#[inline(always)]
unsafe fn begin<V: Vector, W: Format>(correction: i32) -> V::I {
    // SAFETY: the caller enabled the instruction set.
    unsafe {
        match W::ZERO_SHIFT {
            _ if W::BIASED => V::begin_biased(correction),
            Some(shift) => V::splat_i(correction >> shift),
            None => V::splat_i(0),
        }
    }
}

#[inline(always)]
unsafe fn dot<V: Vector, W: Format>(acc: V::I, w: V::B, x: i32) -> V::I {
    // SAFETY: as above; the format says which of the two its numbers allow.
    unsafe {
        if W::BIASED {
            V::dot_biased(acc, w, x)
        } else {
            V::dot_small(acc, w, x)
        }
    }
}

/// Computes a quantised tile.
///
/// # Safety
/// The instruction set is enabled; all panels, rows and the output hold what the tile says.
#[inline(always)]
pub(crate) unsafe fn quant<V: Vector, W: Format, const P: usize, const M: usize>(t: &QuantTile) {
    // SAFETY: by the promise above.
    unsafe {
        let blocks = t.rows.blocks;
        let mut acc = [[V::splat(0.0); M]; P];
        for b in 0..blocks {
            if M == 1 {
                ahead::<V, W, P>(t, b);
            }
            if W::HALVES {
                halves::<V, W, P, M>(t, b, &mut acc);
            } else {
                whole::<V, W, P, M>(t, b, &mut acc);
            }
        }
        for (p, rows) in acc.iter().enumerate() {
            for (m, lanes) in rows.iter().enumerate() {
                V::store(t.out.add((p * M + m) * 16), *lanes);
            }
        }
    }
}

/// Asks for what the panels of a tile hold some blocks on. A group is one stream, so this is what is read next, whichever
/// panel's it is.
#[inline(always)]
unsafe fn ahead<V: Vector, W: Format, const P: usize>(t: &QuantTile, b: usize) {
    let layout = W::LAYOUT;
    // SAFETY: a prefetch may name any address.
    unsafe {
        let place = W::place(t.base, t.group, t.first, b);
        for line in 0..(P * layout.sub_bytes()).div_ceil(64) {
            V::prefetch(place.scale.wrapping_add(AHEAD_BYTES + line * 64));
        }
    }
}

#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "panels and rows index several arrays at once"
)]
unsafe fn whole<V: Vector, W: Format, const P: usize, const M: usize>(
    t: &QuantTile,
    b: usize,
    acc: &mut [[V::F; M]; P],
) {
    // SAFETY: block `b` lies in every panel and row.
    unsafe {
        let mut sum = [[V::splat_i(0); M]; P];
        for m in 0..M {
            let (quad, lane) = t.rows.at::<M>(t.row, m, b);
            let first = begin::<V, W>(*(&raw const (*quad).c).cast::<i32>().add(lane));
            for row in &mut sum {
                row[m] = first;
            }
        }
        for chunk in 0..4 {
            let mut w = [(V::bytes(t.base), V::bytes(t.base)); P];
            for (p, w) in w.iter_mut().enumerate() {
                *w = W::chunk::<V>(W::place(t.base, t.group, t.first + p, b), chunk);
            }
            for m in 0..M {
                let (quad, lane) = t.rows.at::<M>(t.row, m, b);
                let x = (&raw const (*quad).q)
                    .cast::<i8>()
                    .add(lane * 32 + chunk * 4);
                let (low, high) = (four(x), four(x.add(16)));
                for p in 0..P {
                    sum[p][m] = dot::<V, W>(sum[p][m], w[p].0, low);
                    sum[p][m] = dot::<V, W>(sum[p][m], w[p].1, high);
                }
            }
        }
        for p in 0..P {
            let (scale, min) = W::scales::<V>(W::place(t.base, t.group, t.first + p, b));
            for m in 0..M {
                let (quad, lane) = t.rows.at::<M>(t.row, m, b);
                let d = V::splat(*(&raw const (*quad).d).cast::<f32>().add(lane));
                acc[p][m] = V::fma(V::to_f(sum[p][m]), V::mul(scale, d), acc[p][m]);
                if W::MINS {
                    let s = V::splat(*(&raw const (*quad).s).cast::<f32>().add(lane));
                    acc[p][m] = V::fma(min, s, acc[p][m]);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn halves<V: Vector, W: Format, const P: usize, const M: usize>(
    t: &QuantTile,
    b: usize,
    acc: &mut [[V::F; M]; P],
) {
    // SAFETY: block `b` lies in every panel and row.
    unsafe {
        for half in 0..2 {
            let mut sum = [[V::splat_i(0); M]; P];
            for m in 0..M {
                let (quad, lane) = t.rows.at::<M>(t.row, m, b);
                let first = *(&raw const (*quad).h).cast::<i32>().add(lane * 2 + half);
                let first = begin::<V, W>(first);
                for row in &mut sum {
                    row[m] = first;
                }
            }
            for chunk in 0..4 {
                for (p, sums) in sum.iter_mut().enumerate() {
                    let (low, high) =
                        W::chunk::<V>(W::place(t.base, t.group, t.first + p, b), chunk);
                    let w = if half == 0 { low } else { high };
                    for (m, sum) in sums.iter_mut().enumerate() {
                        let (quad, lane) = t.rows.at::<M>(t.row, m, b);
                        let at = lane * 32 + half * 16 + chunk * 4;
                        let x = four((&raw const (*quad).q).cast::<i8>().add(at));
                        *sum = dot::<V, W>(*sum, w, x);
                    }
                }
            }
            for (p, sums) in sum.iter().enumerate() {
                let (first, second) = W::scales::<V>(W::place(t.base, t.group, t.first + p, b));
                let scale = if half == 0 { first } else { second };
                for (m, sum) in sums.iter().enumerate() {
                    let (quad, lane) = t.rows.at::<M>(t.row, m, b);
                    let d = V::splat(*(&raw const (*quad).d).cast::<f32>().add(lane));
                    acc[p][m] = V::fma(V::to_f(*sum), V::mul(scale, d), acc[p][m]);
                }
            }
        }
    }
}

/// Computes a tile of plain numbers.
///
/// # Safety
/// As for [`quant`].
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "panels and rows index several arrays at once"
)]
pub(crate) unsafe fn plain<V: Vector, W: Plain, const P: usize, const M: usize>(t: &PlainTile) {
    // SAFETY: every column lies in every panel and row, by the promise above.
    unsafe {
        let mut acc = [[V::splat(0.0); M]; P];
        for k in 0..t.columns {
            let column = t.base.add((k * t.group + t.first) * W::BYTES);
            if M == 1 {
                for line in 0..(P * W::BYTES).div_ceil(64) {
                    V::prefetch(column.wrapping_add(AHEAD_BYTES + line * 64));
                }
            }
            let mut w = [V::splat(0.0); P];
            for (p, w) in w.iter_mut().enumerate() {
                let at = column.add(p * W::BYTES);
                *w = W::column::<V>(at);
            }
            for m in 0..M {
                let x = V::splat(*t.x.add(m * t.columns + k));
                for p in 0..P {
                    acc[p][m] = V::fma(w[p], x, acc[p][m]);
                }
            }
        }
        for (p, rows) in acc.iter().enumerate() {
            for (m, lanes) in rows.iter().enumerate() {
                V::store(t.out.add((p * M + m) * 16), *lanes);
            }
        }
    }
}
