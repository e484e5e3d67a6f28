//! Who may import whom. Imports go down; a new edge is a new line here, with a reason in its commit.

use fak_tidy::{
    lock::{count, locked, reach},
    members::members,
};

/// Every crate, its floor, and the crates of ours it is built from.
///
/// Crates of floor 3 meet in `fakd` and nowhere else; all may use `telemetry`. `fak-proto` is the wire between `control`
/// and `fakctl`. `fakctl` judges and verifies offline, and reads `fakd.toml`, with the very crates the daemon uses.
/// `fak-xtask` is no part of what is installed: it makes the packages.
const EDGES: &[(&str, u8, &[&str])] = &[
    ("fak-types", 0, &[]),
    ("fak-args", 0, &[]),
    ("fak-shell", 0, &[]),
    ("fak-policy", 1, &["fak-types", "fak-args", "fak-shell"]),
    ("fak-chain", 1, &["fak-types"]),
    ("fak-screen", 1, &["fak-types"]),
    ("fak-flow", 1, &["fak-args"]),
    ("fak-cache", 1, &["fak-types", "fak-args"]),
    ("fak-gguf", 1, &[]),
    ("fak-token", 1, &["fak-gguf"]),
    ("fak-simd", 1, &[]),
    ("fak-kv", 1, &["fak-types"]),
    ("fak-sys", 1, &[]),
    (
        "fak-kernel",
        2,
        &["fak-types", "fak-policy", "fak-chain", "fak-flow"],
    ),
    ("fak-proto", 3, &[]),
    ("fak-telemetry", 3, &["fak-sys"]),
    (
        "fak-journal",
        3,
        &["fak-types", "fak-chain", "fak-sys", "fak-telemetry"],
    ),
    ("fak-engine", 3, &["fak-gguf", "fak-simd"]),
    (
        "fak-worker",
        3,
        &["fak-gguf", "fak-token", "fak-simd", "fak-sys", "fak-engine"],
    ),
    ("fak-config", 3, &["fak-types", "fak-sys", "fak-telemetry"]),
    ("fak-vault", 3, &["fak-types", "fak-chain", "fak-sys"]),
    (
        "fak-control",
        3,
        &[
            "fak-types",
            "fak-args",
            "fak-policy",
            "fak-kernel",
            "fak-chain",
            "fak-screen",
            "fak-cache",
            "fak-flow",
            "fak-sys",
            "fak-proto",
            "fak-telemetry",
        ],
    ),
    (
        "fakd",
        4,
        &[
            "fak-types",
            "fak-args",
            "fak-shell",
            "fak-policy",
            "fak-chain",
            "fak-sys",
            "fak-kernel",
            "fak-screen",
            "fak-vault",
            "fak-journal",
            "fak-control",
            "fak-config",
            "fak-telemetry",
            "fak-proto",
        ],
    ),
    (
        "fakctl",
        4,
        &[
            "fak-types",
            "fak-args",
            "fak-policy",
            "fak-chain",
            "fak-screen",
            "fak-kernel",
            "fak-journal",
            "fak-sys",
            "fak-config",
            "fak-proto",
        ],
    ),
    ("fak-xtask", 5, &["fakctl", "fak-config", "fak-telemetry"]),
];

/// Edges between crates of one floor.
const SIBLINGS: &[(&str, &str)] = &[
    ("fak-token", "fak-gguf"),
    ("fak-control", "fak-proto"),
    ("fak-control", "fak-telemetry"),
    ("fak-journal", "fak-telemetry"),
    ("fak-config", "fak-telemetry"),
    ("fak-worker", "fak-engine"),
];

/// What only floors 3 and 4 may pull in.
const OUTSIDE: [&str; 5] = ["tokio", "rusqlite", "hyper", "tonic", "nix"];

/// The most packages the lock file may hold.
const LOCKED_PACKAGES: usize = 400;

fn floor(name: &str) -> Option<u8> {
    EDGES
        .iter()
        .find(|(package, ..)| *package == name)
        .map(|&(_, floor, _)| floor)
}

#[test]
fn every_edge_is_a_line_of_the_table() {
    let members = members();
    for (name, member) in &members {
        // The crates below `tests/` are nobody's dependency and may use anything.
        if member.folder.starts_with(fak_tidy::root().join("tests")) {
            continue;
        }
        let line = EDGES.iter().find(|(package, ..)| package == name);
        let (_, _, allowed) =
            line.unwrap_or_else(|| panic!("{name} stands on no floor of the table"));
        for used in member
            .uses
            .iter()
            .filter(|used| members.contains_key(*used))
        {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} -> {used} is not in the table"
            );
        }
    }
}

#[test]
fn imports_go_down() {
    for (name, own, uses) in EDGES {
        for used in *uses {
            let below = floor(used).unwrap_or_else(|| panic!("{used} stands on no floor"));
            assert!(
                below < *own || SIBLINGS.contains(&(*name, *used)),
                "{name} -> {used}"
            );
        }
    }
}

#[test]
fn tests_of_a_crate_look_no_higher_than_the_crate() {
    let members = members();
    for (name, member) in &members {
        let Some(own) = floor(name) else { continue };
        for used in member
            .tests_use
            .iter()
            .filter(|used| members.contains_key(*used))
        {
            let seen = floor(used);
            assert!(
                seen.is_some_and(|seen| seen <= own),
                "the tests of {name} use {used}"
            );
        }
    }
}

#[test]
fn floors_below_three_pull_in_no_io() {
    let packages = locked();
    for (name, own, _) in EDGES {
        let reached = reach(&packages, name);
        // `sys` is the one door to the system calls.
        for outside in OUTSIDE.iter().filter(|_| *own < 3 && *name != "fak-sys") {
            assert!(!reached.contains(*outside), "{name} pulls in {outside}");
        }
    }
}

#[test]
fn the_lock_file_stays_small() {
    let count = count();
    assert!(count < LOCKED_PACKAGES, "{count} locked packages");
}
