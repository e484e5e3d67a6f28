//! Laws of the judge over generated policies and calls.

mod common;

use common::judge;
use fak_policy::{
    Policy,
    manifest::{ArgRule, Manifest, Matcher, PathRule},
};
use fak_types::{Reason, VerdictKind};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn tool() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "Bash",
        "bash",
        "read_file",
        "Write",
        "WRITE",
        "deploy",
        "mcp__x",
    ])
    .prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[g-z]{7,12}( [g-z]{7,9})?".prop_map(Value::from),
        prop::sample::select(vec![
            "rm -rf qwertyuiop",
            "git push --force qwertyuiop",
            "/etc/qwertyuiop",
            ".git/qwertyuiop"
        ])
        .prop_map(Value::from),
        (0..5000_u32).prop_map(Value::from),
        Just(Value::Null),
        Just(Value::Bool(true)),
    ]
}

fn arguments() -> impl Strategy<Value = Vec<(String, Value)>> {
    let key = prop::sample::select(vec![
        "command",
        "path",
        "file_path",
        "to",
        "n",
        "content",
        "token",
    ]);
    prop::collection::btree_map(key.prop_map(str::to_owned), leaf(), 0..5)
        .prop_map(|map| map.into_iter().collect())
}

fn matcher() -> impl Strategy<Value = Matcher> {
    prop_oneof![
        prop::sample::select(vec!["force", "^/etc", "z", "[0-9]{3}"])
            .prop_map(|text| Matcher::DenyRegex(text.to_owned())),
        (1..30_u64).prop_map(Matcher::MaxBytes),
        (1..30_u64).prop_map(Matcher::MaxLen),
        Just(Matcher::AllowGlob("src/**".to_owned())),
        Just(Matcher::Range {
            min: Some("10".to_owned()),
            max: Some("4000".to_owned())
        }),
        Just(Matcher::OneOf(vec![Value::from(7), Value::from(true)])),
        Just(Matcher::Path(PathRule {
            roots: vec![".".to_owned()],
            ..PathRule::default()
        })),
        Just(Matcher::Schema(
            serde_json::json!({ "maxProperties": 2, "maxLength": 9 })
        )),
    ]
}

fn rule() -> impl Strategy<Value = ArgRule> {
    let arg = prop::sample::select(vec!["command", "path", "*", "**.to", "n"]);
    (tool(), arg, matcher(), any::<bool>(), any::<bool>()).prop_map(
        |(tool, arg, matcher, require_witness, required)| ArgRule {
            name: None,
            tool,
            arg: arg.to_owned(),
            matcher,
            reason: None,
            require_witness,
            witness: Vec::new(),
            hint: None,
            required,
        },
    )
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let allow = prop::collection::btree_set(tool(), 0..5);
    let deny = prop::collection::btree_set(tool(), 0..2);
    (
        allow,
        deny,
        prop::collection::vec(rule(), 0..5),
        any::<bool>(),
    )
        .prop_map(|(allow, deny, arg_rules, guards)| Manifest {
            allow: allow.into_iter().collect(),
            deny: deny
                .into_iter()
                .map(|tool| (tool, Reason::PolicyBlock))
                .collect(),
            self_modify_globs: if guards {
                vec![".git/".to_owned()]
            } else {
                Vec::new()
            },
            redact_fields: vec!["token".to_owned()],
            arg_rules,
            ..Manifest::default()
        })
}

fn text_of(arguments: &[(String, Value)]) -> String {
    Value::Object(arguments.iter().cloned().collect::<Map<_, _>>()).to_string()
}

/// The text of an object with its members in the order given, which a map would not keep.
fn text_in_order(arguments: &[(String, Value)]) -> String {
    let members: Vec<String> = arguments
        .iter()
        .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
        .collect();
    format!("{{{}}}", members.join(","))
}

proptest! {
    #[test]
    fn restrictions_never_loosen(manifest in manifest(), extra in rule(), fragment in any::<bool>(), tool in tool(), arguments in arguments()) {
        let mut tighter = manifest.clone();
        tighter.arg_rules.push(extra);
        if fragment {
            tighter.self_modify_globs.push("/etc/".to_owned());
        }
        let args = text_of(&arguments);
        let before = judge(&Policy::compile("p", &manifest).unwrap(), &tool, &args);
        let after = judge(&Policy::compile("p", &tighter).unwrap(), &tool, &args);
        prop_assert!(after.kind.rank() >= before.kind.rank(), "{:?} -> {:?}", before, after);
    }

    #[test]
    fn no_rule_allows(manifest in manifest(), tool in tool(), arguments in arguments()) {
        let policy = Policy::compile("p", &manifest).unwrap();
        let verdict = judge(&policy, &tool, &text_of(&arguments));
        if !manifest.allow.contains(&tool) {
            prop_assert_eq!(verdict.kind, VerdictKind::Deny);
        }
        if verdict.kind.admits() {
            prop_assert!(manifest.allow.contains(&tool));
        }
    }

    #[test]
    fn the_order_of_arguments_does_not_matter(manifest in manifest(), tool in tool(), arguments in arguments()) {
        let policy = Policy::compile("p", &manifest).unwrap();
        let straight = judge(&policy, &tool, &text_in_order(&arguments));
        let reversed: Vec<_> = arguments.into_iter().rev().collect();
        let reversed = judge(&policy, &tool, &text_in_order(&reversed));
        prop_assert_eq!((straight.kind, straight.reason, straight.by), (reversed.kind, reversed.reason, reversed.by));
    }

    #[test]
    fn a_verdict_never_repeats_the_arguments(manifest in manifest(), tool in tool(), arguments in arguments()) {
        let policy = Policy::compile("p", &manifest).unwrap();
        let verdict = judge(&policy, &tool, &text_of(&arguments));
        for (_, value) in &arguments {
            if let Value::String(text) = value && text.len() > 6 {
                let said = format!("{} {} {}", verdict.detail.as_str(), verdict.by, verdict.hint.as_deref().unwrap_or_default());
                let word = text.split([' ', '/']).next_back().unwrap_or(text);
                prop_assert!(!said.contains(word), "{said}");
                prop_assert!(verdict.edits.iter().all(|edit| !edit.with.contains(word)));
            }
        }
    }

    #[test]
    fn hostile_text_is_answered(tool in "\\PC{0,12}", args in "\\PC{0,80}", command in "\\PC{0,60}") {
        let floor = floor();
        let write = serde_json::json!({ "file_path": command, "content": args }).to_string();
        for verdict in [judge(floor, &tool, &args), common::shell(floor, &command), judge(floor, "Write", &write)] {
            prop_assert!(!verdict.by.is_empty());
        }
    }
}

fn floor() -> &'static Policy {
    static FLOOR: std::sync::OnceLock<Policy> = std::sync::OnceLock::new();
    FLOOR.get_or_init(Policy::embedded)
}
