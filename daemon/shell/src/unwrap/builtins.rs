//! Builtins that change what later text means.

use super::assignment;
use crate::{
    command::{Command, Cwd, Opaque, Word},
    engine::Engine,
    programs::roles::Role,
};

/// LIMIT: a longer directory is not followed.
const CWD_BYTES_MAX: usize = 4096;

impl Engine<'_> {
    /// Acts on the shell's state as the command at `index` does.
    pub(crate) fn run_builtin(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        if command.argv.is_empty() {
            self.assign(index);
            return;
        }
        let role = self.metas.get(index).map_or(Role::None, |m| m.known.role);
        let changes = matches!(
            role,
            Role::Directory
                | Role::Declare
                | Role::Assigns
                | Role::Alias
                | Role::Set
                | Role::Shadow
        );
        if !changes {
            return;
        }
        // Only a builtin run by the shell itself changes it.
        let outside = command.via.last().is_some_and(|via| {
            !matches!(
                *via,
                "command" | "builtin" | "time" | "eval" | "trap" | "noglob"
            ) && crate::programs::interpreters::interpreter(via).is_none()
        });
        if outside && !command.remote {
            return;
        }
        match role {
            Role::Directory => self.change_directory(index),
            Role::Declare => self.declare(index),
            Role::Assigns => {
                self.forget_named(index);
            }
            Role::Alias => self.define_alias(index),
            Role::Set => self.set_options(index),
            Role::Shadow => {
                let Some(command) = self.commands.get(index) else {
                    return;
                };
                let loads = command
                    .argv
                    .iter()
                    .skip(1)
                    .any(|w| matches!(w.text.as_str(), "-p" | "-f" | "-n"));
                let at = command.at;
                if loads {
                    self.unresolved(at, Opaque::AliasOrFunctionShadow);
                }
            }
            _ => {}
        }
    }

    /// A command that only assigns.
    fn assign(&mut self, index: usize) {
        let Some(command) = self.commands.get_mut(index) else {
            return;
        };
        let assignments = std::mem::take(&mut command.assignments);
        for (name, word) in &assignments {
            self.variables.set(name, word.known());
        }
        if let Some(command) = self.commands.get_mut(index) {
            command.assignments = assignments;
        }
    }

    fn declare(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let words: Vec<(String, Word)> =
            command.argv.iter().skip(1).filter_map(assignment).collect();
        let references = command
            .argv
            .iter()
            .skip(1)
            .any(|w| w.text.starts_with('-') && w.text.contains(['n', 'i', 'u', 'l', 'c']));
        let array = command
            .argv
            .iter()
            .skip(1)
            .any(|w| w.text.ends_with('=') && w.opaque);
        for (name, word) in words {
            let value = if references || array {
                None
            } else {
                word.known()
            };
            self.variables.set(&name, value);
        }
    }

    /// Names given as arguments may have any value now.
    fn forget_named(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let printf = command.program == "printf";
        if printf && !command.argv.iter().any(|w| w.text.starts_with("-v")) {
            return;
        }
        let mut names = Vec::new();
        for word in command.argv.iter().skip(1) {
            let name: &str = word.text.trim_start_matches("-v");
            let end = name
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(name.len());
            let name = name.get(..end).unwrap_or("");
            if self.variables.assigned(name) {
                names.push(name.to_owned());
            }
        }
        for name in names {
            self.variables.set(&name, None);
        }
    }

    fn define_alias(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let at = command.at;
        let mut defined = Vec::new();
        for word in command.argv.iter().skip(1) {
            if let Some((name, value)) = word.text.split_once('=') {
                defined.push((name.to_owned(), value.to_owned()));
            }
        }
        if defined.is_empty() {
            return;
        }
        self.unresolved(at, Opaque::AliasOrFunctionShadow);
        self.aliases.extend(defined);
    }

    fn set_options(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let mut words = command.argv.iter().skip(1);
        let (mut on, mut off) = (false, false);
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            match text.as_bytes().first() {
                Some(b'-') if text != "--" => {
                    on |= text.contains('e');
                    if text.ends_with('o') {
                        on |= words.next().is_some_and(|w| w.text == "errexit");
                    }
                }
                Some(b'+') => off |= text.contains('e'),
                _ => break,
            }
        }
        if on && self.context.conditional == 0 {
            self.errexit = true;
        }
        if off {
            self.errexit = false;
        }
    }

    fn change_directory(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let stack = command.program.starts_with('p');
        let new = match destination(command) {
            Some(word) => {
                let word = word.clone();
                self.moved_by(&word)
            }
            None if stack => Cwd::Unknown,
            None => Cwd::Path("~".to_owned()),
        };
        let relocated = self.variables.assigned("CDPATH");
        let program_is_popd = self
            .commands
            .get(index)
            .is_some_and(|c| c.program == "popd");
        self.cwd = if relocated || program_is_popd || self.functions.contains("cd") {
            Cwd::Unknown
        } else {
            new
        };
    }

    /// The directory after changing to `word`.
    pub(crate) fn moved_by(&self, word: &Word) -> Cwd {
        if word.opaque || word.glob || word.text == "-" {
            return Cwd::Unknown;
        }
        let text = word.text.as_str();
        let absolute =
            text.starts_with('/') || text.starts_with('~') || text.get(1..2) == Some(":");
        if text.is_empty() || text == "." {
            return self.cwd.clone();
        }
        let path = match (&self.cwd, absolute) {
            (_, true) | (Cwd::Inherited, false) => text.to_owned(),
            (Cwd::Unknown, false) => return Cwd::Unknown,
            (Cwd::Path(base), false) => format!("{}/{text}", base.trim_end_matches('/')),
        };
        if path.len() > CWD_BYTES_MAX {
            Cwd::Unknown
        } else {
            Cwd::Path(path)
        }
    }
}

/// The operand of `cd`.
fn destination(command: &Command) -> Option<&Word> {
    let mut words = command.argv.iter().skip(1);
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "--" => return words.next(),
            "-" => return Some(word),
            text if text.starts_with('-') && text.len() > 1 && !word.opaque => {}
            _ => return Some(word),
        }
    }
    None
}
