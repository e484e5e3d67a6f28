//! Gemini CLI: `BeforeTool`, `AfterTool`, `BeforeAgent`.
//!
//! `{"decision":"deny","reason":..}` on exit code 0, or exit code 2 with the reason on stderr; both are
//! written. The hook runs after Gemini's own confirmation, so `{}` takes nothing from the person.
//! `hookSpecificOutput.tool_input` is merged over the arguments member by member. After a tool, the reason of a `deny`
//! stands in the place of its result.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Heard, Moment, Names, Reply, Ruling, Screened, answered,
    claude_code::{Block, Message},
    json, nobody_to_ask, raw, tool_event,
};
use crate::{exit::Failure, question::Place};

const NAMES: Names = Names {
    before: "BeforeTool",
    after: "AfterTool",
    failed: None,
    words: "BeforeAgent",
    settings: "settings.json",
};

/// What the model reads of a result, and what only the person sees.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default, rename = "llmContent")]
    llm_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

pub(super) fn parse(text: &str, place: &Place) -> Result<Moment, Failure> {
    let mut moment = tool_event(text, place, &NAMES)?;
    if let Moment::After(result) = &mut moment
        && let Ok(response) = serde_json::from_str::<Response<'_>>(&result.spelled)
    {
        if response.error.is_some_and(|error| error.get() != "null") {
            // The model reads the error instead: all of it is looked at.
            result.request.outcome = "FAIL".to_owned();
        } else if let Some(content) = response.llm_content {
            result.request.result = answered(content.get()).into_bytes();
        }
    }
    Ok(moment)
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

pub(super) fn before(ruling: Ruling) -> Reply {
    match ruling {
        Ruling::Admit => Reply::pass("{}".into()),
        Ruling::Rewrite(args) => match raw(args) {
            Ok(tool_input) => Reply::pass(json(&Rewrite {
                hook_specific_output: Specific {
                    hook_event_name: "BeforeTool",
                    tool_input,
                },
            })),
            Err(refusal) => before(refusal),
        },
        Ruling::Ask(text) => before(Ruling::Refuse(nobody_to_ask(&text))),
        Ruling::Refuse(text) => Reply::block(
            json(&Block {
                decision: "deny",
                reason: &text,
            }),
            &text,
        ),
    }
}

pub(super) fn after(screened: &Screened) -> Reply {
    let text = match screened {
        Screened::Pass => return Reply::pass("{}".into()),
        Screened::Instead { text, why } => format!("{why}\n{text}"),
        Screened::Withheld(text) => text.clone(),
    };
    before(Ruling::Refuse(text))
}

pub(super) fn words(heard: Heard) -> Reply {
    match heard {
        Heard::Told => Reply::pass("{}".into()),
        Heard::Warn(text) => Reply::pass(json(&Message {
            system_message: &text,
        })),
        Heard::Refuse(text) => before(Ruling::Refuse(text)),
    }
}
