//! The scalar meaning of every tensor type: a row of blocks to a row of floats.
//!
//! This is the reference the vector code of the engine is held to, bit by bit, so the order of the operations is part of
//! it: scales are multiplied first (`d * scale`), then the element (`* q`), then the minimum is added or subtracted.
//! Nothing is fused. The tables are in [`TensorType`]'s module.

use half::{bf16, f16};

use crate::tensor::{RowError, TensorType};

/// Writes the floats of a row of type `ty` to `out`.
///
/// # Errors
/// When `out` is no whole number of blocks, or `row` is not exactly the bytes of that many elements.
pub fn dequantize_row(ty: TensorType, row: &[u8], out: &mut [f32]) -> Result<(), RowError> {
    let len = out.len();
    let expected = ty.row_bytes(len).ok_or(RowError::Block { ty, len })?;
    if row.len() != expected {
        return Err(RowError::Bytes {
            found: row.len(),
            expected,
        });
    }
    let blocks = row
        .chunks_exact(ty.block_bytes())
        .zip(out.chunks_exact_mut(ty.block_len()));
    let block: fn(&[u8], &mut [f32]) -> Option<()> = match ty {
        TensorType::F32 => block_f32,
        TensorType::F16 => block_f16,
        TensorType::BF16 => block_bf16,
        TensorType::Q4_0 => block_q4_0,
        TensorType::Q4_1 => block_q4_1,
        TensorType::Q5_0 => block_q5_0,
        TensorType::Q5_1 => block_q5_1,
        TensorType::Q8_0 => block_q8_0,
        TensorType::Q4_K => block_q4_k,
        TensorType::Q5_K => block_q5_k,
        TensorType::Q6_K => block_q6_k,
    };
    for (bytes, floats) in blocks {
        // Chunks are exactly as long as their blocks, so that no block is missing a byte.
        block(bytes, floats).ok_or(RowError::Block { ty, len })?;
    }
    Ok(())
}

/// The half-precision float at the front, and what follows it.
fn scale(bytes: &[u8]) -> Option<(f32, &[u8])> {
    let (bits, rest) = bytes.split_first_chunk::<2>()?;
    Some((f16::from_le_bytes(*bits).to_f32(), rest))
}

fn block_f32(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    *out.first_mut()? = f32::from_le_bytes(*bytes.first_chunk()?);
    Some(())
}

fn block_f16(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    *out.first_mut()? = scale(bytes)?.0;
    Some(())
}

fn block_bf16(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    *out.first_mut()? = bf16::from_le_bytes(*bytes.first_chunk()?).to_f32();
    Some(())
}

fn block_q8_0(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, quants) = scale(bytes)?;
    for (out, &q) in out.iter_mut().zip(quants) {
        *out = d * f32::from(q.cast_signed());
    }
    Some(())
}

/// Calls `each` with the two floats' places and the two nibbles of every byte; low nibbles fill the first half.
fn nibbles(quants: &[u8], out: &mut [f32], each: impl Fn(usize, u8, &mut f32)) -> Option<()> {
    let (low, high) = out.split_at_mut_checked(quants.len())?;
    for (at, ((low, high), &pair)) in low.iter_mut().zip(high).zip(quants).enumerate() {
        each(at, pair & 15, low);
        each(at + quants.len(), pair >> 4, high);
    }
    Some(())
}

fn block_q4_0(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, quants) = scale(bytes)?;
    nibbles(quants, out, |_, q, out| {
        *out = d * (f32::from(q) - 8.0);
    })
}

fn block_q4_1(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(bytes)?;
    let (m, quants) = scale(rest)?;
    nibbles(quants, out, |_, q, out| *out = d * f32::from(q) + m)
}

/// The fifth bit of element `at`, in its place.
fn fifth(bits: u32, at: usize) -> u8 {
    if (bits >> at) & 1 == 1 { 16 } else { 0 }
}

fn block_q5_0(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(bytes)?;
    let (bits, quants) = rest.split_first_chunk()?;
    let bits = u32::from_le_bytes(*bits);
    nibbles(quants, out, |at, q, out| {
        *out = d * (f32::from(q | fifth(bits, at)) - 16.0);
    })
}

fn block_q5_1(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(bytes)?;
    let (m, rest) = scale(rest)?;
    let (bits, quants) = rest.split_first_chunk()?;
    let bits = u32::from_le_bytes(*bits);
    nibbles(quants, out, |at, q, out| {
        *out = d * f32::from(q | fifth(bits, at)) + m;
    })
}

/// Scale and minimum of sub-block `at` of 8, 6 bits each out of 12 bytes: bytes 0..4 are the scales 0..4 and bytes 4..8
/// the minima 0..4 in their lower 6 bits; bytes 8..12 are the lower nibbles of the scales (low) and minima (high) 4..8,
/// whose upper two bits stand in the upper two bits of bytes 0..8.
fn scale_min(packed: &[u8; 12], at: usize) -> Option<(f32, f32)> {
    let (scale, min) = if at < 4 {
        (packed.get(at)? & 63, packed.get(at + 4)? & 63)
    } else {
        let low = packed.get(at + 4)?;
        (
            (low & 15) | ((packed.get(at - 4)? >> 6) << 4),
            (low >> 4) | ((packed.get(at)? >> 6) << 4),
        )
    };
    Some((f32::from(scale), f32::from(min)))
}

fn block_q4_k(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(bytes)?;
    let (dmin, rest) = scale(rest)?;
    let (packed, quants) = rest.split_first_chunk()?;
    // 32 bytes are two sub-blocks: the low nibbles and the high nibbles.
    for (pair, (quants, out)) in quants
        .chunks_exact(32)
        .zip(out.chunks_exact_mut(64))
        .enumerate()
    {
        let (low, high) = (
            scale_min(packed, 2 * pair)?,
            scale_min(packed, 2 * pair + 1)?,
        );
        nibbles(quants, out, |at, q, out| {
            let (scale, min) = if at < 32 { low } else { high };
            *out = (d * scale) * f32::from(q) - dmin * min;
        })?;
    }
    Some(())
}

fn block_q5_k(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(bytes)?;
    let (dmin, rest) = scale(rest)?;
    let (packed, rest) = rest.split_first_chunk()?;
    // Bit s of byte i of `bits` is the fifth bit of element i of sub-block s.
    let (bits, quants) = rest.split_first_chunk::<32>()?;
    for (pair, (quants, out)) in quants
        .chunks_exact(32)
        .zip(out.chunks_exact_mut(64))
        .enumerate()
    {
        let (low, high) = (
            scale_min(packed, 2 * pair)?,
            scale_min(packed, 2 * pair + 1)?,
        );
        nibbles(quants, out, |at, q, out| {
            let ((scale, min), sub) = if at < 32 {
                (low, 2 * pair)
            } else {
                (high, 2 * pair + 1)
            };
            let byte = bits.get(at % 32).copied().unwrap_or(0);
            let q = q | (((byte >> sub) & 1) << 4);
            *out = (d * scale) * f32::from(q) - dmin * min;
        })?;
    }
    Some(())
}

fn block_q6_k(bytes: &[u8], out: &mut [f32]) -> Option<()> {
    let (low, rest) = bytes.split_first_chunk::<128>()?;
    let (high, rest) = rest.split_first_chunk::<64>()?;
    let (scales, rest) = rest.split_first_chunk::<16>()?;
    let (d, _) = scale(rest)?;
    // Element e of half h: byte e % 64 of the half's 64 low bytes, its low nibble for e < 64; byte e % 32 of the half's
    // 32 high bytes, the pair of bits e / 32.
    let halves = low.chunks_exact(64).zip(high.chunks_exact(32));
    let halves = halves
        .zip(scales.chunks_exact(8))
        .zip(out.chunks_exact_mut(128));
    for (((low, high), scales), out) in halves {
        for (e, out) in out.iter_mut().enumerate() {
            let nibble = (low.get(e % 64)? >> if e < 64 { 0 } else { 4 }) & 15;
            let pair = (high.get(e % 32)? >> (2 * (e / 32))) & 3;
            let q = f32::from(nibble | (pair << 4)) - 32.0;
            let scale = scales.get(e / 16)?.cast_signed();
            *out = (d * f32::from(scale)) * q;
        }
    }
    Some(())
}
