//! Writing: text for people, one JSON object for programs, and never a panic when the reader has gone.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use serde::Serialize;

use crate::exit::{Exit, Failure};

/// How to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    /// One JSON object per answer.
    pub(crate) json: bool,
    /// No text; the exit code is the answer.
    pub(crate) quiet: bool,
    /// Colour for people.
    pub(crate) colour: bool,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tint {
    Good,
    Bad,
    Warn,
    Dim,
    Bold,
}

impl Out {
    /// Colour only on a terminal, and only when nobody said no.
    pub(crate) fn new(json: bool, quiet: bool, no_color: bool) -> Self {
        let refused =
            no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            quiet,
            colour: !json && !refused && io::stdout().is_terminal(),
        }
    }

    /// Paints `text` when colour is on.
    pub(crate) fn paint<'a>(&self, tint: Tint, text: &'a str) -> Cow<'a, str> {
        if !self.colour {
            return Cow::Borrowed(text);
        }
        let code = match tint {
            Tint::Good => "32",
            Tint::Bad => "31",
            Tint::Warn => "33",
            Tint::Dim => "2",
            Tint::Bold => "1",
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }

    /// Text for people; nothing under `--quiet`.
    ///
    /// # Errors
    /// [`Exit::Closed`] when the reader has gone, [`Exit::Io`] when writing fails otherwise.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        if self.quiet {
            Ok(())
        } else {
            write(text.as_bytes())
        }
    }

    /// One JSON object on one line, stamped with the schema's name.
    ///
    /// # Errors
    /// As [`Out::text`].
    pub(crate) fn object(&self, body: &impl Serialize) -> Result<(), Failure> {
        if self.quiet {
            Ok(())
        } else {
            write(&stamped(body)?)
        }
    }

    /// The last words of a verb that failed: one object on stdout under `--json`, else text on stderr.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.exit == Exit::Closed {
            return;
        }
        if self.json {
            // A reader that has gone cannot be told; the exit code still says it.
            let _ = stamped(&ErrorObject::of(failure)).and_then(|bytes| write(&bytes));
        } else {
            complain(&format!("fakctl: {failure}"));
        }
    }
}

/// `{"schema":"fakctl/v1", ...body}` and a newline.
pub(crate) fn stamped(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    #[derive(Serialize)]
    struct Stamped<'a, T: Serialize> {
        schema: &'static str,
        #[serde(flatten)]
        body: &'a T,
    }
    let mut bytes = serde_json::to_vec(&Stamped {
        schema: fak_proto::JSON_SCHEMA,
        body,
    })
    .map_err(|error| Failure::new(Exit::Internal, format!("cannot encode the answer: {error}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The shape of a failure in JSON: `{"error":{"code":69,"name":"unreachable","message":"..","fix":".."}}`.
#[derive(Serialize)]
pub(crate) struct ErrorObject {
    error: ErrorBody,
    /// The line of the input it answers, in streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
}

#[derive(Serialize)]
struct ErrorBody {
    code: u8,
    name: &'static str,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

impl ErrorObject {
    pub(crate) fn of(failure: &Failure) -> Self {
        let Failure { exit, message, fix } = failure.clone();
        Self {
            error: ErrorBody {
                code: exit.code(),
                name: exit.name(),
                message,
                fix,
            },
            line: None,
        }
    }
}

/// Bytes to stdout, at once.
///
/// # Errors
/// [`Exit::Closed`] when the reader has gone, [`Exit::Io`] when writing fails otherwise.
pub(crate) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => {
                Failure::new(Exit::Closed, "the reader of the output has gone")
            }
            _ => Failure::new(Exit::Io, format!("cannot write the answer: {error}")),
        })
}

/// A line to stderr; nobody can be told when that fails.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Text from outside, made safe for a terminal: controls, direction marks and invisible characters are
/// written as escapes, so that a tool's name cannot repaint the screen.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            c if hidden(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// At most `width` characters, with an ellipsis where something was cut.
pub(crate) fn clip(text: &str, width: usize) -> Cow<'_, str> {
    if text.chars().count() <= width {
        return Cow::Borrowed(text);
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    Cow::Owned(cut)
}

/// JSON text without the white space between its tokens; the tokens stay as they are spelled.
pub(crate) fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        text.push(c);
    }
    text
}

/// Rows of cells as aligned columns; the last column is not padded. Cells may carry a tint.
pub(crate) fn table(out: &Out, rows: &[Vec<(String, Option<Tint>)>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0_usize; columns];
    for row in rows {
        for (width, (cell, _)) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        for (index, (cell, tint)) in row.iter().enumerate() {
            text.push_str(&tint.map_or(Cow::Borrowed(cell.as_str()), |tint| out.paint(tint, cell)));
            if index + 1 < row.len() {
                let pad = widths
                    .get(index)
                    .copied()
                    .unwrap_or(0)
                    .saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', pad + 2));
            }
        }
        while text.ends_with(' ') {
            text.pop();
        }
        text.push('\n');
    }
    text
}

/// Names and values, one pair a line; what is empty is left out.
pub(crate) fn fields(out: &Out, rows: &[(&str, String)]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            vec![
                ((*name).to_owned(), Some(Tint::Dim)),
                (plain(value).into_owned(), None),
            ]
        })
        .collect();
    table(out, &rows)
}

/// A table's first row.
pub(crate) fn heads(names: &[&str]) -> Vec<(String, Option<Tint>)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), Some(Tint::Dim)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_repaint_the_screen() {
        assert_eq!(plain("Bash"), "Bash");
        assert_eq!(plain("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(plain("a\u{202e}b\nc"), "a\\u{202e}b\\nc");
        assert_eq!(plain("\u{9b}31m"), "\\u{9b}31m");
    }

    #[test]
    fn a_cut_text_says_so() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "ab…");
    }

    #[test]
    fn compact_json_keeps_its_strings() {
        let json = "{ \"a b\" :\n [1, \"x \\\" y\\\\\"] }";
        assert_eq!(compact(json), "{\"a b\":[1,\"x \\\" y\\\\\"]}");
    }

    #[test]
    fn columns_align_and_lines_do_not_trail() {
        let out = Out {
            json: false,
            quiet: false,
            colour: false,
        };
        let rows = vec![
            vec![("a".into(), None), ("bb".into(), None)],
            vec![("ccc".into(), Some(Tint::Bad)), (String::new(), None)],
        ];
        assert_eq!(table(&out, &rows), "a    bb\nccc\n");
    }
}
