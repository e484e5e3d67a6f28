//! The tokens of a vocabulary, by number and by bytes.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

use crate::error::TokenizerError;

/// LIMIT: Tokens of a vocabulary. The largest known have a few hundred thousand.
pub const TOKENS_MAX: usize = 1 << 21;
/// LIMIT: Bytes of one token.
const TOKEN_BYTES_MAX: usize = 1 << 16;
/// LIMIT: Bytes of all tokens together, so that every place in them fits 32 bits.
const ALL_BYTES_MAX: usize = 1 << 28;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A piece of text.
    Normal,
    /// What stands for text there is no token for.
    Unknown,
    /// A mark of the prompt's own: begin, end, whose turn it is.
    Control,
    /// Text that is always one token.
    Added,
    /// One byte.
    Byte,
    /// A number without a meaning.
    Unused,
}

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'v> {
    /// The bytes it stands for in a text; for control tokens, its name.
    pub bytes: &'v [u8],
    /// What it is for.
    pub kind: Kind,
}

/// Nothing is here.
const FREE: u32 = u32::MAX;

/// All tokens. Bytes lie one behind the other; an open table of numbers finds a token by its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Vocab {
    arena: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<u32>,
    kinds: Vec<Kind>,
    slots: Vec<u32>,
    hasher: RandomState,
    longest: usize,
    bytes: [Option<u32>; 256],
}

impl Vocab {
    /// A vocabulary for about `count` tokens, none in it yet.
    pub(crate) fn with_capacity(count: usize) -> Result<Self, TokenizerError> {
        if count > TOKENS_MAX {
            return Err(TokenizerError::TooMany {
                what: "vocabulary",
                found: count,
                limit: TOKENS_MAX,
            });
        }
        Ok(Self {
            arena: Vec::with_capacity(count.saturating_mul(6)),
            ends: Vec::with_capacity(count),
            kinds: Vec::with_capacity(count),
            // At most half full, so that a search ends soon.
            slots: vec![FREE; (2 * count).next_power_of_two().max(2)],
            hasher: RandomState::default(),
            longest: 0,
            bytes: [None; 256],
        })
    }

    /// Adds the next token. Only normal ones can be found by their bytes; of two alike the first is found.
    pub(crate) fn push(&mut self, bytes: &[u8], kind: Kind) -> Result<(), TokenizerError> {
        let wrong = |what, found, limit| Err(TokenizerError::TooMany { what, found, limit });
        if bytes.len() > TOKEN_BYTES_MAX {
            return wrong("length of a token", bytes.len(), TOKEN_BYTES_MAX);
        }
        let end = self.arena.len() + bytes.len();
        if end > ALL_BYTES_MAX {
            return wrong("vocabulary in bytes", end, ALL_BYTES_MAX);
        }
        if self.ends.len() >= self.slots.len() / 2 {
            return wrong("vocabulary", self.ends.len() + 1, self.slots.len() / 2);
        }
        let id = u32::try_from(self.ends.len()).unwrap_or(FREE);
        self.arena.extend_from_slice(bytes);
        self.ends.push(u32::try_from(end).unwrap_or(u32::MAX));
        self.kinds.push(kind);
        match (kind, bytes) {
            (Kind::Normal, _) => self.index(bytes, id),
            (Kind::Byte, &[byte]) => self.set_byte(byte, id),
            _ => {}
        }
        Ok(())
    }

    fn index(&mut self, bytes: &[u8], id: u32) {
        if bytes.is_empty() {
            return;
        }
        if let Err(free) = self.search(bytes)
            && let Some(slot) = self.slots.get_mut(free)
        {
            *slot = id;
            self.longest = self.longest.max(bytes.len());
        }
        if let &[byte] = bytes
            && self.byte(byte).is_none()
        {
            self.set_byte(byte, id);
        }
    }

    fn set_byte(&mut self, byte: u8, id: u32) {
        if let Some(place) = self.bytes.get_mut(usize::from(byte)) {
            *place = Some(id);
        }
    }

    /// The token of those bytes, or the slot where it would be.
    fn search(&self, bytes: &[u8]) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        // Only the low bits are used, and a `usize` has those on every machine.
        let hash = self.hasher.hash_one(bytes) & u64::from(u32::MAX);
        let mut at = usize::try_from(hash).unwrap_or(0) & mask;
        loop {
            match self.slots.get(at) {
                Some(&id) if id != FREE => {
                    if self.bytes_of(id) == Some(bytes) {
                        return Ok(id);
                    }
                }
                _ => return Err(at),
            }
            at = (at + 1) & mask;
        }
    }

    /// The normal token of exactly those bytes.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<u32> {
        if bytes.len() > self.longest {
            return None;
        }
        self.search(bytes).ok()
    }

    /// The token of one byte.
    pub(crate) fn byte(&self, byte: u8) -> Option<u32> {
        self.bytes.get(usize::from(byte)).copied().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn bytes_of(&self, id: u32) -> Option<&[u8]> {
        let at = usize::try_from(id).ok()?;
        let end = usize::try_from(*self.ends.get(at)?).ok()?;
        let begin = match at.checked_sub(1) {
            Some(before) => usize::try_from(*self.ends.get(before)?).ok()?,
            None => 0,
        };
        self.arena.get(begin..end)
    }

    pub(crate) fn get(&self, id: u32) -> Option<Token<'_>> {
        let kind = *self.kinds.get(usize::try_from(id).ok()?)?;
        let bytes = self.bytes_of(id)?;
        Some(Token { bytes, kind })
    }
}

/// The byte a character of a byte-level vocabulary stands for: printable ones stand for themselves, the others for the
/// characters from U+0100 on, in order. This is GPT-2's table.
pub(crate) fn byte_of(c: char) -> Option<u8> {
    let code = u32::from(c);
    if let Ok(byte) = u8::try_from(code) {
        return printable(byte).then_some(byte);
    }
    let at = usize::try_from(code.checked_sub(0x100)?).ok()?;
    (0..=u8::MAX).filter(|&byte| !printable(byte)).nth(at)
}

fn printable(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

/// All of [`byte_of`], for turning many texts.
pub(crate) struct ByteChars([Option<u8>; 0x144]);

impl ByteChars {
    pub(crate) fn new() -> Self {
        let mut table = [None; 0x144];
        for (code, place) in (0_u32..).zip(&mut table) {
            *place = char::from_u32(code).and_then(byte_of);
        }
        Self(table)
    }

    /// The bytes a token's text stands for; `None` if a character stands for none.
    pub(crate) fn bytes(&self, text: &str) -> Option<Vec<u8>> {
        text.chars()
            .map(|c| *self.0.get(usize::try_from(u32::from(c)).ok()?)?)
            .collect()
    }
}
