//! Whole calls, held against the recorded answers of a comparable project.

mod common;

use common::{args_of, judge, line, policy, report, rows, text};
use fak_types::{Reason, VerdictKind};
use serde_json::{Value, json};

const DOGFOOD: &str = include_str!("../../../tests/conformance/policies/dogfood.yaml");
const PROTECTED_PUSH: &str =
    include_str!("../../../tests/conformance/policies/protected-push.yaml");
const EGRESS: &str = include_str!("../../../tests/conformance/policies/egress.yaml");

fn matrix(policy_text: &str, cases: &str) {
    let policy = policy(policy_text);
    let mut problems = Vec::new();
    for row in rows(cases) {
        let verdict = judge(&policy, text(&row, "tool"), &args_of(&row));
        if verdict.kind.as_str() != text(&row, "kind")
            || verdict.reason.as_str() != text(&row, "reason")
        {
            problems.push(format!(
                "{}: {} {} -> {}",
                text(&row, "name"),
                text(&row, "kind"),
                text(&row, "reason"),
                line(&verdict)
            ));
        }
    }
    report(&problems);
}

#[test]
fn dogfood_matrix() {
    matrix(
        DOGFOOD,
        include_str!("../../../tests/cases/calls/dogfood_manifest_verdicts.jsonl"),
    );
}

#[test]
fn protected_push_matrix() {
    matrix(
        PROTECTED_PUSH,
        include_str!("../../../tests/cases/calls/protected_push_floor.jsonl"),
    );
}

#[test]
fn destinations_that_hand_out_credentials_are_refused_wherever_they_stand() {
    let policy = policy(EGRESS);
    let mut problems = Vec::new();
    for row in rows(include_str!(
        "../../../tests/cases/calls/egress_floor.jsonl"
    )) {
        let verdict = match (text(&row, "src"), text(&row, "tool")) {
            ("host", _) if text(&row, "host").is_empty() => continue,
            // A bare host is asked about as the only thing a command contacts.
            ("host", _) => common::shell(&policy, &format!("curl {}", text(&row, "host"))),
            (_, "") => judge(&policy, "Bash", &args_of(&row)),
            (_, tool) => judge(&policy, tool, &args_of(&row)),
        };
        let blocked = verdict.kind == VerdictKind::Deny && verdict.by.starts_with("arg_rules/");
        if Some(blocked) != row.get("blocked").and_then(Value::as_bool)
            || (!blocked && verdict.kind != VerdictKind::Allow)
        {
            problems.push(format!("{row}: -> {}", line(&verdict)));
        }
    }
    report(&problems);
}

#[test]
fn only_plain_reads_are_relaxed() {
    let policy = policy(r#"{"posture":"admit_and_log"}"#);
    let mut problems = Vec::new();
    for row in rows(include_str!("../../../tests/cases/calls/risk_class.jsonl")) {
        let verdict = judge(&policy, text(&row, "tool"), &args_of(&row));
        let read = verdict.kind == VerdictKind::Allow;
        if read != (text(&row, "want") == "classRead") {
            problems.push(format!("{row}: -> {}", line(&verdict)));
        }
        if read {
            assert_eq!(
                (&*verdict.by, verdict.would_deny),
                ("posture/admit_and_log", Some(Reason::DefaultDeny))
            );
        }
    }
    report(&problems);
}

#[test]
fn what_is_not_allowed_by_name_is_never_admitted() {
    let policy = policy(r#"{"allow":["Bash"],"allow_prefix":["read_","get_"]}"#);
    for row in rows(include_str!(
        "../../../tests/cases/calls/never_admits.jsonl"
    )) {
        let verdict = judge(
            &policy,
            text(&row, "tool"),
            r#"{"command":"ls","path":"x"}"#,
        );
        assert_eq!(
            verdict.kind == VerdictKind::Deny,
            row["want"].as_bool().unwrap(),
            "{row}"
        );
    }
}

#[test]
fn calls_of_the_wrong_form_are_malformed() {
    // The last two rows repair or refuse positional arguments. A policy here describes the arguments of
    // a tool by a schema, and a call that does not satisfy it comes back as MALFORMED for correction;
    // nothing rewrites the arguments of a call on the way.
    for row in rows(include_str!(
        "../../../tests/cases/calls/malformed_calls.jsonl"
    )) {
        let schema = match (row.get("schema"), row.get("grammar_schema")) {
            (Some(_), _) => {
                json!({ "required": ["origin"], "properties": { "origin": { "type": "string" } } })
            }
            (_, Some(schema)) => schema.clone(),
            _ => json!({}),
        };
        let manifest = json!({
            "allow": [text(&row, "tool")],
            "arg_rules": [{ "tool": text(&row, "tool"), "arg": "*", "schema": schema }],
        });
        let args = row
            .get("raw_args")
            .and_then(Value::as_str)
            .map_or_else(|| args_of(&row), str::to_owned);
        let verdict = judge(&policy(&manifest.to_string()), text(&row, "tool"), &args);
        assert_eq!(
            (verdict.kind, verdict.reason),
            (VerdictKind::Deny, Reason::Malformed),
            "{row}"
        );
        let by = if row.get("raw_args").is_some() {
            "parse"
        } else {
            "arg_rules/0"
        };
        assert_eq!(&*verdict.by, by, "{row}");
    }
}

#[test]
fn minefields_are_refused_and_the_way_around_them_is_allowed() {
    let files = [
        include_str!("../../../tests/cases/calls/terminalbench_boundary.jsonl"),
        include_str!("../../../tests/cases/calls/toolsandbox_policy_state.jsonl"),
        include_str!("../../../tests/cases/calls/webbench_mediation.jsonl"),
    ];
    let mut problems = Vec::new();
    for session in files.into_iter().flat_map(rows) {
        let policy = policy(&session["policy"].to_string());
        let steps = session
            .get("trace")
            .or_else(|| session.get("calls"))
            .and_then(Value::as_array)
            .unwrap();
        for step in steps {
            let (tool, args) = match step.get("action") {
                Some(action) => (
                    format!("browser.{}", text(action, "type")),
                    action.to_string(),
                ),
                None if step.get("command").is_some() => (
                    "terminal.exec".to_owned(),
                    json!({ "command": step["command"] }).to_string(),
                ),
                None => (text(step, "tool").to_owned(), step["args"].to_string()),
            };
            let verdict = judge(&policy, &tool, &args);
            let denied = verdict.kind == VerdictKind::Deny;
            if denied != step.get("minefield").is_some()
                || (denied && verdict.reason != Reason::PolicyBlock)
            {
                problems.push(format!("{step}: -> {}", line(&verdict)));
            }
        }
    }
    report(&problems);
}
