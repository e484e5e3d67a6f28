//! The state of a parse: what was found so far, what is known of the shell, and the budgets.

use std::collections::{HashMap, HashSet};

use crate::{
    DEPTH_CEILING, Limits,
    command::{Command, Cwd, Opaque, Redirect, RedirectOp, Script, Unresolved, Word},
    flow,
    parser::{Base, Parser},
    programs::{
        self,
        roles::{self, Known},
    },
    variables::{Mark, Variables},
};

/// LIMIT: bytes that may be read or copied again (strings given to shells, words repeated for each
/// wrapper, brace expansion) per byte of text.
const WORK_PER_BYTE: usize = 8;
/// LIMIT: the same for a short text.
const WORK_BYTES_MIN: usize = 256 * 1024;

/// Reads a whole text.
pub(crate) fn run(text: &str, limits: &Limits) -> Script {
    let mut engine = Engine::new(text, limits);
    if text.len() > limits.bytes_max {
        engine.unresolved(limits.bytes_max, Opaque::TooLong);
        return engine.into_script();
    }
    if let Some(at) = text.bytes().position(|b| b == 0) {
        engine.unresolved(at, Opaque::Encoding);
    }
    Parser::new(text, Base::Shift(0), &mut engine).script();
    flow::resolve(&mut engine);
    engine.into_script()
}

/// What is known of a command beside what callers see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meta {
    /// Commands whose output is this one's standard input.
    pub(crate) feed: Option<Range>,
    /// Commands in the substitutions of its words.
    pub(crate) inner: Range,
    /// The command whose standard input this one shares.
    pub(crate) shares: Option<usize>,
    pub(crate) depth: usize,
    /// What the parse does with the program.
    pub(crate) known: Known,
    /// It may read code from standard input.
    pub(crate) interprets: bool,
}

/// A half-open range of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What surrounds the command being read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) via: Vec<&'static str>,
    pub(crate) remote: bool,
    pub(crate) contained: bool,
    pub(crate) feed: Option<Range>,
    pub(crate) shares: Option<usize>,
    /// Depth of enclosing text that may not run, or not once.
    pub(crate) conditional: usize,
    /// Depth of enclosing text that may run again: loops and functions.
    pub(crate) repeated: usize,
    pub(crate) assignments: Vec<(String, Word)>,
    /// The text is not a part of the one given to `parse`.
    pub(crate) nested: bool,
}

/// A simple command as it was read, before wrappers are taken off.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) argv: Vec<Word>,
    pub(crate) assignments: Vec<(String, Word)>,
    pub(crate) redirects: Vec<Redirect>,
    pub(crate) at: usize,
    pub(crate) inner: Range,
}

/// The state of a parse.
pub(crate) struct Engine<'t> {
    pub(crate) text: &'t str,
    pub(crate) commands: Vec<Command>,
    pub(crate) metas: Vec<Meta>,
    found: Vec<Unresolved>,
    pub(crate) context: Context,
    pub(crate) variables: Variables,
    pub(crate) aliases: HashMap<String, String>,
    pub(crate) functions: HashSet<String>,
    pub(crate) cwd: Cwd,
    pub(crate) cwd_sure: bool,
    pub(crate) errexit: bool,
    /// Bodies of here-documents by the offset of their operator.
    pub(crate) documents: HashMap<(usize, usize), Word>,
    pub(crate) document_count: usize,
    pub(crate) depth: usize,
    depth_max: usize,
    commands_max: usize,
    work_left: usize,
    pub(crate) halted: bool,
}

/// A scope that will be left.
#[derive(Debug)]
pub(crate) struct Scope {
    mark: Mark,
    cwd: Cwd,
    cwd_sure: bool,
}

impl<'t> Engine<'t> {
    fn new(text: &'t str, limits: &Limits) -> Self {
        Self {
            text,
            commands: Vec::new(),
            metas: Vec::new(),
            found: Vec::new(),
            context: Context::default(),
            variables: Variables::default(),
            aliases: HashMap::new(),
            functions: HashSet::new(),
            cwd: Cwd::Inherited,
            cwd_sure: true,
            errexit: false,
            documents: HashMap::new(),
            document_count: 0,
            depth: 0,
            depth_max: limits.depth_max.min(DEPTH_CEILING),
            commands_max: limits.commands_max,
            work_left: text
                .len()
                .saturating_mul(WORK_PER_BYTE)
                .saturating_add(WORK_BYTES_MIN),
            halted: false,
        }
    }

    fn into_script(self) -> Script {
        let mut unresolved = self.found;
        unresolved.sort_by_key(|u| (u.at, u.what));
        unresolved.dedup();
        Script {
            commands: self.commands,
            unresolved,
        }
    }

    /// Notes something that is not known.
    pub(crate) fn unresolved(&mut self, at: usize, what: Opaque) {
        let new = Unresolved { at, what };
        if self.found.last() != Some(&new) && self.found.len() <= self.commands_max {
            self.found.push(new);
        }
    }

    /// Stops reading: a limit is reached.
    pub(crate) fn halt(&mut self, at: usize, what: Opaque) {
        if !self.halted {
            self.halted = true;
            self.unresolved(at, what);
        }
    }

    /// Accounts for bytes that are read or copied again.
    pub(crate) fn work(&mut self, bytes: usize, at: usize) -> bool {
        match self.work_left.checked_sub(bytes) {
            Some(left) => {
                self.work_left = left;
                true
            }
            None => {
                self.work_left = 0;
                self.halt(at, Opaque::TooLong);
                false
            }
        }
    }

    /// Goes one level deeper; `false` when that is too deep.
    pub(crate) fn enter(&mut self, at: usize) -> bool {
        if self.depth >= self.depth_max {
            self.halt(at, Opaque::TooDeep);
            return false;
        }
        self.depth += 1;
        true
    }

    /// Comes back from `enter`.
    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Opens a scope, to be closed by `undo` or `doubt`.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            mark: self.variables.mark(),
            cwd: self.cwd.clone(),
            cwd_sure: self.cwd_sure,
        }
    }

    /// Leaves a subshell.
    pub(crate) fn undo(&mut self, scope: Scope) {
        self.variables.undo(scope.mark);
        self.cwd = scope.cwd;
        self.cwd_sure = scope.cwd_sure;
    }

    /// Leaves text that may not have run.
    pub(crate) fn doubt(&mut self, scope: &Scope) {
        self.variables.doubt(scope.mark);
        if self.cwd != scope.cwd {
            if scope.cwd == Cwd::Inherited && scope.cwd_sure {
                self.cwd_sure = false;
            } else {
                self.cwd = Cwd::Unknown;
            }
        }
    }

    /// Whether the directory changed since the scope opened.
    pub(crate) fn moved(&self, scope: &Scope) -> bool {
        self.cwd != scope.cwd
    }

    /// The value of a variable, when known here.
    pub(crate) fn value(&mut self, name: &str) -> Option<&str> {
        if self.context.repeated == 0 {
            self.variables.get(name)
        } else if self.context.nested {
            None
        } else {
            self.variables.get_repeated(name, self.text)
        }
    }

    /// Records a command and, behind it, what it runs.
    pub(crate) fn emit(&mut self, raw: Raw) {
        if self.halted {
            return;
        }
        if self.commands.len() >= self.commands_max {
            self.halt(raw.at, Opaque::TooMany);
            return;
        }
        let carried: usize = self
            .context
            .assignments
            .iter()
            .map(|(n, w)| n.len() + w.text.len())
            .sum();
        let cwd_bytes = if let Cwd::Path(path) = &self.cwd {
            path.len()
        } else {
            0
        };
        if !self.work(cwd_bytes + carried + self.context.via.len() * 16, raw.at) {
            return;
        }
        let index = self.commands.len();
        let program = self.program_of(&raw);
        let mut assignments = self.context.assignments.clone();
        assignments.extend(raw.assignments);
        let feed = self.context.feed.filter(|_| !takes_input(&raw.redirects));
        let known = roles::known(&program);
        let function = !self.functions.is_empty() && self.functions.contains(program.as_str());
        self.commands.push(Command {
            argv: raw.argv,
            program,
            assignments,
            redirects: raw.redirects,
            via: self.context.via.clone(),
            remote: self.context.remote,
            contained: self.context.contained,
            upstream: feed.and_then(|range| range.end.checked_sub(1)),
            background: false,
            cwd: self.cwd.clone(),
            cwd_sure: self.cwd_sure,
            at: raw.at,
            conditional: self.context.conditional > 0,
            function,
        });
        self.metas.push(Meta {
            feed,
            inner: raw.inner,
            shares: self.context.shares,
            depth: self.depth,
            known,
            interprets: false,
        });
        self.run_builtin(index);
        self.unwrap(index);
    }

    /// The name of the program a command runs; notes why when it cannot be told.
    fn program_of(&mut self, raw: &Raw) -> String {
        let Some(word) = raw.argv.first() else {
            return String::new();
        };
        if word.opaque || word.process || (word.glob && !matches!(word.text.as_str(), "[" | "[[")) {
            self.unresolved(raw.at, Opaque::CommandName);
            return String::new();
        }
        if word.text.bytes().any(|b| !(0x20..0x80).contains(&b)) && hides(&word.text) {
            self.unresolved(raw.at, Opaque::Encoding);
        }
        programs::base_name(&word.text)
    }
}

/// Whether the redirects give a command another standard input.
pub(crate) fn takes_input(redirects: &[Redirect]) -> bool {
    redirects.iter().any(|redirect| {
        redirect.fd == Some(0)
            && matches!(
                redirect.op,
                RedirectOp::Read
                    | RedirectOp::ReadWrite
                    | RedirectOp::HereDoc
                    | RedirectOp::HereString
            )
    })
}

/// Whether a program's name holds characters that are not seen, or seen as something else.
fn hides(name: &str) -> bool {
    name.chars().any(|c| {
        c.is_control()
            || matches!(c,
                '\u{00a0}' | '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}'
                | '\u{1680}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
                | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}' | '\u{ff01}'..='\u{ff5e}' | '\u{e0000}'..='\u{e0fff}')
    })
}
