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
