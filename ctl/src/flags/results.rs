//! The verbs about results.

use clap::{Args, ValueHint};

/// One result.
#[derive(Args, Debug)]
pub(crate) struct AdmitFlags {
    /// The tool that answered, as the agent spells it
    pub(crate) tool: String,
    /// The result: a file, or - for standard input
    #[arg(long, short, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) result: String,
    /// The session's trace id; fakd mints one otherwise
    #[arg(long, value_name = "ID")]
    pub(crate) trace: Option<String>,
    /// The call it answers, as it was adjudicated
    #[arg(long, value_name = "ID")]
    pub(crate) call_id: Option<String>,
}

/// Bytes that were kept.
#[derive(Args, Debug)]
pub(crate) struct PageInFlags {
    /// The id in the stub
    pub(crate) seal: String,
    /// First byte wanted
    #[arg(long, value_name = "BYTE", default_value_t = 0)]
    pub(crate) offset: u64,
    /// Most bytes wanted; 0: all that fits a message
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) limit: u64,
}
