//! The shape of a `tokenizer.json`.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedJson>,
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) post_processor: Option<Value>,
    pub(super) decoder: Option<Value>,
    pub(super) model: ModelJson,
}

#[derive(Deserialize)]
pub(super) struct AddedJson {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) special: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    #[serde(default)]
    pub(super) single_word: bool,
}

#[derive(Deserialize)]
pub(super) struct ModelJson {
    pub(super) r#type: Option<String>,
    #[serde(default)]
    pub(super) vocab: Words,
    #[serde(default)]
    pub(super) merges: Vec<Merge>,
    pub(super) unk_token: Option<String>,
    #[serde(default)]
    pub(super) fuse_unk: bool,
    #[serde(default)]
    pub(super) byte_fallback: bool,
    #[serde(default)]
    pub(super) ignore_merges: bool,
    pub(super) continuing_subword_prefix: Option<String>,
    pub(super) end_of_word_suffix: Option<String>,
}

/// The vocabulary: an object in byte-pair encoding; `None` for a list, as in models that are refused.
#[derive(Default)]
pub(super) struct Words(pub(super) Option<BTreeMap<String, u32>>);

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
pub(super) struct Merge(String, Option<String>);

impl Merge {
    pub(super) fn split(&self) -> Option<(&str, &str)> {
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
