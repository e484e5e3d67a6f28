//! Takes wrappers off: what a command runs becomes a command of its own.

use crate::{
    command::{Command, Cwd, Opaque, Redirect, RedirectOp, Word},
    engine::{Context, Engine, Raw, takes_input},
    parser::{Base, Parser},
    programs::{
        interpreters::{Invocation, invocation},
        wrappers::{Place, Runs, Wrapper, wrapper_of},
    },
};

mod builtins;
mod special;

/// How the text inside a wrapper is run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inside {
    /// In the same shell: variables and directory changes are shared.
    pub(crate) same_shell: bool,
    pub(crate) remote: bool,
    pub(crate) contained: bool,
    /// May not run, or later.
    pub(crate) conditional: bool,
}

impl Engine<'_> {
    /// Records what the command at `index` runs.
    pub(crate) fn unwrap(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let Some(first) = command.argv.first() else {
            return;
        };
        if command.program.is_empty() {
            // `$SUDO rm x`: an unquoted expansion may be nothing.
            if first.opaque && !first.quoted && first.text.is_empty() && !first.process {
                self.run_tail(index, 1, "", Inside::default(), Vec::new());
            }
            return;
        }
        if self.unwrap_special(index) {
            return;
        }
        let Some(command) = self.commands.get(index) else {
            return;
        };
        if let Some(wrapper) = wrapper_of(&command.program, &command.argv) {
            self.unwrap_wrapper(index, wrapper);
        } else if let Some(call) = invocation(&command.program, &command.argv) {
            if let Some(meta) = self.metas.get_mut(index) {
                meta.interprets = true;
            }
            self.interpreter(index, &call);
        }
    }

    fn unwrap_wrapper(&mut self, index: usize, wrapper: &'static Wrapper) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let Some(opened) = open(command, wrapper) else {
            return;
        };
        let inside = Inside {
            same_shell: wrapper.same_shell,
            remote: wrapper.place == Place::Remote,
            contained: wrapper.place == Place::Contained,
            conditional: false,
        };
        if let Some(text) = opened.text {
            self.run_words(index, &[text], wrapper.name, inside);
            return;
        }
        if let Some(split) = opened.split {
            self.env_split(index, &split, opened.start, opened.assignments);
            return;
        }
        let cwd = opened.chdir.map(|word| self.moved_by(&word));
        match wrapper.runs {
            Runs::TextOption => {}
            Runs::Text => {
                let argv = self
                    .commands
                    .get(index)
                    .map(|c| c.argv.as_slice())
                    .unwrap_or_default();
                let words: Vec<Word> = argv.get(opened.start..).unwrap_or(&[]).to_vec();
                let size: usize = words.iter().map(|w| w.text.len() + 64).sum();
                let at = words.first().map_or(0, |w| w.at);
                if !words.is_empty() && self.work(size, at) {
                    self.run_words(index, &words, wrapper.name, inside);
                }
            }
            Runs::Command | Runs::CommandOrText => {
                let old = cwd.map(|cwd| std::mem::replace(&mut self.cwd, cwd));
                self.run_tail(
                    index,
                    opened.start,
                    wrapper.name,
                    inside,
                    opened.assignments,
                );
                if let Some(old) = old {
                    self.cwd = old;
                }
            }
        }
    }

    /// `env -S 'FOO=1 cmd'`.
    fn env_split(
        &mut self,
        index: usize,
        split: &Word,
        start: usize,
        mut assignments: Vec<(String, Word)>,
    ) {
        if split.opaque {
            self.unresolved(split.at, Opaque::DynamicWrapperArgument);
        }
        let mut words = Vec::new();
        Parser::new(&split.text.clone(), Base::Fixed(split.at), self).words(&mut words);
        if let Some(command) = self.commands.get(index) {
            words.extend(command.argv.get(start..).unwrap_or(&[]).iter().cloned());
        }
        let leading = words.iter().take_while(|w| assignment(w).is_some()).count();
        for word in words.drain(..leading) {
            assignments.extend(assignment(&word));
        }
        self.run_argv(index, words, "env", Inside::default(), assignments);
    }

    /// Runs the words of a command from `start` on as a command.
    pub(crate) fn run_tail(
        &mut self,
        index: usize,
        start: usize,
        name: &'static str,
        inside: Inside,
        assignments: Vec<(String, Word)>,
    ) {
        let Some(tail) = self.commands.get(index).and_then(|c| c.argv.get(start..)) else {
            return;
        };
        let size: usize = tail.iter().map(|w| w.text.len() + 64).sum();
        let tail = tail.to_vec();
        let at = tail.first().map_or(0, |w| w.at);
        if self.work(size, at) {
            self.run_argv(index, tail, name, inside, assignments);
        }
    }

    /// Runs words as a command inside the command at `index`.
    pub(crate) fn run_argv(
        &mut self,
        index: usize,
        argv: Vec<Word>,
        name: &'static str,
        inside: Inside,
        assignments: Vec<(String, Word)>,
    ) {
        let Some(at) = self.commands.get(index).map(|c| c.at) else {
            return;
        };
        if argv.is_empty() || !self.enter(at) {
            return;
        }
        let inner = self.metas.get(index).map(|m| m.inner).unwrap_or_default();
        let redirects = self.commands.get(index).map(documents).unwrap_or_default();
        let saved = self.step_inside(index, name, inside);
        let (cwd, sure) = (self.cwd.clone(), self.cwd_sure);
        self.emit(Raw {
            argv,
            assignments,
            redirects,
            at,
            inner,
        });
        if !inside.same_shell {
            self.cwd = cwd;
            self.cwd_sure = sure;
        }
        self.context = saved;
        self.leave();
    }

    /// Runs words joined by blanks as shell text. What is not known of them is noted.
    pub(crate) fn run_words(
        &mut self,
        index: usize,
        words: &[Word],
        name: &'static str,
        inside: Inside,
    ) {
        let mut text = String::new();
        for word in words {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        if let Some(word) = words.iter().find(|w| w.opaque) {
            let what = if self.downloads_in(index) {
                Opaque::DownloadIntoInterpreter
            } else if inside.remote
                || matches!(name, "xargs" | "find" | "parallel" | "watch" | "env")
            {
                Opaque::DynamicWrapperArgument
            } else {
                Opaque::Eval
            };
            self.unresolved(word.at, what);
            if inside.same_shell {
                self.variables.forget();
            }
        }
        let at = words.first().map_or(0, |w| w.at);
        self.run_text(index, &text, at, name, inside);
    }

    /// Runs shell text inside the command at `index`.
    pub(crate) fn run_text(
        &mut self,
        index: usize,
        text: &str,
        at: usize,
        name: &'static str,
        inside: Inside,
    ) {
        if text.is_empty() || !self.work(text.len(), at) || !self.enter(at) {
            return;
        }
        let mut saved = self.step_inside(index, name, inside);
        self.context.nested = true;
        self.context.conditional += usize::from(inside.conditional);
        let scope = self.scope();
        let errexit = self.errexit;
        if inside.same_shell {
            Parser::new(text, Base::Fixed(at), self).script();
            if inside.conditional {
                self.doubt(&scope);
            }
        } else {
            self.context.repeated = 0;
            let variables = std::mem::take(&mut self.variables);
            let aliases = std::mem::take(&mut self.aliases);
            self.errexit = false;
            if inside.remote || inside.contained {
                self.cwd = Cwd::Unknown;
            }
            Parser::new(text, Base::Fixed(at), self).script();
            self.variables = variables;
            self.aliases = aliases;
            self.undo(scope);
            self.errexit = errexit;
        }
        std::mem::swap(&mut self.context, &mut saved);
        self.leave();
    }

    /// Makes the context that of something run by the command at `index`; returns the old one.
    fn step_inside(&mut self, index: usize, name: &'static str, inside: Inside) -> Context {
        let saved = self.context.clone();
        let context = &mut self.context;
        if !name.is_empty() {
            context.via.push(name);
        }
        context.remote |= inside.remote;
        context.contained |= inside.contained;
        if let Some(command) = self.commands.get(index) {
            context.assignments.clone_from(&command.assignments);
            if takes_input(&command.redirects) {
                context.feed = None;
                context.shares = Some(index);
            }
        }
        saved
    }

    /// An interpreter with code on its command line.
    fn interpreter(&mut self, index: usize, call: &Invocation) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let codes: Vec<Word> = call
            .code
            .iter()
            .filter_map(|&(word, from)| command.argv.get(word).map(|w| w.after(from)))
            .collect();
        let script = call
            .script
            .and_then(|(word, from)| command.argv.get(word).map(|w| w.after(from)));
        let at = command.at;
        if call.interpreter.shell {
            let name = call.interpreter.name;
            for code in codes {
                self.run_words(index, &[code], name, Inside::default());
            }
        } else if crate::code::inline_code_in(call, &codes).is_some() {
            let known = codes.iter().all(|code| !code.opaque);
            let what = if !known && self.downloads_in(index) {
                Opaque::DownloadIntoInterpreter
            } else {
                Opaque::InlineCode
            };
            self.unresolved(at, what);
        }
        if let Some(script) = script
            && script.opaque
            && !script.process
            && script.text.is_empty()
            && !call.interpreter.operand_is_code
        {
            self.unresolved(script.at, Opaque::Eval);
            self.after_dynamic_option(index, call);
        }
    }

    /// `bash $OPTIONS -c 'rm x'`: the expansion may be options.
    fn after_dynamic_option(&mut self, index: usize, call: &Invocation) {
        let Some((word, _)) = call.script else { return };
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let rest = command.argv.get(word + 1..).unwrap_or(&[]);
        let Some(option) = rest.iter().position(|w| w.text == "-c") else {
            return;
        };
        let Some(code) = rest.get(option + 1).cloned() else {
            return;
        };
        if call.interpreter.shell {
            self.run_words(index, &[code], call.interpreter.name, Inside::default());
        }
    }

    /// Whether a substitution in the command's words downloads something.
    pub(crate) fn downloads_in(&self, index: usize) -> bool {
        let Some(range) = self.metas.get(index).map(|m| m.inner) else {
            return false;
        };
        let metas = self.metas.get(range.start..range.end).unwrap_or(&[]);
        // LIMIT: one command holds a bounded number of substitutions that matter.
        metas.iter().take(64).any(|meta| meta.known.fetches)
    }
}

/// Here-documents and here-strings, which what is inside a wrapper reads.
fn documents(command: &Command) -> Vec<Redirect> {
    command
        .redirects
        .iter()
        .filter(|r| matches!(r.op, RedirectOp::HereDoc | RedirectOp::HereString))
        .cloned()
        .collect()
}

/// What stands inside a wrapper.
#[derive(Debug, Default)]
struct Opened {
    start: usize,
    assignments: Vec<(String, Word)>,
    /// Shell text given by `-c`.
    text: Option<Word>,
    /// The string of `env -S`.
    split: Option<Word>,
    chdir: Option<Word>,
}

/// `NAME=value` as an assignment.
pub(crate) fn assignment(word: &Word) -> Option<(String, Word)> {
    let (name, value) = word.text.split_once('=')?;
    let first = name.bytes().next()?;
    let plain = (first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (plain && name.len() <= word.static_bytes).then(|| {
        let from = word.text.len() - value.len();
        (name.to_owned(), word.after(from))
    })
}

/// Finds the command behind a wrapper's options and operands.
fn open(command: &Command, wrapper: &'static Wrapper) -> Option<Opened> {
    let argv = command.argv.as_slice();
    let mut opened = Opened {
        start: 1,
        ..Opened::default()
    };
    let mut operands = wrapper.operands;
    let mut sub_wanted = !wrapper.sub.is_empty();
    let mut separated = false;
    while let Some(word) = argv.get(opened.start) {
        let text = word.text.as_str();
        let is_option = !separated && text.len() > 1 && text.starts_with('-');
        if is_option && text == "--" {
            separated = true;
            opened.start += 1;
        } else if is_option {
            if queries(wrapper, text) {
                return None;
            }
            opened.start += option(argv, &mut opened_parts(&mut opened), wrapper, word);
        } else if text == "-" && wrapper.name == "env" && !word.opaque {
            opened.start += 1;
        } else if sub_wanted {
            sub_wanted = text != wrapper.sub;
            opened.start += 1;
        } else if wrapper.assigns && assignment(word).is_some() {
            opened.assignments.extend(assignment(word));
            opened.start += 1;
        } else if operands > 0 || wrapper.runs == Runs::TextOption {
            operands = operands.saturating_sub(1);
            opened.start += 1;
        } else {
            break;
        }
    }
    Some(opened)
}

/// The parts of `Opened` that options fill in.
struct Parts<'o> {
    start: usize,
    text: &'o mut Option<Word>,
    split: &'o mut Option<Word>,
    chdir: &'o mut Option<Word>,
}

fn opened_parts(opened: &mut Opened) -> Parts<'_> {
    Parts {
        start: opened.start,
        text: &mut opened.text,
        split: &mut opened.split,
        chdir: &mut opened.chdir,
    }
}

/// Options with which a wrapper runs nothing.
fn queries(wrapper: &Wrapper, text: &str) -> bool {
    match wrapper.name {
        "command" => matches!(text, "-v" | "-V" | "-pv" | "-pV"),
        "sudo" => matches!(
            text,
            "-l" | "-v" | "-k" | "-K" | "-V" | "--list" | "--validate" | "--version"
        ),
        "ionice" | "taskset" | "chrt" | "prlimit" => matches!(text, "-p" | "--pid"),
        _ => false,
    }
}

/// Reads one option; returns how many words it takes.
fn option(argv: &[Word], parts: &mut Parts<'_>, wrapper: &'static Wrapper, word: &Word) -> usize {
    let text = word.text.as_str();
    let next = argv.get(parts.start + 1);
    if let Some(long) = text.strip_prefix("--") {
        let (name, attached) = match long.split_once('=') {
            Some((name, _)) => (name, Some(word.after(name.len() + 3))),
            None => (long, None),
        };
        let own = attached.is_none();
        let value = attached.as_ref().or(next);
        let text_option = matches!(wrapper.runs, Runs::TextOption | Runs::CommandOrText)
            && matches!(name, "command" | "session-command" | "call");
        if text_option {
            *parts.text = value.cloned();
            return 1 + usize::from(own);
        }
        match (wrapper.name, name) {
            ("env", "split-string") => *parts.split = value.cloned(),
            ("env" | "sudo", "chdir") | ("uv" | "poetry", "directory") => {
                *parts.chdir = value.cloned()
            }
            _ => {}
        }
        let takes = wrapper
            .long_values
            .iter()
            .any(|full| *full == name || (name.len() > 3 && full.starts_with(name)));
        return 1 + usize::from(own && takes);
    }
    for (offset, letter) in text.char_indices().skip(1) {
        let after = offset + letter.len_utf8();
        let attached = after < text.len() || (word.opaque && word.static_bytes >= after);
        let value = || {
            if attached {
                Some(word.after(after))
            } else {
                next.cloned()
            }
        };
        if letter == 'c' && matches!(wrapper.runs, Runs::TextOption | Runs::CommandOrText) {
            *parts.text = next.cloned();
            return 2;
        }
        if wrapper.short_values.contains(letter) {
            match (wrapper.name, letter) {
                ("env", 'S') => *parts.split = value(),
                ("env", 'C') | ("sudo", 'D') => *parts.chdir = value(),
                _ => {}
            }
            return 1 + usize::from(!attached);
        }
    }
    1
}
