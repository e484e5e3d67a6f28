//! The forms as they were first written, plainly: what the faster reader is held to.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::{Shape, VALUE_BYTES_MAX};
#[path = "oracle_date.rs"]
pub(super) mod date;

/// Longest line that is also remembered piece by piece between its commas, in bytes. LIMIT: prose is not a list.
const LIST_BYTES_MAX: usize = 2048;

/// Shortest word of tainted data that is remembered, in bytes, unless it holds a digit.
const WORD_BYTES_MIN: usize = 4;

/// The narrow form.
pub(super) fn narrow(text: &str) -> String {
    let text = text.trim();
    let single = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if text.bytes().all(single) {
        return text.to_ascii_lowercase();
    }
    if let Some(at) = text.find("://") {
        let rest = text.get(at + 3..).unwrap_or_default();
        let path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (site, path) = rest.split_at_checked(path).unwrap_or((rest, ""));
        let scheme = text.get(..at).unwrap_or_default();
        if !scheme.contains(char::is_whitespace) {
            let path = if path == "/" { "" } else { path };
            return format!("{}://{}{path}", scheme.to_lowercase(), site.to_lowercase());
        }
    }
    let composed: Cow<'_, str> = if text.is_ascii() {
        text.into()
    } else {
        text.nfc().collect::<String>().into()
    };
    let mut form = String::with_capacity(composed.len());
    for word in composed.split_whitespace() {
        if !form.is_empty() {
            form.push(' ');
        }
        if word.is_ascii() {
            form.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        } else {
            form.push_str(&word.to_lowercase());
        }
    }
    form
}

/// The wide form, when it differs from the narrow one.
pub(super) fn wide(narrow: &str) -> Option<String> {
    if narrow.is_ascii() && !narrow.contains("://") {
        return None;
    }
    let folded: String = narrow.nfkc().filter(|c| !unseen(*c)).collect();
    let folded = folded.to_lowercase();
    (folded != narrow).then_some(folded)
}

/// Characters that leave no mark: format controls, variation selectors, tags.
fn unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The form of an amount or a plain number, when the text is one: `$1,250.00` and `1250` alike.
pub(super) fn number(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['$', '€', '£', '¥']);
    let (minus, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let grouped = whole.split(',').enumerate().all(|(index, group)| {
        let sized = index == 0 && !group.is_empty() || group.len() == 3;
        sized && group.bytes().all(|byte| byte.is_ascii_digit())
    });
    let plain = grouped && whole.len() <= 24 && fraction.len() <= 24;
    if !plain || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A leading zero makes it a code, not an amount.
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!(
        "n:{minus}{}{point}{fraction}",
        whole.replace(',', "")
    ))
}

/// The form of an account or telephone number, when the text is one, however it is grouped.
pub(super) fn account(text: &str) -> Option<String> {
    // A day has as many digits as a short telephone number.
    if date::of_value(text).is_some() {
        return None;
    }
    let mut bare = String::new();
    for c in text.trim().chars() {
        match c {
            ' ' | '-' | '(' | ')' | '.' | '\u{a0}' => {}
            '+' if bare.is_empty() => {}
            c if c.is_ascii_alphanumeric() => bare.push(c.to_ascii_lowercase()),
            _ => return None,
        }
        if bare.len() > 34 {
            return None;
        }
    }
    let (head, tail) = bare.split_at_checked(4)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (country, check) = head.split_at_checked(2)?;
    let iban = bare.len() >= 15
        && country.bytes().all(|byte| byte.is_ascii_lowercase())
        && digits(check)
        && tail.bytes().filter(u8::is_ascii_digit).count() * 2 >= tail.len();
    let phone = (7..=20).contains(&bare.len()) && digits(&bare);
    (iban || phone).then(|| format!("a:{bare}"))
}

/// Whether the form leads somewhere: a mailbox, a link, a site, an account.
pub(super) fn leads_somewhere(form: &str) -> bool {
    let mailbox = form
        .split_once('@')
        .is_some_and(|(name, site)| !name.is_empty() && dotted(site));
    mailbox
        || form.contains("://")
        || form.starts_with("www.")
        || form.starts_with("a:")
        || form.split_once('/').is_some_and(|(site, _)| dotted(site))
}

fn dotted(site: &str) -> bool {
    site.split_once('.')
        .is_some_and(|(name, rest)| !name.is_empty() && rest.len() >= 2)
        && !site.contains(char::is_whitespace)
        && site.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A word without the punctuation around it.
fn bare(word: &str) -> &str {
    let around = |c: char| {
        matches!(
            c,
            '\'' | '"'
                | '`'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | ','
                | ';'
                | ':'
                | '!'
                | '?'
                | '*'
                | '“'
                | '”'
                | '‘'
                | '’'
                | '«'
                | '»'
        )
    };
    word.trim_matches(around)
        .trim_end_matches('.')
        .trim_matches(around)
}

/// Calls `emit` with the narrow form of everything in `text` that could be a value of its own.
pub(super) fn extract(text: &str, emit: &mut dyn FnMut(&str, Shape)) {
    let mut send = |text: &str, shape: Shape| {
        if !text.is_empty() && text.len() <= VALUE_BYTES_MAX {
            let form = narrow(text);
            let single = shape != Shape::Whole && !form.contains(' ');
            let leads = single && leads_somewhere(&form);
            emit(&form, if leads { Shape::Address } else { shape });
        }
    };
    send(text.trim(), Shape::Whole);
    for line in text.lines() {
        phrases(line.trim(), &mut send);
        quoted(line, &mut send);
        for word in line.split_whitespace() {
            words(word, &mut send);
        }
    }
    for line in text.lines() {
        measures(line, emit);
    }
}

fn phrases(line: &str, send: &mut dyn FnMut(&str, Shape)) {
    send(line, Shape::Phrase);
    if let Some((_, rest)) = line.split_once(": ") {
        send(rest.trim(), Shape::Phrase);
    }
    if line.len() <= LIST_BYTES_MAX && line.contains([',', ';', '|']) {
        for item in line.split([',', ';', '|']) {
            send(bare(item.trim()), Shape::Phrase);
        }
    }
}

/// What stands between two equal quotation marks; the marks must not stand inside a word.
fn quoted(line: &str, send: &mut dyn FnMut(&str, Shape)) {
    for (open, close) in [
        ('\'', '\''),
        ('"', '"'),
        ('`', '`'),
        ('“', '”'),
        ('‘', '’'),
        ('«', '»'),
    ] {
        if !line.contains(open) {
            continue;
        }
        let mut start = None;
        let mut before = ' ';
        let mut chars = line.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let after = chars.peek().map_or(' ', |(_, c)| *c);
            if let Some(from) = start {
                if c == close && !after.is_alphanumeric() {
                    send(line.get(from..at).unwrap_or_default().trim(), Shape::Phrase);
                    start = None;
                }
            } else if c == open && !before.is_alphanumeric() {
                start = Some(at + c.len_utf8());
            }
            before = c;
        }
    }
}

fn words(word: &str, send: &mut dyn FnMut(&str, Shape)) {
    let word = bare(word);
    let worth =
        |word: &str| word.len() >= WORD_BYTES_MIN || word.bytes().any(|byte| byte.is_ascii_digit());
    if !worth(word) {
        return;
    }
    send(word, Shape::Word);
    // `mailto:a@b.example`, `to=a@b.example`, `[here](https://a.example)`: what is glued on is not part of the value.
    for piece in word
        .split(['<', '>', '(', ')', '[', ']', '{', '}', '"', '\'', '|'])
        .map(bare)
    {
        if let Some(at) = piece.find("://") {
            link(piece, at, send);
        } else {
            let smaller = piece.split(['=', ',', ';']).map(bare);
            for piece in smaller
                .chain([piece])
                .filter(|piece| *piece != word && worth(piece))
            {
                send(piece, Shape::Word);
            }
            if let Some((_, rest)) = piece.split_once(':') {
                send(bare(rest), Shape::Word);
            }
        }
    }
}

/// The link whose `://` stands at `at`, and its site.
fn link(piece: &str, at: usize, send: &mut dyn FnMut(&str, Shape)) {
    let head = piece.get(..at).unwrap_or_default();
    let scheme = head
        .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
        .map_or(0, |at| at + 1);
    send(piece.get(scheme..).unwrap_or_default(), Shape::Word);
    let rest = piece.get(at + 3..).unwrap_or_default();
    send(
        rest.split(['/', '?', '#']).next().unwrap_or_default(),
        Shape::Word,
    );
}

/// Days, amounts, accounts and telephone numbers of a line.
fn measures(line: &str, emit: &mut dyn FnMut(&str, Shape)) {
    date::days(line, &mut |day| emit(day, Shape::Measure));
    let mut group = String::new();
    let mut flush = |group: &mut String| {
        if let Some(account) = account(group) {
            emit(&account, Shape::Address);
        }
        group.clear();
    };
    let mut amounts = Vec::new();
    for word in line.split_whitespace() {
        let word = bare(word);
        amounts.extend(number(word));
        // An account is written in groups of letters and digits; prose breaks it off.
        let part = word.len() <= 34
            && word.bytes().any(|byte| byte.is_ascii_digit())
            && !word.contains(':')
            || matches!(word.len(), 4) && word.bytes().all(|byte| byte.is_ascii_uppercase());
        if part {
            if let Some(alone) = account(word) {
                flush(&mut group);
                group.push_str(&alone.replace("a:", ""));
                flush(&mut group);
            } else {
                group.push_str(word);
                group.push(' ');
            }
        } else {
            flush(&mut group);
        }
    }
    flush(&mut group);
    for amount in amounts {
        emit(&amount, Shape::Measure);
    }
}
