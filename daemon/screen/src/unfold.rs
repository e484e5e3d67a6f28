//! One pass that undoes escapes, entities and look-alikes.

use std::ops::Range;

use memchr::{memchr_iter, memchr3};

use crate::{
    unicode::{Look, look, spelled},
    view::{Builder, Map},
};

/// The longest entity read, `&` and `;` included; HTML's own that spell ASCII are shorter.
const ENTITY_BYTES: usize = 12;
/// So many `=XX` make a text quoted-printable; fewer are the values of a query.
const QUOTED_MIN: usize = 4;

/// What was undone in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Undone {
    unicode: bool,
    escape: bool,
    html: bool,
    percent: bool,
    quoted: bool,
}

impl Undone {
    /// The words of it, such as `html+unicode`.
    pub(crate) fn words(self) -> String {
        [
            (self.unicode, "unicode"),
            (self.escape, "escape"),
            (self.html, "html"),
            (self.percent, "percent"),
            (self.quoted, "quoted-printable"),
        ]
        .iter()
        .filter_map(|&(undone, word)| undone.then_some(word))
        .collect::<Vec<_>>()
        .join("+")
    }

    /// Nothing was.
    fn nothing(self) -> bool {
        !(self.unicode || self.escape || self.html || self.percent || self.quoted)
    }
}

/// Undoes one layer; `None` when there is none.
pub(crate) fn unfold(text: &str) -> Option<(String, Map, Undone)> {
    let quoted = is_quoted(text.as_bytes());
    if text.is_ascii() && !quoted && memchr3(b'\\', b'%', b'&', text.as_bytes()).is_none() {
        return None;
    }
    let mut pass = Pass {
        text,
        quoted,
        undone: Undone::default(),
        builder: Builder::new(text.len(), false),
    };
    pass.run();
    if pass.undone.nothing() {
        return None;
    }
    let (view, map) = pass.builder.finish();
    Some((view, map, pass.undone))
}

/// What stands in the place of the source bytes.
struct Piece {
    ch: char,
    len: usize,
}

struct Pass<'a> {
    text: &'a str,
    quoted: bool,
    undone: Undone,
    builder: Builder,
}

impl Pass<'_> {
    fn run(&mut self) {
        let bytes = self.text.as_bytes();
        let mut copied = 0;
        let mut at = 0;
        while let Some((found, byte)) = next(bytes, at, self.quoted) {
            at = found;
            let piece = match byte {
                b'\\' => self.escape(at),
                b'%' => self.percent(at),
                b'&' => self.entity(at),
                b'=' if self.quoted => self.quoted(at),
                0x80.. => self
                    .text
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .map(|ch| Piece {
                        ch,
                        len: ch.len_utf8(),
                    }),
                _ => None,
            };
            let Some(piece) = piece else {
                at += 1;
                continue;
            };
            let end = at + piece.len;
            let plain = byte >= 0x80 && look(piece.ch) == Look::Keep;
            if !plain {
                self.builder.copy(self.text, copied..at);
                self.write(piece.ch, at..end);
                copied = end;
            }
            at = end;
        }
        self.builder.copy(self.text, copied..bytes.len());
    }

    fn write(&mut self, ch: char, span: Range<usize>) {
        let look = look(ch);
        self.undone.unicode |= look != Look::Keep;
        let mut buffer = [0; 4];
        match look {
            Look::Drop | Look::Keep if ch == '\0' => {}
            Look::Drop => {}
            Look::Keep => self.builder.put(ch.encode_utf8(&mut buffer), span),
            Look::Ascii(byte) => self
                .builder
                .put(char::from(byte).encode_utf8(&mut buffer), span),
            Look::Spell => self.builder.put(&spelled(ch), span),
        }
    }

    /// `\n`, `\"`, `\x41`, `\101`, `\u0041` with its second half, `\u{41}`, `\U00000041`.
    fn escape(&mut self, at: usize) -> Option<Piece> {
        let bytes = self.text.as_bytes();
        let piece = match bytes.get(at + 1)? {
            b'n' | b'r' => Piece { ch: '\n', len: 2 },
            b't' => Piece { ch: '\t', len: 2 },
            &byte @ (b'"' | b'/' | b'\\' | b'\'') => Piece {
                ch: char::from(byte),
                len: 2,
            },
            b'x' => one(hex(bytes, at + 2, 2)?, 4)?,
            b'U' => one(hex(bytes, at + 2, 8)?, 10)?,
            b'u' if bytes.get(at + 2) == Some(&b'{') => {
                let tail = bytes.get(at + 3..bytes.len().min(at + 10))?;
                let digits = tail.iter().position(|&byte| byte == b'}')?;
                one(hex(bytes, at + 3, digits)?, digits + 4)?
            }
            b'u' => {
                let (ch, len) = utf16(bytes, at)?;
                Piece { ch, len }
            }
            b'0'..=b'3' => {
                let digits = bytes.get(at + 1..at + 4)?;
                let value = digits.iter().try_fold(0_u32, |value, &digit| {
                    (b'0'..=b'7')
                        .contains(&digit)
                        .then(|| value * 8 + u32::from(digit - b'0'))
                })?;
                one(value, 4)?
            }
            _ => return None,
        };
        self.undone.escape = true;
        Some(piece)
    }

    /// `%41`, and the several of one character.
    fn percent(&mut self, at: usize) -> Option<Piece> {
        let piece = self.bytewise(at, b'%')?;
        self.undone.percent = true;
        Some(piece)
    }

    /// `=41`, and the line break that is none.
    fn quoted(&mut self, at: usize) -> Option<Piece> {
        let bytes = self.text.as_bytes();
        let soft = match (bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(b'\n'), _) => Some(2),
            (Some(b'\r'), Some(b'\n')) => Some(3),
            _ => None,
        };
        let piece = match soft {
            // A character nobody sees goes away together with the break.
            Some(len) => Piece {
                ch: '\u{200b}',
                len,
            },
            None => self.bytewise(at, b'=')?,
        };
        self.undone.quoted = true;
        Some(piece)
    }

    /// One character spelled as bytes, each `mark` and two hex digits.
    fn bytewise(&self, at: usize, mark: u8) -> Option<Piece> {
        let bytes = self.text.as_bytes();
        let byte = |index: usize| {
            let at = at + 3 * index;
            (bytes.get(at) == Some(&mark))
                .then(|| hex(bytes, at + 1, 2))
                .flatten()
                .and_then(|value| u8::try_from(value).ok())
        };
        let first = byte(0)?;
        let len = match first {
            0x20..0x7F | b'\n' | b'\r' | b'\t' => 1,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return None,
        };
        let mut buffer = [0; 4];
        for (index, slot) in buffer.iter_mut().enumerate().take(len) {
            *slot = byte(index)?;
        }
        let ch = std::str::from_utf8(buffer.get(..len)?)
            .ok()?
            .chars()
            .next()?;
        Some(Piece { ch, len: 3 * len })
    }

    /// `&#65;`, `&#x41;`, `&lt;` and their like.
    fn entity(&mut self, at: usize) -> Option<Piece> {
        let bytes = self.text.as_bytes();
        let window = bytes.get(at + 1..bytes.len().min(at + ENTITY_BYTES))?;
        let body = window
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'#')
            .unwrap_or(window.len());
        let closed = window.get(body) == Some(&b';');
        let name = window.get(..body)?;
        let ch = match name.split_first()? {
            (b'#', digits) => numbered(digits)?,
            _ if closed => named(name)?,
            _ => return None,
        };
        self.undone.html = true;
        Some(Piece {
            ch,
            len: 1 + body + usize::from(closed),
        })
    }
}

/// The next byte that may begin something to undo, and where.
fn next(bytes: &[u8], from: usize, quoted: bool) -> Option<(usize, u8)> {
    const BLOCK: usize = 16;
    // Written without a branch, for many at a time.
    let special = |byte: u8| {
        (byte >= 0x80)
            | (byte == b'\\')
            | (byte == b'%')
            | (byte == b'&')
            | (quoted & (byte == b'='))
    };
    let mut at = from;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(block) = rest.first_chunk::<BLOCK>() else {
            let found = rest.iter().position(|&byte| special(byte))?;
            return rest.get(found).map(|&byte| (at + found, byte));
        };
        if block.iter().fold(false, |any, &byte| any | special(byte)) {
            let found = block.iter().position(|&byte| special(byte))?;
            return block.get(found).map(|&byte| (at + found, byte));
        }
        at += BLOCK;
    }
}

/// What `\u0041` at `at` stands for, with its second half where it has one, and its length.
pub(crate) fn utf16(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let first = hex(bytes, at + 2, 4)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first).map(|ch| (ch, 6));
    }
    let second = bytes
        .get(at + 6..at + 8)
        .filter(|mark| *mark == b"\\u")
        .and_then(|_| hex(bytes, at + 8, 4))
        .filter(|second| (0xDC00..0xE000).contains(second))?;
    let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|ch| (ch, 12))
}

fn one(code: u32, len: usize) -> Option<Piece> {
    char::from_u32(code).map(|ch| Piece { ch, len })
}

fn hex(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    let digits = bytes.get(at..at.checked_add(digits)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0_u32, |value, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(value << 4 | digit)
    })
}

fn numbered(digits: &[u8]) -> Option<char> {
    let code = match digits.split_first()? {
        (b'x' | b'X', rest) => hex(rest, 0, rest.len())?,
        _ => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    char::from_u32(code)
}

/// The names HTML has for ASCII characters and for the alphabets that look like them.
fn named(name: &[u8]) -> Option<char> {
    if let [letter, rest @ ..] = name
        && letter.is_ascii_alphabetic()
        && matches!(rest, b"opf" | b"scr" | b"fr")
    {
        return Some(char::from(*letter));
    }
    Some(match name {
        b"lt" | b"LT" => '<',
        b"gt" | b"GT" => '>',
        b"amp" | b"AMP" => '&',
        b"quot" | b"QUOT" => '"',
        b"apos" => '\'',
        b"nbsp" | b"ensp" | b"emsp" | b"thinsp" => ' ',
        b"Tab" => '\t',
        b"NewLine" => '\n',
        b"excl" => '!',
        b"num" => '#',
        b"dollar" => '$',
        b"percnt" => '%',
        b"lpar" => '(',
        b"rpar" => ')',
        b"ast" | b"midast" => '*',
        b"plus" => '+',
        b"comma" => ',',
        b"period" => '.',
        b"sol" => '/',
        b"colon" => ':',
        b"semi" => ';',
        b"equals" => '=',
        b"quest" => '?',
        b"commat" => '@',
        b"lsqb" | b"lbrack" => '[',
        b"bsol" => '\\',
        b"rsqb" | b"rbrack" => ']',
        b"Hat" => '^',
        b"lowbar" | b"UnderBar" => '_',
        b"grave" => '`',
        b"lcub" | b"lbrace" => '{',
        b"verbar" | b"vert" => '|',
        b"rcub" | b"rbrace" => '}',
        b"shy" | b"zwj" | b"zwnj" | b"ZeroWidthSpace" | b"NoBreak" => '\u{200b}',
        _ => return None,
    })
}

fn is_quoted(bytes: &[u8]) -> bool {
    memchr_iter(b'=', bytes)
        .filter(|&at| {
            hex(bytes, at + 1, 2).is_some() || matches!(bytes.get(at + 1), Some(b'\n' | b'\r'))
        })
        .nth(QUOTED_MIN - 1)
        .is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String) {
        unfold(text).map_or_else(Default::default, |(view, _, undone)| (view, undone.words()))
    }

    #[test]
    fn one_layer_comes_off() {
        for (text, view, undone) in [
            (r"\u0069\x67\156ore", "ignore", "escape"),
            (r"\ud83d\ude00 \u{69} \U00000069", "😀 i i", "escape"),
            ("%69%67n%C3%B6re", "ignore", "unicode+percent"),
            ("&#105;&#x67;n&nbsp;&iscr;", "ign i", "html"),
            ("=69=67=6E=6F=\nre", "ignore", "unicode+quoted-printable"),
            ("&#1110;gnore", "ignore", "unicode+html"),
            ("%2569", "%69", "percent"),
            ("100% & a=20", "", ""),
            (r"C:\%zz \q \ud83d", "", ""),
            ("plain", "", ""),
        ] {
            assert_eq!(read(text), (view.into(), undone.into()), "{text}");
        }
    }
}
