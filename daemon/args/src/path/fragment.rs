//! Guarded fragments: the matching of `self_modify_globs`.

use std::borrow::Cow;

use memchr::memmem::Finder;
use regex::Regex;

/// Longest fragment with wildcards, in bytes. LIMIT: a longer one matches every text.
const WILDCARDS_BYTES_MAX: usize = 1024;

/// A guarded path fragment, found anywhere in a text: a path, a shell word, or code that may name one.
///
/// - A plain fragment is found as a substring: `id_rsa` also in `backup id_rsa now`.
/// - A fragment that begins with a dot or a slash begins a name: `.env` is in `src/.env` and
///   `--env-file=.env`, and not in `os.environ` or `config.env`.
/// - A fragment that ends in a slash is a directory: `internal/abi/` is in `internal/abi/kernel.go` and
///   `rmtree('internal/abi')`, and not in `internal/abigail`.
/// - `*` and `?` stand for characters of one name, `**` for any characters; a `**/` at the beginning adds
///   nothing.
///
/// Case matters. Backslashes count as slashes, and `//` and `/./` as one slash.
#[derive(Clone, Debug)]
pub struct Fragment {
    written: Box<str>,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Plain {
        needle: Box<Finder<'static>>,
        begins_name: bool,
        ends_name: bool,
    },
    Wild(Regex),
    /// What cannot be compiled guards everything.
    Everything,
}

impl Fragment {
    /// Compiles a fragment. The empty fragment, like one too long to compile, is found in every text.
    #[must_use]
    pub fn new(fragment: &str) -> Self {
        let unified = unify(fragment);
        let mut body = &*unified;
        while let Some(rest) = body.strip_prefix("**/") {
            body = rest;
        }
        let directory = body.strip_suffix("/**").or_else(|| body.strip_suffix('/'));
        let needle = directory.unwrap_or(body);
        let begins_name = needle.starts_with(['.', '/']);
        let matcher = if needle.is_empty() {
            Matcher::Everything
        } else if needle.contains(['*', '?']) {
            wild(needle, begins_name, directory.is_some())
                .map_or(Matcher::Everything, Matcher::Wild)
        } else {
            Matcher::Plain {
                needle: Box::new(Finder::new(needle).into_owned()),
                begins_name,
                ends_name: directory.is_some(),
            }
        };
        Self {
            written: fragment.into(),
            matcher,
        }
    }

    /// The fragment as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether `haystack` names the fragment. Time is linear in the text times the fragment's
    /// length.
    #[must_use]
    pub fn found_in(&self, haystack: &str) -> bool {
        match &self.matcher {
            Matcher::Everything => true,
            Matcher::Wild(regex) => regex.is_match(&unify(haystack)),
            Matcher::Plain {
                needle,
                begins_name,
                ends_name,
            } => {
                let haystack = unify(haystack);
                occurrences(&haystack, needle).any(|(before, after)| {
                    (!begins_name || !before.chars().next_back().is_some_and(is_word))
                        && (!ends_name || !after.chars().next().is_some_and(continues_name))
                })
            }
        }
    }
}

/// What stands before and after each occurrence; occurrences may overlap.
fn occurrences<'h>(
    haystack: &'h str,
    needle: &'h Finder<'_>,
) -> impl Iterator<Item = (&'h str, &'h str)> {
    let bytes = haystack.as_bytes();
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + needle.find(bytes.get(from..)?)?;
        from = at + 1;
        Some((
            haystack.get(..at)?,
            haystack.get(at + needle.needle().len()..)?,
        ))
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn continues_name(character: char) -> bool {
    is_word(character) || matches!(character, '.' | '-')
}

/// Slashes for backslashes, and one where several or `/./` stand.
fn unify(text: &str) -> Cow<'_, str> {
    let mut text = if text.contains('\\') {
        Cow::Owned(text.replace('\\', "/"))
    } else {
        Cow::Borrowed(text)
    };
    if text
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, b"//" | b"/."))
    {
        let mut kept = String::with_capacity(text.len());
        let mut rest = &*text;
        while let Some((before, after)) = rest.split_once('/') {
            kept.push_str(before);
            kept.push('/');
            rest = after.trim_start_matches('/');
            while let Some(after) = rest.strip_prefix("./") {
                rest = after.trim_start_matches('/');
            }
        }
        kept.push_str(rest);
        text = Cow::Owned(kept);
    }
    text
}

fn wild(needle: &str, begins_name: bool, ends_name: bool) -> Option<Regex> {
    if needle.len() > WILDCARDS_BYTES_MAX {
        return None;
    }
    let mut pattern = String::from(if begins_name {
        r"(?s)(?:^|[^\w])"
    } else {
        "(?s)"
    });
    let mut rest = needle;
    while let Some(character) = rest.chars().next() {
        let (piece, used) = match character {
            '*' if rest.starts_with("**") => (".*".to_owned(), 2),
            '*' => ("[^/]*".to_owned(), 1),
            '?' => ("[^/]".to_owned(), 1),
            _ => (
                regex::escape(character.encode_utf8(&mut [0; 4])),
                character.len_utf8(),
            ),
        };
        pattern.push_str(&piece);
        rest = rest.get(used..).unwrap_or_default();
    }
    if ends_name {
        pattern.push_str(r"(?:$|[^\w.\-])");
    }
    Regex::new(&pattern).ok()
}
