use super::*;
use crate::{Format, NoWorld, load};

fn manifest(text: &str) -> Manifest {
    load("p", text, Format::Yaml).expect("loads").0
}

#[track_caller]
fn check(old: &str, new: &str, expected: &[&str]) {
    let said: Vec<String> = diff(&manifest(old), &manifest(new))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(said, expected, "\n--- {old}\n--- {new}");
}

#[test]
fn nothing_changes_between_a_manifest_and_itself() {
    let text = "allow: [a]\nrate_limit: {max_calls: 1}\narg_rules:\n- {tool: a, arg: b, max_len: 1}\n- {tool: a, arg: b, max_len: 1}";
    check(text, text, &[]);
}

#[test]
fn permissions_follow_what_names_and_prefixes_cover() {
    check(
        "allow: [a]",
        "allow: [b]",
        &[
            "widens: allow: `b` is now allowed",
            "narrows: allow: `a` is no longer allowed",
        ],
    );
    check(
        "allow_prefix: [a]",
        "allow_prefix: [a]\nallow: [ab]",
        &["neutral: allow: `ab` is now listed by name too"],
    );
    check(
        "allow_prefix: [a]",
        "allow_prefix: [ab]",
        &[
            "neutral: allow_prefix: tools named `ab…` are now allowed",
            "narrows: allow_prefix: the prefix `a` is gone",
        ],
    );
    check(
        "allow: [a]",
        "allow: [a]\ndeny: {A: POLICY_BLOCK}",
        &["narrows: deny: `A` is now denied"],
    );
    check(
        "allow: [a]\ndeny: {A: POLICY_BLOCK}",
        "allow: [a]",
        &["widens: deny: `A` is no longer denied by name"],
    );
    check(
        "allow: [a]\ndeny: {b: POLICY_BLOCK}",
        "allow: [a]",
        &["neutral: deny: `b` is no longer denied by name"],
    );
    check(
        "allow: [a]",
        "allow: [a]\nposture: observe",
        &["widens: posture: `fail_closed` becomes `observe`"],
    );
}

#[test]
fn rules_are_paired_by_name_or_scope() {
    let rule = |body: &str| format!("allow: [a]\narg_rules:\n- {{tool: a, arg: b, {body}}}");
    let table = [
        (
            "max_len: 5",
            "max_len: 3",
            "narrows: arg_rules[0]: the rule `max_len` of `a` `b` changes: it refuses more than before",
        ),
        (
            "max_len: 5",
            "max_len: 9",
            "widens: arg_rules[0]: the rule `max_len` of `a` `b` changes: it may refuse less than before",
        ),
        (
            "name: x, max_len: 5",
            "name: x, max_len: 5, hint: h",
            "neutral: arg_rules[0]: the rule `x` changes: only its name, reason or hint",
        ),
        (
            "max_len: 5",
            "max_len: 5, verdict: REQUIRE_WITNESS",
            "widens: arg_rules[0]: the rule `max_len` of `a` `b` changes: it asks for a witness instead of refusing",
        ),
        (
            "one_of: [1, 2]",
            "one_of: [2]",
            "narrows: arg_rules[0]: the rule `one_of` of `a` `b` changes: it refuses more than before",
        ),
        (
            "deny_regex: a",
            "deny_regex: b",
            "widens: arg_rules[0]: the rule `deny_regex` of `a` `b` changes: it may refuse less than before",
        ),
    ];
    for (old, new, expected) in table {
        check(&rule(old), &rule(new), &[expected]);
    }
    check(
        "allow: [a]",
        &rule("max_len: 1"),
        &["narrows: arg_rules[0]: the rule `max_len` of `a` `b` is added"],
    );
    check(
        &rule("max_len: 1"),
        "allow: [a]",
        &["widens: arg_rules[0]: the rule `max_len` of `a` `b` is removed"],
    );
}

#[test]
fn quotas_sinks_and_sources_have_directions() {
    let base = "allow: [a]\n";
    let table = [
        (
            "rate_limit: {max_calls: 5}",
            "rate_limit: {max_calls: 9}",
            "widens: rate_limit[0]: a quota grows",
        ),
        (
            "rate_limit: {max_calls: 5}",
            "rate_limit: {max_calls: 2}",
            "narrows: rate_limit[0]: a quota shrinks",
        ),
        (
            "rate_limit: {max_calls: 5}",
            "",
            "widens: rate_limit: a quota is removed",
        ),
        (
            "",
            "safe_sinks: [a]",
            "widens: safe_sinks: `a` now counts as a safe sink",
        ),
        (
            "sources: {a: pure}",
            "",
            "narrows: sources: results of `a` become tainted instead of pure",
        ),
        (
            "",
            "self_modify_globs: [.git/]",
            "narrows: self_modify_globs: `.git/` now is guarded against modification",
        ),
        (
            "lint_writes: true",
            "",
            "widens: lint_writes: writes that do not parse pass",
        ),
    ];
    for (old, new, expected) in table {
        check(
            &format!("{base}{old}"),
            &format!("{base}{new}"),
            &[expected],
        );
    }
}

#[test]
fn recorded_calls_show_the_verdicts_that_change() {
    let compile = |text: &str| Policy::compile("p", &manifest(text)).expect("compiles");
    let (old, new) = (compile("allow: [a, b]"), compile("allow: [a, c]"));
    let call = |tool: &'static str| ToolCall {
        tool,
        args: "{}",
        trace: "t",
        cwd: None,
        home: None,
    };
    let changes = diff_calls(&old, &new, ["a", "b", "c"].map(call), &NoWorld);
    let short: Vec<_> = changes
        .iter()
        .map(|c| (c.index, c.tool.as_str(), c.direction))
        .collect();
    assert_eq!(
        short,
        [(1, "b", Direction::Narrows), (2, "c", Direction::Widens)]
    );
}

#[test]
fn flow_widens_unless_it_is_plain_that_it_does_not() {
    let sink = |said: &str| {
        format!("allow: [s]\nflow: {{sinks: {{s: {{controls: {{to: {{{said}}}}}}}}}}}")
    };
    check(
        "allow: [s]",
        &sink(""),
        &["narrows: flow.sinks.s: calls of the tool are now gated"],
    );
    check(
        &sink(""),
        "allow: [s]",
        &["widens: flow.sinks.s: calls of the tool are no longer gated by name"],
    );
    check(
        &sink("own: allow, allow: [a, b]"),
        &sink("own: ask, allow: [b], taint_wins: true"),
        &["narrows: flow.sinks.s: the sink lets less pass than before"],
    );
    for milder in ["own: ask", "tainted: allow", "allow: a", "class: c"] {
        check(
            &sink(""),
            &sink(milder),
            &["widens: flow.sinks.s: the sink may let more pass than before"],
        );
    }
    check(
        "flow: {sinks: {'s*': {}}}",
        "flow: {sinks: {'s*': {}, sa: {texts: {x: {}}}}}",
        &["widens: flow.sinks.sa: the sink is added in place of a prefix"],
    );
    let endorse = |said: &str| {
        format!(
            "flow: {{sinks: {{s: {{controls: {{to: {{class: c}}}}}}}}, sources: {{r: {{otherwise: tainted}}}}, endorse: [{said}]}}"
        )
    };
    check(
        &endorse(""),
        &endorse("{tool: r, field: x, class: c}"),
        &["widens: flow.endorse[0]: what stands in `x` of `r` to `c` may cross"],
    );
    check(
        &endorse("{tool: r, field: x, class: c}"),
        &endorse("").replace("tainted", "trusted"),
        &[
            "widens: flow.sources.r: the source changes",
            "narrows: flow.endorse[0]: what stands in `x` of `r` to `c` may no longer cross",
        ],
    );
}

#[test]
fn budgets_and_kept_answers_change_by_what_they_let_happen() {
    check(
        "budget: {turns: 5, tokens: 9, turn_gap_ms_min: 5, prices: {m: {input: 5, output: 5}}}",
        "approval: {expires_s: 60}\nbudget: {turns: 6, cost_micros: 1, turn_gap_ms_min: 9, prices: {m: {input: 4, output: 9}}, unknown_price: {input: 0, output: 0}}",
        &[
            "narrows: approval.expires_s: a question waits 60 s instead of 600",
            "widens: budget.turns: 6 instead of 5",
            "widens: budget.tokens: a bound is removed",
            "narrows: budget.cost_micros: a bound is added",
            "narrows: budget.turn_gap_ms_min: 9 ms between turns instead of 5",
            "widens: budget.prices.m: the price of the model changes",
            "widens: budget.unknown_price: models without a price are taken to cost something else",
        ],
    );
    check(
        "cache: {reads: {a: {namespace: n}, b: {namespace: n}}, writes: {c: {namespace: n}, d: {namespace: n}}}",
        "cache: {reads: {a: {namespace: n, ttl_s: 5}, e: {namespace: n}}, writes: {C: {namespace: n, resources: p}, f: {namespace: n}}}",
        &[
            "widens: cache.reads.a: its answers are kept under other conditions",
            "widens: cache.reads.e: its answers may now be kept",
            "narrows: cache.reads.b: its answers are no longer kept",
            "widens: cache.writes.C: it makes other answers stale than before",
            "narrows: cache.writes.f: it now makes answers stale",
            "widens: cache.writes.d: it no longer makes answers stale",
        ],
    );
}

#[test]
fn fewer_claims_widen() {
    let rule = |claims: &str| {
        format!(
            "arg_rules: [{{tool: a, arg: b, max_len: 1, verdict: REQUIRE_WITNESS, witness: [{claims}]}}]"
        )
    };
    check(
        &rule("git:clean"),
        &rule("'test:make', git:clean"),
        &[
            "narrows: arg_rules[0]: the rule `max_len` of `a` `b` changes: it refuses more than before",
        ],
    );
    check(
        &rule("git:clean"),
        &rule("'test:make'"),
        &[
            "widens: arg_rules[0]: the rule `max_len` of `a` `b` changes: it asks for fewer or other claims",
        ],
    );
}
