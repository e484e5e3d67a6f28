//! Functions of sixteen numbers, from correctly rounded operations only.
//!
//! No library's `exp`, no estimate instruction: those differ between systems. The numbers here are the contract's
//! (docs/decisions/0013-numeric-contract.md).

use crate::vector::Vector;

/// 1.5 * 2^23: added to a small number, its low bits become that number rounded to an integer.
pub(crate) const ROUNDER: f32 = 12_582_912.0;
pub(crate) const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; the first has few bits, so that its product with an integer is exact.
pub(crate) const LN2_HIGH: f32 = 355.0 / 512.0;
pub(crate) const LN2_LOW: f32 = -2.121_944_4e-4;
/// Above, `exp` answers as for this.
pub(crate) const EXP_MAX: f32 = 88.0;
/// Below, `exp` is 0.
pub(crate) const EXP_MIN: f32 = -86.0;
/// 1/7!, 1/6!, ... 1/2!.
pub(crate) const EXP_TERMS: [f32; 6] = [
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];
/// sqrt(2 / pi).
pub(crate) const GELU_SCALE: f32 = 0.797_884_6;
pub(crate) const GELU_CUBE: f32 = 0.044_715;

/// e to the power of each lane; relative error below 2e-7 between [`EXP_MIN`] and [`EXP_MAX`].
///
/// # Safety
/// The instruction set is enabled.
#[inline(always)]
pub(crate) unsafe fn exp<V: Vector>(x: V::F) -> V::F {
    // SAFETY: by the promise above.
    unsafe {
        let x = V::min(x, V::splat(EXP_MAX));
        let shifted = V::fma(x, V::splat(LOG2_E), V::splat(ROUNDER));
        let n = V::sub(shifted, V::splat(ROUNDER));
        let r = V::fma(n, V::splat(-LN2_HIGH), x);
        let r = V::fma(n, V::splat(-LN2_LOW), r);
        let [first, rest @ ..] = EXP_TERMS;
        let mut p = V::splat(first);
        for term in rest {
            p = V::fma(p, r, V::splat(term));
        }
        p = V::fma(p, r, V::splat(1.0));
        p = V::fma(p, r, V::splat(1.0));
        V::keep_ge(x, V::splat(EXP_MIN), V::scale2(p, shifted))
    }
}

/// `x / (1 + exp(-x))`.
///
/// # Safety
/// The instruction set is enabled.
#[inline(always)]
pub(crate) unsafe fn silu<V: Vector>(x: V::F) -> V::F {
    // SAFETY: by the promise above.
    unsafe {
        let e = exp::<V>(V::sub(V::splat(0.0), x));
        V::div(x, V::add(V::splat(1.0), e))
    }
}

/// The tanh form of GELU, which is `x / (1 + exp(-2u))` with `u = sqrt(2/pi) (x + 0.044715 x^3)`.
///
/// # Safety
/// The instruction set is enabled.
#[inline(always)]
pub(crate) unsafe fn gelu<V: Vector>(x: V::F) -> V::F {
    // SAFETY: by the promise above.
    unsafe {
        let square = V::mul(x, x);
        let inner = V::fma(V::mul(square, x), V::splat(GELU_CUBE), x);
        let e = exp::<V>(V::mul(inner, V::splat(-2.0 * GELU_SCALE)));
        V::div(x, V::add(V::splat(1.0), e))
    }
}

/// tanh, as `1 - 2 / (exp(2x) + 1)`.
///
/// # Safety
/// The instruction set is enabled.
#[inline(always)]
pub(crate) unsafe fn tanh<V: Vector>(x: V::F) -> V::F {
    // SAFETY: by the promise above.
    unsafe {
        let e = exp::<V>(V::add(x, x));
        let part = V::div(V::splat(2.0), V::add(e, V::splat(1.0)));
        V::sub(V::splat(1.0), part)
    }
}

/// The sum of the lanes by one fixed tree: lane i with lane i + 8, then + 4, + 2, + 1.
#[inline(always)]
pub(crate) fn tree_sum(mut lanes: [f32; 16]) -> f32 {
    for width in [8, 4, 2, 1] {
        let (low, high) = lanes.split_at_mut(width);
        for (a, b) in low.iter_mut().zip(high) {
            *a += *b;
        }
    }
    let [sum, ..] = lanes;
    sum
}

/// The largest lane. Of a set it does not depend on the order, so this tree is for speed alone.
#[inline(always)]
pub(crate) fn tree_max(mut lanes: [f32; 16]) -> f32 {
    for width in [8, 4, 2, 1] {
        let (low, high) = lanes.split_at_mut(width);
        for (a, b) in low.iter_mut().zip(high) {
            *a = if *b > *a { *b } else { *a };
        }
    }
    let [most, ..] = lanes;
    most
}
