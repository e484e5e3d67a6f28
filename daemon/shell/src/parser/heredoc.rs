//! Here-documents: the operator promises a body that starts on the next line.

use super::{
    Base, Parser,
    word::{Builder, Mode},
};
use crate::command::Word;

/// A body that is still to come.
#[derive(Debug)]
pub(super) struct Pending {
    id: usize,
    at: usize,
    delimiter: String,
    literal: bool,
    strip_tabs: bool,
}

impl Parser<'_, '_, '_> {
    /// Reads the delimiter. The body is put in when the line ends; until then the target is empty and
    /// its `static_bytes` holds the document's number.
    pub(super) fn begin_document(&mut self, strip_tabs: bool, at: usize) -> Word {
        let mut words = Vec::new();
        let quoted_before = self.pos;
        self.word(&mut words, Mode::Delimiter);
        let word = words.pop().unwrap_or_default();
        if self.pos == quoted_before {
            self.syntax();
        }
        let id = self.engine.document_count;
        self.engine.document_count += 1;
        self.documents.push(Pending {
            id,
            at,
            delimiter: word.text,
            literal: word.quoted,
            strip_tabs,
        });
        Word {
            opaque: true,
            at,
            static_bytes: id,
            ..Word::default()
        }
    }

    /// Reads the promised bodies; the position is at the start of a line.
    pub(super) fn read_documents(&mut self) {
        let crlf = self.pos >= 2 && self.bytes.get(self.pos - 2) == Some(&b'\r');
        for document in std::mem::take(&mut self.documents) {
            let start = self.pos;
            let end = self.find_document_end(&document, crlf);
            let body = self.document_word(&document, start, end);
            self.engine
                .documents
                .insert((document.at, document.id), body);
        }
    }

    /// Documents whose line never ended have no body.
    pub(super) fn finish_documents(&mut self) {
        for document in std::mem::take(&mut self.documents) {
            let body = Word::fixed("", document.at);
            self.engine
                .documents
                .insert((document.at, document.id), body);
        }
    }

    /// Moves behind the delimiter's line and returns where the body ends.
    fn find_document_end(&mut self, document: &Pending, crlf: bool) -> usize {
        let mut joined = String::new();
        let mut line_start = self.pos;
        let mut logical_start = self.pos;
        while line_start < self.bytes.len() {
            let rest = self.bytes.get(line_start..).unwrap_or(&[]);
            let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            let mut line = self.slice(line_start, line_start + length);
            let next = (line_start + length + 1).min(self.bytes.len());
            if crlf {
                line = line.strip_suffix('\r').unwrap_or(line);
            }
            let backslashes = line.bytes().rev().take_while(|b| *b == b'\\').count();
            if !document.literal && backslashes % 2 == 1 {
                // The delimiter may be split over lines, as the shell joins them first.
                joined.push_str(line.get(..line.len() - 1).unwrap_or(""));
                line_start = next;
                continue;
            }
            let candidate = if joined.is_empty() {
                line
            } else {
                joined.push_str(line);
                joined.as_str()
            };
            let candidate = if document.strip_tabs {
                candidate.trim_start_matches('\t')
            } else {
                candidate
            };
            if candidate == document.delimiter {
                self.pos = next;
                return logical_start;
            }
            joined.clear();
            line_start = next;
            logical_start = next;
        }
        self.pos = self.bytes.len();
        self.pos
    }

    fn document_word(&mut self, document: &Pending, start: usize, end: usize) -> Word {
        let raw = self.slice(start, end);
        if document.literal {
            let text = if document.strip_tabs {
                strip_tabs(raw)
            } else {
                raw.to_owned()
            };
            return Word {
                quoted: true,
                ..Word::fixed(text, self.at(start))
            };
        }
        let base = match self.base {
            Base::Shift(_) => Base::Shift(self.at(start)),
            Base::Fixed(at) => Base::Fixed(at),
        };
        if !self.engine.enter(document.at) {
            return Word::unknown(document.at);
        }
        let mut builder = Builder::new(self.at(start));
        Parser::new(raw, base, self.engine).double_quoted(&mut builder, None);
        self.engine.leave();
        let mut word = builder.into_word();
        word.quoted = true;
        if document.strip_tabs && !word.opaque {
            word.text = strip_tabs(&word.text);
            word.static_bytes = word.text.len();
        }
        word
    }
}

fn strip_tabs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        out.push_str(line.trim_start_matches('\t'));
    }
    out
}
