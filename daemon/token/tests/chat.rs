//! Prompts as transformers renders them, and templates that may not have what they ask for.
//! `tests/oracle/chat_vectors.py` made the rows.

#![forbid(unsafe_code)]

use fak_token::{Chat, ChatError, ChatTemplate, TEMPLATE_BYTES_MAX};
use serde_json::{Value as Json, value::RawValue};

const TEMPLATES: &[(&str, &str)] = &[
    ("chatml", include_str!("vectors/chat/chatml.jinja")),
    ("gemma", include_str!("vectors/chat/gemma.jinja")),
    ("llama3", include_str!("vectors/chat/llama3.jinja")),
    ("mistral", include_str!("vectors/chat/mistral.jinja")),
    ("qwen-tools", include_str!("vectors/chat/qwen-tools.jinja")),
    ("values", include_str!("vectors/chat/values.jinja")),
];
const ROWS: &str = include_str!("vectors/chat/rows.jsonl");

/// A row of the oracle. Messages and tools stay text, for the order of their keys is part of them.
#[derive(serde::Deserialize)]
struct Row<'r> {
    template: String,
    chat: String,
    #[serde(borrow)]
    messages: &'r RawValue,
    #[serde(borrow)]
    tools: &'r RawValue,
    generation_prompt: bool,
    other: Json,
    now: i64,
    prompt: Option<String>,
    error: Option<String>,
}

fn render(source: &str, chat: &Chat<'_>) -> Result<String, ChatError> {
    ChatTemplate::compile(source)?.render(chat)
}

const HI: Chat<'_> = Chat {
    messages: r#"[{"role":"user","content":"hi"}]"#,
    tools: None,
    generation_prompt: true,
    bos_token: Some("<s>"),
    eos_token: Some("</s>"),
    now_unix_s: None,
    other: None,
};

#[test]
fn prompts_are_those_of_transformers_to_the_byte() {
    let mut compared = 0;
    for line in ROWS.lines() {
        let row: Row<'_> = serde_json::from_str(line).expect("a row");
        let (_, source) = TEMPLATES
            .iter()
            .find(|(name, _)| *name == row.template)
            .expect("a template");
        let other = row.other.to_string();
        let chat = Chat {
            messages: row.messages.get(),
            tools: Some(row.tools.get()).filter(|tools| *tools != "null"),
            generation_prompt: row.generation_prompt,
            bos_token: Some("<s>"),
            eos_token: Some("</s>"),
            now_unix_s: Some(row.now),
            other: Some(&other),
        };
        let found = render(source, &chat);
        let place = format!("{} with {}", row.template, row.chat);
        match (row.prompt, row.error) {
            (Some(prompt), _) => {
                assert_eq!(
                    found.unwrap_or_else(|error| panic!("{place}: {error}")),
                    prompt,
                    "{place}"
                );
                compared += 1;
            }
            (None, Some(error)) => match found {
                Err(ChatError::Refused(text)) => {
                    assert!(error.starts_with(&text), "{place}: {text}")
                }
                Err(ChatError::Render(_)) => assert!(!error.contains("must"), "{place}: {error}"),
                other => panic!("{place}: {other:?}, not {error}"),
            },
            (None, None) => panic!("{place}: neither prompt nor error"),
        }
    }
    assert!(compared > 80, "{compared}");
}

#[test]
fn a_template_without_end_is_stopped() {
    let looped = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}";
    assert_eq!(render(looped, &HI), Err(ChatError::Fuel));
    let nested = "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}";
    assert!(matches!(render(nested, &HI), Err(ChatError::Render(_))));
    let long = "{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}";
    assert_eq!(render(long, &HI), Err(ChatError::PromptTooLong));
    let source = " ".repeat(TEMPLATE_BYTES_MAX + 1);
    assert!(matches!(
        render(&source, &HI),
        Err(ChatError::TooLong { .. })
    ));
    let deep = "{{ ".to_owned() + &"[".repeat(50_000);
    assert!(matches!(render(&deep, &HI), Err(ChatError::Template(_))));
}

#[test]
fn a_template_reaches_nothing_outside() {
    for source in [
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{% extends 'x' %}",
        "{{ self.x() }}",
        "{{ messages.__class__() }}",
    ] {
        let found = render(source, &HI);
        assert!(found.is_err(), "{source}: {found:?}");
    }
    assert_eq!(
        render("{{ now is defined }} {{ strftime_now is defined }}", &HI).as_deref(),
        Ok("False False")
    );
}

#[test]
fn a_chat_that_is_none_is_refused() {
    let with = |chat: Chat<'_>| render("{{ messages }}", &chat);
    let wrong = |found: Result<String, ChatError>, name: &str| {
        assert!(
            matches!(found, Err(ChatError::Json { what, .. }) if what == name),
            "{name}"
        );
    };
    for messages in ["", "{}", "[1]", "[[]]", "[{}", "null"] {
        wrong(with(Chat { messages, ..HI }), "messages");
    }
    wrong(
        with(Chat {
            tools: Some("{}"),
            ..HI
        }),
        "tools",
    );
    wrong(
        with(Chat {
            other: Some("[]"),
            ..HI
        }),
        "other values",
    );
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    wrong(
        with(Chat {
            messages: &deep,
            ..HI
        }),
        "messages",
    );
}

#[test]
fn other_values_cannot_replace_the_messages() {
    let chat = Chat {
        other: Some(r#"{"messages":[],"enable_thinking":false}"#),
        ..HI
    };
    let found = render("{{ messages[0].content }} {{ enable_thinking }}", &chat);
    assert_eq!(found.as_deref(), Ok("hi False"));
}

#[test]
fn an_error_does_not_repeat_the_chat() {
    let canary = ["sk", "live", "0123456789"].join("-");
    let messages = format!(r#"[{{"role":"user","content":"{canary}"}}]"#);
    let chat = Chat {
        messages: &messages,
        ..HI
    };
    for source in [
        "{{ messages[0].content.nope() }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[0].content | nope }}",
    ] {
        let error = render(source, &chat).expect_err("fails");
        assert!(!format!("{error} {error:?}").contains(&canary), "{error}");
    }
}
