//! Numbers that carry their own proof: payment cards (Luhn) and bank accounts (modulo 97).
//!
//! No keyword announces them, so the text is sampled: whatever is at least fourteen characters of an alphabet long
//! cannot hide between two samples twelve apart. Only around a sample that belongs to the alphabet is the text read.

use std::ops::Range;

/// The distance of two samples; the shortest number has two characters more.
const STRIDE: usize = 12;

/// Digits of a card in one piece; longer ones are written in groups or are ids of other things.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 14..=16;

/// Calls `found` with the span of every card number in `text`.
pub(super) fn cards(text: &str, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    regions(bytes, u8::is_ascii_digit, |region| {
        card_groups(bytes, &region, &mut found);
    });
}

/// Calls `found` with the span of every international bank account number in `text`.
pub(super) fn accounts(text: &str, mut found: impl FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let of = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    regions(bytes, of, |region| {
        let mut at = region.start;
        while at < region.end {
            let fresh = at == region.start || bytes.get(at.wrapping_sub(1)) == Some(&b' ');
            match account(bytes, at, region.end).filter(|_| fresh) {
                Some(end) => {
                    found(at..end);
                    at = end;
                }
                None => at += 1,
            }
        }
    });
}

/// Calls `each` with every longest run of the alphabet, single spaces and hyphens between two of it included.
fn regions(bytes: &[u8], of: impl Fn(&u8) -> bool, mut each: impl FnMut(Range<usize>)) {
    let is = |at: usize| bytes.get(at).is_some_and(&of);
    let joined = |at: usize| {
        is(at)
            || matches!(bytes.get(at), Some(b' ' | b'-'))
                && is(at.wrapping_sub(1))
                && is(at.saturating_add(1))
    };
    let mut floor = 0;
    let mut at = STRIDE - 1;
    while at < bytes.len() {
        if !joined(at) {
            at += STRIDE;
            continue;
        }
        let mut start = at;
        while start > floor && joined(start - 1) {
            start -= 1;
        }
        let mut end = at + 1;
        while joined(end) {
            end += 1;
        }
        each(start..end);
        floor = end;
        at = end + STRIDE - 1;
    }
}

/// LIMIT: digits of the longest card (ISO/IEC 7812); more are another number.
const DIGITS_MAX: usize = 19;

/// LIMIT: groups of digits a card may be written in; no issuer prints more.
const GROUPS_MAX: usize = 5;

fn card_groups(bytes: &[u8], region: &Range<usize>, found: &mut impl FnMut(Range<usize>)) {
    let mut at = region.start;
    while at < region.end {
        let (count, groups) = groups(bytes, at..region.end);
        let Some(first) = groups.first().filter(|_| count > 0) else {
            return;
        };
        match taken(bytes, groups.get(..count).unwrap_or_default()) {
            Some(span) => {
                at = span.end;
                found(span);
            }
            None => at = first.end,
        }
    }
}

/// The first groups of digits in `region`, and how many they are.
fn groups(bytes: &[u8], region: Range<usize>) -> (usize, [Range<usize>; GROUPS_MAX]) {
    let mut groups: [Range<usize>; GROUPS_MAX] = Default::default();
    let mut count = 0;
    let mut at = region.start;
    for group in &mut groups {
        let rest = bytes.get(at..region.end).unwrap_or_default();
        let Some(skipped) = rest.iter().position(u8::is_ascii_digit) else {
            break;
        };
        let digits = rest.iter().skip(skipped);
        let len = digits.take_while(|byte| byte.is_ascii_digit()).count();
        *group = at + skipped..at + skipped + len;
        at = group.end;
        count += 1;
        // A card of one group is told by it alone; one of several begins with four.
        if len != 4 && count == 1 {
            break;
        }
    }
    (count, groups)
}

/// The card that begins with the first of `groups`.
fn taken(bytes: &[u8], groups: &[Range<usize>]) -> Option<Range<usize>> {
    let len = |at: usize| groups.get(at).map_or(0, ExactSizeIterator::len);
    let count = match [len(0), len(1), len(2), len(3), len(4)] {
        [one, ..] if CARD_DIGITS.contains(&one) => 1,
        [4, 4, 4, 4, 1..=3] => 5,
        [4, 4, 4, 4, _] => 4,
        [4, 6, 4 | 5, ..] => 3,
        _ => return None,
    };
    let (first, last) = (groups.first()?, groups.get(count - 1)?);
    let span = first.start..last.end;
    let mut digits = [0; DIGITS_MAX];
    let mut filled = 0;
    let mut separator = None;
    for &byte in bytes.get(span.clone())? {
        if byte.is_ascii_digit() {
            *digits.get_mut(filled)? = byte - b'0';
            filled += 1;
        } else if *separator.get_or_insert(byte) != byte {
            return None;
        }
    }
    let digits = digits.get(..filled)?;
    (alone(bytes, &span) && issued(digits) && luhn(digits)).then_some(span)
}

/// Whether nothing touches the number that would make it part of something longer.
fn alone(bytes: &[u8], span: &Range<usize>) -> bool {
    let touches = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.%+#".contains(byte);
    let before = span.start.checked_sub(1).and_then(|at| bytes.get(at));
    let behind = bytes.get(span.end);
    let more = bytes.get(span.end.saturating_add(1));
    // A full stop that ends the sentence is no part of a number.
    let runs_on = match behind {
        Some(b'.' | b'-') => more.is_some_and(u8::is_ascii_alphanumeric),
        Some(byte) => touches(byte),
        None => false,
    };
    // The letter of an escaped line feed touches nothing.
    let escape = span.start.checked_sub(2).and_then(|at| bytes.get(at)) == Some(&b'\\');
    (escape || !before.is_some_and(touches)) && !runs_on
}

/// Whether an issuer's range holds the number, at the length it gives out.
fn issued(digits: &[u8]) -> bool {
    let head = |count: usize| {
        digits
            .iter()
            .take(count)
            .fold(0_u32, |number, &digit| number * 10 + u32::from(digit))
    };
    let fits = match digits.len() {
        14 => matches!(head(2), 36 | 38 | 39) || (300..=305).contains(&head(3)),
        15 => matches!(head(2), 34 | 37),
        16..=19 => {
            head(1) == 4
                || matches!(head(2), 51..=55 | 62 | 65)
                || (2221..=2720).contains(&head(4))
                || head(4) == 6011
                || (644..=649).contains(&head(3))
                || (3528..=3589).contains(&head(4))
        }
        _ => false,
    };
    fits && digits.windows(2).any(|pair| pair.first() != pair.last())
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &digit)| {
            let value = u32::from(digit) * if at % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[rustfmt::skip]
/// Countries and the length of their account numbers.
const COUNTRIES: &[(&[u8; 2], usize)] = &[
    (b"AD", 24), (b"AE", 23), (b"AL", 28), (b"AT", 20), (b"AZ", 28), (b"BA", 20), (b"BE", 16),
    (b"BG", 22), (b"BH", 22), (b"BR", 29), (b"CH", 21), (b"CR", 22), (b"CY", 28), (b"CZ", 24),
    (b"DE", 22), (b"DK", 18), (b"DO", 28), (b"EE", 20), (b"EG", 29), (b"ES", 24), (b"FI", 18),
    (b"FO", 18), (b"FR", 27), (b"GB", 22), (b"GE", 22), (b"GI", 23), (b"GL", 18), (b"GR", 27),
    (b"GT", 28), (b"HR", 21), (b"HU", 28), (b"IE", 22), (b"IL", 23), (b"IS", 26), (b"IT", 27),
    (b"JO", 30), (b"KW", 30), (b"KZ", 20), (b"LB", 28), (b"LI", 21), (b"LT", 20), (b"LU", 20),
    (b"LV", 21), (b"MC", 27), (b"MD", 24), (b"ME", 22), (b"MK", 19), (b"MR", 27), (b"MT", 31),
    (b"MU", 30), (b"NL", 18), (b"NO", 15), (b"PK", 24), (b"PL", 28), (b"PS", 29), (b"PT", 25),
    (b"QA", 29), (b"RO", 24), (b"RS", 22), (b"SA", 24), (b"SE", 24), (b"SI", 19), (b"SK", 24),
    (b"SM", 27), (b"TN", 24), (b"TR", 26), (b"UA", 29), (b"VA", 22), (b"VG", 24), (b"XK", 20),
];

/// Where the account number that begins at `at` ends.
fn account(bytes: &[u8], at: usize, limit: usize) -> Option<usize> {
    let country = bytes.get(at..at.saturating_add(2))?;
    let &(_, length) = COUNTRIES.iter().find(|(name, _)| *name == country)?;
    let mut number = Vec::with_capacity(length);
    let mut end = at;
    while end < limit && number.len() < length {
        let byte = *bytes.get(end)?;
        if !matches!(byte, b' ' | b'-') {
            number.push(byte);
        }
        end += 1;
    }
    let whole = number.len() == length && !bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
    let checked = number.get(2..4)?.iter().all(u8::is_ascii_digit);
    let head = 4.min(number.len());
    number.rotate_left(head);
    let rest = number.iter().fold(0_u32, |rest, &byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    });
    (whole && checked && rest == 1).then_some(end)
}
