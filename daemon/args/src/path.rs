//! Paths as text: normalisation, containment, globs and guarded fragments.
//!
//! Everything here is lexical: no disk is touched, so a symbolic link is an ordinary name. Whoever judges
//! resolves links first where a file system can be asked, and passes the result here again.

mod fragment;
mod glob;
mod suspect;
#[cfg(test)]
mod tests;

pub use fragment::Fragment;
pub use glob::{GlobError, PathGlob};

/// Steps reserved before a path is walked; most paths have fewer.
const STEPS_RESERVED: usize = 16;

/// A path with `.`, `..`, `//` and `~` resolved as far as text allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath {
    /// The normalised path: `/a/b`, `a/b`, `../a`, `.`, or `~/a` when the home directory is unknown. No
    /// component is empty or `.`, and `..` stands only at the beginning of a path that escapes.
    pub text: String,
    /// Starts at the root. `false`: relative to a directory nobody named.
    pub absolute: bool,
    /// `..` leads above the start of a relative path, or above an unknown home directory.
    pub escapes: bool,
    /// Starts at a home directory nobody named: `~` without a known home, or `~user`.
    pub home_unknown: bool,
    /// Why programs may read the path differently; `None` when they agree. Judge the text as it is *and*
    /// mind the suspicion: containment says nothing about what another program reads into a suspicious
    /// path.
    pub suspicious: Option<&'static str>,
    /// How much of `text` is the known home directory, when the path is in it.
    home_bytes: Option<usize>,
    /// How much of `text` is the known working directory, when the path is in it.
    cwd_bytes: Option<usize>,
}

impl NormalPath {
    /// The part below a directory that is the first `bytes` of the text; empty for the directory itself.
    fn below(&self, bytes: usize) -> &str {
        self.text
            .get(bytes..)
            .unwrap_or_default()
            .trim_start_matches('/')
    }

    /// The last component; `None` for the root, the start of a relative path, and a path that ends in
    /// `..`.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        let name = self.text.rsplit('/').next()?;
        (!matches!(name, "" | "." | "..")).then_some(name)
    }
}

/// Where a path starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start<'p> {
    Root,
    /// The unknown home directory, as written: `~` or `~user`.
    Home(&'p str),
    Relative,
}

/// Resolves `.`, `..`, `//` and `~` in the text of a path.
///
/// A relative path starts in `cwd` when that is given; `~` stands for `home` when that is an absolute
/// path. `..` above the root stays at the root, as the kernel has it. A `file:` URL is read as the path
/// it names, and is suspicious. Never fails: a text that is no path at all is an odd relative path.
#[must_use]
pub fn normalize_path(path: &str, cwd: Option<&str>, home: Option<&str>) -> NormalPath {
    if let Some(path) = plain_path(path, cwd, home) {
        return path;
    }
    let mut suspicious = suspect::in_text(path);
    let unwrapped = suspect::file_url_path(path);
    let path = unwrapped.as_deref().unwrap_or(path);
    let home = home.filter(|home| home.starts_with('/'));
    let mut steps: Vec<&str> = Vec::with_capacity(STEPS_RESERVED);
    let mut start = Start::Relative;
    enter(path, home, &mut start, &mut steps);
    if start == Start::Relative
        && let Some(cwd) = cwd.filter(|cwd| !cwd.is_empty())
    {
        suspicious = suspicious.or_else(|| suspect::in_text(cwd));
        steps.clear();
        enter(cwd, home, &mut start, &mut steps);
        walk(path, start, &mut steps);
    }
    let text = render(start, &steps);
    NormalPath {
        absolute: start == Start::Root,
        escapes: steps.first() == Some(&".."),
        home_unknown: matches!(start, Start::Home(_)),
        suspicious: suspicious.or_else(|| suspect::in_steps(start == Start::Root, &steps)),
        home_bytes: home.and_then(|home| directory_bytes(&text, home, None)),
        cwd_bytes: cwd.and_then(|cwd| directory_bytes(&text, cwd, home)),
        text,
    }
}

/// What [`normalize_path`] says of a path in which nothing is to be resolved, which is most of them.
fn plain_path(path: &str, cwd: Option<&str>, home: Option<&str>) -> Option<NormalPath> {
    if !is_plain(path) {
        return None;
    }
    let below_cwd = !path.starts_with('/');
    let text = if below_cwd {
        let cwd = cwd.filter(|cwd| cwd.starts_with('/') && is_plain(cwd))?;
        let mut text = String::with_capacity(cwd.len() + path.len() + 1);
        text.push_str(cwd);
        text.push('/');
        text.push_str(path);
        text
    } else {
        path.to_owned()
    };
    // Below `/proc` the steps are looked at.
    if text.starts_with("/proc") {
        return None;
    }
    let home = home.filter(|home| home.starts_with('/'));
    Some(NormalPath {
        absolute: true,
        escapes: false,
        home_unknown: false,
        suspicious: None,
        home_bytes: home.and_then(|home| directory_bytes(&text, home, None)),
        cwd_bytes: match cwd {
            Some(cwd) if below_cwd => Some(cwd.len()),
            cwd => cwd.and_then(|cwd| directory_bytes(&text, cwd, home)),
        },
        text,
    })
}

/// Whether a path is its own normal form, wherever it starts, and cannot be read in another way: ASCII
/// without the characters some program gives a meaning, and without an empty step or one that ends in a
/// dot or a blank.
fn is_plain(path: &str) -> bool {
    let mut last = 0;
    for byte in path.bytes() {
        match byte {
            b'/' if matches!(last, b'/' | b'.' | b' ') => return false,
            0..0x20 | 0x7f.. | b'\\' | b'%' | b':' => return false,
            _ => last = byte,
        }
    }
    !matches!(last, 0 | b'/' | b'.' | b' ') && !path.starts_with([' ', '$', '~'])
}

/// Finds where a path starts and resolves its steps from there.
fn enter<'p>(
    path: &'p str,
    home: Option<&'p str>,
    start: &mut Start<'p>,
    steps: &mut Vec<&'p str>,
) {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    if path.starts_with('/') {
        *start = Start::Root;
        walk(path, *start, steps);
    } else if first == "~"
        && let Some(home) = home
    {
        *start = Start::Root;
        walk(home, *start, steps);
        walk(rest, *start, steps);
    } else if first.starts_with('~') {
        *start = Start::Home(first);
        walk(rest, *start, steps);
    } else {
        walk(path, Start::Relative, steps);
    }
}

fn walk<'p>(path: &'p str, start: Start<'_>, steps: &mut Vec<&'p str>) {
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => match steps.last() {
                Some(&last) if last != ".." => {
                    steps.pop();
                }
                _ if start == Start::Root => {}
                _ => steps.push(step),
            },
            _ => steps.push(step),
        }
    }
}

fn render(start: Start<'_>, steps: &[&str]) -> String {
    let bytes: usize = steps.iter().map(|step| step.len() + 1).sum();
    let first = match (start, steps.first()) {
        (Start::Root, _) => "",
        (Start::Home(home), _) => home,
        // A name that begins with a tilde must not look like a home directory.
        (Start::Relative, first) if first.is_none_or(|step| step.starts_with('~')) => ".",
        (Start::Relative, _) => {
            return steps.join("/");
        }
    };
    let mut text = String::with_capacity(first.len() + bytes + 1);
    text.push_str(first);
    for step in steps {
        text.push('/');
        text.push_str(step);
    }
    if text.is_empty() {
        text.push('/');
    }
    text
}

/// How many bytes of an absolute path are the directory, when the path is in it.
fn directory_bytes(text: &str, directory: &str, home: Option<&str>) -> Option<usize> {
    if !text.starts_with('/') {
        return None;
    }
    if directory.starts_with('/') && is_plain(directory) {
        return is_below(text, directory).then_some(directory.len());
    }
    let mut steps = Vec::new();
    let mut start = Start::Relative;
    enter(directory, home, &mut start, &mut steps);
    let directory = render(start, &steps);
    (start == Start::Root && is_below(text, &directory)).then_some(directory.len())
}

/// Whether an absolute path is a directory or lies below it.
fn is_below(text: &str, directory: &str) -> bool {
    match text.strip_prefix(directory) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || directory.ends_with('/'),
        None => false,
    }
}

/// Whether `path` is `root` or lies below it, component by component.
///
/// - Paths that start at different places (the root, a home directory nobody named, a directory nobody
///   named) are never within one another.
/// - A path that escapes is within a root only when the root escapes as far.
/// - `fold_case` compares without regard to case, as file systems that fold case do: wider than any of
///   them, so use it to refuse rather than to allow.
#[must_use]
pub fn path_within(path: &NormalPath, root: &NormalPath, fold_case: bool) -> bool {
    if path.absolute != root.absolute || path.home_unknown != root.home_unknown {
        return false;
    }
    if path.absolute && !fold_case {
        return is_below(&path.text, &root.text);
    }
    let mut path = components(&path.text);
    let mut root = components(&root.text);
    while let Some(wanted) = root.next() {
        match path.clone().next() {
            Some(step) if same(step, wanted, fold_case) => path.next(),
            // `..` holds everything that goes up less far; `../x` holds nothing that can be told.
            step if wanted == ".." && step != Some("..") => return root.all(|step| step == ".."),
            _ => return false,
        };
    }
    path.next() != Some("..")
}

fn components(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split('/').filter(|step| !matches!(*step, "" | "."))
}

fn same(left: &str, right: &str, fold_case: bool) -> bool {
    left == right || fold_case && folded(left).eq(folded(right))
}

/// Upper case and back: joins what file systems join (`ſ` and `s`, the Kelvin sign and `k`), and more.
fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}
