//! Programs that run code: where the code, the script or the module is given.

use super::{index, unversioned};
use crate::command::Word;

/// A program that runs code.
#[derive(Debug)]
pub(crate) struct Interpreter {
    pub(crate) name: &'static str,
    /// Its code is shell, which is parsed into commands.
    pub(crate) shell: bool,
    /// Short options whose value is code.
    code: &'static str,
    /// Long options whose value is code.
    code_long: &'static [&'static str],
    /// Short options after which everything is a module's.
    module: &'static str,
    /// Short options that take a value.
    values: &'static str,
    /// Short options that take a value only when attached.
    attached: &'static str,
    long_values: &'static [&'static str],
    /// Long names after one dash (PowerShell).
    single_dash: bool,
    /// Options that print something and run nothing.
    quits: &'static [&'static str],
    /// Its first operand is code (awk, sed) unless `script_option` is given.
    pub(crate) operand_is_code: bool,
    /// Short options whose value is a script file.
    script: &'static str,
    /// Without a script it reads one from standard input.
    reads_stdin: bool,
}

const BASE: Interpreter = Interpreter {
    name: "",
    shell: false,
    code: "",
    code_long: &[],
    module: "",
    values: "",
    attached: "",
    long_values: &[],
    single_dash: false,
    quits: &["--version", "--help", "-h", "-v", "-V"],
    operand_is_code: false,
    script: "",
    reads_stdin: true,
};

const fn shell(name: &'static str) -> Interpreter {
    Interpreter {
        name,
        shell: true,
        code: "c",
        code_long: &["command", "init-command"],
        values: "oO",
        long_values: &["rcfile", "init-file"],
        quits: &["--version", "--help"],
        ..BASE
    }
}

const fn awk(name: &'static str) -> Interpreter {
    Interpreter {
        name,
        values: "vFiElLo",
        attached: "dDpW",
        long_values: &["assign", "field-separator", "include", "load"],
        code: "e",
        code_long: &["source"],
        script: "f",
        operand_is_code: true,
        reads_stdin: false,
        quits: &["--version", "--help", "-V"],
        ..BASE
    }
}

/// Sorted by name; versions are cut off before the search.
static INTERPRETERS: &[Interpreter] = &[
    shell("ash"),
    awk("awk"),
    shell("bash"),
    Interpreter {
        name: "bun",
        code: "ep",
        code_long: &["eval", "print"],
        ..BASE
    },
    shell("csh"),
    shell("dash"),
    Interpreter {
        name: "deno",
        reads_stdin: false,
        ..BASE
    },
    Interpreter {
        name: "elixir",
        code: "e",
        code_long: &["eval"],
        values: "r",
        ..BASE
    },
    shell("fish"),
    awk("gawk"),
    Interpreter {
        name: "groovy",
        code: "e",
        values: "c",
        ..BASE
    },
    Interpreter {
        name: "julia",
        code: "eE",
        code_long: &["eval", "print"],
        values: "Lpt",
        ..BASE
    },
    shell("ksh"),
    Interpreter {
        name: "lua",
        code: "e",
        values: "l",
        quits: &["-v"],
        ..BASE
    },
    Interpreter {
        name: "luajit",
        code: "e",
        values: "lbj",
        quits: &["-v"],
        ..BASE
    },
    awk("mawk"),
    shell("mksh"),
    awk("nawk"),
    NODE,
    Interpreter {
        name: "nodejs",
        ..NODE
    },
    Interpreter {
        name: "osascript",
        code: "e",
        values: "ls",
        ..BASE
    },
    shell("pdksh"),
    Interpreter {
        name: "perl",
        code: "eE",
        values: "I",
        attached: "0CDFilmMTtVx",
        quits: &["-v", "-V", "-h", "--help", "--version"],
        ..BASE
    },
    Interpreter {
        name: "php",
        code: "rBRE",
        code_long: &["run", "process-begin", "process-code", "process-end"],
        values: "cdStz",
        script: "fF",
        quits: &["-v", "-i", "-m", "-h", "--version", "--help", "--ini"],
        ..BASE
    },
    POWERSHELL,
    Interpreter {
        name: "pwsh",
        ..POWERSHELL
    },
    Interpreter {
        name: "pypy",
        ..PYTHON
    },
    PYTHON,
    Interpreter {
        name: "pythonw",
        ..PYTHON
    },
    shell("rbash"),
    Interpreter {
        name: "rscript",
        code: "e",
        ..BASE
    },
    Interpreter {
        name: "ruby",
        code: "e",
        code_long: &["eval"],
        values: "rICE",
        attached: "0FKTWilx",
        quits: &["-v", "-h", "--version", "--help", "--copyright"],
        ..BASE
    },
    Interpreter {
        name: "sed",
        code: "e",
        code_long: &["expression"],
        script: "f",
        values: "l",
        attached: "i",
        operand_is_code: true,
        reads_stdin: false,
        ..BASE
    },
    shell("sh"),
    Interpreter {
        name: "tclsh",
        ..BASE
    },
    shell("tcsh"),
    shell("yash"),
    shell("zsh"),
];

const NODE: Interpreter = Interpreter {
    name: "node",
    code: "ep",
    code_long: &["eval", "print"],
    values: "rC",
    long_values: &[
        "require",
        "import",
        "loader",
        "experimental-loader",
        "conditions",
        "env-file",
    ],
    ..BASE
};

const PYTHON: Interpreter = Interpreter {
    name: "python",
    code: "c",
    module: "m",
    values: "WXQ",
    quits: &["-V", "--version", "-h", "--help", "-VV"],
    ..BASE
};

const POWERSHELL: Interpreter = Interpreter {
    name: "powershell",
    code_long: &[
        "command",
        "c",
        "encodedcommand",
        "e",
        "ec",
        "enc",
        "commandwithargs",
    ],
    long_values: &[
        "executionpolicy",
        "ex",
        "ep",
        "windowstyle",
        "w",
        "inputformat",
        "outputformat",
        "version",
        "workingdirectory",
        "wd",
        "configurationname",
        "psconsolefile",
        "settingsfile",
    ],
    single_dash: true,
    quits: &["-help", "-?"],
    ..BASE
};

static KEYS: [u64; INTERPRETERS.len()] = {
    let mut keys = [0; INTERPRETERS.len()];
    let mut at = 0;
    while at < INTERPRETERS.len() {
        keys[at] = index::key(INTERPRETERS[at].name);
        at += 1;
    }
    keys
};

/// How an interpreter is called.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) interpreter: &'static Interpreter,
    /// Words that are code, and where in the word it starts.
    pub(crate) code: Vec<(usize, usize)>,
    /// The word that names a script file, and where the name starts.
    pub(crate) script: Option<(usize, usize)>,
    /// Reads its code from standard input.
    pub(crate) stdin: bool,
    /// An option said that code follows, and none did.
    pub(crate) code_missing: bool,
}

/// The interpreter of that lower-cased base name.
pub(crate) fn interpreter(program: &str) -> Option<&'static Interpreter> {
    let find = |name: &str| {
        let at = index::position(&KEYS, name, |at| INTERPRETERS.get(at).map(|row| row.name))?;
        INTERPRETERS.get(at)
    };
    find(program).or_else(|| {
        let plain = unversioned(program);
        if plain.len() == program.len() {
            None
        } else {
            find(plain)
        }
    })
}

/// Reads how an interpreter is called; `None` when the program is none, or only prints its version.
pub(crate) fn invocation(program: &str, argv: &[Word]) -> Option<Invocation> {
    let interpreter = interpreter(program)?;
    let mut walk = Walk {
        argv,
        found: Invocation {
            interpreter,
            code: Vec::new(),
            script: None,
            stdin: false,
            code_missing: false,
        },
        next: 1,
        code_wanted: false,
        asked_stdin: false,
        module: false,
    };
    if !walk.run() {
        return None;
    }
    let Walk {
        mut found,
        code_wanted,
        asked_stdin,
        module,
        ..
    } = walk;
    found.code_missing = code_wanted && found.code.is_empty();
    let nothing = found.code.is_empty() && found.script.is_none() && !module && !code_wanted;
    found.stdin = asked_stdin && found.code.is_empty() || (nothing && interpreter.reads_stdin);
    Some(found)
}

struct Walk<'a> {
    argv: &'a [Word],
    found: Invocation,
    next: usize,
    code_wanted: bool,
    asked_stdin: bool,
    module: bool,
}

impl Walk<'_> {
    /// `false` when the program runs nothing.
    fn run(&mut self) -> bool {
        let interpreter = self.found.interpreter;
        while let Some(word) = self.argv.get(self.next) {
            let index = self.next;
            let text = word.text.as_str();
            if interpreter.quits.contains(&text) && !word.opaque {
                return false;
            }
            self.next += 1;
            if text == "--" {
                self.operand(self.next);
                return true;
            }
            if text == "-" && !word.opaque {
                if self.code_wanted {
                    self.operand(index);
                } else {
                    self.asked_stdin = true;
                }
                return true;
            }
            let plus = interpreter.shell && text.starts_with('+') && text.len() > 1;
            let option = plus || (text.starts_with('-') && text.len() > 1);
            if !option {
                if self.operand(index) {
                    return true;
                }
            } else if interpreter.single_dash {
                self.single(index);
            } else if let Some(long) = text.strip_prefix("--") {
                self.long(long, index);
            } else if self.cluster(index) {
                return true;
            }
        }
        true
    }

    /// An operand; `true` when nothing behind it concerns the interpreter.
    fn operand(&mut self, index: usize) -> bool {
        let Some(word) = self.argv.get(index) else {
            return true;
        };
        let given = !self.found.code.is_empty();
        let interpreter = self.found.interpreter;
        let nothing_yet = !given && self.found.script.is_none();
        let is_code =
            (interpreter.shell && self.code_wanted) || (interpreter.operand_is_code && nothing_yet);
        if is_code {
            self.found.code.push((index, 0));
        } else if nothing_yet && !self.asked_stdin {
            self.found.script = Some((index, 0));
        }
        // An unquoted expansion may be options.
        !word.opaque || word.quoted || word.process || !word.prefix().is_empty()
    }

    fn single(&mut self, index: usize) {
        let Some(word) = self.argv.get(index) else {
            return;
        };
        let name = word.text.get(1..).unwrap_or("").to_ascii_lowercase();
        let interpreter = self.found.interpreter;
        if interpreter.code_long.contains(&name.as_str()) {
            // Everything behind it is the code.
            self.code_wanted = true;
            while self.next < self.argv.len() {
                self.found.code.push((self.next, 0));
                self.next += 1;
            }
        } else if name == "file" || name == "f" {
            self.found.script = Some((self.next, 0));
            self.next = self.argv.len();
        } else if interpreter.long_values.contains(&name.as_str()) {
            self.next += 1;
        }
    }

    fn long(&mut self, long: &str, index: usize) {
        let interpreter = self.found.interpreter;
        let (name, attached) = match long.split_once('=') {
            Some((name, _)) => (name, Some(name.len() + 3)),
            None => (long, None),
        };
        let is_code = interpreter
            .code_long
            .iter()
            .any(|full| *full == name || (name.len() > 2 && full.starts_with(name)));
        if is_code {
            self.code_wanted = true;
            match attached {
                Some(from) => self.found.code.push((index, from)),
                None if self.next < self.argv.len() => {
                    self.found.code.push((self.next, 0));
                    self.next += 1;
                }
                None => {}
            }
        } else if attached.is_none() && interpreter.long_values.contains(&name) {
            self.next += 1;
        } else if interpreter.operand_is_code && name == "file" {
            let place = match attached {
                Some(from) => (index, from),
                None => (self.next, 0),
            };
            self.found.script = Some(place);
            self.next += usize::from(attached.is_none());
        }
    }

    /// `true` when everything behind belongs to a module.
    fn cluster(&mut self, index: usize) -> bool {
        let Some(word) = self.argv.get(index) else {
            return true;
        };
        let interpreter = self.found.interpreter;
        for (offset, letter) in word.text.char_indices().skip(1) {
            let after = offset + letter.len_utf8();
            let attached = after < word.text.len() || (word.opaque && word.static_bytes >= after);
            if interpreter.shell {
                match letter {
                    'c' => self.code_wanted = true,
                    's' => self.asked_stdin = true,
                    'o' | 'O' => self.next += 1,
                    _ => {}
                }
                continue;
            }
            if interpreter.module.contains(letter) {
                self.module = true;
                return true;
            }
            if interpreter.code.contains(letter) {
                self.code_wanted = true;
                let rest = word.text.get(after..).unwrap_or("");
                if !rest.is_empty() && rest.chars().all(|c| interpreter.code.contains(c)) {
                    // `node -pe CODE`.
                    continue;
                }
                if attached {
                    self.found.code.push((index, after));
                } else if self.next < self.argv.len() {
                    self.found.code.push((self.next, 0));
                    self.next += 1;
                }
                // What follows python's `-c CODE` is the code's.
                return interpreter.name.starts_with("py");
            }
            if interpreter.script.contains(letter) {
                self.found.script = Some(if attached {
                    (index, after)
                } else {
                    (self.next, 0)
                });
                self.next += usize::from(!attached);
                return false;
            }
            if interpreter.values.contains(letter) {
                self.next += usize::from(!attached);
                return false;
            }
            // `-0777` and `-l` are followed by digits at most, the others by anything.
            if interpreter.attached.contains(letter) && !matches!(letter, '0' | 'l') {
                return false;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted() {
        for pair in INTERPRETERS.windows(2) {
            assert!(
                pair[0].name < pair[1].name,
                "{} {}",
                pair[0].name,
                pair[1].name
            );
        }
    }
}
