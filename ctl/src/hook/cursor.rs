//! Cursor: `preToolUse`, `beforeShellExecution`, `beforeMCPExecution`, `beforeReadFile`.
//!
//! The answer is always an object with `permission`; an empty answer fails open or closed depending on the
//! release and on `failClosed`. Exit code 2 is a denial too. `ask` is honoured before shell commands and MCP
//! calls only; elsewhere a question to the person is a refusal. Messages carry both spellings Cursor has used.

use fak_proto::v1::AdjudicateRequest;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{HookCall, Reply, Ruling, decode, json, nobody_to_ask, raw};
use crate::{exit::Failure, question::Place};

/// Cursor's own names for the tools behind its special events, as its general event spells them.
const SHELL: &str = "Shell";
const READ: &str = "Read";
const MCP_PREFIX: &str = "MCP:";

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default)]
    hook_event_name: String,
    #[serde(default)]
    conversation_id: Option<String>,
    #[serde(default)]
    generation_id: Option<String>,
    #[serde(default)]
    tool_use_id: Option<String>,
    #[serde(default)]
    workspace_roots: Vec<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(borrow, default)]
    command: Option<&'a RawValue>,
    #[serde(default)]
    tool_name: Option<String>,
    #[serde(borrow, default)]
    tool_input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    file_path: Option<&'a RawValue>,
}

pub(super) fn parse(text: &str, place: &Place) -> Result<HookCall, Failure> {
    let event: Event<'_> = decode(text)?;
    let lacks = |member: &str| {
        Failure::data(format!(
            "the {} event has no `{member}`",
            event.hook_event_name
        ))
    };
    let (tool, args) = match event.hook_event_name.as_str() {
        "beforeShellExecution" => {
            let command = event.command.ok_or_else(|| lacks("command"))?;
            (
                SHELL.to_owned(),
                format!("{{\"command\":{}}}", command.get()),
            )
        }
        "beforeReadFile" => {
            let path = event.file_path.ok_or_else(|| lacks("file_path"))?;
            (READ.to_owned(), format!("{{\"file_path\":{}}}", path.get()))
        }
        "beforeMCPExecution" => {
            let name = event
                .tool_name
                .clone()
                .filter(|name| !name.is_empty())
                .ok_or_else(|| lacks("tool_name"))?;
            let tool = if name.starts_with(MCP_PREFIX) {
                name
            } else {
                format!("{MCP_PREFIX}{name}")
            };
            (
                tool,
                unwrapped(event.tool_input.ok_or_else(|| lacks("tool_input"))?)?,
            )
        }
        "preToolUse" => {
            let name = event
                .tool_name
                .clone()
                .filter(|name| !name.is_empty())
                .ok_or_else(|| lacks("tool_name"))?;
            (
                name,
                unwrapped(event.tool_input.ok_or_else(|| lacks("tool_input"))?)?,
            )
        }
        _ => {
            return Err(Failure::data("this hook answers Cursor's events before a tool only").fix(
                "wire it under preToolUse, beforeShellExecution, beforeMCPExecution or beforeReadFile in hooks.json",
            ));
        }
    };
    let absolute = |dir: &String| dir.starts_with('/');
    let cwd = event.cwd.filter(absolute).or_else(|| {
        event
            .workspace_roots
            .first()
            .filter(|dir| absolute(dir))
            .cloned()
    });
    Ok(HookCall {
        request: AdjudicateRequest {
            witness: String::new(),
            tool,
            args: args.into_bytes(),
            trace_id: event.conversation_id.unwrap_or_default(),
            cwd: cwd.unwrap_or_else(|| place.cwd.clone()),
            home: place.home.clone(),
            call_id: event
                .tool_use_id
                .or(event.generation_id)
                .unwrap_or_default(),
        },
        event: event.hook_event_name,
    })
}

/// MCP arguments come as an object or as a string that holds one.
fn unwrapped(input: &RawValue) -> Result<String, Failure> {
    if input.get().starts_with('"') {
        decode::<String>(input.get())
    } else {
        Ok(input.get().to_owned())
    }
}

#[derive(Serialize, Default)]
struct Output<'a> {
    permission: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    agent_message: &'a str,
    #[serde(rename = "userMessage", skip_serializing_if = "str::is_empty")]
    user_message_camel: &'a str,
    #[serde(rename = "agentMessage", skip_serializing_if = "str::is_empty")]
    agent_message_camel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_input: Option<Box<RawValue>>,
}

fn output<'a>(permission: &'a str, text: &'a str) -> Output<'a> {
    Output {
        permission,
        user_message: text,
        agent_message: text,
        user_message_camel: text,
        agent_message_camel: text,
        updated_input: None,
    }
}

pub(super) fn reply(event: &str, ruling: Ruling) -> Reply {
    match ruling {
        Ruling::Admit => Reply::pass(json(&output("allow", ""))),
        Ruling::Rewrite(args) if event == "preToolUse" => match raw(args) {
            Ok(args) => Reply::pass(json(&Output { updated_input: Some(args), ..output("allow", "") })),
            Err(refusal) => reply(event, refusal),
        },
        Ruling::Rewrite(_) => reply(
            event,
            Ruling::Refuse("fakd: TRANSFORM. Cursor cannot rewrite arguments at this event; wire preToolUse too.".into()),
        ),
        Ruling::Ask(text) if matches!(event, "beforeShellExecution" | "beforeMCPExecution") => {
            Reply::pass(json(&output("ask", &text)))
        }
        Ruling::Ask(text) => reply(event, Ruling::Refuse(nobody_to_ask(&text))),
        Ruling::Refuse(text) => Reply::block(json(&output("deny", &text)), &text),
    }
}
