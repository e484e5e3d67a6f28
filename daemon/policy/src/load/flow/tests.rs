//! What is refused, and where; what is said of tools in two places.

use crate::{
    Format, Policy,
    diagnostic::render,
    load,
    manifest::flow::{Answer, Source, Trust},
};

/// Everything said about a text that must be refused.
#[track_caller]
fn refused(text: &str) -> String {
    match load("p", text, Format::guess("", text)) {
        Ok((manifest, _)) => panic!("loaded: {manifest:?}"),
        Err(problems) => {
            assert!(problems.iter().all(|problem| problem.line > 0));
            render(&problems)
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(
        refused(text).trim_end(),
        expected.trim(),
        "\n--- of\n{text}"
    );
}

/// Asserts that each text is refused with these words at this place.
#[track_caller]
fn each(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let said = refused(text);
        assert!(
            said.contains(expected),
            "{expected:?} is not in\n{said}--- of\n{text}"
        );
    }
}

#[track_caller]
fn sources(text: &str) -> Vec<Source> {
    let loaded = load("p", text, Format::Yaml).map_err(|problems| render(&problems));
    let (manifest, _) = loaded.expect("loads");
    let policy = Policy::compile("p", &manifest).expect("compiles");
    policy.flow().expect("flow").sources.clone()
}

#[test]
fn every_problem_is_listed_with_its_place_and_a_remedy() {
    check(
        r#"allow: [send]
flow:
  source: {}
  sources:
    rea*d: {otherwise: trusted}
    read: {otherwise: clean, fields: {"[].id": {}, "a..b": trusted, "[].x": {trusted: true}}}
  sinks:
    send:
      unasked: ask
      asked_by: [[send], now, []]
      count_max: 0
      controls: {to: {class: [], allow: [{suffix: ""}, a, a]}, "[].x": {}}
      texts: {body: {links: never}}
  endorse:
    - {tool: read, class: nowhere}
    - {tool: "read*", field: "", class: nowhere}
"#,
        r#"
p:3:3: error: unknown key `source`; did you mean `sources`?
  help: the keys here are `sources`, `sinks` or `endorse`
p:5:5: error: a `*` stands only at the end of a name
  help: write `prefix*`, or `*` for all of them
p:6:23: error: unknown trust `clean`
  help: one of `trusted` or `tainted`
p:6:48: error: a field of which nothing is said
  help: give `trust`, `class`, `confidential`, `attested` or `naming`
p:6:60: error: `a..b`: expected a name, `*` or `**`
  help: a field is written `id`, `a.b`, `[].id`, `**.url`, or empty for all of the result
p:6:78: error: unknown key `trusted`; did you mean `trust`?
  help: the keys here are `trust`, `class`, `confidential`, `attested` or `naming`
p:10:26: error: a word beside groups of words
  help: write a list of words, or a list of lists of words
p:10:31: error: no word asks for the tool
  help: list at least one
p:11:18: error: `count_max` must be a whole number from 1 to 4294967295, this is 0
p:12:30: error: `class` is an empty list
  help: leave the key out for values of any class
p:12:51: error: an empty string
  help: write a value or take the entry away
p:12:59: error: duplicate entry: this value is allowed already
  help: take one away
p:12:64: error: `[].x`: byte 0: the top level is an object and has no elements
  help: an argument is written `to`, `a.b`, `a[].b`, `**.url` or `*`
p:13:29: error: unknown answer `never`
  help: one of `allow`, `ask` or `deny`
p:15:7: error: `field` is missing
  help: add the key `field`
p:16:14: error: a rule for many tools
  help: write one rule for each tool
p:16:41: error: no control has the class `nowhere`
  help: the rule could never be used; name the class of a control
"#,
    );
}

#[test]
fn what_says_nothing_or_contradicts_itself_is_refused() {
    each(&[
        ("flow: {}", "p:1:7: error: `flow` says nothing"),
        ("flow: {sinks: {}}", "`flow` says nothing"),
        ("flow: []", "`flow` must be an object, this is a list"),
        (
            "flow: {sources: {a: {}}}",
            "p:1:21: error: a source of which nothing is said",
        ),
        (
            "flow: {sinks: {a: {unasked: allow}}}",
            "an answer to what cannot be: every call counts as asked for",
        ),
        (
            "flow: {sinks: {a: {controls: {file_id: {}}, texts: {fileId: {}}}}}",
            "`fileId` is spoken of twice",
        ),
        (
            "flow: {sources: {a: {fields: {x: {attested: true}}}}}",
            "p:1:45: error: a tainted field proves nothing by coming back",
        ),
        (
            "safe_sinks: [send_log]\nflow: {sinks: {'send_*': {}}}",
            "p:2:16: error: `send_log` is in `safe_sinks`, and `send_*` gates it",
        ),
        (
            "flow: {sinks: {send: {}, Send: {}}}",
            "`Send` is named twice",
        ),
        (
            "safe_sinks: [Send]\nflow: {sinks: {send: {}}}",
            "`Send` is in `safe_sinks`, and `send` gates it",
        ),
    ]);
    let many: String = (0..33)
        .map(|n| format!("a{n}: {{class: c{n}}}, "))
        .collect();
    each(&[(
        &format!("flow: {{sinks: {{t: {{controls: {{{many}}}}}}}}}"),
        "error: more than 32 classes",
    )]);
}

#[test]
fn whose_words_a_tool_brings_is_said_once() {
    each(&[
        (
            "sources: {read: pure}\nflow: {sources: {read: {otherwise: trusted}}}",
            "p:2:36: error: `sources.read` and `flow.sources.read.otherwise` both say whose words `read` brings\n  help: keep one of the two",
        ),
        (
            "sources: {read_log: tainted}\nflow: {sources: {'read_*': {otherwise: trusted}}}",
            "`sources.read_log` and `flow.sources.read_*.otherwise` both say whose words `read_log` brings",
        ),
        (
            "sources: {'read_*': pure}\nflow: {sinks: {send: {}}}",
            "p:1:21: error: `read_*` is no tool's name",
        ),
    ]);
}

#[test]
fn a_class_of_sources_holds_for_what_no_field_names() {
    let found = sources(
        "sources: {list_time: pure, list_mail: tainted, clock: trusted_local}\nflow:\n  sources:\n    \
         list_*: {fields: {'[].at': {class: time}, '[].id': trusted}}\n    list_mail: {fields: {'[].from': {naming: true}}}\n",
    );
    let said: Vec<String> = found
        .iter()
        .map(|source| {
            let word = |trust: Option<Trust>| trust.map_or("?", Trust::as_str);
            let fields = source.fields.iter();
            let fields: Vec<String> = fields
                .map(|field| format!("{} {}", field.at, word(field.trust)))
                .collect();
            format!(
                "{} {}: {}",
                source.tool,
                word(source.otherwise),
                fields.join(", ")
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "list_* tainted: [].at tainted, [].id trusted",
            "list_mail tainted: [].from tainted",
            "list_time trusted: [].at trusted, [].id trusted",
            "clock trusted: ",
        ]
    );
}

#[test]
fn one_policy_in_two_spellings() {
    let yaml = "flow:\n  sinks:\n    a: {asked_by: send, controls: {to: {class: x, allow: '@y'}}, texts: {b: {}}}\n    b: {asked_by: [[p, q], [r]], unasked: ask}\n";
    let json = r#"{"flow": {"sinks": {"a": {"asked_by": [["send"]], "unasked": "deny",
        "controls": {"to": {"class": ["x"], "own": "deny", "allow": ["@y"], "taint_wins": false}}, "texts": {"b": {"copied": "allow"}}},
        "b": {"asked_by": [["p", "q"], ["r"]], "unasked": "ask", "controls": {}}}}}"#;
    let manifest = |text, format| load("p", text, format).expect("loads").0;
    let one = manifest(yaml, Format::Yaml);
    assert_eq!(one, manifest(json, Format::Json));
    let flow = one.flow.expect("flow");
    let last = flow.sinks.last().expect("two sinks");
    assert_eq!((last.asked_by.len(), last.unasked), (2, Answer::Ask));
}
