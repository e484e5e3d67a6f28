//! Words: quote removal and everything a shell expands inside them.

use super::{Parser, brace};
use crate::command::Word;

/// How a word is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// An argument: expansions are split at blanks, braces expand.
    Plain,
    /// A place that takes exactly one word: no splitting, no braces.
    Single,
    /// The value of an assignment.
    Assign,
    /// The delimiter of a here-document: quotes are removed, nothing expands.
    Delimiter,
}

/// A word being put together.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) text: String,
    pub(super) quoted: bool,
    pub(super) glob: bool,
    pub(super) tilde: bool,
    pub(super) process: bool,
    /// Where the first part of unknown value stood.
    pub(super) hole: Option<usize>,
    /// Unquoted braces and commas: their place and kind.
    pub(super) marks: Vec<(usize, u8)>,
    bracket: bool,
    at: usize,
}

impl Builder {
    pub(super) fn new(at: usize) -> Self {
        Self {
            text: String::new(),
            quoted: false,
            glob: false,
            tilde: false,
            process: false,
            hole: None,
            marks: Vec::new(),
            bracket: false,
            at,
        }
    }

    pub(super) fn hole(&mut self) {
        if self.hole.is_none() {
            self.hole = Some(self.text.len());
        }
    }

    fn is_word(&self) -> bool {
        self.quoted || !self.text.is_empty() || self.hole.is_some()
    }

    pub(super) fn into_word(self) -> Word {
        Word {
            static_bytes: self.hole.unwrap_or(self.text.len()),
            text: self.text,
            opaque: self.hole.is_some(),
            quoted: self.quoted,
            glob: self.glob,
            tilde: self.tilde,
            process: self.process,
            at: self.at,
        }
    }
}

/// Bytes that mean something outside quotes.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b" \t\r\n;&|<>()\\'\"$`*?[]{},~";
    let mut index = 0;
    while index < bytes.len() {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
};

fn is_special(byte: u8) -> bool {
    SPECIAL.get(usize::from(byte)).copied().unwrap_or(true)
}

impl Parser<'_, '_, '_> {
    /// Reads a word here and adds what it expands to. Adds nothing, and stays, when no word stands here.
    pub(super) fn word(&mut self, out: &mut Vec<Word>, mode: Mode) {
        let at = self.here();
        let start = self.pos;
        let run = self.run_length();
        let end = start + run;
        let simple_end = match self.bytes.get(end) {
            None => true,
            Some(byte) => matches!(byte, b' ' | b'\t' | b'\n' | b';' | b')' | b'|'),
        };
        if run > 0 && simple_end {
            self.pos = end;
            out.push(Word::fixed(self.slice(start, end), at));
            return;
        }
        let mut builder = Builder::new(at);
        self.word_parts(&mut builder, out, mode);
        self.finish_word(builder, out, mode);
    }

    fn run_length(&self) -> usize {
        if self.engine.halted {
            return 0;
        }
        let rest = self.bytes.get(self.pos..).unwrap_or(&[]);
        rest.iter()
            .position(|b| is_special(*b))
            .unwrap_or(rest.len())
    }

    fn finish_word(&mut self, builder: Builder, out: &mut Vec<Word>, mode: Mode) {
        if !builder.is_word() {
            return;
        }
        if mode == Mode::Plain && builder.marks.len() > 1 {
            let at = builder.at;
            let quoted = builder.quoted;
            let glob = builder.glob;
            let opaque = builder.hole.is_some();
            if let Some(words) = brace::expand(&builder.text, &builder.marks) {
                let size: usize = words.iter().map(|w| w.len() + 64).sum();
                if self.engine.work(size, at) {
                    out.extend(words.into_iter().map(|text| {
                        let tilde = text.starts_with('~') && !quoted;
                        let mut word = Word {
                            quoted,
                            glob,
                            tilde,
                            ..Word::fixed(text, at)
                        };
                        if opaque {
                            word.opaque = true;
                            word.static_bytes = 0;
                        }
                        word
                    }));
                }
                return;
            }
            if brace::too_many(&builder.text, &builder.marks) {
                let mut word = builder.into_word();
                word.opaque = true;
                word.static_bytes = 0;
                word.text.clear();
                out.push(word);
                return;
            }
        }
        out.push(builder.into_word());
    }

    fn word_parts(&mut self, builder: &mut Builder, out: &mut Vec<Word>, mode: Mode) {
        let mut groups = 0_usize;
        loop {
            let run = self.run_length();
            if run > 0 {
                builder.text.push_str(self.slice(self.pos, self.pos + run));
                self.pos += run;
            }
            let Some(byte) = self.peek() else { return };
            match byte {
                b'\\' => self.escape(builder),
                b'\'' => self.single_quoted(builder),
                b'"' => {
                    self.pos += 1;
                    builder.quoted = true;
                    if mode == Mode::Delimiter {
                        self.delimiter_quote(builder);
                    } else {
                        self.double_quoted(builder, Some(b'"'));
                    }
                }
                b'$' | b'`' if mode == Mode::Delimiter => self.push_byte(builder, byte),
                b'$' => self.dollar(builder, Some((out, mode))),
                b'`' => self.backtick(builder, false),
                b'<' | b'>' if self.peek_at(1) == Some(b'(') && mode != Mode::Delimiter => {
                    self.process(builder, byte == b'>');
                }
                b'(' if self.is_extended_glob() => {
                    groups += 1;
                    builder.glob = true;
                    self.push_byte(builder, byte);
                }
                b')' if groups > 0 => {
                    groups -= 1;
                    self.push_byte(builder, byte);
                }
                b'|' | b' ' | b'(' if groups > 0 => self.push_byte(builder, byte),
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => return,
                b'\r' if matches!(self.peek_at(1), Some(b'\n') | None) => return,
                b'*' | b'?' => {
                    builder.glob = true;
                    self.push_byte(builder, byte);
                }
                b'[' | b']' => {
                    builder.glob |= byte == b']' && builder.bracket;
                    builder.bracket |= byte == b'[';
                    self.push_byte(builder, byte);
                }
                b'{' | b'}' | b',' => {
                    if mode == Mode::Plain && (byte == b'{' || !builder.marks.is_empty()) {
                        builder.marks.push((builder.text.len(), byte));
                    }
                    self.push_byte(builder, byte);
                }
                b'~' => {
                    let start =
                        builder.text.is_empty() && !builder.quoted && builder.hole.is_none();
                    builder.tilde |= start && mode != Mode::Delimiter;
                    self.push_byte(builder, byte);
                }
                _ => self.push_byte(builder, byte),
            }
        }
    }

    /// An ASCII byte taken as it is.
    fn push_byte(&mut self, builder: &mut Builder, byte: u8) {
        builder.text.push(char::from(byte));
        self.pos += 1;
    }

    /// `@(`, `!(`, `+(`, `?(`, `*(` inside a word.
    fn is_extended_glob(&self) -> bool {
        let before = self.pos.checked_sub(1).and_then(|i| self.bytes.get(i));
        matches!(before, Some(b'@' | b'!' | b'+' | b'?' | b'*'))
    }

    /// Ends the word and starts the next one, as an unquoted blank in a value does.
    pub(super) fn split(&mut self, builder: &mut Builder, out: &mut Vec<Word>) {
        let next = Builder::new(builder.at);
        let done = std::mem::replace(builder, next);
        if done.is_word() {
            self.finish_word(done, out, Mode::Plain);
        }
    }

    fn escape(&mut self, builder: &mut Builder) {
        self.pos += 1;
        match self.peek() {
            None => builder.text.push('\\'),
            Some(b'\n') => self.pos += 1,
            Some(b'\r') if self.peek_at(1) == Some(b'\n') => self.pos += 2,
            Some(_) => {
                builder.quoted = true;
                self.push_char(builder);
            }
        }
    }

    /// The character here, whatever it means elsewhere.
    pub(super) fn push_char(&mut self, builder: &mut Builder) {
        if let Some(c) = self
            .text
            .get(self.pos..)
            .and_then(|rest| rest.chars().next())
        {
            builder.text.push(c);
            self.pos += c.len_utf8();
        } else {
            self.pos += 1;
        }
    }

    fn single_quoted(&mut self, builder: &mut Builder) {
        builder.quoted = true;
        let rest = self.bytes.get(self.pos + 1..).unwrap_or(&[]);
        let length = rest.iter().position(|b| *b == b'\'').unwrap_or_else(|| {
            self.syntax();
            rest.len()
        });
        builder
            .text
            .push_str(self.slice(self.pos + 1, self.pos + 1 + length));
        self.pos = (self.pos + length + 2).min(self.bytes.len());
    }

    /// The rest of `"EOF"` as a delimiter.
    fn delimiter_quote(&mut self, builder: &mut Builder) {
        let rest = self.bytes.get(self.pos..).unwrap_or(&[]);
        let length = rest.iter().position(|b| *b == b'"').unwrap_or_else(|| {
            self.syntax();
            rest.len()
        });
        builder
            .text
            .push_str(self.slice(self.pos, self.pos + length));
        self.pos = (self.pos + length + 1).min(self.bytes.len());
    }

    /// Text in double quotes up to `close`, or a here-document's body up to the end.
    pub(super) fn double_quoted(&mut self, builder: &mut Builder, close: Option<u8>) {
        loop {
            let start = self.pos;
            let rest = self.bytes.get(start..).unwrap_or(&[]);
            let run = rest
                .iter()
                .position(|b| matches!(b, b'\\' | b'$' | b'`' | b'"'))
                .unwrap_or(rest.len());
            builder.text.push_str(self.slice(start, start + run));
            self.pos = start + run;
            match self.peek() {
                None => {
                    if close.is_some() && !self.engine.halted {
                        self.syntax();
                    }
                    return;
                }
                Some(b'"') => {
                    if close == Some(b'"') {
                        self.pos += 1;
                        return;
                    }
                    self.push_byte(builder, b'"');
                }
                Some(b'\\') => match self.peek_at(1) {
                    Some(b'\n') => self.pos += 2,
                    Some(byte @ (b'$' | b'`' | b'\\')) => {
                        self.pos += 1;
                        self.push_byte(builder, byte);
                    }
                    Some(b'"') if close.is_some() => {
                        self.pos += 1;
                        self.push_byte(builder, b'"');
                    }
                    _ => self.push_byte(builder, b'\\'),
                },
                Some(b'$') => self.dollar(builder, None),
                Some(_) => self.backtick(builder, true),
            }
        }
    }
}
