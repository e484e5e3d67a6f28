//! Expansions: variables, substitutions and arithmetic.

use super::{
    Base, Parser,
    word::{Builder, Mode},
};
use crate::{command::Word, engine::Range};

/// Where the words of an unquoted expansion go; `None` inside double quotes.
type Target<'o> = Option<(&'o mut Vec<Word>, Mode)>;

impl Parser<'_, '_, '_> {
    /// `$` and what follows it.
    pub(super) fn dollar(&mut self, builder: &mut Builder, target: Target<'_>) {
        let next = self.peek_at(1);
        match next {
            Some(b'(') => {
                if self.peek_at(2) == Some(b'(') && self.is_arithmetic(self.pos + 3) {
                    self.pos += 3;
                    self.arithmetic(b')');
                } else {
                    self.pos += 2;
                    self.substitution();
                }
                builder.hole();
            }
            Some(b'{') => self.parameter(builder, target),
            Some(b'[') => {
                self.pos += 2;
                self.arithmetic(b']');
                builder.hole();
            }
            Some(b'\'') if target.is_some() => {
                builder.quoted = true;
                self.pos += 2;
                self.ansi_quoted(builder);
            }
            Some(b'"') if target.is_some() => {
                builder.quoted = true;
                self.pos += 2;
                self.double_quoted(builder, Some(b'"'));
            }
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                self.pos += 1;
                let name = self.name().to_owned();
                self.variable(&name, builder, target);
            }
            Some(b'0'..=b'9' | b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!') => {
                self.pos += 2;
                builder.hole();
            }
            _ => {
                builder.text.push('$');
                self.pos += 1;
            }
        }
    }

    /// The value of a variable, as far as it is known.
    fn variable(&mut self, name: &str, builder: &mut Builder, target: Target<'_>) {
        let here = self.here();
        let splits = matches!(target, Some((_, Mode::Plain)));
        if !self.engine.variables.assigned(name) {
            match name {
                "IFS" => self.blank(builder, target),
                "HOME" => {
                    builder.tilde |= builder.text.is_empty() && builder.hole.is_none();
                    builder.text.push('~');
                }
                "PWD"
                    if builder.text.is_empty()
                        && builder.hole.is_none()
                        && self.engine.cwd == crate::command::Cwd::Inherited =>
                {
                    builder.text.push('.');
                }
                _ => builder.hole(),
            }
            return;
        }
        let Some(value) = self.engine.value(name).map(str::to_owned) else {
            builder.hole();
            return;
        };
        if !self.engine.work(value.len(), here) {
            return;
        }
        if splits && self.engine.variables.assigned("IFS") {
            builder.hole();
            return;
        }
        match target {
            Some((out, Mode::Plain)) => self.split_value(&value, builder, out),
            _ => builder.text.push_str(&value),
        }
    }

    /// The value of `$IFS` when nothing assigned it.
    fn blank(&mut self, builder: &mut Builder, target: Target<'_>) {
        match target {
            Some((out, Mode::Plain)) => self.split(builder, out),
            _ => builder.text.push_str(" \t\n"),
        }
    }

    /// An unquoted value is split at blanks, and its wildcards are wildcards.
    fn split_value(&mut self, value: &str, builder: &mut Builder, out: &mut Vec<Word>) {
        let mut rest = value;
        loop {
            let end = rest.find([' ', '\t', '\n']).unwrap_or(rest.len());
            let piece = rest.get(..end).unwrap_or("");
            builder.glob |=
                piece.contains(['*', '?']) || (piece.contains('[') && piece.contains(']'));
            builder.text.push_str(piece);
            if end == rest.len() {
                return;
            }
            self.split(builder, out);
            rest = rest.get(end + 1..).unwrap_or("");
        }
    }

    /// `$( list )`, behind the parenthesis.
    fn substitution(&mut self) {
        let at = self.here();
        if !self.engine.enter(at) {
            return;
        }
        let scope = self.engine.scope();
        let fed = std::mem::take(&mut self.fed);
        loop {
            self.list();
            match self.peek() {
                Some(b')') => {
                    self.pos += 1;
                    break;
                }
                None => {
                    if !self.engine.halted {
                        self.syntax();
                    }
                    break;
                }
                Some(_) => {
                    self.syntax();
                    self.skip_stray();
                }
            }
        }
        self.fed = fed;
        self.engine.undo(scope);
        self.engine.leave();
    }

    /// `<(list)` or `>(list)`.
    pub(super) fn process(&mut self, builder: &mut Builder, output: bool) {
        builder.process = true;
        builder.hole();
        self.pos += 2;
        let start = self.engine.commands.len();
        let feed = self.engine.context.feed;
        if output {
            self.engine.context.feed = None;
        }
        self.substitution();
        self.engine.context.feed = feed;
        if output {
            self.fed.push(Range {
                start,
                end: self.engine.commands.len(),
            });
        }
    }

    /// `` `list` ``.
    pub(super) fn backtick(&mut self, builder: &mut Builder, in_quotes: bool) {
        builder.hole();
        let open = self.pos;
        let start = open + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            match self.bytes.get(end) {
                None => {
                    self.syntax();
                    break;
                }
                Some(b'`') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => end += 1,
            }
        }
        let end = end.min(self.bytes.len());
        let at = self.at(open);
        if self.engine.enter(at) {
            let scope = self.engine.scope();
            let body = self.slice(start, end);
            if escaped {
                let text = unescape_backtick(body, in_quotes);
                if self.engine.work(text.len(), at) {
                    Parser::new(&text, Base::Fixed(at), self.engine).script();
                }
            } else {
                let base = match self.base {
                    Base::Shift(_) => Base::Shift(self.at(start)),
                    fixed @ Base::Fixed(_) => fixed,
                };
                Parser::new(body, base, self.engine).script();
            }
            self.engine.undo(scope);
            self.engine.leave();
        }
        self.pos = (end + 1).min(self.bytes.len());
    }

    /// `${..}`.
    fn parameter(&mut self, builder: &mut Builder, target: Target<'_>) {
        let at = self.here();
        self.pos += 2;
        let indirect = matches!(self.peek(), Some(b'#' | b'!'))
            && self.peek_at(1).is_some_and(|b| b != b'}' && b != b':');
        if indirect {
            self.pos += 1;
        }
        let name = self.name().to_owned();
        if name.is_empty() && self.peek().is_some_and(|b| b != b'}') {
            // A special parameter, or a digit.
            self.pos += 1;
        }
        if self.peek() == Some(b'}') && !name.is_empty() && !indirect {
            self.pos += 1;
            self.variable(&name, builder, target);
            return;
        }
        let rest = self
            .slice(self.pos, self.bytes.len().min(self.pos + 2))
            .as_bytes();
        let default = matches!(rest, [b':', b'-' | b'='] | [b'-' | b'=', ..]);
        let known = default && !indirect && self.engine.value(&name).is_some_and(|v| !v.is_empty());
        if matches!(rest, [b':', b'='] | [b'=', ..]) && !known {
            self.engine.variables.set(&name, None);
        }
        if !self.engine.enter(at) {
            return;
        }
        self.parameter_rest(target.is_none());
        self.engine.leave();
        if known {
            self.variable(&name, builder, target);
        } else {
            builder.hole();
        }
    }

    /// Up to the closing brace; what runs inside is recorded.
    fn parameter_rest(&mut self, in_quotes: bool) {
        let mut scratch = Builder::new(self.here());
        let mut ignored = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                if !self.engine.halted {
                    self.syntax();
                }
                return;
            };
            match byte {
                b'}' => {
                    self.pos += 1;
                    return;
                }
                b'\\' => self.pos = (self.pos + 2).min(self.bytes.len()),
                b'\'' if !in_quotes => {
                    let rest = self.bytes.get(self.pos + 1..).unwrap_or(&[]);
                    let length = rest.iter().position(|b| *b == b'\'').unwrap_or(rest.len());
                    self.pos = (self.pos + length + 2).min(self.bytes.len());
                }
                b'"' => {
                    self.pos += 1;
                    self.double_quoted(&mut scratch, Some(b'"'));
                }
                b'$' => self.dollar(&mut scratch, Some((&mut ignored, Mode::Single))),
                b'`' => self.backtick(&mut scratch, in_quotes),
                b'<' | b'>' if !in_quotes && self.peek_at(1) == Some(b'(') => {
                    self.process(&mut scratch, byte == b'>');
                }
                _ => self.pos += 1,
            }
            scratch.text.clear();
        }
    }

    /// Whether the text behind `((` ends with `))`, as arithmetic does.
    pub(super) fn is_arithmetic(&mut self, from: usize) -> bool {
        let mut depth = 0_usize;
        let mut end = from;
        let mut quote = 0_u8;
        let result = loop {
            let Some(&byte) = self.bytes.get(end) else {
                break false;
            };
            match byte {
                b'\\' => end += 1,
                b'\'' | b'"' if quote == 0 => quote = byte,
                _ if quote != 0 && byte == quote => {
                    quote = 0;
                }
                b'(' => depth += 1,
                b')' if depth == 0 => break self.bytes.get(end + 1) == Some(&b')'),
                b')' => depth -= 1,
                _ => {}
            }
            end += 1;
        };
        let at = self.here();
        self.engine.work(end - from, at) && result
    }

    /// An arithmetic expression up to `))` or `]`; what runs inside is recorded, and a variable named
    /// in it may change.
    pub(super) fn arithmetic(&mut self, close: u8) {
        let at = self.here();
        if self.engine.enter(at) {
            self.expression(close);
            self.engine.leave();
        }
    }

    fn expression(&mut self, close: u8) {
        let open = if close == b')' { b'(' } else { b'[' };
        let mut depth = 0_usize;
        let mut scratch = Builder::new(self.here());
        loop {
            let Some(byte) = self.peek() else {
                if !self.engine.halted {
                    self.syntax();
                }
                return;
            };
            match byte {
                b'$' => self.dollar(&mut scratch, None),
                b'`' => self.backtick(&mut scratch, true),
                b'\\' => self.pos = (self.pos + 2).min(self.bytes.len()),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                    let name = self.name().to_owned();
                    if self.engine.variables.assigned(&name) {
                        self.engine.variables.set(&name, None);
                    }
                }
                _ => {
                    self.pos += 1;
                    if byte == open {
                        depth += 1;
                    } else if byte == close {
                        if depth == 0 {
                            if close == b')' && self.peek() == Some(b')') {
                                self.pos += 1;
                            }
                            return;
                        }
                        depth -= 1;
                    }
                }
            }
            scratch.text.clear();
        }
    }

    /// The rest of `$'..'`.
    fn ansi_quoted(&mut self, builder: &mut Builder) {
        let mut decoded = Vec::new();
        // A NUL ends the string, as it does in a shell.
        let mut cut = None;
        loop {
            let Some(byte) = self.peek() else {
                self.syntax();
                break;
            };
            self.pos += 1;
            match byte {
                b'\'' => break,
                b'\\' => {
                    let before = decoded.len();
                    self.ansi_escape(&mut decoded);
                    let nul = decoded
                        .get(before..)
                        .and_then(|new| new.iter().position(|b| *b == 0));
                    cut = cut.or_else(|| nul.map(|at| before + at));
                }
                _ => decoded.push(byte),
            }
        }
        decoded.truncate(cut.unwrap_or(decoded.len()));
        builder.text.push_str(&String::from_utf8_lossy(&decoded));
    }

    fn ansi_escape(&mut self, decoded: &mut Vec<u8>) {
        let Some(byte) = self.peek() else { return };
        self.pos += 1;
        let plain = match byte {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'e' | b'E' => 27,
            b'f' => 12,
            b'v' => 11,
            b'\\' | b'\'' | b'"' | b'?' => byte,
            b'0'..=b'7' => {
                self.pos -= 1;
                let value = self.digits(3, 8).unwrap_or(0);
                decoded.push(u8::try_from(value & 0xff).unwrap_or(0));
                return;
            }
            b'x' => match self.digits(2, 16) {
                Some(value) => {
                    decoded.push(u8::try_from(value & 0xff).unwrap_or(0));
                    return;
                }
                None => {
                    decoded.extend(b"\\x");
                    return;
                }
            },
            b'u' | b'U' => {
                let count = if byte == b'u' { 4 } else { 8 };
                let value = self
                    .digits(count, 16)
                    .and_then(char::from_u32)
                    .unwrap_or('\u{fffd}');
                let mut buffer = [0_u8; 4];
                decoded.extend(value.encode_utf8(&mut buffer).as_bytes());
                return;
            }
            b'c' => {
                let control = self.peek().map_or(0, |b| b & 0x1f);
                self.pos = (self.pos + 1).min(self.bytes.len());
                control
            }
            other => {
                decoded.push(b'\\');
                other
            }
        };
        decoded.push(plain);
    }

    /// At most `count` digits here.
    fn digits(&mut self, count: usize, radix: u32) -> Option<u32> {
        let mut value = None;
        for _ in 0..count {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(radix));
            let Some(digit) = digit else { break };
            value = Some(
                value
                    .unwrap_or(0_u32)
                    .wrapping_mul(radix)
                    .wrapping_add(digit),
            );
            self.pos += 1;
        }
        value
    }
}

/// Inside backquotes a backslash escapes only itself, `$` and the backquote.
fn unescape_backtick(body: &str, in_quotes: bool) -> String {
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\'
            && let Some(next) =
                chars.next_if(|n| matches!(n, '\\' | '$' | '`') || (in_quotes && *n == '"'))
        {
            out.push(next);
            continue;
        }
        out.push(c);
    }
    out
}
