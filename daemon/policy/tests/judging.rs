//! What the judge promises, one behaviour per test.

mod common;

use common::{judge, policy, shell};
use fak_policy::{NoWorld, Policy, PolicySet, World};
use fak_types::{Principal, Reason, ToolCall, VerdictKind};
use serde_json::json;

#[test]
fn the_empty_manifest_denies_everything() {
    let policy = policy("{}");
    for tool in ["Bash", "read_file", "x"] {
        let verdict = judge(&policy, tool, "{}");
        assert_eq!(
            (verdict.reason, &*verdict.by),
            (Reason::DefaultDeny, "default")
        );
    }
}

#[test]
fn the_rungs_speak_in_order() {
    let policy = policy(
        r#"{"allow":["Write"],"deny":{"erase":"POLICY_BLOCK"},"self_modify_globs":[".git/"],"redact_fields":["token"],
            "arg_rules":[{"name":"short","tool":"*","arg":"path","max_bytes":20}]}"#,
    );
    let by = |tool: &str, args: &str| judge(&policy, tool, args).by.to_string();
    assert_eq!(by("Write", "{"), "parse");
    assert_eq!(by("ERASE", r#"{"path":".git/config"}"#), "deny/erase");
    assert_eq!(
        by("Write", r#"{"path":".git/config and a long tail"}"#),
        "self_modify_globs"
    );
    assert_eq!(
        by(
            "Write",
            r#"{"path":"a path longer than twenty","token":"t"}"#
        ),
        "arg_rules/short"
    );
    assert_eq!(
        by("other", r#"{"path":"a path longer than twenty"}"#),
        "arg_rules/short"
    );
    assert_eq!(by("Write", r#"{"path":"a","token":"t"}"#), "redact_fields");
    assert_eq!(by("Write", r#"{"path":"a"}"#), "allow/Write");
    assert_eq!(by("write", r#"{"path":"a"}"#), "default");
}

#[test]
fn a_transform_changes_only_the_redacted_bytes() {
    let policy = policy(r#"{"allow":["t"],"redact_fields":["api_key"]}"#);
    let args =
        r#"{ "n": 1.50, "Api-Key" : "secret", "deep": [{"API_KEY": {"a": 1}}], "x": "\u0041" }"#;
    let verdict = judge(&policy, "t", args);
    assert_eq!(verdict.kind, VerdictKind::Transform);
    let edits: Vec<_> = verdict
        .edits
        .iter()
        .map(|edit| (edit.span.clone(), &*edit.with))
        .collect();
    let edited = fak_args::apply_edits(args, &edits);
    let expected = r#"{ "n": 1.50, "Api-Key" : "[REDACTED]", "deep": [{"API_KEY": "[REDACTED]"}], "x": "\u0041" }"#;
    assert_eq!(edited, expected);
    assert_eq!(judge(&policy, "t", &edited).kind, VerdictKind::Allow);
}

#[test]
fn a_ruled_argument_of_the_wrong_kind_is_malformed_and_names_the_rule() {
    let rules = json!([
        { "name": "regex", "tool": "t", "arg": "a", "deny_regex": "x" },
        { "name": "range", "tool": "t", "arg": "n", "range": { "max": 5 } },
        { "name": "glob", "tool": "t", "arg": "p", "allow_glob": "src/**" },
    ]);
    let policy = policy(&json!({ "allow": ["t"], "arg_rules": rules }).to_string());
    for (args, by, reason) in [
        (
            json!({ "a": ["x"], "p": "src/a" }),
            "arg_rules/regex",
            Reason::Malformed,
        ),
        (
            json!({ "n": "3", "p": "src/a" }),
            "arg_rules/range",
            Reason::Malformed,
        ),
        (
            json!({ "n": 6, "p": "src/a" }),
            "arg_rules/range",
            Reason::PolicyBlock,
        ),
        (json!({ "p": 7 }), "arg_rules/glob", Reason::Malformed),
        (
            json!({ "p": "src/../x" }),
            "arg_rules/glob",
            Reason::PolicyBlock,
        ),
        (json!({}), "arg_rules/glob", Reason::PolicyBlock),
        (json!({ "p": null }), "arg_rules/glob", Reason::PolicyBlock),
    ] {
        let verdict = judge(&policy, "t", &args.to_string());
        assert_eq!((&*verdict.by, verdict.reason), (by, reason), "{args}");
    }
    assert_eq!(
        judge(&policy, "t", r#"{"a":"y","n":5.0,"p":"src/a"}"#).kind,
        VerdictKind::Allow
    );
}

#[test]
fn a_witness_neither_hides_a_refusal_nor_makes_up_for_a_permission() {
    let rules = json!([
        { "name": "witness", "tool": "*", "arg": "to", "deny_regex": "^", "verdict": "REQUIRE_WITNESS" },
        { "name": "never", "tool": "*", "arg": "to", "deny_regex": "prod" },
    ]);
    let policy = policy(&json!({ "allow": ["deploy"], "arg_rules": rules }).to_string());
    assert_eq!(
        judge(&policy, "deploy", r#"{"to":"test"}"#).kind,
        VerdictKind::RequireWitness
    );
    assert_eq!(
        &*judge(&policy, "deploy", r#"{"to":"prod"}"#).by,
        "arg_rules/never"
    );
    assert_eq!(
        judge(&policy, "erase", r#"{"to":"test"}"#).reason,
        Reason::DefaultDeny
    );
}

#[test]
fn computed_words_possibly_have_the_refused_form() {
    let floor = Policy::embedded();
    for command in [
        "git push $FLAGS",
        "git push $(cat flags)",
        "git $CMD --force",
        "git \"$CMD\" --hard",
    ] {
        let verdict = shell(&floor, command);
        assert_eq!(verdict.kind, VerdictKind::Deny, "{command}");
        assert!(
            verdict.detail.as_str().contains("computed"),
            "{command}: {}",
            verdict.detail.as_str()
        );
    }
    for command in [
        "git push origin \"$BRANCH\"",
        "git checkout \"$BRANCH\"",
        "git add \"$FILE\"",
    ] {
        assert_eq!(shell(&floor, command).kind, VerdictKind::Allow, "{command}");
    }
}

struct Links;

impl World for Links {
    fn real_path(&self, path: &str) -> Option<String> {
        Some(
            path.replace("/srv/repo/link", "/srv/repo/.git")
                .replace("/srv/repo/out", "/opt"),
        )
    }
}

#[test]
fn links_are_followed_through_the_world() {
    let floor = Policy::embedded();
    let judge = |tool: &str, args: &str| {
        let call = ToolCall {
            tool,
            args,
            trace: "",
            cwd: Some("/srv/repo"),
            home: Some("/home/me"),
        };
        floor.adjudicate(&call, &Links)
    };
    assert_eq!(
        judge("Write", r#"{"file_path":"link/hooks/x"}"#).reason,
        Reason::SelfModify
    );
    assert_eq!(
        judge("Bash", r#"{"command":"echo x > link/config"}"#).reason,
        Reason::SelfModify
    );
    assert_eq!(
        &*judge("Write", r#"{"file_path":"out/x"}"#).by,
        "arg_rules/workspace-writes"
    );
    assert_eq!(
        judge("Write", r#"{"file_path":"src/x"}"#).kind,
        VerdictKind::Allow
    );
}

#[test]
fn the_explanation_ends_with_the_verdict() {
    let floor = Policy::embedded();
    for (tool, args) in [
        ("Bash", r#"{"command":"sudo ls"}"#),
        ("Read", r#"{"file_path":"a"}"#),
        ("x", "{"),
        ("x", "{}"),
    ] {
        let call = ToolCall {
            tool,
            args,
            trace: "",
            cwd: None,
            home: None,
        };
        let opinions = floor.explain(&call, &NoWorld);
        let (rung, last) = opinions.last().unwrap();
        assert_eq!(
            (rung.as_str(), last),
            ("posture", &floor.adjudicate(&call, &NoWorld))
        );
        assert_eq!(opinions.first().unwrap().0, "parse");
    }
}

#[test]
fn content_is_linted_where_the_policy_says_so() {
    let policy = policy(r#"{"allow":["Write"],"lint_writes":true}"#);
    for (path, content, fine) in [
        ("a.json", "{\"a\": 1}", true),
        ("a.json", "{\"a\": 1", false),
        ("a.yaml", "a: [1, 2]\n", true),
        ("a.yml", "a: [1, 2\nb: 3\n", false),
        ("a.toml", "a = 1\n", true),
        ("a.toml", "a = \n", false),
        ("tsconfig.json", "// comment\n{}", true),
        ("a.txt", "{", true),
    ] {
        let verdict = judge(
            &policy,
            "Write",
            &json!({ "file_path": path, "content": content }).to_string(),
        );
        assert_eq!(
            verdict.kind == VerdictKind::Allow,
            fine,
            "{path}: {}",
            verdict.detail.as_str()
        );
        assert!(
            fine || verdict.reason == Reason::Malformed && verdict.detail.as_str().contains("line")
        );
    }
}

#[test]
fn a_refusal_by_default_names_what_was_meant() {
    let policy = policy(r#"{"name":"p","allow":["read_file"]}"#);
    let hint = |tool: &str| judge(&policy, tool, "{}").hint.unwrap().to_string();
    assert!(hint("readFile").contains("read_file"));
    assert!(hint("mail").contains("profile"));
}

#[test]
fn observe_admits_and_records() {
    let policy =
        policy(r#"{"posture":"observe","allow":["Bash"],"deny":{"erase":"POLICY_BLOCK"}}"#);
    for (tool, args, would) in [
        ("erase", "{}", Some(Reason::PolicyBlock)),
        ("x", "{", Some(Reason::Malformed)),
        ("x", "{}", Some(Reason::DefaultDeny)),
        ("Bash", r#"{"command":"ls"}"#, None),
    ] {
        let verdict = judge(&policy, tool, args);
        assert_eq!(
            (verdict.kind, verdict.would_deny),
            (VerdictKind::Allow, would),
            "{tool}"
        );
    }
}

#[test]
fn profiles_bind_principals() {
    let bound =
        policy(r#"{"name":"ci","bind":{"uids":[7],"gids":[70,71],"keys":["ci"]},"allow":["x"]}"#);
    let other = policy(r#"{"name":"night","bind":{"gids":[80]}}"#);
    let everyone = policy(r#"{"name":"everyone"}"#);
    let set = PolicySet::new(vec![bound, other, everyone]).unwrap();
    let local = |uid, gid, groups: &[u32]| Principal::Local {
        uid,
        gid,
        groups: groups.into(),
        pid: 1,
    };
    for (principal, name) in [
        (local(7, 1, &[]), "ci"),
        (local(8, 71, &[]), "ci"),
        (local(8, 1, &[80, 70]), "ci"),
        (local(8, 1, &[80]), "night"),
        (local(8, 1, &[]), "everyone"),
        (Principal::Key("ci".into()), "ci"),
        (Principal::Key("other".into()), "everyone"),
        (Principal::Node("edge".into()), "everyone"),
    ] {
        assert_eq!(set.for_principal(&principal).name(), name, "{principal:?}");
    }
    let clash =
        PolicySet::new(vec![policy(r#"{"name":"a"}"#), policy(r#"{"name":"a"}"#)]).unwrap_err();
    assert_eq!(clash.len(), 2, "{clash:?}");
    let bare = PolicySet::new(Vec::new()).unwrap();
    assert_eq!(
        bare.for_principal(&Principal::Node("x".into())).name(),
        "coding-agent"
    );
    assert_eq!(bare.digest_text(), PolicySet::embedded().digest_text());
}

#[test]
fn what_cannot_be_compiled_is_listed_with_its_field() {
    use fak_policy::manifest::{ArgRule, Manifest, Matcher};
    let rule = |arg: &str, matcher| ArgRule {
        name: None,
        tool: "t".into(),
        arg: arg.into(),
        matcher,
        reason: None,
        require_witness: false,
        witness: Vec::new(),
        hint: None,
        required: false,
    };
    let manifest = Manifest {
        arg_rules: vec![
            rule("a", Matcher::DenyRegex("(".into())),
            rule("a..b", Matcher::MaxBytes(1)),
            rule("a", Matcher::Schema(json!({ "type": 7 }))),
            rule("a", Matcher::DenyRegex("x{1000}{1000}".into())),
        ],
        self_modify_globs: vec!["/".into()],
        ..Manifest::default()
    };
    let problems = Policy::compile("p", &manifest).unwrap_err();
    let fields: Vec<&str> = problems
        .iter()
        .map(|problem| problem.field.as_str())
        .collect();
    assert_eq!(
        fields,
        [
            "arg_rules[0].deny_regex",
            "arg_rules[1].arg",
            "arg_rules[2].schema",
            "arg_rules[3].deny_regex",
            "self_modify_globs[0]"
        ]
    );
}

#[test]
fn an_explanation_says_that_a_tool_is_a_sink() {
    let policy =
        common::policy("allow_prefix: [mail]\nflow: {sinks: {'mail_*': {}, mail_draft: {}}}\n");
    let sinks = |tool: &str| {
        let call = ToolCall {
            tool,
            args: "{}",
            trace: "t",
            cwd: None,
            home: None,
        };
        let opinions = policy.explain(&call, &NoWorld);
        let last = opinions.last().map(|(rung, _)| rung.clone());
        assert_eq!(last.as_deref(), Some("posture"));
        let mut told = opinions.into_iter().filter(|(rung, _)| rung == "sinks");
        told.next().map(|(_, verdict)| verdict.by.to_string())
    };
    assert_eq!(sinks("mail_send").as_deref(), Some("flow/mail_*"));
    assert_eq!(sinks("mail_draft").as_deref(), Some("flow/mail_draft"));
    assert_eq!(sinks("mailbox"), None);
}

#[test]
fn a_question_carries_the_claims_of_every_rule_that_asks() {
    let text = "allow: [deploy]\narg_rules:\n\
        - {tool: deploy, arg: to, deny_regex: p, verdict: REQUIRE_WITNESS}\n\
        - {tool: deploy, arg: to, deny_regex: pr, verdict: REQUIRE_WITNESS, witness: [git:clean, 'test:make check']}\n\
        - {tool: deploy, arg: to, deny_regex: pro, verdict: REQUIRE_WITNESS, witness: ['test:make slow', git:clean]}\n\
        - {tool: deploy, arg: to, deny_regex: prod, reason: POLICY_BLOCK}\n";
    let (manifest, _) = fak_policy::load("p", text, fak_policy::Format::Yaml).expect("loads");
    let policy = Policy::compile("p", &manifest).expect("compiles");
    let asked = |args: &str| {
        let verdict = judge(&policy, "deploy", args);
        let claims: Vec<String> = verdict.claims().iter().map(ToString::to_string).collect();
        (verdict.kind, claims.join(" | "))
    };
    let ask = VerdictKind::RequireWitness;
    for (args, expected) in [
        (r#"{"to":"prod"}"#, (VerdictKind::Deny, "")),
        // The wrong kind of value is a matter of form, which nobody can approve.
        (r#"{"to":7}"#, (VerdictKind::Deny, "")),
        (r#"{"to":"p"}"#, (ask, "")),
        (r#"{"to":"pr"}"#, (ask, "git:clean | test:make check")),
        (
            r#"{"to":"pro"}"#,
            (ask, "git:clean | test:make check | test:make slow"),
        ),
        (r#"{"to":"x"}"#, (VerdictKind::Allow, "")),
    ] {
        assert_eq!(asked(args), (expected.0, expected.1.to_owned()), "{args}");
    }
}
