//! The numeric contract, executed literally: one number at a time, from a file's bytes, without panels, lanes or threads.
//!
//! Slow, short, and the meaning of "right" in this crate's tests. A second implementation should be held against it. Each
//! function names the section of docs/decisions/0013-numeric-contract.md it is.

use std::ops::Range;

use crate::{
    blocks::{bf16_to_f32, half_to_f32},
    generic::{
        attention::PAGE_TOKENS,
        math::{
            EXP_MAX, EXP_MIN, EXP_TERMS, GELU_CUBE, GELU_SCALE, LN2_HIGH, LN2_LOW, LOG2_E, ROUNDER,
        },
        rows::Gate,
    },
    kind::WeightKind,
    kv::KvKind,
    lines::half_bits,
    panel::exact_numbers,
};

/// "Exponential".
#[must_use]
pub fn exp(x: f32) -> f32 {
    let x = if x < EXP_MAX { x } else { EXP_MAX };
    if x < EXP_MIN {
        return 0.0;
    }
    let shifted = x.mul_add(LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = n.mul_add(-LN2_HIGH, x);
    let r = n.mul_add(-LN2_LOW, r);
    let mut p = 0.0;
    for (index, term) in EXP_TERMS.into_iter().enumerate() {
        p = if index == 0 { term } else { r.mul_add(p, term) };
    }
    p = p.mul_add(r, 1.0);
    p = p.mul_add(r, 1.0);
    // A whole power of two, and the result is normal: exact.
    p * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// "Gates": SiLU and GELU.
#[must_use]
pub fn bend(gate: Gate, x: f32) -> f32 {
    match gate {
        Gate::Silu => x / (1.0 + exp(0.0 - x)),
        Gate::Gelu => {
            let inner = (x * x * x).mul_add(GELU_CUBE, x);
            x / (1.0 + exp(inner * (-2.0 * GELU_SCALE)))
        }
    }
}

fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(x + x) + 1.0)
}

/// "Sums": sixteen partial sums of every sixteenth term, then halves onto halves.
fn tree(mut lanes: Vec<f32>) -> f32 {
    while lanes.len() > 1 {
        let upper = lanes.split_off(lanes.len() / 2);
        for (a, b) in lanes.iter_mut().zip(upper) {
            *a += b;
        }
    }
    lanes.first().copied().unwrap_or(0.0)
}

/// "Norms": RMSNorm of one row.
#[must_use]
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mut lanes = vec![0.0_f32; 16];
    for part in x.chunks(16) {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane = x.mul_add(*x, *lane);
        }
    }
    let factor = 1.0 / (tree(lanes) / x.len() as f32 + eps).sqrt();
    x.iter().zip(weight).map(|(x, w)| x * factor * w).collect()
}

/// "Norms": layer norm of one row.
#[must_use]
pub fn layer_norm(x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) -> Vec<f32> {
    let n = x.len() as f32;
    let mut lanes = vec![0.0_f32; 16];
    for part in x.chunks(16) {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += x;
        }
    }
    let mean = tree(lanes) / n;
    let mut lanes = vec![0.0_f32; 16];
    for part in x.chunks(16) {
        for (lane, x) in lanes.iter_mut().zip(part) {
            let off = x - mean;
            *lane = off.mul_add(off, *lane);
        }
    }
    let factor = 1.0 / (tree(lanes) / n + eps).sqrt();
    let scaled = x.iter().zip(weight).map(|(x, w)| (x - mean) * factor * w);
    match bias {
        None => scaled.collect(),
        Some(bias) => scaled.zip(bias).map(|(y, b)| y + b).collect(),
    }
}

/// One block of activations: numbers, scale, scale times sum.
struct QuantBlock {
    q: Vec<i32>,
    d: f32,
    s: f32,
}

/// "Activations": blocks of 32.
fn quantize(x: &[f32]) -> Vec<QuantBlock> {
    let one = |x: &[f32]| {
        let largest = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let d = largest / 127.0;
        let (d, inverse) = if d < f32::MIN_POSITIVE {
            (0.0, 0.0)
        } else {
            (d, 1.0 / d)
        };
        let q: Vec<i32> = x
            .iter()
            .map(|x| (x * inverse).round_ties_even() as i32)
            .collect();
        let s = d * q.iter().sum::<i32>() as f32;
        QuantBlock { q, d, s }
    };
    x.chunks(32).map(one).collect()
}

/// "Products": one output, from the bytes of one row of a tensor.
#[must_use]
pub fn dot(kind: WeightKind, row: &[u8], x: &[f32]) -> f32 {
    let plain = |number: fn(&[u8]) -> f32| {
        let numbers = row.chunks(kind.block_bytes()).map(number);
        numbers
            .zip(x)
            .fold(0.0_f32, |sum, (w, x)| w.mul_add(*x, sum))
    };
    match kind {
        WeightKind::F32 => plain(|bytes| f32::from_le_bytes(bytes.try_into().unwrap_or([0; 4]))),
        WeightKind::F16 => {
            plain(|bytes| half_to_f32(u16::from_le_bytes(bytes.try_into().unwrap_or([0; 2]))))
        }
        WeightKind::Bf16 => {
            plain(|bytes| bf16_to_f32(u16::from_le_bytes(bytes.try_into().unwrap_or([0; 2]))))
        }
        _ => quantized_dot(kind, row, x),
    }
}

fn quantized_dot(kind: WeightKind, row: &[u8], x: &[f32]) -> f32 {
    let numbers: Vec<_> = row
        .chunks(kind.block_bytes())
        .flat_map(|block| exact_numbers(kind, block))
        .collect();
    let run = if kind == WeightKind::Q6K { 16 } else { 32 };
    let mins = matches!(
        kind,
        WeightKind::Q4_1 | WeightKind::Q5_1 | WeightKind::Q4K | WeightKind::Q5K
    );
    let mut sum = 0.0_f32;
    for (weights, x) in numbers.chunks(32).zip(quantize(x)) {
        for (weights, q) in weights.chunks(run).zip(x.q.chunks(run)) {
            let exact: i32 = weights.iter().zip(q).map(|((w, ..), q)| w * q).sum();
            let scale = weights.first().map_or(0.0, |(_, scale, _)| *scale);
            sum = (exact as f32).mul_add(scale * x.d, sum);
        }
        if mins {
            let min = weights.first().map_or(0.0, |(.., min)| *min);
            sum = min.mul_add(x.s, sum);
        }
    }
    sum
}

/// "Rotary positions": the pairs of one head.
pub fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32], adjacent: bool) {
    for (i, (c, s)) in cos.iter().zip(sin).enumerate() {
        let (first, second) = if adjacent {
            (2 * i, 2 * i + 1)
        } else {
            (i, i + cos.len())
        };
        let (Some(a), Some(b)) = (x.get(first).copied(), x.get(second).copied()) else {
            return;
        };
        if let Some(to) = x.get_mut(first) {
            *to = a.mul_add(*c, -(b * s));
        }
        if let Some(to) = x.get_mut(second) {
            *to = b.mul_add(*c, a * s);
        }
    }
}

/// One key or value of the cache: its numbers as stored, and its scale.
fn stored(kind: KvKind, numbers: &[f32]) -> (Vec<f32>, f32) {
    match kind {
        KvKind::F32 => (numbers.to_vec(), 1.0),
        KvKind::F16 => (
            numbers.iter().map(|x| half_to_f32(half_bits(*x))).collect(),
            1.0,
        ),
        KvKind::Q8 => {
            let largest = numbers.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let bits = half_bits(largest / 127.0);
            let scale = if bits < 0x0400 {
                0.0
            } else {
                half_to_f32(bits)
            };
            let inverse = if bits < 0x0400 { 0.0 } else { 1.0 / scale };
            let byte = |x: &f32| (x * inverse).round_ties_even().clamp(-127.0, 127.0);
            (numbers.iter().map(byte).collect(), scale)
        }
    }
}

/// What one query head is held against.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// Numbers of the cache.
    pub kind: KvKind,
    /// Keys and values of the visible pages: page after page, token after token.
    pub pages: &'a [Vec<(Vec<f32>, Vec<f32>)>],
    /// Multiplies the query.
    pub scale: f32,
    /// Bends scores.
    pub cap: Option<f32>,
    /// One more score, without a value.
    pub sink: Option<f32>,
}

/// "Attention": one query head over the tokens in `visible`, counted along the pages.
#[must_use]
pub fn attend(q: &[f32], heads: &Heads<'_>, visible: &Range<usize>) -> Vec<f32> {
    let q: Vec<f32> = q.iter().map(|q| q * heads.scale).collect();
    let mut state: Option<(f32, f32, Vec<f32>)> = None;
    let mut start = 0;
    for page in heads.pages {
        let seen = (0..page.len()).filter(|slot| visible.contains(&(start + slot)));
        let slots: Vec<usize> = seen.collect();
        start += page.len();
        if slots.is_empty() {
            continue;
        }
        let part = page_part(&q, heads, page, &slots);
        state = Some(match state {
            None => part,
            Some(state) => combine(&state, &part),
        });
    }
    let Some((m, sum, acc)) = state else {
        return Vec::new();
    };
    let factor = match heads.sink {
        None => 1.0 / sum,
        Some(sink) => {
            let most = if sink > m { sink } else { m };
            let a = exp(m - most);
            a / sum.mul_add(a, exp(sink - most))
        }
    };
    acc.iter().map(|x| x * factor).collect()
}

fn page_part(
    q: &[f32],
    heads: &Heads<'_>,
    page: &[(Vec<f32>, Vec<f32>)],
    slots: &[usize],
) -> (f32, f32, Vec<f32>) {
    let scaled = heads.kind == KvKind::Q8;
    let mut scores = vec![f32::NEG_INFINITY; PAGE_TOKENS];
    for slot in slots {
        let Some((key, _)) = page.get(*slot) else {
            continue;
        };
        let (key, scale) = stored(heads.kind, key);
        let mut score = q
            .iter()
            .zip(key)
            .fold(0.0_f32, |sum, (q, k)| q.mul_add(k, sum));
        if scaled {
            score *= scale;
        }
        if let Some(cap) = heads.cap {
            score = cap * tanh(score * (1.0 / cap));
        }
        if let Some(to) = scores.get_mut(*slot) {
            *to = score;
        }
    }
    let most = scores
        .iter()
        .fold(f32::NEG_INFINITY, |most, score| most.max(*score));
    let weights: Vec<f32> = scores.iter().map(|score| exp(score - most)).collect();
    let mut lanes = vec![0.0_f32; 16];
    for part in weights.chunks(16) {
        for (lane, weight) in lanes.iter_mut().zip(part) {
            *lane += weight;
        }
    }
    let mut acc = vec![0.0_f32; q.len()];
    for slot in slots {
        let (Some((_, value)), Some(weight)) = (page.get(*slot), weights.get(*slot)) else {
            continue;
        };
        let (value, scale) = stored(heads.kind, value);
        let weight = if scaled { weight * scale } else { *weight };
        for (acc, v) in acc.iter_mut().zip(value) {
            *acc = weight.mul_add(v, *acc);
        }
    }
    (most, tree(lanes), acc)
}

fn combine(state: &(f32, f32, Vec<f32>), part: &(f32, f32, Vec<f32>)) -> (f32, f32, Vec<f32>) {
    let most = if part.0 > state.0 { part.0 } else { state.0 };
    let (a, b) = (exp(state.0 - most), exp(part.0 - most));
    let acc = state
        .2
        .iter()
        .zip(&part.2)
        .map(|(old, new)| old.mul_add(a, new * b));
    (most, state.1.mul_add(a, part.1 * b), acc.collect())
}
