//! The shell texts of one call, read once.

use std::{borrow::Cow, cell::OnceCell, ops::Range};

use fak_args::{Kind, Value};
use fak_shell::{Command, Cwd, Effect, EffectKind, InlineCode, Limits, Script, Word, inline_code};

use crate::{
    names,
    spot::{Ground, Spot},
};

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
    codes: OnceCell<Vec<(usize, InlineCode)>>,
    lines: OnceCell<String>,
    listed: OnceCell<bool>,
}

/// One effect of one command.
pub(crate) struct Touch {
    /// Position of the command in the script.
    pub(crate) command: usize,
    /// What it does.
    pub(crate) effect: Effect,
    places: OnceCell<Vec<Placed>>,
}

/// Where the target of an effect lies, if the command runs in `directory`.
pub(crate) struct Placed {
    /// `None`: in a directory that is not known.
    pub(crate) directory: Option<String>,
    pub(crate) spot: Spot,
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
            codes: OnceCell::new(),
            lines: OnceCell::new(),
            listed: OnceCell::new(),
        })
    }

    /// Every effect of every command.
    pub(crate) fn touches(&self) -> &[Touch] {
        self.touches.get_or_init(|| {
            let mut touches = Vec::new();
            for (command, found) in self.script.commands.iter().enumerate() {
                touches.extend(found.effects().into_iter().map(|effect| Touch {
                    command,
                    effect,
                    places: OnceCell::new(),
                }));
            }
            touches
        })
    }

    /// The command of a touch.
    pub(crate) fn command(&self, touch: &Touch) -> Option<&Command> {
        self.script.commands.get(touch.command)
    }

    /// Where the target of a touch lies, in each directory its command may run in.
    pub(crate) fn places<'t>(&self, touch: &'t Touch, call: &Ground<'_>) -> &'t [Placed] {
        touch.places.get_or_init(|| {
            let Some(command) = self.command(touch) else {
                return Vec::new();
            };
            let text = path_text(&touch.effect.target);
            let directories = self.directories(command, call.cwd).into_iter();
            directories
                .map(|directory| {
                    let spot = ground(directory.as_deref(), call).spot(&text);
                    Placed { directory, spot }
                })
                .collect()
        })
    }

    /// The code in other languages that commands are given, and the commands.
    pub(crate) fn codes(&self) -> impl Iterator<Item = (&Command, &InlineCode)> {
        let codes = self.codes.get_or_init(|| {
            let commands = self.script.commands.iter().enumerate();
            commands
                .filter_map(|(place, command)| Some((place, inline_code(command)?)))
                .collect()
        });
        codes
            .iter()
            .filter_map(|(place, code)| Some((self.script.commands.get(*place)?, code)))
    }

    /// Every command's words joined by blanks, one command a line.
    pub(crate) fn lines(&self) -> &str {
        self.lines.get_or_init(|| {
            let mut lines = String::with_capacity(self.text.len() + self.script.commands.len());
            for command in &self.script.commands {
                for word in &command.argv {
                    lines.push_str(&word.text);
                    lines.push(' ');
                }
                lines.pop();
                lines.push('\n');
            }
            lines
        })
    }

    /// Whether the words a command gets when it runs are names that another command lists: what `find`
    /// found, or what `xargs` reads from a program that prints names.
    pub(crate) fn takes_names(&self, command: &Command) -> bool {
        match command.via.last() {
            // In the words of `find` itself, `{}` stands for what it finds.
            _ if command.program == "find" => true,
            Some(&"find") => true,
            Some(&"xargs") => *self.listed.get_or_init(|| self.lists_names()),
            _ => false,
        }
    }

    /// Whether every `xargs` of the text reads from a program that prints names.
    fn lists_names(&self) -> bool {
        const LISTERS: [&str; 8] = ["find", "fd", "fdfind", "git", "grep", "rg", "ls", "locate"];
        let commands = &self.script.commands;
        commands
            .iter()
            .filter(|one| one.program == "xargs")
            .all(|xargs| {
                let source = xargs.upstream.and_then(|source| commands.get(source));
                source.is_some_and(|source| LISTERS.contains(&source.program.as_str()))
            })
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

/// A string leaf of the arguments.
pub(crate) struct Leaf<'s, 'a> {
    pub(crate) value: Value<'s, 'a>,
    pub(crate) text: Cow<'a, str>,
    /// The key above it holds content, not a place.
    pub(crate) content: bool,
    /// It can be a path.
    fits: OnceCell<bool>,
    spot: OnceCell<Spot>,
}

impl<'s, 'a> Leaf<'s, 'a> {
    /// Every string leaf, in text order.
    pub(crate) fn all(root: Value<'s, 'a>) -> Vec<Self> {
        let mut leaves = Vec::with_capacity(LEAVES_RESERVED);
        collect(root, false, &mut leaves);
        leaves
    }

    /// The text, if it can be a path: a single line no longer than the kernel takes.
    pub(crate) fn path(&self) -> Option<&str> {
        let path = self.text.strip_prefix("file://").unwrap_or(&self.text);
        let fits = self.fits.get_or_init(|| {
            !path.is_empty() && path.len() <= PATH_BYTES_MAX && !path.contains('\n')
        });
        fits.then_some(path)
    }

    /// Where the path lies.
    pub(crate) fn spot(&self, path: &str, ground: &Ground<'_>) -> &Spot {
        self.spot.get_or_init(|| ground.spot(path))
    }
}

/// Leaves reserved before a call is read; most calls have fewer.
const LEAVES_RESERVED: usize = 8;

/// LIMIT: the kernel takes no longer path.
const PATH_BYTES_MAX: usize = 4096;

fn collect<'s, 'a>(value: Value<'s, 'a>, content: bool, leaves: &mut Vec<Leaf<'s, 'a>>) {
    match value.kind() {
        Kind::String => {
            let text = value.as_str().unwrap_or_default();
            leaves.push(Leaf {
                value,
                text,
                content,
                fits: OnceCell::new(),
                spot: OnceCell::new(),
            });
        }
        Kind::Array => value
            .items()
            .for_each(|item| collect(item, content, leaves)),
        Kind::Object => value.items().for_each(|item| {
            let content = item.key().is_some_and(|key| names::content_key(&key));
            collect(item, content, leaves);
        }),
        _ => {}
    }
}
