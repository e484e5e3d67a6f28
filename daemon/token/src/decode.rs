//! Tokens to text, all at once or as they come.

use crate::{
    error::UnknownToken,
    tokenizer::{Specials, Tokenizer},
    vocab::Kind,
};

/// Where in a text the tokens of a stream begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At its beginning: a space that encoding put there is taken off.
    Text,
    /// Behind other tokens, as an answer stands behind its prompt.
    Continuation,
}

/// Text of tokens as they come.
///
/// What it shows is whole characters: the bytes of a character that is not complete yet are kept back until the next
/// tokens bring the rest or [`Detokenizer::finish`] says that none will. Bytes that are no UTF-8 become U+FFFD, one for
/// each maximal part, as in `String::from_utf8_lossy`. What is shown, put together, does not depend on how the tokens
/// were grouped.
#[derive(Clone, Debug)]
pub struct Detokenizer<'t> {
    tokenizer: &'t Tokenizer,
    specials: Specials,
    /// A space, if the next text begins with one, is not the text's own.
    strip: bool,
    /// The beginning of a character, at most three bytes.
    pending: Vec<u8>,
}

impl Tokenizer {
    /// A stream of text. Control tokens are shown by name under [`Specials::Parse`] and left out under
    /// [`Specials::Text`].
    #[must_use]
    pub fn detokenizer(&self, start: Start, specials: Specials) -> Detokenizer<'_> {
        Detokenizer {
            tokenizer: self,
            specials,
            strip: self.leading_space && start == Start::Text,
            pending: Vec::new(),
        }
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// When a number is no token.
    pub fn decode(
        &self,
        tokens: &[u32],
        start: Start,
        specials: Specials,
    ) -> Result<String, UnknownToken> {
        let mut stream = self.detokenizer(start, specials);
        let mut text = String::new();
        for &token in tokens {
            text.push_str(&stream.push(token)?);
        }
        text.push_str(&stream.finish());
        Ok(text)
    }
}

impl Detokenizer<'_> {
    /// The text that is complete with this token; often all of it, sometimes nothing yet.
    ///
    /// # Errors
    /// When the number is no token. The stream stays as it was.
    pub fn push(&mut self, token: u32) -> Result<String, UnknownToken> {
        let found = self.tokenizer.vocab.get(token).ok_or(UnknownToken(token))?;
        let hidden = matches!(found.kind, Kind::Control | Kind::Unused);
        if hidden && self.specials == Specials::Text {
            return Ok(String::new());
        }
        let mut bytes = found.bytes;
        if self.strip && !bytes.is_empty() {
            self.strip = false;
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        self.pending.extend_from_slice(bytes);
        Ok(self.complete())
    }

    /// The end of the stream: what was kept back, which is no whole character, as U+FFFD.
    #[must_use]
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Takes everything but the beginning of an incomplete character.
    fn complete(&mut self) -> String {
        let mut text = String::new();
        let mut kept = 0;
        for chunk in self.pending.utf8_chunks() {
            if kept > 0 {
                // Something follows the beginning of a character that is not its end: it was broken off.
                text.push(char::REPLACEMENT_CHARACTER);
                kept = 0;
            }
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if incomplete(invalid) {
                kept = invalid.len();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let done = self.pending.len() - kept;
        self.pending.drain(..done);
        text
    }
}

/// Whether more bytes could make a character of these.
fn incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
