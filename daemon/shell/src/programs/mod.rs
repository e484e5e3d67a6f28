//! What is known of programs: which options take a value, which operands are paths or places, which
//! programs run other programs. Facts in tables, no judgement.

mod files;
mod git;
mod index;
pub(crate) mod interpreters;
mod network;
pub(crate) mod roles;
mod tools;
pub(crate) mod wrappers;

use crate::command::{Command, EffectKind};

/// How a program's options look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `-abc` is three options, `--long` one.
    Posix,
    /// `-name` is one option (find, go, PowerShell).
    SingleDash,
    /// `/x` as well as `-name` (cmd.exe programs).
    Slash,
    /// No options at all: every word is an operand (echo, dd, test).
    Bare,
}

/// What a program does with its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operands {
    /// Nothing outside itself, or nothing known.
    Nothing,
    /// The same with each of them.
    Each(EffectKind),
    /// Skips the first (a mode, a pattern), then the same with each.
    Later(EffectKind),
    /// Reads all but the last, which is written (cp, install, ln, rsync, scp).
    LastWritten,
    /// Removes all but the last, which is written (mv).
    LastMoved,
    /// Reads the first and writes the second, when there are two.
    InOut,
    /// Only the first, the rest is no path.
    First(EffectKind),
    /// Writes the first, reads the rest (zip).
    FirstWritten,
}

/// What is known of one program, or of one subcommand.
#[derive(Debug)]
pub(crate) struct Spec {
    /// Lower-cased base name.
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    /// Short options that take a value, attached or the next word.
    pub(crate) short_values: &'static str,
    /// Short options that take a value only when it is attached.
    pub(crate) short_optional: &'static str,
    /// Long options whose value may be the next word.
    pub(crate) long_values: &'static [&'static str],
    /// The first operand is a subcommand.
    pub(crate) has_sub: bool,
    /// Second operands that are subcommands of this subcommand.
    pub(crate) subs: &'static [&'static str],
    /// After the first operand that is no subcommand, options belong to another program.
    pub(crate) stops: bool,
    pub(crate) operands: Operands,
    /// What the program does with the value of an option.
    pub(crate) option_effects: &'static [(&'static str, EffectKind)],
}

impl Spec {
    pub(crate) const fn named(name: &'static str) -> Self {
        Self {
            name,
            style: Style::Posix,
            short_values: "",
            short_optional: "",
            long_values: &[],
            has_sub: false,
            subs: &[],
            stops: false,
            operands: Operands::Nothing,
            option_effects: &[],
        }
    }

    pub(crate) const fn short(mut self, letters: &'static str) -> Self {
        self.short_values = letters;
        self
    }

    pub(crate) const fn attached(mut self, letters: &'static str) -> Self {
        self.short_optional = letters;
        self
    }

    pub(crate) const fn long(mut self, names: &'static [&'static str]) -> Self {
        self.long_values = names;
        self
    }

    pub(crate) const fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    pub(crate) const fn with_sub(mut self) -> Self {
        self.has_sub = true;
        self
    }

    pub(crate) const fn subs(mut self, names: &'static [&'static str]) -> Self {
        self.subs = names;
        self
    }

    pub(crate) const fn stops(mut self) -> Self {
        self.stops = true;
        self
    }

    pub(crate) const fn does(mut self, operands: Operands) -> Self {
        self.operands = operands;
        self
    }

    pub(crate) const fn with(mut self, effects: &'static [(&'static str, EffectKind)]) -> Self {
        self.option_effects = effects;
        self
    }
}

/// A program of which nothing is known: short clusters, no option takes a separate value.
static UNKNOWN: Spec = Spec::named("");

/// Long names that are complete in common programs and also begin another long name. They are never
/// read as abbreviations.
pub(crate) const COMPLETE_LONG: &[&str] = &[
    "all",
    "base",
    "branch",
    "cached",
    "color",
    "config",
    "data",
    "date",
    "delete",
    "diff",
    "dir",
    "edit",
    "exclude",
    "exec",
    "file",
    "fix",
    "force",
    "form",
    "format",
    "get",
    "header",
    "help",
    "include",
    "interactive",
    "keep",
    "list",
    "local",
    "log",
    "merge",
    "message",
    "mirror",
    "mode",
    "no",
    "no-edit",
    "output",
    "patch",
    "path",
    "porcelain",
    "prefix",
    "prune",
    "quiet",
    "rebase",
    "recurse",
    "recursive",
    "ref",
    "reset",
    "set",
    "sign",
    "signoff",
    "size",
    "skip",
    "soft",
    "sort",
    "squash",
    "stat",
    "tag",
    "tags",
    "target",
    "time",
    "type",
    "unset",
    "update",
    "url",
    "user",
    "verbose",
    "verify",
    "version",
    "web",
    "with",
    "work-tree",
];

/// What is known of a program, by lower-cased base name.
pub(crate) fn spec(program: &str) -> &'static Spec {
    find(program)
        .or_else(|| {
            let plain = unversioned(program);
            if plain.len() == program.len() {
                None
            } else {
                find(plain)
            }
        })
        .unwrap_or(&UNKNOWN)
}

fn find(program: &str) -> Option<&'static Spec> {
    files::find(program)
        .or_else(|| tools::find(program))
        .or_else(|| network::find(program))
}

/// What is known of a subcommand.
pub(crate) fn sub_spec(program: &str, sub: &str) -> &'static Spec {
    match program {
        "git" => git::find(sub).unwrap_or(&git::PLAIN),
        _ => spec(program),
    }
}

/// Lower-cased last component of a program as written, `.exe` cut off.
pub(crate) fn base_name(program: &str) -> String {
    let start = program.rfind(['/', '\\']).map_or(0, |slash| slash + 1);
    let base = program.get(start..).unwrap_or("");
    let mut name = base.to_owned();
    name.make_ascii_lowercase();
    if name.len() > 4 && name.ends_with(".exe") {
        name.truncate(name.len() - 4);
    }
    name
}

/// Programs and builtins without a row elsewhere that a definition may shadow.
const ALSO_KNOWN: &[&str] = &[
    ":", "[", "false", "id", "kill", "pwd", "su", "true", "uname", "which", "whoami",
];

/// Whether a name is one of a program or builtin that this crate knows something of.
pub(crate) fn is_known(name: &str) -> bool {
    let name = base_name(name);
    find(&name).is_some()
        || interpreters::interpreter(&name).is_some()
        || wrappers::wrapper_of(&name, &[]).is_some()
        || roles::known(&name).role != roles::Role::None
        || ALSO_KNOWN.contains(&name.as_str())
}

/// The file that a download without a named output makes.
pub(crate) fn fetched_name(command: &Command) -> Option<String> {
    let parts = match command.program.as_str() {
        "wget" | "aria2c" | "axel" => command.options(),
        "curl" => {
            let parts = command.options();
            if !parts.has_any(&["-O", "--remote-name", "-J"]) {
                return None;
            }
            parts
        }
        _ => return None,
    };
    let url = parts.positional.first().map(|w| w.text.as_str())?;
    let path = url.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `python3.11` is `python`, `perl5` is `perl`.
pub(crate) fn unversioned(program: &str) -> &str {
    program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_for_binary_search() {
        for table in [files::TABLE, network::TABLE, tools::TABLE, git::SUBCOMMANDS] {
            for pair in table.windows(2) {
                assert!(
                    pair[0].name < pair[1].name,
                    "{} before {}",
                    pair[0].name,
                    pair[1].name
                );
            }
        }
    }
}
