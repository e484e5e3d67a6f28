//! A tokenizer out of the `tokenizer.json` beside safetensors, and what `tokenizer_config.json` adds to it.
//!
//! The file describes a row of parts: changes of the text (`normalizer`), cuts (`pre_tokenizer`), a model, what stands
//! around a text (`post_processor`), and the way back (`decoder`). Taken are the parts language models use: byte-pair
//! encoding over bytes, or over characters with bytes for the unknown.

mod file;
mod notes;
mod parts;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use self::{
    file::{File, ModelJson, Words},
    parts::{Parts, kind, parts_of},
};
use crate::{
    added::{Added, Finder},
    error::{TokenizerError, short},
    from_gguf::{byte_token, pairs},
    merge::{Model, Unknown},
    normal::{Normal, SPACE},
    tokenizer::Tokenizer,
    vocab::{ByteChars, Kind, Vocab},
};

pub use notes::TokenizerNotes;

/// LIMIT: Bytes of a `tokenizer.json`. The largest known take about 35 MiB.
pub const TOKENIZER_JSON_BYTES_MAX: usize = 128 << 20;
/// LIMIT: Numbers without a token. Vocabularies are padded, but not by more than this.
const HOLES_MAX: usize = 1 << 16;

impl Tokenizer {
    /// The tokenizer of a `tokenizer.json`.
    ///
    /// # Errors
    /// When it is no such file, or a part of it is not known.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        if bytes.len() > TOKENIZER_JSON_BYTES_MAX {
            return Err(TokenizerError::TooMany {
                what: "tokenizer.json in bytes",
                found: bytes.len(),
                limit: TOKENIZER_JSON_BYTES_MAX,
            });
        }
        let file: File = serde_json::from_slice(bytes)
            .map_err(|error| TokenizerError::Json(short(&error.to_string())))?;
        let kind = file.model.r#type.as_deref().unwrap_or("BPE");
        let Words(Some(words)) = &file.model.vocab else {
            return Err(TokenizerError::unsupported("model", kind));
        };
        if kind != "BPE" {
            return Err(TokenizerError::unsupported("model", kind));
        }
        for affix in [
            &file.model.continuing_subword_prefix,
            &file.model.end_of_word_suffix,
        ] {
            if let Some(affix) = affix.as_deref().filter(|affix| !affix.is_empty()) {
                return Err(TokenizerError::unsupported("affix of words", affix));
            }
        }
        let mut parts = Parts::default();
        if let Some(normalizer) = &file.normalizer {
            parts.normalizer(normalizer, 0)?;
        }
        if let Some(pre) = &file.pre_tokenizer {
            parts.pre_tokenizer(pre, 0)?;
        }
        if parts.bytes && parts.spaced {
            return Err(TokenizerError::unsupported(
                "pre_tokenizer",
                "bytes and spaces",
            ));
        }
        if parts.spaced {
            // Tokens hold real spaces here; the sign for them has no token of its own.
            let spaces = Normal::Replace(SPACE.to_owned(), " ".to_owned());
            parts.normal.insert(0, spaces);
        }
        let (vocab, added) = vocab(&file, words, &parts)?;
        let prefix_suffix = match &file.post_processor {
            Some(post) => frame(post, &vocab, 0)?,
            None => (Vec::new(), Vec::new()),
        };
        let unknown = Unknown {
            token: file
                .model
                .unk_token
                .as_ref()
                .and_then(|name| words.get(name).copied()),
            bytes: file.model.byte_fallback,
            fuse: file.model.fuse_unk,
        };
        Ok(Self {
            model: model(&file.model, &vocab, &parts)?,
            leading_space: leading_space(file.decoder.as_ref()),
            vocab,
            added,
            normal: parts.normal,
            splits: parts.splits,
            unknown,
            prefix: prefix_suffix.0,
            suffix: prefix_suffix.1,
        })
    }
}

fn model(json: &ModelJson, vocab: &Vocab, parts: &Parts) -> Result<Model, TokenizerError> {
    let chars = ByteChars::new();
    let merges = json.merges.iter().map(|merge| {
        let (left, right) = merge.split()?;
        Some((
            parts.bytes_of(&chars, left)?,
            parts.bytes_of(&chars, right)?,
        ))
    });
    Ok(Model::Ranks {
        pairs: pairs(vocab, merges)?,
        whole: json.ignore_merges,
        bytes: parts.bytes,
    })
}

/// The tokens by their numbers, while they are being collected from the two lists of a file.
struct Table(Vec<Option<(Vec<u8>, Kind)>>);

impl Table {
    /// Room for every number the file gives.
    fn of(file: &File, words: &BTreeMap<String, u32>) -> Result<Self, TokenizerError> {
        let limit = words.len() + file.added_tokens.len() + HOLES_MAX;
        let added = file.added_tokens.iter().map(|added| added.id);
        let last = words.values().copied().chain(added).max();
        let found = last.map_or(0, |last| {
            usize::try_from(last)
                .unwrap_or(usize::MAX)
                .saturating_add(1)
        });
        if found > limit {
            let what = "largest token";
            return Err(TokenizerError::TooMany { what, found, limit });
        }
        Ok(Self(vec![None; found]))
    }

    /// Puts a token at its number; whether another was there.
    fn place(&mut self, id: u32, bytes: Vec<u8>, kind: Kind) -> bool {
        let slot = usize::try_from(id).ok().and_then(|id| self.0.get_mut(id));
        slot.is_some_and(|slot| slot.replace((bytes, kind)).is_some())
    }

    fn vocab(self) -> Result<Vocab, TokenizerError> {
        let mut vocab = Vocab::with_capacity(self.0.len())?;
        for slot in self.0 {
            let (bytes, kind) = slot.unwrap_or((Vec::new(), Kind::Unused));
            vocab.push(&bytes, kind)?;
        }
        Ok(vocab)
    }
}

/// All tokens in order of their numbers, and those that are found by name.
fn vocab(
    file: &File,
    words: &BTreeMap<String, u32>,
    parts: &Parts,
) -> Result<(Vocab, Finder), TokenizerError> {
    let chars = ByteChars::new();
    let twice = || TokenizerError::wrong("vocab", "a number of its own for each token");
    let mut table = Table::of(file, words)?;
    for (text, &id) in words {
        let byte = byte_token(text).filter(|_| file.model.byte_fallback);
        let raw = || text.as_bytes().to_vec();
        let (bytes, kind) = match byte {
            Some(byte) => (vec![byte], Kind::Byte),
            None if file.model.unk_token.as_ref() == Some(text) => (raw(), Kind::Unknown),
            None => {
                let bytes = parts.bytes_of(&chars, text);
                (bytes.unwrap_or_else(raw), Kind::Normal)
            }
        };
        if table.place(id, bytes, kind) {
            return Err(twice());
        }
    }
    let mut added = Vec::with_capacity(file.added_tokens.len());
    for token in &file.added_tokens {
        let kind = if token.special {
            Kind::Control
        } else {
            Kind::Added
        };
        // A token may stand in both lists; the number must then be the same.
        let listed = words.get(&token.content);
        let other = table.place(token.id, token.content.as_bytes().to_vec(), kind);
        if listed.map_or(other, |&id| id != token.id) {
            return Err(twice());
        }
        added.push(Added {
            id: token.id,
            text: token.content.clone(),
            control: token.special,
            takes_left: token.lstrip,
            takes_right: token.rstrip,
            word: token.single_word,
        });
    }
    Ok((table.vocab()?, Finder::new(added)?))
}

/// The tokens before and behind a text.
type Frame = (Vec<u32>, Vec<u32>);

fn frame(post: &Value, vocab: &Vocab, depth: usize) -> Result<Frame, TokenizerError> {
    const WHAT: &str = "post_processor";
    match kind(post, WHAT)? {
        "ByteLevel" => Ok(Frame::default()),
        "Sequence" => {
            let mut all = Frame::default();
            for part in parts_of(post, "processors", WHAT, depth)? {
                let (before, behind) = frame(part, vocab, depth + 1)?;
                all = ([before, all.0].concat(), [all.1, behind].concat());
            }
            Ok(all)
        }
        "TemplateProcessing" => {
            let empty = Map::new();
            let ids = post.get("special_tokens").and_then(Value::as_object);
            let ids = ids.unwrap_or(&empty);
            let mut all = Frame::default();
            let mut behind = false;
            for part in parts_of(post, "single", WHAT, depth)? {
                if part.get("Sequence").is_some() {
                    behind = true;
                    continue;
                }
                let name = part.get("SpecialToken").and_then(|token| token.get("id"));
                let token = name.and_then(Value::as_str).and_then(|name| ids.get(name));
                let list = token
                    .and_then(|token| token.get("ids"))
                    .and_then(Value::as_array);
                for id in list.into_iter().flatten() {
                    let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                    let id = id
                        .filter(|&id| vocab.get(id).is_some())
                        .ok_or_else(|| TokenizerError::wrong(WHAT, "made of tokens"))?;
                    if behind { &mut all.1 } else { &mut all.0 }.push(id);
                }
            }
            Ok(all)
        }
        other => Err(TokenizerError::unsupported(WHAT, other)),
    }
}

/// Whether decoding takes a space off the beginning.
fn leading_space(decoder: Option<&Value>) -> bool {
    let Some(decoder) = decoder else {
        return false;
    };
    match decoder.get("type").and_then(Value::as_str) {
        Some("Sequence") => {
            let parts = decoder.get("decoders").and_then(Value::as_array);
            parts.is_some_and(|parts| {
                parts.iter().any(|part| {
                    let strip = part.get("type").and_then(Value::as_str) == Some("Strip");
                    strip && part.get("start").and_then(Value::as_u64) == Some(1)
                })
            })
        }
        Some("Metaspace") => decoder.get("prepend_scheme").and_then(Value::as_str) != Some("never"),
        _ => false,
    }
}
