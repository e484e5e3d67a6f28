//! Shell text that cannot be known before it runs.

use std::sync::{Arc, LazyLock};

use fak_shell::Opaque;
use fak_types::{Reason, Verdict};

use super::facts::ShellText;

static BY: LazyLock<Arc<str>> = LazyLock::new(|| "shell/unresolved".into());

/// What of a shell text could not be read. Code in another language is not a reason by itself: what it
/// writes and names is judged by the rules.
pub(crate) fn refusal(shell: &ShellText<'_>) -> Option<Verdict> {
    let found = shell
        .script
        .unresolved
        .iter()
        .find(|found| found.what != Opaque::InlineCode)?;
    let words = format!("{} (byte {})", found.what, found.at);
    let verdict = Verdict::deny(Reason::PolicyBlock, Arc::clone(&BY), &words);
    Some(Verdict {
        hint: Some(way_out(found.what).into()),
        ..verdict
    })
}

/// What to write instead.
const fn way_out(what: Opaque) -> &'static str {
    match what {
        Opaque::CommandName => "write the program's name out",
        Opaque::Eval => "write the command itself instead of text that becomes a command",
        Opaque::DownloadIntoInterpreter => {
            "download to a file, read it, and ask a person to run it"
        }
        Opaque::StdinIntoInterpreter => {
            "write the commands out, or put them in a file that can be read first"
        }
        Opaque::Syntax => "close every quote and bracket",
        Opaque::TooLong | Opaque::TooDeep | Opaque::TooMany => {
            "split the command into several calls"
        }
        Opaque::DynamicWrapperArgument => "write out what the wrapper program is to run",
        Opaque::AliasOrFunctionShadow => "call the program by its own name",
        Opaque::Encoding => "write the command without invisible characters",
        Opaque::InlineCode => "put the code in a file",
    }
}
