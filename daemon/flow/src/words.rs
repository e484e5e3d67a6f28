//! What the user said, searched at the boundaries of its words.

use std::{collections::BTreeSet, ops::Bound};

use memchr::memmem;

use crate::forms::narrow;

/// Whether `text` holds `value` as a whole: no letter, digit or joint of an address continues it on either side.
pub(crate) fn holds(text: &str, value: &str) -> bool {
    if value.is_empty() {
        return false;
    }
    memmem::find_iter(text.as_bytes(), value).any(|at| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + value.len()..).unwrap_or_default();
        let first = value.chars().next().unwrap_or(' ');
        let last = value.chars().next_back().unwrap_or(' ');
        ends(first, &mut before.chars().rev()) && ends(last, &mut after.chars())
    })
}

/// Whether a value whose outermost character is `edge` ends where `beyond` goes on.
fn ends(edge: char, beyond: &mut dyn Iterator<Item = char>) -> bool {
    let Some(next) = beyond.next() else {
        return true;
    };
    if next.is_alphanumeric() {
        return !edge.is_alphanumeric();
    }
    if matches!(next, '_' | '@' | '%' | '~' | '\\' | '#' | '+' | '=' | '&') {
        return false;
    }
    let Some(further) = beyond.next() else {
        return true;
    };
    match next {
        '.' | '-' | '/' | '?' => !further.is_alphanumeric() && further != '/',
        ':' | ',' => !(edge.is_ascii_digit() && further.is_ascii_digit()) && further != '/',
        // Characters no reader sees would let a longer word pass for its beginning.
        next if !next.is_ascii() && !next.is_whitespace() => "“”‘’«»–—…€£¥".contains(next),
        _ => true,
    }
}

/// The user's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// Narrow form, every text of the user on a line of its own.
    pub(crate) text: String,
    /// Every word of the text, for those who ask how words begin.
    starts: BTreeSet<Box<str>>,
}

impl Words {
    pub(crate) fn add(&mut self, text: &str) {
        for line in text.lines() {
            self.text.push_str(&narrow_prose(line));
            self.text.push('\n');
        }
        self.read_starts();
    }

    /// Words as an image holds them.
    pub(crate) fn restored(text: String) -> Self {
        let mut words = Self {
            text,
            starts: BTreeSet::new(),
        };
        words.read_starts();
        words
    }

    fn read_starts(&mut self) {
        let words = self.text.split(|c: char| !c.is_alphanumeric());
        self.starts = words
            .filter(|word| !word.is_empty())
            .map(Into::into)
            .collect();
    }

    pub(crate) fn hold(&self, value: &str) -> bool {
        // A link's path is case-sensitive and the text kept here is not; links are looked up as values instead.
        !value.contains("://") && holds(&self.text, value)
    }

    /// Whether some word of the user begins with one of these.
    pub(crate) fn begin_with(&self, beginnings: &[String]) -> bool {
        beginnings.iter().any(|beginning| {
            if beginning.chars().all(char::is_alphanumeric) {
                let from = (Bound::Included(beginning.as_str()), Bound::Unbounded);
                let mut near = self.starts.range::<str, _>(from);
                near.next()
                    .is_some_and(|word| word.starts_with(beginning.as_str()))
            } else {
                holds(&self.text, beginning)
            }
        })
    }
}

/// The narrow form of prose: a link inside it must not keep its case.
fn narrow_prose(line: &str) -> String {
    let words: Vec<String> = line
        .split_whitespace()
        .map(|word| narrow(word).to_lowercase())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Words, holds};

    #[test]
    fn a_value_is_held_only_as_a_whole() {
        for (text, value) in [
            ("mail 'john@a.example'.", "john@a.example"),
            ("to:john@a.example,jane@a.example", "jane@a.example"),
            ("to:john@a.example,jane@a.example", "john@a.example"),
            ("city hub's reviews", "city hub"),
            ("delete file 13.", "13"),
            ("(13)", "13"),
        ] {
            assert!(holds(text, value), "{text} | {value}");
        }
        for (text, value) in [
            ("john@a.example.au", "john@a.example"),
            ("mark.black-2134@gmail.com", "2134@gmail.com"),
            ("on may 13th", "13"),
            ("at 10:20", "20"),
            ("pay 1,300", "300"),
            ("pay 13.50", "13"),
            ("xjohn@a.example", "john@a.example"),
            ("john@a.example\u{200b}x", "john@a.example"),
            ("a/b/c", "b"),
            ("", "a"),
            ("a", ""),
        ] {
            assert!(!holds(text, value), "{text} | {value}");
        }
    }

    #[test]
    fn words_ask_by_their_beginnings() {
        let mut words = Words::default();
        words.add("Please RESCHEDULE my dentist. Set  up a call");
        assert!(words.begin_with(&["reschedul".into()]));
        assert!(words.begin_with(&["set up".into()]));
        assert!(!words.begin_with(&["schedul".into(), "all".into()]));
    }
}
