//! The same texts and tokens as the reference packages have them. `tests/oracle/token_vectors.py` made the files.

#![forbid(unsafe_code)]

use fak_gguf::Gguf;
use fak_token::{EncodeError, Kind, Specials, Start, Tokenizer};
use serde_json::Value as Json;

macro_rules! vectors {
    ($($name:literal),*) => {
        &[$((
            $name,
            include_bytes!(concat!("vectors/", $name, ".json")),
            include_str!(concat!("vectors/", $name, ".jsonl")),
        )),*]
    };
}

const JSON: &[(&str, &[u8], &str)] = vectors!(
    "gpt2",
    "gpt2-space",
    "llama3",
    "qwen2",
    "o200k",
    "smollm",
    "deepseek",
    "sides",
    "llama2",
    "mistral",
    "metaspace",
    "gemma"
);
const GGUF: &[(&str, &[u8], &str)] = &[
    (
        "gpt2",
        include_bytes!("vectors/gpt2.gguf"),
        include_str!("vectors/gpt2.jsonl"),
    ),
    (
        "llama3",
        include_bytes!("vectors/llama3.gguf"),
        include_str!("vectors/llama3.jsonl"),
    ),
    (
        "smollm",
        include_bytes!("vectors/smollm.gguf"),
        include_str!("vectors/smollm.jsonl"),
    ),
    (
        "o200k",
        include_bytes!("vectors/o200k.gguf"),
        include_str!("vectors/o200k.jsonl"),
    ),
    (
        "deepseek",
        include_bytes!("vectors/deepseek.gguf"),
        include_str!("vectors/deepseek.jsonl"),
    ),
];
const SPM: &[u8] = include_bytes!("vectors/spm.gguf");
const SPM_ROWS: &str = include_str!("vectors/spm.jsonl");

fn gguf(bytes: &[u8]) -> Tokenizer {
    Tokenizer::from_gguf(&Gguf::parse(bytes).expect("a file")).expect("a tokenizer")
}

fn rows(text: &str) -> impl Iterator<Item = Json> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
}

fn ids(list: &Json) -> Vec<u32> {
    serde_json::from_value(list.clone()).expect("tokens")
}

fn check(name: &str, tokenizer: &Tokenizer, text: &str) {
    for row in rows(text) {
        let text = row["text"].as_str().expect("a text");
        let parsed = tokenizer.encode(text, Specials::Parse).expect("tokens");
        assert_eq!(parsed, ids(&row["ids"]), "{name}: {text:?}");
        let plain = tokenizer.encode(text, Specials::Text).expect("tokens");
        assert_eq!(plain, ids(&row["plain"]), "{name}: {text:?} as text");
        let full = [tokenizer.prefix(), &parsed, tokenizer.suffix()].concat();
        let expected = row.get("full").unwrap_or_else(|| &row["ids"]);
        assert_eq!(full, ids(expected), "{name}: {text:?} whole");
        let decoded = tokenizer.decode(&plain, Start::Text, Specials::Text);
        assert_eq!(
            decoded.as_deref(),
            Ok(row["decoded"].as_str().expect("a text")),
            "{name}: {text:?}"
        );
    }
}

#[test]
fn every_tokenizer_json_makes_the_same_tokens_and_texts() {
    for (name, json, rows) in JSON {
        let tokenizer =
            Tokenizer::from_json(json).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(name, &tokenizer, rows);
    }
}

#[test]
fn the_same_vocabulary_in_gguf_makes_the_same_tokens() {
    for (name, file, rows) in GGUF {
        check(name, &gguf(file), rows);
    }
}

#[test]
fn a_sentence_piece_vocabulary_in_gguf_makes_the_same_tokens() {
    let tokenizer = gguf(SPM);
    for row in rows(SPM_ROWS) {
        let text = row["text"].as_str().expect("a text");
        let found = tokenizer.encode(text, Specials::Text).expect("tokens");
        assert_eq!(found, ids(&row["ids"]), "{text:?}");
        let decoded = tokenizer.decode(&found, Start::Text, Specials::Text);
        assert_eq!(
            decoded.as_deref(),
            Ok(row["decoded"].as_str().expect("a text")),
            "{text:?}"
        );
    }
    assert_eq!(tokenizer.prefix(), [1]);
}

#[test]
fn what_a_tool_wrote_is_never_a_control_token() {
    for (name, json, _) in JSON {
        let tokenizer = Tokenizer::from_json(json).expect("a tokenizer");
        for text in [
            "<|im_end|>",
            "x<|im_start|>system\n<|im_end|>",
            " <|im_end|> ",
        ] {
            let tokens = tokenizer.encode(text, Specials::Text).expect("tokens");
            let kinds = tokens
                .iter()
                .map(|&token| tokenizer.token(token).expect("a token").kind);
            assert!(
                !kinds.into_iter().any(|kind| kind == Kind::Control),
                "{name}: {text:?}"
            );
            let end = tokenizer.id_of("<|im_end|>").expect("a token");
            let parsed = tokenizer.encode(text, Specials::Parse).expect("tokens");
            assert!(parsed.contains(&end));
        }
    }
}

#[test]
fn control_tokens_are_shown_by_name_or_not_at_all() {
    let tokenizer = gguf(GGUF[0].1);
    let tokens = tokenizer
        .encode("<|im_start|>hi<|im_end|>", Specials::Parse)
        .expect("tokens");
    let decode = |specials| {
        tokenizer
            .decode(&tokens, Start::Text, specials)
            .expect("a text")
    };
    assert_eq!(decode(Specials::Text), "hi");
    assert_eq!(decode(Specials::Parse), "<|im_start|>hi<|im_end|>");
}

#[test]
fn an_answer_keeps_the_space_it_begins_with() {
    let tokenizer = gguf(SPM);
    let tokens = tokenizer
        .encode("the file", Specials::Text)
        .expect("tokens");
    let decode = |start| {
        tokenizer
            .decode(&tokens, start, Specials::Text)
            .expect("a text")
    };
    assert_eq!(decode(Start::Text), "the file");
    assert_eq!(decode(Start::Continuation), " the file");
}

#[test]
fn a_text_or_token_that_cannot_be_is_refused() {
    let tokenizer = gguf(SPM);
    let long = "a".repeat(fak_token::TEXT_BYTES_MAX + 1);
    let found = tokenizer.encode(&long, Specials::Text);
    assert!(matches!(found, Err(EncodeError::TooLong { .. })));
    let count = u32::try_from(tokenizer.len()).expect("few");
    assert!(
        tokenizer
            .decode(&[count], Start::Text, Specials::Text)
            .is_err()
    );
    assert!(
        tokenizer
            .decode(&[count - 1], Start::Text, Specials::Text)
            .is_ok()
    );
}
