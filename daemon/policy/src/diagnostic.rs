//! One problem of a manifest, at its place, with what would be right.

use std::fmt;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused whole.
    Error,
    /// The file is accepted; a person should look.
    Warning,
}

impl Severity {
    /// The word in rendered diagnostics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem: where, what, and what would be right.
///
/// Guarantees: lines and columns count from 1, columns in characters; a line of 0 means the problem
/// has a [`field`](Self::field) but no known place in a file, as when a manifest was built by code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file is refused.
    pub severity: Severity,
    /// The name of the file as the caller gave it; may be empty.
    pub file: String,
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column in characters, from 1; 0 when unknown.
    pub column: u32,
    /// Which part of the manifest: `posture`, `arg_rules[3].deny_regex`, `deny.rm`; empty for the whole.
    pub field: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The vocabulary, the nearest key or the correction; may be empty.
    pub help: String,
}

impl Diagnostic {
    /// An error of a part of the manifest whose place is not known yet; `load` finds the place.
    #[must_use]
    pub fn error(
        field: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            file: String::new(),
            line: 0,
            column: 0,
            field: field.into(),
            message: message.into(),
            help: help.into(),
        }
    }

    /// A warning about a part of the manifest whose place is not known yet.
    #[must_use]
    pub fn warning(
        field: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(field, message, help)
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
        }
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.file.is_empty() || self.line > 0 {
            f.write_str(" ")?;
        }
        write!(f, "{}: ", self.severity.as_str())?;
        if self.line == 0 && !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// Renders problems one after the other, each on its own lines.
#[must_use]
pub fn render(problems: &[Diagnostic]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&problem.to_string());
        text.push('\n');
    }
    text
}

/// Policy text as it may stand in a message: one line, at most 80 characters, nothing invisible.
pub(crate) fn shown(text: &str) -> String {
    /// LIMIT: a description quotes no more of what was found, in characters.
    const CHARS_MAX: usize = 80;
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == CHARS_MAX {
            out.push('…');
            break;
        }
        match c {
            '\'' | '"' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_renders_with_its_place_or_with_its_field() {
        let mut problem = Diagnostic::error("allow[0]", "empty name", "name a tool");
        assert_eq!(
            problem.to_string(),
            "error: allow[0]: empty name\n  help: name a tool"
        );
        problem.file = "p.yaml".into();
        problem.line = 3;
        problem.column = 5;
        assert_eq!(
            problem.to_string(),
            "p.yaml:3:5: error: empty name\n  help: name a tool"
        );
        assert_eq!(Diagnostic::warning("", "m", "").to_string(), "warning: m");
    }
}
