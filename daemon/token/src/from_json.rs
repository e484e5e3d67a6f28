//! A tokenizer out of the `tokenizer.json` beside safetensors, and what `tokenizer_config.json` adds to it.
//!
//! The file describes a row of parts: changes of the text (`normalizer`), cuts (`pre_tokenizer`), a model, what stands
//! around a text (`post_processor`), and the way back (`decoder`). Taken are the parts language models use: byte-pair
//! encoding over bytes, or over characters with bytes for the unknown.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{
    added::{Added, Finder},
    error::{TokenizerError, short},
    from_gguf::{byte_token, pairs},
    merge::{Model, Unknown},
    normal::{Normal, SPACE, When},
    split::{Behaviour, GPT2, SPLITS_MAX, Split},
    tokenizer::Tokenizer,
    vocab::{ByteChars, Kind, Vocab},
};

/// LIMIT: Bytes of a `tokenizer.json`. The largest known take about 35 MiB.
pub const TOKENIZER_JSON_BYTES_MAX: usize = 128 << 20;
/// LIMIT: Numbers without a token. Vocabularies are padded, but not by more than this.
const HOLES_MAX: usize = 1 << 16;
/// LIMIT: Changes of a text.
const NORMALS_MAX: usize = 16;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<AddedJson>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    model: ModelJson,
}

#[derive(Deserialize)]
struct AddedJson {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    single_word: bool,
}

#[derive(Deserialize)]
struct ModelJson {
    r#type: Option<String>,
    #[serde(default)]
    vocab: Words,
    #[serde(default)]
    merges: Vec<Merge>,
    unk_token: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
}

/// The vocabulary: an object in byte-pair encoding; `None` for a list, as in models that are refused.
#[derive(Default)]
struct Words(Option<BTreeMap<String, u32>>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(WordsVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tokens and their numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Words, A::Error> {
        let mut words = BTreeMap::new();
        while let Some((word, id)) = map.next_entry::<String, u32>()? {
            if words.insert(word, id).is_some() {
                return Err(A::Error::custom("a token stands twice"));
            }
        }
        Ok(Words(Some(words)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Words(None))
    }
}

/// A merge: two texts, or one with a space between them.
struct Merge(String, Option<String>);

impl Merge {
    fn split(&self) -> Option<(&str, &str)> {
        match self {
            Self(left, Some(right)) => Some((left, right)),
            Self(both, None) => both.split_once(' '),
        }
    }
}

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two texts, or one with a space between them")
    }

    fn visit_str<E: Error>(self, both: &str) -> Result<Merge, E> {
        Ok(Merge(both.to_owned(), None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge, A::Error> {
        let pair = (list.next_element()?, list.next_element()?);
        match (pair, list.next_element::<IgnoredAny>()?) {
            ((Some(left), Some(right)), None) => Ok(Merge(left, Some(right))),
            _ => Err(A::Error::custom("a merge is of two texts")),
        }
    }
}

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

/// All tokens in order of their numbers, and those that are found by name.
fn vocab(
    file: &File,
    words: &BTreeMap<String, u32>,
    parts: &Parts,
) -> Result<(Vocab, Finder), TokenizerError> {
    let chars = ByteChars::new();
    let count = words.len() + file.added_tokens.len();
    let last = words
        .values()
        .copied()
        .chain(file.added_tokens.iter().map(|added| added.id))
        .max();
    let size = last.map_or(0, |last| {
        usize::try_from(last)
            .unwrap_or(usize::MAX)
            .saturating_add(1)
    });
    if size > count + HOLES_MAX {
        return Err(TokenizerError::TooMany {
            what: "largest token",
            found: size,
            limit: count + HOLES_MAX,
        });
    }
    let twice = || TokenizerError::wrong("vocab", "a number of its own for each token");
    let mut table: Vec<Option<(Vec<u8>, Kind)>> = vec![None; size];
    let mut place = |id: u32, bytes: Vec<u8>, kind: Kind| {
        let slot = usize::try_from(id).ok().and_then(|id| table.get_mut(id));
        slot.and_then(|slot| slot.replace((bytes, kind)))
    };
    for (text, &id) in words {
        let byte = byte_token(text).filter(|_| file.model.byte_fallback);
        let (bytes, kind) = match byte {
            Some(byte) => (vec![byte], Kind::Byte),
            None if file.model.unk_token.as_ref() == Some(text) => {
                (text.as_bytes().to_vec(), Kind::Unknown)
            }
            None => {
                let bytes = parts.bytes_of(&chars, text);
                (
                    bytes.unwrap_or_else(|| text.as_bytes().to_vec()),
                    Kind::Normal,
                )
            }
        };
        if place(id, bytes, kind).is_some() {
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
        // A token may stand in both lists; the name must then be the same.
        let before = words.get(&token.content);
        let other = place(token.id, token.content.as_bytes().to_vec(), kind);
        if before.is_some_and(|&id| id != token.id) || (before.is_none() && other.is_some()) {
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
    let mut vocab = Vocab::with_capacity(table.len())?;
    for slot in table {
        let (bytes, kind) = slot.unwrap_or((Vec::new(), Kind::Unused));
        vocab.push(&bytes, kind)?;
    }
    Ok((vocab, Finder::new(added)?))
}

/// What changes and cuts a text.
#[derive(Default)]
struct Parts {
    normal: Vec<Normal>,
    splits: Vec<Split>,
    /// Whether words are taken as bytes.
    bytes: bool,
    /// Whether SentencePiece's sign stands for spaces.
    spaced: bool,
}

/// How deep parts may hold parts.
const NESTED_MAX: usize = 8;

fn kind<'a>(part: &'a Value, what: &'static str) -> Result<&'a str, TokenizerError> {
    let kind = part.get("type").and_then(Value::as_str);
    kind.ok_or_else(|| TokenizerError::wrong(what, "an object with a type"))
}

fn parts_of<'a>(
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
    fn bytes_of(&self, chars: &ByteChars, text: &str) -> Option<Vec<u8>> {
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

    fn normalizer(&mut self, part: &Value, depth: usize) -> Result<(), TokenizerError> {
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

    fn pre_tokenizer(&mut self, part: &Value, depth: usize) -> Result<(), TokenizerError> {
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

/// What a `tokenizer_config.json` says that templates need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizerNotes {
    /// The main chat template.
    pub chat_template: Option<String>,
    /// Other chat templates by name, such as `tool_use`.
    pub named_templates: BTreeMap<String, String>,
    /// The name of the token a text begins with.
    pub bos_token: Option<String>,
    /// The name of the token an answer ends with.
    pub eos_token: Option<String>,
}

impl TokenizerNotes {
    /// Reads a `tokenizer_config.json`.
    ///
    /// # Errors
    /// When it is too large, no JSON object, or a template is no text.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        if bytes.len() > TOKENIZER_JSON_BYTES_MAX {
            return Err(TokenizerError::Json("is too large".to_owned()));
        }
        let map: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| TokenizerError::Json(short(&error.to_string())))?;
        let name = |key: &str| {
            let value = map.get(key)?;
            let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some(text.to_owned())
        };
        let mut notes = Self {
            bos_token: name("bos_token"),
            eos_token: name("eos_token"),
            ..Self::default()
        };
        let wrong = || TokenizerError::wrong("chat_template", "a text, or a list of named texts");
        match map.get("chat_template") {
            None | Some(Value::Null) => {}
            Some(Value::String(template)) => notes.chat_template = Some(template.clone()),
            Some(Value::Array(list)) => {
                for entry in list {
                    let text = |key| entry.get(key).and_then(Value::as_str);
                    let (name, template) = text("name").zip(text("template")).ok_or_else(wrong)?;
                    if name == "default" {
                        notes.chat_template = Some(template.to_owned());
                    } else {
                        let named = (name.to_owned(), template.to_owned());
                        notes.named_templates.extend([named]);
                    }
                }
            }
            Some(_) => return Err(wrong()),
        }
        Ok(notes)
    }
}
