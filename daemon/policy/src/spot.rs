//! A place on the file system as a call names it, and where it really is.

use std::cell::OnceCell;

use aho_corasick::AhoCorasick;
use fak_args::{NormalPath, normalize_path};

use crate::world::World;

/// Where relative paths and `~` start, and who can look.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'c> {
    /// Where the caller stands: what a policy means by `.`.
    pub(crate) here: Option<&'c str>,
    /// The same as a path, read at first need.
    pub(crate) here_path: &'c OnceCell<NormalPath>,
    /// Where relative paths start: the same, unless a command has moved.
    pub(crate) cwd: Option<&'c str>,
    pub(crate) home: Option<&'c str>,
    /// Finds the paths that a guarded fragment or a denied glob may name.
    pub(crate) watch: Option<&'c AhoCorasick>,
    pub(crate) world: &'c dyn World,
}

/// One path, by its text and by the machine.
#[derive(Debug)]
pub(crate) struct Spot {
    /// What the text says.
    pub(crate) lexical: NormalPath,
    /// Where the links lead; `None` when nobody can see.
    pub(crate) real: Option<NormalPath>,
    /// No guarded fragment and no denied glob that is found by its letters is in the lexical path.
    pub(crate) quiet: bool,
    /// The same of the real path.
    pub(crate) real_quiet: bool,
}

impl Ground<'_> {
    /// Reads a path.
    pub(crate) fn spot(&self, path: &str) -> Spot {
        let lexical = normalize_path(path, self.cwd, self.home);
        let real = self.real(path, &lexical);
        Spot {
            quiet: self.is_quiet(&lexical),
            real_quiet: real.as_ref().is_some_and(|real| self.is_quiet(real)),
            lexical,
            real,
        }
    }

    fn is_quiet(&self, path: &NormalPath) -> bool {
        self.watch
            .is_some_and(|watch| !watch.is_match(path.text.as_str()))
    }

    /// The kernel resolves `link/..` after following `link`, so the machine is asked about the text as
    /// it was written, joined to the directory, not about its normal form.
    fn real(&self, path: &str, lexical: &NormalPath) -> Option<NormalPath> {
        if !lexical.absolute || lexical.home_unknown {
            return None;
        }
        let real = if path.starts_with('/') {
            self.world.real_path(path)
        } else if path.starts_with('~') {
            self.world.real_path(&lexical.text)
        } else {
            let cwd = self.cwd?;
            let mut joined = String::with_capacity(cwd.len() + path.len() + 1);
            joined.push_str(cwd);
            joined.push('/');
            joined.push_str(path);
            self.world.real_path(&joined)
        }?;
        Some(normalize_path(&real, None, None))
    }
}

/// The part of an absolute path below somebody's home directory: the caller's, root's, or any user's.
/// A policy that says `~/.ssh` means nobody's keys are to be read.
pub(crate) fn below_home<'p>(path: &'p str, home: Option<&str>) -> Option<&'p str> {
    if let Some(home) = home
        .map(|home| home.trim_end_matches('/'))
        .filter(|home| !home.is_empty())
        && let Some(rest) = path.strip_prefix(home)
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return Some(rest.trim_start_matches('/'));
    }
    if let Some(rest) = path.strip_prefix('~') {
        return Some(rest.split_once('/').map_or("", |(_, rest)| rest));
    }
    if let Some(rest) = path.strip_prefix("/root") {
        return (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'));
    }
    let users = path
        .strip_prefix("/home/")
        .or_else(|| path.strip_prefix("/Users/"))?;
    Some(users.split_once('/').map_or("", |(_, rest)| rest))
}
