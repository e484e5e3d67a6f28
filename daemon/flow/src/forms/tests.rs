//! What the forms are, and that reading them fast changes none of them.

use proptest::prelude::*;

use super::{Shape, account, extract, narrow, number, oracle, wide};
use crate::date;

fn found(text: &str, want: Shape) -> Vec<String> {
    let mut found = Vec::new();
    extract(text, &mut |form, shape| {
        if shape == want {
            found.push(form.to_owned());
        }
    });
    found.dedup();
    found
}

#[test]
fn narrow_forms_fold_what_no_tool_tells_apart() {
    assert_eq!(narrow("  Le  Marais\tBoutique "), "le marais boutique");
    assert_eq!(narrow("HTTPS://Bit.LY/sUf7tOJ"), "https://bit.ly/sUf7tOJ");
    assert_eq!(narrow("cafe\u{301}"), narrow("café"));
    assert_ne!(narrow("ma\u{200b}rk@a.example"), narrow("mark@a.example"));
}

#[test]
fn wide_forms_fold_what_no_reader_sees() {
    assert_eq!(
        wide("ma\u{200b}rk@a.example").as_deref(),
        Some("mark@a.example")
    );
    assert_eq!(wide("ｍark").as_deref(), Some("mark"));
    assert_eq!(wide("mark"), None);
}

#[test]
fn amounts_and_accounts_have_one_form() {
    for text in ["$1,250.00", "1250", "1250.0", "€1250"] {
        assert_eq!(number(text).as_deref(), Some("n:1250"), "{text}");
    }
    for text in ["007", "1,25", "12a", "", "."] {
        assert_eq!(number(text), None, "{text}");
    }
    assert_eq!(
        account("GB29 NWBK 6016 1331 9268 19"),
        account("gb29nwbk60161331926819")
    );
    assert_eq!(
        account("+1 (327) 420-4923").as_deref(),
        Some("a:13274204923")
    );
    assert_eq!(account("Conference Room"), None);
    assert_eq!(account("2024-05-30"), None);
}

#[test]
fn addresses_are_found_wherever_they_stand() {
    for (text, want) in [
        (
            "write to 'mark.black-2134@gmail.com'.",
            "mark.black-2134@gmail.com",
        ),
        ("mailto:mark@a.example", "mark@a.example"),
        (
            "[here](https://a.example/X?q=1), now",
            "https://a.example/X?q=1",
        ),
        (
            "pay GB29 NWBK 6016 1331 9268 19 today",
            "a:gb29nwbk60161331926819",
        ),
        ("a@x.example,b@y.example", "b@y.example"),
        ("see www.a.example.", "www.a.example"),
    ] {
        let found = found(text, Shape::Address);
        assert!(found.iter().any(|form| form == want), "{text}: {found:?}");
    }
}

#[test]
fn phrases_are_lines_lists_and_quotations() {
    let found = found(
        "Hotel Names: Good Night\nLuxury Palace\nuse 'Important message!' as subject",
        Shape::Phrase,
    );
    for want in ["good night", "luxury palace", "important message!"] {
        assert!(found.iter().any(|form| form == want), "{want}: {found:?}");
    }
}

/// Text of everything a form may be made of.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z]{1,9}",
        "[0-9]{1,6}",
        "[ \\t\\r\\n\\x0b\\x0c]",
        "[-.,:;|/@%&=+*?!#$_~'\"`()<>{}\\[\\]]",
        "\\PC",
        prop::sample::select(vec![
            "://",
            ": ",
            "www.",
            "mailto:",
            "May",
            "5th",
            "2024-05-30",
            "12.05.2024",
            "to",
            "“",
            "”",
            "’",
            "\u{200b}",
            "\u{301}",
            "\u{a0}",
            "\u{212a}",
            "GB29 NWBK 6016 1331 9268 19",
            "$1,250.00",
            "HTTPS://A.Example/B",
            "a.b@c.de",
            "\u{1}",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn reading_fast_changes_no_form(text in texts()) {
        let mut fast = Vec::new();
        extract(&text, &mut |form, shape| fast.push((form.to_owned(), shape)));
        let mut plain = Vec::new();
        oracle::extract(&text, &mut |form, shape| plain.push((form.to_owned(), shape)));
        prop_assert_eq!(fast, plain);
        prop_assert_eq!(narrow(&text), oracle::narrow(&text));
        prop_assert_eq!(wide(&narrow(&text)), oracle::wide(&narrow(&text)));
        prop_assert_eq!(number(&text), oracle::number(&text));
        prop_assert_eq!(account(&text), oracle::account(&text));
        prop_assert_eq!(date::of_value(&text), oracle::date::of_value(&text));
    }
}
