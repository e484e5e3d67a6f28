//! What an operator may choose.

/// LIMIT: the size from which a result is paged out unless the operator says otherwise; 256 KiB is some 64 thousand
/// tokens, more than most models can hold beside their task.
pub const OVERSIZE_BYTES_DEFAULT: usize = 256 * 1024;

/// What an operator may choose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// A result longer than this is paged out.
    pub oversize_bytes: usize,
    /// Cut secrets out of text and let the rest pass; otherwise a result with a secret is quarantined whole.
    pub redact: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            oversize_bytes: OVERSIZE_BYTES_DEFAULT,
            redact: true,
        }
    }
}
