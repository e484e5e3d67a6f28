//! `Cargo.lock`: what is really pulled in, and by whom.

use std::collections::{BTreeMap, BTreeSet};

/// Every locked package by name with the names it depends on. Versions of one name are joined.
///
/// # Panics
/// When there is no lock file.
#[must_use]
pub fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let text = crate::text("Cargo.lock".as_ref()).expect("Cargo.lock is committed");
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            value.trim_matches('"').clone_into(&mut name);
            packages.entry(name.clone()).or_default();
        } else if let Some(dependency) = line.strip_prefix(" \"") {
            let word = dependency.split([' ', '"']).next().unwrap_or_default();
            packages
                .entry(name.clone())
                .or_default()
                .insert(word.to_owned());
        }
    }
    packages
}

/// How many packages are locked, versions counted apart.
///
/// # Panics
/// When there is no lock file.
#[must_use]
pub fn count() -> usize {
    let text = crate::text("Cargo.lock".as_ref()).expect("Cargo.lock is committed");
    text.lines().filter(|line| *line == "[[package]]").count()
}

/// Everything `name` pulls in, itself included.
#[must_use]
pub fn reach(packages: &BTreeMap<String, BTreeSet<String>>, name: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        if seen.insert(name.clone()) {
            waiting.extend(packages.get(&name).into_iter().flatten().cloned());
        }
    }
    seen
}
