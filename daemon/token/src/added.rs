//! Tokens that are found in a text before anything else is done to it.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::error::{TokenizerError, short};

/// LIMIT: Added and control tokens of a vocabulary. Known ones have up to a few thousand reserved ones.
pub(crate) const ADDED_MAX: usize = 1 << 14;
/// LIMIT: Bytes of the text of one.
const ADDED_BYTES_MAX: usize = 512;

/// A token that is found by its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) id: u32,
    pub(crate) text: String,
    /// Whether it is a control token, which only a template may write.
    pub(crate) control: bool,
    /// Whether white space before it is part of it.
    pub(crate) takes_left: bool,
    /// Whether white space behind it is part of it.
    pub(crate) takes_right: bool,
    /// Whether it is only found where no letter or digit stands beside it.
    pub(crate) word: bool,
}

/// All of them, ready to be found: the longest where several begin at one place.
#[derive(Clone, Debug)]
pub(crate) struct Finder {
    all: Vec<Added>,
    any: Option<AhoCorasick>,
    /// Finds those that are no control tokens; patterns are numbered by `plain_ids`.
    plain: Option<AhoCorasick>,
    plain_places: Vec<usize>,
}

/// A section of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section<'t> {
    /// Text, and whether the whole text begins here.
    Text(&'t str, bool),
    /// A token.
    Token(u32),
}

impl Finder {
    pub(crate) fn new(all: Vec<Added>) -> Result<Self, TokenizerError> {
        if all.len() > ADDED_MAX {
            return Err(TokenizerError::TooMany {
                what: "list of added tokens",
                found: all.len(),
                limit: ADDED_MAX,
            });
        }
        let odd = all
            .iter()
            .find(|added| added.text.is_empty() || added.text.len() > ADDED_BYTES_MAX);
        if let Some(odd) = odd {
            return Err(TokenizerError::unsupported("added token", &odd.text));
        }
        let plain_places: Vec<usize> = all
            .iter()
            .enumerate()
            .filter_map(|(at, added)| (!added.control).then_some(at))
            .collect();
        let plain: Vec<&str> = plain_places
            .iter()
            .filter_map(|&at| all.get(at))
            .map(|added| added.text.as_str())
            .collect();
        let every: Vec<&str> = all.iter().map(|added| added.text.as_str()).collect();
        Ok(Self {
            any: automaton(&every)?,
            plain: automaton(&plain)?,
            plain_places,
            all,
        })
    }

    pub(crate) fn all(&self) -> &[Added] {
        &self.all
    }

    /// The text in sections; control tokens are found only if `control` says so.
    pub(crate) fn sections<'t>(&self, text: &'t str, control: bool) -> Vec<Section<'t>> {
        let finder = if control { &self.any } else { &self.plain };
        let mut sections = Vec::new();
        let mut at = 0;
        let hits = finder.iter().flat_map(|finder| finder.find_iter(text));
        for hit in hits {
            let place = hit.pattern().as_usize();
            let place = if control {
                Some(place)
            } else {
                self.plain_places.get(place).copied()
            };
            let Some(added) = place.and_then(|place| self.all.get(place)) else {
                continue;
            };
            let (Some(before), Some(after)) = (text.get(..hit.start()), text.get(hit.end()..))
            else {
                continue;
            };
            if added.word && (ends_in_word(before) || begins_with_word(after)) {
                continue;
            }
            let mut begin = hit.start();
            if added.takes_left {
                begin = before.trim_end().len();
            }
            let begin = begin.max(at);
            let between = text.get(at..begin).unwrap_or_default();
            if !between.is_empty() {
                sections.push(Section::Text(between, at == 0));
            }
            sections.push(Section::Token(added.id));
            at = hit.end();
            if added.takes_right {
                at += after.len() - after.trim_start().len();
            }
        }
        let rest = text.get(at..).unwrap_or_default();
        if !rest.is_empty() {
            sections.push(Section::Text(rest, at == 0));
        }
        sections
    }
}

fn automaton(texts: &[&str]) -> Result<Option<AhoCorasick>, TokenizerError> {
    if texts.is_empty() {
        return Ok(None);
    }
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(texts)
        .map(Some)
        .map_err(|error| TokenizerError::unsupported("added tokens", &short(&error.to_string())))
}

fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(in_word)
}

fn begins_with_word(text: &str) -> bool {
    text.chars().next().is_some_and(in_word)
}

/// What `\w` is: marks that join letters are part of a word too.
fn in_word(c: char) -> bool {
    regex_syntax::try_is_word_character(c).unwrap_or(false)
}
