//! Gemini CLI: `BeforeTool`.
//!
//! `{"decision":"deny","reason":..}` on exit code 0, or exit code 2 with the reason on stderr; both are
//! written. The hook runs after Gemini's own confirmation, so `{}` takes nothing from the person.
//! `hookSpecificOutput.tool_input` is merged over the arguments member by member.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{HookCall, Reply, Ruling, json, nobody_to_ask, raw, tool_event};
use crate::{exit::Failure, question::Place};

pub(super) fn parse(text: &str, place: &Place) -> Result<HookCall, Failure> {
    tool_event(text, place, "BeforeTool", "settings.json")
}

#[derive(Serialize)]
struct Deny<'a> {
    decision: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rewrite {
    hook_specific_output: Specific,
}

#[derive(Serialize)]
struct Specific {
    #[serde(rename = "hookEventName")]
    hook_event_name: &'static str,
    tool_input: Box<RawValue>,
}

pub(super) fn reply(ruling: Ruling) -> Reply {
    match ruling {
        Ruling::Admit => Reply::pass("{}".into()),
        Ruling::Rewrite(args) => match raw(args) {
            Ok(tool_input) => Reply::pass(json(&Rewrite {
                hook_specific_output: Specific {
                    hook_event_name: "BeforeTool",
                    tool_input,
                },
            })),
            Err(refusal) => reply(refusal),
        },
        Ruling::Ask(text) => reply(Ruling::Refuse(nobody_to_ask(&text))),
        Ruling::Refuse(text) => Reply::block(
            json(&Deny {
                decision: "deny",
                reason: &text,
            }),
            &text,
        ),
    }
}
