//! Sizes, words and walls that no compiler holds.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use fak_tidy::{
    files, is_test,
    members::members,
    root, rust,
    source::{blanked, functions, limits, tests_begin},
    text,
};

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 70;
const INLINE_TEST_LINES: usize = 200;

/// Files over their size, each with the lines it has at most. This list only shrinks.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions over their size: file, name, lines at most. This list only shrinks.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[
    ("daemon/policy/src/learn.rs", "render", 71),
    ("daemon/shell/src/flow.rs", "interpret", 72),
    ("daemon/shell/src/unwrap/special.rs", "git", 71),
];

/// Inline test modules over their size. This list only shrinks.
const LONG_INLINE_TESTS: &[(&str, usize)] = &[];

/// Where `unsafe` may stand: in the vector kernels, in the door to the system calls, and in the one file of a test crate
/// that hands SQLite a file layer, for which SQLite has no other form than C function pointers.
const UNSAFE: [&str; 3] = ["fak-simd", "fak-sys", "fak-torn"];

/// The crates that touch nothing.
const PURE: [&str; 9] = [
    "types", "args", "shell", "policy", "chain", "cache", "kernel", "gguf", "token",
];

fn production() -> Vec<(PathBuf, String)> {
    rust()
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .collect()
}

/// Compares what is over its size with what is tolerated, both ways.
fn ratchet(what: &str, limit: usize, found: &[(String, usize)], tolerated: &[(String, usize)]) {
    let mut problems = String::new();
    for (name, lines) in found {
        let most = tolerated
            .iter()
            .find(|(known, _)| known == name)
            .map_or(limit, |(_, most)| *most);
        if *lines > most {
            let _ = writeln!(problems, "{what} {name}: {lines} lines, at most {most}");
        }
    }
    for (name, _) in tolerated {
        if !found
            .iter()
            .any(|(long, lines)| long == name && *lines > limit)
        {
            let _ = writeln!(problems, "{what} {name} fits now: take it off the list");
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn files_are_short() {
    let found: Vec<_> = production()
        .iter()
        .map(|(path, text)| (path.display().to_string(), tests_begin(text)))
        .collect();
    let tolerated: Vec<_> = LONG_FILES
        .iter()
        .map(|(file, most)| ((*file).to_owned(), *most))
        .collect();
    ratchet("file", FILE_LINES, &found, &tolerated);
}

#[test]
fn functions_are_short() {
    let found: Vec<_> = production()
        .iter()
        .flat_map(|(path, text)| {
            let production: Vec<&str> = text.lines().take(tests_begin(text)).collect();
            functions(&production.join("\n"))
                .into_iter()
                .map(|function| {
                    (
                        format!("{}: {}", path.display(), function.name),
                        function.lines,
                    )
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let tolerated: Vec<_> = LONG_FUNCTIONS
        .iter()
        .map(|(file, name, most)| (format!("{file}: {name}"), *most))
        .collect();
    ratchet("function", FUNCTION_LINES, &found, &tolerated);
}

#[test]
fn long_tests_have_a_file_of_their_own() {
    let found: Vec<_> = production()
        .iter()
        .map(|(path, text)| {
            (
                path.display().to_string(),
                text.lines().count() - tests_begin(text),
            )
        })
        .collect();
    let tolerated: Vec<_> = LONG_INLINE_TESTS
        .iter()
        .map(|(file, most)| ((*file).to_owned(), *most))
        .collect();
    ratchet("tests in", INLINE_TEST_LINES, &found, &tolerated);
}

#[test]
fn unsafe_stands_in_its_fenced_room_only() {
    for (name, member) in members() {
        if UNSAFE.contains(&name.as_str()) {
            continue;
        }
        for path in member.roots {
            let text = fs::read_to_string(&path).expect("a target's root is readable");
            assert!(
                text.contains("#![forbid(unsafe_code)]"),
                "{} must forbid unsafe",
                path.display()
            );
        }
    }
}

#[test]
fn the_recording_file_layer_is_the_one_unsafe_file_of_the_tests() {
    for (path, text) in rust() {
        if !path.starts_with("tests/torn") {
            continue;
        }
        let root = path.ends_with("src/lib.rs");
        assert!(!root || text.contains("#![deny(unsafe_code)]"));
        assert!(
            path.ends_with("src/shim.rs") || !blanked(&text).contains("unsafe "),
            "{} holds unsafe code",
            path.display()
        );
    }
}

#[test]
fn every_member_takes_the_workspace_lints() {
    for (name, member) in members() {
        let manifest =
            fs::read_to_string(member.folder.join("Cargo.toml")).expect("has a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name} has lints of its own"
        );
    }
}

#[test]
fn pure_crates_ban_the_clock_the_disk_and_the_network() {
    let expected =
        text(Path::new("daemon/kernel/clippy.toml")).expect("the kernel has a clippy.toml");
    for banned in [
        "Instant::now",
        "SystemTime::now",
        "std::env::var\"",
        "std::fs::File\"",
        "TcpStream",
        "Command",
    ] {
        assert!(
            expected.contains(banned),
            "daemon/kernel/clippy.toml does not ban {banned}"
        );
    }
    for name in PURE {
        let path = format!("daemon/{name}/clippy.toml");
        let found = text(Path::new(&path)).unwrap_or_default();
        assert!(
            found == expected,
            "{path} differs from daemon/kernel/clippy.toml"
        );
    }
}

#[test]
fn pure_crates_name_neither_disk_nor_network() {
    for (path, text) in production() {
        let pure = PURE
            .iter()
            .any(|name| path.starts_with(format!("daemon/{name}/src")));
        let production: Vec<&str> = text.lines().take(tests_begin(&text)).collect();
        let clean = blanked(&production.join("\n"));
        for word in [
            "std::fs",
            "std::process",
            "std::env",
            "std::thread",
            "Instant::now",
            "SystemTime",
        ] {
            assert!(
                !(pure && clean.contains(word)),
                "{} names {word}",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_is_left_for_later_and_nothing_names_this_machine() {
    // Spelled in parts, for this file is read too.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let places =
        [["/work", "/main"], ["/work", "/shared"], ["/.lib", "rary"]].map(|parts| parts.concat());
    for path in files() {
        // Recorded calls say what they say.
        if path.starts_with("tests/cases") || path.starts_with("tests/conformance") {
            continue;
        }
        let Some(text) = text(&path) else { continue };
        for (line, content) in text.lines().enumerate() {
            let mut whole = content.split(|c: char| !c.is_alphanumeric() && c != '_');
            let word = whole.find(|word| words.iter().any(|banned| banned == word));
            assert!(word.is_none(), "{}:{}: {word:?}", path.display(), line + 1);
            let place = places.iter().find(|place| content.contains(*place));
            assert!(
                place.is_none(),
                "{}:{}: {place:?}",
                path.display(),
                line + 1
            );
        }
    }
}

/// Between these marks docs/limits.md is made from the sources.
const BEGIN: &str = "<!-- begin: made by fak-tidy -->\n";
const END: &str = "<!-- end -->\n";

fn limits_table() -> String {
    let mut table = String::from("| limit | value | where | why |\n|---|---|---|---|\n");
    for (path, text) in production() {
        for limit in limits(&text) {
            let doc = sentences(&limit.doc).replace('|', "\\|");
            let value = limit.value.replace('|', "\\|");
            let place = path.display();
            let _ = writeln!(
                table,
                "| `{}` | `{value}` | `{place}` | {doc} |",
                limit.name
            );
        }
    }
    table
}

/// The comment without its tag, each part beginning like a sentence.
fn sentences(doc: &str) -> String {
    let parts = doc.split("LIMIT: ").map(|part| {
        let mut letters = part.chars();
        let first = letters
            .next()
            .map(|c| c.to_uppercase().to_string())
            .unwrap_or_default();
        first + letters.as_str()
    });
    parts.collect()
}

/// `FAK_TIDY_WRITE=1 cargo test -p fak-tidy` writes the table instead of comparing it.
#[test]
fn every_limit_is_listed() {
    let path = root().join("docs/limits.md");
    let page = fs::read_to_string(&path).expect("docs/limits.md is there");
    let (head, rest) = page
        .split_once(BEGIN)
        .expect("the table begins at its mark");
    let (listed, tail) = rest.split_once(END).expect("the table ends at its mark");
    let table = limits_table();
    if std::env::var_os("FAK_TIDY_WRITE").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}"))
            .expect("docs/limits.md is ours");
        return;
    }
    assert!(
        listed == table,
        "docs/limits.md is stale: FAK_TIDY_WRITE=1 cargo test -p fak-tidy\n{table}"
    );
}

#[test]
fn every_limit_says_what_it_bounds() {
    for (path, text) in production() {
        for limit in limits(&text) {
            let place = path.display();
            assert!(
                !limit.doc.is_empty(),
                "{place}: {} has no comment",
                limit.name
            );
        }
    }
}
