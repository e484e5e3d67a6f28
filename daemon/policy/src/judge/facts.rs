//! The shell texts of one call, read once.

use std::{borrow::Cow, cell::OnceCell, ops::Range};

use fak_args::{Kind, Value};
use fak_shell::{Command, Cwd, Effect, EffectKind, Limits, Script, Word};

use crate::{names, spot::Ground};

/// One shell argument: its text, its commands, and where they run.
pub(crate) struct ShellText<'a> {
    /// Where the value lies in the arguments; identifies the value.
    pub(crate) span: Range<usize>,
    /// The decoded text.
    pub(crate) text: Cow<'a, str>,
    /// What it runs.
    pub(crate) script: Script,
    /// The directory it starts in, when the call names one.
    workdir: Option<String>,
    touches: OnceCell<Vec<Touch>>,
}

/// One effect of one command.
pub(crate) struct Touch {
    /// Position of the command in the script.
    pub(crate) command: usize,
    /// What it does.
    pub(crate) effect: Effect,
}

impl<'a> ShellText<'a> {
    /// Reads a declared argument: text, or a list of words as `exec` would take them. The error says
    /// why the value is neither.
    pub(crate) fn read(
        value: Value<'_, 'a>,
        parent: Option<Value<'_, 'a>>,
    ) -> Result<Self, &'static str> {
        let text = match value.kind() {
            Kind::String => value.as_str().ok_or("the shell text cannot be read")?,
            Kind::Array => Cow::Owned(quoted_words(value)?),
            _ => return Err("the shell argument is neither text nor a list of words"),
        };
        let script = fak_shell::parse(&text, &Limits::default());
        let workdir = parent.and_then(workdir);
        Ok(Self {
            span: value.span(),
            text,
            script,
            workdir,
            touches: OnceCell::new(),
        })
    }

    /// Every effect of every command.
    pub(crate) fn touches(&self) -> &[Touch] {
        self.touches.get_or_init(|| {
            let mut touches = Vec::new();
            for (command, found) in self.script.commands.iter().enumerate() {
                touches.extend(
                    found
                        .effects()
                        .into_iter()
                        .map(|effect| Touch { command, effect }),
                );
            }
            touches
        })
    }

    /// The command of a touch.
    pub(crate) fn command(&self, touch: &Touch) -> Option<&Command> {
        self.script.commands.get(touch.command)
    }

    /// Whether the words a command gets when it runs are names that another command lists: what `find`
    /// found, or what `xargs` reads from a program that prints names.
    pub(crate) fn takes_names(&self, command: &Command) -> bool {
        const LISTERS: [&str; 8] = ["find", "fd", "fdfind", "git", "grep", "rg", "ls", "locate"];
        match command.via.last() {
            // In the words of `find` itself, `{}` stands for what it finds.
            _ if command.program == "find" => true,
            Some(&"find") => true,
            Some(&"xargs") => self
                .script
                .commands
                .iter()
                .filter(|one| one.program == "xargs")
                .all(|xargs| {
                    let source = xargs
                        .upstream
                        .and_then(|source| self.script.commands.get(source));
                    source.is_some_and(|source| LISTERS.contains(&source.program.as_str()))
                }),
            _ => false,
        }
    }

    /// The directories a command may run in: one when the text tells, two when an earlier `cd` may
    /// have failed, and an unknown one as `None`.
    pub(crate) fn directories(
        &self,
        command: &Command,
        call_cwd: Option<&str>,
    ) -> Vec<Option<String>> {
        let start = match (&self.workdir, call_cwd) {
            (Some(workdir), cwd) => Some(join(cwd, workdir)),
            (None, cwd) => cwd.map(str::to_owned),
        };
        match &command.cwd {
            Cwd::Inherited => vec![start],
            Cwd::Unknown => vec![None],
            Cwd::Path(path) if command.cwd_sure => vec![Some(join(start.as_deref(), path))],
            Cwd::Path(path) => {
                let moved = Some(join(start.as_deref(), path));
                vec![moved, start]
            }
        }
    }
}

/// A directory, absolute or relative to another. A relative one without a start stays relative, so
/// that the names in it still count.
fn join(start: Option<&str>, path: &str) -> String {
    match start {
        Some(start) if !path.starts_with('/') && !path.starts_with('~') => {
            format!("{start}/{path}")
        }
        _ => path.to_owned(),
    }
}

/// A list of words as one text in which every word is quoted.
fn quoted_words(value: Value<'_, '_>) -> Result<String, &'static str> {
    let mut text = String::new();
    for item in value.items() {
        let word = item
            .as_str()
            .ok_or("the shell argument is a list that holds something else than text")?;
        if !text.is_empty() {
            text.push(' ');
        }
        let plain = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'/' | b'.' | b'_' | b'-' | b':' | b'+' | b',' | b'@' | b'%'
                )
        };
        if !word.is_empty() && word.bytes().all(plain) {
            text.push_str(&word);
        } else {
            text.push('\'');
            text.push_str(&word.replace('\'', "'\\''"));
            text.push('\'');
        }
    }
    Ok(text)
}

/// The sibling argument that names the directory a command runs in.
fn workdir(parent: Value<'_, '_>) -> Option<String> {
    let found = parent.items().find(|item| {
        item.kind() == Kind::String && item.key().is_some_and(|key| names::workdir_key(&key))
    })?;
    found
        .as_str()
        .map(Cow::into_owned)
        .filter(|text| !text.is_empty())
}

/// The text of a path word as the program receives it: a quoted `~` is a name like any other.
pub(crate) fn path_text(word: &Word) -> Cow<'_, str> {
    if word.text.starts_with('~') && !word.tilde {
        Cow::Owned(format!("./{}", word.text))
    } else {
        Cow::Borrowed(&word.text)
    }
}

/// The ground under a command that runs in `directory`.
pub(crate) fn ground<'c>(directory: Option<&'c str>, call: &Ground<'c>) -> Ground<'c> {
    Ground {
        cwd: directory,
        ..*call
    }
}

/// Whether the effect changes its target.
pub(crate) const fn changes(kind: EffectKind) -> bool {
    matches!(kind, EffectKind::Write | EffectKind::Delete)
}
