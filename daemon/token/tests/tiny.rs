//! The model that comes with the product: its file, its tokens and its prompts.

#![forbid(unsafe_code)]

use fak_gguf::{Architecture, Gguf, ModelConfig, TensorType};
use fak_token::{Chat, ChatTemplate, Kind, Specials, Start, Tokenizer};
use serde_json::value::RawValue;

const FILE: &[u8] = include_bytes!("../../engine/tiny/fakd-tiny.gguf");
/// LIMIT: Bytes of the file; it is part of the program.
const FILE_BYTES_MAX: usize = 3_000_000;
/// Conversations and the prompts they become: a demo, and one of faults and refusals.
const DEMOS: &[(&str, &str)] = &[
    (
        include_str!("../../engine/tiny/demo.json"),
        include_str!("../../engine/tiny/demo.txt"),
    ),
    (
        include_str!("../../engine/tiny/demo-refused.json"),
        include_str!("../../engine/tiny/demo-refused.txt"),
    ),
];
const SPECIALS: &[&str] = &[
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
    "<|call|>",
    "<|end|>",
    "<|pad|>",
];

/// Messages and tools stay text, for the order of their keys is part of them.
#[derive(serde::Deserialize)]
struct Demo<'d> {
    #[serde(borrow)]
    messages: &'d RawValue,
    #[serde(borrow)]
    tools: &'d RawValue,
}

fn file() -> Gguf<'static> {
    Gguf::parse(FILE).expect("a GGUF file")
}

fn config() -> ModelConfig {
    ModelConfig::from_gguf(&file()).expect("a model")
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_gguf(&file()).expect("a tokenizer")
}

fn template() -> ChatTemplate {
    let source = config().chat_template.expect("a template");
    ChatTemplate::compile(&source).expect("a template that compiles")
}

#[test]
fn the_file_is_a_plain_llama_and_small() {
    assert!(FILE.len() <= FILE_BYTES_MAX);
    let config = config();
    assert_eq!(config.architecture, Architecture::Llama);
    assert_eq!((config.layers, config.hidden, config.ffn), (4, 128, 384));
    assert_eq!((config.vocab, config.context), (288, 2048));
    let heads = config.heads;
    assert_eq!(
        (heads.query, heads.kv, heads.key_dim, heads.value_dim),
        (4, 2, 32, 32)
    );
    assert!(config.tied);
    assert_eq!(config.tokens.bos, None);
    assert_eq!(config.tokens.eos, [261]);
    assert_eq!(config.tokens.pad, Some(262));
    for tensor in file().tensors() {
        let matrix = tensor.dims().len() == 2;
        let wanted = if matrix {
            TensorType::F16
        } else {
            TensorType::F32
        };
        assert_eq!(tensor.ty(), wanted, "{}", tensor.name());
    }
}

#[test]
fn a_byte_is_a_token_and_names_are_control() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.len(), 288);
    for byte in 0..=u8::MAX {
        let token = tokenizer.token(byte.into()).expect("a token");
        assert_eq!((token.bytes, token.kind), (&[byte][..], Kind::Normal));
    }
    for (id, name) in (256..).zip(SPECIALS) {
        assert_eq!(tokenizer.id_of(name), Some(id));
        let token = tokenizer.token(id).expect("a token");
        assert_eq!(token.kind, Kind::Control);
    }
    let text = "é \u{0}\n\"<|end|>\" 日本 \u{1f980}";
    let tokens = tokenizer.encode(text, Specials::Text).expect("tokens");
    let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
    assert_eq!(tokens, bytes);
}

#[test]
fn the_demos_render_to_the_prompts_of_training() {
    let (tokenizer, template) = (tokenizer(), template());
    for (demo, prompt) in DEMOS {
        let demo: Demo<'_> = serde_json::from_str(demo).expect("a conversation");
        let chat = Chat {
            messages: demo.messages.get(),
            tools: Some(demo.tools.get()),
            ..Chat::default()
        };
        assert_eq!(template.render(&chat).expect("a prompt"), *prompt);
        let asked = Chat {
            generation_prompt: true,
            ..chat
        };
        let open = template.render(&asked).expect("a prompt");
        assert_eq!(open, format!("{prompt}<|assistant|>"));
        let tokens = tokenizer.encode(prompt, Specials::Parse).expect("tokens");
        let back = tokenizer.decode(&tokens, Start::Text, Specials::Parse);
        assert_eq!(back.expect("text"), *prompt);
        assert_eq!(tokens.first(), Some(&256));
        assert_eq!(tokens.last(), Some(&261));
    }
}

#[test]
fn arguments_may_come_as_text_and_a_strange_role_is_refused() {
    let template = template();
    let calls = r#"[{"role":"assistant","content":null,"tool_calls":[{"type":"function","function":
        {"name":"read_file","arguments":"{\"path\": \"a\"}"}}]}]"#;
    let chat = Chat {
        messages: calls,
        ..Chat::default()
    };
    assert_eq!(
        template.render(&chat).expect("a prompt"),
        r#"<|assistant|><|call|>{"name": "read_file", "arguments": {"path": "a"}}<|end|>"#
    );
    let strange = Chat {
        messages: r#"[{"role":"boss","content":"hi"}]"#,
        ..Chat::default()
    };
    assert!(template.render(&strange).is_err());
}
