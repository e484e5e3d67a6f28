//! What the house tests read: the workspace's packages, its locked packages, and its sources.
//!
//! The readers are deliberately simple. They know Rust text well enough to skip comments and literals, and no more.

#![forbid(unsafe_code)]

pub mod lock;
pub mod members;
pub mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The workspace's root folder.
///
/// # Panics
/// When this crate no longer stands two folders below it.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("the tidy crate stands at tests/tidy")
        .to_owned()
}

/// Folders with no text of ours in them.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", "corpus", "artifacts"];

/// Every file of the project, as paths relative to the root, sorted.
///
/// # Panics
/// When a folder cannot be read.
#[must_use]
pub fn files() -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut waiting = vec![root.clone()];
    while let Some(folder) = waiting.pop() {
        let entries = fs::read_dir(&folder).expect("project folders are readable");
        for entry in entries.map(|entry| entry.expect("project folders are readable")) {
            let kind = entry.file_type().expect("project files have a type");
            let name = entry.file_name();
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                waiting.push(entry.path());
            } else if kind.is_file() {
                found.push(
                    entry
                        .path()
                        .strip_prefix(&root)
                        .expect("walked from the root")
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    found
}

/// A file's text; `None` when it is not text.
#[must_use]
pub fn text(path: &Path) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// Every Rust file and its text.
#[must_use]
pub fn rust() -> Vec<(PathBuf, String)> {
    files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| text(&path).map(|text| (path, text)))
        .collect()
}

/// Whether a Rust file is test, bench or fuzz code as a whole.
#[must_use]
pub fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|part| {
            ["tests", "benches", "fuzz", "examples"]
                .iter()
                .any(|folder| part.as_os_str() == *folder)
        })
}
