use serde_json::Value;

use super::*;
use crate::{Format, load, load::vocabulary as words, node, rules::schema::SchemaCheck};

fn schema() -> Value {
    serde_json::from_str(json_schema()).expect("the schema is JSON")
}

#[track_caller]
fn check_keys(pointer: &str, expected: &[&[&str]]) {
    let schema = schema();
    let object = schema
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer}"));
    let keys = object
        .get("properties")
        .and_then(Value::as_object)
        .expect("properties");
    let mut found: Vec<&str> = keys.keys().map(String::as_str).collect();
    let mut wanted: Vec<&str> = expected
        .iter()
        .flat_map(|keys| keys.iter().copied())
        .collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{pointer}");
    assert_eq!(
        object.get("additionalProperties"),
        Some(&Value::Bool(false)),
        "{pointer}"
    );
}

#[test]
fn the_schema_has_exactly_the_keys_of_the_loader() {
    check_keys("", &[words::MANIFEST]);
    check_keys("/$defs/bind", &[words::BIND]);
    check_keys("/$defs/shell_arg", &[words::SHELL]);
    check_keys("/$defs/arg_rule", &[words::RULE, words::MATCHERS]);
    check_keys("/$defs/arg_rule/properties/range", &[words::RANGE]);
    check_keys("/$defs/path_rule", &[words::PATH]);
    check_keys("/$defs/host_rule", &[words::HOST]);
    check_keys("/$defs/argv_rule", &[words::ARGV]);
    check_keys("/$defs/rate_limit", &[words::RATE]);
    check_keys("/$defs/flow", &[words::FLOW]);
    check_keys("/properties/approval", &[words::APPROVAL]);
    check_keys("/properties/budget", &[words::BUDGET]);
    check_keys("/$defs/price", &[words::PRICE]);
    check_keys("/properties/cache", &[words::CACHE]);
    check_keys("/$defs/cache_read", &[words::CACHE_READ]);
    check_keys("/$defs/cache_write", &[words::CACHE_WRITE]);
    check_keys("/$defs/flow_source", &[words::FLOW_SOURCE]);
    check_keys("/$defs/flow_field/oneOf/1", &[words::FLOW_FIELD]);
    check_keys("/$defs/flow_sink", &[words::FLOW_SINK]);
    check_keys("/$defs/flow_control", &[words::FLOW_CONTROL]);
    check_keys("/$defs/flow_allow/oneOf/1", &[words::FLOW_ALLOW]);
    check_keys("/$defs/flow_text", &[words::FLOW_TEXT]);
    check_keys("/$defs/flow_endorse", &[words::FLOW_ENDORSE]);
}

#[test]
fn the_schema_has_exactly_the_words_of_the_loader() {
    let accesses: Vec<&str> = crate::manifest::Access::ALL
        .into_iter()
        .map(|word| word.as_str())
        .collect();
    let keys: Vec<&str> = crate::manifest::RateKey::ALL
        .into_iter()
        .map(|word| word.as_str())
        .collect();
    let table = [
        ("/properties/posture/enum", words::postures()),
        ("/$defs/reason/enum", words::reasons()),
        (
            "/properties/sources/additionalProperties/enum",
            words::sources(),
        ),
        (
            "/$defs/host_rule/properties/deny_classes/oneOf/0/enum",
            words::address_classes(),
        ),
        (
            "/$defs/arg_rule/properties/verdict/enum",
            words::VERDICTS.to_vec(),
        ),
        ("/$defs/path_rule/properties/access/oneOf/0/enum", accesses),
        ("/$defs/rate_limit/properties/key/enum", keys),
        ("/$defs/flow_trust/enum", words::trusts()),
        ("/$defs/flow_answer/enum", words::answers()),
    ];
    let schema = schema();
    for (pointer, expected) in table {
        let found = schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer}"));
        assert_eq!(found, &serde_json::json!(expected), "{pointer}");
    }
    let matchers = schema
        .pointer("/$defs/arg_rule/oneOf")
        .and_then(Value::as_array)
        .expect("oneOf");
    let names: Vec<&str> = matchers
        .iter()
        .filter_map(|one| one.pointer("/required/0")?.as_str())
        .collect();
    assert_eq!(names, words::MATCHERS);
}

/// What ships, read from the disk of the build.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may read what the crate may not"
)]
fn shipped() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy.d");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("policy.d") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if Format::of_name(&name).is_some() {
            files.push((name, std::fs::read_to_string(&path).expect("a policy")));
        }
    }
    assert!(!files.is_empty());
    files
}

#[test]
fn every_shipped_policy_loads_and_validates() {
    let check = SchemaCheck::new(&schema()).expect("a JSON Schema");
    for (name, text) in shipped() {
        if let Err(problems) = load(&name, &text, Format::guess(&name, &text)) {
            panic!("{}", crate::diagnostic::render(&problems));
        }
        let tree = node::of_yaml(&text, &mut Vec::new()).expect("yaml");
        let value = tree.to_json().expect("exact numbers");
        assert_eq!(check.refuse(&value), None, "{name}");
    }
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    let check = SchemaCheck::new(&schema()).expect("a JSON Schema");
    for text in [
        r#"{"allows":[]}"#,
        r#"{"version":"fak-policy/v2"}"#,
        r#"{"posture":"open"}"#,
        r#"{"allow":["a","a"]}"#,
        r#"{"allow":[""]}"#,
        r#"{"deny":{"a":"NONE"}}"#,
        r#"{"rate_limit":{"key":"tool"}}"#,
        r#"{"rate_limit":{"max_calls":-1}}"#,
        r#"{"arg_rules":[{"tool":"a","arg":"b"}]}"#,
        r#"{"arg_rules":[{"tool":"a","arg":"b","max_len":1,"max_bytes":1}]}"#,
        r#"{"arg_rules":[{"tool":"a*b","arg":"b","max_len":1}]}"#,
        r#"{"arg_rules":[{"tool":"a","arg":"b","argv":{"sub":"x"}}]}"#,
        r#"{"bind":{}}"#,
        r#"{"arg_rules":[{"tool":"a","arg":"b","max_len":1,"witness":"git:clean"}]}"#,
        r#"{"arg_rules":[{"tool":"a","arg":"b","max_len":1,"verdict":"REQUIRE_WITNESS","witness":[]}]}"#,
        r#"{"arg_rules":[{"tool":"a","arg":"b","max_len":1,"verdict":"REQUIRE_WITNESS","witness":"git:dirty"}]}"#,
        r#"{"approval":{}}"#,
        r#"{"approval":{"expires_s":0}}"#,
        r#"{"budget":{}}"#,
        r#"{"budget":{"turns":0}}"#,
        r#"{"budget":{"prices":{"m":{"input":1}}}}"#,
        r#"{"budget":{"prices":{"m*x":{"input":1,"output":1}}}}"#,
        r#"{"budget":{"unknown_price":"free"}}"#,
        r#"{"cache":{}}"#,
        r#"{"cache":{"reads":{"a":{}}}}"#,
        r#"{"cache":{"reads":{"a":{"namespace":"a b"}}}}"#,
        r#"{"cache":{"reads":{"a":{"namespace":"b","ttl_s":0}}}}"#,
        r#"{"cache":{"writes":{"a":{"namespace":"b","resources":[]}}}}"#,
        r#"{"cache":{"writes":{"a":{"namespace":"b","ttl_s":1}}}}"#,
        r#"{"flow":{}}"#,
        r#"{"flow":{"sources":{"a":{}}}}"#,
        r#"{"flow":{"sources":{"a":{"fields":{"b":{}}}}}}"#,
        r#"{"flow":{"sources":{"a":{"fields":{"b":"clean"}}}}}"#,
        r#"{"flow":{"sinks":{"a*b":{}}}}"#,
        r#"{"flow":{"sinks":{"a":{"unasked":"ask"}}}}"#,
        r#"{"flow":{"sinks":{"a":{"asked_by":[["b"],"c"]}}}}"#,
        r#"{"flow":{"sinks":{"a":{"controls":{"b":{"class":[]}}}}}}"#,
        r#"{"flow":{"sinks":{"a":{"controls":{"b":{"allow":{"prefix":"c"}}}}}}}"#,
        r#"{"flow":{"sinks":{"a":{"count_max":0}}}}"#,
        r#"{"flow":{"sinks":{"a":{"controls":{"b":{"class":"c"}}}},"endorse":[{"tool":"d","class":"c"}]}}"#,
    ] {
        let value: Value = serde_json::from_str(text).expect("json");
        assert!(check.refuse(&value).is_some(), "{text}");
        assert!(load("p", text, Format::Json).is_err(), "{text}");
    }
    for text in [
        "{}",
        r#"{"allow_prefix":[""]}"#,
        r#"{"rate_limit":{"max_calls":5,"max_cost":0}}"#,
        r#"{"approval":{"expires_s":60}}"#,
        r#"{"arg_rules":[{"tool":"a","arg":"b","max_len":1,"verdict":"REQUIRE_WITNESS","witness":["git:clean","test:make"]}]}"#,
        r#"{"budget":{"prices":{"m":{"input":0,"output":1}},"unknown_price":"refuse"}}"#,
        r#"{"budget":{"turns":1,"unknown_price":{"input":0,"output":1}}}"#,
        r#"{"cache":{"reads":{"a":{"namespace":"b","resources":"c","ttl_s":1}},"writes":{"d":{"namespace":"b"}}}}"#,
        r#"{"flow":{"sinks":{"a":{},"*":{"asked_by":"b"}}}}"#,
        r#"{"flow":{"sources":{"a*":{"fields":{"":"trusted","b":{"class":"c"}}}}}}"#,
        r#"{"flow":{"sinks":{"a":{"asked_by":[["b"],["c"]],"controls":{"b":{"class":["c"],"allow":["d",{"suffix":"e"}]}}}},
            "endorse":[{"tool":"d","field":"","class":"c"}]}}"#,
    ] {
        let value: Value = serde_json::from_str(text).expect("json");
        assert!(
            check.refuse(&value).is_none() && load("p", text, Format::Json).is_ok(),
            "{text}"
        );
    }
}
