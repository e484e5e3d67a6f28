//! How keys and values lie in a page.

use crate::{generic::attention::PAGE_TOKENS, lines::half_bits};

/// Numbers of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KvKind {
    /// As computed.
    F32,
    /// Rounded to binary16.
    F16,
    /// Signed bytes with a binary16 scale for each token and head.
    Q8,
}

/// LIMIT: numbers in one head.
pub const HEAD_DIM_MAX: usize = 1024;

/// Keys and values of one head of one layer for [`PAGE_TOKENS`] tokens: a block.
///
/// Keys lie by dimension, `[head_dim][64]`, so that a vector holds the same dimension of sixteen tokens; values lie by
/// token, `[64][padded]`, padded to a multiple of sixteen. Before them stand, for `Q8`, 64 key scales and 64 value scales.
/// Blocks need no alignment; on cache lines they are faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvShape {
    kind: KvKind,
    head_dim: usize,
}

impl KvShape {
    /// The shape for heads of `head_dim` numbers; `None` for 0 and over [`HEAD_DIM_MAX`].
    #[must_use]
    pub fn new(kind: KvKind, head_dim: usize) -> Option<KvShape> {
        (1..=HEAD_DIM_MAX)
            .contains(&head_dim)
            .then_some(KvShape { kind, head_dim })
    }

    /// Numbers of the cache.
    #[must_use]
    pub fn kind(&self) -> KvKind {
        self.kind
    }

    /// Numbers in a head.
    #[must_use]
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Bytes of one block; a page of one layer is one block for each key-value head.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.values_at() + PAGE_TOKENS * self.padded() * self.number_bytes()
    }

    pub(crate) fn padded(&self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    pub(crate) fn number_bytes(&self) -> usize {
        match self.kind {
            KvKind::F32 => 4,
            KvKind::F16 => 2,
            KvKind::Q8 => 1,
        }
    }

    /// Where keys begin.
    pub(crate) fn keys_at(&self) -> usize {
        if self.kind == KvKind::Q8 {
            4 * PAGE_TOKENS
        } else {
            0
        }
    }

    /// Where values begin.
    pub(crate) fn values_at(&self) -> usize {
        self.keys_at() + PAGE_TOKENS * self.head_dim * self.number_bytes()
    }

    /// Writes key and value of one token into slot `slot` of a block; `false`, and nothing written, when a size does not
    /// fit.
    #[must_use]
    pub fn write(&self, block: &mut [u8], slot: usize, key: &[f32], value: &[f32]) -> bool {
        let fits = block.len() == self.block_bytes()
            && slot < PAGE_TOKENS
            && key.len() == self.head_dim
            && value.len() == self.head_dim;
        if !fits {
            return false;
        }
        let (scales, rest) = block.split_at_mut(self.keys_at());
        let (keys, values) = rest.split_at_mut(self.values_at() - self.keys_at());
        let size = self.number_bytes();
        let keys = keys.chunks_exact_mut(PAGE_TOKENS * size);
        let keys = keys.filter_map(|row| row.get_mut(slot * size..(slot + 1) * size));
        let row = slot * self.padded() * size;
        let values = values
            .get_mut(row..row + self.padded() * size)
            .unwrap_or_default();
        let values = values.chunks_exact_mut(size);
        match self.kind {
            KvKind::F32 => {
                each(keys, key, |x| x.to_le_bytes());
                each(values, value, |x| x.to_le_bytes());
            }
            KvKind::F16 => {
                each(keys, key, |x| half_bits(x).to_le_bytes());
                each(values, value, |x| half_bits(x).to_le_bytes());
            }
            KvKind::Q8 => {
                let (key_scales, value_scales) = scales.split_at_mut(2 * PAGE_TOKENS);
                let by = scale(key, key_scales, slot);
                each(keys, key, |x| byte(x * by));
                let by = scale(value, value_scales, slot);
                each(values, value, |x| byte(x * by));
            }
        }
        true
    }
}

fn each<'a, const N: usize>(
    cells: impl Iterator<Item = &'a mut [u8]>,
    numbers: &[f32],
    bytes: impl Fn(f32) -> [u8; N],
) {
    for (cell, number) in cells.zip(numbers) {
        cell.copy_from_slice(&bytes(*number));
    }
}

/// Stores the scale of `numbers`, the largest over 127 rounded to binary16, and gives its inverse; 0 when it is not normal.
fn scale(numbers: &[f32], scales: &mut [u8], slot: usize) -> f32 {
    let largest = numbers
        .iter()
        .fold(0.0_f32, |a, b| if b.abs() > a { b.abs() } else { a });
    let bits = half_bits(largest / 127.0);
    // Below the normal range of binary16 the scale has too few bits to be worth keeping.
    let bits = if bits < 0x0400 { 0 } else { bits };
    if let Some(cell) = scales.get_mut(slot * 2..slot * 2 + 2) {
        cell.copy_from_slice(&bits.to_le_bytes());
    }
    if bits == 0 {
        0.0
    } else {
        1.0 / crate::blocks::half_to_f32(bits)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of a signed byte"
)]
fn byte(x: f32) -> [u8; 1] {
    (x.round_ties_even().clamp(-127.0, 127.0) as i8).to_le_bytes()
}
