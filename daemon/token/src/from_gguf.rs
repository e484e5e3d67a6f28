//! A tokenizer out of the metadata of a GGUF file, under the keys `tokenizer.ggml.*`.

use fak_gguf::{Array, Gguf, Value};
use foldhash::{HashMap, HashMapExt as _};

use crate::{
    added::{Added, Finder},
    error::TokenizerError,
    merge::{Model, Unknown, rank_of_score},
    normal::{Normal, SPACE},
    split::{Behaviour, Split, named, takes_whole},
    tokenizer::Tokenizer,
    vocab::{ByteChars, Kind, Vocab},
};

/// LIMIT: Merges of a vocabulary.
pub(crate) const MERGES_MAX: usize = 1 << 22;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const SCORES: &str = "tokenizer.ggml.scores";
const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";

impl Tokenizer {
    /// The tokenizer a GGUF file carries: byte-level BPE (`gpt2`) or SentencePiece with scores (`llama`).
    ///
    /// # Errors
    /// When a key is missing or wrong, or the model or its pre-tokenizer is not known.
    pub fn from_gguf(file: &Gguf<'_>) -> Result<Self, TokenizerError> {
        let model = text(file, MODEL)?.ok_or(TokenizerError::Missing(MODEL))?;
        match model {
            "gpt2" => byte_level(file),
            "llama" => sentence_piece(file),
            other => Err(TokenizerError::unsupported("tokenizer model", other)),
        }
    }
}

fn text<'a>(file: &Gguf<'a>, key: &'static str) -> Result<Option<&'a str>, TokenizerError> {
    let wrong = || TokenizerError::wrong(key, "text");
    file.get(key)
        .map(|value| value.as_str().ok_or_else(wrong))
        .transpose()
}

fn flag(file: &Gguf<'_>, key: &'static str) -> Result<Option<bool>, TokenizerError> {
    let wrong = || TokenizerError::wrong(key, "a boolean");
    file.get(key)
        .map(|value| value.as_bool().ok_or_else(wrong))
        .transpose()
}

fn array<'a>(file: &Gguf<'a>, key: &'static str) -> Result<Option<Array<'a>>, TokenizerError> {
    let wrong = || TokenizerError::wrong(key, "an array");
    file.get(key)
        .map(|value| value.as_array().ok_or_else(wrong))
        .transpose()
}

fn token(file: &Gguf<'_>, key: &'static str, vocab: &Vocab) -> Result<Option<u32>, TokenizerError> {
    let wrong = || TokenizerError::wrong(key, "a token");
    let Some(value) = file.get(key) else {
        return Ok(None);
    };
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|&number| vocab.get(number).is_some())
        .map(Some)
        .ok_or_else(wrong)
}

/// What a token's number in `token_type` means.
fn kind(number: u64) -> Option<Kind> {
    Some(match number {
        1 => Kind::Normal,
        2 => Kind::Unknown,
        3 => Kind::Control,
        4 => Kind::Added,
        5 => Kind::Unused,
        6 => Kind::Byte,
        _ => return None,
    })
}

/// The tokens and those of them that are found by name; `bytes` turns the text of a normal one into its bytes.
fn vocab(
    file: &Gguf<'_>,
    bytes: impl Fn(&str) -> Vec<u8>,
) -> Result<(Vocab, Finder), TokenizerError> {
    let tokens = array(file, TOKENS)?.ok_or(TokenizerError::Missing(TOKENS))?;
    let wrong = || TokenizerError::wrong(TOKENS, "a list of texts");
    let texts = tokens.strings().ok_or_else(wrong)?;
    let odd = || TokenizerError::wrong(TYPES, "a number from 1 to 6 for each token");
    let kinds: Vec<Kind> = match array(file, TYPES)? {
        Some(types) => {
            let numbers = types.u64s().ok_or_else(odd)?;
            numbers
                .map(|number| number.and_then(kind).ok_or_else(odd))
                .collect::<Result<_, _>>()?
        }
        None => vec![Kind::Normal; tokens.len()],
    };
    if kinds.len() != tokens.len() {
        return Err(odd());
    }
    let mut vocab = Vocab::with_capacity(tokens.len())?;
    let mut added = Vec::new();
    for (id, (text, kind)) in (0_u32..).zip(texts.zip(kinds)) {
        match kind {
            Kind::Normal => vocab.push(&bytes(text), kind)?,
            Kind::Byte => vocab.push(&[byte_token(text).ok_or_else(wrong)?], kind)?,
            _ => vocab.push(text.as_bytes(), kind)?,
        }
        if matches!(kind, Kind::Control | Kind::Added) && !text.is_empty() {
            added.push(Added {
                id,
                text: text.to_owned(),
                control: kind == Kind::Control,
                ..Added::default()
            });
        }
    }
    Ok((vocab, Finder::new(added)?))
}

/// The byte of a token named `<0x41>`.
pub(crate) fn byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || digits.starts_with('+') {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

fn byte_level(file: &Gguf<'_>) -> Result<Tokenizer, TokenizerError> {
    let chars = ByteChars::new();
    let bytes = |text: &str| {
        chars
            .bytes(text)
            .unwrap_or_else(|| text.as_bytes().to_vec())
    };
    let (vocab, added) = vocab(file, bytes)?;
    let pre = text(file, PRE)?.unwrap_or("default");
    let steps = named(pre).ok_or_else(|| TokenizerError::unsupported("pre-tokenizer", pre))?;
    let merges = array(file, MERGES)?.ok_or(TokenizerError::Missing(MERGES))?;
    let wrong = || TokenizerError::wrong(MERGES, "a list of texts");
    let merges = merges.strings().ok_or_else(wrong)?.map(|merge| {
        // The first character belongs to the left token even if it is a space.
        let first = merge.chars().next().map_or(0, char::len_utf8);
        let (head, tail) = merge.split_at_checked(first)?;
        let (rest, right) = tail.split_once(' ')?;
        Some((chars.bytes(&format!("{head}{rest}"))?, chars.bytes(right)?))
    });
    let pairs = pairs(&vocab, merges)?;
    let model = Model::Ranks {
        pairs,
        whole: takes_whole(pre),
        bytes: true,
    };
    let mut tokenizer = Tokenizer {
        vocab,
        added,
        normal: Vec::new(),
        splits: steps
            .iter()
            .map(|step| Split::regex(step, Behaviour::Isolated, false))
            .collect::<Result<_, _>>()?,
        model,
        unknown: Unknown::default(),
        leading_space: false,
        prefix: Vec::new(),
        suffix: Vec::new(),
    };
    if flag(file, "tokenizer.ggml.add_space_prefix")? == Some(true) {
        return Err(TokenizerError::wrong(
            "tokenizer.ggml.add_space_prefix",
            "false for a byte-level vocabulary",
        ));
    }
    frame(file, &mut tokenizer, false)?;
    Ok(tokenizer)
}

fn sentence_piece(file: &Gguf<'_>) -> Result<Tokenizer, TokenizerError> {
    let (vocab, added) = vocab(file, |text| text.replace(SPACE, " ").into_bytes())?;
    let scores = array(file, SCORES)?.ok_or(TokenizerError::Missing(SCORES))?;
    let wrong = || TokenizerError::wrong(SCORES, "a float for each token");
    let ranks: Vec<u32> = scores
        .f32s()
        .ok_or_else(wrong)?
        .map(rank_of_score)
        .collect();
    if ranks.len() != vocab.len() {
        return Err(wrong());
    }
    let prefix = flag(file, "tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let unknown = Unknown {
        token: token(file, "tokenizer.ggml.unknown_token_id", &vocab)?,
        bytes: true,
        fuse: false,
    };
    let mut tokenizer = Tokenizer {
        vocab,
        added,
        // Tokens hold real spaces here. The sign for them has no token of its own: it is a space.
        normal: prefix
            .then(|| Normal::Prepend(" ".to_owned()))
            .into_iter()
            .chain([Normal::Replace(SPACE.to_owned(), " ".to_owned())])
            .collect(),
        splits: Vec::new(),
        model: Model::Scores(ranks),
        unknown,
        leading_space: prefix,
        prefix: Vec::new(),
        suffix: Vec::new(),
    };
    frame(file, &mut tokenizer, true)?;
    Ok(tokenizer)
}

/// Reads what stands before and behind a text; `bos` is what holds where the file does not say.
fn frame(file: &Gguf<'_>, tokenizer: &mut Tokenizer, bos: bool) -> Result<(), TokenizerError> {
    let adds = flag(file, "tokenizer.ggml.add_bos_token")?.unwrap_or(bos);
    if adds {
        let id = token(file, "tokenizer.ggml.bos_token_id", &tokenizer.vocab)?;
        tokenizer.prefix.extend(id);
    }
    if flag(file, "tokenizer.ggml.add_eos_token")? == Some(true) {
        let id = token(file, "tokenizer.ggml.eos_token_id", &tokenizer.vocab)?;
        tokenizer.suffix.extend(id);
    }
    // Texts with sentences of their own are another kind of model.
    if file
        .get("tokenizer.ggml.add_sep_token")
        .and_then(Value::as_bool)
        == Some(true)
    {
        return Err(TokenizerError::wrong(
            "tokenizer.ggml.add_sep_token",
            "false",
        ));
    }
    Ok(())
}

/// Ranks and joint tokens of pairs.
type Pairs = HashMap<(u32, u32), (u32, u32)>;

/// The merges as pairs of numbers. A pair that stands twice keeps its first rank.
pub(crate) fn pairs(
    vocab: &Vocab,
    merges: impl Iterator<Item = Option<(Vec<u8>, Vec<u8>)>>,
) -> Result<Pairs, TokenizerError> {
    let mut pairs = HashMap::with_capacity(merges.size_hint().0);
    for (rank, merge) in (0_u32..).zip(merges) {
        let at = usize::try_from(rank).unwrap_or(usize::MAX);
        if at >= MERGES_MAX {
            return Err(TokenizerError::TooMany {
                what: "list of merges",
                found: at + 1,
                limit: MERGES_MAX,
            });
        }
        let (left, right) = merge.ok_or(TokenizerError::Merge { at })?;
        let joint = [&left[..], &right[..]].concat();
        let ids = (vocab.find(&left), vocab.find(&right), vocab.find(&joint));
        let (Some(left), Some(right), Some(joint)) = ids else {
            return Err(TokenizerError::Merge { at });
        };
        pairs.entry((left, right)).or_insert((rank, joint));
    }
    Ok(pairs)
}
