//! What changes a text and cuts it, as a `tokenizer.json` says it.

use serde_json::Value;

use crate::{
    error::TokenizerError,
    normal::{Normal, SPACE, When},
    split::{Behaviour, GPT2, SPLITS_MAX, Split},
    vocab::ByteChars,
};

/// LIMIT: Changes of a text.
const NORMALS_MAX: usize = 16;

/// What changes and cuts a text.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) normal: Vec<Normal>,
    pub(super) splits: Vec<Split>,
    /// Whether words are taken as bytes.
    pub(super) bytes: bool,
    /// Whether SentencePiece's sign stands for spaces.
    pub(super) spaced: bool,
}

/// LIMIT: How deep parts may hold parts.
const NESTED_MAX: usize = 8;

pub(super) fn kind<'a>(part: &'a Value, what: &'static str) -> Result<&'a str, TokenizerError> {
    let kind = part.get("type").and_then(Value::as_str);
    kind.ok_or_else(|| TokenizerError::wrong(what, "an object with a type"))
}

pub(super) fn parts_of<'a>(
    part: &'a Value,
    key: &str,
    what: &'static str,
    depth: usize,
) -> Result<&'a [Value], TokenizerError> {
    let list = part.get(key).and_then(Value::as_array).map(Vec::as_slice);
    list.filter(|_| depth < NESTED_MAX)
        .ok_or_else(|| TokenizerError::wrong(what, "a list of parts, not too deep"))
}

fn string<'a>(
    part: &'a Value,
    key: &'static str,
    what: &'static str,
) -> Result<&'a str, TokenizerError> {
    let text = part.get(key).and_then(Value::as_str);
    text.ok_or_else(|| TokenizerError::wrong(what, "complete"))
}

fn flagged(part: &Value, key: &str, default: bool) -> bool {
    part.get(key).and_then(Value::as_bool).unwrap_or(default)
}

impl Parts {
    /// The bytes a token's text stands for.
    pub(super) fn bytes_of(&self, chars: &ByteChars, text: &str) -> Option<Vec<u8>> {
        if self.bytes {
            chars.bytes(text)
        } else if self.spaced {
            Some(text.replace(SPACE, " ").into_bytes())
        } else {
            Some(text.as_bytes().to_vec())
        }
    }

    fn change(&mut self, change: Normal) -> Result<(), TokenizerError> {
        if self.normal.len() >= NORMALS_MAX {
            return Err(TokenizerError::TooMany {
                what: "list of changes",
                found: self.normal.len() + 1,
                limit: NORMALS_MAX,
            });
        }
        self.normal.push(change);
        Ok(())
    }

    fn cut(&mut self, split: Split) -> Result<(), TokenizerError> {
        if self.splits.len() >= SPLITS_MAX {
            return Err(TokenizerError::TooMany {
                what: "list of cuts",
                found: self.splits.len() + 1,
                limit: SPLITS_MAX,
            });
        }
        self.splits.push(split);
        Ok(())
    }

    pub(super) fn normalizer(&mut self, part: &Value, depth: usize) -> Result<(), TokenizerError> {
        const WHAT: &str = "normalizer";
        match kind(part, WHAT)? {
            "Sequence" => {
                for part in parts_of(part, "normalizers", WHAT, depth)? {
                    self.normalizer(part, depth + 1)?;
                }
                Ok(())
            }
            "NFC" => self.change(Normal::Nfc),
            "NFD" => self.change(Normal::Nfd),
            "NFKC" => self.change(Normal::Nfkc),
            "NFKD" => self.change(Normal::Nfkd),
            "Lowercase" => self.change(Normal::Lowercase),
            "Prepend" => {
                let text = string(part, "prepend", WHAT)?.replace(SPACE, " ");
                self.change(Normal::Prepend(text))
            }
            "Replace" => {
                let pattern = part.get("pattern").unwrap_or(&Value::Null);
                let from = string(pattern, "String", WHAT)
                    .map_err(|_| TokenizerError::unsupported(WHAT, "Replace by a pattern"))?;
                let to = string(part, "content", WHAT)?;
                if from == " " && to == SPACE {
                    self.spaced = true;
                    return Ok(());
                }
                if from.is_empty() || from.contains(SPACE) || to.contains(SPACE) {
                    return Err(TokenizerError::unsupported(WHAT, "Replace of this kind"));
                }
                self.change(Normal::Replace(from.to_owned(), to.to_owned()))
            }
            other => Err(TokenizerError::unsupported(WHAT, other)),
        }
    }

    pub(super) fn pre_tokenizer(
        &mut self,
        part: &Value,
        depth: usize,
    ) -> Result<(), TokenizerError> {
        const WHAT: &str = "pre_tokenizer";
        match kind(part, WHAT)? {
            "Sequence" => {
                for part in parts_of(part, "pretokenizers", WHAT, depth)? {
                    self.pre_tokenizer(part, depth + 1)?;
                }
                Ok(())
            }
            "ByteLevel" => self.byte_level(part),
            "Split" => self.split(part),
            "Digits" => {
                let each = flagged(part, "individual_digits", false);
                let behaviour = if each {
                    Behaviour::Isolated
                } else {
                    Behaviour::Contiguous
                };
                self.cut(Split::regex(r"\p{N}", behaviour, false)?)
            }
            "Punctuation" => {
                let behaviour = behaviour(part, WHAT)?;
                let pattern = r"[\p{P}!-/:-@\[-`{-~]";
                self.cut(Split::regex(pattern, behaviour, false)?)
            }
            "Metaspace" => self.metaspace(part),
            other => Err(TokenizerError::unsupported(WHAT, other)),
        }
    }

    fn byte_level(&mut self, part: &Value) -> Result<(), TokenizerError> {
        self.bytes = true;
        if flagged(part, "add_prefix_space", true) {
            if !self.splits.is_empty() {
                let name = "ByteLevel with a space before every word";
                return Err(TokenizerError::unsupported("pre_tokenizer", name));
            }
            self.change(Normal::Space(" ".to_owned(), When::Always))?;
        }
        if flagged(part, "use_regex", true) {
            self.cut(Split::regex(GPT2, Behaviour::Isolated, false)?)?;
        }
        Ok(())
    }

    fn metaspace(&mut self, part: &Value) -> Result<(), TokenizerError> {
        const WHAT: &str = "pre_tokenizer";
        if string(part, "replacement", WHAT)? != SPACE || !self.splits.is_empty() {
            return Err(TokenizerError::unsupported(WHAT, "Metaspace of this kind"));
        }
        self.spaced = true;
        let old = if flagged(part, "add_prefix_space", true) {
            "always"
        } else {
            "never"
        };
        let scheme = part.get("prepend_scheme").and_then(Value::as_str);
        match scheme.unwrap_or(old) {
            "always" => self.change(Normal::Space(" ".to_owned(), When::Always))?,
            "first" => self.change(Normal::Space(" ".to_owned(), When::First))?,
            "never" => {}
            other => return Err(TokenizerError::unsupported("prepend_scheme", other)),
        }
        if flagged(part, "split", true) {
            self.cut(Split::literal(" ", Behaviour::WithNext, false)?)?;
        }
        Ok(())
    }

    fn split(&mut self, part: &Value) -> Result<(), TokenizerError> {
        const WHAT: &str = "pre_tokenizer";
        let behaviour = behaviour(part, WHAT)?;
        let invert = flagged(part, "invert", false);
        let pattern = part.get("pattern").unwrap_or(&Value::Null);
        if let Ok(text) = string(pattern, "String", WHAT) {
            // Where spaces have become signs there are none left to cut at.
            if self.spaced && text == " " && !invert {
                return Ok(());
            }
            if self.spaced && text.contains(' ') {
                return Err(TokenizerError::unsupported(WHAT, "Split at spaces"));
            }
            let text = text.replace(SPACE, " ");
            return self.cut(Split::literal(&text, behaviour, invert)?);
        }
        let pattern = string(pattern, "Regex", WHAT)?;
        if self.spaced {
            return Err(TokenizerError::unsupported(WHAT, "Split by a pattern"));
        }
        self.cut(Split::regex(pattern, behaviour, invert)?)
    }
}

fn behaviour(part: &Value, what: &'static str) -> Result<Behaviour, TokenizerError> {
    Ok(match string(part, "behavior", what)? {
        "Isolated" => Behaviour::Isolated,
        "Removed" => Behaviour::Removed,
        "MergedWithPrevious" => Behaviour::WithPrevious,
        "MergedWithNext" => Behaviour::WithNext,
        "Contiguous" => Behaviour::Contiguous,
        other => return Err(TokenizerError::unsupported("behavior", other)),
    })
}
