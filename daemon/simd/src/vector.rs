//! Sixteen virtual lanes: what every back end must offer, and all that an algorithm may use.
//!
//! Every operation is one of IEEE 754 (correctly rounded, so the same bits everywhere) or exact on integers. An algorithm
//! written over [`Vector`] therefore gives the same bits on every back end, and never has to say so again.

/// One instruction set, seen as sixteen lanes.
///
/// # Safety
/// Every method may only be called where the instruction set of the implementation is enabled, and every pointer must be
/// good for the bytes its method names. Methods are inlined into entry points that enable the instruction set.
pub(crate) trait Vector: Copy {
    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `i32`.
    type I: Copy;
    /// Sixty-four bytes: four for each lane.
    type B: Copy;

    /// Activation rows one tile of a matrix product takes: as many as the registers hold.
    const TILE: usize;

    unsafe fn splat(x: f32) -> Self::F;
    /// Reads 64 bytes.
    unsafe fn load(from: *const f32) -> Self::F;
    /// Writes 64 bytes.
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// `yes` in the lanes where `a >= b`, 0 elsewhere.
    unsafe fn keep_ge(a: Self::F, b: Self::F, yes: Self::F) -> Self::F;
    /// Adds `n << 23` to the bits of `x`, where `n` is the integer in the low bits of `t`.
    unsafe fn scale2(x: Self::F, t: Self::F) -> Self::F;
    /// Clears the sign.
    unsafe fn abs(x: Self::F) -> Self::F;

    /// Sixteen binary16 numbers, widened exactly. Reads 32 bytes.
    unsafe fn load_f16(from: *const u8) -> Self::F;
    /// Sixteen bfloat16 numbers, widened exactly. Reads 32 bytes.
    unsafe fn load_bf16(from: *const u8) -> Self::F;
    /// Sixteen signed bytes as numbers. Reads 16 bytes.
    unsafe fn load_i8(from: *const u8) -> Self::F;
    /// Sixteen unsigned bytes as numbers. Reads 16 bytes.
    unsafe fn load_u8(from: *const u8) -> Self::F;

    unsafe fn splat_i(x: i32) -> Self::I;
    /// Rounded to nearest, ties to even.
    unsafe fn to_f(x: Self::I) -> Self::F;
    /// Rounded to nearest, ties to even; the value must fit.
    unsafe fn to_i(x: Self::F) -> Self::I;
    /// Writes the low byte of each lane: 16 bytes.
    unsafe fn store_low(to: *mut i8, x: Self::I);

    /// Reads 64 bytes.
    unsafe fn bytes(from: *const u8) -> Self::B;
    /// Writes 64 bytes.
    unsafe fn store_bytes(to: *mut u8, x: Self::B);
    /// The low four bits of each byte.
    unsafe fn low(x: Self::B) -> Self::B;
    /// The high four bits of each byte.
    unsafe fn high(x: Self::B) -> Self::B;
    /// Bits `shift..` of each byte of `x` under `mask`, put at bit four and joined to `nibble`.
    unsafe fn join<const SHIFT: u32>(nibble: Self::B, x: Self::B, mask: u8) -> Self::B;

    /// Where a sum of [`Vector::dot_biased`] begins. `correction` is -128 times the sum of the activations it will meet;
    /// a back end that undoes the bias itself begins with nothing.
    unsafe fn begin_biased(correction: i32) -> Self::I;
    /// Adds to each lane the product of its four bytes of `w`, each less 128, with the four signed bytes `x`. None of `x`
    /// is -128.
    unsafe fn dot_biased(acc: Self::I, w: Self::B, x: i32) -> Self::I;
    /// Adds to each lane the product of its four unsigned bytes of `w`, none over 63, with the four signed bytes `x`.
    /// None of `x` is -128.
    unsafe fn dot_small(acc: Self::I, w: Self::B, x: i32) -> Self::I;

    /// Asks for the cache line at `at`, into the second level: asking for the first holds up the loads that are due. Any
    /// address is allowed.
    unsafe fn prefetch(at: *const u8);
}
