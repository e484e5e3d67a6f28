//! Programs whose words do not follow a common shape.

use super::Effects;
use crate::{
    command::{EffectKind, RedirectOp, Word},
    programs::interpreters::Invocation,
};

impl Effects<'_> {
    /// `true` when the program is one of these and nothing is left to say.
    pub(super) fn special(&mut self) -> bool {
        match self.command.program.as_str() {
            "git" => self.git(),
            "find" => self.find(),
            "dd" => self.dd(),
            "tar" | "bsdtar" | "gtar" => self.tar(),
            "unzip" => self.unzip(),
            "sed" | "gsed" => self.sed(),
            "awk" | "gawk" | "mawk" | "nawk" => self.awk(),
            "perl" | "ruby" => self.in_place(),
            "source" | "." => {
                if let Some(file) = self.command.argv.get(1).filter(|w| !w.process) {
                    self.add(EffectKind::Execute, file);
                }
            }
            "go" => self.go(),
            "gzip" | "gunzip" | "bzip2" | "bunzip2" | "xz" | "unxz" | "zstd" | "unzstd" | "lz4"
            | "lzma" => {
                return self.compress();
            }
            "chmod" | "chown" | "chgrp" => return self.mode(),
            "tee" => return false,
            "patch" => return self.patch(),
            "sort" | "uniq" => return false,
            "crontab" => self.crontab(),
            "visudo" => self.visudo(),
            "sudo" => self.sudo_edit(),
            "rsync" | "scp" => return self.network(),
            _ => return self.network(),
        }
        true
    }

    fn find(&mut self) {
        let argv = &self.command.argv;
        let deletes = argv.iter().any(|w| w.text == "-delete");
        let starts: Vec<&Word> = argv
            .iter()
            .skip(1)
            .skip_while(|w| matches!(w.text.as_str(), "-H" | "-L" | "-P"))
            .take_while(|w| !w.text.starts_with('-') && !matches!(w.text.as_str(), "(" | "!"))
            .collect();
        let kind = if deletes {
            EffectKind::Delete
        } else {
            EffectKind::Read
        };
        for word in &starts {
            self.add(kind, word);
        }
        if starts.is_empty() {
            self.add_here(kind);
        }
        for pair in argv.windows(2) {
            let [option, file] = pair else { continue };
            if matches!(
                option.text.as_str(),
                "-fprint" | "-fprint0" | "-fprintf" | "-fls"
            ) {
                self.add(EffectKind::Write, file);
            }
        }
    }

    fn dd(&mut self) {
        for word in self.command.argv.iter().skip(1) {
            if word.text.starts_with("of=") {
                self.add(EffectKind::Write, &word.after(3));
            } else if word.text.starts_with("if=") {
                self.add(EffectKind::Read, &word.after(3));
            }
        }
    }

    /// tar: the first word may be a cluster without a dash.
    fn tar(&mut self) {
        let argv = &self.command.argv;
        let bundled = argv.get(1).is_some_and(|w| {
            !w.text.starts_with('-')
                && !w.text.is_empty()
                && w.text.bytes().all(|b| b.is_ascii_alphabetic())
        });
        let mut words: Vec<Word> = argv.get(1..).unwrap_or(&[]).to_vec();
        if bundled && let Some(first) = words.first_mut() {
            first.text.insert(0, '-');
            first.static_bytes += 1;
            // The old form takes values in order, the archive first.
            let keeps = first.text.ends_with('f') || !first.text.contains('f');
            if !keeps {
                let moved: String = first.text.replace('f', "") + "f";
                first.text = moved;
            }
        }
        let parts = crate::options::split("tar", &words);
        let directory = parts
            .values(&["-C", "--directory", "--cd"])
            .last()
            .map(|v| v.to_word());
        let archive = parts
            .value("-f")
            .or_else(|| parts.value("--file"))
            .map(|v| v.to_word());
        let archive = archive.filter(|w| w.text != "-" || w.opaque);
        let has = |short: &str, longs: &[&str]| {
            parts.flags.iter().any(|f| f.is_exactly(short)) || longs.iter().any(|l| parts.has(l))
        };
        let creates = has("-c", &["--create"])
            || has("-r", &["--append"])
            || has("-u", &["--update"])
            || has("-A", &["--catenate", "--concatenate"])
            || parts.has("--delete");
        if has("-x", &["--extract", "--get"]) {
            if let Some(archive) = &archive {
                self.add(EffectKind::Read, archive);
            }
            let printed = parts.has("-O") || parts.has("--to-stdout");
            match (printed, directory) {
                (true, _) => {}
                (false, Some(directory)) => self.add(EffectKind::Write, &directory),
                (false, None) => {
                    self.add_here(EffectKind::Write);
                    for member in parts.operands() {
                        self.add(EffectKind::Write, member);
                    }
                }
            }
        } else if creates {
            if let Some(archive) = &archive {
                self.add(EffectKind::Write, archive);
            }
            for word in parts.operands() {
                self.add(EffectKind::Read, word);
                if parts.has("--remove-files") {
                    self.add(EffectKind::Delete, word);
                }
            }
            if let Some(directory) = directory {
                self.add(EffectKind::Read, &directory);
            }
        } else if let Some(archive) = &archive {
            self.add(EffectKind::Read, archive);
        }
    }

    fn unzip(&mut self) {
        let parts = self.command.options();
        if let Some(archive) = parts.operands().first() {
            self.add(EffectKind::Read, archive);
        }
        let looks = ["-l", "-t", "-v", "-Z", "-p", "-c", "-z"];
        if looks
            .iter()
            .any(|name| parts.flags.iter().any(|f| f.is_exactly(name)))
        {
            return;
        }
        match parts.value("-d") {
            Some(value) => self.add(EffectKind::Write, &value.to_word()),
            None => self.add_here(EffectKind::Write),
        }
    }

    /// `sed -i`: the files are changed; a script's `w` command writes too.
    fn sed(&mut self) {
        let argv = &self.command.argv;
        let Some(call) = crate::programs::interpreters::invocation("sed", argv) else {
            return;
        };
        let mut in_place = false;
        let mut script_given = false;
        let mut next = 1;
        let mut files = Vec::new();
        while let Some(word) = argv.get(next) {
            let text = word.text.as_str();
            next += 1;
            if text == "--in-place" || text.starts_with("--in-place=") || text.starts_with("--in-p")
            {
                in_place = true;
            } else if matches!(text, "--expression" | "--file" | "--line-length") {
                script_given |= text != "--line-length";
                next += 1;
            } else if text.starts_with("--") {
                script_given |= text.starts_with("--expression=") || text.starts_with("--file=");
            } else if text.len() > 1 && text.starts_with('-') {
                for (offset, letter) in text.char_indices().skip(1) {
                    let last = offset + letter.len_utf8() == text.len();
                    if letter == 'i' {
                        in_place = true;
                        break;
                    }
                    if matches!(letter, 'e' | 'f' | 'l') {
                        script_given |= letter != 'l';
                        next += usize::from(last);
                        break;
                    }
                }
            } else {
                files.push(word);
            }
        }
        let skip = usize::from(!script_given);
        for file in files.into_iter().skip(skip).filter(|w| w.text != "-") {
            self.add(
                if in_place {
                    EffectKind::Write
                } else {
                    EffectKind::Read
                },
                file,
            );
        }
        if let Some((word, from)) = call.script
            && let Some(file) = argv.get(word)
        {
            self.add(EffectKind::Execute, &file.after(from));
        }
        for &(word, from) in &call.code {
            let Some(code) = argv.get(word) else { continue };
            for file in crate::code::sed_writes(code.text.get(from..).unwrap_or("")) {
                self.add(EffectKind::Write, &Word::fixed(file, code.at));
            }
        }
    }

    /// awk: `-i inplace` changes its files.
    fn awk(&mut self) {
        let argv = &self.command.argv;
        let Some(call) = crate::programs::interpreters::invocation(&self.command.program, argv)
        else {
            return;
        };
        let in_place = argv.windows(2).any(|pair| {
            matches!(pair, [a, b] if matches!(a.text.as_str(), "-i" | "--include") && b.text == "inplace")
        }) || argv.iter().any(|w| matches!(w.text.as_str(), "-iinplace" | "--include=inplace"));
        let mut last = call.code.iter().map(|&(word, _)| word).max().unwrap_or(0);
        if let Some((word, from)) = call.script
            && let Some(file) = argv.get(word)
        {
            self.add(EffectKind::Execute, &file.after(from));
            last = last.max(word);
        }
        for word in argv.get(last + 1..).unwrap_or(&[]) {
            let option = word.text.starts_with('-');
            if option || word.text.contains('=') {
                continue;
            }
            self.add(
                if in_place {
                    EffectKind::Write
                } else {
                    EffectKind::Read
                },
                word,
            );
        }
        for &(word, from) in &call.code {
            let Some(code) = argv.get(word) else { continue };
            for file in crate::code::awk_writes(code.text.get(from..).unwrap_or("")) {
                self.add(EffectKind::Write, &Word::fixed(file, code.at));
            }
        }
    }

    /// perl and ruby: with code on the command line the operands are data, `-i` changes them.
    fn in_place(&mut self) {
        let argv = &self.command.argv;
        let Some(call) = crate::programs::interpreters::invocation(&self.command.program, argv)
        else {
            return;
        };
        let Some(last) = call.code.iter().map(|&(word, _)| word).max() else {
            self.interpreter(&call);
            return;
        };
        let in_place = argv.iter().take(last + 1).skip(1).any(|w| {
            let text = w.text.as_str();
            text.starts_with('-')
                && !text.starts_with("--")
                && text
                    .split(['e', 'E'])
                    .next()
                    .is_some_and(|head| head.contains('i'))
                && !text.starts_with("-I")
        }) || argv
            .get(last + 1..)
            .unwrap_or(&[])
            .iter()
            .any(|w| w.text.starts_with("-i"));
        for word in argv.get(last + 1..).unwrap_or(&[]) {
            if word.text.starts_with('-') {
                continue;
            }
            self.add(
                if in_place {
                    EffectKind::Write
                } else {
                    EffectKind::Read
                },
                word,
            );
        }
    }

    /// An interpreter runs its script; without one, the file on standard input.
    pub(super) fn interpreter(&mut self, call: &Invocation) {
        let argv = &self.command.argv;
        if let Some((word, from)) = call.script {
            let file = argv.get(word).filter(|w| !w.process);
            if let Some(file) = file {
                let subcommand = matches!(call.interpreter.name, "deno" | "bun")
                    && matches!(
                        file.text.as_str(),
                        "run" | "test" | "eval" | "x" | "install" | "add"
                    );
                let script = if subcommand {
                    argv.get(word + 1)
                } else {
                    Some(file)
                };
                if let Some(script) = script {
                    let target = if subcommand {
                        script.clone()
                    } else {
                        script.after(from)
                    };
                    self.add(EffectKind::Execute, &target);
                }
            }
        } else if call.stdin {
            for redirect in &self.command.redirects {
                if redirect.op == RedirectOp::Read
                    && redirect.fd == Some(0)
                    && !redirect.target.process
                {
                    self.add(EffectKind::Execute, &redirect.target);
                }
            }
        }
    }

    fn go(&mut self) {
        let parts = self.command.options();
        for value in parts.values(&[
            "-o",
            "-coverprofile",
            "-cpuprofile",
            "-memprofile",
            "-trace",
        ]) {
            self.add(EffectKind::Write, &value.to_word());
        }
        if parts
            .sub()
            .is_some_and(|w| matches!(w.text.as_str(), "fmt" | "fix" | "generate"))
        {
            self.add_here(EffectKind::Write);
        }
    }

    /// gzip and its kin replace the file, unless they print.
    fn compress(&mut self) -> bool {
        let parts = self.command.options();
        let prints = parts.has_any(&[
            "-c",
            "--stdout",
            "--to-stdout",
            "-l",
            "--list",
            "-t",
            "--test",
        ]);
        for word in parts.operands() {
            self.add(EffectKind::Read, word);
            if !prints {
                self.add(EffectKind::Write, word);
                if !parts.has_any(&["-k", "--keep"]) {
                    self.add(EffectKind::Delete, word);
                }
            }
        }
        for value in parts.values(&["-o"]) {
            self.add(EffectKind::Write, &value.to_word());
        }
        true
    }

    /// chmod's mode may look like an option: `chmod -x f`.
    fn mode(&mut self) -> bool {
        let argv = &self.command.argv;
        let reference = argv.iter().any(|w| w.text.starts_with("--ref"));
        let mut seen_mode = reference;
        for word in argv.iter().skip(1) {
            let text = word.text.as_str();
            if text.starts_with("--") {
                continue;
            }
            if text.len() > 1 && text.starts_with('-') {
                let switches = text.bytes().skip(1).all(|b| b"RvcfhHLP".contains(&b));
                seen_mode |= !switches;
            } else if seen_mode {
                self.add(EffectKind::Write, word);
            } else {
                seen_mode = true;
            }
        }
        true
    }

    /// patch without a file name writes what the patch names.
    fn patch(&mut self) -> bool {
        let parts = self.command.options();
        if parts.has("--dry-run") {
            return true;
        }
        if parts.operands().is_empty() && !parts.has("-d") && !parts.has("--directory") {
            self.add_here(EffectKind::Write);
        }
        false
    }

    fn crontab(&mut self) {
        let parts = self.command.options();
        if let Some(file) = parts.operands().first() {
            self.add(EffectKind::Read, file);
        }
    }

    fn visudo(&mut self) {
        let parts = self.command.options();
        let kind = if parts.has("-c") {
            EffectKind::Read
        } else {
            EffectKind::Write
        };
        for value in parts.values(&["-f", "--file"]) {
            self.add(kind, &value.to_word());
        }
    }

    /// `sudo -e FILE`.
    fn sudo_edit(&mut self) {
        let argv = &self.command.argv;
        if argv
            .iter()
            .any(|w| matches!(w.text.as_str(), "-e" | "--edit"))
            && argv.get(1).is_some_and(|w| w.text.starts_with('-'))
        {
            for word in argv.iter().skip(1).filter(|w| !w.text.starts_with('-')) {
                self.add(EffectKind::Write, word);
            }
        }
    }
}
