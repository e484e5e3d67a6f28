//! A tokenizer: what was read from a file, and encoding with it.

use crate::{
    added::{Finder, Section},
    error::EncodeError,
    merge::{Model, Unknown},
    normal::{Normal, normal},
    split::{Split, words},
    vocab::{Token, Vocab},
};

/// LIMIT: Bytes of a text that is encoded at once; a million tokens are about 4 MiB.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// Whether the names of control tokens in a text mean the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// They are text like any other: what users and tools write.
    Text,
    /// They are the tokens: what a template writes.
    Parse,
}

/// How text becomes tokens and tokens become text, in one model.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    pub(crate) vocab: Vocab,
    pub(crate) added: Finder,
    pub(crate) normal: Vec<Normal>,
    pub(crate) splits: Vec<Split>,
    pub(crate) model: Model,
    pub(crate) unknown: Unknown,
    /// Whether a space at the very beginning of decoded text was put there by encoding.
    pub(crate) leading_space: bool,
    pub(crate) prefix: Vec<u32>,
    pub(crate) suffix: Vec<u32>,
}

impl Tokenizer {
    /// How many tokens there are; their numbers are those below.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vocab.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token of that number.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<Token<'_>> {
        self.vocab.get(id)
    }

    /// The number of the control or added token with that name, or else of the normal token with that text.
    #[must_use]
    pub fn id_of(&self, text: &str) -> Option<u32> {
        let named = self.added.all().iter().find(|added| added.text == text);
        named
            .map(|added| added.id)
            .or_else(|| self.vocab.find(text.as_bytes()))
    }

    /// The tokens the model wants before a text that no template made.
    #[must_use]
    pub fn prefix(&self) -> &[u32] {
        &self.prefix
    }

    /// The tokens the model wants behind a text that no template made.
    #[must_use]
    pub fn suffix(&self) -> &[u32] {
        &self.suffix
    }

    /// The tokens of a text, without [`Tokenizer::prefix`] and [`Tokenizer::suffix`].
    ///
    /// Added tokens that are no control tokens are always found; control tokens only under [`Specials::Parse`].
    ///
    /// # Errors
    /// When the text is too long, or holds something there is no token for.
    pub fn encode(&self, text: &str, specials: Specials) -> Result<Vec<u32>, EncodeError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(EncodeError::TooLong {
                found: text.len(),
                limit: TEXT_BYTES_MAX,
            });
        }
        let mut tokens = Vec::with_capacity(text.len() / 3);
        for section in self.added.sections(text, specials == Specials::Parse) {
            match section {
                Section::Token(id) => tokens.push(id),
                Section::Text(text, first) => {
                    let text = normal(&self.normal, text, first);
                    for word in words(&self.splits, &text) {
                        let word = text.get(word).unwrap_or_default();
                        self.model
                            .encode(&self.vocab, self.unknown, word, &mut tokens)?;
                    }
                }
            }
        }
        Ok(tokens)
    }
}
