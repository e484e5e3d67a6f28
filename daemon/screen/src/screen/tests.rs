//! A rule more can only tighten.

use proptest::prelude::*;

use super::*;
use crate::{
    rules::Rules,
    settings::{Cut, People},
};

/// The rules of the two files, one text for each.
fn parts() -> (Vec<&'static str>, Vec<&'static str>) {
    let secrets = secrets::RULES.split("[[rule]]\n").collect();
    let words = rules::FILE.lines();
    let words = words.filter(|line| line.starts_with("words ") || line.starts_with("mark "));
    (secrets, words.collect())
}

/// A screen of some of the rules, in the order of the files.
fn screen(secret: &[usize], injection: &[usize], people: People) -> Screen {
    let (secrets, words) = parts();
    // A file without a rule is a broken one: the first stands always.
    let mut toml = secrets[0].to_owned();
    for (index, part) in secrets.iter().enumerate().skip(1) {
        if index == 1 || secret.contains(&index) {
            toml.push_str("[[rule]]\n");
            toml.push_str(part);
        }
    }
    let classes = rules::FILE
        .lines()
        .filter(|line| line.starts_with("class "));
    let lines = words.iter().enumerate();
    let lines = lines.filter_map(|(index, line)| injection.contains(&index).then_some(*line));
    let file = classes.chain(lines).collect::<Vec<_>>().join("\n");
    let settings = Settings {
        people,
        ..Settings::default()
    };
    Screen::of(
        settings,
        Secrets::of(toml.leak()),
        Injection::of(Rules::read(&file)),
    )
}

/// How strict an answer is.
fn rank(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Allow => 0,
        Outcome::Redact(_) => 1,
        Outcome::PageOut(_) => 2,
        Outcome::Quarantine => 3,
    }
}

/// Texts that several rules speak of.
fn texts() -> impl Strategy<Value = String> {
    let rows = include_str!("../../../../tests/cases/results/normalize_rescan.jsonl").lines();
    let more =
        include_str!("../../../../tests/cases/results/pii_and_semantic_screen.jsonl").lines();
    let rows: Vec<String> = rows
        .chain(more)
        .filter_map(|row| serde_json::from_str::<serde_json::Value>(row).ok())
        .filter_map(|row| {
            Some(
                row["text"]
                    .as_str()
                    .or_else(|| row["body"].as_str())?
                    .to_owned(),
            )
        })
        .collect();
    prop::collection::vec(prop::sample::select(rows), 1..4).prop_map(|rows| rows.join(" "))
}

fn some(of: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..of, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_added_rule_never_loosens(
        (secret, injection) in (some(parts().0.len()), some(parts().1.len())),
        (rule, words) in (1..parts().0.len(), 0..parts().1.len()),
        texts in prop::collection::vec(texts(), 12),
        cards: bool,
    ) {
        let never = People { cards: Cut::Never, ..People::default() };
        let people = if cards { never } else { People::default() };
        let before = screen(&secret, &injection, never);
        let secret: Vec<usize> = secret.into_iter().chain([rule]).collect();
        let injection: Vec<usize> = injection.into_iter().chain([words]).collect();
        let after = screen(&secret, &injection, people);
        for text in texts {
            for trust in [Trust::Local, Trust::Untrusted] {
                let judge = |screen: &Screen| screen.judge(&Incoming { tool: "read", bytes: text.as_bytes(), trust });
                let (before, after) = (judge(&before), judge(&after));
                prop_assert!(rank(&after.verdict) >= rank(&before.verdict), "{}: {:?} {:?}", text, before, after);
            }
        }
    }
}
