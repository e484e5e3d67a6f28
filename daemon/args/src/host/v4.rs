//! IPv4 addresses in the spellings of `inet_aton` and the WHATWG URL standard.

use std::net::Ipv4Addr;

/// What a dotted text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dotted {
    /// A name: its last label is no number.
    Name,
    /// Four decimal octets without leading zeros: every program agrees.
    Plain(Ipv4Addr),
    /// Another spelling of an address: short, decimal, octal or hexadecimal. Programs differ.
    Odd(Ipv4Addr),
    /// Ends in a number and is no address: no program reads it as a name either.
    Broken,
}

/// Reads an ASCII text without a trailing dot.
pub(super) fn read(text: &str) -> Dotted {
    let last = text.rsplit('.').next().unwrap_or_default();
    let all_digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits && (strip_hex(last).is_none() || part(last).is_none()) {
        return Dotted::Name;
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Dotted::Plain(address);
    }
    from_parts(text).map_or(Dotted::Broken, Dotted::Odd)
}

fn from_parts(text: &str) -> Option<Ipv4Addr> {
    let mut value = 0_u64;
    let mut parts = text.split('.').peekable();
    let mut count = 0_u32;
    while let Some(text) = parts.next() {
        let number = part(text)?;
        count += 1;
        if parts.peek().is_some() {
            if count > 3 || number > 255 {
                return None;
            }
            value = value << 8 | number;
        } else {
            // The last part fills every octet the parts before it left.
            let bits = 8 * (5 - count);
            if number >= 1 << bits {
                return None;
            }
            value = value << bits | number;
        }
    }
    u32::try_from(value).ok().map(Ipv4Addr::from)
}

/// One part: hexadecimal after `0x`, octal after `0`, else decimal. Saturates instead of wrapping.
fn part(text: &str) -> Option<u64> {
    let (digits, radix) = match strip_hex(text) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None if text.is_empty() => return None,
        None => (text, 10),
    };
    digits.chars().try_fold(0_u64, |value, digit| {
        let digit = digit.to_digit(radix)?;
        Some(
            value
                .saturating_mul(u64::from(radix))
                .saturating_add(u64::from(digit)),
        )
    })
}

fn strip_hex(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}
