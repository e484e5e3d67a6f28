//! AVX2 with FMA and F16C: two registers hold the sixteen lanes.

use std::arch::x86_64::*;

use crate::vector::Vector;

/// AVX2, FMA, F16C.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Four signed bytes times four bytes of small or absolute value, summed into each lane. Neither sum of two products
/// reaches 32768, so nothing saturates.
#[inline(always)]
unsafe fn dot(acc: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
    // SAFETY: called by the methods below only, whose callers enable AVX2.
    unsafe {
        let pairs = _mm256_maddubs_epi16(unsigned, signed);
        _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
}

#[inline(always)]
unsafe fn dot_signed(acc: __m256i, biased: __m256i, x: __m256i) -> __m256i {
    // SAFETY: called by the methods below only, whose callers enable AVX2.
    unsafe {
        let w = _mm256_xor_si256(biased, _mm256_set1_epi8(-128));
        dot(acc, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
    }
}

#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "one contract for all of them: Vector's own, passed on to the caller"
)]
impl Vector for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type B = [__m256i; 2];

    const TILE: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, [lo, hi]: Self::F) {
        unsafe {
            _mm256_storeu_ps(to, lo);
            _mm256_storeu_ps(to.add(8), hi);
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn keep_ge(a: Self::F, b: Self::F, yes: Self::F) -> Self::F {
        unsafe {
            [
                _mm256_and_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a[0], b[0]), yes[0]),
                _mm256_and_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a[1], b[1]), yes[1]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn scale2(x: Self::F, t: Self::F) -> Self::F {
        unsafe {
            let one = |x, t| {
                let shifted = _mm256_slli_epi32::<23>(_mm256_castps_si256(t));
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), shifted))
            };
            [one(x[0], t[0]), one(x[1], t[1])]
        }
    }
    #[inline(always)]
    unsafe fn abs(x: Self::F) -> Self::F {
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            [_mm256_andnot_ps(sign, x[0]), _mm256_andnot_ps(sign, x[1])]
        }
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u8) -> Self::F {
        unsafe {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(16).cast())),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u8) -> Self::F {
        unsafe {
            let wide = |at: *const u8| {
                let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(at.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
            };
            [wide(from), wide(from.add(16))]
        }
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const u8) -> Self::F {
        unsafe {
            let all = _mm_loadu_si128(from.cast());
            [
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(all)),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128::<8>(all))),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_u8(from: *const u8) -> Self::F {
        unsafe {
            let all = _mm_loadu_si128(from.cast());
            [
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(all)),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128::<8>(all))),
            ]
        }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> Self::I {
        unsafe { [_mm256_set1_epi32(x); 2] }
    }
    #[inline(always)]
    unsafe fn to_f(x: Self::I) -> Self::F {
        unsafe { [_mm256_cvtepi32_ps(x[0]), _mm256_cvtepi32_ps(x[1])] }
    }
    #[inline(always)]
    unsafe fn to_i(x: Self::F) -> Self::I {
        unsafe { [_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1])] }
    }
    #[inline(always)]
    unsafe fn store_low(to: *mut i8, x: Self::I) {
        unsafe {
            // Packing works within halves of a register: the last step puts the four groups back in order.
            let words = _mm256_packs_epi32(x[0], x[1]);
            let bytes = _mm256_packs_epi16(words, words);
            let order = _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5);
            let ordered = _mm256_permutevar8x32_epi32(bytes, order);
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(ordered));
        }
    }
    #[inline(always)]
    unsafe fn bytes(from: *const u8) -> Self::B {
        unsafe {
            [
                _mm256_loadu_si256(from.cast()),
                _mm256_loadu_si256(from.add(32).cast()),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, [lo, hi]: Self::B) {
        unsafe {
            _mm256_storeu_si256(to.cast(), lo);
            _mm256_storeu_si256(to.add(32).cast(), hi);
        }
    }
    #[inline(always)]
    unsafe fn low(x: Self::B) -> Self::B {
        unsafe {
            let mask = _mm256_set1_epi8(0x0f);
            [_mm256_and_si256(x[0], mask), _mm256_and_si256(x[1], mask)]
        }
    }
    #[inline(always)]
    unsafe fn high(x: Self::B) -> Self::B {
        unsafe {
            let mask = _mm256_set1_epi8(0x0f);
            [
                _mm256_and_si256(_mm256_srli_epi16::<4>(x[0]), mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(x[1]), mask),
            ]
        }
    }
    #[inline(always)]
    unsafe fn join<const SHIFT: u32>(nibble: Self::B, x: Self::B, mask: u8) -> Self::B {
        unsafe {
            let mask = _mm256_set1_epi8((mask << 4).cast_signed());
            let one = |nibble, x| {
                let at_four = if SHIFT <= 4 {
                    _mm256_sll_epi16(x, _mm_cvtsi32_si128(4_u32.wrapping_sub(SHIFT) as i32))
                } else {
                    _mm256_srl_epi16(x, _mm_cvtsi32_si128(SHIFT.wrapping_sub(4) as i32))
                };
                _mm256_or_si256(nibble, _mm256_and_si256(at_four, mask))
            };
            [one(nibble[0], x[0]), one(nibble[1], x[1])]
        }
    }
    #[inline(always)]
    unsafe fn begin_biased(_correction: i32) -> Self::I {
        // The bias is undone byte by byte in `dot_signed`.
        unsafe { [_mm256_setzero_si256(); 2] }
    }
    #[inline(always)]
    unsafe fn dot_biased(acc: Self::I, w: Self::B, x: i32) -> Self::I {
        unsafe {
            let x = _mm256_set1_epi32(x);
            [dot_signed(acc[0], w[0], x), dot_signed(acc[1], w[1], x)]
        }
    }
    #[inline(always)]
    unsafe fn dot_small(acc: Self::I, w: Self::B, x: i32) -> Self::I {
        unsafe {
            let x = _mm256_set1_epi32(x);
            [dot(acc[0], w[0], x), dot(acc[1], w[1], x)]
        }
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
}
