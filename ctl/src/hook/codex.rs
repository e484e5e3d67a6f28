//! Codex CLI: `PreToolUse`, `PostToolUse`, `UserPromptSubmit`.
//!
//! The form is Claude Code's, the vocabulary smaller: a bare `allow` and every `ask` are unsupported, and
//! what is unsupported fails *open*. So an ALLOW says nothing, and a question to the person is a refusal.
//! `allow` with `updatedInput` is its only way to rewrite; it does not skip Codex's own approvals.
//!
//! After a tool there is no member for another result (one that is sent voids the answer), but the reason of a block
//! stands in its place: what may be read travels as that reason.

use super::{
    Moment, Names, Reply, Ruling, Screened,
    claude_code::{self, Block, decision},
    json, nobody_to_ask, raw, tool_event,
};
use crate::{exit::Failure, question::Place};

const NAMES: Names = Names {
    failed: None,
    settings: "hooks.json",
    ..claude_code::NAMES
};

pub(super) fn parse(text: &str, place: &Place) -> Result<Moment, Failure> {
    tool_event(text, place, &NAMES)
}

pub(super) fn before(ruling: Ruling) -> Reply {
    match ruling {
        Ruling::Admit => Reply::pass(String::new()),
        Ruling::Rewrite(args) => match raw(args) {
            Ok(args) => Reply::pass(json(&decision(
                "allow",
                "fakd: TRANSFORM. The call runs with edited arguments.",
                Some(args),
            ))),
            Err(refusal) => before(refusal),
        },
        Ruling::Ask(text) => before(Ruling::Refuse(nobody_to_ask(&text))),
        Ruling::Refuse(text) => Reply::block(json(&decision("deny", &text, None)), &text),
    }
}

pub(super) fn after(screened: &Screened) -> Reply {
    let text = match screened {
        Screened::Pass => return Reply::pass(String::new()),
        Screened::Instead { text, why } => format!("{why}\n{text}"),
        Screened::Withheld(text) => text.clone(),
    };
    let block = Block {
        decision: "block",
        reason: &text,
    };
    Reply::block(json(&block), &text)
}
