//! Credentials in text: rules, a keyword prefilter, validators.

use std::ops::Range;

/// A credential found in one view of the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hit {
    /// The name of the rule, such as `github-fine-grained-token`.
    pub(crate) rule: &'static str,
    /// What `[REDACTED:<kind>]` will say, such as `github_token`.
    pub(crate) kind: &'static str,
    /// Where in the view; on char boundaries, never empty.
    pub(crate) span: Range<usize>,
    /// Weak evidence (a card number, entropy beside a keyword) counts in the text as it stands and in its folded forms;
    /// two unrelated fields joined make it too easily.
    pub(crate) weak: bool,
}

/// The compiled rules; built once, shared by every thread.
pub(crate) struct Secrets {}

impl Secrets {
    /// Compiles the rules.
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// Adds every credential in `text` to `out`, in order of position.
    pub(crate) fn find(&self, _text: &str, _out: &mut Vec<Hit>) {}
}
