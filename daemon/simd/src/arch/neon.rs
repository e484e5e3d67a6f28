//! NEON: four registers hold the sixteen lanes. Plain NEON only, which every 64-bit ARM has.

use std::arch::aarch64::*;

use crate::vector::Vector;

/// NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// Runs one operation on each of the four registers.
macro_rules! quads {
    (@ $index:literal |$($name:ident),*| $call:expr) => {{
        $(let $name = $name[$index];)*
        $call
    }};
    (|$($name:ident),*| $call:expr) => {
        [
            quads!(@ 0 |$($name),*| $call),
            quads!(@ 1 |$($name),*| $call),
            quads!(@ 2 |$($name),*| $call),
            quads!(@ 3 |$($name),*| $call),
        ]
    };
}

/// Four signed bytes times four signed bytes, summed into each lane. Products fit 16 bits: none is over 128 * 127.
#[inline(always)]
unsafe fn dot(acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: called by the methods below only, whose callers have NEON.
    unsafe {
        let low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)));
        let high = vpaddlq_s16(vmull_high_s8(w, x));
        vaddq_s32(acc, vpaddq_s32(low, high))
    }
}

/// Four signed bytes of each group of four become numbers.
#[inline(always)]
unsafe fn widen_signed(all: int8x16_t) -> [float32x4_t; 4] {
    // SAFETY: as above.
    unsafe {
        let (low, high) = (vmovl_s8(vget_low_s8(all)), vmovl_high_s8(all));
        [
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
            vcvtq_f32_s32(vmovl_high_s16(low)),
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
            vcvtq_f32_s32(vmovl_high_s16(high)),
        ]
    }
}

#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "one contract for all of them: Vector's own, passed on to the caller"
)]
impl Vector for Neon {
    type F = [float32x4_t; 4];
    type I = [int32x4_t; 4];
    type B = [uint8x16_t; 4];

    const TILE: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        unsafe { [vdupq_n_f32(x); 4] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { [0, 4, 8, 12].map(|at| vld1q_f32(from.add(at))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        unsafe {
            for (index, quad) in x.into_iter().enumerate() {
                vst1q_f32(to.add(index * 4), quad);
            }
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        unsafe { quads!(|a, b| vaddq_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        unsafe { quads!(|a, b| vsubq_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        unsafe { quads!(|a, b| vmulq_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        unsafe { quads!(|a, b| vdivq_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { quads!(|a, b, c| vfmaq_f32(c, a, b)) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        unsafe { quads!(|a, b| vmaxq_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        unsafe { quads!(|a, b| vminq_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn keep_ge(a: Self::F, b: Self::F, yes: Self::F) -> Self::F {
        unsafe {
            quads!(|a, b, yes| vreinterpretq_f32_u32(vandq_u32(
                vcgeq_f32(a, b),
                vreinterpretq_u32_f32(yes)
            )))
        }
    }
    #[inline(always)]
    unsafe fn scale2(x: Self::F, t: Self::F) -> Self::F {
        unsafe {
            quads!(|x, t| vreinterpretq_f32_u32(vaddq_u32(
                vreinterpretq_u32_f32(x),
                vshlq_n_u32::<23>(vreinterpretq_u32_f32(t))
            )))
        }
    }
    #[inline(always)]
    unsafe fn abs(x: Self::F) -> Self::F {
        unsafe { quads!(|x| vabsq_f32(x)) }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::F {
        let bits = unsafe { from.cast::<[u16; 16]>().read_unaligned() };
        let wide = bits.map(|bits| half::f16::from_bits(bits).to_f32());
        unsafe { Self::load(wide.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::F {
        unsafe {
            [0, 8, 16, 24].map(|at| {
                let bits = vld1_u16(from.add(at).cast());
                vreinterpretq_f32_u32(vshll_n_u16::<16>(bits))
            })
        }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self::F {
        unsafe { widen_signed(vld1q_s8(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self::F {
        unsafe {
            let all = vld1q_u8(from);
            let (low, high) = (vmovl_u8(vget_low_u8(all)), vmovl_high_u8(all));
            [
                vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))),
                vcvtq_f32_u32(vmovl_high_u16(low)),
                vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))),
                vcvtq_f32_u32(vmovl_high_u16(high)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> Self::I {
        unsafe { [vdupq_n_s32(x); 4] }
    }
    #[inline(always)]
    unsafe fn to_f(x: Self::I) -> Self::F {
        unsafe { quads!(|x| vcvtq_f32_s32(x)) }
    }
    #[inline(always)]
    unsafe fn to_i(x: Self::F) -> Self::I {
        unsafe { quads!(|x| vcvtnq_s32_f32(x)) }
    }
    #[inline(always)]
    unsafe fn store_low(to: *mut i8, x: Self::I) {
        unsafe {
            let low = vcombine_s16(vmovn_s32(x[0]), vmovn_s32(x[1]));
            let high = vcombine_s16(vmovn_s32(x[2]), vmovn_s32(x[3]));
            vst1q_s8(to, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
        }
    }
    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Self::B {
        unsafe { [0, 16, 32, 48].map(|at| vld1q_u8(from.add(at))) }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, x: Self::B) {
        unsafe {
            for (index, quad) in x.into_iter().enumerate() {
                vst1q_u8(to.add(index * 16), quad);
            }
        }
    }
    #[inline(always)]
    unsafe fn low(x: Self::B) -> Self::B {
        unsafe { quads!(|x| vandq_u8(x, vdupq_n_u8(0x0f))) }
    }
    #[inline(always)]
    unsafe fn high(x: Self::B) -> Self::B {
        unsafe { quads!(|x| vshrq_n_u8::<4>(x)) }
    }
    #[inline(always)]
    unsafe fn join<const SHIFT: u32>(nibble: Self::B, x: Self::B, mask: u8) -> Self::B {
        unsafe {
            let by = vdupq_n_s8(4_i8.wrapping_sub(SHIFT as i8));
            let mask = vdupq_n_u8(mask << 4);
            quads!(|nibble, x| vorrq_u8(nibble, vandq_u8(vshlq_u8(x, by), mask)))
        }
    }
    #[inline(always)]
    unsafe fn begin_biased(_correction: i32) -> Self::I {
        unsafe { [vdupq_n_s32(0); 4] }
    }
    #[inline(always)]
    unsafe fn dot_biased(acc: Self::I, w: Self::B, x: i32) -> Self::I {
        unsafe {
            let x = vreinterpretq_s8_s32(vdupq_n_s32(x));
            let bias = vdupq_n_u8(0x80);
            quads!(|acc, w| dot(acc, vreinterpretq_s8_u8(veorq_u8(w, bias)), x))
        }
    }
    #[inline(always)]
    unsafe fn dot_small(acc: Self::I, w: Self::B, x: i32) -> Self::I {
        unsafe {
            let x = vreinterpretq_s8_s32(vdupq_n_s32(x));
            quads!(|acc, w| dot(acc, vreinterpretq_s8_u8(w), x))
        }
    }
    #[inline(always)]
    unsafe fn prefetch(_at: *const u8) {}
}
