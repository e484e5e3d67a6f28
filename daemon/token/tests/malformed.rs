//! Vocabularies that are wrong in one way each.

#![forbid(unsafe_code)]

use fak_gguf::{ArrayBuf, Gguf, Value, ValueType, Writer};
use fak_token::{EncodeError, Specials, Tokenizer, TokenizerError, TokenizerNotes};
use serde_json::{Value as Json, json};

/// A whole file with three tokens and a merge.
fn whole() -> Json {
    json!({
        "added_tokens": [{"id": 3, "content": "<e>", "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}
    })
}

fn with(path: &str, value: &Json) -> Result<Tokenizer, TokenizerError> {
    let mut file = whole();
    *file.pointer_mut(path).expect("a place") = value.clone();
    Tokenizer::from_json(file.to_string().as_bytes())
}

fn unsupported(part: &'static str, name: &str) -> TokenizerError {
    TokenizerError::Unsupported {
        part,
        name: name.to_owned(),
    }
}

#[test]
fn parts_that_are_not_known_are_named() {
    let tokenizer = Tokenizer::from_json(whole().to_string().as_bytes()).expect("a tokenizer");
    assert_eq!(tokenizer.encode("abba", Specials::Text), Ok(vec![2, 1, 0]));
    assert_eq!(
        tokenizer.encode("ac", Specials::Text),
        Err(EncodeError::NoToken(b'c'))
    );
    let cases = [
        (
            "/model",
            json!({"type": "WordPiece", "vocab": {"a": 0}}),
            "model",
            "WordPiece",
        ),
        (
            "/model",
            json!({"type": "Unigram", "vocab": [["a", -1.0]]}),
            "model",
            "Unigram",
        ),
        (
            "/normalizer",
            json!({"type": "Precompiled"}),
            "normalizer",
            "Precompiled",
        ),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"Regex": " +"}, "content": " "}),
            "normalizer",
            "Replace by a pattern",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "BertPreTokenizer"}),
            "pre_tokenizer",
            "BertPreTokenizer",
        ),
        (
            "/post_processor",
            json!({"type": "RobertaProcessing"}),
            "post_processor",
            "RobertaProcessing",
        ),
    ];
    for (path, value, part, name) in cases {
        assert_eq!(with(path, &value).err(), Some(unsupported(part, name)));
    }
    let affix = json!({"vocab": {"a": 0}, "end_of_word_suffix": "</w>"});
    assert_eq!(
        with("/model", &affix).err(),
        Some(unsupported("affix of words", "</w>"))
    );
}

#[test]
fn contradictions_are_refused() {
    let merge = |merges: Json| with("/model/merges", &merges).err();
    assert_eq!(
        merge(json!([["a", "c"]])),
        Some(TokenizerError::Merge { at: 0 })
    );
    assert_eq!(
        merge(json!(["a b", "b a"])),
        Some(TokenizerError::Merge { at: 1 })
    );
    assert_eq!(merge(json!(["ab"])), Some(TokenizerError::Merge { at: 0 }));
    assert!(matches!(
        merge(json!([["a"]])),
        Some(TokenizerError::Json(_))
    ));
    assert!(matches!(merge(json!([1])), Some(TokenizerError::Json(_))));
    let twice = with("/model/vocab", &json!({"a": 0, "b": 0, "ab": 1})).err();
    assert!(matches!(
        twice,
        Some(TokenizerError::Wrong { key: "vocab", .. })
    ));
    let far = with("/added_tokens/0/id", &json!(4_000_000_000_u32)).err();
    assert!(matches!(far, Some(TokenizerError::TooMany { .. })));
    let over = with("/added_tokens/0/id", &json!(1)).err();
    assert!(matches!(over, Some(TokenizerError::Wrong { .. })));
    let frame = json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}], "special_tokens": {"x": {"ids": [99]}}});
    assert!(matches!(
        with("/post_processor", &frame).err(),
        Some(TokenizerError::Wrong { .. })
    ));
    let mut deep = json!({"type": "NFC"});
    for _ in 0..20 {
        deep = json!({"type": "Sequence", "normalizers": [deep]});
    }
    assert!(matches!(
        with("/normalizer", &deep).err(),
        Some(TokenizerError::Wrong { .. })
    ));
    for bytes in [
        "",
        "[]",
        "{}",
        "{\"model\":1}",
        "{\"model\":{\"vocab\":{\"a\":0,\"a\":1}}}",
    ] {
        let found = Tokenizer::from_json(bytes.as_bytes()).err();
        assert!(matches!(found, Some(TokenizerError::Json(_))), "{bytes}");
    }
}

#[test]
fn patterns_that_could_not_be_matched_in_linear_time_are_refused() {
    let split = |pattern: &str| {
        let part = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        with("/pre_tokenizer", &part).map(drop)
    };
    for pattern in [
        r"(?=a)b",
        r"(a)\1",
        r"a++",
        r"\p{N}{1,3}+",
        r"[^\r\n]?+\p{L}+",
        r"(",
        r"(x|\s+(?!\S))|\s+",
        r"\s+(?!\S)|a",
        r"((((((\w{99}){99}){99}){99}){99}){99})",
        r"\p{Nope}",
    ] {
        let found = split(pattern);
        assert!(
            matches!(found, Err(TokenizerError::Pattern { .. })),
            "{pattern}: {found:?}"
        );
    }
    for pattern in [
        r"\s+(?!\S)",
        r"[(]|\s+(?!\S)|\s+",
        r"[+?]+",
        r"a+|\++",
        r"\?+",
    ] {
        assert_eq!(split(pattern), Ok(()), "{pattern}");
    }
    let long = "a".repeat(20_000);
    assert!(matches!(split(&long), Err(TokenizerError::Pattern { .. })));
}

/// A GGUF file with those entries.
fn file<'v>(entries: &[(&'v str, Value<'v>)]) -> Result<Tokenizer, TokenizerError> {
    let mut writer = Writer::new();
    for (key, value) in entries {
        writer.entry(key, *value);
    }
    let bytes = writer.finish().expect("a file");
    Tokenizer::from_gguf(&Gguf::parse(&bytes).expect("a file"))
}

#[test]
fn metadata_that_is_no_vocabulary_is_refused() {
    let tokens = ArrayBuf::strings(["a", "b", "ab"]);
    let merges = ArrayBuf::strings(["a b"]);
    let lost = ArrayBuf::strings(["a c"]);
    let mut kinds = ArrayBuf::new(ValueType::I32);
    let mut odd = ArrayBuf::new(ValueType::I32);
    for kind in [1, 1, 1] {
        kinds.push(Value::I32(kind));
        odd.push(Value::I32(kind + 8));
    }
    let model = |name| ("tokenizer.ggml.model", Value::String(name));
    let list = ("tokenizer.ggml.tokens", tokens.value());
    let pre = |name| ("tokenizer.ggml.pre", Value::String(name));
    let join = ("tokenizer.ggml.merges", merges.value());
    let key = "tokenizer.ggml.token_type";
    let types = (key, kinds.value());

    let good = file(&[model("gpt2"), list, types, join, pre("gpt-2")]).expect("a tokenizer");
    assert_eq!(good.encode("ab", Specials::Text), Ok(vec![2]));
    let error = |entries: &[(&str, Value<'_>)]| file(entries).expect_err("is refused");
    assert_eq!(error(&[]), TokenizerError::Missing("tokenizer.ggml.model"));
    for name in ["bert", "t5", "rwkv", "none"] {
        assert_eq!(error(&[model(name)]), unsupported("tokenizer model", name));
    }
    assert_eq!(
        error(&[model("gpt2")]),
        TokenizerError::Missing("tokenizer.ggml.tokens")
    );
    assert_eq!(
        error(&[model("gpt2"), list, join, pre("new")]),
        unsupported("pre-tokenizer", "new")
    );
    assert_eq!(
        error(&[model("gpt2"), list]),
        TokenizerError::Missing("tokenizer.ggml.merges")
    );
    assert_eq!(
        error(&[model("llama"), list]),
        TokenizerError::Missing("tokenizer.ggml.scores")
    );
    let lost = ("tokenizer.ggml.merges", lost.value());
    assert_eq!(
        error(&[model("gpt2"), list, lost]),
        TokenizerError::Merge { at: 0 }
    );
    let wrong = |entries: &[(&str, Value<'_>)], name: &str| {
        let found = error(entries);
        assert!(
            matches!(&found, TokenizerError::Wrong { key, .. } if *key == name),
            "{found}"
        );
    };
    wrong(&[model("gpt2"), list, (key, odd.value()), join], key);
    wrong(&[model("gpt2"), list, (key, tokens.value()), join], key);
    wrong(
        &[model("gpt2"), ("tokenizer.ggml.tokens", kinds.value())],
        "tokenizer.ggml.tokens",
    );
    wrong(
        &[
            model("llama"),
            list,
            ("tokenizer.ggml.scores", kinds.value()),
        ],
        "tokenizer.ggml.scores",
    );
    let bos = ("tokenizer.ggml.bos_token_id", Value::U32(3));
    let adds = ("tokenizer.ggml.add_bos_token", Value::Bool(true));
    wrong(
        &[model("gpt2"), list, join, bos, adds],
        "tokenizer.ggml.bos_token_id",
    );
}

#[test]
fn what_tokenizer_config_says_of_chats_is_read() {
    let notes = |text: &str| TokenizerNotes::from_json(text.as_bytes());
    let found = notes(r#"{"bos_token":{"content":"<s>"},"eos_token":"</s>","chat_template":"x"}"#)
        .expect("notes");
    assert_eq!(found.bos_token.as_deref(), Some("<s>"));
    assert_eq!(found.eos_token.as_deref(), Some("</s>"));
    assert_eq!(found.chat_template.as_deref(), Some("x"));
    let list = r#"{"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]}"#;
    let found = notes(list).expect("notes");
    assert_eq!(found.chat_template.as_deref(), Some("d"));
    assert_eq!(
        found.named_templates.get("tool_use").map(String::as_str),
        Some("t")
    );
    assert!(notes(r#"{"chat_template":5}"#).is_err());
    assert!(notes(r#"{"chat_template":[{"name":"default"}]}"#).is_err());
    assert!(notes("[]").is_err());
}
