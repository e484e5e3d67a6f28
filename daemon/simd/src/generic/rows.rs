//! What is done to rows of activations between two products.

use super::{
    math::{gelu, silu, tree_max, tree_sum},
    tile::Quad,
};
use crate::vector::Vector;

/// Quantises `blocks` blocks of 32 numbers of one row, into place `lane` of the quads at `out`.
///
/// # Safety
/// The instruction set is enabled; `x` and `out` hold that many blocks; `lane < 4`.
#[inline(always)]
pub(crate) unsafe fn quantize<V: Vector>(
    x: *const f32,
    blocks: usize,
    out: *mut Quad,
    lane: usize,
) {
    // SAFETY: by the promise above.
    unsafe {
        for b in 0..blocks {
            let (low, high) = (V::load(x.add(b * 32)), V::load(x.add(b * 32 + 16)));
            let mut lanes = [0.0_f32; 16];
            V::store(lanes.as_mut_ptr(), V::max(V::abs(low), V::abs(high)));
            let largest = tree_max(lanes);
            let d = largest / 127.0;
            // A block this small is taken for zero; the inverse of its scale would not be finite.
            let (d, inverse) = if d >= f32::MIN_POSITIVE {
                (d, 1.0 / d)
            } else {
                (0.0, 0.0)
            };
            let inverse = V::splat(inverse);
            let quad = out.add(b);
            let to = (&raw mut (*quad).q).cast::<i8>().add(lane * 32);
            V::store_low(to, V::to_i(V::mul(low, inverse)));
            V::store_low(to.add(16), V::to_i(V::mul(high, inverse)));
            let sum = |half: usize| {
                (0..16)
                    .map(|i| i32::from(*to.add(half * 16 + i)))
                    .sum::<i32>()
            };
            let (first, second) = (sum(0), sum(1));
            *(&raw mut (*quad).d).cast::<f32>().add(lane) = d;
            *(&raw mut (*quad).s).cast::<f32>().add(lane) = d * (first + second) as f32;
            *(&raw mut (*quad).c).cast::<i32>().add(lane) = -128 * (first + second);
            let halves = (&raw mut (*quad).h).cast::<i32>().add(lane * 2);
            *halves = -128 * first;
            *halves.add(1) = -128 * second;
        }
    }
}

/// Reads up to sixteen numbers, the missing lanes zero.
#[inline(always)]
unsafe fn load_some<V: Vector>(from: *const f32, count: usize) -> V::F {
    // SAFETY: `from` is good for `count` numbers, by the caller's promise.
    unsafe {
        if count >= 16 {
            return V::load(from);
        }
        let mut lanes = [0.0_f32; 16];
        std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
        V::load(lanes.as_ptr())
    }
}

#[inline(always)]
unsafe fn store_some<V: Vector>(to: *mut f32, count: usize, x: V::F) {
    // SAFETY: `to` is good for `count` numbers, by the caller's promise.
    unsafe {
        if count >= 16 {
            return V::store(to, x);
        }
        let mut lanes = [0.0_f32; 16];
        V::store(lanes.as_mut_ptr(), x);
        std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
    }
}

/// Runs `f` over `n` numbers of `a` and `b`, sixteen at a time, into `out`.
#[inline(always)]
unsafe fn each<V: Vector>(
    a: *const f32,
    b: *const f32,
    n: usize,
    out: *mut f32,
    f: impl Fn(V::F, V::F) -> V::F,
) {
    // SAFETY: all three are good for `n` numbers, by the caller's promise.
    unsafe {
        let mut at = 0;
        while at < n {
            let count = n - at;
            let y = f(
                load_some::<V>(a.add(at), count),
                load_some::<V>(b.add(at), count),
            );
            store_some::<V>(out.add(at), count, y);
            at += 16;
        }
    }
}

/// Sum by sixteen partial sums of every sixteenth term, then the tree. `square` sums squares about `mean`.
#[inline(always)]
unsafe fn sum<V: Vector>(x: *const f32, n: usize, mean: Option<f32>) -> f32 {
    // SAFETY: `x` is good for `n` numbers, by the caller's promise.
    unsafe {
        let mut acc = V::splat(0.0);
        let mut at = 0;
        while at < n {
            let count = n - at;
            let lanes = load_some::<V>(x.add(at), count);
            acc = match mean {
                None => V::add(acc, lanes),
                Some(mean) => {
                    let mut off = V::sub(lanes, V::splat(mean));
                    if count < 16 {
                        // Missing lanes are absent: they would count as `-mean`.
                        let mut kept = [0.0_f32; 16];
                        V::store(kept.as_mut_ptr(), off);
                        off = load_some::<V>(kept.as_ptr(), count);
                    }
                    V::fma(off, off, acc)
                }
            };
            at += 16;
        }
        let mut lanes = [0.0_f32; 16];
        V::store(lanes.as_mut_ptr(), acc);
        tree_sum(lanes)
    }
}

/// `x / sqrt(mean(x^2) + eps) * weight`.
///
/// # Safety
/// The instruction set is enabled; all three are good for `n` numbers. `out` may be `x`.
#[inline(always)]
pub(crate) unsafe fn rms_norm<V: Vector>(
    x: *const f32,
    weight: *const f32,
    n: usize,
    eps: f32,
    out: *mut f32,
) {
    // SAFETY: by the promise above.
    unsafe {
        let mean = sum::<V>(x, n, Some(0.0)) / n as f32;
        let factor = V::splat(1.0 / (mean + eps).sqrt());
        each::<V>(x, weight, n, out, |x, w| V::mul(V::mul(x, factor), w));
    }
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias`.
///
/// # Safety
/// As for [`rms_norm`]; `bias` is null or good for `n` numbers.
#[inline(always)]
pub(crate) unsafe fn layer_norm<V: Vector>(
    x: *const f32,
    (weight, bias): (*const f32, *const f32),
    n: usize,
    eps: f32,
    out: *mut f32,
) {
    // SAFETY: by the promise above.
    unsafe {
        let mean = sum::<V>(x, n, None) / n as f32;
        let variance = sum::<V>(x, n, Some(mean)) / n as f32;
        let factor = V::splat(1.0 / (variance + eps).sqrt());
        let mean = V::splat(mean);
        each::<V>(x, weight, n, out, |x, w| {
            V::mul(V::mul(V::sub(x, mean), factor), w)
        });
        if !bias.is_null() {
            each::<V>(out, bias, n, out, |y, b| V::add(y, b));
        }
    }
}

/// How a gate bends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// GELU by tanh.
    Gelu,
}

/// `bend(gate) * up`, or `bend(gate)` when `up` is null.
///
/// # Safety
/// The instruction set is enabled; all are good for `n` numbers. `out` may be either.
#[inline(always)]
pub(crate) unsafe fn gated<V: Vector>(
    bend: Gate,
    gate: *const f32,
    up: *const f32,
    n: usize,
    out: *mut f32,
) {
    // SAFETY: by the promise above.
    unsafe {
        match (bend, up.is_null()) {
            (Gate::Silu, false) => each::<V>(gate, up, n, out, |g, u| V::mul(silu::<V>(g), u)),
            (Gate::Gelu, false) => each::<V>(gate, up, n, out, |g, u| V::mul(gelu::<V>(g), u)),
            (Gate::Silu, true) => each::<V>(gate, gate, n, out, |g, _| silu::<V>(g)),
            (Gate::Gelu, true) => each::<V>(gate, gate, n, out, |g, _| gelu::<V>(g)),
        }
    }
}

/// `a + b`.
///
/// # Safety
/// As for [`gated`].
#[inline(always)]
pub(crate) unsafe fn add<V: Vector>(a: *const f32, b: *const f32, n: usize, out: *mut f32) {
    // SAFETY: by the promise above.
    unsafe { each::<V>(a, b, n, out, |a, b| V::add(a, b)) }
}

/// Turns the pairs of one head by their angles. Pair `i` is `(i, i + half)`, or `(2i, 2i + 1)` when `adjacent`.
///
/// # Safety
/// The instruction set is enabled; `x` is good for `2 * half` numbers, `cos` and `sin` for `half`.
#[inline(always)]
pub(crate) unsafe fn rotate(
    x: *mut f32,
    cos: *const f32,
    sin: *const f32,
    half: usize,
    adjacent: bool,
) {
    // SAFETY: by the promise above.
    unsafe {
        let turn = |first: *mut f32, second: *mut f32, c: f32, s: f32| {
            let (a, b) = (*first, *second);
            *first = a.mul_add(c, -(b * s));
            *second = b.mul_add(c, a * s);
        };
        if adjacent {
            for i in 0..half {
                turn(x.add(2 * i), x.add(2 * i + 1), *cos.add(i), *sin.add(i));
            }
        } else {
            for i in 0..half {
                turn(x.add(i), x.add(half + i), *cos.add(i), *sin.add(i));
            }
        }
    }
}
