//! The shell grammar: lists, and-or lists and pipelines.
//!
//! One pass by recursive descent over the bytes. Words are expanded as far as the text tells while
//! they are read, and every simple command is given to the engine as soon as it is complete, so
//! assignments and directory changes act on what follows. The position only moves forward; the few
//! places that look ahead account for it with the engine. Text that is no well-formed shell is noted
//! and read on, so that a command behind the fault is still seen.

mod brace;
mod compound;
mod expand;
mod heredoc;
mod simple;
mod word;

use crate::{
    command::Opaque,
    engine::{Engine, Range},
};

/// Where a text stands in the text given to `parse`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base {
    /// It is a part that starts at this offset.
    Shift(usize),
    /// It was made from the construct at this offset.
    Fixed(usize),
}

/// Reads one text.
pub(crate) struct Parser<'p, 'e, 't> {
    text: &'p str,
    bytes: &'p [u8],
    pos: usize,
    base: Base,
    engine: &'e mut Engine<'t>,
    documents: Vec<heredoc::Pending>,
    /// Commands inside output process substitutions of the command being read.
    fed: Vec<Range>,
}

impl<'p, 'e, 't> Parser<'p, 'e, 't> {
    pub(crate) fn new(text: &'p str, base: Base, engine: &'e mut Engine<'t>) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            pos: 0,
            base,
            engine,
            documents: Vec::new(),
            fed: Vec::new(),
        }
    }

    /// Reads the whole text as a script.
    pub(crate) fn script(&mut self) {
        while self.peek().is_some() {
            self.list();
            if self.peek().is_some() {
                // A closing word or parenthesis that nothing opened.
                self.syntax();
                self.skip_stray();
            }
        }
        self.finish_documents();
    }

    /// Reads the whole text as words.
    pub(crate) fn words(&mut self, out: &mut Vec<crate::command::Word>) {
        loop {
            self.skip_lines();
            let before = self.pos;
            self.word(out, word::Mode::Single);
            if self.pos == before {
                if self.peek().is_none() {
                    return;
                }
                self.pos += 1;
            }
        }
    }

    /// The offset of a position in the text given to `parse`.
    fn at(&self, pos: usize) -> usize {
        match self.base {
            Base::Shift(start) => start + pos,
            Base::Fixed(at) => at,
        }
    }

    fn here(&self) -> usize {
        self.at(self.pos)
    }

    fn syntax(&mut self) {
        let at = self.here();
        self.engine.unresolved(at, Opaque::Syntax);
    }

    fn peek(&self) -> Option<u8> {
        if self.engine.halted {
            None
        } else {
            self.bytes.get(self.pos).copied()
        }
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.pos + ahead).copied()
    }

    fn looking_at(&self, text: &str) -> bool {
        self.bytes
            .get(self.pos..)
            .is_some_and(|rest| rest.starts_with(text.as_bytes()))
    }

    fn slice(&self, start: usize, end: usize) -> &'p str {
        self.text.get(start..end).unwrap_or("")
    }

    fn skip_stray(&mut self) {
        if let Some(word) = self.reserved() {
            self.pos += word.len();
            return;
        }
        self.pos += 1;
        while !self.text.is_char_boundary(self.pos) {
            self.pos += 1;
        }
    }

    /// Blanks, escaped newlines and comments.
    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' => self.pos += 1,
                b'\r' if self.peek_at(1) == Some(b'\n') => self.pos += 1,
                b'\r' if self.pos + 1 == self.bytes.len() => self.pos += 1,
                b'\\' if self.peek_at(1) == Some(b'\n') => self.pos += 2,
                b'\\' if self.peek_at(1) == Some(b'\r') && self.peek_at(2) == Some(b'\n') => {
                    self.pos += 3;
                }
                b'#' => self.skip_comment(),
                _ => return,
            }
        }
    }

    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|b| b != b'\n') {
            self.pos += 1;
        }
    }

    /// Blanks and newlines; here-documents are read where their line ends.
    fn skip_lines(&mut self) {
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'\n') {
                return;
            }
            self.newline();
        }
    }

    fn newline(&mut self) {
        self.pos += 1;
        if !self.documents.is_empty() {
            self.read_documents();
        }
    }

    /// Reads commands until something closes the list: the end, `)`, `;;`, or a closing word.
    fn list(&mut self) {
        loop {
            self.skip_lines();
            match self.peek() {
                None | Some(b')') => return,
                Some(b';') => {
                    if matches!(self.peek_at(1), Some(b';' | b'&')) {
                        return;
                    }
                    self.pos += 1;
                    continue;
                }
                Some(b'&' | b'|') => {
                    self.syntax();
                    self.pos += 1;
                    continue;
                }
                Some(_) => {}
            }
            if self.reserved().is_some_and(closes) {
                return;
            }
            let before = self.pos;
            self.and_or();
            if self.pos == before && self.peek().is_some() {
                self.syntax();
                self.skip_stray();
            }
        }
    }

    /// `a && b || c`, up to `;`, `&` or the end of the line.
    fn and_or(&mut self) {
        let first = self.engine.commands.len();
        let whole = self.engine.scope();
        let mut branch = self.engine.scope();
        let mut operators = 0_usize;
        self.pipeline();
        loop {
            self.skip_blanks();
            let (and, or) = (self.looking_at("&&"), self.looking_at("||"));
            if self.peek().is_none() || !(and || or) {
                break;
            }
            self.pos += 2;
            self.skip_lines();
            let before = self.pos;
            if operators == 0 {
                self.engine.context.conditional += 1;
            }
            operators += 1;
            let moved = or && self.engine.cwd_sure && self.engine.moved(&branch);
            let moved_to = moved.then(|| self.engine.cwd.clone());
            if or {
                self.engine.doubt(&branch);
                branch = self.engine.scope();
            } else if operators == 1 {
                // What stands left of the first `&&` has run when its right side runs.
                branch = self.engine.scope();
            }
            let start = self.engine.commands.len();
            self.pipeline();
            if let Some(cwd) = moved_to
                && self.gives_up(start)
            {
                self.engine.cwd = cwd;
                self.engine.cwd_sure = true;
            }
            if self.pos == before {
                self.syntax();
                break;
            }
        }
        if operators > 0 {
            self.engine.context.conditional -= 1;
            self.engine.doubt(&branch);
        }
        self.end_of_list(first, whole, operators);
    }

    /// After an and-or list: `&` puts it in the background.
    fn end_of_list(&mut self, first: usize, whole: crate::engine::Scope, operators: usize) {
        if self.peek() == Some(b'&') && self.peek_at(1) != Some(b'&') {
            self.pos += 1;
            for command in self.engine.commands.get_mut(first..).unwrap_or(&mut []) {
                command.background = true;
            }
            self.engine.undo(whole);
        } else if self.engine.moved(&whole) {
            let certain = if operators > 0 {
                self.gives_up_last(first)
            } else {
                self.engine.errexit
            };
            if !certain {
                self.engine.cwd_sure = false;
            }
        }
    }

    /// Whether the commands since `start` end the shell: `|| exit 1`.
    fn gives_up(&self, start: usize) -> bool {
        self.engine.commands.get(start..).is_some_and(|commands| {
            commands.last().is_some_and(|c| {
                matches!(c.program.as_str(), "exit" | "return" | "break" | "continue")
            })
        })
    }

    fn gives_up_last(&self, first: usize) -> bool {
        self.engine.cwd_sure && self.gives_up(first)
    }

    /// `! time a | b |& c`.
    fn pipeline(&mut self) {
        let vias = self.engine.context.via.len();
        self.pipeline_words();
        let feed = self.engine.context.feed;
        let shares = self.engine.context.shares;
        let scope = self.engine.scope();
        let mut start = self.engine.commands.len();
        self.command();
        self.skip_blanks();
        if self.peek() == Some(b'|') && self.peek_at(1) != Some(b'|') {
            self.engine.undo(scope);
            while self.peek() == Some(b'|') && self.peek_at(1) != Some(b'|') {
                self.pos += if self.peek_at(1) == Some(b'&') { 2 } else { 1 };
                self.skip_lines();
                let end = self.engine.commands.len();
                self.engine.context.feed = (end > start).then_some(Range { start, end });
                self.engine.context.shares = None;
                start = end;
                let before = self.pos;
                let stage = self.engine.scope();
                self.command();
                self.engine.undo(stage);
                self.skip_blanks();
                if self.pos == before {
                    self.syntax();
                    break;
                }
            }
        }
        self.engine.context.feed = feed;
        self.engine.context.shares = shares;
        self.engine.context.via.truncate(vias);
    }

    /// `!` and `time` before a pipeline.
    fn pipeline_words(&mut self) {
        loop {
            self.skip_blanks();
            let word = self.bare_word();
            match word {
                "!" => self.pos += 1,
                "time" if self.time_is_reserved() => {
                    let at = self.here();
                    self.pos += 4;
                    self.skip_blanks();
                    while self.looking_at("-p ") || self.looking_at("-- ") {
                        self.pos += 3;
                        self.skip_blanks();
                    }
                    let time = crate::command::Word::fixed("time", at);
                    self.engine.emit(crate::engine::Raw {
                        argv: vec![time],
                        at,
                        ..Default::default()
                    });
                    self.engine.context.via.push("time");
                }
                _ => return,
            }
        }
    }

    /// `time` times a whole pipeline, unless an option other than `-p` calls the program.
    fn time_is_reserved(&self) -> bool {
        let rest = self
            .text
            .get(self.pos + 4..)
            .unwrap_or("")
            .trim_start_matches([' ', '\t']);
        !rest.starts_with('-') || rest.starts_with("-p ") || rest.starts_with("-- ")
    }
}

/// Words that close a list.
fn closes(word: &str) -> bool {
    matches!(
        word,
        "then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "}"
    )
}
