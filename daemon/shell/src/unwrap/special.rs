//! Wrappers whose command does not simply follow their options.

use super::Inside;
use crate::{
    command::{Opaque, Word},
    engine::Engine,
    options,
    programs::roles::Role,
};

impl Engine<'_> {
    /// Programs with a grammar of their own; `true` when nothing is left to look at.
    pub(crate) fn unwrap_special(&mut self, index: usize) -> bool {
        match self.metas.get(index).map_or(Role::None, |m| m.known.role) {
            Role::Find => self.find(index),
            Role::Xargs => self.xargs(index),
            Role::Parallel => self.parallel(index),
            Role::Git => self.git(index),
            Role::Make => self.directory_option(index),
            Role::Source => self.source(index),
            Role::Trap => self.trap(index),
            Role::Dos => self.dos(index),
            Role::OptionCommands => self.option_commands(index),
            Role::Ssh => {
                self.option_commands(index);
                return false;
            }
            Role::Docker => return self.compose(index),
            Role::None
            | Role::Directory
            | Role::Declare
            | Role::Assigns
            | Role::Alias
            | Role::Set
            | Role::Shadow => return false,
        }
        true
    }

    /// `find DIR .. -exec cmd {} ;`.
    fn find(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let fd = command.program != "find";
        let argv: &[Word] = &command.argv;
        let place = start_path(argv, fd);
        let at = command.at;
        let mut runs: Vec<Vec<Word>> = Vec::new();
        let mut next = 1;
        let mut size = 0;
        while let Some(word) = argv.get(next) {
            next += 1;
            let text = word.text.as_str();
            let exec = if fd {
                matches!(text, "-x" | "-X" | "--exec" | "--exec-batch")
            } else {
                matches!(text, "-exec" | "-execdir" | "-ok" | "-okdir")
            };
            if !exec {
                continue;
            }
            let mut inner = Vec::new();
            while let Some(word) = argv.get(next) {
                next += 1;
                let ends = word.text == ";"
                    || (word.text == "+"
                        && inner
                            .last()
                            .is_some_and(|w: &Word| w.prefix() != w.text || w.opaque));
                if ends {
                    break;
                }
                size += word.text.len() + place.text.len() + 64;
                inner.push(fill(word, "{}", Some(&place)));
            }
            if fd && !inner.iter().skip(1).any(|w| w.opaque) {
                inner.push(place.clone());
            }
            runs.push(inner);
        }
        if !runs.is_empty() && self.work(size, at) {
            for argv in runs {
                self.run_argv(index, argv, "find", Inside::default(), Vec::new());
            }
        }
    }

    /// `xargs -I{} cmd {}`: arguments come from standard input.
    fn xargs(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let argv: &[Word] = &command.argv;
        let at = command.at;
        let (start, replace) = xargs_options(argv);
        let tail = argv.get(start..).unwrap_or(&[]);
        let size: usize = tail.iter().map(|w| w.text.len() + 64).sum();
        if tail.is_empty() {
            return;
        }
        let mut inner: Vec<Word> = match replace.filter(|r| !r.is_empty()) {
            Some(mark) => tail.iter().map(|w| fill(w, &mark, None)).collect(),
            None => {
                let mut inner = tail.to_vec();
                inner.push(Word::unknown(at));
                inner
            }
        };
        if let Some(first) = inner.first_mut() {
            first.at = at;
        }
        if self.work(size, at) {
            self.run_argv(index, inner, "xargs", Inside::default(), Vec::new());
        }
    }

    /// GNU parallel: a template, which is shell text, and `::: arguments`.
    fn parallel(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let at = command.at;
        let parts = options::split("parallel", command.argv.get(1..).unwrap_or(&[]));
        let separator = |w: &&Word| w.text.starts_with(":::");
        let template: Vec<Word> = parts
            .positional
            .iter()
            .take_while(|w| !separator(w))
            .map(|w| fill(w, "{}", None))
            .collect();
        let arguments: Vec<Word> = parts
            .positional
            .iter()
            .skip_while(|w| !separator(w))
            .filter(|w| !separator(w))
            .map(|w| (*w).clone())
            .collect();
        let size: usize = command.argv.iter().map(|w| w.text.len() + 64).sum();
        if !self.work(size, at) {
            return;
        }
        if template.is_empty() {
            if arguments.is_empty() {
                self.unresolved(at, Opaque::StdinIntoInterpreter);
            }
            for argument in arguments {
                self.run_words(index, &[argument], "parallel", Inside::default());
            }
            return;
        }
        let text_template = template.len() == 1;
        if text_template {
            let words: Vec<Word> = template
                .iter()
                .map(|w| Word {
                    opaque: false,
                    ..w.clone()
                })
                .collect();
            if template
                .iter()
                .any(|w| w.opaque && w.prefix().trim().is_empty())
            {
                self.unresolved(at, Opaque::DynamicWrapperArgument);
            }
            self.run_words(index, &words, "parallel", Inside::default());
        } else {
            let mut argv = template;
            if !argv.iter().any(|w| w.opaque) {
                argv.push(Word::unknown(at));
            }
            self.run_argv(index, argv, "parallel", Inside::default(), Vec::new());
        }
    }

    /// git: `-C`, aliases that run shell text, and subcommands that run commands.
    fn git(&mut self, index: usize) {
        self.directory_option(index);
        let Some(command) = self.commands.get(index) else {
            return;
        };
        if !command.argv.iter().any(|w| {
            w.text.contains('!')
                || matches!(
                    w.text.as_str(),
                    "bisect" | "submodule" | "rebase" | "filter-branch"
                )
        }) {
            return;
        }
        let parts = command.options();
        let mut texts: Vec<Word> = Vec::new();
        for flag in parts.flags.iter().filter(|f| f.global && f.is("-c")) {
            let Some(value) = flag.value else { continue };
            if let Some((_, text)) = value.text().split_once("=!") {
                texts.push(Word::fixed(text, value.word.at));
            }
        }
        let mut tail = None;
        match (
            parts.sub().map(|w| w.text.as_str()),
            parts.sub2().map(|w| w.text.as_str()),
        ) {
            (Some("rebase"), _) => {
                texts.extend(parts.values(&["-x", "--exec"]).map(|v| v.to_word()))
            }
            (Some("filter-branch"), _) => {
                let filters = [
                    "--tree-filter",
                    "--index-filter",
                    "--env-filter",
                    "--msg-filter",
                    "--parent-filter",
                    "--commit-filter",
                    "--tag-name-filter",
                    "--setup",
                ];
                texts.extend(parts.values(&filters).map(|v| v.to_word()));
            }
            (Some("bisect"), Some("run")) => {
                tail = command
                    .argv
                    .iter()
                    .position(|w| w.text == "run")
                    .map(|at| at + 1);
            }
            (Some("submodule"), Some("foreach")) => {
                let operands: Vec<&Word> = parts.after(2).to_vec();
                if let [only] = operands.as_slice() {
                    texts.push((*only).clone());
                } else {
                    let first = operands.first().map(|w| w.at);
                    tail = command
                        .argv
                        .iter()
                        .position(|w| Some(w.at) == first && first.is_some());
                }
            }
            _ => {}
        }
        for text in texts {
            self.run_words(index, &[text], "git", Inside::default());
        }
        if let Some(start) = tail {
            self.run_tail(index, start, "git", Inside::default(), Vec::new());
        }
    }

    /// `git -C DIR`, `make -C DIR`: the command itself runs there.
    fn directory_option(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        if !command
            .argv
            .iter()
            .any(|w| w.text.starts_with("-C") || w.text.starts_with("--dir"))
        {
            return;
        }
        let git = command.program == "git";
        let parts = command.options();
        let words: Vec<Word> = parts
            .flags
            .iter()
            .filter(|f| (!git || f.global) && (f.is("-C") || (!git && f.is("--directory"))))
            .filter_map(|f| f.value)
            .map(|v| v.to_word())
            .collect();
        let old = self.cwd.clone();
        for word in words {
            self.cwd = self.moved_by(&word);
        }
        let new = std::mem::replace(&mut self.cwd, old);
        if let Some(command) = self.commands.get_mut(index) {
            command.cwd = new;
        }
    }

    /// `source FILE`: the file's text is not here.
    fn source(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let Some(file) = command.argv.get(1) else {
            return;
        };
        let (at, opaque, process) = (file.at, file.opaque, file.process);
        let unknown = opaque && !process && file.text.is_empty();
        if process {
            let what = if self.downloads_in(index) {
                Opaque::DownloadIntoInterpreter
            } else {
                Opaque::Eval
            };
            self.unresolved(at, what);
        } else if unknown {
            self.unresolved(at, Opaque::Eval);
        }
        self.variables.forget();
    }

    fn trap(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let text = command
            .argv
            .iter()
            .skip(1)
            .find(|w| !matches!(w.text.as_str(), "--" | "-p" | "-l"));
        let Some(text) = text.cloned() else { return };
        if command.argv.len() > 2 && text.text != "-" {
            let inside = Inside {
                same_shell: true,
                conditional: true,
                ..Inside::default()
            };
            self.run_words(index, &[text], "trap", inside);
        }
    }

    /// `cmd /c text`.
    fn dos(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let start = command
            .argv
            .iter()
            .position(|w| w.text.eq_ignore_ascii_case("/c") || w.text.eq_ignore_ascii_case("/k"));
        let Some(start) = start else { return };
        let words: Vec<Word> = command.argv.get(start + 1..).unwrap_or(&[]).to_vec();
        let size: usize = words.iter().map(|w| w.text.len() + 64).sum();
        let at = command.at;
        if self.work(size, at) {
            self.run_words(index, &words, "cmd", Inside::default());
        }
    }

    /// `docker compose exec SERVICE cmd`; `true` when it was that.
    fn compose(&mut self, index: usize) -> bool {
        let Some(command) = self.commands.get(index) else {
            return true;
        };
        let words: Vec<&str> = command
            .argv
            .iter()
            .map(|w| w.text.as_str())
            .take(8)
            .collect();
        let Some(compose) = words.iter().position(|w| *w == "compose") else {
            return false;
        };
        let Some(verb) = words.iter().position(|w| matches!(*w, "exec" | "run")) else {
            return true;
        };
        if verb < compose {
            return false;
        }
        let mut start = verb + 1;
        let mut service = false;
        while let Some(word) = command.argv.get(start) {
            if word.text.starts_with('-') {
                let takes = matches!(
                    word.text.as_str(),
                    "-u" | "-e"
                        | "-w"
                        | "--user"
                        | "--env"
                        | "--workdir"
                        | "--index"
                        | "--entrypoint"
                        | "-v"
                        | "--volume"
                        | "--name"
                        | "-p"
                        | "--publish"
                );
                start += 1 + usize::from(takes);
            } else if service {
                break;
            } else {
                service = true;
                start += 1;
            }
        }
        let inside = Inside {
            contained: true,
            ..Inside::default()
        };
        self.run_tail(index, start, "docker", inside, Vec::new());
        true
    }

    /// Options whose value is a command or shell text.
    fn option_commands(&mut self, index: usize) {
        let Some(command) = self.commands.get(index) else {
            return;
        };
        let parts = command.options();
        let mut texts: Vec<Word> = Vec::new();
        let mut name: &'static str = "";
        let mut add = |flags: &[&str], from: &'static str| {
            for value in parts.values(flags) {
                name = from;
                texts.push(value.to_word());
            }
        };
        match command.program.as_str() {
            "tar" | "bsdtar" | "gtar" => {
                add(
                    &[
                        "--to-command",
                        "--use-compress-program",
                        "-I",
                        "--info-script",
                        "--rsh-command",
                    ],
                    "tar",
                );
                for value in parts.values(&["--checkpoint-action"]) {
                    if value.text().starts_with("exec=") {
                        name = "tar";
                        texts.push(value.word.after(value.from + 5));
                    }
                }
            }
            "rsync" => add(&["-e", "--rsh"], "rsync"),
            "nc" | "ncat" | "netcat" => add(&["-e", "-c", "--exec", "--sh-exec"], "nc"),
            "ssh" | "scp" | "sftp" => {
                for value in parts.values(&["-o"]) {
                    let text = value.text();
                    let (key, _) = text.split_once(['=', ' ']).unwrap_or((text, ""));
                    if ["proxycommand", "localcommand", "knownhostscommand"]
                        .iter()
                        .any(|k| key.eq_ignore_ascii_case(k))
                    {
                        name = "ssh";
                        texts.push(value.word.after(value.from + key.len() + 1));
                    }
                }
            }
            "nix-shell" => add(&["--run", "--command"], "nix-shell"),
            "vim" | "vi" | "nvim" | "ex" => {
                for value in parts.values(&["-c", "--cmd"]) {
                    let text = value.text().trim_start_matches(':');
                    if let Some(shell) = text.strip_prefix('!') {
                        name = "vim";
                        texts.push(Word::fixed(shell, value.word.at));
                    }
                }
            }
            "man" => add(&["-P", "--pager"], "man"),
            _ => {}
        }
        for text in texts {
            self.run_words(index, &[text], name, Inside::default());
        }
    }
}

/// Where the command behind xargs' options starts, and the mark that is replaced.
fn xargs_options(argv: &[Word]) -> (usize, Option<String>) {
    let mut start = 1;
    let mut replace: Option<String> = None;
    while let Some(word) = argv.get(start) {
        let text = word.text.as_str();
        if !(text.len() > 1 && text.starts_with('-')) {
            break;
        }
        start += 1;
        if text == "--" {
            break;
        }
        let next = || argv.get(start).map(|w| w.text.clone());
        if let Some(long) = text.strip_prefix("--") {
            let (name, value) = long
                .split_once('=')
                .map_or((long, None), |(n, v)| (n, Some(v)));
            if name == "replace" {
                replace = Some(value.unwrap_or("{}").to_owned());
            } else if value.is_none()
                && matches!(
                    name,
                    "arg-file"
                        | "delimiter"
                        | "max-lines"
                        | "max-args"
                        | "max-procs"
                        | "max-chars"
                        | "process-slot-var"
                )
            {
                start += 1;
            }
            continue;
        }
        for (offset, letter) in text.char_indices().skip(1) {
            let rest = text.get(offset + letter.len_utf8()..).unwrap_or("");
            if letter == 'i' {
                replace = Some(if rest.is_empty() {
                    "{}".to_owned()
                } else {
                    rest.to_owned()
                });
                break;
            }
            if matches!(letter, 'e' | 'l') {
                break;
            }
            if "adEILJnPRsS".contains(letter) {
                let value = if rest.is_empty() {
                    next()
                } else {
                    Some(rest.to_owned())
                };
                start += usize::from(rest.is_empty());
                if matches!(letter, 'I' | 'J') {
                    replace = value;
                }
                break;
            }
        }
    }
    (start, replace)
}

/// Where `find` starts, as the beginning of every path it finds.
fn start_path(argv: &[Word], fd: bool) -> Word {
    let at = argv.first().map_or(0, |w| w.at);
    let mut places = argv
        .iter()
        .skip(1)
        .skip_while(|w| matches!(w.text.as_str(), "-H" | "-L" | "-P"))
        .take_while(|w| !w.text.starts_with('-') && !matches!(w.text.as_str(), "(" | "!"));
    let first = if fd { None } else { places.next() };
    let mut place = match (first, places.next()) {
        (Some(only), None) => only.clone(),
        (None, _) => Word::fixed(".", at),
        (Some(_), Some(_)) => Word::unknown(at),
    };
    place.opaque = true;
    place.quoted = true;
    place
}

/// Puts what replaces a mark into a word: a place when the word is the mark, else something unknown.
fn fill(word: &Word, mark: &str, place: Option<&Word>) -> Word {
    if word.text == mark && !word.opaque {
        return match place {
            Some(place) => Word {
                at: word.at,
                ..place.clone()
            },
            None => Word {
                quoted: true,
                ..Word::unknown(word.at)
            },
        };
    }
    let Some(first) = word.text.find(mark) else {
        return word.clone();
    };
    Word {
        text: word.text.replace(mark, ""),
        opaque: true,
        static_bytes: first.min(word.static_bytes),
        quoted: true,
        ..word.clone()
    }
}
