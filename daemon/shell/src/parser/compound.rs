//! Compound commands: groups, conditionals, loops, functions, arithmetic and `[[ ]]`.

use super::{Parser, word::Mode};
use crate::{
    command::Word,
    engine::{Raw, Scope, takes_input},
};

impl Parser<'_, '_, '_> {
    /// The unquoted run of reserved-word characters here, when a delimiter follows; else empty.
    pub(super) fn bare_word(&self) -> &str {
        let first = self.peek().unwrap_or(0);
        if !(first.is_ascii_lowercase() || matches!(first, b'!' | b'{' | b'}' | b'[')) {
            return "";
        }
        let mut end = self.pos + 1;
        while self
            .bytes
            .get(end)
            .is_some_and(|b| b.is_ascii_lowercase() || *b == b'[')
        {
            end += 1;
            if end - self.pos > 8 {
                return "";
            }
        }
        match self.bytes.get(end) {
            None
            | Some(b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>') => {
                self.slice(self.pos, end)
            }
            _ => "",
        }
    }

    /// The reserved word here.
    pub(super) fn reserved(&self) -> Option<&'static str> {
        const WORDS: &[&str] = &[
            "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if",
            "select", "then", "until", "while", "{", "}", "[[",
        ];
        let word = self.bare_word();
        if word.is_empty() {
            return None;
        }
        WORDS.iter().copied().find(|w| *w == word)
    }

    /// Consumes a reserved word; notes when another thing stands there.
    fn expect(&mut self, word: &str) -> bool {
        self.skip_lines();
        if self.bare_word() == word {
            self.pos += word.len();
            return true;
        }
        self.syntax();
        false
    }

    /// One command of a pipeline.
    pub(super) fn command(&mut self) {
        self.skip_blanks();
        let word = match self.peek() {
            None => return,
            Some(b'(') => "(",
            Some(_) => self.reserved().unwrap_or(""),
        };
        if word.is_empty() || closes_only(word) {
            self.simple();
            return;
        }
        let at = self.here();
        if !self.engine.enter(at) {
            return;
        }
        let start = self.engine.commands.len();
        self.compound(word, at);
        self.engine.leave();
        if word != "function" && word != "coproc" {
            self.compound_redirects(start, at);
        }
    }

    fn compound(&mut self, word: &str, at: usize) {
        match word {
            "(" => self.parenthesis(at),
            "{" => {
                self.pos += 1;
                self.list();
                self.expect("}");
            }
            "if" => self.conditional(),
            "while" | "until" => {
                self.pos += 5;
                self.repeat(|parser| {
                    parser.list();
                    parser.body();
                });
            }
            "for" | "select" => self.counted(word),
            "case" => self.case(),
            "function" => {
                self.pos += 8;
                self.skip_blanks();
                let name = self.function_name();
                self.function(&name, at);
            }
            "coproc" => self.coprocess(),
            _ => self.test(at),
        }
    }

    /// Redirects behind a compound act on everything inside.
    fn compound_redirects(&mut self, start: usize, at: usize) {
        let inner = self.engine.commands.len();
        let mut redirects = Vec::new();
        loop {
            self.skip_blanks();
            if !self.redirect(&mut redirects) {
                break;
            }
        }
        if redirects.is_empty() {
            return;
        }
        let gives_input = takes_input(&redirects);
        let range = crate::engine::Range {
            start: inner,
            end: self.engine.commands.len(),
        };
        let index = self.engine.commands.len();
        let feed = self.engine.context.feed;
        self.engine.emit(Raw {
            redirects,
            at,
            inner: range,
            ..Raw::default()
        });
        if gives_input {
            let metas = self.engine.metas.get_mut(start..inner).unwrap_or(&mut []);
            for (offset, meta) in metas.iter_mut().enumerate() {
                let own = self
                    .engine
                    .commands
                    .get(start + offset)
                    .is_some_and(|command| takes_input(&command.redirects));
                if !own && meta.shares.is_none() && meta.feed == feed {
                    meta.feed = None;
                    meta.shares = Some(index);
                    if let Some(command) = self.engine.commands.get_mut(start + offset) {
                        command.upstream = None;
                    }
                }
            }
        }
    }

    /// `( list )` or `(( expression ))`.
    fn parenthesis(&mut self, at: usize) {
        if self.peek_at(1) == Some(b'(') && self.is_arithmetic(self.pos + 2) {
            self.pos += 2;
            let start = self.engine.commands.len();
            self.arithmetic(b')');
            let _ = (start, at);
            return;
        }
        self.pos += 1;
        let scope = self.engine.scope();
        self.list();
        self.engine.undo(scope);
        if self.peek() == Some(b')') {
            self.pos += 1;
        } else {
            self.syntax();
        }
    }

    /// Reads text that may not run.
    fn maybe(&mut self, read: impl FnOnce(&mut Self)) {
        let scope: Scope = self.engine.scope();
        self.engine.context.conditional += 1;
        read(self);
        self.engine.context.conditional -= 1;
        self.engine.doubt(&scope);
    }

    /// Reads text that may run again.
    fn repeat(&mut self, read: impl FnOnce(&mut Self)) {
        self.engine.context.repeated += 1;
        self.maybe(read);
        self.engine.context.repeated -= 1;
    }

    fn conditional(&mut self) {
        self.pos += 2;
        self.list();
        self.expect("then");
        loop {
            self.maybe(Self::list);
            self.skip_lines();
            match self.bare_word() {
                "elif" => {
                    self.pos += 4;
                    self.maybe(|parser| {
                        parser.list();
                        parser.expect("then");
                    });
                }
                "else" => self.pos += 4,
                "fi" => {
                    self.pos += 2;
                    return;
                }
                _ => {
                    self.syntax();
                    return;
                }
            }
        }
    }

    /// `do list done` or `{ list }`.
    fn body(&mut self) {
        self.skip_lines();
        if self.peek() == Some(b';') {
            self.pos += 1;
            self.skip_lines();
        }
        match self.bare_word() {
            "{" => {
                self.pos += 1;
                self.list();
                self.expect("}");
            }
            _ => {
                if self.expect("do") {
                    self.list();
                    self.expect("done");
                }
            }
        }
    }

    /// `for x in a b; do ..; done`, `for ((;;)); do ..; done`, `select`.
    fn counted(&mut self, word: &str) {
        self.pos += word.len();
        self.skip_blanks();
        if self.looking_at("((") {
            self.pos += 2;
            self.arithmetic(b')');
            self.repeat(Self::body);
            return;
        }
        let name = self.name().to_owned();
        if name.is_empty() {
            self.syntax();
        }
        self.skip_lines();
        let mut words = Vec::new();
        if self.bare_word() == "in" {
            self.pos += 2;
            self.words_until_line(&mut words);
        }
        let single = match words.as_slice() {
            [only] if !only.opaque && !only.glob && word == "for" => Some(only.text.clone()),
            _ => None,
        };
        self.engine.variables.set(&name, single.as_deref());
        self.repeat(Self::body);
    }

    /// Words up to the end of a line or `;`.
    fn words_until_line(&mut self, words: &mut Vec<Word>) {
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')') => return,
                Some(_) => {
                    let before = self.pos;
                    self.word(words, Mode::Plain);
                    if self.pos == before {
                        self.syntax();
                        return;
                    }
                }
            }
        }
    }

    fn case(&mut self) {
        self.pos += 4;
        self.skip_blanks();
        let mut subject = Vec::new();
        self.word(&mut subject, Mode::Single);
        if !self.expect("in") {
            return;
        }
        loop {
            self.skip_lines();
            if self.peek().is_none() {
                self.syntax();
                return;
            }
            if self.bare_word() == "esac" {
                self.pos += 4;
                return;
            }
            if !self.case_patterns() {
                return;
            }
            self.maybe(Self::list);
            if self.peek() == Some(b';') {
                self.pos += 2;
                if self.peek() == Some(b'&') {
                    self.pos += 1;
                }
            } else if self.bare_word() != "esac" {
                self.syntax();
                return;
            }
        }
    }

    /// `(a|b)`; `false` when it does not end.
    fn case_patterns(&mut self) -> bool {
        if self.peek() == Some(b'(') {
            self.pos += 1;
        }
        let mut patterns = Vec::new();
        loop {
            self.skip_lines();
            match self.peek() {
                Some(b')') => {
                    self.pos += 1;
                    return true;
                }
                Some(b'|') => self.pos += 1,
                Some(b'\n' | b';' | b'&' | b'<' | b'>' | b'(') | None => {
                    self.syntax();
                    return false;
                }
                Some(_) => {
                    patterns.clear();
                    self.word(&mut patterns, Mode::Single);
                }
            }
        }
    }

    /// The word that names a function.
    fn function_name(&mut self) -> String {
        let start = self.pos;
        while self.peek().is_some_and(|b| {
            !matches!(
                b,
                b' ' | b'\t' | b'\n' | b'\r' | b'(' | b')' | b';' | b'&' | b'|' | b'<' | b'>'
            )
        }) {
            self.pos += 1;
        }
        self.slice(start, self.pos).to_owned()
    }

    /// The rest of a definition, behind the name.
    pub(super) fn function(&mut self, name: &str, at: usize) {
        self.skip_blanks();
        if self.peek() == Some(b'(') {
            self.pos += 1;
            self.skip_blanks();
            if self.peek() == Some(b')') {
                self.pos += 1;
            } else {
                self.syntax();
            }
        }
        if crate::programs::is_known(name) {
            self.engine
                .unresolved(at, crate::command::Opaque::AliasOrFunctionShadow);
        }
        self.engine
            .functions
            .insert(crate::programs::base_name(name));
        self.skip_lines();
        if !self.engine.enter(at) {
            return;
        }
        let cwd = (self.engine.cwd.clone(), self.engine.cwd_sure);
        // The body runs where it is called from, which the text does not tell here.
        self.engine.cwd_sure = false;
        self.repeat(Self::command);
        (self.engine.cwd, self.engine.cwd_sure) = cwd;
        self.engine.leave();
    }

    fn coprocess(&mut self) {
        self.pos += 6;
        self.skip_blanks();
        let start = self.engine.commands.len();
        let before = self.pos;
        let name = self.name().len();
        if name > 0 {
            let mut next = self.pos;
            while matches!(self.bytes.get(next), Some(b' ' | b'\t')) {
                next += 1;
            }
            if !matches!(self.bytes.get(next), Some(b'{' | b'(')) {
                self.pos = before;
            }
        }
        let scope = self.engine.scope();
        self.command();
        self.engine.undo(scope);
        for command in self.engine.commands.get_mut(start..).unwrap_or(&mut []) {
            command.background = true;
        }
    }

    /// `[[ expression ]]`: its `<` and `>` compare, its parentheses group.
    fn test(&mut self, at: usize) {
        let inner = self.engine.commands.len();
        let mut argv = vec![Word::fixed("[[", at)];
        self.pos += 2;
        loop {
            self.skip_lines();
            match self.peek() {
                None => {
                    self.syntax();
                    break;
                }
                Some(_) if self.looking_at("]]") => {
                    self.pos += 2;
                    argv.push(Word::fixed("]]", self.here()));
                    break;
                }
                Some(byte @ (b'<' | b'>' | b'&' | b'|' | b'(' | b')' | b'!' | b';')) => {
                    argv.push(Word::fixed((byte as char).to_string(), self.here()));
                    self.pos += 1;
                }
                Some(_) => {
                    let before = self.pos;
                    self.word(&mut argv, Mode::Single);
                    if self.pos == before {
                        self.syntax();
                        self.pos += 1;
                    }
                }
            }
        }
        let range = crate::engine::Range {
            start: inner,
            end: self.engine.commands.len(),
        };
        self.engine.emit(Raw {
            argv,
            at,
            inner: range,
            ..Raw::default()
        });
    }
}

/// Words that only close something and so cannot start a compound.
fn closes_only(word: &str) -> bool {
    matches!(
        word,
        "do" | "done" | "elif" | "else" | "esac" | "fi" | "then" | "}"
    )
}
