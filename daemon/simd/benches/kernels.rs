//! Kernels against this machine's own limits, in one run.
//!
//! `probe_*` measure what the machine can do at this minute: bytes read from memory, multiply-adds in registers. The
//! kernels' own rows are to be held against them; absolute numbers of different runs say nothing about each other.

#![allow(missing_docs, clippy::allow_attributes, reason = "a program")]

use std::{hint::black_box, sync::OnceLock};

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use fak_simd::{
    Attention, Compute, Gate, KvKind, KvPage, KvSequence, KvShape, Matrix, Pool, Product,
    WeightKind,
};

fn main() {
    divan::main();
}

/// Bytes a ring of copies takes: far more than any cache of one core keeps.
const RING_BYTES: usize = 512 << 20;

const THREADS: [usize; 2] = [1, 2];

/// Rows and columns of one matrix of a 1.5B model.
const SHAPE: (usize, usize) = (8960, 1536);

fn matrix(kind: WeightKind, rows: usize, columns: usize) -> Matrix {
    let bytes = rows * kind.row_bytes(columns).expect("whole blocks");
    // Patterns without infinities in any reading.
    let raw: Vec<u8> = (0_u8..59).cycle().take(bytes).collect();
    Matrix::pack(kind, rows, columns, &raw, &mut Pool::new(2)).expect("fits")
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 500.0)
        .collect()
}

/// The largest rate of reading memory, with nothing done to what is read.
#[divan::bench(args = THREADS, sample_count = 9, sample_size = 1)]
fn probe_memory(bencher: Bencher<'_, '_>, threads: usize) {
    static RING: OnceLock<Vec<u64>> = OnceLock::new();
    let ring = RING.get_or_init(|| vec![1; RING_BYTES / 8]);
    let mut pool = Pool::new(threads);
    bencher
        .counter(BytesCount::new(RING_BYTES))
        .bench_local(|| {
            pool.run(256, &|_, unit| {
                let part = &ring[unit * ring.len() / 256..(unit + 1) * ring.len() / 256];
                black_box(part.chunks_exact(32).fold([0_u64; 32], |mut sum, words| {
                    for (sum, word) in sum.iter_mut().zip(words) {
                        *sum ^= word;
                    }
                    sum
                }));
            });
        });
}

/// Decoding: one row, weights read from memory.
fn decode(bencher: Bencher<'_, '_>, kind: WeightKind, threads: usize) {
    let (rows, columns) = SHAPE;
    let first = matrix(kind, rows, columns);
    let bytes = first.bytes();
    let mut ring = vec![first];
    while ring.len() * bytes < RING_BYTES {
        ring.push(matrix(kind, rows, columns));
    }
    let mut compute = Compute::new(threads);
    let x = numbers(columns);
    let mut out = vec![0.0; rows];
    bencher
        .counter(BytesCount::new(ring.len() * bytes))
        .bench_local(|| {
            for matrix in &ring {
                let product = Product::new(matrix, &mut out);
                compute.multiply(&x, columns, vec![product]).expect("fits");
            }
        });
}

/// Prefill: many rows; items are multiply-adds times two.
fn prefill(bencher: Bencher<'_, '_>, kind: WeightKind, threads: usize, batch: usize) {
    let (rows, columns) = SHAPE;
    let matrix = matrix(kind, rows, columns);
    let mut compute = Compute::new(threads);
    let x = numbers(columns * batch);
    let mut out = vec![0.0; rows * batch];
    bencher
        .counter(ItemsCount::new(2 * rows * columns * batch))
        .bench_local(|| {
            let product = Product::new(&matrix, &mut out);
            compute.multiply(&x, columns, vec![product]).expect("fits");
        });
}

macro_rules! kinds {
    ($($name:ident $kind:ident)*) => {$(
        mod $name {
            use super::*;

            #[divan::bench(args = THREADS, sample_count = 9, sample_size = 1)]
            fn decode(bencher: Bencher<'_, '_>, threads: usize) {
                super::decode(bencher, WeightKind::$kind, threads);
            }

            #[divan::bench(args = [4, 8, 512], sample_count = 7, sample_size = 1)]
            fn rows(bencher: Bencher<'_, '_>, batch: usize) {
                super::prefill(bencher, WeightKind::$kind, 1, batch);
            }
        }
    )*};
}

kinds! {
    q8_0 Q8_0
    q4_0 Q4_0
    q5_0 Q5_0
    q4_k Q4K
    q6_k Q6K
    f16 F16
    bf16 Bf16
    f32 F32
}

/// Attention of one token over a long past, SmolLM2's heads: items are bytes of the cache.
#[divan::bench(args = THREADS, sample_count = 15, sample_size = 4)]
fn attend_decode_8192(bencher: Bencher<'_, '_>, threads: usize) {
    attend(bencher, threads, 1, 128);
}

/// Attention of a prefill of 64 tokens over 4096.
#[divan::bench(args = THREADS, sample_count = 7, sample_size = 1)]
fn attend_prefill_4096(bencher: Bencher<'_, '_>, threads: usize) {
    attend(bencher, threads, 64, 64);
}

fn attend(bencher: Bencher<'_, '_>, threads: usize, tokens: usize, pages: usize) {
    let shape = KvShape::new(KvKind::F16, 64).expect("a head");
    let (heads, kv_heads) = (9, 3);
    let layers = 4;
    let bytes = kv_heads * shape.block_bytes();
    let cache: Vec<Vec<u8>> = (0..pages * layers).map(|_| vec![0x2a; bytes]).collect();
    let all: Vec<KvPage<'_>> = cache
        .iter()
        .map(|blocks| KvPage { blocks, len: 64 })
        .collect();
    let visible: Vec<_> = (0..tokens)
        .map(|token| 0..pages * 64 - tokens + token + 1)
        .collect();
    let attention = Attention {
        shape,
        heads,
        kv_heads,
        scale: 0.125,
        cap: None,
        sinks: None,
    };
    let q = numbers(tokens * heads * 64);
    let mut out = vec![0.0; q.len()];
    let mut compute = Compute::new(threads);
    let flops = 4 * tokens * heads * 64 * pages * 64 * layers;
    bencher
        .counter(BytesCount::new(cache.len() * bytes))
        .counter(ItemsCount::new(flops))
        .bench_local(|| {
            for pages in all.chunks(pages) {
                let sequence = [KvSequence {
                    pages,
                    visible: &visible,
                }];
                compute
                    .attend(&attention, &sequence, &q, &mut out)
                    .expect("fits");
            }
        });
}

/// What a layer does beside products.
#[divan::bench(sample_count = 50)]
fn norm_and_gate(bencher: Bencher<'_, '_>) {
    let mut compute = Compute::new(1);
    let (x, weight) = (numbers(1536), numbers(1536));
    let (gate, up) = (numbers(8960), numbers(8960));
    let (mut a, mut b) = (vec![0.0; 1536], vec![0.0; 8960]);
    bencher
        .counter(ItemsCount::new(1536_usize + 8960))
        .bench_local(|| {
            compute.rms_norm(&x, &weight, 1e-5, &mut a).expect("fits");
            compute
                .gate(Gate::Silu, &gate, Some(&up), &mut b)
                .expect("fits");
        });
}

/// An empty job: what dividing work costs.
#[divan::bench(args = THREADS, sample_count = 50, sample_size = 100)]
fn empty_job(bencher: Bencher<'_, '_>, threads: usize) {
    let mut pool = Pool::new(threads);
    bencher.bench_local(|| {
        pool.run(8, &|_, unit| {
            black_box(unit);
        })
    });
}
