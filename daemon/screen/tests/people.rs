//! What of people is cut out, where the settings ask for it.

use fak_screen::{Cut, Incoming, Outcome, People, Screen, Settings, Trust};
use serde_json::Value;

fn screen(people: People) -> Screen {
    Screen::new(Settings {
        people,
        ..Settings::default()
    })
}

fn everything(cut: Cut) -> Screen {
    screen(People {
        cards: cut,
        emails: cut,
        ssns: cut,
        ibans: cut,
    })
}

/// What stands in the place of what was cut out.
fn cut(screen: &Screen, text: &str, trust: Trust) -> Vec<String> {
    let admission = screen.judge(&Incoming {
        tool: "read",
        bytes: text.as_bytes(),
        trust,
    });
    match admission.verdict {
        Outcome::Allow => Vec::new(),
        Outcome::Redact(edits) => edits.into_iter().map(|edit| edit.with).collect(),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_kind_of_the_rows_goes_when_it_is_asked_for() {
    let screen = everything(Cut::Always);
    let rows = include_str!("../../../tests/cases/results/pii_and_semantic_screen.jsonl");
    let mut seen = 0;
    for row in rows
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap())
    {
        let body = row["body"].as_str().unwrap();
        let found = cut_or_none(&screen, body);
        match row["src"].as_str().unwrap() {
            "TestPIIRedactor_DetectsSecretsAndPII" => {
                assert_eq!(found.len(), 1, "{row}: {found:?}");
                let want = row["want"].as_str().unwrap();
                if matches!(want, "email" | "us_ssn" | "credit_card") {
                    assert_eq!(found, [format!("[REDACTED:{want}]")]);
                }
                seen += 1;
            }
            "high_precision_no_hit" => assert_eq!(found, [] as [String; 0], "{row}"),
            _ => {}
        }
    }
    assert_eq!(seen, 12);
}

fn cut_or_none(screen: &Screen, text: &str) -> Vec<String> {
    let incoming = Incoming {
        tool: "read",
        bytes: text.as_bytes(),
        trust: Trust::Local,
    };
    match screen.judge(&incoming).verdict {
        Outcome::Redact(edits) => edits.into_iter().map(|edit| edit.with).collect(),
        _ => Vec::new(),
    }
}

const TEXT: &str =
    "ada@a.example, ssn 219-09-9999, GB82 WEST 1234 5698 7654 32, card 4111 1111 1111 1111";

#[test]
fn each_kind_is_asked_for_by_itself() {
    let none = People {
        cards: Cut::Never,
        ..People::default()
    };
    let always = Cut::Always;
    assert_eq!(
        cut(&screen(none), TEXT, Trust::Untrusted),
        [] as [String; 0]
    );
    for (people, kind) in [
        (
            People {
                cards: always,
                ..none
            },
            "credit_card",
        ),
        (
            People {
                emails: always,
                ..none
            },
            "email",
        ),
        (
            People {
                ssns: always,
                ..none
            },
            "us_ssn",
        ),
        (
            People {
                ibans: always,
                ..none
            },
            "iban",
        ),
    ] {
        let found = cut(&screen(people), TEXT, Trust::Untrusted);
        assert_eq!(found, [format!("[REDACTED:{kind}]")]);
    }
}

#[test]
fn a_users_own_file_keeps_what_only_untrusted_results_lose() {
    let card = "[REDACTED:credit_card]";
    let default = Screen::new(Settings::default());
    assert_eq!(cut(&default, TEXT, Trust::Untrusted), [card]);
    assert_eq!(cut(&default, TEXT, Trust::Local), [] as [String; 0]);
    assert_eq!(
        cut(&everything(Cut::Untrusted), TEXT, Trust::Local),
        [] as [String; 0]
    );
    assert_eq!(cut(&everything(Cut::Always), TEXT, Trust::Local).len(), 4);
}

#[test]
fn numbers_that_only_look_alike_stay() {
    let screen = everything(Cut::Always);
    for text in [
        "GB82 WEST 1234 5698 7654 33",
        "ZZ82 WEST 1234 5698 7654 32",
        "4111 1111 1111 1112",
        "219-09-9999",
        "ssn 000-09-9999",
        "@Override user@localhost",
        "call +1 555 0100 200",
    ] {
        assert_eq!(
            cut(&screen, text, Trust::Untrusted),
            [] as [String; 0],
            "{text}"
        );
    }
}
