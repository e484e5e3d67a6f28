//! Attention: the oracle's bits for every back end, cache, chunking and number of threads; what is not seen is absent.

#![expect(
    clippy::single_range_in_vec_init,
    reason = "one query token sees one range"
)]

mod support;

use std::ops::Range;

use fak_simd::{Attention, Compute, KvKind, KvPage, KvSequence, KvShape, PAGE_TOKENS, oracle};
use proptest::prelude::*;
use support::{Numbers, computes, same_bits};

/// Keys and values of one head of one page.
type HeadPage = Vec<(Vec<f32>, Vec<f32>)>;

/// A cache of one layer: the same tokens as bytes and as numbers.
struct Cache {
    shape: KvShape,
    kv_heads: usize,
    bytes: Vec<(Vec<u8>, usize)>,
    /// `[head][page][token]`.
    numbers: Vec<Vec<HeadPage>>,
}

impl Cache {
    /// Pages of the given lengths; unused slots hold what is no number.
    fn new(numbers: &mut Numbers, shape: KvShape, kv_heads: usize, lens: &[usize]) -> Cache {
        let mut cache = Cache {
            shape,
            kv_heads,
            bytes: Vec::new(),
            numbers: vec![Vec::new(); kv_heads],
        };
        for len in lens {
            let mut page = vec![0xff; kv_heads * shape.block_bytes()];
            for (head, block) in page.chunks_mut(shape.block_bytes()).enumerate() {
                let mut rows = Vec::new();
                for slot in 0..*len {
                    let key: Vec<f32> = (0..shape.head_dim())
                        .map(|_| numbers.float() * 3.0)
                        .collect();
                    let value: Vec<f32> = (0..shape.head_dim()).map(|_| numbers.float()).collect();
                    assert!(shape.write(block, slot, &key, &value));
                    rows.push((key, value));
                }
                cache.numbers[head].push(rows);
            }
            cache.bytes.push((page, *len));
        }
        cache
    }

    fn pages(&self) -> Vec<KvPage<'_>> {
        self.bytes
            .iter()
            .map(|(blocks, len)| KvPage { blocks, len: *len })
            .collect()
    }

    fn tokens(&self) -> usize {
        self.bytes.iter().map(|(_, len)| len).sum()
    }

    fn attention<'a>(
        &self,
        heads: usize,
        cap: Option<f32>,
        sinks: Option<&'a [f32]>,
    ) -> Attention<'a> {
        Attention {
            shape: self.shape,
            heads,
            kv_heads: self.kv_heads,
            scale: 1.0 / (self.shape.head_dim() as f32).sqrt(),
            cap,
            sinks,
        }
    }

    fn expected(&self, attention: &Attention<'_>, visible: &[Range<usize>], q: &[f32]) -> Vec<f32> {
        let (dim, group) = (self.shape.head_dim(), attention.heads / attention.kv_heads);
        let mut out = Vec::new();
        for (index, q) in q.chunks(dim).enumerate() {
            let head = index % attention.heads;
            let heads = oracle::Heads {
                kind: self.shape.kind(),
                pages: &self.numbers[head / group],
                scale: attention.scale,
                cap: attention.cap,
                sink: attention.sinks.map(|sinks| sinks[head]),
            };
            out.extend(oracle::attend(q, &heads, &visible[index / attention.heads]));
        }
        out
    }
}

fn found(
    compute: &mut Compute,
    attention: &Attention<'_>,
    sequences: &[KvSequence<'_>],
    q: &[f32],
) -> Vec<f32> {
    let mut out = vec![f32::NAN; q.len()];
    compute
        .attend(attention, sequences, q, &mut out)
        .expect("fits");
    out
}

fn kinds() -> impl Strategy<Value = KvKind> {
    prop_oneof![Just(KvKind::F32), Just(KvKind::F16), Just(KvKind::Q8)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn all_have_the_bits_of_the_oracle(
        seed in 1_u64..,
        kind in kinds(),
        dim in 1_usize..81,
        kv_heads in 1_usize..3,
        group in 1_usize..6,
        lens in prop::collection::vec(1_usize..=64, 1..14),
        tokens in 1_usize..24,
        window in 1_usize..200,
        cap in prop::option::of(1.0_f32..50.0),
        sink in any::<bool>(),
    ) {
        let numbers = &mut Numbers(seed);
        let shape = KvShape::new(kind, dim).expect("a head");
        let cache = Cache::new(numbers, shape, kv_heads, &lens);
        let heads = kv_heads * group;
        let sinks = numbers.floats(heads);
        let attention = cache.attention(heads, cap, sink.then_some(&sinks));
        let all = cache.tokens();
        let visible: Vec<Range<usize>> = (0..tokens).map(|_| {
            let end = 1 + numbers.below(all);
            end.saturating_sub(window)..end
        }).collect();
        let q: Vec<f32> = (0..tokens * heads * dim).map(|_| numbers.float()).collect();
        let expected = cache.expected(&attention, &visible, &q);
        let pages = cache.pages();
        for mut compute in computes() {
            let sequence = [KvSequence { pages: &pages, visible: &visible }];
            same_bits(&found(&mut compute, &attention, &sequence, &q), &expected, compute.isa().name());
            // Token by token: other units, other divisions, the same bits.
            let mut pieces = Vec::new();
            for (token, q) in q.chunks(heads * dim).enumerate() {
                let sequence = [KvSequence { pages: &pages, visible: &visible[token..=token] }];
                pieces.extend(found(&mut compute, &attention, &sequence, q));
            }
            same_bits(&pieces, &expected, "token by token");
            // With neighbours.
            let (left, right) = visible.split_at(tokens / 2);
            let sequences = [
                KvSequence { pages: &pages, visible: left },
                KvSequence { pages: &pages, visible: right },
            ];
            same_bits(&found(&mut compute, &attention, &sequences, &q), &expected, "with neighbours");
        }
    }

    #[test]
    fn what_is_evicted_was_never_there(seed in 1_u64.., kind in kinds(), gone in 0_usize..6) {
        let numbers = &mut Numbers(seed);
        let shape = KvShape::new(kind, 64).expect("a head");
        let cache = Cache::new(numbers, shape, 1, &[64, 64, 20, 64, 7, 30]);
        let attention = cache.attention(3, None, None);
        let q: Vec<f32> = (0..3 * 64).map(|_| numbers.float()).collect();
        let mut pages = cache.pages();
        let page = pages.remove(gone);
        let visible = [0..cache.tokens() - page.len];
        let kept: Vec<HeadPage> = cache.numbers[0].iter().enumerate()
            .filter(|(index, _)| *index != gone).map(|(_, page)| page.clone()).collect();
        let never = Cache { shape, kv_heads: 1, bytes: Vec::new(), numbers: vec![kept] };
        let expected = never.expected(&attention, &visible, &q);
        for mut compute in computes() {
            let sequence = [KvSequence { pages: &pages, visible: &visible }];
            same_bits(&found(&mut compute, &attention, &sequence, &q), &expected, "evicted");
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    assert!(KvShape::new(KvKind::F16, 0).is_none());
    assert!(KvShape::new(KvKind::F16, 1025).is_none());
    let numbers = &mut Numbers(3);
    let shape = KvShape::new(KvKind::F16, 32).expect("a head");
    let cache = Cache::new(numbers, shape, 1, &[64, 10]);
    let attention = cache.attention(2, None, None);
    let pages = cache.pages();
    let refused = |pages: &[KvPage<'_>], visible: &[Range<usize>], q: usize| {
        let sequence = [KvSequence { pages, visible }];
        let outcome =
            Compute::new(1).attend(&attention, &sequence, &vec![0.0; q], &mut vec![0.0; q]);
        outcome.is_err()
    };
    assert!(!refused(&pages, &[0..74], 64));
    assert!(refused(&pages, &[0..75], 64), "sees more than there is");
    assert!(refused(&pages, &[5..5], 64), "sees nothing");
    assert!(refused(&pages, &[0..74], 63), "half a row");
    let empty = [KvPage { len: 0, ..pages[0] }];
    assert!(refused(&empty, &[0..1], 64), "an empty page");
    let short = [KvPage {
        blocks: &pages[0].blocks[1..],
        len: 64,
    }];
    assert!(refused(&short, &[0..1], 64), "a short page");
    let mut block = vec![0; shape.block_bytes()];
    assert!(!shape.write(&mut block, PAGE_TOKENS, &[0.0; 32], &[0.0; 32]));
    assert!(!shape.write(&mut block, 0, &[0.0; 31], &[0.0; 32]));
}
