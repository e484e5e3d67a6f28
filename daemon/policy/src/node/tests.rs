use super::*;

fn json(text: &str) -> Result<Node, String> {
    let mut problems = Vec::new();
    let node = of_json(text, &mut problems).map_err(|p| p.to_string())?;
    problems.first().map_or(Ok(node), |p| Err(p.to_string()))
}

fn yaml(text: &str) -> Result<Node, String> {
    let mut problems = Vec::new();
    let node = of_yaml(text, &mut problems).map_err(|p| p.to_string())?;
    problems.first().map_or(Ok(node), |p| Err(p.to_string()))
}

fn plain(node: &Node) -> serde_json::Value {
    node.to_json().expect("exact")
}

#[test]
fn json_agrees_with_serde_json_about_what_is_json() {
    let texts = [
        "{}",
        "[]",
        "null",
        "true",
        " [1 , 2.50,-0, 1e3] ",
        "{\"a\":{\"b\":[\"\\u00e9\\ud83d\\ude00\\n\"]}}",
        "\"\"",
        "{\"\":0}",
        "-1",
        "0.0",
        "1E-2",
        "[[[[]]]]",
        "\"\u{7f}\"",
        "\"é\"",
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[01]",
        "[1.]",
        "[.5]",
        "[+1]",
        "[1e]",
        "nul",
        "NaN",
        "{} {}",
        "// x\n{}",
        "[1]]",
        "\"\n\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\u12\"",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":}",
        "[,]",
        "\u{feff}{}",
        "{\"a\":1 \"b\":2}",
        "--1",
        "1e+",
        "tru e",
    ];
    for text in texts {
        let theirs: Result<serde_json::Value, _> = serde_json::from_str(text);
        let ours = json(text);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{text:?}: {ours:?}");
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            assert_eq!(plain(&ours), theirs, "{text:?}");
        }
    }
}

#[test]
fn places_count_lines_and_characters() {
    let node = json("{\n  \"é\": [\n    true]}").expect("json");
    assert_eq!(node.place_of("é"), Place { line: 2, column: 3 });
    assert_eq!(node.place_of("é[0]"), Place { line: 3, column: 5 });
    assert_eq!(node.place_of("é[7].x"), Place { line: 2, column: 3 });
    let node = yaml("a:\n  - b.c: x\n    é: [y, z]\n").expect("yaml");
    assert_eq!(
        node.place_of("a[0].b.c"),
        Place {
            line: 2,
            column: 10
        }
    );
    assert_eq!(
        node.place_of("a[0].é[1]"),
        Place {
            line: 3,
            column: 12
        }
    );
    assert_eq!(
        node.place_of("a[0].b.c[0]"),
        Place {
            line: 2,
            column: 10
        }
    );
    assert_eq!(node.place_of(""), Place { line: 1, column: 1 });
}

#[test]
fn a_second_key_of_one_name_is_reported_where_it_stands() {
    let expected =
        "2:1: error: duplicate key `a`\n  help: it is already given on line 1; keep one of the two";
    assert_eq!(json("{\"a\":1,\n\"a\":2}").unwrap_err(), expected);
    assert_eq!(yaml("a: 1\na: 2").unwrap_err(), expected);
    assert_eq!(yaml("a: 1\n\"a\": 2").unwrap_err(), expected);
}

#[test]
fn yaml_scalars_follow_the_core_schema_and_odd_numbers_are_refused() {
    let node =
        yaml("[null, ~, '', yes, off, True, 1, -2.5e3, 2024-01-02, 1.2.3, '0x1', a b, ^rm$]")
            .expect("yaml");
    let expected = serde_json::json!([
        null,
        null,
        "",
        "yes",
        "off",
        true,
        1,
        -2500.0,
        "2024-01-02",
        "1.2.3",
        "0x1",
        "a b",
        "^rm$"
    ]);
    assert_eq!(plain(&node), expected);
    for odd in [
        "0x1F", "0o17", "0b1", "007", "+1", ".5", "1.", "1_000", ".inf", "-.INF", ".nan", "-0x1",
    ] {
        let problem = yaml(&format!("a: {odd}")).unwrap_err();
        assert!(problem.contains("readers disagree"), "{odd}: {problem}");
    }
    for text in [
        "-",
        "--",
        ".",
        "..",
        "...x",
        "./a",
        "1a",
        "e1",
        "1-2",
        "10.0.0.0/8",
        "+",
        "-f",
        "0xg",
        "_1",
    ] {
        // A lone dash is a list entry; everything else here is a string.
        if text != "-" {
            let node =
                yaml(&format!("a: {text}")).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(plain(&node), serde_json::json!({ "a": text }));
        }
    }
}

#[test]
fn yaml_that_says_something_else_than_it_shows_is_refused() {
    let table = [
        ("a: &x 1", "1:4: error: a policy holds no YAML anchors"),
        (
            "a: &x [1]\nb: *x",
            "1:4: error: a policy holds no YAML anchors",
        ),
        ("a: *x", "not YAML"),
        ("a: !!str 1", "a policy holds no YAML tags"),
        ("a: !x {}", "a policy holds no YAML tags"),
        (
            "<<: {a: 1}",
            "1:1: error: a policy holds no YAML merge keys",
        ),
        (
            "a: 1\n---\nb: 2",
            "2:1: error: a second YAML document starts here",
        ),
        (
            "? [a]\n: 1",
            "1:3: error: a list or an object stands as a key",
        ),
        ("? {a: 1}\n: 1", "a list or an object stands as a key"),
        ("1: a", "1:1: error: the key `1` is not a string"),
        ("null: a", "1:1: error: the key `null` is not a string"),
        ("\u{feff}a: 1", "byte order mark"),
        ("a: [1", "not YAML"),
        ("a: 1\n\tb: 2", "not YAML"),
        ("a: 'x", "not YAML"),
    ];
    for (text, expected) in table {
        let problem = yaml(text).expect_err(text);
        assert!(problem.contains(expected), "{text:?}: {problem}");
    }
}

#[test]
fn nesting_and_number_of_values_are_bounded() {
    let deep = "[".repeat(100_000);
    assert!(json(&deep).unwrap_err().contains("nested deeper than 64"));
    assert!(yaml(&deep).is_err());
    let blocks: String = (0..80)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    assert!(yaml(&blocks).unwrap_err().contains("nested deeper than 64"));
    let many = format!("[{}0]", "0,".repeat(VALUES_MAX));
    assert!(json(&many).unwrap_err().contains("more than"));
    assert!(yaml(&many).unwrap_err().contains("more than"));
    let fits = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert!(json(&fits).is_ok() && yaml(&fits).is_ok());
}

#[test]
fn numbers_are_kept_exactly_or_refused() {
    for (text, exact) in [
        ("18446744073709551615", true),
        ("-9223372036854775808", true),
        ("18446744073709551616", false),
        ("1e400", false),
        ("0.1", true),
    ] {
        assert_eq!(
            json(text).expect("json").to_json().is_some(),
            exact,
            "{text}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in "[\\[\\]{}:,\"'\\\\ \n\t\\-?&*!|>%@`#~a-c0-9.é\u{0}\u{85}]{0,60}") {
        let _ = json(&text);
        let _ = yaml(&text);
    }

    #[test]
    fn a_json_text_means_the_same_as_yaml(keys in proptest::collection::btree_map("[a-z\"\\\\é]{1,6}", "[ -~é\n]{0,12}", 0..6)) {
        let text = serde_json::json!(keys).to_string();
        proptest::prop_assert_eq!(plain(&json(&text).expect("json")), plain(&yaml(&text).expect("yaml")));
    }
}
