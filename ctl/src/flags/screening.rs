//! The flags of the verbs that look at a text here, without fakd.

use clap::{Args, ValueEnum, ValueHint};

/// A text that is screened as a tool's result would be.
#[derive(Args, Debug)]
pub(crate) struct TextFlags {
    /// The text; - for standard input
    #[arg(default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) file: String,
    /// Who may have written it: anybody, or only the user of this machine
    #[arg(long, value_name = "WHO", default_value = "anybody")]
    pub(crate) from: TextFrom,
    /// A text with a secret is sealed whole instead of having the secret cut out
    #[arg(long)]
    pub(crate) no_redact: bool,
    /// A longer text is paged out
    #[arg(long, value_name = "BYTES", default_value_t = fak_screen::OVERSIZE_BYTES_DEFAULT)]
    pub(crate) oversize_bytes: usize,
}

/// Who may have written a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextFrom {
    /// Text that wants to be obeyed is an attack
    Anybody,
    /// A text about attacks is no attack
    Local,
}

/// A model's answer.
#[derive(Args, Debug)]
pub(crate) struct ShapeFlags {
    /// The answer; - for standard input
    #[arg(default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) file: String,
}
