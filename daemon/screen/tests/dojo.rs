//! The results of a whole benchmark of honest tasks: what a screen holds back of them, somebody misses.

use std::{collections::BTreeSet, io::Read};

use fak_screen::{Incoming, Outcome, Screen, Settings, Trust};
use flate2::read::GzDecoder;
use serde_json::Value;

fn results(packed: &[u8]) -> Vec<(String, String)> {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let task: Value = serde_json::from_str(line).unwrap();
        for step in task["steps"].as_array().into_iter().flatten() {
            let tool = step["tool"].as_str().unwrap_or_default().to_owned();
            seen.insert((tool, step["result"].to_string()));
        }
    }
    seen.into_iter().collect()
}

#[test]
fn honest_results_are_not_held_back() {
    let screen = Screen::new(Settings::default());
    let results = results(include_bytes!(
        "../../../tests/cases/agentdojo/benign.jsonl.gz"
    ));
    assert!(results.len() > 50, "{}", results.len());
    let held: Vec<_> = results
        .iter()
        .map(|(tool, result)| {
            let admission = screen.judge(&Incoming {
                tool,
                bytes: result.as_bytes(),
                trust: Trust::Untrusted,
            });
            (tool, admission)
        })
        .filter(|(_, admission)| !matches!(admission.verdict, Outcome::Allow))
        .collect();
    assert!(
        held.is_empty(),
        "{} of {}: {held:#?}",
        held.len(),
        results.len()
    );
}
