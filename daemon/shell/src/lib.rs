//! Shell text to simple commands, redirects, substitutions and effects.
//!
//! [`parse`] reads the text of a shell command the way a shell would (bash, with what dash and zsh
//! share) and returns every simple command that could run: inside lists, pipelines, loops, functions,
//! substitutions and here-documents, behind wrapper programs (`sudo env timeout xargs find -exec
//! sh -c ssh` and their like) and inside strings that a shell is told to run. Quotes are removed, so
//! a rule compares what the program would receive. What cannot be known from the text alone is named
//! in [`Script::unresolved`] with its byte offset.
//!
//! Guarantees: `parse` never fails and never panics, takes time linear in the text, and bounds its
//! depth, its commands and its work by [`Limits`]; what lies beyond a limit is unresolved, never
//! silently absent. Nothing here holds a clock, a file, a socket or the environment.
//!
//! What this crate does not do: it decides nothing. It does not know which path is precious or which
//! host is far; it says what a command's words are and which of them the program reads, writes,
//! removes, contacts or executes. It does not expand globs, look at the disk or run anything.

#![forbid(unsafe_code)]

mod code;
mod command;
mod effects;
mod engine;
mod flow;
mod options;
mod parser;
mod programs;
mod unwrap;
mod variables;

pub use code::{InlineCode, code_writes, executes_script, inline_code, long_sleep};
pub use command::{
    Command, Cwd, Effect, EffectKind, Opaque, Redirect, RedirectOp, Script, Unresolved, Word,
};
pub use options::{Flag, FlagName, FlagValue, Options};

/// Bounds of one [`parse`]. What exceeds them is reported as unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest text that is read at all.
    pub bytes_max: usize,
    /// Deepest nesting of compounds, substitutions and wrappers; at most [`DEPTH_CEILING`].
    pub depth_max: usize,
    /// Most commands in the result.
    pub commands_max: usize,
}

/// LIMIT: nesting beyond this is refused whatever [`Limits::depth_max`] says, so that the stack of a
/// small thread suffices.
pub const DEPTH_CEILING: usize = 128;

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 1 << 20,
            depth_max: 64,
            commands_max: 65_536,
        }
    }
}

/// Reads shell text into the simple commands it could run.
///
/// - Never fails: what cannot be read is named in [`Script::unresolved`].
/// - Linear in the length of the text; see [`Limits`] for the bounds.
/// - An empty text gives no command and nothing unresolved.
#[must_use]
pub fn parse(text: &str, limits: &Limits) -> Script {
    engine::run(text, limits)
}
