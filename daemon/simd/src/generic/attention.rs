//! Attention of some query rows over one page of keys and values, and the one order in which pages are put together.
//!
//! INVARIANT: a page's part depends on the row and on the visible slots of the page only; pages are combined in the order
//! of the list. Slots that are not visible are absent: no operation on them reaches a result.

use super::{
    math::{exp, tanh, tree_max, tree_sum},
    weights::Plain,
};
use crate::vector::Vector;

/// Tokens in one page, which is also the unit in which attention is split.
pub const PAGE_TOKENS: usize = 64;

/// Numbers before the sums of a part: the largest score, the sum of weights, and padding to a vector.
pub(crate) const PART_HEAD: usize = 16;

/// Signed byte columns.
pub(crate) struct Byte;

impl Plain for Byte {
    const BYTES: usize = 16;
    #[inline(always)]
    unsafe fn column<V: Vector>(at: *const u8) -> V::F {
        // SAFETY: the column lies in the page, by the trait's promise.
        unsafe { V::load_i8(at) }
    }
}

/// Some rows against one page.
#[derive(Clone, Copy)]
pub(crate) struct PageTile {
    /// Keys, `[head_dim][64]`.
    pub k: *const u8,
    /// Values, `[64][padded]`.
    pub v: *const u8,
    /// binary16 scales of the 64 keys and values; null when there are none.
    pub k_scales: *const u8,
    pub v_scales: *const u8,
    pub head_dim: usize,
    /// `head_dim` up to a multiple of 16.
    pub padded: usize,
    /// Visible slots.
    pub first: usize,
    pub end: usize,
    /// Scaled queries, `[R][head_dim]`.
    pub q: *const f32,
    /// Bound of the scores; 0 for none.
    pub cap: f32,
    /// Parts, `[R][PART_HEAD + padded]`.
    pub out: *mut f32,
}

/// Computes the parts of `R` rows; `S` vectors stand side by side.
///
/// # Safety
/// The instruction set is enabled; all pointers hold what the tile says; `first < end <= 64`.
#[inline(always)]
pub(crate) unsafe fn page<V: Vector, K: Plain, const R: usize, const S: usize>(t: &PageTile) {
    // SAFETY: by the promise above.
    unsafe {
        let mut weights = [[0.0_f32; PAGE_TOKENS]; R];
        let mut at = 0;
        while at < 4 {
            scores::<V, K, R, S>(t, at, &mut weights);
            at += S;
        }
        for (r, row) in weights.iter_mut().enumerate() {
            let out = t.out.add(r * (PART_HEAD + t.padded));
            weigh::<V>(t, row, out);
        }
        let vectors = t.padded / 16;
        let mut at = 0;
        while at + S <= vectors {
            mix::<V, K, R, S>(t, at, &weights);
            at += S;
        }
        while at < vectors {
            mix::<V, K, R, 1>(t, at, &weights);
            at += 1;
        }
    }
}

/// Dot products of the queries with 16 * `S` keys from vector `at` on, in the order of dimensions.
#[inline(always)]
unsafe fn scores<V: Vector, K: Plain, const R: usize, const S: usize>(
    t: &PageTile,
    at: usize,
    out: &mut [[f32; PAGE_TOKENS]; R],
) {
    // SAFETY: columns and queries lie within the tile's pointers.
    unsafe {
        let mut acc = [[V::splat(0.0); S]; R];
        for d in 0..t.head_dim {
            let mut k = [V::splat(0.0); S];
            for (s, k) in k.iter_mut().enumerate() {
                *k = K::column::<V>(t.k.add((d * 4 + at + s) * K::BYTES));
            }
            for (r, acc) in acc.iter_mut().enumerate() {
                let q = V::splat(*t.q.add(r * t.head_dim + d));
                for s in 0..S {
                    acc[s] = V::fma(q, k[s], acc[s]);
                }
            }
        }
        for (row, acc) in out.iter_mut().zip(acc) {
            for (s, lanes) in acc.into_iter().enumerate() {
                V::store(row.as_mut_ptr().add((at + s) * 16), lanes);
            }
        }
    }
}

/// Turns scores into weights and writes the head of the part.
#[inline(always)]
unsafe fn weigh<V: Vector>(t: &PageTile, row: &mut [f32; PAGE_TOKENS], out: *mut f32) {
    // SAFETY: sixteen numbers at a time within the row, the scales and the part's head.
    unsafe {
        let lanes = row.as_mut_ptr();
        for c in 0..4 {
            let at = lanes.add(c * 16);
            let mut s = V::load(at);
            if !t.k_scales.is_null() {
                s = V::mul(s, V::load_f16(t.k_scales.add(c * 32)));
            }
            if t.cap > 0.0 {
                s = V::mul(V::splat(t.cap), tanh::<V>(V::mul(s, V::splat(1.0 / t.cap))));
            }
            V::store(at, s);
        }
        if t.first > 0 || t.end < PAGE_TOKENS {
            for (slot, score) in row.iter_mut().enumerate() {
                if slot < t.first || slot >= t.end {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        let lanes = row.as_mut_ptr();
        let mut most = V::load(lanes);
        for c in 1..4 {
            most = V::max(most, V::load(lanes.add(c * 16)));
        }
        let mut all = [0.0_f32; 16];
        V::store(all.as_mut_ptr(), most);
        let most = tree_max(all);
        let mut sum = V::splat(0.0);
        for c in 0..4 {
            let at = lanes.add(c * 16);
            let p = exp::<V>(V::sub(V::load(at), V::splat(most)));
            sum = V::add(sum, p);
            let p = if t.v_scales.is_null() {
                p
            } else {
                V::mul(p, V::load_f16(t.v_scales.add(c * 32)))
            };
            V::store(at, p);
        }
        V::store(all.as_mut_ptr(), sum);
        *out = most;
        *out.add(1) = tree_sum(all);
    }
}

/// Weighted sums of the visible values, 16 * `S` dimensions from vector `at` on, in the order of slots.
#[inline(always)]
unsafe fn mix<V: Vector, K: Plain, const R: usize, const S: usize>(
    t: &PageTile,
    at: usize,
    weights: &[[f32; PAGE_TOKENS]; R],
) {
    // SAFETY: slots lie within the page, vectors within the part.
    unsafe {
        let vectors = t.padded / 16;
        let mut acc = [[V::splat(0.0); S]; R];
        for slot in t.first..t.end {
            let mut v = [V::splat(0.0); S];
            for (s, v) in v.iter_mut().enumerate() {
                *v = K::column::<V>(t.v.add((slot * vectors + at + s) * K::BYTES));
            }
            for (acc, row) in acc.iter_mut().zip(weights) {
                let p = V::splat(*row.as_ptr().add(slot));
                for s in 0..S {
                    acc[s] = V::fma(p, v[s], acc[s]);
                }
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            let out = t.out.add(r * (PART_HEAD + t.padded) + PART_HEAD + at * 16);
            for (s, lanes) in acc.into_iter().enumerate() {
                V::store(out.add(s * 16), lanes);
            }
        }
    }
}

/// Puts `part` behind `state`: both are rescaled to the larger of their largest scores.
///
/// # Safety
/// The instruction set is enabled; both hold `PART_HEAD + padded` numbers.
#[inline(always)]
pub(crate) unsafe fn combine<V: Vector>(state: *mut f32, part: *const f32, padded: usize) {
    // SAFETY: by the promise above.
    unsafe {
        let (m, part_m) = (*state, *part);
        let most = if part_m > m { part_m } else { m };
        let mut factors = [0.0_f32; 16];
        V::store(factors.as_mut_ptr(), exp::<V>(V::splat(m - most)));
        let a = factors[0];
        V::store(factors.as_mut_ptr(), exp::<V>(V::splat(part_m - most)));
        let b = factors[0];
        *state = most;
        *state.add(1) = (*state.add(1)).mul_add(a, *part.add(1) * b);
        let (a, b) = (V::splat(a), V::splat(b));
        let mut at = PART_HEAD;
        while at < PART_HEAD + padded {
            let old = V::load(state.add(at));
            let new = V::mul(V::load(part.add(at)), b);
            V::store(state.add(at), V::fma(old, a, new));
            at += 16;
        }
    }
}

/// Writes the row: sums over the sum of weights. A `sink` is one more weight without a value.
///
/// # Safety
/// The instruction set is enabled; `state` holds `PART_HEAD + padded` numbers, `out` has room for `head_dim`.
#[inline(always)]
pub(crate) unsafe fn finish<V: Vector>(
    state: *const f32,
    sink: Option<f32>,
    head_dim: usize,
    out: *mut f32,
) {
    // SAFETY: by the promise above.
    unsafe {
        let (m, sum) = (*state, *state.add(1));
        let factor = match sink {
            None => 1.0 / sum,
            Some(sink) => {
                let most = if sink > m { sink } else { m };
                let mut e = [0.0_f32; 16];
                V::store(e.as_mut_ptr(), exp::<V>(V::splat(m - most)));
                let a = e[0];
                V::store(e.as_mut_ptr(), exp::<V>(V::splat(sink - most)));
                a / sum.mul_add(a, e[0])
            }
        };
        for d in 0..head_dim {
            *out.add(d) = *state.add(PART_HEAD + d) * factor;
        }
    }
}

/// Widens `vectors` vectors of a page to `f32`.
///
/// # Safety
/// The instruction set is enabled; `from` and `to` hold that many vectors.
#[inline(always)]
pub(crate) unsafe fn widen<V: Vector, K: Plain>(from: *const u8, vectors: usize, to: *mut f32) {
    // SAFETY: by the promise above.
    unsafe {
        for at in 0..vectors {
            V::store(to.add(at * 16), K::column::<V>(from.add(at * K::BYTES)));
        }
    }
}
