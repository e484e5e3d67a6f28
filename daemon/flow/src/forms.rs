//! Values, as texts hold them, to the forms under which they are compared.
//!
//! Two forms, because two questions are asked. Whether a value *is* the user's or a trusted field's is asked of the
//! narrow form, which folds nothing that a tool would tell apart: case outside of a link's path, canonical composition,
//! runs of white space. Whether a value *stems* from tainted data is asked of the wide form too, which also folds what a
//! reader would not see.

mod scan;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use crate::date;

pub(crate) use scan::extract;

/// Longest value that is remembered or looked up, in bytes. LIMIT: a longer control argument is nobody's.
pub const VALUE_BYTES_MAX: usize = 512;

/// What part of a text a form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All of it.
    Whole,
    /// A line, an item of a list, what stands in quotation marks or after a colon.
    Phrase,
    /// An address, a link, an account or telephone number.
    Address,
    /// A day or an amount.
    Measure,
    /// A word.
    Word,
}

/// The narrow form.
pub(crate) fn narrow(text: &str) -> String {
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
    let composed: Cow<'_, str> =
        if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
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
pub(crate) fn wide(narrow: &str) -> Option<String> {
    if narrow.is_ascii() {
        // Only a link keeps capitals.
        let capital = narrow
            .bytes()
            .fold(false, |any, byte| any | byte.is_ascii_uppercase());
        return capital.then(|| narrow.to_ascii_lowercase());
    }
    let seen = narrow.chars().filter(|c| !unseen(*c));
    let folded: String = if is_nfkc_quick(narrow.chars()) == IsNormalized::Yes {
        seen.collect()
    } else {
        narrow.nfkc().filter(|c| !unseen(*c)).collect()
    };
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
pub(crate) fn number(text: &str) -> Option<String> {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
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
pub(crate) fn account(text: &str) -> Option<String> {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
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
pub(crate) fn leads_somewhere(form: &str) -> bool {
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
