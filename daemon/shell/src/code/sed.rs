//! sed scripts: which files they write, and whether they run commands.

/// What a script does beside editing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Files named by `w`, `W` and the `w` flag of `s`.
    pub(super) writes: Vec<String>,
    /// Uses `e`.
    pub(super) executes: bool,
}

pub(super) fn facts(script: &str) -> Facts {
    let mut reader = Reader {
        rest: script,
        facts: Facts::default(),
    };
    while reader.command() {}
    reader.facts
}

struct Reader<'s> {
    rest: &'s str,
    facts: Facts,
}

impl<'s> Reader<'s> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or("");
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(wanted);
    }

    /// Text up to an unescaped delimiter.
    fn until(&mut self, delimiter: char) {
        while let Some(c) = self.next() {
            if c == delimiter {
                return;
            }
            if c == '\\' {
                self.next();
            }
        }
    }

    fn line(&mut self) -> &'s str {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let line = self.rest.get(..end).unwrap_or("");
        self.rest = self.rest.get(end..).unwrap_or("");
        line.trim()
    }

    fn address(&mut self) {
        match self.peek() {
            Some('0'..='9' | '$' | '+' | '~') => {
                self.skip(|c| c.is_ascii_digit() || matches!(c, '$' | '~' | '+'));
            }
            Some('/') => {
                self.next();
                self.until('/');
                self.skip(|c| matches!(c, 'I' | 'M'));
            }
            Some('\\') => {
                self.next();
                if let Some(delimiter) = self.next() {
                    self.until(delimiter);
                    self.skip(|c| matches!(c, 'I' | 'M'));
                }
            }
            _ => {}
        }
    }

    /// One command; `false` at the end or where the script cannot be read.
    fn command(&mut self) -> bool {
        self.skip(|c| c.is_whitespace() || c == ';' || c == '}');
        self.address();
        self.skip(char::is_whitespace);
        if self.peek() == Some(',') {
            self.next();
            self.skip(char::is_whitespace);
            self.address();
        }
        self.skip(|c| c.is_whitespace() || c == '!');
        let Some(command) = self.next() else {
            return false;
        };
        match command {
            '{' | '=' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z'
            | 'F' => true,
            's' => {
                let Some(delimiter) = self.next() else {
                    return false;
                };
                self.until(delimiter);
                self.until(delimiter);
                self.substitute_flags();
                true
            }
            'y' => {
                let Some(delimiter) = self.next() else {
                    return false;
                };
                self.until(delimiter);
                self.until(delimiter);
                true
            }
            'a' | 'i' | 'c' => {
                while self.line().ends_with('\\') {
                    self.next();
                }
                true
            }
            'w' | 'W' => {
                self.file();
                true
            }
            'e' => {
                self.facts.executes = true;
                self.line();
                true
            }
            'r' | 'R' | '#' => {
                self.line();
                true
            }
            'b' | 't' | 'T' | ':' | 'l' | 'L' | 'q' | 'Q' => {
                self.skip(|c| c != ';' && c != '\n' && c != '}');
                true
            }
            _ => false,
        }
    }

    fn file(&mut self) {
        let name = self.line();
        if !name.is_empty() && !matches!(name, "/dev/stdout" | "/dev/stderr" | "/dev/null") {
            self.facts.writes.push(name.to_owned());
        }
    }

    fn substitute_flags(&mut self) {
        while let Some(flag) = self.peek() {
            match flag {
                'w' => {
                    self.next();
                    self.file();
                    return;
                }
                'e' => {
                    self.facts.executes = true;
                    self.next();
                }
                'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => {
                    self.next();
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_only_edit() {
        for script in [
            "s/a/b/g",
            "1,5d",
            "/x/,/y/{s/w/e/;p}",
            "$!N;s|/e|/w|",
            "y/abc/def/",
            "a\\\nw text",
            "s/e/w f/",
            "/w f/p",
        ] {
            assert_eq!(facts(script), Facts::default(), "{script}");
        }
    }

    #[test]
    fn scripts_that_write_or_run() {
        assert_eq!(facts("w .env").writes, [".env"]);
        assert_eq!(facts("s/a/b/w out\np").writes, ["out"]);
        assert_eq!(facts("/x/w a/b c").writes, ["a/b c"]);
        assert!(facts("1e id").executes);
        assert!(facts("s/.*/id/e").executes);
        assert!(facts("s|a|b|ge").executes);
    }
}
