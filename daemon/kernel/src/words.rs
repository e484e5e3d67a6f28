//! `key=value` words in a record's note, and the text for people after them.

/// What stands between the words and the text.
const SEPARATOR: &str = "; ";

/// The word for a budget that is not bounded.
const NONE: &str = "none";

/// Words as they are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(String);

impl Words {
    pub(crate) fn word(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        use std::fmt::Write as _;
        let gap = if self.0.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{gap}{key}={value}");
        self
    }

    /// Nothing for what is not said, `none` for what is said to be unbounded.
    pub(crate) fn maybe(self, key: &str, value: Option<Option<u64>>) -> Self {
        match value {
            None => self,
            Some(None) => self.word(key, NONE),
            Some(Some(number)) => self.word(key, number),
        }
    }

    pub(crate) fn text(self, text: &str) -> String {
        if text.is_empty() {
            self.0
        } else {
            format!("{}{SEPARATOR}{text}", self.0)
        }
    }
}

/// A note as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note<'a> {
    words: &'a str,
    pub(crate) text: &'a str,
}

impl<'a> Note<'a> {
    pub(crate) fn read(note: &'a str) -> Self {
        let (words, text) = note.split_once(SEPARATOR).unwrap_or((note, ""));
        Self { words, text }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        let mut words = self
            .words
            .split(' ')
            .filter_map(|word| word.split_once('='));
        words
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// `None` for what is not said, `Some(None)` for what is said to be unbounded.
    #[expect(clippy::option_option, reason = "unsaid and unbounded are two things")]
    pub(crate) fn maybe(&self, key: &str) -> Option<Option<u64>> {
        match self.get(key)? {
            NONE => Some(None),
            number => number.parse().ok().map(Some),
        }
    }
}
