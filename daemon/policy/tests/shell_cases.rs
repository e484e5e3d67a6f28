//! Shell text, held against the recorded answers of a comparable project.

mod common;

use common::{line, policy, report, rows, shell, text};
use fak_policy::Policy;
use fak_types::{Reason, VerdictKind};
use serde_json::Value;

const HOUSE_GIT: &str = include_str!("../../../tests/conformance/policies/house-git.yaml");
const INTERACTIVE: &str = include_str!("../../../tests/conformance/policies/interactive.yaml");

/// Rows where a word that is computed when the command runs made the recorded answer a shrug. Ours is
/// a refusal: what cannot be read cannot be held to the rule.
const STRICTER: [(&str, &str); 6] = [
    (
        "git push $(printf -- --force)",
        "the unquoted substitution is the very flag the rule refuses",
    ),
    (
        "git $CMD --force",
        "the subcommand is computed, and with --force most of them lose work",
    ),
    ("$GIT push --force", "the program is computed"),
    (
        "eval \"git push --force\"",
        "the text eval runs is literal, so it is read like any other",
    ),
    (
        "alias g=git; g push -f",
        "the alias gives a program another name",
    ),
    (
        "git $(echo push) --force",
        "the subcommand is computed, and with --force most of them lose work",
    ),
];

/// Which rules speak for a law of the recorded project.
fn speaks(rule: &str, law: &str) -> bool {
    let family: &[&str] = match law {
        "NEVER_AMEND_SHARED" => &[
            "force-push",
            "rebase",
            "pull-rebase",
            "amend",
            "history-rewrite",
        ],
        "remote-ref delete" => &["remote-ref-delete"],
        law => return rule.contains(law),
    };
    family.iter().any(|one| rule.contains(one))
}

#[test]
fn house_rules_of_git_are_data() {
    let policy = policy(HOUSE_GIT);
    let mut problems = Vec::new();
    for row in rows(include_str!("../../../tests/cases/shell/gitgate.jsonl")) {
        let command = text(&row, "command");
        let verdict = shell(&policy, command);
        let stricter = STRICTER.iter().any(|(known, _)| *known == command);
        let agrees = match text(&row, "expect") {
            "DENY" => {
                let law = text(&row, "law_contains");
                // A command that breaks two laws is refused by the one that stands first here.
                let laws = policy_laws(&policy, command);
                verdict.kind == VerdictKind::Deny && laws.iter().any(|rule| speaks(rule, law))
            }
            _ if stricter => verdict.kind == VerdictKind::Deny,
            _ => verdict.kind == VerdictKind::Allow,
        };
        if !agrees {
            problems.push(format!(
                "{command}: {} {} -> {}",
                text(&row, "expect"),
                text(&row, "law_contains"),
                line(&verdict)
            ));
        }
    }
    report(&problems);
}

/// Every rule that refuses a command: the rules are tried one by one.
fn policy_laws(whole: &Policy, command: &str) -> Vec<String> {
    let (manifest, _) = fak_policy::load("p", HOUSE_GIT, fak_policy::Format::Yaml).unwrap();
    let mut laws = Vec::new();
    for rule in &manifest.arg_rules {
        let single = fak_policy::manifest::Manifest {
            arg_rules: vec![rule.clone()],
            ..manifest.clone()
        };
        let verdict = shell(&Policy::compile("one", &single).unwrap(), command);
        if verdict.by.starts_with("arg_rules/") {
            laws.push(verdict.by.to_string());
        }
    }
    let verdict = shell(whole, command);
    assert!(
        laws.is_empty() || laws.first().is_some_and(|first| *first == *verdict.by),
        "{command}: {laws:?} {}",
        verdict.by
    );
    laws
}

#[test]
fn commands_that_wait_for_a_person_are_data() {
    let policy = policy(INTERACTIVE);
    let mut problems = Vec::new();
    for row in rows(include_str!(
        "../../../tests/cases/shell/interactive_hang.jsonl"
    )) {
        let command = text(&row, "command");
        let verdict = shell(&policy, command);
        if verdict.kind.as_str() != text(&row, "expect") {
            problems.push(format!(
                "{command}: {} -> {}",
                text(&row, "expect"),
                line(&verdict)
            ));
        }
    }
    report(&problems);
}

fn guarding(globs: &[&str]) -> Policy {
    let manifest = serde_json::json!({
        "version": "fak-policy/v1",
        "allow": ["Bash"],
        "shell": [{ "tool": "Bash", "arg": "command" }],
        "self_modify_globs": globs,
    });
    policy(&manifest.to_string())
}

#[test]
fn writes_to_guarded_files_are_self_modification_and_reads_are_not() {
    let floor = [
        "internal/abi/",
        "internal/kernel/",
        "internal/adjudicator/",
        "internal/architest/",
        "internal/shipgate/",
        "dos.toml",
        ".dos/",
        "fak/internal/",
    ];
    let credentials = [
        ".git/",
        ".env",
        ".aws/",
        ".npmrc",
        ".netrc",
        "id_rsa",
        "id_ed25519",
        "/etc/",
    ];
    let mut problems = Vec::new();
    for row in rows(include_str!(
        "../../../tests/cases/shell/self_modify_shell.jsonl"
    )) {
        let command = text(&row, "command");
        let policy = match row.get("globs") {
            Some(Value::Array(globs)) => {
                guarding(&globs.iter().filter_map(Value::as_str).collect::<Vec<_>>())
            }
            Some(Value::String(name)) if name == "cred" => guarding(&credentials),
            // Rows about the floor's globs run with both lists, as the recorded test does.
            _ => guarding(&[floor.as_slice(), &[]].concat()),
        };
        let verdict = shell(&policy, command);
        let denied = verdict.reason == Reason::SelfModify;
        if Some(denied) != row.get("self_modify_deny").and_then(Value::as_bool) {
            problems.push(format!(
                "{command}: {} -> {}",
                row["self_modify_deny"],
                line(&verdict)
            ));
        }
    }
    report(&problems);
}

#[test]
fn the_shipped_floor_answers_the_recorded_commands() {
    let floor = Policy::embedded();
    let mut problems = Vec::new();
    let files = [
        include_str!("../../../tests/cases/shell/rce_pipe.jsonl"),
        include_str!("../../../tests/cases/shell/out_of_tree_write.jsonl"),
    ];
    for row in files.into_iter().flat_map(rows) {
        let command = text(&row, "command");
        let verdict = shell(&floor, command);
        let (kind, reason) = text(&row, "expect")
            .split_once('/')
            .unwrap_or_else(|| (text(&row, "expect"), "NONE"));
        if verdict.kind.as_str() != kind || verdict.reason.as_str() != reason {
            problems.push(format!(
                "{command}: {} -> {}",
                text(&row, "expect"),
                line(&verdict)
            ));
        }
    }
    report(&problems);
}
