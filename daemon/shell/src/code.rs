//! Facts about code given to interpreters, and about scripts and waiting.

mod awk;
mod literals;
mod sed;

use crate::{
    Limits,
    command::{Command, EffectKind, RedirectOp, Script, Word},
    parse,
    programs::interpreters::{Invocation, invocation},
};

/// Code in another language, given on a command line or as standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineCode {
    /// The interpreter's name without version: `python`, `node`, `awk`.
    pub language: &'static str,
    /// The code; several `-e` are joined by newlines.
    pub code: Word,
}

/// The code that an interpreter is given: `python -c CODE`, a here-document. `None` for shells, whose
/// code is parsed into commands, for script files, and for awk and sed programs that only transform
/// text.
#[must_use]
pub fn inline_code(command: &Command) -> Option<InlineCode> {
    let call = invocation(&command.program, &command.argv)?;
    if call.interpreter.shell {
        return None;
    }
    let codes: Vec<Word> = call
        .code
        .iter()
        .filter_map(|&(word, from)| command.argv.get(word).map(|w| w.after(from)))
        .collect();
    if !codes.is_empty() {
        return inline_code_in(&call, &codes);
    }
    if !call.stdin {
        return None;
    }
    let document = command.redirects.iter().rev().find(|r| {
        r.fd == Some(0) && matches!(r.op, RedirectOp::HereDoc | RedirectOp::HereString)
    })?;
    Some(InlineCode {
        language: call.interpreter.name,
        code: document.target.clone(),
    })
}

/// The code of a call that is not shell.
pub(crate) fn inline_code_in(call: &Invocation, codes: &[Word]) -> Option<InlineCode> {
    let mut code = codes.first()?.clone();
    for more in codes.get(1..)? {
        code.text.push('\n');
        code.text.push_str(&more.text);
        code.opaque |= more.opaque;
    }
    if !code.opaque {
        code.static_bytes = code.text.len();
    }
    let name = call.interpreter.name;
    let transforms = match name {
        "sed" => !sed::facts(&code.text).executes,
        _ if call.interpreter.operand_is_code => !awk::facts(&code.text).acts,
        _ => false,
    };
    (!transforms || code.text.is_empty() && code.opaque).then_some(InlineCode {
        language: name,
        code,
    })
}

/// Files that a sed script writes.
pub(crate) fn sed_writes(code: &str) -> Vec<String> {
    sed::facts(code).writes
}

/// Files that an awk program writes by their literal name.
pub(crate) fn awk_writes(code: &str) -> Vec<String> {
    awk::facts(code).writes
}

/// Names in code that change files.
const WRITE_VERBS: &[&str] = &[
    "write",
    "unlink",
    "remove",
    "rename",
    "rmtree",
    "rmdir",
    "rmsync",
    ".rm(",
    "rm_r",
    "rm_f",
    "truncate",
    "chmod",
    "chown",
    "mkdir",
    "makedirs",
    "link(",
    "link ",
    "copyfile",
    "copytree",
    "copy(",
    "copy2(",
    "cpsync",
    ".cp(",
    "move(",
    ".mv(",
    "os.replace",
    ".replace_file",
    "appendfile",
    ".delete",
    "touch(",
    "extractall",
    "inplace",
    "file_put_contents",
    "fputs",
    "createwritestream",
    "savetxt",
    "to_csv",
    "utime",
    "mknod",
    "setattr",
    "sysopen",
];

/// Names in code that run commands.
const RUN_VERBS: &[&str] = &[
    "system",
    "popen",
    "subprocess",
    "exec",
    "spawn",
    "shell",
    "open3",
    "backtick",
    "passthru",
    "%x",
    "qx",
    "`",
    "run(",
];

/// Output that is no file.
const HARMLESS: &[&str] = &[
    "stdout.write",
    "stderr.write",
    "stdout.buffer.write",
    "writeable",
    "writable",
    "write_through",
    "dont_write_bytecode",
];

/// LIMIT: longer code is taken to write what it names.
const CODE_BYTES_MAX: usize = 256 * 1024;

/// Whether code in another language seems to write, remove or move a path for which `guarded` holds.
///
/// A heuristic over the code's string literals and the names it calls: `open('f', 'w')`,
/// `os.remove('f')`, `os.system('rm f')` do, `print(open('f').read())` does not. Code that computes its
/// paths is not seen through.
#[must_use]
pub fn code_writes(code: &str, guarded: &dyn Fn(&str) -> bool) -> bool {
    let found = literals::literals(code);
    if !found.iter().any(|l| guarded(&l.text))
        && !found.iter().any(|l| l.text.contains(['/', '.', ' ']))
    {
        return false;
    }
    if code.len() > CODE_BYTES_MAX {
        return found.iter().any(|l| guarded(&l.text));
    }
    let mut lower = code.to_ascii_lowercase();
    for harmless in HARMLESS {
        lower = lower.replace(harmless, " ");
    }
    let names_write = WRITE_VERBS.iter().any(|verb| lower.contains(verb))
        || found.iter().any(|l| is_write_mode(&l.text));
    let names = |l: &literals::Literal| {
        guarded(l.text.trim_start_matches(['>', '<', '+', ' ', '|'])) || guarded(&l.text)
    };
    if names_write && found.iter().any(names) {
        return true;
    }
    if found.iter().any(|l| opens_for_writing(&l.text) && names(l)) {
        return true;
    }
    RUN_VERBS.iter().any(|verb| lower.contains(verb))
        && literals::command_lines(&found)
            .iter()
            .any(|line| shell_writes(line, guarded))
}

/// `w`, `ab`, `r+`, `>>`: how a file is opened.
fn is_write_mode(text: &str) -> bool {
    let mode = text.split([':', ',']).next().unwrap_or("");
    let letters = !mode.is_empty()
        && mode.len() <= 4
        && mode.bytes().all(|b| b"rwaxbt+U".contains(&b))
        && mode.bytes().any(|b| b"wax+".contains(&b));
    letters || matches!(mode.trim(), ">" | ">>" | "+<" | "+>" | "+>>")
}

/// perl's `open F, ">file"`.
fn opens_for_writing(text: &str) -> bool {
    text.starts_with('>') || text.starts_with("+<") || text.starts_with("+>")
}

/// Whether shell text inside code writes or removes a guarded path.
fn shell_writes(text: &str, guarded: &dyn Fn(&str) -> bool) -> bool {
    let script = parse(
        text,
        &Limits {
            bytes_max: CODE_BYTES_MAX,
            ..Limits::default()
        },
    );
    script
        .commands
        .iter()
        .flat_map(Command::effects)
        .any(|effect| {
            matches!(effect.kind, EffectKind::Write | EffectKind::Delete)
                && guarded(&effect.target.text)
        })
}

/// Whether a command runs a file with one of these names, as a program or through an interpreter. A
/// name without a slash is compared with the file's base name.
#[must_use]
pub fn executes_script(script: &Script, names: &[&str]) -> bool {
    script
        .commands
        .iter()
        .filter(|c| !c.remote)
        .flat_map(Command::effects)
        .any(|effect| {
            effect.kind == EffectKind::Execute && !effect.target.opaque && {
                let path = plain(&effect.target.text);
                let base = path.rsplit('/').next().unwrap_or(path);
                names
                    .iter()
                    .any(|name| plain(name) == path || (!name.contains('/') && *name == base))
            }
        })
}

fn plain(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// How many seconds a foreground command waits when waiting is all it does (`sleep 5m`,
/// `Start-Sleep -Seconds 300`); `None` for other commands, in the background, or when not known.
#[must_use]
pub fn long_sleep(command: &Command) -> Option<f64> {
    if command.background {
        return None;
    }
    match command.program.as_str() {
        "sleep" | "gsleep" => {
            let mut seconds = 0.0;
            for word in command.argv.get(1..)? {
                seconds += sleep_seconds(word.known()?)?;
            }
            (command.argv.len() > 1).then_some(seconds)
        }
        "start-sleep" => powershell_seconds(command),
        _ => None,
    }
}

fn sleep_seconds(text: &str) -> Option<f64> {
    let (number, unit) = match text.char_indices().next_back()? {
        (at, 's') => (text.get(..at)?, 1.0),
        (at, 'm') => (text.get(..at)?, 60.0),
        (at, 'h') => (text.get(..at)?, 3600.0),
        (at, 'd') => (text.get(..at)?, 86_400.0),
        _ => (text, 1.0),
    };
    let value: f64 = number.parse().ok()?;
    (value >= 0.0).then_some(value * unit)
}

fn powershell_seconds(command: &Command) -> Option<f64> {
    let parts = command.options();
    for flag in &parts.flags {
        let crate::FlagName::Single(name) = flag.name else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let value = flag.value?;
        if value.word.opaque {
            return None;
        }
        let number: f64 = value.text().parse().ok()?;
        if name.starts_with('m') {
            return Some(number / 1000.0);
        }
        if name.starts_with('s') {
            return Some(number);
        }
    }
    parts.positional.first()?.known()?.parse().ok()
}
