//! Canonical bytes to records, strictly.
//!
//! One pass over the bytes, driven by the table of fields in their canonical order. Whatever
//! [`crate::encode`] would not have written is an error with its byte offset, so that every record has
//! exactly one spelling.

use std::fmt;

use fak_types::Digest;

use crate::{
    encode::must_escape,
    record::{Draft, NUMBER_MAX, Record, RecordKind, TEXT_BYTES_MAX},
};

/// Why bytes are not the body of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The byte where reading stopped.
    pub at: usize,
    /// What is wrong there.
    pub problem: DecodeProblem,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeProblem {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// Something else than what is named was found.
    Expected(&'static str),
    /// A key no record has.
    UnknownKey,
    /// A key that stands before a smaller one.
    KeyOrder,
    /// A key for the second time.
    DuplicateKey,
    /// A record without this key.
    MissingKey(&'static str),
    /// A number that is spelled otherwise than in the shortest way.
    NumberForm,
    /// A number beyond what its field holds.
    NumberRange,
    /// Text that is spelled otherwise than in the canonical way.
    TextForm,
    /// Text beyond [`TEXT_BYTES_MAX`].
    TextLength,
    /// An empty field, which should be absent.
    Empty,
    /// A kind this build does not know.
    UnknownKind,
    /// Not `sha256:` and 64 lower-case hexadecimal digits.
    DigestForm,
    /// Bytes after the record.
    Trailing,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.at)?;
        match self.problem {
            DecodeProblem::NotUtf8 => f.write_str("not UTF-8"),
            DecodeProblem::Expected(what) => write!(f, "expected {what}"),
            DecodeProblem::UnknownKey => f.write_str("a key no record has"),
            DecodeProblem::KeyOrder => f.write_str("a key out of order"),
            DecodeProblem::DuplicateKey => f.write_str("a key for the second time"),
            DecodeProblem::MissingKey(key) => write!(f, "the key `{key}` is missing"),
            DecodeProblem::NumberForm => f.write_str("a number in a form other than its shortest"),
            DecodeProblem::NumberRange => f.write_str("a number too large for its field"),
            DecodeProblem::TextForm => f.write_str("text in a form other than the canonical one"),
            DecodeProblem::TextLength => write!(f, "text longer than {TEXT_BYTES_MAX} bytes"),
            DecodeProblem::Empty => f.write_str("an empty field, which should be absent"),
            DecodeProblem::UnknownKind => {
                f.write_str("a kind of record this version does not know")
            }
            DecodeProblem::DigestForm => {
                f.write_str("a digest that is not `sha256:` and 64 lower-case hexadecimal digits")
            }
            DecodeProblem::Trailing => f.write_str("bytes after the record"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads the body of a record.
///
/// Guarantees that [`crate::encode`] of the result yields `body` again.
///
/// # Errors
/// [`DecodeError`] when the bytes are anything but the canonical form of a record.
pub fn decode(body: &[u8]) -> Result<Record, DecodeError> {
    let mut draft = Draft::new(RecordKind::Gap, 0);
    let seq = walk(body, |field, value| store(&mut draft, field, value))?;
    Ok(Record { seq, draft })
}

/// Whether [`decode`] would accept `body`, without building the record; yields its sequence number.
///
/// # Errors
/// As [`decode`].
pub fn check(body: &[u8]) -> Result<u64, DecodeError> {
    walk(body, |_, _| ())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    ArgsBytes,
    ArgsDigest,
    By,
    Call,
    Count,
    Disposition,
    Generation,
    Kind,
    Note,
    Pid,
    Policy,
    Profile,
    Reason,
    ResultBytes,
    ResultDigest,
    Root,
    Seq,
    Subject,
    Taint,
    TookUs,
    Tool,
    Trace,
    TsUs,
    UntilUs,
    Verdict,
    Who,
    WouldDeny,
}

#[derive(Clone, Copy)]
enum Shape {
    /// A whole number up to this value; zero is spelled by absence.
    Number(u64),
    /// A whole number that is always there.
    NumberAlways,
    Text,
    Digest,
    Kind,
}

struct Spec {
    key: &'static str,
    field: Field,
    shape: Shape,
}

const fn spec(key: &'static str, field: Field, shape: Shape) -> Spec {
    Spec { key, field, shape }
}

/// The longest key.
pub(crate) const KEY_BYTES_MAX: usize = 13;

/// INVARIANT: ascending by key, complete.
const FIELDS: [Spec; 27] = [
    spec("args_bytes", Field::ArgsBytes, Shape::Number(NUMBER_MAX)),
    spec("args_digest", Field::ArgsDigest, Shape::Digest),
    spec("by", Field::By, Shape::Text),
    spec("call", Field::Call, Shape::Text),
    spec("count", Field::Count, Shape::Number(NUMBER_MAX)),
    spec("disposition", Field::Disposition, Shape::Text),
    spec("generation", Field::Generation, Shape::Number(NUMBER_MAX)),
    spec("kind", Field::Kind, Shape::Kind),
    spec("note", Field::Note, Shape::Text),
    spec("pid", Field::Pid, Shape::Number(u32::MAX as u64)),
    spec("policy", Field::Policy, Shape::Digest),
    spec("profile", Field::Profile, Shape::Text),
    spec("reason", Field::Reason, Shape::Text),
    spec(
        "result_bytes",
        Field::ResultBytes,
        Shape::Number(NUMBER_MAX),
    ),
    spec("result_digest", Field::ResultDigest, Shape::Digest),
    spec("root", Field::Root, Shape::Digest),
    spec("seq", Field::Seq, Shape::NumberAlways),
    spec("subject", Field::Subject, Shape::Text),
    spec("taint", Field::Taint, Shape::Text),
    spec("took_us", Field::TookUs, Shape::Number(NUMBER_MAX)),
    spec("tool", Field::Tool, Shape::Text),
    spec("trace", Field::Trace, Shape::Text),
    spec("ts_us", Field::TsUs, Shape::NumberAlways),
    spec("until_us", Field::UntilUs, Shape::Number(NUMBER_MAX)),
    spec("verdict", Field::Verdict, Shape::Text),
    spec("who", Field::Who, Shape::Text),
    spec("would_deny", Field::WouldDeny, Shape::Text),
];

/// The keys, in canonical order; what the format page and its tests are held against.
#[cfg(test)]
pub(crate) fn keys() -> Vec<&'static str> {
    FIELDS.iter().map(|spec| spec.key).collect()
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Text(Text<'a>),
    Digest(Digest),
    Kind(RecordKind),
}

/// Canonical text between its quotes.
#[derive(Clone, Copy)]
struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl Text<'_> {
    fn unescape(self) -> String {
        if !self.escaped {
            return self.raw.to_owned();
        }
        let mut text = String::with_capacity(self.raw.len());
        let mut chars = self.raw.chars();
        while let Some(char) = chars.next() {
            text.push(if char == '\\' {
                unescape_one(&mut chars)
            } else {
                char
            });
        }
        text
    }
}

/// The character an escape stands for; its form was checked when the text was read.
fn unescape_one(chars: &mut std::str::Chars<'_>) -> char {
    match chars.next() {
        Some('b') => '\u{8}',
        Some('t') => '\t',
        Some('n') => '\n',
        Some('f') => '\u{c}',
        Some('r') => '\r',
        Some('u') => {
            let code = chars
                .by_ref()
                .take(4)
                .fold(0, |code, digit| code << 4 | digit.to_digit(16).unwrap_or(0));
            char::from_u32(code).unwrap_or_default()
        }
        other => other.unwrap_or_default(),
    }
}

fn store(draft: &mut Draft, field: Field, value: Value<'_>) {
    match value {
        Value::Kind(kind) => draft.kind = kind,
        Value::Number(number) => store_number(draft, field, number),
        Value::Digest(digest) => match field {
            Field::ArgsDigest => draft.args_digest = Some(digest),
            Field::ResultDigest => draft.result_digest = Some(digest),
            Field::Root => draft.root = Some(digest),
            _ => draft.policy = Some(digest),
        },
        Value::Text(text) => {
            if let Some(slot) = text_slot(draft, field) {
                *slot = text.unescape();
            }
        }
    }
}

fn store_number(draft: &mut Draft, field: Field, number: u64) {
    match field {
        Field::ArgsBytes => draft.args_bytes = number,
        Field::Count => draft.count = number,
        Field::Generation => draft.generation = number,
        Field::ResultBytes => draft.result_bytes = number,
        Field::Pid => draft.pid = u32::try_from(number).unwrap_or(u32::MAX),
        Field::TookUs => draft.took_us = number,
        Field::TsUs => draft.ts_us = number,
        Field::UntilUs => draft.until_us = number,
        _ => {}
    }
}

fn text_slot(draft: &mut Draft, field: Field) -> Option<&mut String> {
    Some(match field {
        Field::By => &mut draft.by,
        Field::Call => &mut draft.call,
        Field::Disposition => &mut draft.disposition,
        Field::Note => &mut draft.note,
        Field::Profile => &mut draft.profile,
        Field::Reason => &mut draft.reason,
        Field::Subject => &mut draft.subject,
        Field::Taint => &mut draft.taint,
        Field::Tool => &mut draft.tool,
        Field::Trace => &mut draft.trace,
        Field::Verdict => &mut draft.verdict,
        Field::Who => &mut draft.who,
        Field::WouldDeny => &mut draft.would_deny,
        _ => return None,
    })
}

fn walk<'a>(body: &'a [u8], mut sink: impl FnMut(Field, Value<'a>)) -> Result<u64, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|error| DecodeError {
        at: error.valid_up_to(),
        problem: DecodeProblem::NotUtf8,
    })?;
    let mut scan = Scan { text, at: 0 };
    let (mut next, mut seen, mut seq) = (0, 0_u32, 0);
    scan.byte(b'{', "`{`")?;
    loop {
        let index = scan.key(next, seen)?;
        (next, seen) = (index + 1, seen | 1 << index);
        let Some(spec) = FIELDS.get(index) else {
            return scan.fail(DecodeProblem::UnknownKey);
        };
        let value = scan.value(spec.shape)?;
        if let (Field::Seq, Value::Number(number)) = (spec.field, value) {
            seq = number;
        }
        sink(spec.field, value);
        match scan.peek() {
            Some(b',') => scan.at += 1,
            Some(b'}') => break,
            _ => return scan.fail(DecodeProblem::Expected("`,` or `}`")),
        }
    }
    for (index, spec) in FIELDS.iter().enumerate() {
        if matches!(spec.shape, Shape::Kind | Shape::NumberAlways) && seen & 1 << index == 0 {
            return scan.fail(DecodeProblem::MissingKey(spec.key));
        }
    }
    scan.at += 1;
    if scan.peek().is_some() {
        return scan.fail(DecodeProblem::Trailing);
    }
    Ok(seq)
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn fail<T>(&self, problem: DecodeProblem) -> Result<T, DecodeError> {
        Err(DecodeError {
            at: self.at,
            problem,
        })
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn byte(&mut self, wanted: u8, name: &'static str) -> Result<(), DecodeError> {
        if self.peek() != Some(wanted) {
            return self.fail(DecodeProblem::Expected(name));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads `"key":` and yields the field's index, which must not be below `next`.
    fn key(&mut self, next: usize, seen: u32) -> Result<usize, DecodeError> {
        self.byte(b'"', "a key")?;
        let near = self
            .rest()
            .get(..KEY_BYTES_MAX + 2)
            .unwrap_or_else(|| self.rest());
        let length = near.iter().position(|&byte| byte == b'"').unwrap_or(0);
        let (key, after) = near.split_at(length);
        let among = |specs: &[Spec]| specs.iter().position(|spec| spec.key.as_bytes() == key);
        let (before, ahead) = FIELDS.split_at(next.min(FIELDS.len()));
        match among(ahead) {
            Some(_) if !after.starts_with(b"\":") => {
                self.at += length;
                self.fail(DecodeProblem::Expected("`\":`"))
            }
            Some(index) => {
                self.at += length + 2;
                Ok(next + index)
            }
            None => match among(before) {
                Some(index) if seen & 1 << index != 0 => self.fail(DecodeProblem::DuplicateKey),
                Some(_) => self.fail(DecodeProblem::KeyOrder),
                None => self.fail(DecodeProblem::UnknownKey),
            },
        }
    }

    fn value(&mut self, shape: Shape) -> Result<Value<'a>, DecodeError> {
        let start = self.at;
        let fail = |problem| Err(DecodeError { at: start, problem });
        match shape {
            Shape::NumberAlways => Ok(Value::Number(self.number(NUMBER_MAX)?)),
            Shape::Number(max) => match self.number(max)? {
                0 => fail(DecodeProblem::Empty),
                number => Ok(Value::Number(number)),
            },
            Shape::Text => Ok(Value::Text(self.string()?)),
            Shape::Digest => match self.digest() {
                Some(digest) => Ok(Value::Digest(digest)),
                // Not a digest; what it is instead decides where the fault is.
                None => self.string().and_then(|_| fail(DecodeProblem::DigestForm)),
            },
            Shape::Kind => match RecordKind::parse(self.string()?.raw) {
                Some(kind) => Ok(Value::Kind(kind)),
                None => fail(DecodeProblem::UnknownKind),
            },
        }
    }

    fn number(&mut self, max: u64) -> Result<u64, DecodeError> {
        let digits = self
            .rest()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let text = self.rest().get(..digits).unwrap_or_default();
        match text {
            [] => return self.fail(DecodeProblem::Expected("a whole number")),
            [b'0', _, ..] => return self.fail(DecodeProblem::NumberForm),
            _ => {}
        }
        // No number within range has more than 16 digits, so the sum below cannot overflow.
        let number = text
            .iter()
            .take(17)
            .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        if digits > 16 || number > max {
            return self.fail(DecodeProblem::NumberRange);
        }
        self.at += digits;
        Ok(number)
    }

    /// Reads `"sha256:<64 digits>"`; reads nothing when something else is there.
    fn digest(&mut self) -> Option<Digest> {
        let (hex, after) = self
            .rest()
            .strip_prefix(b"\"sha256:")?
            .split_first_chunk::<64>()?;
        let mut bytes = [0; 32];
        let mut invalid = 0;
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            if let [high, low] = *pair {
                let (high, low) = (nibble(high), nibble(low));
                invalid |= high | low;
                *byte = high << 4 | low & 15;
            }
        }
        if invalid > 15 || !after.starts_with(b"\"") {
            return None;
        }
        self.at += 73;
        Some(Digest(bytes))
    }

    /// Reads `"text"`, which must be canonical, bounded and not empty.
    fn string(&mut self) -> Result<Text<'a>, DecodeError> {
        self.byte(b'"', "text")?;
        let start = self.at;
        let (mut length, mut escaped) = (0, false);
        loop {
            let rest = self.rest();
            let Some(plain) = rest.iter().position(|&byte| must_escape(byte)) else {
                self.at = self.text.len();
                return self.fail(DecodeProblem::Expected("the end of the text"));
            };
            self.at += plain;
            length += plain;
            match rest.get(plain..).unwrap_or_default() {
                [b'"', ..] => break,
                [b'\\', after @ ..] => {
                    self.at += escape_length(after)
                        .map_or_else(|| self.fail(DecodeProblem::TextForm), Ok)?
                }
                _ => return self.fail(DecodeProblem::TextForm),
            }
            length += 1;
            escaped = true;
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        if length > TEXT_BYTES_MAX {
            self.at = start;
            return self.fail(DecodeProblem::TextLength);
        }
        if raw.is_empty() {
            return self.fail(DecodeProblem::Empty);
        }
        self.at += 1;
        Ok(Text { raw, escaped })
    }
}

/// The value of a lower-case hexadecimal digit; above 15 for anything else.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0xff,
    }
}

/// The bytes of the escape that goes on with `after`, backslash included; `None` when the character has
/// another canonical spelling.
fn escape_length(after: &[u8]) -> Option<usize> {
    match *after {
        [b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => Some(2),
        [b'u', b'0', b'0', b'0', b'8' | b'9' | b'a' | b'c' | b'd', ..] => None,
        [b'u', b'0', b'0', b'0' | b'1', b'0'..=b'9' | b'a'..=b'f', ..] => Some(6),
        _ => None,
    }
}
