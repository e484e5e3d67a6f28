//! Cutting text into words, which tokens never reach across.
//!
//! Patterns come from files, so they are matched by an automaton in linear time. The one thing the well-known patterns
//! have that an automaton has not is their branch for white space, `\s+(?!\S)`: white space that leaves its last
//! character to the word that follows. It is matched as `\s+` and shortened afterwards, which is the same as long as what
//! stands behind it in the pattern is `\s+` or nothing.

use std::ops::Range;

use regex_automata::{
    Input, PatternID,
    meta::{Config, Regex},
    util::syntax,
};

use crate::error::{TokenizerError, short};

/// LIMIT: Bytes of a compiled pattern. The largest known take below 2 MiB.
const PATTERN_MEMORY_MAX: usize = 16 << 20;
/// LIMIT: Bytes of a pattern. Some list every letter of an alphabet.
const PATTERN_BYTES_MAX: usize = 16 << 10;
/// LIMIT: Steps by which text is cut.
pub(crate) const SPLITS_MAX: usize = 16;

/// White space but for its last character, unless the text ends with it.
const SPACES: &str = r"\s+(?!\S)";

/// GPT-2's pattern.
pub(crate) const GPT2: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// What becomes of what a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Matches and what is between them are words.
    Isolated,
    /// Matches are dropped.
    Removed,
    /// A match belongs to what stands before it.
    WithPrevious,
    /// A match belongs to what stands behind it.
    WithNext,
    /// Matches one behind the other are one word.
    Contiguous,
}

/// One step of cutting.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    regex: Regex,
    /// The branch that is shortened.
    spaces: Option<PatternID>,
    behaviour: Behaviour,
    /// Whether words are what the pattern does *not* match.
    invert: bool,
}

impl Split {
    /// Cuts by a pattern.
    pub(crate) fn regex(
        pattern: &str,
        behaviour: Behaviour,
        invert: bool,
    ) -> Result<Self, TokenizerError> {
        let wrong = |fault: &str| TokenizerError::Pattern {
            pattern: short(pattern),
            fault: short(fault),
        };
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(wrong("is too long"));
        }
        if possessive(pattern) {
            return Err(wrong("possessive repetition is not supported"));
        }
        let (branches, spaces) = branches(pattern).ok_or_else(|| {
            wrong("white space before a word must be the last branch, or \\s+ behind it")
        })?;
        let config = Config::new()
            .nfa_size_limit(Some(PATTERN_MEMORY_MAX))
            .onepass_size_limit(Some(PATTERN_MEMORY_MAX));
        let regex = Regex::builder()
            .configure(config)
            .syntax(syntax::Config::new().nest_limit(64))
            .build_many(&branches)
            .map_err(|error| {
                let source = error.syntax_error().map(ToString::to_string);
                wrong(&source.unwrap_or_else(|| error.to_string()))
            })?;
        Ok(Self {
            regex,
            spaces,
            behaviour,
            invert,
        })
    }

    /// Cuts by a text.
    pub(crate) fn literal(
        text: &str,
        behaviour: Behaviour,
        invert: bool,
    ) -> Result<Self, TokenizerError> {
        let mut pattern = String::with_capacity(2 * text.len());
        for c in text.chars() {
            if c.is_ascii_punctuation() {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        Self::regex(&pattern, behaviour, invert)
    }

    /// What is matched in the part of `text`, in order.
    fn matches(&self, text: &str, part: Range<usize>) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let base = part.start;
        // What stands around the part is other words': no pattern may look at it.
        let word = text.get(part).unwrap_or_default();
        let mut at = 0;
        while at < word.len() {
            let input = Input::new(word).range(at..);
            let Some(hit) = self.regex.search(&input) else {
                break;
            };
            let (begin, mut end) = (hit.start(), hit.end());
            if Some(hit.pattern()) == self.spaces && end < word.len() {
                end = shortened(word, begin, end);
            }
            if begin < end {
                found.push(base + begin..base + end);
                at = end;
            } else {
                // An empty match cuts nothing; go on behind the next character.
                let step = word.get(begin..).and_then(|rest| rest.chars().next());
                at = begin + step.map_or(1, char::len_utf8);
            }
        }
        found
    }

    /// Cuts `part` of `text` and appends the words.
    fn cut(&self, text: &str, part: Range<usize>, out: &mut Vec<Range<usize>>) {
        let mut pieces: Vec<(Range<usize>, bool)> = Vec::new();
        let mut at = part.start;
        let end = part.end;
        for hit in self.matches(text, part) {
            if at < hit.start {
                pieces.push((at..hit.start, self.invert));
            }
            at = hit.end;
            pieces.push((hit, !self.invert));
        }
        if at < end {
            pieces.push((at..end, self.invert));
        }
        let first = out.len();
        let mut before_matched = false;
        for (piece, matched) in pieces {
            let last = out.get_mut(first..).and_then(<[_]>::last_mut);
            let joined = match self.behaviour {
                Behaviour::Isolated => false,
                Behaviour::Removed if matched => continue,
                Behaviour::Removed => false,
                Behaviour::WithPrevious => matched && !before_matched,
                Behaviour::WithNext => before_matched && !matched,
                Behaviour::Contiguous => matched == before_matched,
            };
            match last {
                Some(last) if joined && last.end == piece.start => last.end = piece.end,
                _ => out.push(piece),
            }
            before_matched = matched;
        }
    }
}

/// Cuts a text by all steps, one after the other.
pub(crate) fn words(steps: &[Split], text: &str) -> Vec<Range<usize>> {
    let whole = 0..text.len();
    let mut words = vec![whole];
    for step in steps {
        let mut finer = Vec::with_capacity(words.len());
        for word in words {
            step.cut(text, word, &mut finer);
        }
        words = finer;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// White space that leaves its last character to what follows, if it has more than one.
fn shortened(text: &str, begin: usize, end: usize) -> usize {
    let run = text.get(begin..end).unwrap_or_default();
    let last = run.chars().next_back().map_or(0, char::len_utf8);
    let shorter = end.saturating_sub(last);
    if shorter > begin { shorter } else { end }
}

/// The pattern as an ordered list of patterns, and which of them is the white space to be shortened.
fn branches(pattern: &str) -> Option<(Vec<String>, Option<PatternID>)> {
    let Some((before, after)) = pattern.split_once(SPACES) else {
        return Some((vec![pattern.to_owned()], None));
    };
    // The branch must be one of its own, at the top, with nothing behind it that could match otherwise.
    let last = matches!(after, "" | r"|\s+");
    let own = before.is_empty() || before.ends_with('|');
    if !last || !own || !closed(before) {
        return None;
    }
    let spaces = r"\s+".to_owned();
    let before = before.strip_suffix('|').unwrap_or(before);
    if before.is_empty() {
        return Some((vec![spaces], Some(PatternID::ZERO)));
    }
    Some((vec![before.to_owned(), spaces], PatternID::new(1).ok()))
}

/// Whether every group that is opened is closed.
fn closed(pattern: &str) -> bool {
    let mut depth = 0_i32;
    let mut class = false;
    let mut escaped = false;
    for c in pattern.chars() {
        match c {
            _ if escaped => {}
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth -= 1,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    depth == 0
}

/// Whether a repetition is followed by a plus, which automata would take for a repetition of it.
fn possessive(pattern: &str) -> bool {
    let mut class = false;
    let mut escaped = false;
    let mut repeated = false;
    for c in pattern.chars() {
        if escaped {
            escaped = false;
            repeated = false;
            continue;
        }
        match c {
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '+' if repeated && !class => return true,
            _ => {}
        }
        // A brace also closes a class such as \p{L}; that it is a repetition shows in its digits.
        repeated = !class && matches!(c, '?' | '*' | '+');
    }
    counted_then_plus(pattern)
}

/// Whether a counted repetition, `{1,3}`, is followed by a plus.
fn counted_then_plus(pattern: &str) -> bool {
    pattern.match_indices("}+").any(|(at, _)| {
        let before = pattern.get(..at).unwrap_or_default();
        let inside = before.rsplit('{').next().unwrap_or_default();
        !inside.is_empty() && inside.chars().all(|c| c.is_ascii_digit() || c == ',')
    })
}

/// The steps of a pre-tokenizer that GGUF files name.
pub(crate) fn named(name: &str) -> Option<&'static [&'static str]> {
    const LETTERS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const LETTERS_THREE: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const CASES: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const CASES_ONE: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const DEEPSEEK: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
    Some(match name {
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "dbrx-gpt2" => &[GPT2],
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
            &[r"\p{N}", GPT2]
        }
        "qwen2" | "stablelm2" | "deepseek-r1-qwen" | "megrez" | "hunyuan" => &[LETTERS],
        "llama-bpe" | "llama3" | "llama-v3" | "dbrx" | "smaug-bpe" | "glm4" | "chatglm-bpe"
        | "falcon3" | "pixtral-bpe" => &[LETTERS_THREE],
        "gpt-4o" | "llama4" => &[CASES],
        "tekken" => &[CASES_ONE],
        "deepseek-v3" | "hunyuan-dense" => &[
            r"\p{N}{1,3}",
            r"[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+",
            DEEPSEEK,
        ],
        "falcon" => &[r"[\p{P}$+<=>^~|`]+", GPT2, r"[0-9][0-9][0-9]"],
        "default" => &[r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
        _ => return None,
    })
}

/// Whether a pre-tokenizer of that name takes a word that is a token whole.
pub(crate) fn takes_whole(name: &str) -> bool {
    matches!(
        name,
        "llama-bpe" | "llama3" | "llama-v3" | "falcon3" | "pixtral-bpe" | "tekken" | "llama4"
    )
}
