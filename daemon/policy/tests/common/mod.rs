//! Reading case files and judging calls, shared by the conformance tests.
#![allow(
    clippy::allow_attributes,
    dead_code,
    reason = "each test file uses its part"
)]

use fak_policy::{Format, NoWorld, Policy, load};
use fak_types::{ToolCall, Verdict};
use serde_json::Value;

/// The rows of a JSON Lines file.
pub(crate) fn rows(text: &str) -> Vec<Value> {
    let rows: Vec<Value> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!rows.is_empty());
    rows
}

/// A policy from text; a problem in it fails the test with every diagnostic.
pub(crate) fn policy(text: &str) -> Policy {
    let loaded = load("policy", text, Format::guess("policy", text));
    let (manifest, _) =
        loaded.unwrap_or_else(|problems| panic!("{}", fak_policy::diagnostic::render(&problems)));
    Policy::compile(manifest.name.as_deref().unwrap_or("policy"), &manifest)
        .unwrap_or_else(|problems| panic!("{}", fak_policy::diagnostic::render(&problems)))
}

/// Judges a call made in `/srv/repo` by a user at home in `/home/me`.
pub(crate) fn judge(policy: &Policy, tool: &str, args: &str) -> Verdict {
    let call = ToolCall {
        tool,
        args,
        trace: "t",
        cwd: Some("/srv/repo"),
        home: Some("/home/me"),
    };
    policy.adjudicate(&call, &NoWorld)
}

/// Judges a shell command.
pub(crate) fn shell(policy: &Policy, command: &str) -> Verdict {
    judge(
        policy,
        "Bash",
        &serde_json::json!({ "command": command }).to_string(),
    )
}

/// The arguments of a row: an object, its text, or nothing.
pub(crate) fn args_of(row: &Value) -> String {
    match row.get("args") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(object) => object.to_string(),
    }
}

/// A text of a row; empty when absent.
pub(crate) fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Fails with every row that disagrees.
pub(crate) fn report(problems: &[String]) {
    assert!(
        problems.is_empty(),
        "{} rows disagree:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// A verdict in one line.
pub(crate) fn line(verdict: &Verdict) -> String {
    format!(
        "{} {} by={} {}",
        verdict.kind,
        verdict.reason,
        verdict.by,
        verdict.detail.as_str()
    )
}
