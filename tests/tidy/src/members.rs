//! The workspace's packages, as `cargo metadata` lists them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use serde_json::Value;

/// One package of the workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its folder.
    pub folder: PathBuf,
    /// What it is built from: names, `dev` dependencies apart.
    pub uses: BTreeSet<String>,
    /// What only its tests and benches use.
    pub tests_use: BTreeSet<String>,
    /// The root files of its libraries and programs.
    pub roots: Vec<PathBuf>,
}

/// Every package of the workspace by name.
///
/// # Panics
/// When `cargo metadata` fails or says something else than it documents.
#[must_use]
pub fn members() -> BTreeMap<String, Member> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(crate::root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    list(&metadata, "packages")
        .map(|package| (string(package, "name"), member(package)))
        .collect()
}

fn member(package: &Value) -> Member {
    let manifest = PathBuf::from(string(package, "manifest_path"));
    let mut member = Member {
        folder: manifest
            .parent()
            .expect("a manifest lies in a folder")
            .to_owned(),
        uses: BTreeSet::new(),
        tests_use: BTreeSet::new(),
        roots: Vec::new(),
    };
    for dependency in list(package, "dependencies") {
        let only_tests = dependency.get("kind").and_then(Value::as_str) == Some("dev");
        let set = if only_tests {
            &mut member.tests_use
        } else {
            &mut member.uses
        };
        set.insert(string(dependency, "name"));
    }
    for target in list(package, "targets") {
        let built =
            list(target, "kind").any(|kind| ["lib", "bin"].iter().any(|built| kind == built));
        if built {
            member.roots.push(string(target, "src_path").into());
        }
    }
    member
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn string(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
