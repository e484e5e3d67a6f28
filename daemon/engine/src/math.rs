//! Functions that must give the same bits everywhere: made of basic operations only, in `f64`, rounded once by the caller.

/// 1.5 * 2^52: added to a number of moderate size, its low bits become that number rounded to an integer.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// 1 / n! for n from 13 down to 0.
const EXP_TERMS: [f64; 14] = [
    1.605_904_383_682_161_3e-10,
    2.087_675_698_786_81e-9,
    2.505_210_838_544_172e-8,
    2.755_731_922_398_589e-7,
    2.755_731_922_398_589_3e-6,
    2.480_158_730_158_73e-5,
    1.984_126_984_126_984e-4,
    1.388_888_888_888_889e-3,
    8.333_333_333_333_333e-3,
    4.166_666_666_666_666_4e-2,
    1.666_666_666_666_666_6e-1,
    0.5,
    1.0,
    1.0,
];

/// e to the power of `x`; 0 far below zero, held below 2^1000 far above. `NaN` gives 0.
pub(crate) fn exp(x: f64) -> f64 {
    if x.is_nan() || x < -700.0 {
        return 0.0;
    }
    let x = x.min(690.0);
    let n = (x * std::f64::consts::LOG2_E + ROUNDER) - ROUNDER;
    let r = x - n * std::f64::consts::LN_2;
    let sum = EXP_TERMS.iter().fold(0.0, |sum, term| sum * r + term);
    sum * power_of_two(n)
}

/// Two to the power of a whole number between -1022 and 1023.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole, and the biased exponent is above zero"
)]
fn power_of_two(n: f64) -> f64 {
    f64::from_bits(((n + 1023.0) as u64) << 52)
}

/// Natural logarithm of a positive normal number.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = f64::from(u32::try_from(bits >> 52).unwrap_or(0)) - 1023.0;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
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
    exponent * std::f64::consts::LN_2 + 2.0 * t * sum
}

/// `cap * tanh(x / cap)`.
#[expect(clippy::cast_possible_truncation, reason = "this is the one rounding")]
pub(crate) fn soft_cap(x: f32, cap: f64) -> f32 {
    let twice = exp(f64::from(x) / cap * 2.0);
    (cap - 2.0 * cap / (twice + 1.0)) as f32
}

/// `1 / (1 + exp(-x))`.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(0.0 - x))
}

#[cfg(test)]
mod tests {
    use super::{exp, ln, sigmoid, soft_cap};

    #[test]
    fn close_to_the_library() {
        for step in -20_000..20_000 {
            let x = f64::from(step) * 0.0313 + 0.001;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-13, "exp {x}");
            assert!((ln(x.abs()) - x.abs().ln()).abs() < 1e-13, "ln {x}");
            let logistic = 1.0 / (1.0 + (-x).exp());
            assert!((sigmoid(x) - logistic).abs() < 1e-14, "sigmoid {x}");
        }
        for step in -20_000_i16..20_000 {
            let x = f32::from(step) * 0.0313;
            let capped = f64::from(soft_cap(x, 30.0));
            let expected = 30.0 * (f64::from(x) / 30.0).tanh();
            assert!((capped - expected).abs() < 2e-6, "tanh {x}");
        }
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f64::NAN), 0.0);
        assert!(exp(1e9).is_finite());
    }
}
