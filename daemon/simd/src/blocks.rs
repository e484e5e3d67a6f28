//! One block of a file, taken apart. The layouts are those of GGUF's tensor types.

use half::{bf16, f16};

use crate::kind::WeightKind;

/// The numbers of one block: weight `j` is `d * scales[j / per] * (q[j] - zero) + m * mins[j / per]`, with `per` columns to
/// a sub-block. Kinds without sub-blocks have scales and minimums of one. `m` of a K-kind is already negative.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Unsigned numbers; 32 or 256 of them are meant.
    pub q: [u8; 256],
    /// Bits of the binary16 scale.
    pub d: u16,
    /// Bits of the binary16 minimum, as stored.
    pub m: u16,
    /// Scale of each sub-block.
    pub scales: [i16; 16],
    /// Minimum of each sub-block.
    pub mins: [u8; 16],
}

impl Default for Block {
    fn default() -> Block {
        Block {
            q: [0; 256],
            d: 0,
            m: 0,
            scales: [1; 16],
            mins: [1; 16],
        }
    }
}

/// What is subtracted from the unsigned numbers of a kind.
pub(crate) fn zero_point(kind: WeightKind) -> i32 {
    match kind {
        WeightKind::Q8_0 => 128,
        WeightKind::Q4_0 => 8,
        WeightKind::Q5_0 => 16,
        WeightKind::Q6K => 32,
        _ => 0,
    }
}

/// Columns in one sub-block of a kind.
pub(crate) fn sub_columns(kind: WeightKind) -> usize {
    if kind == WeightKind::Q6K { 16 } else { 32 }
}

/// Whether a kind has minimums.
pub(crate) fn has_mins(kind: WeightKind) -> bool {
    matches!(
        kind,
        WeightKind::Q4_1 | WeightKind::Q5_1 | WeightKind::Q4K | WeightKind::Q5K
    )
}

/// A binary16 number, widened exactly.
pub(crate) fn half_to_f32(bits: u16) -> f32 {
    f16::from_bits(bits).to_f32()
}

/// A bfloat16 number, widened exactly.
pub(crate) fn bf16_to_f32(bits: u16) -> f32 {
    bf16::from_bits(bits).to_f32()
}

fn word(bytes: &[u8]) -> u16 {
    bytes
        .first_chunk::<2>()
        .map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// Takes one block of a quantised kind apart. `raw` has the kind's block bytes; what is missing reads as zero.
pub(crate) fn decode(kind: WeightKind, raw: &[u8]) -> Block {
    let mut block = Block {
        d: word(raw),
        ..Block::default()
    };
    let from = |at: usize| raw.get(at..).unwrap_or_default();
    match kind {
        WeightKind::Q8_0 => {
            for (q, byte) in block.q.iter_mut().zip(from(2)) {
                *q = byte ^ 0x80;
            }
        }
        WeightKind::Q4_0 => nibbles(&mut block.q, from(2)),
        WeightKind::Q4_1 => {
            block.m = word(from(2));
            nibbles(&mut block.q, from(4));
        }
        WeightKind::Q5_0 => {
            nibbles(&mut block.q, from(6));
            fifth_bits(&mut block.q, from(2));
        }
        WeightKind::Q5_1 => {
            block.m = word(from(2));
            nibbles(&mut block.q, from(8));
            fifth_bits(&mut block.q, from(4));
        }
        WeightKind::Q4K => {
            block.m = word(from(2));
            six_bit_scales(&mut block, from(4));
            pairs_of_nibbles(&mut block.q, from(16));
        }
        WeightKind::Q5K => {
            block.m = word(from(2));
            six_bit_scales(&mut block, from(4));
            pairs_of_nibbles(&mut block.q, from(48));
            // Bit `s` of byte `e` belongs to number `e` of sub-block `s`.
            for (sub, numbers) in block.q.chunks_exact_mut(32).enumerate() {
                for (q, high) in numbers.iter_mut().zip(from(16)) {
                    *q |= ((high >> sub) & 1) << 4;
                }
            }
        }
        WeightKind::Q6K => six_bits(&mut block, raw),
        WeightKind::F32 | WeightKind::F16 | WeightKind::Bf16 => {}
    }
    block
}

/// Sixteen bytes: the low nibbles are numbers 0 to 15, the high ones 16 to 31.
fn nibbles(q: &mut [u8; 256], raw: &[u8]) {
    let (low, rest) = q.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(rest).zip(raw) {
        *low = byte & 0x0f;
        *high = byte >> 4;
    }
}

/// Thirty-two bits, one for each number.
fn fifth_bits(q: &mut [u8; 256], raw: &[u8]) {
    for (numbers, byte) in q.chunks_exact_mut(8).zip(raw.iter().take(4)) {
        for (bit, q) in numbers.iter_mut().enumerate() {
            *q |= ((byte >> bit) & 1) << 4;
        }
    }
}

/// 32 bytes to 64 numbers: low nibbles are one sub-block, high nibbles the next.
fn pairs_of_nibbles(q: &mut [u8; 256], raw: &[u8]) {
    for (numbers, bytes) in q.chunks_exact_mut(64).zip(raw.chunks_exact(32)) {
        let (low, high) = numbers.split_at_mut(32);
        for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
            *low = byte & 0x0f;
            *high = byte >> 4;
        }
    }
}

/// Twelve bytes to eight scales and eight minimums of six bits: the first four of each lie in the low bits of bytes 0 to 3
/// and 4 to 7; the last four are nibbles of bytes 8 to 11, completed by the high bits of the others.
fn six_bit_scales(block: &mut Block, raw: &[u8]) {
    let at = |index: usize| raw.get(index).copied().unwrap_or(0);
    for j in 0..8 {
        let (scale, min) = if j < 4 {
            (at(j) & 63, at(j + 4) & 63)
        } else {
            let low = at(j + 4);
            (
                (low & 0x0f) | ((at(j - 4) >> 6) << 4),
                (low >> 4) | ((at(j) >> 6) << 4),
            )
        };
        if let (Some(to), Some(to_min)) = (block.scales.get_mut(j), block.mins.get_mut(j)) {
            *to = i16::from(scale);
            *to_min = min;
        }
    }
}

/// 128 bytes of low nibbles, 64 of high pairs, sixteen scales, then the scale of all.
fn six_bits(block: &mut Block, raw: &[u8]) {
    let at = |index: usize| raw.get(index).copied().unwrap_or(0);
    block.d = word(raw.get(208..).unwrap_or_default());
    for (index, scale) in block.scales.iter_mut().enumerate() {
        *scale = i16::from(at(192 + index).cast_signed());
    }
    for (index, q) in block.q.iter_mut().enumerate() {
        // Each half of 128 numbers is four runs of 32: two in low nibbles, two in high ones.
        let (half, run, column) = (index / 128, index / 32 % 4, index % 32);
        let nibbles = at(half * 64 + (run % 2) * 32 + column);
        let low = if run < 2 {
            nibbles & 0x0f
        } else {
            nibbles >> 4
        };
        let high = (at(128 + half * 32 + column) >> (2 * run)) & 3;
        *q = low | (high << 4);
    }
}
