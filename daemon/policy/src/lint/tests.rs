use super::*;
use crate::{Format, load, load::locate};

/// Loads a manifest and compares what lint says about it, placed.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (manifest, _) = load("p", text, Format::Yaml)
        .unwrap_or_else(|p| panic!("{}", crate::diagnostic::render(&p)));
    let said: Vec<String> = locate("p", text, Format::Yaml, lint(&manifest))
        .iter()
        .map(|problem| {
            problem
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(said, expected, "\n--- of\n{text}");
}

#[test]
fn a_careful_manifest_has_nothing_to_say() {
    check(
        "allow: [read_file, search_web]\nallow_prefix: [list_]\ndeny: {delete_account: POLICY_BLOCK}",
        &[],
    );
}

#[test]
fn over_broad_prefixes_are_told() {
    check(
        "allow_prefix: ['']",
        &["p:1:16: warning: the empty prefix allows every tool that is not denied by name"],
    );
    check(
        "allow_prefix: [r]",
        &["p:1:16: warning: the prefix `r` is so short that it allows what nobody meant"],
    );
    check(
        "allow_prefix: [read_, read_file]",
        &["p:1:23: warning: `read_file` is covered by the shorter prefix `read_`"],
    );
    check(
        "allow_prefix: [send_]",
        &[
            "p:1:16: warning: the prefix `send_` allows every tool that sends or changes under that name",
        ],
    );
    check(
        "allow_prefix: [delete_]",
        &[
            "p:1:16: warning: the prefix `delete_` allows every tool that sends or changes under that name",
        ],
    );
    check(
        "allow_prefix: [bash_]",
        &["p:1:16: warning: the prefix `bash_` looks like it allows shells"],
    );
}

#[test]
fn permissions_that_mean_nothing_or_too_much_are_told() {
    check(
        "allow: [rm]\ndeny: {RM: POLICY_BLOCK}",
        &["p:1:9: warning: `rm` is allowed here and denied as `RM`: the denial wins"],
    );
    check(
        "allow: [read_file]\nallow_prefix: [read_]",
        &["p:1:9: warning: `read_file` is allowed by the prefix `read_` already"],
    );
    check(
        "allow: [send_email]",
        &[
            "p:1:9: warning: `send_email` looks like it sends data out, and no rule bounds its arguments",
        ],
    );
    check(
        "allow: [send_email]\narg_rules: [{tool: send_email, arg: to, one_of: [a]}]",
        &[],
    );
    check(
        "allow: [read_delete_all]\nself_modify_globs: [.git/]",
        &["p:1:9: warning: `read_delete_all` is named like a read and holds the name of a write"],
    );
}

#[test]
fn shells_without_rules_and_guards_are_told() {
    check(
        "allow: [Bash]",
        &[
            "p:1:9: warning: `Bash` is allowed, looks like a shell and no rule bounds its commands",
            "p:1:9: warning: `Bash` may change files, and `self_modify_globs` guards nothing",
        ],
    );
    check(
        "allow: [Bash]\nself_modify_globs: [.git/]\nshell: [{tool: zsh, arg: command}]",
        &["p:1:9: warning: `Bash` is allowed, looks like a shell and is not listed in `shell`"],
    );
    check(
        "allow: [Write]",
        &["p:1:9: warning: `Write` may change files, and `self_modify_globs` guards nothing"],
    );
}

#[test]
fn denials_with_misleading_reasons_are_told() {
    check(
        "allow: [a]\ndeny: {b: RATE_LIMITED, c: SECRET_EXFIL}",
        &[
            "p:2:11: warning: `b` is always refused, yet RATE_LIMITED tells the caller to wait and try again",
        ],
    );
    check(
        "allow: [a]\ndeny: {b: POLICY_BLOCK, B: POLICY_BLOCK}",
        &["p:2:28: warning: `B` repeats `b`: denials do not regard case"],
    );
}

#[test]
fn rules_that_decide_nothing_are_told() {
    check(
        "allow: [a]\narg_rules: [{tool: b, arg: c, max_len: 1}]",
        &["p:2:20: warning: a rule for `b`, which nothing allows"],
    );
    check(
        "allow: [a]\ndeny: {b: POLICY_BLOCK}\narg_rules: [{tool: b, arg: c, max_len: 1}]",
        &["p:3:20: warning: a rule for `b`, which is denied by name"],
    );
    check(
        "allow_prefix: [get_]\narg_rules: [{tool: 'get_x*', arg: c, max_len: 1}, {tool: '*', arg: c, max_len: 2}]",
        &[],
    );
    check(
        "allow: [a]\narg_rules:\n- {tool: '*', arg: c, max_len: 1}\n- {tool: a, arg: c, max_len: 2}",
        &["p:4:3: warning: this rule never decides: rule 0 refuses the same and more before it"],
    );
    check(
        "allow: [a]\narg_rules:\n- {tool: a, arg: c, max_len: 2}\n- {tool: a, arg: c, max_len: 1}",
        &[],
    );
    check(
        "allow: [a]\narg_rules:\n- {name: n, tool: a, arg: c, max_len: 2}\n- {name: n, tool: a, arg: d, max_len: 1, reason: OVERSIZE}",
        &["p:4:10: warning: two rules named `n` refuse differently"],
    );
}

#[test]
fn matchers_that_allow_everything_are_told() {
    let rule = |matcher: &str| format!("allow: [a]\narg_rules:\n- {{tool: a, arg: b, {matcher}}}");
    for (matcher, said) in [
        (
            "path: {roots: [/]}",
            "p:3:36: warning: the root `/` allows every path",
        ),
        (
            "host: {allow: ['0.0.0.0/0']}",
            "p:3:36: warning: `0.0.0.0/0` allows nearly every host",
        ),
        (
            "url: {allow: ['*.com']}",
            "p:3:35: warning: `*.com` allows nearly every host",
        ),
        (
            "url: {userinfo: true}",
            "p:3:37: warning: user names and passwords in URLs are allowed; they also hide the host from readers",
        ),
        (
            "deny_regex: a^",
            "p:3:33: warning: this pattern can never match",
        ),
        (
            "deny_regex: .*",
            "p:3:33: warning: this pattern matches every string, even the empty one",
        ),
        (
            "allow_glob: '**'",
            "p:3:33: warning: `**` allows nearly every path",
        ),
    ] {
        check(&rule(matcher), &[said]);
    }
}

#[test]
fn relaxed_postures_are_told() {
    check(
        "posture: observe\nallow: [a]",
        &["p:1:10: warning: the posture `observe` refuses nothing"],
    );
    check(
        "posture: admit_and_log\nallow: [a]",
        &[
            "p:1:10: warning: the posture `admit_and_log` admits read-shaped tools that nobody listed",
        ],
    );
}

#[test]
fn a_sink_bounds_what_a_tool_sends() {
    let flow = "flow: {sinks: {send_mail: {}}}";
    check(&format!("allow: [send_mail]\n{flow}"), &[]);
    check(
        &format!("allow: [read]\n{flow}"),
        &["p:2:16: warning: `send_mail` is a sink, and nothing allows it"],
    );
    let wide = "p:1:16: warning: the prefix `send_m` allows every tool that sends or changes under that name";
    check(&format!("allow_prefix: [send_m]\n{flow}"), &[wide]);
    check(
        "allow: [a]\nflow: {sources: {a: {otherwise: trusted}}}",
        &["p:2:1: warning: no tool is a sink: no call is gated"],
    );
}

#[test]
fn flow_that_does_not_do_what_it_says_is_told() {
    check(
        "allow: [a]\nflow:\n  sources: {r: {fields: {x: {class: address}, y: {trust: trusted, class: file}}}}\n  \
         sinks: {a: {controls: {to: {class: address, allow: [{suffix: x.example}, {suffix: '@x.example'}]}, f: {class: file}}}}\n  \
         endorse:\n  - {tool: r, field: '', class: address}\n  - {tool: r, field: y, class: file, pointed: true}\n",
        // A field that does not say `trusted` is as its source, which the lists of classes may make trusted.
        &[
            "p:4:47: warning: `x.example` also ends words that only look like yours: `evilx.example`",
            "p:6:5: warning: whoever writes into `r` steers, and nobody is asked",
            "p:7:47: warning: no field of `r` names its records, so none is pointed at",
        ],
    );
    check(
        "allow: [a]\nflow: {sources: {r: {otherwise: tainted, fields: {x: {class: c}}}}, sinks: {a: {controls: {to: {class: c}}}}}",
        &["p:2:104: warning: no trusted field has the class `c`"],
    );
}

#[test]
fn answers_that_may_be_stale_and_money_without_prices_are_told() {
    check(
        "allow: [read_file, edit_file, Bash, write_file]\narg_rules: [{tool: Bash, arg: command, max_len: 9}]\n\
         self_modify_globs: [.git/]\nbudget: {cost_micros: 5}\ncache:\n  reads: {read_file: {namespace: fs}, move_file: {namespace: fs}, get_x: {namespace: x}}\n  \
         writes: {write_file: {namespace: fs}, Bash: {namespace: sf}, put_y: {namespace: other}}\n",
        &[
            "p:1:20: warning: `edit_file` may make kept answers stale without saying so",
            "p:4:23: warning: money is bounded and no model has a price: turns that name one are refused",
            "p:6:39: warning: `move_file` looks like it changes something, and its answers are kept",
            "p:6:67: warning: answers of `get_x` are kept, and nothing allows it",
            "p:7:59: warning: no read is of the namespace `sf`; did you mean `fs`?",
        ],
    );
}

#[test]
fn a_question_does_not_make_a_later_rule_idle() {
    let rules = |first: &str, second: &str| {
        format!(
            "allow: [a]\narg_rules:\n  - {{tool: a, arg: b, max_len: 1, {first}}}\n  - {{tool: a, arg: b, max_len: 2, {second}}}\n"
        )
    };
    let ask = "verdict: REQUIRE_WITNESS";
    check(&rules(ask, "verdict: DENY"), &[]);
    check(&rules(ask, &format!("{ask}, witness: git:clean")), &[]);
    check(
        &rules(ask, ask),
        &["p:4:5: warning: this rule never decides: rule 0 refuses the same and more before it"],
    );
}
