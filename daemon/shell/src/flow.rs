//! What flows into interpreters: read after the whole text is known.

use std::collections::HashMap;

use crate::{
    command::{EffectKind, Opaque, RedirectOp, Word},
    engine::{Engine, Range},
    programs::{
        self,
        interpreters::{Invocation, invocation},
        roles::Role,
    },
    unwrap::Inside,
};

/// LIMIT: commands between a text and the interpreter that reads it (`echo x | cat | cat | sh`).
const PASSES_MAX: usize = 16;

/// Puts here-documents in, follows standard input into interpreters, and downloads into runs.
pub(crate) fn resolve(engine: &mut Engine<'_>) {
    fill_documents(engine);
    let mut index = 0;
    let mut downloads = Downloads::default();
    while index < engine.commands.len() {
        downloads.extend(engine);
        interpret(engine, index, &downloads);
        let filled = engine.documents.len();
        index += 1;
        if index == engine.commands.len() && filled > 0 {
            fill_documents(engine);
        }
    }
    run_downloads(engine, &downloads);
}

/// Gives every here-document redirect its body.
fn fill_documents(engine: &mut Engine<'_>) {
    if engine.documents.is_empty() {
        return;
    }
    let mut copied = 0;
    for command in &mut engine.commands {
        for redirect in &mut command.redirects {
            if redirect.op != RedirectOp::HereDoc || !redirect.target.opaque {
                continue;
            }
            let key = (redirect.target.at, redirect.target.static_bytes);
            if let Some(body) = engine.documents.get(&key) {
                copied += body.text.len();
                redirect.target = body.clone();
            }
        }
    }
    engine.documents.clear();
    engine.work(copied, 0);
}

/// Which commands carry bytes from the network in their output.
#[derive(Debug, Default)]
struct Downloads {
    /// How many of the commands before each index do.
    before: Vec<usize>,
}

impl Downloads {
    fn extend(&mut self, engine: &Engine<'_>) {
        if self.before.is_empty() {
            self.before.push(0);
        }
        while self.before.len() <= engine.commands.len() {
            let index = self.before.len() - 1;
            let carries = engine.metas.get(index).is_some_and(|meta| {
                meta.known.fetches
                    || self.any(meta.inner)
                    || meta.feed.is_some_and(|feed| self.any(feed))
            });
            let count = self.before.last().copied().unwrap_or(0) + usize::from(carries);
            self.before.push(count);
        }
    }

    fn any(&self, range: Range) -> bool {
        match (self.before.get(range.start), self.before.get(range.end)) {
            (Some(start), Some(end)) => end > start,
            _ => false,
        }
    }

    fn one(&self, index: usize) -> bool {
        self.any(Range {
            start: index,
            end: index + 1,
        })
    }
}

/// What a command reads on standard input.
#[derive(Debug)]
enum Input {
    Nothing,
    Text(Word),
    File(Word),
    Pipe(Range),
}

fn input(engine: &Engine<'_>, index: usize) -> Input {
    let mut at = index;
    for _ in 0..PASSES_MAX {
        let (Some(command), Some(meta)) = (engine.commands.get(at), engine.metas.get(at)) else {
            return Input::Nothing;
        };
        let own = command.redirects.iter().rev().find(|r| r.fd == Some(0));
        match own.map(|r| (r.op, &r.target)) {
            Some((RedirectOp::HereDoc | RedirectOp::HereString, text)) => {
                return Input::Text(text.clone());
            }
            Some((RedirectOp::Read | RedirectOp::ReadWrite, file)) => {
                return Input::File(file.clone());
            }
            _ => {}
        }
        if let Some(feed) = meta.feed {
            return Input::Pipe(feed);
        }
        match meta.shares {
            Some(outer) if outer != at => at = outer,
            _ => return Input::Nothing,
        }
    }
    Input::Nothing
}

/// The text that the commands in `range` certainly print.
fn printed(engine: &Engine<'_>, range: Range, passes: usize) -> Option<Word> {
    if passes > PASSES_MAX || range.end != range.start + 1 {
        return None;
    }
    let command = engine.commands.get(range.start)?;
    let arguments = command.argv.get(1..)?;
    match command.program.as_str() {
        "echo" | "printf" | "print" => {
            let skip = usize::from(
                command.program == "printf"
                    && arguments.len() > 1
                    && arguments.first().is_some_and(|w| w.text.starts_with('%')),
            );
            let mut text = Word::fixed("", command.at);
            for word in arguments.get(skip..)? {
                if word.text.starts_with('-') && word.text.len() < 4 && text.text.is_empty() {
                    continue;
                }
                if !text.text.is_empty() {
                    text.text.push(' ');
                }
                text.text.push_str(&word.text);
                text.opaque |= word.opaque;
            }
            if text.text.contains('\\') {
                text.text = text.text.replace("\\n", "\n").replace("\\t", "\t");
            }
            if text.text.contains('\\') && command.program != "echo" {
                text.opaque = true;
            }
            text.static_bytes = text.text.len();
            Some(text)
        }
        "cat" | "tee" | "sudo" | "env"
            if arguments.iter().all(|w| w.text == "-") || command.program == "tee" =>
        {
            match input(engine, range.start) {
                Input::Text(text) => Some(text),
                Input::Pipe(feed) => printed(engine, feed, passes + 1),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Follows what an interpreter without code or script reads.
fn interpret(engine: &mut Engine<'_>, index: usize, downloads: &Downloads) {
    let Some((shell, name, remote, at)) = reads_code(engine, index, downloads) else {
        return;
    };
    let Some(command) = engine.commands.get(index) else {
        return;
    };
    let depth = engine.metas.get(index).map_or(0, |m| m.depth);
    let cwd = (command.cwd.clone(), command.cwd_sure);
    let text = match input(engine, index) {
        Input::Nothing => return,
        Input::File(file) => {
            if file.process || file.opaque && file.text.is_empty() {
                let inner = engine.metas.get(index).map(|m| m.inner).unwrap_or_default();
                let what = if downloads.any(inner) {
                    Opaque::DownloadIntoInterpreter
                } else {
                    Opaque::StdinIntoInterpreter
                };
                engine.unresolved(at, what);
            }
            return;
        }
        Input::Text(text) => text,
        Input::Pipe(feed) => {
            if downloads.any(feed) {
                engine.unresolved(at, Opaque::DownloadIntoInterpreter);
                return;
            }
            match printed(engine, feed, 0) {
                Some(text) => text,
                None => {
                    engine.unresolved(at, Opaque::StdinIntoInterpreter);
                    return;
                }
            }
        }
    };
    if !shell {
        engine.unresolved(at, Opaque::InlineCode);
        return;
    }
    if text.opaque {
        let inner = engine.metas.get(index).map(|m| m.inner).unwrap_or_default();
        let what = if downloads.any(inner) {
            Opaque::DownloadIntoInterpreter
        } else {
            Opaque::Eval
        };
        engine.unresolved(at, what);
    }
    let context = crate::engine::Context {
        via: engine
            .commands
            .get(index)
            .map(|c| c.via.clone())
            .unwrap_or_default(),
        remote: engine.commands.get(index).is_some_and(|c| c.remote),
        contained: engine.commands.get(index).is_some_and(|c| c.contained),
        conditional: usize::from(engine.commands.get(index).is_some_and(|c| c.conditional)),
        nested: true,
        ..Default::default()
    };
    engine.context = context;
    engine.depth = depth;
    (engine.cwd, engine.cwd_sure) = cwd;
    let inside = Inside {
        remote,
        ..Inside::default()
    };
    engine.run_text(index, &text.text, at, name, inside);
}

/// Whether a command reads code from standard input: shell or not, its name, and where it stands.
fn reads_code(
    engine: &mut Engine<'_>,
    index: usize,
    downloads: &Downloads,
) -> Option<(bool, &'static str, bool, usize)> {
    let command = engine.commands.get(index)?;
    let meta = engine.metas.get(index)?;
    let other = matches!(meta.known.role, Role::Ssh | Role::Source)
        || matches!(command.program.as_str(), "at" | "batch");
    if !meta.interprets && !other {
        return None;
    }
    match command.program.as_str() {
        "at" | "batch" => return Some((true, "at", false, command.at)),
        "ssh" => {
            let operands = command.options().positional.len();
            return (operands == 1).then_some((true, "ssh", true, command.at));
        }
        "source" | "." => {
            let stdin = command.argv.get(1).is_some_and(|w| {
                matches!(
                    w.text.as_str(),
                    "/dev/stdin" | "/proc/self/fd/0" | "/dev/fd/0"
                )
            });
            return stdin.then_some((true, "source", false, command.at));
        }
        _ => {}
    }
    if !meta.interprets {
        return None;
    }
    let call = invocation(&command.program, &command.argv)?;
    let at = command.at;
    let (shell, name) = (call.interpreter.shell, call.interpreter.name);
    if call.stdin {
        return Some((shell, name, false, at));
    }
    script_process(engine, index, &call, downloads);
    let command = engine.commands.get(index)?;
    let (word, from) = call.script?;
    let script = command.argv.get(word)?.text.get(from..)?;
    matches!(script, "/dev/stdin" | "/proc/self/fd/0" | "/dev/fd/0")
        .then_some((shell, name, false, at))
}

/// `sh <(curl ..)`.
fn script_process(engine: &mut Engine<'_>, index: usize, call: &Invocation, downloads: &Downloads) {
    let Some((word, _)) = call.script else { return };
    let Some(script) = engine.commands.get(index).and_then(|c| c.argv.get(word)) else {
        return;
    };
    if !script.process || call.interpreter.operand_is_code {
        return;
    }
    let at = script.at;
    let inner = engine.metas.get(index).map(|m| m.inner).unwrap_or_default();
    let what = if downloads.any(inner) {
        Opaque::DownloadIntoInterpreter
    } else {
        Opaque::StdinIntoInterpreter
    };
    engine.unresolved(at, what);
}

/// `curl -o f ..; sh f`.
fn run_downloads(engine: &mut Engine<'_>, downloads: &Downloads) {
    let mut files: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for (index, command) in engine.commands.iter().enumerate() {
        let carries = downloads.one(index);
        if !carries && files.is_empty() {
            continue;
        }
        let effects = command.effects();
        if !files.is_empty() {
            let run = effects.iter().any(|e| {
                e.kind == EffectKind::Execute && files.contains_key(plain(&e.target.text))
            });
            if run {
                found.push(command.at);
            }
        }
        if carries {
            for effect in effects {
                if effect.kind == EffectKind::Write && !effect.target.text.is_empty() {
                    files.insert(plain(&effect.target.text).to_owned(), index);
                }
            }
            if let Some(name) = programs::fetched_name(command) {
                files.insert(name, index);
            }
        } else if matches!(command.program.as_str(), "mv" | "cp" | "install") {
            let moved = command
                .argv
                .iter()
                .skip(1)
                .any(|w| files.contains_key(plain(&w.text)));
            if let (true, Some(last)) = (moved, command.argv.last()) {
                files.insert(plain(&last.text).to_owned(), index);
            }
        }
    }
    for at in found {
        engine.unresolved(at, Opaque::DownloadIntoInterpreter);
    }
}

/// A path without its leading `./`.
fn plain(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}
