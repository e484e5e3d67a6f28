//! Globs on normalised paths.
//!
//! A glob becomes a regular expression, whose matching time is linear. The translation is our own because
//! the usual library lets a class such as `[!a]` match a separator and `?` match half a character.

use std::{fmt, iter::Peekable, str::CharIndices, sync::OnceLock};

use regex::bytes::{Regex, RegexBuilder};

use super::NormalPath;

/// Longest glob, in bytes. LIMIT: bounds the size of the automaton a policy can ask for.
const GLOB_BYTES_MAX: usize = 1024;

/// Globs up to this length and nesting always become an automaton far below the size and the nesting the
/// library permits, so theirs can be built when they are first needed. Others are built at once, because
/// they may have to be refused.
const ORDINARY_BYTES_MAX: usize = 256;
/// See [`ORDINARY_BYTES_MAX`]: how deep the braces of such a glob may nest.
const ORDINARY_BRACES_MAX: usize = 32;

/// A glob on paths. Matching takes time linear in the path; the first comparison of a glob builds its
/// automaton, which takes some tens of microseconds.
///
/// `*` and `?` stay inside one component, `**` as a whole component spans any number of them; `[a-z]`,
/// `[!a-z]` and `{a,b}` are what they are in a shell, `\` makes the next character itself. Where the glob
/// starts decides what it is compared with:
///
/// - `/etc/*`: absolute paths.
/// - `~/.ssh/**`: paths in the home directory, known or not.
/// - `**/.env`, and a glob without a slash such as `*.pem`: at any depth, whatever the path starts with.
/// - `src/**`, `./src/**`: paths below the working directory; a path that escapes from it never matches.
#[derive(Clone, Debug)]
pub struct PathGlob {
    written: Box<str>,
    anchor: Anchor,
    fold_case: bool,
    pattern: Box<str>,
    whole: OnceLock<Option<Regex>>,
    covering: OnceLock<Option<Regex>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Root,
    Home,
    Here,
    Anywhere,
}

/// Why a glob was refused. Tells of the policy's text, never of a call's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobError(String);

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GlobError {}

impl PathGlob {
    /// Compiles a glob; `fold_case` ignores case.
    ///
    /// # Errors
    /// [`GlobError`] for an empty or very long glob, a `..` component, and broken brackets or braces.
    pub fn new(glob: &str, fold_case: bool) -> Result<Self, GlobError> {
        if glob.is_empty() || glob.len() > GLOB_BYTES_MAX {
            return fail("a glob has 1 to 1024 bytes");
        }
        let (anchor, rest) = match (glob.strip_prefix('/'), glob.strip_prefix('~')) {
            (Some(rest), _) => (Anchor::Root, rest),
            (None, Some(rest)) if rest.is_empty() || rest.starts_with('/') => (Anchor::Home, rest),
            (None, Some(_)) => return fail("only `~/` names a home directory"),
            (None, None) => (Anchor::Here, glob),
        };
        let steps: Vec<&str> = rest
            .split('/')
            .filter(|step| !matches!(*step, "" | "."))
            .collect();
        if steps.contains(&"..") {
            return fail("`..` in a glob matches nothing, because paths are resolved first");
        }
        let floats = anchor == Anchor::Here
            && (steps.first() == Some(&"**") || (steps.len() == 1 && !glob.starts_with("./")));
        let anchor = if floats { Anchor::Anywhere } else { anchor };
        let joined = steps.join("/");
        let mut translation = Translation::of(&joined)?;
        let mut pattern = std::mem::take(&mut translation.pattern);
        if anchor == Anchor::Anywhere && steps.first() != Some(&"**") {
            pattern.insert_str(0, ANY_STEPS);
        }
        let this = Self {
            written: glob.into(),
            anchor,
            fold_case,
            pattern: pattern.into(),
            whole: OnceLock::new(),
            covering: OnceLock::new(),
        };
        let ordinary =
            glob.len() <= ORDINARY_BYTES_MAX && translation.deepest <= ORDINARY_BRACES_MAX;
        if !ordinary && (this.whole().is_none() || this.covering().is_none()) {
            return fail("too large to compile");
        }
        Ok(this)
    }

    /// The automaton of the glob itself; `None` when it is too large.
    fn whole(&self) -> Option<&Regex> {
        let build = || compile(&self.pattern, self.fold_case);
        self.whole.get_or_init(build).as_ref()
    }

    /// The automaton of the glob and everything below it; `None` when it is too large.
    fn covering(&self) -> Option<&Regex> {
        let build = || {
            let pattern = &self.pattern;
            if pattern.is_empty() {
                compile(ANY_BYTES, self.fold_case)
            } else {
                compile(&format!("(?:{pattern})(?:/{ANY_BYTES})?"), self.fold_case)
            }
        };
        self.covering.get_or_init(build).as_ref()
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether the whole path matches.
    #[must_use]
    pub fn matches(&self, path: &NormalPath) -> bool {
        let (Some(subject), Some(whole)) = (self.subject(path), self.whole()) else {
            return false;
        };
        whole.is_match(subject.as_bytes())
    }

    /// Whether the path or a directory above it matches: the glob `.git` covers `.git/config`.
    #[must_use]
    pub fn covers(&self, path: &NormalPath) -> bool {
        let Some(subject) = self.subject(path) else {
            return false;
        };
        // What covers is what denies: without an automaton, which `new` excludes, everything is covered.
        let covering = self.covering();
        covering.is_none_or(|covering| covering.is_match(subject.as_bytes()))
    }

    /// The part of the path the glob is compared with.
    fn subject<'p>(&self, path: &'p NormalPath) -> Option<&'p str> {
        let relative = || {
            let start = path.text.strip_prefix("./").unwrap_or(&path.text);
            if start == "." { "" } else { start }
        };
        match self.anchor {
            Anchor::Root => path.absolute.then(|| path.below(0)),
            Anchor::Home if path.home_unknown => match path.text.strip_prefix('~') {
                Some("") => Some(""),
                Some(rest) if !path.escapes => rest.strip_prefix('/'),
                _ => None,
            },
            Anchor::Home => path.home_bytes.map(|bytes| path.below(bytes)),
            Anchor::Here if path.absolute => path.cwd_bytes.map(|bytes| path.below(bytes)),
            Anchor::Here => (!path.home_unknown && !path.escapes).then(relative),
            Anchor::Anywhere => Some(relative().trim_start_matches('/')),
        }
    }
}

/// Any number of whole components, each with its separator. What spans any number of characters is written in
/// bytes: the same paths match, because a separator is never part of a longer character, and the automaton needs
/// no table of all characters, which is most of what compiling a policy costs.
const ANY_STEPS: &str = "(?:(?-u:[^/]+)/)*";

/// Any number of any characters, separators too.
const ANY_BYTES: &str = "(?s-u:.*)";

fn compile(pattern: &str, fold_case: bool) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .case_insensitive(fold_case)
        .build()
        .ok()
}

/// A glob on its way to a regular expression.
struct Translation<'g> {
    glob: &'g str,
    rest: Peekable<CharIndices<'g>>,
    pattern: String,
    /// How many braces are open, and how many were at most.
    braces: usize,
    deepest: usize,
}

impl<'g> Translation<'g> {
    fn of(glob: &'g str) -> Result<Self, GlobError> {
        let rest = glob.char_indices().peekable();
        let mut this = Self {
            glob,
            rest,
            pattern: String::new(),
            braces: 0,
            deepest: 0,
        };
        while let Some((at, character)) = this.rest.next() {
            this.character(at, character)?;
        }
        if this.braces > 0 {
            fail("a brace that does not close")
        } else {
            Ok(this)
        }
    }

    fn character(&mut self, at: usize, character: char) -> Result<(), GlobError> {
        match character {
            '*' => self.star(at),
            '?' => self.pattern.push_str("[^/]"),
            '[' => self.class()?,
            '{' => {
                self.braces += 1;
                self.deepest = self.deepest.max(self.braces);
                self.pattern.push_str("(?:");
            }
            '}' if self.braces > 0 => {
                self.braces -= 1;
                self.pattern.push(')');
            }
            ',' if self.braces > 0 => self.pattern.push('|'),
            '\\' => match self.rest.next() {
                Some((_, escaped)) => self.literal(escaped),
                None => return fail("a backslash at the end"),
            },
            _ => self.literal(character),
        }
        Ok(())
    }

    fn literal(&mut self, character: char) {
        self.pattern
            .push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }

    /// `*`, or `**` where it is a whole component.
    fn star(&mut self, at: usize) {
        let before = self
            .glob
            .get(..at)
            .and_then(|before| before.chars().next_back());
        let after = self.glob.get(at..).and_then(|rest| rest.strip_prefix("**"));
        let alone_before = matches!(before, None | Some('/' | '{' | ','));
        let next = after.map(|after| after.chars().next());
        match next {
            Some(Some('/')) if alone_before => {
                self.rest.next();
                self.rest.next();
                self.pattern.push_str(ANY_STEPS);
            }
            Some(None | Some('}' | ',')) if alone_before => {
                self.rest.next();
                self.pattern.push_str(if before.is_none() {
                    ANY_BYTES
                } else {
                    "(?s-u:.+)"
                });
            }
            _ => self.pattern.push_str("(?-u:[^/]*)"),
        }
    }

    /// A class, from after its `[`. A `]` that comes first is a member; a separator never is.
    fn class(&mut self) -> Result<(), GlobError> {
        // The inner class is closed before `&&`, because a `^` would negate the whole of it.
        self.pattern.push_str("[[");
        if self
            .rest
            .next_if(|(_, it)| matches!(it, '!' | '^'))
            .is_some()
        {
            self.pattern.push('^');
        }
        let mut first = true;
        loop {
            let Some((_, low)) = self.rest.next() else {
                return fail("a bracket that does not close");
            };
            if low == ']' && !first {
                break;
            }
            first = false;
            self.member(low);
            let Some(high) = self.range_end() else {
                continue;
            };
            if high < low {
                return fail("a range that runs backwards");
            }
            self.pattern.push('-');
            self.member(high);
        }
        self.pattern.push_str("]&&[^/]]");
        Ok(())
    }

    /// The end of a range whose beginning was just read; a hyphen before `]` is a member.
    fn range_end(&mut self) -> Option<char> {
        let mut ahead = self.rest.clone();
        let (_, hyphen) = ahead.next()?;
        let (_, high) = ahead.next()?;
        if hyphen != '-' || high == ']' {
            return None;
        }
        self.rest = ahead;
        Some(high)
    }

    fn member(&mut self, character: char) {
        let code = u32::from(character);
        self.pattern.push_str(&format!("\\x{{{code:x}}}"));
    }
}

fn fail<T>(problem: &str) -> Result<T, GlobError> {
    Err(GlobError(problem.to_owned()))
}
