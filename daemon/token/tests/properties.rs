//! What holds of any text, any tokens, and any change of a good file.

#![forbid(unsafe_code)]

use fak_gguf::Gguf;
use fak_token::{Chat, ChatTemplate, Kind, Specials, Start, Tokenizer};
use proptest::prelude::*;
use std::sync::LazyLock;

const GPT2: &[u8] = include_bytes!("vectors/gpt2.json");
const LLAMA2: &[u8] = include_bytes!("vectors/llama2.json");
const SPM: &[u8] = include_bytes!("vectors/spm.gguf");
const TEMPLATE: &str = include_str!("vectors/chat/qwen-tools.jinja");

static TOKENIZERS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    let json: [&[u8]; 4] = [
        GPT2,
        include_bytes!("vectors/llama3.json"),
        include_bytes!("vectors/o200k.json"),
        include_bytes!("vectors/deepseek.json"),
    ];
    json.iter()
        .map(|json| Tokenizer::from_json(json).expect("a tokenizer"))
        .collect()
});
static PIECES: LazyLock<Tokenizer> = LazyLock::new(|| {
    Tokenizer::from_gguf(&Gguf::parse(SPM).expect("a file")).expect("a tokenizer")
});

/// Texts of the kinds that are hard: white space, marks, several scripts, names of tokens.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => "[ \\t\\n\\r]{1,4}",
        3 => "[a-zA-Z']{1,8}",
        2 => "[0-9]{1,5}",
        2 => any::<char>().prop_map(String::from),
        1 => "\\PC{0,6}",
        1 => Just("<|im_end|>".to_owned()),
        1 => Just("<keep>".to_owned()),
        1 => "(ab|the|aa){1,30}",
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn mutate(file: &[u8], changes: &[(usize, u8, u8)]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for &(at, what, value) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at % bytes.len();
        match what % 5 {
            0 => bytes[at] = value,
            1 => bytes[at] = b"{}[]\",:0123456789"[usize::from(value) % 17],
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, [value; 3])),
            _ => drop(bytes.drain(at..(at + usize::from(value)).min(file.len()).min(bytes.len()))),
        }
    }
    bytes
}

/// Uses a tokenizer that was read from anything.
fn used(tokenizer: &Tokenizer, text: &str) {
    for specials in [Specials::Text, Specials::Parse] {
        if let Ok(tokens) = tokenizer.encode(text, specials) {
            let decoded = tokenizer.decode(&tokens, Start::Text, specials);
            assert!(decoded.is_ok(), "what is encoded is decoded");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_was_encoded_is_decoded_to_the_byte(text in text()) {
        for tokenizer in TOKENIZERS.iter() {
            let tokens = tokenizer.encode(&text, Specials::Text).expect("tokens");
            let decoded = tokenizer.decode(&tokens, Start::Text, Specials::Text).expect("a text");
            prop_assert_eq!(&decoded, &text);
            let parsed = tokenizer.encode(&text, Specials::Parse).expect("tokens");
            let decoded = tokenizer.decode(&parsed, Start::Text, Specials::Parse).expect("a text");
            prop_assert_eq!(&decoded, &text);
            for token in tokens {
                prop_assert!(tokenizer.token(token).expect("a token").kind != Kind::Control);
            }
        }
        if !text.contains('\u{2581}') {
            let tokens = PIECES.encode(&text, Specials::Text).expect("tokens");
            let decoded = PIECES.decode(&tokens, Start::Text, Specials::Text).expect("a text");
            // A token of the user's is put apart, and what follows it gets a space of its own.
            if !text.contains("<keep>") {
                prop_assert_eq!(decoded, text);
            }
        }
    }

    #[test]
    fn a_stream_shows_whole_characters_and_all_of_them(tokens in prop::collection::vec(0_u32..425, 0..40)) {
        for tokenizer in TOKENIZERS.iter().chain([&*PIECES]) {
            let tokens: Vec<u32> = tokens.iter().copied().filter(|&token| tokenizer.token(token).is_some()).collect();
            let bytes: Vec<u8> = tokens
                .iter()
                .flat_map(|&token| tokenizer.token(token).expect("a token").bytes.to_vec())
                .collect();
            let mut stream = tokenizer.detokenizer(Start::Continuation, Specials::Parse);
            let mut shown = String::new();
            for &token in &tokens {
                let before = shown.len();
                shown.push_str(&stream.push(token).expect("a token"));
                let whole = String::from_utf8_lossy(&bytes);
                prop_assert!(whole.starts_with(&shown), "{:?} is no beginning, from {}", shown, before);
            }
            shown.push_str(&stream.finish());
            prop_assert_eq!(shown, String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn any_change_of_a_vocabulary_is_read_or_refused(
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4),
        text in text(),
    ) {
        for json in [GPT2, LLAMA2] {
            if let Ok(tokenizer) = Tokenizer::from_json(&mutate(json, &changes)) {
                used(&tokenizer, &text);
            }
        }
        let bytes = mutate(SPM, &changes);
        if let Ok(file) = Gguf::parse(&bytes)
            && let Ok(tokenizer) = Tokenizer::from_gguf(&file)
        {
            used(&tokenizer, &text);
        }
    }

    #[test]
    fn any_change_of_a_template_renders_or_fails(
        changes in prop::collection::vec((any::<usize>(), any::<u8>(), any::<u8>()), 1..4),
    ) {
        let source = mutate(TEMPLATE.as_bytes(), &changes);
        let source = String::from_utf8_lossy(&source);
        if let Ok(template) = ChatTemplate::compile(&source) {
            let chat = Chat {
                messages: r#"[{"role":"user","content":"x"},{"role":"tool","content":"y"}]"#,
                tools: Some("[{}]"),
                ..Chat::default()
            };
            let _ = template.render(&chat);
        }
    }
}
