//! What can go wrong with a vocabulary, a text, and a token.

use thiserror::Error;

/// A vocabulary that is not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A key that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value of the wrong type or out of range.
    #[error("{key} must be {must}")]
    Wrong {
        /// The key.
        key: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// A part there is no code for.
    #[error("{part} {name:?} is not known")]
    Unsupported {
        /// Which part of a tokenizer.
        part: &'static str,
        /// Its name in the file.
        name: String,
    },
    /// A pattern that cannot be compiled, or is larger than is taken.
    #[error("pattern {pattern:?}: {fault}")]
    Pattern {
        /// The pattern, cut short.
        pattern: String,
        /// What is wrong with it.
        fault: String,
    },
    /// More of something than is taken.
    #[error("{what} is {found}, at most {limit} are taken")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: usize,
        /// How much is taken.
        limit: usize,
    },
    /// A merge that names something that is no token.
    #[error("merge {at} does not join two tokens into one")]
    Merge {
        /// Its place in the list.
        at: usize,
    },
    /// A file that is no JSON of the right shape.
    #[error("tokenizer.json: {0}")]
    Json(String),
}

impl TokenizerError {
    pub(crate) fn unsupported(part: &'static str, name: &str) -> Self {
        Self::Unsupported {
            part,
            name: short(name),
        }
    }

    pub(crate) fn wrong(key: &'static str, must: &'static str) -> Self {
        Self::Wrong { key, must }
    }
}

/// Text that cannot be encoded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The text is longer than is taken.
    #[error("text of {found} bytes, at most {limit} are encoded at once")]
    TooLong {
        /// Its bytes.
        found: usize,
        /// The bytes that are taken.
        limit: usize,
    },
    /// The vocabulary has no token for a byte, and none for the unknown.
    #[error("the vocabulary has no token for byte {0:#04x}")]
    NoToken(u8),
}

/// A number that is no token of the vocabulary.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{0} is no token of the vocabulary")]
pub struct UnknownToken(pub u32);

/// Characters of a name out of a file that an error repeats.
const NAME_CHARS_SHOWN: usize = 80;

/// Text out of a file, cut short and without control characters.
pub(crate) fn short(text: &str) -> String {
    text.chars()
        .take(NAME_CHARS_SHOWN)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
