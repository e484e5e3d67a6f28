//! A strict JSON reader that keeps places.
//!
//! Recursive descent, bounded by [`DEPTH_MAX`] and [`VALUES_MAX`]. It accepts RFC 8259 and nothing else:
//! no comments, no trailing commas, no single quotes, no byte order mark. Every refusal names what stands
//! there, because the person reading it usually wrote YAML or JavaScript by habit.

use super::{
    DEPTH_MAX, Member, Node, Place, Seen, VALUES_MAX, Value, add_member, fault, is_json_number,
};
use crate::diagnostic::Diagnostic;

/// Reads the one value of a JSON text.
pub(super) fn read(text: &str, problems: &mut Vec<Diagnostic>) -> Result<Node, Diagnostic> {
    let mut reader = Reader {
        text,
        at: 0,
        place: Place { line: 1, column: 1 },
        values: 0,
        problems,
    };
    reader.blanks();
    let node = reader.value(0)?;
    reader.blanks();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.unexpected("the end of the file")),
    }
}

struct Reader<'t, 'p> {
    text: &'t str,
    at: usize,
    place: Place,
    values: usize,
    problems: &'p mut Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<char> {
        self.text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        if next == '\n' {
            self.place.line = self.place.line.saturating_add(1);
            self.place.column = 1;
        } else {
            self.place.column = self.place.column.saturating_add(1);
        }
        Some(next)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.bump();
        }
    }

    /// The fault of finding something else than `wanted` here.
    fn unexpected(&self, wanted: &str) -> Diagnostic {
        let (found, help) = match self.peek() {
            None => ("the file ends".to_owned(), ""),
            Some('/' | '#') => (
                "found a comment".to_owned(),
                "JSON has no comments; write the policy as YAML to use them",
            ),
            Some('\'') => (
                "found `'`".to_owned(),
                "JSON strings stand in double quotes",
            ),
            Some('\u{feff}') => (
                "found a byte order mark".to_owned(),
                "save the file as UTF-8 without a byte order mark",
            ),
            Some(other) => (
                format!("found `{}`", other.escape_debug()),
                "a .json policy is strict JSON; YAML goes in .yaml",
            ),
        };
        fault(
            self.place,
            format!("not JSON: expected {wanted}, {found}"),
            help,
        )
    }

    fn value(&mut self, depth: usize) -> Result<Node, Diagnostic> {
        let place = self.place;
        self.values += 1;
        if depth > DEPTH_MAX {
            return Err(fault(
                place,
                format!("nested deeper than {DEPTH_MAX} levels"),
                "",
            ));
        }
        if self.values > VALUES_MAX {
            return Err(fault(place, format!("more than {VALUES_MAX} values"), ""));
        }
        let value = match self.peek() {
            Some('{') => self.map(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            Some('a'..='z' | 'A'..='Z' | '_') => self.word()?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { place, value })
    }

    fn word(&mut self) -> Result<Value, Diagnostic> {
        let start = self.at;
        let before = self.place;
        while matches!(self.peek(), Some('a'..='z' | 'A'..='Z' | '0'..='9' | '_')) {
            self.bump();
        }
        match self.text.get(start..self.at) {
            Some("null") => Ok(Value::Null),
            Some("true") => Ok(Value::Bool(true)),
            Some("false") => Ok(Value::Bool(false)),
            other => {
                let shown = crate::diagnostic::shown(other.unwrap_or_default());
                let help = "words other than true, false and null stand in double quotes";
                Err(fault(
                    before,
                    format!("not JSON: expected a value, found `{shown}`"),
                    help,
                ))
            }
        }
    }

    fn number(&mut self) -> Result<Value, Diagnostic> {
        let start = self.at;
        let before = self.place;
        while matches!(self.peek(), Some('0'..='9' | '+' | '-' | '.' | 'e' | 'E')) {
            self.bump();
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if is_json_number(text) {
            return Ok(Value::Number(text.to_owned()));
        }
        let shown = crate::diagnostic::shown(text);
        Err(fault(
            before,
            format!("not JSON: `{shown}` is not a number"),
            "write it in plain decimal",
        ))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        let mut items = Vec::new();
        self.bump();
        self.blanks();
        if self.peek() == Some(']') {
            self.bump();
            return Ok(Value::List(items));
        }
        loop {
            self.blanks();
            items.push(self.value(depth + 1)?);
            self.blanks();
            match self.peek() {
                Some(']') => {
                    self.bump();
                    return Ok(Value::List(items));
                }
                Some(',') => self.comma(']')?,
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        let mut members = Vec::new();
        let mut seen = Seen::new();
        self.bump();
        self.blanks();
        if self.peek() == Some('}') {
            self.bump();
            return Ok(Value::Map(members));
        }
        loop {
            self.blanks();
            let place = self.place;
            if self.peek() != Some('"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let key = self.string()?;
            self.blanks();
            if self.peek() != Some(':') {
                return Err(self.unexpected("`:`"));
            }
            self.bump();
            self.blanks();
            let node = self.value(depth + 1)?;
            add_member(
                &mut members,
                &mut seen,
                Member { key, place, node },
                self.problems,
            );
            self.blanks();
            match self.peek() {
                Some('}') => {
                    self.bump();
                    return Ok(Value::Map(members));
                }
                Some(',') => self.comma('}')?,
                _ => return Err(self.unexpected("`,` or `}`")),
            }
        }
    }

    /// Steps over a comma that must be followed by something else than `close`.
    fn comma(&mut self, close: char) -> Result<(), Diagnostic> {
        let place = self.place;
        self.bump();
        self.blanks();
        if self.peek() == Some(close) {
            return Err(fault(
                place,
                "not JSON: a comma after the last entry",
                "take the comma away",
            ));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, Diagnostic> {
        let start = self.place;
        let mut text = String::new();
        self.bump();
        loop {
            let place = self.place;
            match self.bump() {
                None => {
                    return Err(fault(
                        start,
                        "not JSON: a string without its closing quote",
                        "",
                    ));
                }
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape(place)?),
                Some(control) if control < ' ' => {
                    let name = control.escape_default();
                    let message = format!("not JSON: a control character ({name}) inside a string");
                    return Err(fault(
                        place,
                        message,
                        "write it as an escape, for example \\n",
                    ));
                }
                Some(other) => text.push(other),
            }
        }
    }

    fn escape(&mut self, place: Place) -> Result<char, Diagnostic> {
        Ok(match self.bump() {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let high = self.hex(place)?;
                return self.scalar(high, place);
            }
            _ => {
                let help = "a backslash in a pattern is written twice: \"\\\\.\"";
                return Err(fault(
                    place,
                    "not JSON: an unknown escape in a string",
                    help,
                ));
            }
        })
    }

    fn hex(&mut self, place: Place) -> Result<u32, Diagnostic> {
        let mut value = 0;
        for _ in 0..4 {
            match self.bump().and_then(|digit| digit.to_digit(16)) {
                Some(digit) => value = value << 4 | digit,
                None => {
                    return Err(fault(
                        place,
                        "not JSON: \\u needs four hexadecimal digits",
                        "",
                    ));
                }
            }
        }
        Ok(value)
    }

    fn scalar(&mut self, high: u32, place: Place) -> Result<char, Diagnostic> {
        let lone = || {
            fault(
                place,
                "not JSON: half of a surrogate pair",
                "write the character itself",
            )
        };
        let value = if (0xd800..0xdc00).contains(&high) {
            if self.bump() != Some('\\') || self.bump() != Some('u') {
                return Err(lone());
            }
            let low = self.hex(place)?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(lone());
            }
            0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
        } else {
            high
        };
        char::from_u32(value).ok_or_else(lone)
    }
}
