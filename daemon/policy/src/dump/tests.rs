use fak_types::{Posture, Reason, SourceClass};
use proptest::{collection::vec, option::of, prelude::*, sample::select};

use super::*;
use crate::{
    Format, load,
    manifest::{Bind, ShellArg},
};

#[track_caller]
fn reloaded(text: &str) -> Manifest {
    match load("dump.json", text, Format::Json) {
        Ok((manifest, _)) => manifest,
        Err(problems) => panic!("{}\n{text}", crate::diagnostic::render(&problems)),
    }
}

#[test]
fn the_canonical_text_of_a_small_manifest() {
    let text = "allow: [b, a]\ndeny: {rm: POLICY_BLOCK}\narg_rules:\n- {argv: {program: git, sub: push}, arg: command, tool: Bash, verdict: DENY}\n";
    let (manifest, _) = load("p", text, Format::Yaml).expect("loads");
    let expected = r#"{
  "version": "fak-policy/v1",
  "allow": ["b", "a"],
  "deny": {
    "rm": "POLICY_BLOCK"
  },
  "arg_rules": [
    {
      "tool": "Bash",
      "arg": "command",
      "argv": {
        "program": ["git"],
        "sub": ["push"]
      }
    }
  ]
}
"#;
    assert_eq!(dump(&manifest), expected);
    assert_eq!(
        dump(&Manifest::default()),
        "{\n  \"version\": \"fak-policy/v1\"\n}\n"
    );
}

#[test]
fn long_lists_take_one_line_an_entry() {
    let manifest = Manifest {
        allow: (0..40).map(|n| format!("tool_{n}")).collect(),
        ..Manifest::default()
    };
    let text = dump(&manifest);
    assert!(
        text.contains("\"allow\": [\n    \"tool_0\",\n    \"tool_1\","),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 120));
    assert_eq!(reloaded(&text), manifest);
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set("[A-Za-z_][A-Za-z0-9_.\"é-]{0,8}", 0..4)
        .prop_map(|set| set.into_iter().collect())
}

fn some_of<T: Clone + Ord + std::fmt::Debug + 'static>(
    all: &'static [T],
) -> impl Strategy<Value = Vec<T>> {
    prop::collection::btree_set(select(all), 0..3).prop_map(|set| set.into_iter().collect())
}

fn texts(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    some_of(all).prop_map(|set| set.into_iter().map(str::to_owned).collect())
}

fn path_rule() -> impl Strategy<Value = PathRule> {
    let roots = texts(&["/srv/data", "~/work", ".", "./build"]);
    let deny = texts(&["**/*.key", "**/.env", "/etc/**"]);
    (roots, deny, any::<bool>()).prop_filter_map("refuses nothing", |(roots, deny, read)| {
        let access = if read { vec![Access::Read] } else { Vec::new() };
        (!roots.is_empty() || !deny.is_empty()).then_some(PathRule {
            roots,
            deny,
            access,
        })
    })
}

fn host_rule() -> impl Strategy<Value = HostRule> {
    let hosts = || texts(&["example.com", "*.example.org", "10.0.0.0/8", "192.0.2.1"]);
    let classes = of(select(&AddressClass::ALL[..])).prop_map(|class| class.into_iter().collect());
    let ports =
        prop::collection::btree_set(1_u16.., 0..3).prop_map(|set| set.into_iter().collect());
    (
        hosts(),
        hosts(),
        classes,
        texts(&["https", "ftp"]),
        ports,
        any::<bool>(),
    )
        .prop_map(
            |(allow, deny, deny_classes, schemes, ports, userinfo)| HostRule {
                allow,
                deny,
                deny_classes,
                schemes,
                ports,
                userinfo,
            },
        )
}

fn argv_rule() -> impl Strategy<Value = ArgvRule> {
    let flags = || texts(&["-f", "--force", "-n", "--dry-run"]);
    let operands = || texts(&["/*", "main", "*:*"]);
    let settings = || texts(&["GIT_EDITOR=*", "core.editor=true"]);
    let first = (
        flags(),
        flags(),
        flags(),
        operands(),
        operands(),
        settings(),
        settings(),
    );
    let second = (
        texts(&["push", "rm"]),
        texts(&["add"]),
        of(0_u32..5),
        of(5_u32..),
        any::<bool>(),
    );
    (first, second).prop_map(|(first, second)| ArgvRule {
        program: vec!["git".into(), "hub".into()],
        any_flag: first.0,
        all_flags: first.1,
        unless_flag: first.2,
        any_operand: first.3,
        unless_operand: first.4,
        any_setting: first.5,
        unless_setting: first.6,
        sub: second.0,
        sub2: second.1,
        min_operands: second.2,
        max_operands: second.3,
        foreground: second.4,
    })
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let values = [
        serde_json::json!("a\"b"),
        serde_json::json!(1),
        serde_json::json!(-2.5),
        serde_json::json!(null),
        serde_json::json!({"k": [true, "é"]}),
    ];
    let schema = serde_json::json!({"type": "object", "required": ["a"], "properties": {"a": {"enum": [1, null]}}});
    prop_oneof![
        select(&["rm -rf", "(?i)^\\s*sudo\\b", "a|\"b\"\\\\"][..])
            .prop_map(|text| Matcher::DenyRegex(text.into())),
        select(&["out/**", "/srv/*.txt"][..]).prop_map(|text| Matcher::AllowGlob(text.into())),
        (1_u64..1 << 53).prop_map(Matcher::MaxBytes),
        (1_u64..1 << 53).prop_map(Matcher::MaxLen),
        (
            of(select(&["-5", "0", "0.10"][..])),
            select(&["1", "2.50", "1e3"][..])
        )
            .prop_map(|(min, max)| {
                Matcher::Range {
                    min: min.map(str::to_owned),
                    max: Some(max.to_owned()),
                }
            }),
        (1..values.len())
            .prop_map(move |count| Matcher::OneOf(values.iter().take(count).cloned().collect())),
        path_rule().prop_map(Matcher::Path),
        host_rule().prop_map(Matcher::Host),
        host_rule().prop_map(Matcher::Url),
        Just(Matcher::Schema(schema)),
        argv_rule().prop_map(Matcher::Argv),
    ]
}

fn reason() -> impl Strategy<Value = Reason> {
    select(Reason::ALL.get(1..).unwrap_or_default())
}

fn arg_rule() -> impl Strategy<Value = ArgRule> {
    // An argv rule needs an argument that is shell text, so every rule speaks of one.
    let hint = of("[a-z]([ -~é]{0,20}[a-z])?");
    (
        of("[a-z][a-z0-9-]{0,10}"),
        matcher(),
        of(reason()),
        any::<bool>(),
        hint,
        any::<bool>(),
    )
        .prop_map(
            |(name, matcher, reason, require_witness, hint, required)| ArgRule {
                name,
                tool: "Bash".into(),
                arg: "command".into(),
                matcher,
                reason,
                require_witness,
                witness: claims_of(require_witness, required),
                hint,
                required,
            },
        )
}

fn claims_of(require_witness: bool, some: bool) -> Vec<String> {
    let claims = ["git:clean", "test:make \"all\""];
    let count = if require_witness && some { 2 } else { 0 };
    claims.into_iter().take(count).map(str::to_owned).collect()
}

fn rate_limits() -> impl Strategy<Value = Vec<RateLimit>> {
    let count = || of(1_u64..1 << 53);
    let one = (
        1_u64..1 << 53,
        count(),
        of(select(&RateKey::ALL[..])),
        count(),
        count(),
    )
        .prop_map(
            |(max_calls, max_cost, key, retry_after_ms, window_ms)| RateLimit {
                max_calls: Some(max_calls),
                max_cost,
                key,
                retry_after_ms,
                window_ms,
            },
        );
    vec(one, 0..3).prop_filter("no repetition", |limits| {
        limits
            .iter()
            .enumerate()
            .all(|(index, limit)| !limits.iter().skip(index + 1).any(|other| other == limit))
    })
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let ids =
        || prop::collection::btree_set(0..u32::MAX, 1..3).prop_map(|set| set.into_iter().collect());
    let bind = of((ids(), ids(), names()).prop_map(|(uids, gids, keys)| Bind { uids, gids, keys }));
    let deny = (names(), reason())
        .prop_map(|(names, reason)| names.into_iter().map(|name| (name, reason)).collect());
    let sources = (names(), select(SourceClass::ALL))
        .prop_map(|(names, class)| names.into_iter().map(|name| (name, class)).collect());
    let first = (
        of("[A-Za-z0-9_-]{1,12}"),
        bind,
        of(select(Posture::ALL)),
        names(),
        names(),
        deny,
    );
    let second = (
        names(),
        names(),
        vec(arg_rule(), 0..5),
        rate_limits(),
        names(),
        sources,
        any::<bool>(),
        of(flow::tests::flows()),
        of(session::tests::approvals()),
        (of(session::tests::budgets()), of(session::tests::caches())),
    );
    (first, second).prop_map(|(first, second)| Manifest {
        name: first.0,
        bind: first.1,
        posture: first.2,
        allow: first.3,
        allow_prefix: first.4,
        deny: first.5,
        self_modify_globs: second.0,
        redact_fields: second.1,
        shell: vec![ShellArg {
            tool: "Bash".into(),
            arg: "command".into(),
        }],
        arg_rules: second.2,
        rate_limit: second.3,
        safe_sinks: second.4,
        sources: second.5,
        lint_writes: second.6,
        flow: second.7,
        approval: second.8,
        budget: second.9.0,
        cache: second.9.1,
    })
}

proptest! {
    #[test]
    fn loading_a_dump_gives_the_manifest_back(manifest in manifests()) {
        let text = dump(&manifest);
        let back = reloaded(&text);
        prop_assert_eq!(&back, &manifest);
        prop_assert_eq!(dump(&back), text.clone());
        // The dump is YAML too, and means the same.
        let (yaml, _) = load("dump.yaml", &text, Format::Yaml).expect("yaml");
        prop_assert_eq!(yaml, manifest);
    }
}
