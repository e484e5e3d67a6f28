//! Numbers as text: the grammar, whether a number is kept exactly, comparison by value.
//!
//! A number is exact when every program that reads it gets the same value: an integer without fraction
//! and exponent must fit `i64` or `u64`; any other number must have the value of the shortest decimal
//! text of its nearest double, which is how programs write doubles back. Where two such texts are
//! equally near, libraries choose differently and both are exact. So `0.1`, `1e25` and `1.50` are
//! exact; `9007199254740993.0`, `1e400`, `1e-400` and an integer of twenty-five digits are not.

use std::cmp::Ordering;

use super::{Malformed, Problem};

/// A decimal of at most this many significant digits, not near the ends of the range of a double,
/// survives the double (`DBL_DIG`).
const DIGITS_SAFE: usize = 15;
/// No shortest text of a double has more significant digits.
const DIGITS_MAX: usize = 17;
/// No double has more digits in its exact decimal expansion.
const EXPANSION_DIGITS_MAX: usize = 770;
/// Powers of ten of the first digit between which doubles have full precision.
const POWER_SAFE: i64 = 300;
/// Integers of at most this many digits fit `i64`.
const INTEGER_DIGITS_SAFE: usize = 18;

/// Reads the number at `start`, which holds a minus or a digit; returns the position after it.
pub(super) fn scan(bytes: &[u8], start: usize) -> Result<usize, Malformed> {
    let syntax = |at, what| Malformed {
        at,
        problem: Problem::Syntax(what),
    };
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = digits(whole);
    if at == whole {
        return Err(syntax(at, "expected a digit"));
    }
    if at > whole + 1 && bytes.get(whole) == Some(&b'0') {
        return Err(syntax(whole, "a number with a leading zero"));
    }
    let mut integer = true;
    if bytes.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(fraction);
        integer = false;
        if at == fraction {
            return Err(syntax(at, "expected a digit after the decimal point"));
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let power = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(power);
        integer = false;
        if at == power {
            return Err(syntax(at, "expected a digit in the exponent"));
        }
    }
    if integer && at - whole <= INTEGER_DIGITS_SAFE {
        return Ok(at);
    }
    let text = bytes
        .get(start..at)
        .and_then(|text| str::from_utf8(text).ok())
        .unwrap_or_default();
    let exact = if integer {
        text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok()
    } else {
        survives_double(text)
    };
    if exact {
        Ok(at)
    } else {
        Err(Malformed {
            at: start,
            problem: Problem::InexactNumber,
        })
    }
}

fn survives_double(text: &str) -> bool {
    let Some(decimal) = Decimal::parse(text) else {
        return false;
    };
    if decimal.count == 0 {
        return true;
    }
    if decimal.count > DIGITS_MAX {
        return false;
    }
    if decimal.count <= DIGITS_SAFE && decimal.power.abs() <= POWER_SAFE {
        return true;
    }
    let double = match text.parse::<f64>() {
        Ok(double) if double.is_finite() => double,
        _ => return false,
    };
    let shortest = format!("{double:e}");
    let Some(shortest) = Decimal::parse(&shortest) else {
        return false;
    };
    decimal.compare(&shortest).is_eq()
        || decimal.count == shortest.count
            && is_half_unit_from(&decimal, double, DIGITS_MAX)
            && is_half_unit_from(&decimal, double, EXPANSION_DIGITS_MAX)
}

/// Whether a double, written with `digits` after its first, lies half a unit of the decimal's last digit
/// away from it. Few digits make a cheap first look, all of them the proof.
fn is_half_unit_from(decimal: &Decimal<'_>, double: f64, digits: usize) -> bool {
    let exact = format!("{double:.digits$e}");
    Decimal::parse(&exact).is_some_and(|exact| {
        exact.count == decimal.count + 1
            && exact.power == decimal.power
            && decimal
                .integer()
                .saturating_mul(10)
                .abs_diff(exact.integer())
                == 5
    })
}

/// A decimal taken apart: `0.DIGITS` times ten to `power`, without zeros at either end.
struct Decimal<'t> {
    negative: bool,
    /// Digits before and after the point; significant ones start after `skip` and count `count`.
    whole: &'t [u8],
    fraction: &'t [u8],
    skip: usize,
    count: usize,
    power: i64,
}

impl<'t> Decimal<'t> {
    /// Takes apart a text of JSON's number grammar.
    fn parse(text: &'t str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_power(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let (whole, fraction) = (whole.as_bytes(), fraction.as_bytes());
        if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        let all = || whole.iter().chain(fraction);
        let skip = all().take_while(|&&digit| digit == b'0').count();
        let tail = all().rev().take_while(|&&digit| digit == b'0').count();
        let count = (whole.len() + fraction.len()).saturating_sub(skip + tail);
        let shift = i64::try_from(whole.len()).ok()? - i64::try_from(skip).ok()?;
        let power = if count == 0 {
            0
        } else {
            exponent.saturating_add(shift)
        };
        Some(Self {
            negative: negative && count > 0,
            whole,
            fraction,
            skip,
            count,
            power,
        })
    }

    fn digits(&self) -> impl Iterator<Item = &u8> {
        self.whole
            .iter()
            .chain(self.fraction)
            .skip(self.skip)
            .take(self.count)
    }

    /// The digits as one number; meant for at most [`DIGITS_MAX`] and one of them.
    fn integer(&self) -> u64 {
        self.digits().fold(0, |value: u64, digit| {
            value
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.count, decimal.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let magnitude = || {
            if self.count == 0 || other.count == 0 {
                return Ordering::Equal;
            }
            self.power
                .cmp(&other.power)
                .then_with(|| self.digits().cmp(other.digits()))
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            if self.negative {
                magnitude().reverse()
            } else {
                magnitude()
            }
        })
    }
}

/// An exponent; saturates, because beyond the range of `i64` only its sign matters.
fn read_power(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.strip_prefix('-')?),
        b'+' => (false, text.strip_prefix('+')?),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut power = 0_i64;
    for digit in digits.bytes() {
        let value = char::from(digit).to_digit(10)?;
        power = power.saturating_mul(10).saturating_add(i64::from(value));
    }
    Some(if negative { -power } else { power })
}

/// Compares two JSON numbers by value, exactly and whatever their spelling; `None` when either is not a
/// JSON number. Exponents beyond 64 bits compare as equal powers.
#[must_use]
pub fn compare_numbers(left: &str, right: &str) -> Option<Ordering> {
    Some(Decimal::parse(left)?.compare(&Decimal::parse(right)?))
}

/// The number as `serde_json` keeps it.
pub(super) fn to_json(raw: &str) -> serde_json::Value {
    if let Ok(number) = raw.parse::<u64>() {
        return number.into();
    }
    match raw.parse::<i64>() {
        // A minus before zero is kept by doubles only.
        Ok(number) if number != 0 => number.into(),
        _ => raw
            .parse::<f64>()
            .map_or(serde_json::Value::Null, Into::into),
    }
}
