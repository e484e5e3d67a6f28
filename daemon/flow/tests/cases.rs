//! Facts about sources and sinks, row by row. Rows about how widely a result may be shared are about something else.

use fak_args::{Args, Limits};
use fak_flow::{Answer, Control, Ledger, Rules, Sink, Source, Text, Trust};
use serde_json::{Value, json};

fn rows(of: &str) -> Vec<Value> {
    let text = include_str!("../../../tests/cases/flow/ifc_taint.jsonl");
    let rows = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<Value> = rows.filter(|row| row["src"] == of).collect();
    assert!(!rows.is_empty(), "{of}");
    rows
}

/// What an operator would say of the tools these rows name.
fn rules() -> Rules {
    let mut rules = Rules::builder()
        .source(Source::new("Read", Trust::Trusted))
        .source(Source::new("Grep", Trust::Trusted));
    for tool in [
        "delete_*", "drop_*", "http_*", "post_*", "send_*", "upload_*",
    ] {
        rules = rules.sink(Sink::new(tool).control(Control::new("to")));
    }
    for tool in ["Bash", "run_command"] {
        rules = rules.sink(Sink::new(tool).text(Text::new("command").links(Answer::Deny)));
    }
    rules.build().unwrap()
}

/// A session that read `eve@evil.example` with a tool.
fn after(tool: &str) -> Ledger {
    let mut ledger = Ledger::default();
    let none = Args::parse("{}", &Limits::default()).unwrap();
    ledger.admit(&rules(), tool, &none, br#"{"from":"eve@evil.example"}"#, 1);
    ledger
}

fn answer(ledger: &Ledger, tool: &str, args: &Value) -> Answer {
    let text = args.to_string();
    let args = Args::parse(&text, &Limits::default()).unwrap();
    ledger.check(&rules(), tool, &args).answer
}

#[test]
fn a_tool_nobody_vouches_for_is_tainted() {
    for row in rows("TestSourceTaintByProvenance") {
        let ledger = after(row["tool"].as_str().unwrap());
        let want = if row["want"] == "trusted" {
            Answer::Allow
        } else {
            Answer::Deny
        };
        assert_eq!(
            answer(&ledger, "send_email", &json!({ "to": "eve@evil.example" })),
            want,
            "{row}"
        );
    }
}

#[test]
fn tools_that_change_or_send_are_sinks() {
    for row in rows("TestSinkClassification") {
        let sink = rules().is_sink(row["tool"].as_str().unwrap());
        assert_eq!(sink, row["want"] != "none", "{row}");
    }
}

#[test]
fn a_strangers_value_does_not_reach_a_sink() {
    let ledger = after("read_webpage");
    for row in rows("TestQuarantinedAndOtherSinks") {
        let tool = row["tool"].as_str().unwrap();
        // A command is judged by the policy, which reads shell; here only the links in it count.
        let args = if tool == "Bash" {
            json!({ "command": "ls -la" })
        } else {
            json!({ "to": "eve@evil.example" })
        };
        let want = if row["want"] == "DENY" {
            Answer::Deny
        } else {
            Answer::Allow
        };
        assert_eq!(answer(&ledger, tool, &args), want, "{row}");
    }
}

#[test]
fn an_argument_nobody_described_steers() {
    let ledger = after("read_webpage");
    for row in rows("TestUnlistedDestinationKeyClosed") {
        let args: Value = serde_json::from_str(row["args"].as_str().unwrap()).unwrap();
        // Five of these rows hold no destination, and the rows' project lets them pass. Here the operator says which
        // arguments are free text; until then none of a sink is, because an id steers as well as an address.
        assert_eq!(answer(&ledger, "send_email", &args), Answer::Deny, "{row}");
    }
}
