//! Codex CLI: `PreToolUse`.
//!
//! The form is Claude Code's, the vocabulary smaller: a bare `allow` and every `ask` are unsupported, and
//! what is unsupported fails *open*. So an ALLOW says nothing, and a question to the person is a refusal.
//! `allow` with `updatedInput` is its only way to rewrite; it does not skip Codex's own approvals.

use super::{HookCall, Reply, Ruling, claude_code::decision, json, nobody_to_ask, raw, tool_event};
use crate::{exit::Failure, question::Place};

pub(super) fn parse(text: &str, place: &Place) -> Result<HookCall, Failure> {
    tool_event(text, place, "PreToolUse", "hooks.json")
}

pub(super) fn reply(ruling: Ruling) -> Reply {
    match ruling {
        Ruling::Admit => Reply::pass(String::new()),
        Ruling::Rewrite(args) => match raw(args) {
            Ok(args) => Reply::pass(json(&decision(
                "allow",
                "fakd: TRANSFORM. The call runs with edited arguments.",
                Some(args),
            ))),
            Err(refusal) => reply(refusal),
        },
        Ruling::Ask(text) => reply(Ruling::Refuse(nobody_to_ask(&text))),
        Ruling::Refuse(text) => Reply::block(json(&decision("deny", &text, None)), &text),
    }
}
