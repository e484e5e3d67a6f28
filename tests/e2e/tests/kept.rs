//! Answers that are given again, with the real programs: never after a change, never to anybody else, never in the clear.

use std::fs;

use fak_e2e::{
    fakctl,
    results::{admitted, holds, shared, witness},
    said,
    talk::{json, policy, told},
};
use fak_support::Place;
use serde_json::Value;

const POLICY: &str = "allow: [look, change, Read]
cache:
  reads: {look: {namespace: fs, resources: path}}
  writes: {change: {namespace: fs, resources: path}}
";

/// A text nobody else would write.
const CANARY: &str = "kept-canary-3b8d";

fn args(path: &str) -> String {
    format!("{{\"path\":\"{path}\"}}")
}

/// Asks for a file and yields the answer that was kept, if one was.
fn looks(place: &Place, trace: &str, path: &str, more: &[&str]) -> Option<String> {
    let args = args(path);
    let call = [
        "adjudicate",
        "look",
        "--args",
        &args,
        "--trace",
        trace,
        "--call-id",
        path,
    ];
    let (code, answer) = told(place, &[&call[..], more].concat());
    assert_eq!(
        (code, &answer["verdict"]["kind"]),
        (0, &"ALLOW".into()),
        "{answer}"
    );
    answer["cached"]["result"].as_str().map(str::to_owned)
}

/// Reads a file and admits what it says.
fn reads(place: &Place, path: &str, text: &str, more: &[&str]) {
    assert_eq!(looks(place, "t", path, more), None, "{path}");
    let args = args(path);
    let words = ["look", "--trace", "t", "--call-id", path, "--args", &args];
    let answer = admitted(place, &words, text.as_bytes(), 0);
    assert_eq!(answer["verdict"]["kind"], "ALLOW", "{answer}");
}

fn changes(place: &Place, path: &str) {
    let args = args(path);
    let call = ["--args", &args, "--trace", "t", "--call-id", "change"];
    let (code, answer) = told(place, &[&["adjudicate", "change"], &call[..]].concat());
    assert_eq!(code, 0, "{answer}");
    let answer = admitted(place, &[&["change"], &call[..]].concat(), b"done", 0);
    assert_eq!(answer["verdict"]["kind"], "ALLOW", "{answer}");
}

#[test]
fn an_answer_is_given_again_until_something_changes_whatever_is_killed() {
    let place = Place::new();
    policy(&place, POLICY);
    let mut daemon = place.start(&[]);
    let text = format!("{CANARY} and more");
    reads(&place, "/a", &text, &[]);
    reads(&place, "/b", "of b", &[]);
    for _ in 0..2 {
        assert_eq!(
            looks(&place, "t", "/a", &[]).as_deref(),
            Some(text.as_str())
        );
        // Another session of the same principal asks for the same; other arguments are another question.
        assert_eq!(
            looks(&place, "u", "/a", &[]).as_deref(),
            Some(text.as_str())
        );
        assert_eq!(looks(&place, "u", "/c", &[]), None);
        assert_eq!(looks(&place, "t", "/a", &["--witness", "w"]), None);
        daemon.kill();
        daemon = place.start(&[]);
    }
    changes(&place, "/a");
    assert_eq!(looks(&place, "t", "/a", &[]), None);
    assert_eq!(looks(&place, "t", "/b", &[]).as_deref(), Some("of b"));
    daemon.kill();
    let daemon = place.start(&[]);
    assert_eq!(looks(&place, "t", "/a", &[]), None);
    assert_eq!(looks(&place, "t", "/b", &[]).as_deref(), Some("of b"));
    reads(&place, "/a", "another text", &[]);
    assert_eq!(
        looks(&place, "t", "/a", &[]).as_deref(),
        Some("another text")
    );
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(holds(&place.join("state"), CANARY), Vec::<String>::new());
    let log = fs::read_to_string(place.join("fakd.log")).expect("a log");
    assert!(!log.contains(CANARY));
    fakctl(
        &place,
        &["audit", "verify", &place.journal().to_string_lossy()],
        0,
    );
}

#[test]
fn a_witness_that_is_taken_back_stays_taken_back() {
    let place = Place::new();
    policy(&place, POLICY);
    let mut daemon = place.start(&[]);
    let (bad, good) = (["--witness", "bad"], ["--witness", "good"]);
    reads(&place, "/a", "under bad", &bad);
    reads(&place, "/a", "under good", &good);
    assert_eq!(looks(&place, "t", "/a", &bad).as_deref(), Some("under bad"));
    fakctl(&place, &["revoke", "bad", "--reason", "a test"], 0);
    for _ in 0..2 {
        assert_eq!(
            looks(&place, "t", "/a", &good).as_deref(),
            Some("under good")
        );
        // What comes in under it now is kept no more.
        reads(&place, "/a", "again", &bad);
        assert_eq!(looks(&place, "t", "/a", &bad), None);
        daemon.kill();
        daemon = place.start(&[]);
    }
    assert_eq!(daemon.stop(), Some(0));
}

fn since(place: &Place, cursor: u64) -> Value {
    let (code, answer) = told(place, &["changes", "--since", &cursor.to_string()]);
    assert_eq!((code, &answer["gap"]), (0, &false.into()), "{answer}");
    answer
}

#[test]
fn who_reads_the_changes_goes_on_where_it_stopped() {
    let place = Place::new();
    policy(&place, POLICY);
    let daemon = place.start(&[]);
    reads(&place, "/a", "text", &[]);
    changes(&place, "/a");
    let first = since(&place, 0);
    let cursor = first["cursor"].as_u64().expect("a cursor");
    assert_eq!(
        first["changes"][0]["resources"],
        serde_json::json!(["/a"]),
        "{first}"
    );
    daemon.kill();
    let daemon = place.start(&[]);
    assert_eq!(since(&place, 0), first);
    assert_eq!(since(&place, cursor)["changes"], serde_json::json!([]));
    changes(&place, "/b");
    fakctl(&place, &["revoke", "w", "--reason", "a test"], 0);
    let rest = since(&place, cursor);
    daemon.kill();
    let daemon = place.start(&[]);
    assert_eq!(since(&place, cursor), rest);
    let list = rest["changes"].as_array().expect("a list");
    assert!(
        list.iter()
            .any(|one| one["resources"] == serde_json::json!(["/b"]))
            && list.iter().any(|one| one["witness"] == "w")
            && list.iter().all(|one| one["cursor"].as_u64() > Some(cursor)),
        "{rest}"
    );
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn nobody_is_given_somebody_elses_answer() {
    let Some(place) = shared() else { return };
    policy(&place, POLICY);
    let daemon = place.start(&[]);
    let text = format!("{CANARY} is mine");
    reads(&place, "/a", &text, &[]);
    assert_eq!(looks(&place, "t", "/a", &[]), Some(text));
    let args = args("/a");
    // In the same directory and with the same home: the principal alone is another.
    let home = place.path().display().to_string();
    let cwd = place.join("work").display().to_string();
    let words = [
        "adjudicate",
        "look",
        "--args",
        &args,
        "--trace",
        "t",
        "--json",
    ];
    let output = witness(
        &place,
        &[&words[..], &["--cwd", &cwd, "--home", &home]].concat(),
    );
    let answer = json(&output);
    assert_eq!(answer["verdict"]["kind"], "ALLOW", "{answer}");
    assert!(
        answer.get("cached").is_none() && !said(&output).contains(CANARY),
        "{answer}"
    );
    let output = witness(&place, &["changes", "--json"]);
    assert!(!said(&output).contains("/a"), "{}", said(&output));
    assert_eq!(daemon.stop(), Some(0));
}
