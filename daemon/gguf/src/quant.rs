//! Floats to blocks, for the simple types: what our own models are stored in, and what tests are made of.
//!
//! The rounding is ggml's reference (`ggml-quants.c`, functions ending in `_ref`), so that files made here and files made
//! there are the same bytes.

use half::{bf16, f16};

use crate::tensor::{RowError, TensorType};

/// The bits of the half-precision float nearest to `value`, ties to even.
#[must_use]
pub fn f16_from_f32(value: f32) -> u16 {
    f16::from_f32(value).to_bits()
}

/// The bytes of a row. Q4_K, Q5_K and Q6_K are read only. A float that is no number becomes some element of its block.
///
/// # Errors
/// When the row is no whole number of blocks, or the type is one that is only read.
pub fn quantize_row(ty: TensorType, row: &[f32]) -> Result<Vec<u8>, RowError> {
    let len = row.len();
    let bytes = ty.row_bytes(len).ok_or(RowError::Block { ty, len })?;
    let block: fn(&[f32], &mut Vec<u8>) = match ty {
        TensorType::F32 => {
            |row, out| out.extend(row.iter().flat_map(|x| x.to_bits().to_le_bytes()))
        }
        TensorType::F16 => {
            |row, out| out.extend(row.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()))
        }
        TensorType::BF16 => {
            |row, out| out.extend(row.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()))
        }
        TensorType::Q8_0 => q8_0,
        TensorType::Q4_0 => |row, out| symmetric(row, 4, out),
        TensorType::Q5_0 => |row, out| symmetric(row, 5, out),
        TensorType::Q4_1 => |row, out| ranged(row, 4, out),
        TensorType::Q5_1 => |row, out| ranged(row, 5, out),
        TensorType::Q4_K | TensorType::Q5_K | TensorType::Q6_K => {
            return Err(RowError::ReadOnly(ty));
        }
    };
    let mut out = Vec::with_capacity(bytes);
    for floats in row.chunks_exact(ty.block_len()) {
        block(floats, &mut out);
    }
    Ok(out)
}

/// `1 / d`, or zero for a block of zeros.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// The whole part, held inside `0..=max`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of a byte; no number becomes 0"
)]
fn clamped(x: f32, max: u8) -> u8 {
    x.trunc().clamp(0.0, f32::from(max)) as u8
}

fn q8_0(row: &[f32], out: &mut Vec<u8>) {
    let most = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let d = most / 127.0;
    let id = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(row.iter().map(|x| {
        // In -127..=127, shifted up for the cast and down again in two's complement.
        let shifted = clamped((x * id).round() + 128.0, 255);
        shifted.wrapping_sub(128)
    }));
}

/// A scale whose sign is that of the largest element, so that this element gets the most negative code.
fn symmetric(row: &[f32], bits: u8, out: &mut Vec<u8>) {
    let mut most = 0.0_f32;
    for &x in row {
        if x.abs() > most.abs() {
            most = x;
        }
    }
    let half = f32::from(1_u8 << (bits - 1));
    let d = most / -half;
    let id = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    let codes: Vec<u8> = row
        .iter()
        .map(|x| clamped(x * id + (half + 0.5), (1 << bits) - 1))
        .collect();
    pack(&codes, bits, out);
}

/// A scale and a minimum.
fn ranged(row: &[f32], bits: u8, out: &mut Vec<u8>) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let min = row.iter().copied().fold(f32::INFINITY, f32::min);
    let d = (max - min) / f32::from((1_u8 << bits) - 1);
    let id = inverse(d);
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(f16::from_f32(min).to_le_bytes());
    let codes: Vec<u8> = row
        .iter()
        .map(|x| clamped((x - min) * id + 0.5, (1 << bits) - 1))
        .collect();
    pack(&codes, bits, out);
}

/// The fifth bits, if there are any, and the nibbles: low those of the first half, high those of the second.
fn pack(codes: &[u8], bits: u8, out: &mut Vec<u8>) {
    if bits == 5 {
        let fifth = codes.iter().enumerate().fold(0_u32, |fifth, (at, code)| {
            fifth | (u32::from(code >> 4) << at)
        });
        out.extend(fifth.to_le_bytes());
    }
    let (low, high) = codes.split_at(codes.len() / 2);
    out.extend(
        low.iter()
            .zip(high)
            .map(|(low, high)| (low & 15) | (high << 4)),
    );
}
