//! No instruction set at all: sixteen lanes as arrays. Slow, and right everywhere.

use half::{bf16, f16};

use crate::vector::Vector;

/// Plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn each<T: Copy, U>(a: [T; 16], b: [T; 16], f: impl Fn(T, T) -> U) -> [U; 16] {
    let mut other = b.into_iter();
    a.map(|x| match other.next() {
        Some(y) => f(x, y),
        None => f(x, x),
    })
}

#[inline(always)]
unsafe fn read<T: Copy, const N: usize>(from: *const u8) -> [T; N] {
    // SAFETY: the caller's pointer is good for the array, and every bit pattern of the integer types asked for is valid.
    unsafe { from.cast::<[T; N]>().read_unaligned() }
}

fn dot(acc: [i32; 16], w: [u8; 64], x: i32, less: i32) -> [i32; 16] {
    let x = x.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
    let (groups, _) = w.as_chunks::<4>();
    let mut group = groups.iter();
    acc.map(|sum| {
        let products = group.next().into_iter().flatten().zip(x);
        products.fold(sum, |sum, (w, x)| sum + (i32::from(*w) - less) * x)
    })
}

#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "one contract for all of them: Vector's own, passed on to the caller"
)]
impl Vector for Portable {
    type F = [f32; 16];
    type I = [i32; 16];
    type B = [u8; 64];

    const TILE: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { read(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        unsafe { to.cast::<[f32; 16]>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let mut add = c.into_iter();
        each(a, b, |a, b| (a, b)).map(|(a, b)| a.mul_add(b, add.next().unwrap_or(0.0)))
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn keep_ge(a: Self::F, b: Self::F, yes: Self::F) -> Self::F {
        let mut kept = yes.into_iter();
        each(a, b, |a, b| a >= b).map(|keep| {
            let yes = kept.next().unwrap_or(0.0);
            if keep { yes } else { 0.0 }
        })
    }
    #[inline(always)]
    unsafe fn scale2(x: Self::F, t: Self::F) -> Self::F {
        each(x, t, |x, t| {
            f32::from_bits(x.to_bits().wrapping_add(t.to_bits() << 23))
        })
    }
    #[inline(always)]
    unsafe fn abs(x: Self::F) -> Self::F {
        x.map(f32::abs)
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::F {
        unsafe { read::<u16, 16>(from) }.map(|bits| f16::from_bits(bits).to_f32_const())
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::F {
        unsafe { read::<u16, 16>(from) }.map(|bits| bf16::from_bits(bits).to_f32_const())
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self::F {
        unsafe { read::<i8, 16>(from) }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self::F {
        unsafe { read::<u8, 16>(from) }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> Self::I {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn to_f(x: Self::I) -> Self::F {
        x.map(|x| x as f32)
    }
    #[inline(always)]
    unsafe fn to_i(x: Self::F) -> Self::I {
        x.map(|x| x.round_ties_even() as i32)
    }
    #[inline(always)]
    unsafe fn store_low(to: *mut i8, x: Self::I) {
        unsafe { to.cast::<[i8; 16]>().write_unaligned(x.map(|x| x as i8)) }
    }
    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Self::B {
        unsafe { read(from) }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, x: Self::B) {
        unsafe { to.cast::<[u8; 64]>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn low(x: Self::B) -> Self::B {
        x.map(|x| x & 0x0f)
    }
    #[inline(always)]
    unsafe fn high(x: Self::B) -> Self::B {
        x.map(|x| x >> 4)
    }
    #[inline(always)]
    unsafe fn join<const SHIFT: u32>(nibble: Self::B, x: Self::B, mask: u8) -> Self::B {
        let mut bits = x.into_iter();
        nibble.map(|n| n | (((bits.next().unwrap_or(0) >> SHIFT) & mask) << 4))
    }
    #[inline(always)]
    unsafe fn begin_biased(_correction: i32) -> Self::I {
        [0; 16]
    }
    #[inline(always)]
    unsafe fn dot_biased(acc: Self::I, w: Self::B, x: i32) -> Self::I {
        dot(acc, w, x, 128)
    }
    #[inline(always)]
    unsafe fn dot_small(acc: Self::I, w: Self::B, x: i32) -> Self::I {
        dot(acc, w, x, 0)
    }
    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
}
