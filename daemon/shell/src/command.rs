//! What a parse yields: commands, their words, and what could not be resolved.

use std::fmt;

/// Everything a shell text could run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Simple commands in the order in which they were met; a wrapper stands before what it runs.
    pub commands: Vec<Command>,
    /// What could not be known from the text.
    pub unresolved: Vec<Unresolved>,
}

/// A place in the text whose meaning is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unresolved {
    /// Byte offset in the text given to `parse`, of the outermost construct concerned.
    pub at: usize,
    /// What is not known.
    pub what: Opaque,
}

macro_rules! opaque {
    ($($(#[$meta:meta])* $variant:ident => $word:literal, $sentence:literal;)+) => {
        /// Why something could not be resolved. A closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Opaque { $($(#[$meta])* $variant,)+ }

        impl Opaque {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// A sentence for people; holds no part of the command.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }

            /// The kind's name in policies and reports.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads [`Opaque::word`]; `None` for a word this build does not know.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

opaque! {
    /// `$x -rf /`, `$(..) y`, `/bin/r? z`.
    CommandName => "command_name", "the program to run is computed when the command runs";
    /// `eval "$x"`, `sh -c "$x"`, `source "$x"`.
    Eval => "eval", "text computed when the command runs is run as shell code";
    /// `python -c ..`, `perl -e ..`, a here-document into an interpreter.
    InlineCode => "inline_code", "code in another language is given on the command line";
    /// `curl .. | sh`, `sh <(curl ..)`, `curl -o f ..; sh f`.
    DownloadIntoInterpreter => "download_into_interpreter",
        "something downloaded is run";
    /// `.. | sh` where the text is not known.
    StdinIntoInterpreter => "stdin_into_interpreter",
        "an interpreter runs what another command prints";
    /// Unterminated quote, stray `)`.
    Syntax => "syntax", "the text is not well-formed shell";
    /// More bytes than the limit allows.
    TooLong => "too_long", "the text is longer than can be examined";
    /// More nesting than the limit allows.
    TooDeep => "too_deep", "the text is nested deeper than can be examined";
    /// More commands than the limit allows.
    TooMany => "too_many", "the text holds more commands than can be examined";
    /// `env -S "$x"`, `xargs sh -c {}`, `ssh host "$x"`.
    DynamicWrapperArgument => "dynamic_wrapper_argument",
        "a wrapper program is told what to run when the command runs";
    /// `alias g=git`, `ls() { ..; }`.
    AliasOrFunctionShadow => "alias_or_function_shadow",
        "a program's name is given another meaning";
    /// NUL, zero-width or bidirectional control in a place that names a program.
    Encoding => "encoding", "the text holds characters that hide its meaning";
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One simple command, as its program would receive it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The words after quote removal; the first is the program as written. Empty for a command that
    /// only assigns or only redirects.
    pub argv: Vec<Word>,
    /// Lower-cased base name of the program, `.exe` stripped; empty when unknown or absent.
    pub program: String,
    /// `FOO=1 cmd`, and `env FOO=1 cmd` on the inner command.
    pub assignments: Vec<(String, Word)>,
    /// In the order written.
    pub redirects: Vec<Redirect>,
    /// Wrapper programs through which this command runs, outermost first. Each is a command as well.
    pub via: Vec<&'static str>,
    /// Runs on another machine (`ssh host cmd`): rules about local paths do not apply.
    pub remote: bool,
    /// Runs inside a container or another root (`docker exec`, `chroot`).
    pub contained: bool,
    /// The command whose standard output is this one's standard input (the last one, of a group).
    pub upstream: Option<usize>,
    /// Runs while later commands run.
    pub background: bool,
    /// Working directory, as far as the text tells.
    pub cwd: Cwd,
    /// `false`: an earlier `cd` that led to `cwd` may have failed, then the directory is inherited.
    pub cwd_sure: bool,
    /// Byte offset in the text given to `parse`, of the outermost construct that holds it.
    pub at: usize,
    /// Runs only if something else went one way, or more than once, or when a function is called.
    pub conditional: bool,
    /// The program is the name of a function that the text defines.
    pub function: bool,
}

/// A command's working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Cwd {
    /// The directory the text started in.
    #[default]
    Inherited,
    /// Changed by `cd`, `git -C`, `env -C`; relative paths are relative to the inherited directory.
    Path(String),
    /// Changed to something the text does not tell.
    Unknown,
}

/// One word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The text after quote removal. Parts whose value is not known are absent.
    pub text: String,
    /// Some part's value is not known.
    pub opaque: bool,
    /// Some part was quoted or escaped.
    pub quoted: bool,
    /// Holds an unquoted `*`, `?` or `[..]`.
    pub glob: bool,
    /// Begins with an unquoted `~`, or with `$HOME`, which reads `~`.
    pub tilde: bool,
    /// Is a process substitution, `<(..)` or `>(..)`.
    pub process: bool,
    /// Byte offset in the text given to `parse`.
    pub at: usize,
    pub(crate) static_bytes: usize,
}

impl Word {
    /// A word of known text.
    pub(crate) fn fixed(text: impl Into<String>, at: usize) -> Self {
        let text = text.into();
        let static_bytes = text.len();
        Self {
            text,
            at,
            static_bytes,
            ..Self::default()
        }
    }

    /// A word of which nothing is known.
    pub(crate) fn unknown(at: usize) -> Self {
        Self {
            opaque: true,
            at,
            ..Self::default()
        }
    }

    /// The text before the first part whose value is not known; the whole text when all is known.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.text.get(..self.static_bytes).unwrap_or(&self.text)
    }

    /// The text when all of it is known.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        if self.opaque { None } else { Some(&self.text) }
    }

    /// The word without its first `from` bytes, keeping what is known of the rest.
    #[must_use]
    pub fn after(&self, from: usize) -> Self {
        let text = self.text.get(from..).unwrap_or("");
        Self {
            text: text.to_owned(),
            tilde: if from == 0 {
                self.tilde
            } else {
                !self.quoted && text.starts_with('~')
            },
            static_bytes: self.static_bytes.saturating_sub(from),
            ..*self
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// A redirection of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// What kind.
    pub op: RedirectOp,
    /// The descriptor, when it is written or implied; `None` for `{name}>` and for `&>` (both outputs).
    pub fd: Option<u32>,
    /// The file, the descriptor's digits, or the text of a here-document or here-string.
    pub target: Word,
}

impl Redirect {
    /// Whether it creates or changes its target, which is a file.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.op.writes() && !is_sink(&self.target)
    }
}

/// Devices that swallow or show what is written to them.
fn is_sink(word: &Word) -> bool {
    if word.opaque {
        return false;
    }
    let text = word.text.as_str();
    text.strip_prefix("/dev/").is_some_and(|rest| {
        matches!(
            rest,
            "null" | "stdout" | "stderr" | "stdin" | "tty" | "zero" | "full"
        ) || rest
            .strip_prefix("fd/")
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    }) || text.eq_ignore_ascii_case("nul")
        || text.eq_ignore_ascii_case("$null")
}

/// Kinds of redirection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectOp {
    /// `<`
    Read,
    /// `>` and `&>`
    Write,
    /// `>>` and `&>>`
    Append,
    /// `>|`
    Clobber,
    /// `<>`
    ReadWrite,
    /// `<<` and `<<-`; the target is the body.
    HereDoc,
    /// `<<<`; the target is the text.
    HereString,
    /// `>&2`, `<&0`, `2>&-`; the target is the digits.
    Dup,
}

impl RedirectOp {
    /// Whether the target is a file that is created or changed.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Self::Write | Self::Append | Self::Clobber | Self::ReadWrite
        )
    }

    /// Whether the target is a file that is read.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }
}

/// What a command does to something outside itself, as far as its words tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// How.
    pub kind: EffectKind,
    /// Path, or for a contact the host or URL as written. Relative to the command's `cwd`.
    pub target: Word,
}

/// Kinds of effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EffectKind {
    /// The bytes of a file or tree are read.
    Read,
    /// A file or tree is created, changed, moved onto, or its attributes change.
    Write,
    /// A file or tree is removed or moved away.
    Delete,
    /// A network place is contacted; the target is a URL, `host`, `host:port` or `user@host:path`.
    Contact,
    /// A file is run as a program or a script.
    Execute,
}

impl Command {
    /// Whether a redirect of this command creates or changes a file (sinks such as `/dev/null` do not
    /// count).
    #[must_use]
    pub fn writes_file(&self) -> bool {
        self.redirects.iter().any(Redirect::writes)
    }

    /// The words joined by one space: what a rule about command text compares. Unknown parts are absent.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(self.argv.iter().map(|w| w.text.len() + 1).sum());
        for (index, word) in self.argv.iter().enumerate() {
            if index > 0 {
                line.push(' ');
            }
            line.push_str(&word.text);
        }
        line
    }
}
