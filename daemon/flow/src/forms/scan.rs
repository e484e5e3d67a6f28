//! Texts to forms, without a form of its own for every word.
//!
//! One buffer holds the form that is being sent. What the bytes of a text are is asked of a table, and only what holds a
//! mark, a joint or a character beyond ASCII is taken apart.

use memchr::{memchr_iter, memchr3};

use super::{Shape, VALUE_BYTES_MAX, account, leads_somewhere, narrow, number};
use crate::date;

/// Longest line that is also remembered piece by piece between its commas, in bytes. LIMIT: prose is not a list.
const LIST_BYTES_MAX: usize = 2048;

/// Shortest word of tainted data that is remembered, in bytes, unless it holds a digit.
const WORD_BYTES_MIN: usize = 4;

/// A space.
const SPACE: u8 = 1;
/// Another white space.
const BLANK: u8 = 1 << 1;
const COLON: u8 = 1 << 2;
const AT: u8 = 1 << 3;
const SLASH: u8 = 1 << 4;
/// Beyond ASCII.
const HIGH: u8 = 1 << 5;
/// At which a word may be taken apart, or which is no part of it at its ends.
const MARK: u8 = 1 << 6;
const DIGIT: u8 = 1 << 7;

/// What each byte is.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0_u8;
    loop {
        #[expect(
            clippy::as_conversions,
            reason = "a const has no `From`, and nothing is lost"
        )]
        let at = byte as usize;
        #[expect(clippy::indexing_slicing, reason = "a byte is less than the length")]
        {
            kinds[at] = match byte {
                b' ' => SPACE,
                9..=13 => BLANK,
                b':' => COLON | MARK,
                b'@' => AT,
                b'/' => SLASH,
                b'0'..=b'9' => DIGIT,
                b'\'' | b'"' | b'`' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>'
                | b',' | b';' | b'!' | b'?' | b'*' | b'=' | b'|' => MARK,
                0x80.. => HIGH,
                _ => 0,
            };
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    kinds
};

fn kind(byte: u8) -> u8 {
    KINDS.get(usize::from(byte)).copied().unwrap_or(HIGH)
}

/// Everything the bytes of `text` are.
fn kinds(text: &str) -> u8 {
    text.bytes().fold(0, |kinds, byte| kinds | kind(byte))
}

/// Calls `emit` with the narrow form of everything in `text` that could be a value of its own.
pub(crate) fn extract(text: &str, emit: &mut dyn FnMut(&str, Shape)) {
    let mut sender = Sender {
        emit,
        form: String::new(),
        last: "",
        kinds: 0,
        leads: false,
    };
    sender.send(text.trim(), Shape::Whole);
    let mut digits = false;
    for line in text.lines() {
        let kinds = kinds(line);
        digits |= kinds & DIGIT != 0;
        phrases(line.trim(), kinds, &mut sender);
        quoted(line, kinds, &mut sender);
        each_word(line, kinds, |word| words(word, &mut sender));
    }
    // Days, amounts and accounts all hold a digit.
    if digits {
        for line in text.lines() {
            let kinds = kinds(line);
            if kinds & DIGIT != 0 {
                measures(line, kinds, emit);
            }
        }
    }
}

/// Calls `each` with every word of a line.
fn each_word<'a>(line: &'a str, kinds: u8, mut each: impl FnMut(&'a str)) {
    if kinds & HIGH != 0 {
        line.split_whitespace().for_each(each);
        return;
    }
    let white = |byte: u8| kind(byte) & (SPACE | BLANK) != 0;
    let mut start = 0;
    for (at, byte) in line.bytes().enumerate() {
        if white(byte) {
            if start < at {
                each(line.get(start..at).unwrap_or_default());
            }
            start = at + 1;
        }
    }
    if start < line.len() {
        each(line.get(start..).unwrap_or_default());
    }
}

/// Sends forms, all of them written into one buffer.
struct Sender<'a, 'e> {
    emit: &'e mut dyn FnMut(&str, Shape),
    form: String,
    /// Of what the buffer holds the form: a line of one word is sent three times.
    last: &'a str,
    /// What its bytes are.
    kinds: u8,
    /// Whether that form is in one piece and leads somewhere.
    leads: bool,
}

impl<'a> Sender<'a, '_> {
    fn send(&mut self, text: &'a str, shape: Shape) {
        if text.is_empty() || text.len() > VALUE_BYTES_MAX {
            return;
        }
        let again =
            text.len() == self.last.len() && std::ptr::eq(text.as_ptr(), self.last.as_ptr());
        if !again {
            self.kinds = kinds(text);
            self.write(text, self.kinds);
            self.last = text;
        }
        let shape = if self.leads && shape != Shape::Whole {
            Shape::Address
        } else {
            shape
        };
        (self.emit)(&self.form, shape);
    }

    /// Writes the form of `text`.
    fn write(&mut self, text: &str, kinds: u8) {
        self.form.clear();
        let link = kinds & (COLON | SLASH) == COLON | SLASH && text.contains("://");
        if kinds & HIGH != 0 || link {
            self.form.push_str(&narrow(text));
            self.leads = !self.form.contains(' ') && leads_somewhere(&self.form);
            return;
        }
        if kinds & (SPACE | BLANK) == 0 {
            self.form.push_str(text);
        } else {
            each_word(text, kinds, |word| {
                if !self.form.is_empty() {
                    self.form.push(' ');
                }
                self.form.push_str(word);
            });
        }
        self.form.make_ascii_lowercase();
        // Without one of these only the beginning of a site can lead anywhere.
        let may = kinds & (COLON | SLASH | AT) != 0 || self.form.starts_with("www.");
        self.leads = may && !self.form.contains(' ') && leads_somewhere(&self.form);
    }
}

/// A word without the punctuation around it.
fn bare(word: &str) -> &str {
    let edge = |byte: Option<&u8>| {
        byte.is_some_and(|&byte| byte == b'.' || kind(byte) & (MARK | HIGH) != 0)
    };
    let bytes = word.as_bytes();
    if !edge(bytes.first()) && !edge(bytes.last()) {
        return word;
    }
    let around = |c: char| {
        matches!(
            c,
            '\'' | '"'
                | '`'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | ','
                | ';'
                | ':'
                | '!'
                | '?'
                | '*'
                | '“'
                | '”'
                | '‘'
                | '’'
                | '«'
                | '»'
        )
    };
    word.trim_matches(around)
        .trim_end_matches('.')
        .trim_matches(around)
}

fn phrases<'a>(line: &'a str, kinds: u8, sender: &mut Sender<'a, '_>) {
    sender.send(line, Shape::Phrase);
    if kinds & COLON != 0
        && let Some((_, rest)) = line.split_once(": ")
    {
        sender.send(rest.trim(), Shape::Phrase);
    }
    if kinds & MARK != 0
        && line.len() <= LIST_BYTES_MAX
        && memchr3(b',', b';', b'|', line.as_bytes()).is_some()
    {
        for item in line.split([',', ';', '|']) {
            sender.send(bare(item.trim()), Shape::Phrase);
        }
    }
}

/// What stands between two equal quotation marks; the marks must not stand inside a word.
fn quoted<'a>(line: &'a str, kinds: u8, sender: &mut Sender<'a, '_>) {
    let bytes = line.as_bytes();
    if kinds & MARK != 0 && memchr3(b'\'', b'"', b'`', bytes).is_some() {
        for mark in [b'\'', b'"', b'`'] {
            let mut start = None;
            for at in memchr_iter(mark, bytes) {
                let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                if let Some(from) = start {
                    if !inside(line.get(at + 1..).and_then(|rest| rest.chars().next())) {
                        let said = line.get(from..at).unwrap_or_default();
                        sender.send(said.trim(), Shape::Phrase);
                        start = None;
                    }
                } else if !inside(line.get(..at).and_then(|rest| rest.chars().next_back())) {
                    start = Some(at + 1);
                }
            }
        }
    }
    if kinds & HIGH != 0 {
        typeset(line, sender);
    }
}

/// The same between the marks of print.
fn typeset<'a>(line: &'a str, sender: &mut Sender<'a, '_>) {
    for (open, close) in [('“', '”'), ('‘', '’'), ('«', '»')] {
        if !line.contains(open) {
            continue;
        }
        let mut start = None;
        let mut before = ' ';
        let mut chars = line.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let after = chars.peek().map_or(' ', |(_, c)| *c);
            if let Some(from) = start {
                if c == close && !after.is_alphanumeric() {
                    let said = line.get(from..at).unwrap_or_default();
                    sender.send(said.trim(), Shape::Phrase);
                    start = None;
                }
            } else if c == open && !before.is_alphanumeric() {
                start = Some(at + c.len_utf8());
            }
            before = c;
        }
    }
}

fn worth(word: &str) -> bool {
    word.len() >= WORD_BYTES_MIN || word.bytes().any(|byte| byte.is_ascii_digit())
}

fn words<'a>(word: &'a str, sender: &mut Sender<'a, '_>) {
    let word = bare(word);
    if !worth(word) {
        return;
    }
    sender.send(word, Shape::Word);
    // A longer one was not sent, and is taken apart whatever it is.
    let plain = word.len() <= VALUE_BYTES_MAX && sender.kinds & (MARK | HIGH) == 0;
    if plain && !word.ends_with('.') {
        return;
    }
    // `mailto:a@b.example`, `to=a@b.example`, `[here](https://a.example)`: what is glued on is not part of the value.
    for piece in word
        .split(['<', '>', '(', ')', '[', ']', '{', '}', '"', '\'', '|'])
        .map(bare)
    {
        if let Some(at) = piece.find("://") {
            link(piece, at, sender);
        } else {
            let smaller = piece.split(['=', ',', ';']).map(bare);
            for piece in smaller
                .chain([piece])
                .filter(|piece| *piece != word && worth(piece))
            {
                sender.send(piece, Shape::Word);
            }
            if let Some((_, rest)) = piece.split_once(':') {
                sender.send(bare(rest), Shape::Word);
            }
        }
    }
}

/// The link whose `://` stands at `at`, and its site.
fn link<'a>(piece: &'a str, at: usize, sender: &mut Sender<'a, '_>) {
    let head = piece.get(..at).unwrap_or_default();
    let scheme = head
        .rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
        .map_or(0, |at| at + 1);
    sender.send(piece.get(scheme..).unwrap_or_default(), Shape::Word);
    let rest = piece.get(at + 3..).unwrap_or_default();
    sender.send(
        rest.split(['/', '?', '#']).next().unwrap_or_default(),
        Shape::Word,
    );
}

/// Days, amounts, accounts and telephone numbers of a line.
fn measures(line: &str, kinds: u8, emit: &mut dyn FnMut(&str, Shape)) {
    date::days(line, &mut |day| emit(day, Shape::Measure));
    let mut group = String::new();
    let mut amounts: Vec<String> = Vec::new();
    each_word(line, kinds, |word| {
        let word = bare(word);
        let digit = word.bytes().any(|byte| byte.is_ascii_digit());
        if digit {
            amounts.extend(number(word));
        }
        // An account is written in groups of letters and digits; prose breaks it off.
        let part = word.len() <= 34 && digit && !word.contains(':')
            || matches!(word.len(), 4) && word.bytes().all(|byte| byte.is_ascii_uppercase());
        if !part {
            flush(&mut group, emit);
        } else if let Some(alone) = account(word) {
            flush(&mut group, emit);
            group.push_str(&alone.replace("a:", ""));
            flush(&mut group, emit);
        } else {
            group.push_str(word);
            group.push(' ');
        }
    });
    flush(&mut group, emit);
    for amount in amounts {
        emit(&amount, Shape::Measure);
    }
}

fn flush(group: &mut String, emit: &mut dyn FnMut(&str, Shape)) {
    if group.is_empty() {
        return;
    }
    if let Some(account) = account(group) {
        emit(&account, Shape::Address);
    }
    group.clear();
}
