//! What a check answers.

use std::fmt;

use crate::rules::Answer;

/// Violations told of one call. LIMIT: further ones count for the answer and are not listed.
pub const VIOLATIONS_MAX: usize = 64;

/// Where a value stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The tool whose result held it.
    pub tool: String,
    /// The row under which the result was admitted.
    pub row: u64,
    /// The field, with `[]` for any element: `[].body`. Empty for a result that is one value.
    pub field: String,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (row {})", self.tool, self.row)?;
        if self.field.is_empty() {
            Ok(())
        } else {
            write!(f, " at {}", self.field)
        }
    }
}

/// What is wrong with an argument, or with the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The value stands in tainted data only.
    Tainted(Label),
    /// The value is trusted, but as another kind of thing.
    OtherClass(Label),
    /// The value stands nowhere.
    Own,
    /// The value stands nowhere that was recorded, and not everything was.
    Unrecorded,
    /// A free text carries a link or account number that stands in tainted data only.
    Link(Label),
    /// A free text carries a confidential value.
    Confidential(Label),
    /// A free text as a whole stands in tainted data only.
    Copied(Label),
    /// The user's words did not ask for this tool.
    Unasked,
    /// The tool is not in the session's scope.
    OutOfScope,
    /// The tool was called as often as it may be.
    CountSpent,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tainted(label) => write!(f, "the value comes only from {label}"),
            Self::OtherClass(label) => {
                write!(
                    f,
                    "the value is known as another kind of thing, from {label}"
                )
            }
            Self::Own => f.write_str("the value is neither the user's nor from a trusted field"),
            Self::Unrecorded => {
                f.write_str("the session's ledger is full, so the value's origin is unknown")
            }
            Self::Link(label) => write!(f, "the text carries a link that comes only from {label}"),
            Self::Confidential(label) => {
                write!(f, "the text carries a confidential value from {label}")
            }
            Self::Copied(label) => write!(f, "the text comes word for word from {label}"),
            Self::Unasked => f.write_str("the user's words do not ask for this tool"),
            Self::OutOfScope => f.write_str("the tool is outside the session's scope"),
            Self::CountSpent => f.write_str("the tool was called as often as it may be"),
        }
    }
}

/// One thing wrong with a call. Holds names and places, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The argument, as a JSON pointer; empty when the call as a whole is meant.
    pub argument: String,
    /// What is wrong.
    pub why: Why,
    /// What the rules answer: ask or deny.
    pub answer: Answer,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.argument.is_empty() {
            write!(f, "argument {}: ", self.argument)?;
        }
        self.why.fmt(f)
    }
}

/// What [`crate::Ledger::check`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowVerdict {
    /// The worst of the violations' answers; allow when there are none.
    pub answer: Answer,
    /// What is wrong, in the order of the arguments.
    pub violations: Vec<Violation>,
    /// The rules of endorsement the call uses, by their place in the rules; [`crate::Ledger::settle`] counts them.
    pub(crate) uses: Vec<usize>,
}

impl FlowVerdict {
    pub(crate) fn clear() -> Self {
        Self {
            answer: Answer::Allow,
            violations: Vec::new(),
            uses: Vec::new(),
        }
    }

    /// Adds a violation; `argument` is asked only when it is listed.
    pub(crate) fn object(&mut self, argument: impl FnOnce() -> String, why: Why, answer: Answer) {
        if answer == Answer::Allow {
            return;
        }
        self.answer = self.answer.max(answer);
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation {
                argument: argument(),
                why,
                answer,
            });
        }
    }
}
