//! The instruction sets, and the entry points compiled for each.
//!
//! An algorithm of `generic` is inlined into an entry point that enables the instruction set; nothing else is compiled for
//! it. Which back end runs is decided once ([`crate::Isa`]).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

use crate::{
    generic::{
        attention::{self, PageTile},
        rows::{self, Gate},
        tile::{self, PlainTile, Quad, QuantTile},
        weights::{self, Format, Plain},
    },
    vector::Vector,
};

/// The algorithms, compiled for one instruction set.
///
/// # Safety
/// Each entry may be called only on a machine that has the instruction set, with what its algorithm asks for.
pub(crate) trait Backend: Vector {
    unsafe fn quant<W: Format, const P: usize, const M: usize>(t: &QuantTile);
    unsafe fn plain<W: Plain, const P: usize, const M: usize>(t: &PlainTile);
    unsafe fn open<W: Format>(base: *const u8, panel: (usize, usize), blocks: usize, to: *mut u8);
    unsafe fn quantize(x: *const f32, blocks: usize, out: *mut Quad, lane: usize);
    unsafe fn rms_norm(x: *const f32, weight: *const f32, n: usize, eps: f32, out: *mut f32);
    unsafe fn layer_norm(
        x: *const f32,
        weight_bias: (*const f32, *const f32),
        n: usize,
        eps: f32,
        out: *mut f32,
    );
    unsafe fn gated(bend: Gate, gate: *const f32, up: *const f32, n: usize, out: *mut f32);
    unsafe fn add_to(a: *const f32, b: *const f32, n: usize, out: *mut f32);
    unsafe fn rotate(x: *mut f32, cos: *const f32, sin: *const f32, half: usize, adjacent: bool);
    unsafe fn page<K: Plain, const R: usize>(t: &PageTile);
    unsafe fn combine(state: *mut f32, part: *const f32, padded: usize);
    unsafe fn finish(state: *const f32, sink: Option<f32>, head_dim: usize, out: *mut f32);
    unsafe fn widen<K: Plain>(from: *const u8, vectors: usize, to: *mut f32);
}

/// One entry: a function with the instruction set enabled, called by the trait's method.
macro_rules! entry {
    ($(#[$enable:meta])? [$($generics:tt)*] [$($names:tt)*] $name:ident($($arg:ident: $kind:ty),*) $call:expr) => {
        #[inline]
        unsafe fn $name<$($generics)*>($($arg: $kind),*) {
            $(#[$enable])?
            #[inline(never)]
            unsafe fn compiled<$($generics)*>($($arg: $kind),*) {
                // SAFETY: the caller's own promise.
                unsafe { $call }
            }
            // SAFETY: the caller vouches for the instruction set and the arguments.
            unsafe { compiled::<$($names)*>($($arg),*) }
        }
    };
}

/// All entries of one back end; `$span` vectors stand side by side in attention.
macro_rules! backend {
    ($backend:ty, $span:literal $(, $enable:meta)?) => {
        impl Backend for $backend {
            entry!($(#[$enable])? [W: Format, const P: usize, const M: usize] [W, P, M]
                quant(t: &QuantTile) tile::quant::<$backend, W, P, M>(t));
            entry!($(#[$enable])? [W: Plain, const P: usize, const M: usize] [W, P, M]
                plain(t: &PlainTile) tile::plain::<$backend, W, P, M>(t));
            entry!($(#[$enable])? [W: Format] [W]
                open(base: *const u8, panel: (usize, usize), blocks: usize, to: *mut u8)
                weights::open::<$backend, W>(base, panel, blocks, to));
            entry!($(#[$enable])? [] []
                quantize(x: *const f32, blocks: usize, out: *mut Quad, lane: usize)
                rows::quantize::<$backend>(x, blocks, out, lane));
            entry!($(#[$enable])? [] []
                rms_norm(x: *const f32, weight: *const f32, n: usize, eps: f32, out: *mut f32)
                rows::rms_norm::<$backend>(x, weight, n, eps, out));
            entry!($(#[$enable])? [] []
                layer_norm(x: *const f32, weight_bias: (*const f32, *const f32), n: usize, eps: f32, out: *mut f32)
                rows::layer_norm::<$backend>(x, weight_bias, n, eps, out));
            entry!($(#[$enable])? [] []
                gated(bend: Gate, gate: *const f32, up: *const f32, n: usize, out: *mut f32)
                rows::gated::<$backend>(bend, gate, up, n, out));
            entry!($(#[$enable])? [] []
                add_to(a: *const f32, b: *const f32, n: usize, out: *mut f32) rows::add::<$backend>(a, b, n, out));
            entry!($(#[$enable])? [] []
                rotate(x: *mut f32, cos: *const f32, sin: *const f32, half: usize, adjacent: bool)
                rows::rotate(x, cos, sin, half, adjacent));
            entry!($(#[$enable])? [K: Plain, const R: usize] [K, R]
                page(t: &PageTile) attention::page::<$backend, K, R, $span>(t));
            entry!($(#[$enable])? [] []
                combine(state: *mut f32, part: *const f32, padded: usize)
                attention::combine::<$backend>(state, part, padded));
            entry!($(#[$enable])? [] []
                finish(state: *const f32, sink: Option<f32>, head_dim: usize, out: *mut f32)
                attention::finish::<$backend>(state, sink, head_dim, out));
            entry!($(#[$enable])? [K: Plain] [K]
                widen(from: *const u8, vectors: usize, to: *mut f32)
                attention::widen::<$backend, K>(from, vectors, to));
        }
    };
}

#[cfg(target_arch = "x86_64")]
backend!(
    Avx512,
    4,
    target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
);
#[cfg(target_arch = "x86_64")]
backend!(Avx2, 1, target_feature(enable = "avx2,fma,f16c"));
#[cfg(target_arch = "aarch64")]
backend!(Neon, 1, target_feature(enable = "neon"));
backend!(Portable, 1);
