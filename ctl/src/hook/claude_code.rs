//! Claude Code: `PreToolUse`.
//!
//! Decisions travel as `hookSpecificOutput.permissionDecision`; exit code 2 blocks with stderr as the reason.
//! Its reader takes a valid object on stdout into account before the exit code in some releases and only the
//! exit code in others, and an *invalid* object has been seen to void exit code 2; so a refusal writes the
//! valid object, the reason and exit code 2. An ALLOW says nothing: saying `allow` would switch off the
//! person's own permission prompts.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{HookCall, Reply, Ruling, json, raw, tool_event};
use crate::{exit::Failure, question::Place};

pub(super) fn parse(text: &str, place: &Place) -> Result<HookCall, Failure> {
    tool_event(text, place, "PreToolUse", "settings.json")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output {
    hook_specific_output: Specific,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Specific {
    hook_event_name: &'static str,
    permission_decision: &'static str,
    permission_decision_reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_input: Option<Box<RawValue>>,
}

/// One decision in the form Claude Code and Codex share.
pub(super) fn decision(
    decision: &'static str,
    reason: &str,
    updated_input: Option<Box<RawValue>>,
) -> Output {
    Output {
        hook_specific_output: Specific {
            hook_event_name: "PreToolUse",
            permission_decision: decision,
            permission_decision_reason: reason.to_owned(),
            updated_input,
        },
    }
}

pub(super) fn reply(ruling: Ruling, approve: bool) -> Reply {
    match ruling {
        Ruling::Admit if approve => Reply::pass(json(&decision("allow", "fakd: ALLOW.", None))),
        Ruling::Admit => Reply::pass(String::new()),
        Ruling::Rewrite(args) => match raw(args) {
            // The new input needs a decision beside it: the person's, unless the operator gave it away.
            Ok(args) => Reply::pass(json(&decision(
                if approve { "allow" } else { "ask" },
                "fakd: TRANSFORM. The call runs with edited arguments.",
                Some(args),
            ))),
            Err(refusal) => reply(refusal, approve),
        },
        Ruling::Ask(text) => Reply::pass(json(&decision("ask", &text, None))),
        Ruling::Refuse(text) => Reply::block(json(&decision("deny", &text, None)), &text),
    }
}
