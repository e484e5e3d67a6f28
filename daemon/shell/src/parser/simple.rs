//! Simple commands: assignments, words and redirects.

use super::{Parser, word::Mode};
use crate::{
    command::{Redirect, RedirectOp, Word},
    engine::{Range, Raw},
};

impl Parser<'_, '_, '_> {
    /// Reads a simple command and gives it to the engine.
    pub(super) fn simple(&mut self) {
        let at = self.here();
        let inner = self.engine.commands.len();
        let mut raw = Raw {
            at,
            ..Raw::default()
        };
        let outer_fed = std::mem::take(&mut self.fed);
        let mut defined = false;
        loop {
            self.skip_blanks();
            let Some(byte) = self.peek() else { break };
            match byte {
                b'\n' | b';' | b'|' | b')' => break,
                b'&' if self.peek_at(1) != Some(b'>') => break,
                b'(' => {
                    if self.parenthesis_in_command(&mut raw) {
                        defined = true;
                        break;
                    }
                    continue;
                }
                _ => {}
            }
            if self.redirect(&mut raw.redirects) {
                continue;
            }
            if raw.argv.is_empty() && self.assignment(&mut raw.assignments) {
                continue;
            }
            let before = self.pos;
            self.word(&mut raw.argv, Mode::Plain);
            if self.pos == before {
                break;
            }
        }
        let fed = std::mem::replace(&mut self.fed, outer_fed);
        if defined {
            return;
        }
        if raw.argv.is_empty() && raw.assignments.is_empty() && raw.redirects.is_empty() {
            return;
        }
        raw.inner = Range {
            start: inner,
            end: self.engine.commands.len(),
        };
        let index = self.engine.commands.len();
        let alias = self.alias(&raw);
        self.engine.emit(raw);
        self.feed_processes(&fed, index);
        if let Some(raw) = alias {
            self.engine.emit(raw);
        }
    }

    /// Commands in `>(..)` read what the command at `index` writes.
    fn feed_processes(&mut self, fed: &[Range], index: usize) {
        for range in fed {
            for at in range.start..range.end {
                let (Some(meta), Some(command)) = (
                    self.engine.metas.get_mut(at),
                    self.engine.commands.get_mut(at),
                ) else {
                    return;
                };
                if command.upstream.is_none() && meta.shares.is_none() {
                    command.upstream = Some(index);
                    meta.feed = Some(Range {
                        start: index,
                        end: index + 1,
                    });
                }
            }
        }
    }

    /// The same command with its alias put in, when there is one. Whether a shell does that depends
    /// on the shell, so both readings are recorded.
    fn alias(&mut self, raw: &Raw) -> Option<Raw> {
        if self.engine.aliases.is_empty() {
            return None;
        }
        let first = raw.argv.first()?;
        if first.quoted || first.opaque {
            return None;
        }
        let value = self.engine.aliases.get(first.text.as_str())?.clone();
        let size: usize = raw.argv.iter().map(|w| w.text.len() + 64).sum();
        if !self.engine.work(value.len() + size, raw.at) {
            return None;
        }
        let mut argv: Vec<Word> = value
            .split_ascii_whitespace()
            .map(|word| Word::fixed(word, raw.at))
            .collect();
        argv.extend(raw.argv.iter().skip(1).cloned());
        Some(Raw {
            argv,
            assignments: raw.assignments.clone(),
            redirects: Vec::new(),
            at: raw.at,
            inner: raw.inner,
        })
    }

    /// `name ()`, `declare a=(..)`, or a fault. `true` for a function definition.
    fn parenthesis_in_command(&mut self, raw: &mut Raw) -> bool {
        let mut next = self.pos + 1;
        while matches!(self.bytes.get(next), Some(b' ' | b'\t')) {
            next += 1;
        }
        if self.bytes.get(next) == Some(&b')') && raw.argv.len() == 1 && raw.assignments.is_empty()
        {
            let name = raw.argv.first().map(|w| w.text.clone()).unwrap_or_default();
            self.function(&name, raw.at);
            return true;
        }
        if raw
            .argv
            .last()
            .is_some_and(|word| word.text.ends_with('=') && !word.quoted)
        {
            self.array();
            if let Some(word) = raw.argv.last_mut() {
                word.opaque = true;
            }
            return false;
        }
        self.syntax();
        self.pos += 1;
        false
    }

    /// The elements of an array value; what runs inside them is recorded.
    fn array(&mut self) {
        self.pos += 1;
        let mut elements = Vec::new();
        loop {
            self.skip_lines();
            match self.peek() {
                None => {
                    self.syntax();
                    return;
                }
                Some(b')') => {
                    self.pos += 1;
                    return;
                }
                Some(_) => {
                    elements.clear();
                    let before = self.pos;
                    self.word(&mut elements, Mode::Single);
                    if self.pos == before {
                        self.syntax();
                        self.pos += 1;
                    }
                }
            }
        }
    }

    /// A name here; moves behind it.
    pub(super) fn name(&mut self) -> &str {
        let start = self.pos;
        if self
            .peek()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        {
            while self
                .peek()
                .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
            {
                self.pos += 1;
            }
        }
        self.slice(start, self.pos)
    }

    /// `NAME=value`, `NAME+=value`, `NAME[..]=value`, `NAME=(..)`.
    fn assignment(&mut self, assignments: &mut Vec<(String, Word)>) -> bool {
        let Some((name_end, value_start, exact)) = self.assignment_head() else {
            return false;
        };
        let name = self.slice(self.pos, name_end).to_owned();
        let at = self.here();
        let mut exact = exact;
        if self.bytes.get(name_end) == Some(&b'[') {
            // A subscript is arithmetic and may hold substitutions.
            self.pos = name_end + 1;
            self.arithmetic(b']');
            self.pos = self.pos.max(value_start);
        } else {
            self.pos = value_start;
        }
        let mut value = Vec::new();
        if self.peek() == Some(b'(') {
            self.array();
            exact = false;
        } else {
            self.word(&mut value, Mode::Assign);
        }
        let mut word = value.pop().unwrap_or_else(|| Word::fixed("", at));
        if !exact {
            word.opaque = true;
        }
        assignments.push((name, word));
        true
    }

    /// End of the name, start of the value, and whether it is a plain `=`.
    fn assignment_head(&self) -> Option<(usize, usize, bool)> {
        let first = self.peek()?;
        if !(first.is_ascii_alphabetic() || first == b'_') {
            return None;
        }
        let mut end = self.pos + 1;
        while self
            .bytes
            .get(end)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        {
            end += 1;
        }
        match (self.bytes.get(end)?, self.bytes.get(end + 1)) {
            (b'=', _) => Some((end, end + 1, true)),
            (b'+', Some(b'=')) => Some((end, end + 2, false)),
            (b'[', _) => {
                // LIMIT: longer subscripts are read as words.
                let window = self.bytes.get(end..self.bytes.len().min(end + 256))?;
                let close = window.iter().position(|b| *b == b']')?;
                let stop = window.iter().position(|b| matches!(b, b'\n' | b';'));
                if stop.is_some_and(|s| s < close) {
                    return None;
                }
                match (window.get(close + 1), window.get(close + 2)) {
                    (Some(b'='), _) => Some((end, end + close + 2, false)),
                    (Some(b'+'), Some(b'=')) => Some((end, end + close + 3, false)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// One redirect; `false` when none stands here.
    pub(super) fn redirect(&mut self, redirects: &mut Vec<Redirect>) -> bool {
        let Some((operator, fd)) = self.redirect_head() else {
            return false;
        };
        let at = self.at(operator);
        let (op, length, fd) = match self.redirect_operator(operator, fd) {
            Some(found) => found,
            None => return false,
        };
        self.pos = operator + length;
        self.skip_blanks();
        if op == RedirectOp::HereDoc {
            let strip = length == 3;
            let target = self.begin_document(strip, at);
            redirects.push(Redirect { op, fd, target });
            return true;
        }
        let mut words = Vec::new();
        if !matches!(
            self.peek(),
            None | Some(b'\n' | b';' | b'&' | b'|' | b')' | b'(')
        ) {
            self.word(&mut words, Mode::Single);
        }
        let Some(target) = words.pop() else {
            self.syntax();
            return true;
        };
        let (op, fd) = settle_dup(op, fd, &target);
        redirects.push(Redirect { op, fd, target });
        true
    }

    /// Where the operator starts, and the descriptor written before it.
    fn redirect_head(&self) -> Option<(usize, Option<Option<u32>>)> {
        match self.peek()? {
            b'<' | b'>' => Some((self.pos, None)),
            b'&' if self.peek_at(1) == Some(b'>') => Some((self.pos, Some(None))),
            b'0'..=b'9' => {
                let mut end = self.pos;
                while self.bytes.get(end).is_some_and(u8::is_ascii_digit) && end - self.pos < 10 {
                    end += 1;
                }
                matches!(self.bytes.get(end), Some(b'<' | b'>'))
                    .then(|| (end, Some(self.slice(self.pos, end).parse().ok())))
            }
            b'{' => {
                let mut end = self.pos + 1;
                while self
                    .bytes
                    .get(end)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
                {
                    end += 1;
                }
                (end > self.pos + 1
                    && self.bytes.get(end) == Some(&b'}')
                    && matches!(self.bytes.get(end + 1), Some(b'<' | b'>')))
                .then_some((end + 1, Some(None)))
            }
            _ => None,
        }
    }

    /// The operator at `start`: its kind, its length, and the descriptor it acts on.
    fn redirect_operator(
        &self,
        start: usize,
        fd: Option<Option<u32>>,
    ) -> Option<(RedirectOp, usize, Option<u32>)> {
        let rest = self.bytes.get(start..)?;
        let input = fd.unwrap_or(Some(0));
        let output = fd.unwrap_or(Some(1));
        Some(match rest {
            [b'&', b'>', b'>', ..] => (RedirectOp::Append, 3, None),
            [b'&', b'>', ..] => (RedirectOp::Write, 2, None),
            [b'<' | b'>', b'(', ..] => return None,
            [b'<', b'<', b'<', ..] => (RedirectOp::HereString, 3, input),
            [b'<', b'<', b'-', ..] => (RedirectOp::HereDoc, 3, input),
            [b'<', b'<', ..] => (RedirectOp::HereDoc, 2, input),
            [b'<', b'&', ..] => (RedirectOp::Dup, 2, input),
            [b'<', b'>', ..] => (RedirectOp::ReadWrite, 2, input),
            [b'<', ..] => (RedirectOp::Read, 1, input),
            [b'>', b'>', b'|' | b'!', ..] => (RedirectOp::Append, 3, output),
            [b'>', b'>', ..] => (RedirectOp::Append, 2, output),
            [b'>', b'|', ..] => (RedirectOp::Clobber, 2, output),
            [b'>', b'&', ..] => (RedirectOp::Dup, 2, output),
            [b'>', ..] => (RedirectOp::Write, 1, output),
            _ => return None,
        })
    }
}

/// `>&file` writes a file; `>&2` and `>&-` copy or close a descriptor.
fn settle_dup(op: RedirectOp, fd: Option<u32>, target: &Word) -> (RedirectOp, Option<u32>) {
    if op != RedirectOp::Dup {
        return (op, fd);
    }
    let text = target.text.trim_end_matches('-');
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !target.text.is_empty();
    if digits || target.opaque || fd == Some(0) {
        (RedirectOp::Dup, fd)
    } else {
        (RedirectOp::Write, None)
    }
}
