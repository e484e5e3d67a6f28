//! What a call reads or changes, in a spelling by which two calls are found to mean the same thing.
//!
//! The spelling is coarse on purpose: it decides what becomes stale, never what is a hit, so taking two things for one
//! costs a kept answer and nothing else.

use serde::{Deserialize, Serialize};

use crate::call::Place;

/// Most resources of one call. LIMIT: a call with more concerns all of its namespace.
pub const RESOURCES_MAX: usize = 16;

/// Most bytes of the resources of one call. LIMIT: as [`RESOURCES_MAX`].
pub const RESOURCES_BYTES_MAX: usize = 512;

/// Some resources of a namespace, or all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources(
    /// Without any it is all of the namespace.
    Vec<String>,
);

impl Resources {
    /// All of a namespace.
    pub const ALL: Self = Self(Vec::new());

    /// These resources, relative ones below the place of the call. One that lies below a home nobody told is anything.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>, place: Place<'_>) -> Self {
        let mut named = Vec::new();
        for text in texts {
            match located(text, place) {
                Some(name) => named.push(name),
                None => return Self::ALL,
            }
        }
        named.sort_unstable();
        named.dedup();
        let bytes: usize = named.iter().map(String::len).sum();
        if named.len() > RESOURCES_MAX || bytes > RESOURCES_BYTES_MAX {
            return Self::ALL;
        }
        Self(named)
    }

    /// The spellings; none means all of the namespace.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether a change of one is a change of the other: one of them is all, or a name of one is a name of the other
    /// or contains it.
    #[must_use]
    pub fn meet(&self, other: &Self) -> bool {
        self.0.is_empty()
            || other.0.is_empty()
            || self.0.iter().any(|one| {
                let mut names = other.0.iter();
                names.any(|name| contains(one, name) || contains(name, one))
            })
    }
}

/// Whether `inner` is `outer` or lies below it, or may.
///
/// Where a relative name lies that no working directory came with is not known, and neither is where one above its
/// working directory does: the one may be any absolute name, the other anything.
fn contains(outer: &str, inner: &str) -> bool {
    let is_absolute = |name: &str| name.starts_with('/');
    if outer == inner || outer.is_empty() || outer == ".." || outer.starts_with("../") {
        return true;
    }
    if is_absolute(outer) != is_absolute(inner) {
        return true;
    }
    let below = inner.strip_prefix(outer);
    below.is_some_and(|rest| rest.starts_with('/') || outer.ends_with('/'))
}

/// The spelling of a name as far as it is known where it lies. Names with a scheme lie nowhere in a directory.
fn located(text: &str, place: Place<'_>) -> Option<String> {
    let name = spelling(text);
    if name == "~" || name.starts_with("~/") {
        let below = name.trim_start_matches('~');
        return place.home.map(|home| spelling(&format!("{home}{below}")));
    }
    if name.starts_with('~') {
        return None;
    }
    Some(match place.cwd {
        Some(cwd) if !name.starts_with('/') && !name.contains(':') => {
            spelling(&format!("{cwd}/{name}"))
        }
        _ => name,
    })
}

/// One spelling for all that may mean the same: white space and case folded, then as a path.
fn spelling(text: &str) -> String {
    canonical_path(&folded(text))
}

/// White space at the ends gone, within it one space, letters small.
fn folded(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// A path with `.`, `..` and repeated separators resolved by their text alone; backslashes separate too.
fn canonical_path(text: &str) -> String {
    let text = text.trim().replace('\\', "/");
    let root = if text.starts_with('/') { "/" } else { "" };
    let mut steps: Vec<&str> = Vec::new();
    for step in text.split('/') {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| *last != "..") => {
                steps.pop();
            }
            ".." if !root.is_empty() => {}
            step => steps.push(step),
        }
    }
    format!("{root}{}", steps.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Resources {
        Resources::of(texts.iter().copied(), Place::default())
    }

    fn rows(of: &str) -> Vec<(String, String)> {
        let rows = include_str!("../tests/cases/vdso.jsonl").lines();
        rows.map(|row| serde_json::from_str::<serde_json::Value>(row).expect("a row"))
            .filter(|row| row["src"] == of)
            .map(|row| {
                let text = |name: &str| row[name].as_str().expect("a text").to_owned();
                (text("in"), text("want"))
            })
            .collect()
    }

    #[test]
    fn texts_are_folded_as_the_cases_say() {
        let rows = rows("TestNormalizeStr");
        assert_eq!(rows.len(), 6);
        for (text, want) in rows {
            assert_eq!(folded(&text), want, "{text:?}");
        }
    }

    #[test]
    fn paths_are_spelled_as_the_cases_say() {
        let rows = rows("TestFileCanonPath");
        assert_eq!(rows.len(), 7);
        for (text, want) in rows {
            assert_eq!(canonical_path(&text), want, "{text:?}");
        }
        for (text, want) in [("/../a", "/a"), ("../../a", "../../a"), ("a//b/", "a/b")] {
            assert_eq!(canonical_path(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_may_be_the_same_meets() {
        for (one, other) in [
            (&["/work/a.go"][..], &["/Work/./x/../a.go"][..]),
            (&["/work"], &["/work/deep/b"]),
            (&["/work/deep/b"], &["/work"]),
            (&["/"], &["/a"]),
            (&["."], &["a"]),
            (&[], &["a"]),
            (&["USD", "EUR"], &["  usd "]),
        ] {
            assert!(of(one).meet(&of(other)), "{one:?} {other:?}");
            assert!(of(other).meet(&of(one)), "{one:?} {other:?}");
        }
        for (one, other) in [
            ("/work/a", "/work/ab"),
            ("/work/a", "/b"),
            ("msg-1", "msg-17"),
            ("a", "b"),
        ] {
            assert!(!of(&[one]).meet(&of(&[other])), "{one} {other}");
        }
    }

    #[test]
    fn where_a_name_lies_depends_on_the_place_and_unknown_is_anywhere() {
        let place = Place {
            cwd: Some("/work"),
            home: Some("/home/u"),
        };
        let at = |name: &str| Resources::of([name], place);
        for (name, absolute) in [("a.go", "/work/a.go"), ("../b", "/b"), ("~/c", "/home/u/c")] {
            assert!(at(name).meet(&of(&[absolute])), "{name}");
            assert!(!at(name).meet(&of(&["/else"])), "{name}");
        }
        assert_eq!(at("~other/c"), Resources::ALL);
        assert_eq!(of(&["~/c"]), Resources::ALL);
        assert_eq!(at("https://a.example/x").names(), ["https:/a.example/x"]);
        assert!(
            of(&["a.go"]).meet(&of(&["/else/b"])),
            "nobody said where a.go is"
        );
        assert!(of(&["../a"]).meet(&of(&["b"])));
    }

    #[test]
    fn too_many_are_all() {
        let many: Vec<_> = (0..=RESOURCES_MAX).map(|n| n.to_string()).collect();
        let many = Resources::of(many.iter().map(String::as_str), Place::default());
        assert_eq!(many, Resources::ALL);
        assert_eq!(of(&[&"x".repeat(RESOURCES_BYTES_MAX + 1)]), Resources::ALL);
    }
}
