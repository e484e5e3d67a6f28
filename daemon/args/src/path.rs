//! Paths as text: normalisation, containment, globs and guarded fragments. Never touches a disk.

use std::fmt;

/// A path with `.`, `..`, `//` and `~` resolved as far as text allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath {
    /// The normalised path.
    pub text: String,
    /// Starts at the root; `false`: relative to a directory nobody named.
    pub absolute: bool,
    /// `..` leads above the start of a relative path.
    pub escapes: bool,
    /// Starts at a home directory nobody named.
    pub home_unknown: bool,
    /// Why programs may read the path differently; `None` when they will not.
    pub suspicious: Option<&'static str>,
}

/// Resolves `.`, `..`, `//` and `~` in the text of a path.
#[must_use]
pub fn normalize_path(path: &str, _cwd: Option<&str>, _home: Option<&str>) -> NormalPath {
    NormalPath {
        text: path.to_owned(),
        absolute: false,
        escapes: true,
        home_unknown: false,
        suspicious: None,
    }
}

/// Whether `path` is `root` or lies below it, component by component.
#[must_use]
pub fn path_within(_path: &NormalPath, _root: &NormalPath, _fold_case: bool) -> bool {
    false
}

/// A compiled glob on paths.
#[derive(Clone, Debug)]
pub struct PathGlob {
    text: String,
}

/// Why a glob was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobError(String);

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GlobError {}

impl PathGlob {
    /// Compiles a glob.
    ///
    /// # Errors
    /// [`GlobError`] when the glob has no meaning.
    pub fn new(glob: &str, _fold_case: bool) -> Result<Self, GlobError> {
        Ok(Self {
            text: glob.to_owned(),
        })
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole path matches.
    #[must_use]
    pub fn matches(&self, _path: &NormalPath) -> bool {
        false
    }

    /// Whether the path or a directory above it matches.
    #[must_use]
    pub fn covers(&self, _path: &NormalPath) -> bool {
        false
    }
}

/// A guarded path fragment, as in `self_modify_globs`.
#[derive(Clone, Debug)]
pub struct Fragment {
    text: String,
}

impl Fragment {
    /// Compiles a fragment.
    #[must_use]
    pub fn new(fragment: &str) -> Self {
        Self {
            text: fragment.to_owned(),
        }
    }

    /// The fragment as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `haystack` names the fragment.
    #[must_use]
    pub fn found_in(&self, haystack: &str) -> bool {
        haystack.contains(&self.text)
    }
}
