//! Angles of rotary positions, in `f64` and from basic operations only, rounded once.

use std::f64::consts::{FRAC_2_PI, LN_2};

/// Which two numbers of a head make a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeStyle {
    /// `(2i, 2i + 1)`.
    Norm,
    /// `(i, i + dims / 2)`.
    Neox,
}

/// Turns per position of each pair: `base ^ (-2i / dims)` for `i` below `dims / 2`.
///
/// Scalings of long contexts are plain arithmetic on the result.
#[must_use]
pub fn rope_frequencies(dims: usize, base: f64) -> Vec<f64> {
    let log = ln(base);
    (0..dims / 2)
        .map(|i| exp(-(2.0 * i as f64 / dims as f64) * log))
        .collect()
}

/// Cosines and sines for some rows: one per pair and row.
#[derive(Clone, Debug, Default)]
pub struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
    pairs: usize,
}

impl Angles {
    /// Computes them for rows at `positions`, with `frequencies` per pair. `magnitude` multiplies both; it is 1 but for
    /// scalings that ask for more.
    pub fn fill(&mut self, frequencies: &[f64], positions: &[u32], magnitude: f64) {
        self.cos.clear();
        self.sin.clear();
        self.pairs = frequencies.len();
        for position in positions {
            for frequency in frequencies {
                let (sin, cos) = sin_cos(f64::from(*position) * frequency);
                self.cos.push(rounded(cos * magnitude));
                self.sin.push(rounded(sin * magnitude));
            }
        }
    }

    /// Pairs in a row.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cos.len().checked_div(self.pairs).unwrap_or(0)
    }

    /// Cosines and sines of row `row`.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<(&[f32], &[f32])> {
        let range = row * self.pairs..(row + 1) * self.pairs;
        Some((self.cos.get(range.clone())?, self.sin.get(range)?))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
fn rounded(x: f64) -> f32 {
    x as f32
}

/// The first 33 bits of pi / 2: its product with an integer below 2^20 is exact.
const HALF_PI_HIGH: f64 = f64::from_bits(0x3FF9_21FB_5440_0000);
/// The next 33 bits.
const HALF_PI_MIDDLE: f64 = f64::from_bits(0x3DD0_B461_1A60_0000);
/// What is left of it, as one number.
const HALF_PI_LOW: f64 = f64::from_bits(0x3BA3_198A_2E03_7073);

/// 1.5 * 2^52: added to a number, its low bits become that number rounded to an integer.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Sine and cosine of `x`, 0 <= x < 2^20; beyond, the angle loses bits as positions that large do.
fn sin_cos(x: f64) -> (f64, f64) {
    let turns = (x * FRAC_2_PI + ROUNDER) - ROUNDER;
    let r = ((x - turns * HALF_PI_HIGH) - turns * HALF_PI_MIDDLE) - turns * HALF_PI_LOW;
    let square = r * r;
    let (sin, cos) = (r * series(square, 3), series(square, 2));
    match turns.rem_euclid(4.0) {
        0.0 => (sin, cos),
        1.0 => (cos, -sin),
        2.0 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// 1 - s/(first (first - 1)) (1 - s/((first + 2)(first + 1)) (...)): the series of sine over its argument from 3, of cosine
/// from 2. Ten terms leave less than 1e-19 for arguments up to pi / 4.
fn series(square: f64, first: u32) -> f64 {
    (0..10).rev().fold(1.0, |sum, term| {
        let n = f64::from(first + 2 * term);
        1.0 - square / (n * (n - 1.0)) * sum
    })
}

/// Natural logarithm of a positive normal number.
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = f64::from((bits >> 52) as u32) - 1023.0;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    // Halve the upper part of the range, so that the series converges alike on both sides of one.
    let (mantissa, exponent) = if mantissa > std::f64::consts::SQRT_2 {
        (mantissa / 2.0, exponent + 1.0)
    } else {
        (mantissa, exponent)
    };
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let sum = (0..16)
        .rev()
        .fold(0.0, |sum, k| 1.0 / f64::from(2 * k + 1) + square * sum);
    exponent * LN_2 + 2.0 * t * sum
}

/// e to the power of a number of moderate size.
fn exp(x: f64) -> f64 {
    let n = (x / LN_2 + ROUNDER) - ROUNDER;
    let r = x - n * LN_2;
    let sum = (1..20)
        .rev()
        .fold(1.0, |sum, k| 1.0 + r / f64::from(k) * sum);
    // Multiplying by two is exact, whichever way `n` points.
    let step = if n < 0.0 { 0.5 } else { 2.0 };
    (0..f64::abs(n) as u32).fold(sum, |product, _| product * step)
}

#[cfg(test)]
mod tests {
    use super::{exp, ln, rope_frequencies, sin_cos};

    #[test]
    fn close_to_the_library() {
        for step in 0..200_000_u32 {
            let x = f64::from(step) * 0.617 + 0.001;
            let (sin, cos) = sin_cos(x);
            assert!((sin - x.sin()).abs() < 1e-15, "sin {x}");
            assert!((cos - x.cos()).abs() < 1e-15, "cos {x}");
            assert!(
                (ln(x) / x.ln() - 1.0).abs() < 1e-12 || (x - 1.0).abs() < 1e-2,
                "ln {x}"
            );
        }
        for step in 0..2000 {
            let x = f64::from(step) * -0.01;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-14, "exp {x}");
        }
        let found = rope_frequencies(64, 10_000.0);
        for (i, frequency) in found.iter().enumerate() {
            let expected = 10_000_f64.powf(-2.0 * i as f64 / 64.0);
            assert!((frequency / expected - 1.0).abs() < 1e-14);
        }
    }
}
