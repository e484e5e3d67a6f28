//! The flags of `hook`.

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct HookFlags {
    /// Whose protocol
    pub(crate) harness: Harness,
    /// What to answer when fakd does not: a refusal, or the harness's own question to the person
    #[arg(long, value_name = "ANSWER", default_value = "deny")]
    pub(crate) on_error: OnError,
    /// A call that needs a witness: ask the person at the harness where it can, or refuse until somebody else approves
    #[arg(long, value_name = "ANSWER", default_value = "ask")]
    pub(crate) on_witness: OnWitness,
    /// This harness runs rewritten arguments: send them instead of refusing a TRANSFORM
    #[arg(long)]
    pub(crate) rewrite: bool,
    /// Let an ALLOW skip the harness's own permission prompt, where the harness can
    #[arg(long)]
    pub(crate) approve: bool,
}

/// A coding agent's harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Harness {
    ClaudeCode,
    Codex,
    Gemini,
    Cursor,
    /// {"tool","args"} in, fakctl's own JSON out, exit codes 0, 3, 4
    Generic,
}

/// Who may be the witness of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnWitness {
    /// The person at the harness: no row says so, and no claim is looked at
    Ask,
    /// Somebody else, with `fakctl approvals approve`
    Refuse,
}

/// The answer when fakd gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    Deny,
    Ask,
}
