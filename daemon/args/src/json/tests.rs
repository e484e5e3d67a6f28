//! Tests of the reader: refusals first.

use super::*;

fn limits() -> Limits {
    Limits::default()
}

fn problem(text: &str) -> (usize, Problem) {
    let malformed = Args::parse(text, &limits()).expect_err(text);
    (malformed.at, malformed.problem)
}

fn selected(text: &str, selector: &str) -> Vec<String> {
    let args = Args::parse(text, &limits()).expect(text);
    let selector = Selector::parse(selector).expect(selector);
    args.select(&selector)
        .iter()
        .map(|value| value.raw().to_owned())
        .collect()
}

#[test]
fn refuses_what_is_not_an_object() {
    for text in ["null", "[]", "1", "\"{}\"", "  true", "x"] {
        assert_eq!(problem(text).1, Problem::NotAnObject, "{text}");
    }
    assert!(matches!(problem(" ").1, Problem::Syntax(_)));
}

#[test]
fn refuses_duplicate_keys_at_any_level() {
    assert_eq!(problem(r#"{"a":1,"a":1}"#), (7, Problem::DuplicateKey));
    assert_eq!(problem(r#"{"a":1,"\u0061":1}"#), (7, Problem::DuplicateKey));
    assert_eq!(
        problem(r#"{"x":[{"b":[],"c":{},"b":0}]}"#),
        (21, Problem::DuplicateKey)
    );
    assert_eq!(problem(r#"{"":1,"":2}"#), (6, Problem::DuplicateKey));
    let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{{\"k1\":0}}")).collect();
    let text = format!("{{{},\"\\u006b7\":1,\"k3\":1}}", many.join(","));
    assert_eq!(
        problem(&text),
        (text.find("\"\\u").expect("there"), Problem::DuplicateKey)
    );
    let text = format!("{{{}}}", many.join(","));
    assert!(Args::parse(&text, &limits()).is_ok());
    assert!(Args::parse(r#"{"a":1,"A":2,"a ":3}"#, &limits()).is_ok());
}

#[test]
fn refuses_numbers_programs_read_differently() {
    for number in [
        "18446744073709551616",
        "-9223372036854775809",
        "9007199254740993.0",
        "1e400",
        "-1e400",
        "1e-400",
        "0.1000000000000000055511151231257827",
        "123456789.1234567891",
        "1e99999999999999999999999999",
        "1e-99999999999999999999999999",
        "5e-325",
        "208162957650669.11",
        "208162957650669.14",
        "0.30000000000000005",
    ] {
        let text = format!("{{\"n\":{number}}}");
        assert_eq!(problem(&text), (5, Problem::InexactNumber), "{number}");
    }
}

#[test]
fn keeps_exact_numbers() {
    for number in [
        "0",
        "-0",
        "-0.0",
        "1",
        "-1",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1",
        "1.50",
        "1e25",
        "1E+2",
        "3.141592653589793",
        "5e-324",
        "1.7976931348623157e308",
        "0e99999",
        "0.000e-99999999999999999999",
        "9007199254740993",
        "100000000000000000000.0",
        "1e0",
        "2.2250738585072014e-308",
        "1.000000000000000000000000000000",
        "208162957650669.12",
        "208162957650669.13",
    ] {
        let text = format!("{{\"n\":{number}}}");
        let args = Args::parse(&text, &limits()).expect(number);
        let value = args.root().get("n").expect("member");
        assert_eq!((value.kind(), value.raw()), (Kind::Number, number));
        assert_eq!(
            value.to_json(),
            serde_json::from_str::<serde_json::Value>(number).expect("json")
        );
    }
}

#[test]
fn refuses_half_surrogates_and_bad_escapes() {
    assert_eq!(problem(r#"{"a":"\ud800"}"#), (6, Problem::LoneSurrogate));
    assert_eq!(
        problem(r#"{"a":"\udc00\ud800"}"#),
        (6, Problem::LoneSurrogate)
    );
    assert_eq!(
        problem(r#"{"a":"\ud800\u0041"}"#),
        (6, Problem::LoneSurrogate)
    );
    assert_eq!(problem(r#"{"\ud800":1}"#), (2, Problem::LoneSurrogate));
    for text in [
        r#"{"a":"\x41"}"#,
        r#"{"a":"\u00g0"}"#,
        r#"{"a":"\u+041"}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":"\"#,
    ] {
        assert!(matches!(problem(text).1, Problem::Syntax(_)), "{text}");
    }
}

#[test]
fn refuses_other_syntax() {
    for text in [
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":tru}",
        "{\"a\":nan}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":0x1}",
        "{\"a\":1]",
        "{\"a\":[1}",
        "{\"a\":\"b}",
        "{\"a\":1/**/}",
        "{\"a\":1,,\"b\":1}",
        "{\"a\":truefalse}",
        "{\"a\":\u{a0}1}",
    ] {
        assert!(
            matches!(problem(text).1, Problem::Syntax(_)),
            "{text}: {:?}",
            problem(text)
        );
    }
    assert_eq!(problem("\u{feff}{}").1, Problem::NotAnObject);
    assert_eq!(problem("{} {}"), (3, Problem::TrailingData));
    assert_eq!(problem("{}}"), (2, Problem::TrailingData));
}

#[test]
fn holds_its_limits() {
    let tight = Limits {
        bytes_max: 20,
        depth_max: 3,
        values_max: 4,
    };
    let problem = |text: &str| {
        Args::parse(text, &tight)
            .map(|_| ())
            .map_err(|error| error.problem)
    };
    assert_eq!(problem(r#"{"a":[[1]]}"#), Ok(()));
    assert_eq!(problem(r#"{"a":[[[]]]}"#), Err(Problem::TooDeep));
    assert_eq!(problem(r#"{"a":[1,2,3]}"#), Err(Problem::TooMany));
    assert_eq!(problem(r#"{"abcdefghijklmn":1}"#), Ok(()));
    assert_eq!(problem(r#"{"abcdefghijklmno":1}"#), Err(Problem::TooLong));
    let greedy = Limits {
        depth_max: usize::MAX,
        bytes_max: usize::MAX,
        values_max: usize::MAX,
    };
    let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
    let error = Args::parse(&deep, &greedy).expect_err("too deep");
    assert_eq!(
        (error.at, error.problem),
        (4 + DEPTH_CEILING, Problem::TooDeep)
    );
    assert!(
        Args::parse(
            "",
            &Limits {
                bytes_max: 0,
                depth_max: 0,
                values_max: 0
            }
        )
        .is_ok()
    );
}

#[test]
fn display_names_place_and_problem_only() {
    let error = Args::parse(r#"{"secret":1,"secret":2}"#, &limits()).expect_err("duplicate");
    assert_eq!(error.to_string(), "byte 12: duplicate key");
}

#[test]
fn keeps_every_span() {
    let text = "{ \"a\" : [ 1 , \"x\\n\\ud83d\\ude00\" ] , \"b\\/c\":{}}";
    let args = Args::parse(text, &limits()).expect("valid");
    let list = args.root().get("a").expect("a");
    assert_eq!(&text[list.span()], "[ 1 , \"x\\n\\ud83d\\ude00\" ]");
    assert_eq!(&text[list.key_span().expect("member")], "\"a\"");
    let string = list.items().nth(1).expect("second");
    assert_eq!(string.as_str().expect("string"), "x\n😀");
    assert_eq!(string.pointer(), "/a/1");
    let object = args.root().get("b/c").expect("b/c");
    assert_eq!(
        (object.pointer().as_str(), object.kind()),
        ("/b~1c", Kind::Object)
    );
    assert_eq!(args.values().count(), 5);
    assert_eq!(
        args.root().to_json(),
        serde_json::from_str::<serde_json::Value>(text).expect("json")
    );
}

#[test]
fn the_empty_text_is_an_empty_object() {
    let args = Args::parse("", &limits()).expect("empty");
    assert_eq!(args.root().kind(), Kind::Object);
    assert_eq!(args.root().items().count(), 0);
    assert_eq!(args.root().to_json(), serde_json::json!({}));
    assert!(
        args.select(&Selector::parse("*").expect("selector"))
            .is_empty()
    );
}

#[test]
fn selectors_find_what_they_name() {
    let text = r#"{"file_path":"1","filePath":"2","FILE-PATH":"3","n":{"url":"4","l":[{"url":"5"},["6",7]]},"url":8,"t":true}"#;
    assert_eq!(selected(text, "filepath"), ["\"1\"", "\"2\"", "\"3\""]);
    assert_eq!(selected(text, "n.url"), ["\"4\""]);
    assert_eq!(selected(text, "n.l[].url"), ["\"5\""]);
    assert_eq!(selected(text, "n.l[][]"), ["\"6\"", "7"]);
    assert_eq!(selected(text, "**.url"), ["\"4\"", "\"5\"", "8"]);
    assert_eq!(selected(text, "n.**.url"), ["\"4\"", "\"5\""]);
    assert_eq!(selected(text, "**.l[]"), [r#"{"url":"5"}"#, r#"["6",7]"#]);
    assert_eq!(
        selected(text, "*"),
        ["\"1\"", "\"2\"", "\"3\"", "\"4\"", "\"5\"", "\"6\""]
    );
    assert_eq!(selected(text, "n.*"), ["\"4\"", "\"5\"", "\"6\""]);
    assert_eq!(selected(text, "n.l[].*"), ["\"5\"", "\"6\""]);
    assert_eq!(selected(text, "url.*"), [""; 0]);
    assert_eq!(selected(text, "file_path.*"), ["\"1\"", "\"2\"", "\"3\""]);
    assert_eq!(selected(text, "**.**.url").len(), 3);
    assert_eq!(
        selected(r#"{"a":{"a":{"a":1}}}"#, "**.a.**.a"),
        [r#"{"a":1}"#, "1"]
    );
    assert_eq!(selected(r#"{"a.b":1,"a":{"b":2}}"#, r#""a.b""#), ["1"]);
    assert_eq!(selected(r#"{"\u0061":1}"#, "A"), ["1"]);
    assert_eq!(selected(r#"{"":1,"_":2}"#, r#""""#), ["1", "2"]);
}

#[test]
fn selectors_of_another_form_are_refused() {
    for text in [
        "", ".", "a.", ".a", "a..b", "**", "a.**", "*.a", "*[]", "[]", "a[0]", "a[", "a]", "a*",
        "\"a", "\"a\"b", "a.[]", "**.", "\"\\x\"",
    ] {
        assert!(Selector::parse(text).is_err(), "{text}");
    }
    let longest = vec!["a"; SELECTOR_STEPS_MAX].join(".");
    assert!(Selector::parse(&longest).is_ok());
    assert!(Selector::parse(&format!("{longest}.a")).is_err());
    let nested = format!(
        "{}1{}",
        "{\"a\":".repeat(SELECTOR_STEPS_MAX),
        "}".repeat(SELECTOR_STEPS_MAX)
    );
    assert_eq!(selected(&nested, &longest), ["1"]);
}

#[test]
fn edits_leave_no_named_byte() {
    assert_eq!(
        apply_edits("abcdef", &[(1..2, "X"), (4..4, "++"), (5..6, "")]),
        "aXcd++e"
    );
    assert_eq!(apply_edits("abcdef", &[(4..5, "Y"), (0..3, "X")]), "XdYf");
    assert_eq!(apply_edits("abcdef", &[(0..4, "X"), (2..5, "Y")]), "XYf");
    assert_eq!(apply_edits("aéb", &[(2..3, "X")]), "aXb");
    assert_eq!(apply_edits("ab", &[(1..900, "X")]), "aX");
    let backwards = std::ops::Range { start: 2, end: 1 };
    assert_eq!(apply_edits("abc", &[(backwards, "X")]), "abXc");
}

#[test]
fn numbers_compare_by_value() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for (left, order, right) in [
        ("1", Equal, "1.0"),
        ("100", Equal, "1e2"),
        ("-0", Equal, "0.0e7"),
        ("18446744073709551615", Less, "18446744073709551616"),
        ("0.30000000000000004", Greater, "0.3"),
        ("-2", Less, "-1"),
        ("-1", Less, "1"),
        ("10", Greater, "9"),
        ("0.09", Less, "0.1"),
        ("-0.1", Greater, "-10"),
        ("1e-400", Greater, "0"),
        ("1e999", Greater, "1e998"),
    ] {
        assert_eq!(compare_numbers(left, right), Some(order), "{left} {right}");
        assert_eq!(
            compare_numbers(right, left),
            Some(order.reverse()),
            "{right} {left}"
        );
    }
    for text in ["", "-", "x", "1e", ".5", "0x1", "--1", "1e+-2", "NaN", "１"] {
        assert_eq!(compare_numbers(text, "1"), None, "{text}");
    }
}

/// Sixteen-byte names whose hashes are all equal: the second word undoes what the first did.
fn colliding_names(count: usize) -> Vec<String> {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let target = u64::from_le_bytes(*b"collide!");
    (0_u32..)
        .filter_map(|n| {
            let first = format!("{:08x}", n.wrapping_mul(0x9E37_79B1));
            let word = u64::from_le_bytes(first.as_bytes().try_into().ok()?);
            let product = (16 ^ word).wrapping_mul(FACTOR);
            let second = ((product ^ (product >> 32)) ^ target).to_le_bytes();
            let plain = second
                .iter()
                .all(|&b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
            plain.then(|| first + str::from_utf8(&second).unwrap_or_default())
        })
        .take(count)
        .collect()
}

#[test]
fn names_made_to_collide_are_still_compared() {
    let names = colliding_names(40);
    assert_eq!(
        text::hash(names[0].as_bytes()),
        text::hash(names[39].as_bytes())
    );
    let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":0")).collect();
    assert!(Args::parse(&format!("{{{}}}", members.join(",")), &limits()).is_ok());
    let text = format!("{{{},{}}}", members.join(","), members[20]);
    let second = text.rfind(&members[20]).expect("there");
    assert_eq!(problem(&text), (second, Problem::DuplicateKey));
}
