//! The inside of strings: runs of plain bytes, escapes, decoding.

use std::borrow::Cow;

use super::{Malformed, Problem};

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES * 0x80;

/// The number of bytes before the first quote, backslash or control character.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        // A borrow can only set bits above a byte that truly matches, so the lowest set bit is exact.
        let hits = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let hits = hits & HIGHS;
        if hits != 0 {
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let tail = rest
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    words.len() * 8 + tail.unwrap_or(rest.len())
}

/// The position after the escape whose backslash is at `at`.
pub(super) fn skip_escape(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let syntax = |what| Malformed {
        at,
        problem: Problem::Syntax(what),
    };
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let unit = hex4(bytes, at + 2)
                .ok_or_else(|| syntax("expected four hexadecimal digits after \\u"))?;
            match unit {
                0xD800..=0xDBFF if low_surrogate(bytes, at + 6).is_some() => Ok(at + 12),
                0xD800..=0xDFFF => Err(Malformed {
                    at,
                    problem: Problem::LoneSurrogate,
                }),
                _ => Ok(at + 6),
            }
        }
        Some(_) => Err(syntax("an escape JSON does not have")),
        None => Err(syntax("the text ends inside an escape")),
    }
}

fn low_surrogate(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 2)?;
    let unit = hex4(bytes, at + 2)?;
    (escape == b"\\u" && (0xDC00..=0xDFFF).contains(&unit)).then_some(unit)
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.iter().try_fold(0, |unit, &byte| {
        Some(unit << 4 | char::from(byte).to_digit(16)?)
    })
}

/// Decodes the content of a string that was read without a problem.
pub(super) fn decode(content: &str, escaped: bool) -> Cow<'_, str> {
    if !escaped {
        return Cow::Borrowed(content);
    }
    let mut decoded = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((plain, escape)) = rest.split_once('\\') {
        decoded.push_str(plain);
        let (character, used) = unescape(escape);
        decoded.push(character);
        rest = escape.get(used..).unwrap_or_default();
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The character an escape stands for and how many bytes it takes after its backslash.
fn unescape(escape: &str) -> (char, usize) {
    let bytes = escape.as_bytes();
    match bytes.first() {
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'u') => {
            let unit = hex4(bytes, 1).unwrap_or_default();
            match low_surrogate(bytes, 5) {
                Some(low) if (0xD800..=0xDBFF).contains(&unit) => {
                    let scalar = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                    (
                        char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER),
                        11,
                    )
                }
                _ => (
                    char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
                    5,
                ),
            }
        }
        Some(&byte) => (char::from(byte), 1),
        None => (char::REPLACEMENT_CHARACTER, 0),
    }
}

/// A fast hash without a seed; whoever uses it must bear collisions made on purpose.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |state: u64, word: u64| {
        let product = (state ^ word).wrapping_mul(FACTOR);
        product ^ (product >> 32)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(bytes.len() as u64, |state, word| {
        mix(state, u64::from_le_bytes(*word))
    });
    mix(
        state,
        rest.iter()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    )
}
