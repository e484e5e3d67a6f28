//! What is refused of `approval`, `budget`, `cache` and `witness`, and where.

use crate::{Format, Policy, diagnostic::render, load};

#[track_caller]
fn each(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        match load("p", text, Format::guess("", text)) {
            Ok((manifest, _)) => panic!("loaded: {manifest:?}\n--- of\n{text}"),
            Err(problems) => {
                let said = render(&problems);
                assert!(
                    said.contains(expected),
                    "{expected:?} is not in\n{said}--- of\n{text}"
                );
            }
        }
    }
}

#[test]
fn nothing_is_free_or_unbounded_by_a_slip() {
    each(&[
        ("approval: {}", "p:1:11: error: `expires_s` is missing"),
        (
            "approval: {expires_s: 604801}",
            "`expires_s` must be a whole number from 1 to 604800, this is 604801",
        ),
        ("budget: {}", "p:1:9: error: `budget` bounds nothing"),
        (
            "budget: {turns: 0}",
            "`turns` must be a whole number from 1 to",
        ),
        (
            "budget: {turn: 5}",
            "p:1:10: error: unknown key `turn`; did you mean `turns`?",
        ),
        (
            "budget: {prices: {m: {input: 1}}}",
            "p:1:22: error: `output` is missing",
        ),
        (
            "budget: {prices: {m: {input: 1, output: 0.5}}}",
            "`output` must be a whole number from 0 to",
        ),
        (
            "budget: {prices: {'m*l': {input: 1, output: 1}}}",
            "p:1:19: error: a `*` stands only at the end of a name",
        ),
        (
            "budget: {turns: 1, unknown_price: free}",
            "unknown answer to an unknown price `free`\n  help: one of `refuse`",
        ),
    ]);
}

#[test]
fn what_is_not_said_has_the_safe_meaning() {
    let policy = |text: &str| {
        let (manifest, _) = load("p", text, Format::Yaml).expect("loads");
        Policy::compile("p", &manifest).expect("compiles")
    };
    let plain = policy("allow: [a]");
    assert_eq!(plain.approval().expires_s, 600);
    assert!(plain.budget().is_none() && plain.cache().is_none() && plain.flow().is_none());
    let bounded = policy("approval: {expires_s: 5}\nbudget: {cost_micros: 9}\n");
    assert_eq!(bounded.approval().expires_s, 5);
    let budget = bounded.budget().expect("a budget");
    assert_eq!((budget.cost_micros, budget.turns), (Some(9), None));
    assert_eq!(budget.price("any"), None);
}

#[test]
fn a_tool_either_reads_or_writes() {
    each(&[
        ("cache: {}", "p:1:8: error: `cache` says nothing"),
        (
            "cache: {reads: {a: {resources: b}}}",
            "p:1:20: error: `namespace` is missing",
        ),
        (
            "cache: {reads: {a: {namespace: a/b}}}",
            "`a/b` is not a namespace",
        ),
        (
            "cache: {reads: {a: {namespace: n, resources: []}}}",
            "`resources` is an empty list",
        ),
        (
            "cache: {reads: {a: {namespace: n, resources: [b, 'c..d']}}}",
            "p:1:50: error: `c..d`: byte 2: expected a name, `*` or `**`",
        ),
        (
            "cache: {reads: {a: {namespace: n}}, writes: {a: {namespace: n}}}",
            "p:1:46: error: `a` is in `cache.reads` and in `cache.writes`",
        ),
        (
            "cache: {reads: {a: {namespace: n}}, writes: {A: {namespace: n}}}",
            "`A` is in `cache.reads` and in `cache.writes`",
        ),
        (
            "cache: {writes: {a: {namespace: n}, A: {namespace: m}}}",
            "`A` is named twice",
        ),
        (
            "cache: {writes: {a: {namespace: n, ttl_s: 5}}}",
            "unknown key `ttl_s`",
        ),
    ]);
    let text = "cache: {reads: {a: {namespace: n}}, writes: {B: {namespace: n, resources: p}}}";
    let (manifest, _) = load("p", text, Format::Yaml).expect("loads");
    let cache = manifest.cache.expect("a cache");
    assert!(cache.read("a").is_some() && cache.read("A").is_none());
    assert!(cache.write("b").is_some() && cache.write("a").is_none());
}

#[test]
fn claims_belong_to_questions() {
    let rule = |more: &str| format!("arg_rules: [{{tool: t, arg: a, max_len: 1, {more}}}]");
    let ask = "verdict: REQUIRE_WITNESS, witness";
    each(&[
        (
            &rule("witness: [git:clean]"),
            "a rule that refuses asks for no witness",
        ),
        (
            &rule(&format!("{ask}: []")),
            "p:1:78: error: `witness` is an empty list",
        ),
        (
            &rule(&format!("{ask}: [git:clean, 'git:dirty']")),
            "p:1:90: error: `git:dirty`: not a claim\n  help: one of `git:clean`, `git:commit:<hex>`",
        ),
        (
            &rule(&format!("{ask}: [git:clean, git:clean]")),
            "duplicate entry `git:clean`",
        ),
    ]);
}
