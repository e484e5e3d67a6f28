//! The case files that are facts about commands, read at test time.

#![expect(clippy::disallowed_methods, reason = "a test reads its data")]

use std::path::Path;

use fak_shell::{
    EffectKind, Limits, Opaque, Script, code_writes, executes_script, inline_code, long_sleep,
    parse,
};
use serde_json::Value;

fn rows(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/cases/shell")
        .join(file);
    let text = std::fs::read_to_string(&path).expect("case file");
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect();
    assert!(!rows.is_empty());
    rows
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().expect("a string")
}

fn read(command: &str) -> Script {
    parse(command, &Limits::default())
}

fn unresolved(script: &Script, what: Opaque) -> bool {
    script.unresolved.iter().any(|u| u.what == what)
}

#[test]
fn redirects_that_write_a_file() {
    for row in rows("file_write_redirect.jsonl") {
        let writes = read(text(&row, "command"))
            .commands
            .iter()
            .any(|c| c.writes_file());
        assert_eq!(writes, row["writes_file"].as_bool().unwrap(), "{row}");
    }
}

#[test]
fn downloads_into_interpreters() {
    for row in rows("rce_pipe.jsonl") {
        let script = read(text(&row, "command"));
        let denied = text(&row, "expect").starts_with("DENY");
        assert_eq!(
            unresolved(&script, Opaque::DownloadIntoInterpreter),
            denied,
            "{row}"
        );
        if !denied {
            assert!(script.unresolved.is_empty(), "{row}");
        }
    }
}

#[test]
fn scripts_that_are_run() {
    for row in rows("synth_script_exec.jsonl") {
        let runs = executes_script(&read(text(&row, "cmd")), &["helper.py", "t"]);
        assert_eq!(runs, row["want"].as_bool().unwrap(), "{row}");
    }
}

/// Every row is allowed because what it changes is inside the tree, a scratch root, or a sink.
#[test]
fn changes_stay_in_the_tree_or_scratch() {
    for row in rows("out_of_tree_write.jsonl") {
        assert_eq!(text(&row, "expect"), "ALLOW");
        let script = read(text(&row, "command"));
        assert!(script.unresolved.is_empty(), "{row}");
        for effect in script.commands.iter().flat_map(|c| c.effects()) {
            if !matches!(effect.kind, EffectKind::Write | EffectKind::Delete) {
                continue;
            }
            let path = effect.target.text.as_str();
            let scratch = ["/tmp/", "/var/tmp/", "~/.cache/"]
                .iter()
                .any(|root| path.starts_with(root));
            let inside = !path.starts_with(['/', '~']) && !path.contains("..");
            assert!(scratch || inside, "{row}: {path}");
        }
    }
    let changed = |command: &str| {
        let effects: Vec<String> = read(command)
            .commands
            .iter()
            .flat_map(|c| c.effects())
            .filter(|e| matches!(e.kind, EffectKind::Write | EffectKind::Delete))
            .map(|e| e.target.text)
            .collect();
        effects.join(" ")
    };
    assert_eq!(changed("go build -o fak.exe ./cmd/fak"), "fak.exe");
    assert_eq!(changed("rm -rf ./build"), "./build");
    assert_eq!(changed("mv internal/a internal/b"), "internal/a internal/b");
    assert_eq!(changed("cp a.txt ~/.cache/b.txt"), "~/.cache/b.txt");
    assert_eq!(changed("make ci > /dev/null 2>&1"), "");
}

/// The data flags waits well over a minute and passes 45 seconds.
#[test]
fn long_waits() {
    for row in rows("sleep_wait.jsonl") {
        let waits = read(text(&row, "command"))
            .commands
            .iter()
            .filter_map(long_sleep)
            .any(|seconds| seconds > 60.0);
        assert_eq!(waits, text(&row, "expect") == "FLAG", "{row}");
    }
}

/// The data rewrites the command without the identity option. This crate rewrites nothing; what the
/// rewriting is for holds here as well: an identity is no file that the command reads or changes,
/// while the same word given to another program is.
#[test]
fn an_identity_file_is_no_effect() {
    for row in rows("ssh_identity_strip.jsonl") {
        let script = read(text(&row, "in"));
        let touched: Vec<String> = script
            .commands
            .iter()
            .flat_map(|c| c.effects())
            .map(|e| e.target.text)
            .collect();
        let identity = touched
            .iter()
            .any(|t| t.ends_with("id_rsa") || t.ends_with("key.pem") || t == "key");
        let sed = text(&row, "in").starts_with("sed");
        assert_eq!(identity, sed, "{row}: {touched:?}");
    }
}

/// Whether the facts say that a guarded path is changed. The comparison of fragments is the policy's;
/// this one is enough for the data.
fn changes(command: &str, globs: &[String]) -> bool {
    let guarded = |path: &str| {
        let path = format!("/{path}/");
        globs.iter().any(|glob| {
            path.match_indices(glob.as_str()).any(|(at, _)| {
                let before = path[..at].chars().next_back();
                let after = path[at + glob.len()..].chars().next();
                let edge =
                    |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || "._".contains(c)));
                (edge(before) || !glob.starts_with('.'))
                    && (glob.ends_with('/') || edge(after) || glob.starts_with("id_"))
            })
        })
    };
    read(command).commands.iter().any(|c| {
        let base = match &c.cwd {
            fak_shell::Cwd::Path(path) => format!("{path}/"),
            _ => String::new(),
        };
        c.effects().iter().any(|e| {
            matches!(e.kind, EffectKind::Write | EffectKind::Delete)
                && guarded(&format!("{base}{}", e.target.text))
        }) || inline_code(c).is_some_and(|code| code_writes(&code.code.text, &guarded))
    })
}

#[test]
fn self_modification() {
    let house: Vec<String> = [
        "internal/abi/",
        "internal/kernel/",
        "internal/adjudicator/",
        "internal/shipgate/",
        "internal/architest/",
        "dos.toml",
        ".dos/",
    ]
    .map(str::to_owned)
    .to_vec();
    let secrets: Vec<String> = [".env", ".ssh/", "id_rsa", "id_ed25519"]
        .map(str::to_owned)
        .to_vec();
    for row in rows("self_modify_shell.jsonl") {
        let globs: Vec<String> = match &row["globs"] {
            Value::Array(list) => list
                .iter()
                .map(|g| g.as_str().unwrap().to_owned())
                .collect(),
            Value::String(name) if name == "cred" => secrets.clone(),
            _ => house.clone(),
        };
        let expected = row["self_modify_deny"].as_bool().unwrap();
        assert_eq!(changes(text(&row, "command"), &globs), expected, "{row}");
    }
}
