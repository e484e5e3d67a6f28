//! Properties that hold for every input.

use fak_args::{
    Args, Host, Limits, Problem, apply_edits, compare_numbers, looks_like_destination,
    normalize_path, parse_host, parse_url, path_within,
};
use proptest::prelude::*;
use serde_json::Value;

fn limits() -> Limits {
    Limits {
        bytes_max: 1 << 20,
        depth_max: 100,
        values_max: 1 << 20,
    }
}

/// JSON objects as trees.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::hash_map(".*", inner, 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    prop::collection::hash_map("[a-c_\\PC]{0,3}", tree, 0..20)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// Texts that are nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "\"\\ud800\"",
        "\"é\\n\"",
        "1",
        "-0",
        "1.5e3",
        "01",
        "1e999",
        "true",
        "null",
        "nul",
        " ",
        "\n",
        "\"",
        "\\",
        "\u{1}",
    ]);
    prop::collection::vec(token, 0..16).prop_map(|tokens| format!("{{{}}}", tokens.concat()))
}

/// Characters that mean something in paths and addresses.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "//",
        ".",
        "..",
        "~",
        "a",
        "bob",
        "\\",
        "%2e",
        "%",
        ":",
        "@",
        "[",
        "]",
        "::",
        "1",
        "169.254",
        "0x7f",
        "http:",
        "https://",
        "?",
        "#",
        " ",
        "\t",
        "\0",
        "．",
        "１",
        "é",
        "xn--",
        "localhost",
        "-",
        "{",
        "*",
        "$HOME",
        "file://",
        "\u{200b}",
        "com",
        "80",
        "_",
    ]);
    prop_oneof![
        4 => prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
        1 => ".*",
    ]
}

fn relative() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", ".", "..", "", "c d"]),
        0..8,
    )
    .prop_map(|steps| steps.join("/"))
}

proptest! {
    #[test]
    fn reads_what_serde_json_reads(tree in object(), pretty in any::<bool>()) {
        let text = if pretty { format!("{tree:#}") } else { tree.to_string() };
        let args = Args::parse(&text, &limits()).expect("generated JSON");
        prop_assert_eq!(args.root().to_json(), tree.clone());
        for value in args.values() {
            prop_assert_eq!(&text[value.span()], value.raw());
            let pointed = tree.pointer(&value.pointer()).expect("a place");
            prop_assert_eq!(&value.to_json(), pointed);
            if let Some(span) = value.key_span() {
                let key: String = serde_json::from_str(&text[span]).expect("a name");
                prop_assert_eq!(value.key().expect("a name"), key);
            }
        }
    }

    #[test]
    fn agrees_with_serde_json_on_what_is_json(text in nearly_json()) {
        let judged = serde_json::from_str::<Value>(&text);
        match Args::parse(&text, &limits()) {
            Ok(args) => prop_assert_eq!(judged.expect("read as valid"), args.root().to_json()),
            Err(error) => {
                let stricter = matches!(error.problem, Problem::DuplicateKey | Problem::InexactNumber);
                prop_assert!(stricter || judged.is_err(), "{:?} {}", text, error);
                prop_assert!(error.at <= text.len());
            }
        }
    }

    #[test]
    fn never_panics_on_any_text(text in ".*") {
        let _ = Args::parse(&text, &limits());
        let _ = Args::parse(&format!("{{\"a\":{text}}}"), &limits());
    }

    #[test]
    fn edits_change_nothing_else(tree in object(), picks in prop::collection::vec(any::<u16>(), 0..6)) {
        let text = tree.to_string();
        let args = Args::parse(&text, &limits()).expect("generated JSON");
        let leaves: Vec<_> = args.values().filter(|value| value.items().next().is_none()).collect();
        let mut chosen: Vec<usize> =
            picks.iter().filter(|_| !leaves.is_empty()).map(|pick| *pick as usize % leaves.len()).collect();
        chosen.sort_unstable();
        chosen.dedup();
        let edits: Vec<_> = chosen.iter().map(|&leaf| (leaves[leaf].span(), "\"[REDACTED]\"")).collect();
        let edited = apply_edits(&text, &edits);
        let (mut old, mut new) = (0, 0);
        for (span, with) in &edits {
            prop_assert_eq!(&text[old..span.start], &edited[new..new + span.start - old]);
            new += span.start - old;
            prop_assert_eq!(*with, &edited[new..new + with.len()]);
            (old, new) = (span.end, new + with.len());
        }
        prop_assert_eq!(&text[old..], &edited[new..]);
        if leaves.first().is_some_and(|leaf| leaf.parent().is_some()) {
            prop_assert!(Args::parse(&edited, &limits()).is_ok());
        }
    }

    #[test]
    fn edits_never_panic(text in ".*", spans in prop::collection::vec((0_usize..99, 0_usize..99), 0..5)) {
        let edits: Vec<_> = spans.iter().map(|&(start, end)| (start..end, "x")).collect();
        let _ = apply_edits(&text, &edits);
    }

    #[test]
    fn doubles_compare_as_their_texts(left in any::<f64>(), right in any::<f64>()) {
        prop_assume!(left.is_finite() && right.is_finite());
        let order = compare_numbers(&format!("{left:e}"), &format!("{right}"));
        prop_assert_eq!(order, left.partial_cmp(&right));
    }

    #[test]
    fn normalising_is_done_once(path in tricky(), cwd in prop::option::of(tricky()), home in prop::option::of(tricky())) {
        let first = normalize_path(&path, cwd.as_deref(), home.as_deref());
        prop_assert_eq!(first.absolute, first.text.starts_with('/'));
        prop_assert!(!first.text.contains("//"));
        prop_assert!(!first.text.split('/').skip(1).any(|step| step == "."));
        if first.absolute {
            prop_assert!(!first.text.split('/').any(|step| step == ".."));
            prop_assert!(!first.escapes && !first.home_unknown);
        }
        if !first.text.to_ascii_lowercase().starts_with("file:") {
            let second = normalize_path(&first.text, None, None);
            prop_assert_eq!(&first.text, &second.text);
        }
    }

    #[test]
    fn what_is_joined_below_stays_below_unless_it_escapes(root in relative(), path in relative()) {
        let root = normalize_path(&format!("/{root}"), None, None);
        let alone = normalize_path(&path, None, None);
        let joined = normalize_path(&path, Some(&root.text), None);
        if !alone.escapes && !path.starts_with('/') {
            prop_assert!(path_within(&joined, &root, false));
        }
        prop_assert!(path_within(&root, &root, false));
        prop_assert!(path_within(&joined, &normalize_path("/", None, None), false));
    }

    #[test]
    fn containment_is_an_order(a in relative(), b in relative(), c in relative()) {
        let [a, b, c] = [a, b, c].map(|path| normalize_path(&path, None, None));
        prop_assert!(path_within(&a, &a, false));
        if path_within(&a, &b, false) {
            prop_assert!(path_within(&a, &b, true));
            prop_assert!(!path_within(&b, &c, false) || path_within(&a, &c, false));
            prop_assert!(!path_within(&b, &a, false) || a.text == b.text);
        }
    }

    #[test]
    fn places_are_plain(text in tricky()) {
        let _ = looks_like_destination(&text);
        for place in [parse_url(&text), parse_host(&text)].into_iter().flatten() {
            let _ = place.host.class();
            let written = place.host.to_string();
            let again = parse_host(&written).expect("a host's own spelling");
            prop_assert_eq!(again.suspicious, None);
            prop_assert_eq!(again.host, place.host);
        }
    }

    #[test]
    fn agrees_with_the_url_standard(text in tricky()) {
        let text = format!("http://{text}");
        let (Ok(place), Ok(oracle)) = (parse_url(&text), url::Url::parse(&text)) else { return Ok(()) };
        if place.suspicious.is_some() || place.scheme.as_deref() != Some("http") {
            return Ok(());
        }
        let host = match oracle.host().expect("http has a host") {
            url::Host::Domain(name) => Host::Name(name.trim_end_matches('.').to_owned()),
            url::Host::Ipv4(address) => Host::V4(address),
            url::Host::Ipv6(address) => Host::V6(address),
        };
        prop_assert_eq!(&place.host, &host, "{}", text);
        prop_assert_eq!(place.port.unwrap_or(80), oracle.port().unwrap_or(80));
    }
}
