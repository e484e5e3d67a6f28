//! Joining the pieces of a word until nothing more can be joined.
//!
//! Both models do the same with different orders: byte-pair encoding joins the pair that stands first in the file's list
//! of merges; a SentencePiece model joins the pair whose joint token has the highest score. Equal ones are joined from
//! the left.

use std::{cmp::Reverse, collections::BinaryHeap};

use foldhash::HashMap;

use crate::{error::EncodeError, vocab::Vocab};

/// How pairs are ordered and what a word is made of at first.
#[derive(Clone, Debug)]
pub(crate) enum Model {
    /// Pairs of tokens with their rank and the token they make.
    Ranks {
        /// Rank and joint token of a pair.
        pairs: HashMap<(u32, u32), (u32, u32)>,
        /// Whether a word that is a token is taken whole, whatever the merges say.
        whole: bool,
        /// Whether words begin as bytes; otherwise as characters.
        bytes: bool,
    },
    /// The score of each token, as a rank: lower is better.
    Scores(Vec<u32>),
}

/// What is encoded where there is no token.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unknown {
    /// The token that stands for it.
    pub(crate) token: Option<u32>,
    /// Whether bytes have tokens of their own, tried first.
    pub(crate) bytes: bool,
    /// Whether several in a row are one.
    pub(crate) fuse: bool,
}

/// No symbol, no token.
const NONE: u32 = u32::MAX;
/// Words of up to so many symbols are searched from end to end; longer ones get a queue.
const SCAN_MAX: usize = 24;

/// A piece of the word: the bytes `begin..end`, and the token they are, if they are one.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    begin: u32,
    end: u32,
    token: u32,
    before: u32,
    after: u32,
}

/// A score as a rank: the higher the score, the lower the rank.
pub(crate) fn rank_of_score(score: f32) -> u32 {
    let bits = score.to_bits();
    // Floats in order are integers in order once the negative ones are turned round.
    let ascending = if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    };
    !ascending
}

impl Model {
    /// Appends the tokens of `word`, which is shorter than 4 GiB.
    pub(crate) fn encode(
        &self,
        vocab: &Vocab,
        unknown: Unknown,
        word: &str,
        out: &mut Vec<u32>,
    ) -> Result<(), EncodeError> {
        if let Self::Ranks { whole: true, .. } = self
            && let Some(token) = vocab.find(word.as_bytes())
        {
            out.push(token);
            return Ok(());
        }
        let mut symbols = self.symbols(vocab, unknown, word);
        if symbols.len() <= SCAN_MAX {
            self.scan(vocab, word, &mut symbols);
        } else {
            self.queue(vocab, word, &mut symbols);
        }
        emit(vocab, unknown, word.as_bytes(), &symbols, out)
    }

    /// The word in its smallest pieces.
    fn symbols(&self, vocab: &Vocab, unknown: Unknown, word: &str) -> Vec<Symbol> {
        let mut symbols = Vec::with_capacity(word.len());
        let mut push = |begin: usize, end: usize, token: Option<u32>| {
            let before = narrow(symbols.len()).checked_sub(1).unwrap_or(NONE);
            symbols.push(Symbol {
                begin: narrow(begin),
                end: narrow(end),
                token: token.unwrap_or(NONE),
                before,
                after: before.wrapping_add(2),
            });
        };
        if let Self::Ranks { bytes: true, .. } = self {
            for (at, &byte) in word.as_bytes().iter().enumerate() {
                push(at, at + 1, vocab.byte(byte));
            }
        } else {
            for (at, c) in word.char_indices() {
                let end = at + c.len_utf8();
                let bytes = word.as_bytes().get(at..end).unwrap_or_default();
                let token = vocab.find(bytes);
                if let (None, Self::Ranks { .. }, true) = (token, self, unknown.bytes) {
                    // Bytes that stand for a character are pieces like others, and merges may join them.
                    let covered = bytes.iter().all(|&byte| vocab.byte(byte).is_some());
                    if covered {
                        for (more, &byte) in bytes.iter().enumerate() {
                            push(at + more, at + more + 1, vocab.byte(byte));
                        }
                        continue;
                    }
                }
                push(at, end, token);
            }
        }
        if let Some(last) = symbols.last_mut() {
            last.after = NONE;
        }
        symbols
    }

    /// The rank of joining two neighbours, and the token they make.
    fn pair(&self, vocab: &Vocab, word: &str, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
        match self {
            Self::Ranks { pairs, .. } => pairs.get(&(left.token, right.token)).copied(),
            Self::Scores(ranks) => {
                let token = vocab.find(slice(word.as_bytes(), left.begin, right.end))?;
                let rank = ranks.get(usize::try_from(token).ok()?)?;
                Some((*rank, token))
            }
        }
    }

    /// Joins by looking at all pairs each time.
    fn scan(&self, vocab: &Vocab, word: &str, symbols: &mut Vec<Symbol>) {
        let mut ranks: Vec<Option<(u32, u32)>> = symbols
            .iter()
            .zip(symbols.iter().skip(1))
            .map(|(left, right)| self.pair(vocab, word, left, right))
            .collect();
        loop {
            let best = ranks
                .iter()
                .enumerate()
                .filter_map(|(at, pair)| pair.map(|(rank, token)| (rank, at, token)))
                .min();
            let Some((_, at, token)) = best else {
                return;
            };
            let right = symbols.remove(at + 1);
            ranks.remove(at);
            if let Some(joint) = symbols.get_mut(at) {
                joint.end = right.end;
                joint.token = token;
            }
            for left in [at.checked_sub(1), Some(at)].into_iter().flatten() {
                if let (Some(a), Some(b), Some(rank)) = (
                    symbols.get(left),
                    symbols.get(left + 1),
                    ranks.get_mut(left),
                ) {
                    *rank = self.pair(vocab, word, a, b);
                }
            }
        }
    }

    /// Joins with a queue of pairs, for words that are long, or no words at all.
    fn queue(&self, vocab: &Vocab, word: &str, symbols: &mut Vec<Symbol>) {
        let mut queue = BinaryHeap::new();
        let offer = |queue: &mut BinaryHeap<_>, symbols: &[Symbol], at: u32| {
            let Some(left) = symbol(symbols, at) else {
                return;
            };
            let Some(right) = symbol(symbols, left.after) else {
                return;
            };
            if let Some((rank, token)) = self.pair(vocab, word, left, right) {
                queue.push(Reverse((rank, at, right.end, token)));
            }
        };
        for at in 0..narrow(symbols.len()) {
            offer(&mut queue, symbols, at);
        }
        while let Some(Reverse((_, at, end, token))) = queue.pop() {
            let Some(&left) = symbol(symbols, at) else {
                continue;
            };
            let Some(&right) = symbol(symbols, left.after) else {
                continue;
            };
            // Symbols only grow: a pair that ends elsewhere is not the pair that was offered, and a symbol that was
            // joined to its left has no bytes any more.
            let gone = left.begin == left.end;
            let current = right.end == end
                && self.pair(vocab, word, &left, &right).map(|(_, t)| t) == Some(token);
            if gone || !current {
                continue;
            }
            if let Some(joint) = symbol_mut(symbols, at) {
                joint.end = end;
                joint.token = token;
                joint.after = right.after;
            }
            if let Some(gone) = symbol_mut(symbols, left.after) {
                gone.begin = gone.end;
            }
            if let Some(next) = symbol_mut(symbols, right.after) {
                next.before = at;
            }
            offer(&mut queue, symbols, left.before);
            offer(&mut queue, symbols, at);
        }
        symbols.retain(|symbol| symbol.begin < symbol.end);
    }
}

/// Appends the tokens of the pieces; a piece that is none is spelled in bytes or stands for the unknown.
fn emit(
    vocab: &Vocab,
    unknown: Unknown,
    word: &[u8],
    symbols: &[Symbol],
    out: &mut Vec<u32>,
) -> Result<(), EncodeError> {
    let mut after_unknown = false;
    for symbol in symbols {
        if symbol.token != NONE {
            out.push(symbol.token);
            after_unknown = false;
            continue;
        }
        let bytes = slice(word, symbol.begin, symbol.end);
        let spelled: Option<Vec<u32>> = bytes.iter().map(|&byte| vocab.byte(byte)).collect();
        if let Some(spelled) = spelled.filter(|_| unknown.bytes) {
            out.extend(spelled);
            after_unknown = false;
            continue;
        }
        let first = bytes.first().copied().unwrap_or(0);
        let token = unknown.token.ok_or(EncodeError::NoToken(first))?;
        if !(unknown.fuse && after_unknown) {
            out.push(token);
        }
        after_unknown = true;
    }
    Ok(())
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(NONE)
}

fn slice(bytes: &[u8], begin: u32, end: u32) -> &[u8] {
    let begin = usize::try_from(begin).unwrap_or(usize::MAX);
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    bytes.get(begin..end).unwrap_or_default()
}

fn symbol(symbols: &[Symbol], at: u32) -> Option<&Symbol> {
    symbols.get(usize::try_from(at).ok()?)
}

fn symbol_mut(symbols: &mut [Symbol], at: u32) -> Option<&mut Symbol> {
    symbols.get_mut(usize::try_from(at).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Model, rank_of_score};
    use crate::{
        from_gguf::pairs,
        vocab::{Kind, Vocab},
    };

    /// A vocabulary over `abc` whose joint tokens are all words of two to four letters, ordered by `seed`.
    fn vocabulary(seed: u32) -> (Vocab, Model, Model) {
        let mut words: Vec<Vec<u8>> = vec![Vec::new()];
        let mut all: Vec<Vec<u8>> = Vec::new();
        for _ in 0..4 {
            words = words
                .iter()
                .flat_map(|word| b"abc".iter().map(move |c| [&word[..], &[*c]].concat()))
                .collect();
            all.extend(words.clone());
        }
        let shuffled = |word: &Vec<u8>| {
            word.iter().fold(seed, |hash, &byte| {
                (hash ^ u32::from(byte))
                    .wrapping_mul(0x0100_0193)
                    .rotate_left(5)
            })
        };
        let (letters, joint) = all.split_at_mut(3);
        joint.sort_by_key(shuffled);
        let mut vocab = Vocab::with_capacity(letters.len() + joint.len()).expect("few");
        for word in letters.iter().chain(joint.iter()) {
            vocab.push(word, Kind::Normal).expect("fits");
        }
        let merges = joint.iter().flat_map(|word| {
            (1..word.len()).map(|at| Some((word[..at].to_vec(), word[at..].to_vec())))
        });
        let ranks = Model::Ranks {
            pairs: pairs(&vocab, merges).expect("all are tokens"),
            whole: false,
            bytes: true,
        };
        let count = u16::try_from(vocab.len()).expect("few");
        let scores = (0..count).map(|at| rank_of_score(-f32::from(at))).collect();
        (vocab, ranks, Model::Scores(scores))
    }

    proptest! {
        #[test]
        fn a_queue_joins_what_looking_at_all_pairs_joins(word in "[abc]{0,60}", seed in any::<u32>()) {
            let (vocab, ranks, scores) = vocabulary(seed);
            for model in [&ranks, &scores] {
                let start = model.symbols(&vocab, super::Unknown::default(), &word);
                let (mut scanned, mut queued) = (start.clone(), start);
                model.scan(&vocab, &word, &mut scanned);
                model.queue(&vocab, &word, &mut queued);
                let ids = |symbols: &[super::Symbol]| -> Vec<u32> {
                    symbols.iter().map(|symbol| symbol.token).collect()
                };
                prop_assert_eq!(ids(&scanned), ids(&queued));
            }
        }
    }

    #[test]
    fn higher_scores_have_lower_ranks() {
        let scores = [
            f32::INFINITY,
            1e9,
            1.0,
            0.5,
            1e-40,
            0.0,
            -1e-40,
            -0.5,
            -1.0,
            -1e9,
        ];
        let ranks: Vec<u32> = scores.into_iter().map(rank_of_score).collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }
}
