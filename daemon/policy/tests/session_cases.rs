//! Recorded sessions, call by call.

mod common;

use std::io::Read;

use common::{judge, line, policy, report, rows, text};
use fak_policy::Policy;
use fak_types::{Reason, VerdictKind};
use serde_json::{Value, json};

/// Two calls of this recording are answered better than recorded.
const BETTER: [(&str, &str); 2] = [
    (
        "call_rm",
        "rm -rf below /tmp is everyday work, and the shipped floor lets it through",
    ),
    (
        "call_ssh_write",
        "a write to authorized_keys lets somebody in for good; the shipped floor refuses it",
    ),
];

#[test]
fn the_guarded_session() {
    let floor = Policy::embedded();
    let mut problems = Vec::new();
    for turn in rows(include_str!(
        "../../../tests/cases/flow/guard_trace_e2e.jsonl"
    )) {
        for call in turn["calls"].as_array().unwrap() {
            let verdict = judge(&floor, text(call, "tool"), &call["args"].to_string());
            let denied = verdict.kind == VerdictKind::Deny;
            let expected = (text(call, "class") == "deny")
                != BETTER.iter().any(|(id, _)| *id == text(call, "id"));
            if denied != expected {
                problems.push(format!("{call}: -> {}", line(&verdict)));
            }
        }
    }
    report(&problems);
}

#[test]
fn the_airline_session_is_allowed_by_its_floor() {
    let floor = policy(
        r#"{"allow":["book_reservation","calculate"],"allow_prefix":["read_","get_","search_","list_","calc"],
            "redact_fields":["password","secret","api_key","token","authorization"]}"#,
    );
    for row in rows(include_str!("../../../tests/cases/flow/tau2_smoke.jsonl")) {
        let verdict = judge(&floor, text(&row, "tool"), &row["args"].to_string());
        assert_eq!(
            verdict.kind,
            VerdictKind::Allow,
            "{row}: {}",
            line(&verdict)
        );
    }
}

#[test]
fn calls_the_floor_never_granted_are_sorted_out_before_they_run() {
    let floor = policy(r#"{"allow_prefix":["read_","list_","search_"]}"#);
    for row in rows(include_str!(
        "../../../tests/cases/flow/tokendemo_traces.jsonl"
    )) {
        let verdict = judge(&floor, text(&row, "tool"), &row["args"].to_string());
        if text(&row, "class") == "deny" {
            assert_eq!(
                (verdict.kind, verdict.reason),
                (VerdictKind::Deny, Reason::DefaultDeny),
                "{row}"
            );
        } else {
            assert_eq!(verdict.kind, VerdictKind::Allow, "{row}");
        }
    }
}

#[test]
fn the_benign_tasks_of_agentdojo_are_allowed() {
    let mut traces = String::new();
    let packed = include_bytes!("../../../tests/cases/agentdojo/benign.jsonl.gz");
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_string(&mut traces)
        .unwrap();
    let tools: Value =
        serde_json::from_str(include_str!("../../../tests/cases/agentdojo/tools.json")).unwrap();
    let mut judged = 0;
    for task in rows(&traces) {
        let suite = tools[text(&task, "suite")].as_array().unwrap();
        let allow: Vec<&str> = suite.iter().map(|tool| text(tool, "name")).collect();
        let schemas: Vec<Value> = suite
            .iter()
            .map(|tool| json!({ "tool": tool["name"], "arg": "*", "schema": tool["inputSchema"] }))
            .collect();
        let floor = policy(&json!({ "allow": allow, "arg_rules": schemas }).to_string());
        for step in task["steps"].as_array().unwrap() {
            let verdict = judge(&floor, text(step, "tool"), &step["args"].to_string());
            assert_eq!(
                verdict.kind,
                VerdictKind::Allow,
                "{step}: {}",
                line(&verdict)
            );
            judged += 1;
        }
    }
    assert!(judged > 60, "{judged}");
}
