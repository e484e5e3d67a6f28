//! How fakd ends: the codes of `sysexits.h`, and failures that carry one.

use std::fmt;

/// Wrong arguments.
pub(crate) const USAGE: u8 = 64;
/// Something that cannot happen happened.
pub(crate) const INTERNAL: u8 = 70;
/// The socket or a directory cannot be made, or another fakd serves there.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// The journal cannot be opened or written, or another fakd writes it.
pub(crate) const JOURNAL: u8 = 74;
/// The configuration or a policy is unsound, or the journal is of a newer format.
pub(crate) const CONFIG: u8 = 78;

/// Why fakd ends.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    text: String,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    pub(crate) fn internal(what: &str, error: &dyn fmt::Display) -> Self {
        Self::new(INTERNAL, format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
