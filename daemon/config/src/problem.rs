//! What is wrong with a configuration, and where.

use std::{fmt, ops::Range, path::Path};

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// One-based line, 0 when the file as a whole is meant.
    pub line: usize,
    /// One-based column in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub help: String,
}

impl Problem {
    pub(crate) fn of_file(file: &Path, message: String) -> Self {
        Self {
            file: file.display().to_string(),
            line: 0,
            column: 0,
            message,
            help: String::new(),
        }
    }

    pub(crate) fn at(
        file: &Path,
        text: &str,
        span: Range<usize>,
        message: String,
        help: String,
    ) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        Self {
            file: file.display().to_string(),
            line,
            column,
            message,
            help,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": error: {}", self.message)?;
        if self.help.is_empty() {
            Ok(())
        } else {
            write!(f, "\n  help: {}", self.help)
        }
    }
}

/// All problems as text for a terminal, one after the other.
#[must_use]
pub fn render(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
