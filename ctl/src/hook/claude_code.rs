//! Claude Code: `PreToolUse`, `PostToolUse`, `PostToolUseFailure`, `UserPromptSubmit`.
//!
//! Before a tool, decisions travel as `hookSpecificOutput.permissionDecision`; exit code 2 blocks with stderr as the
//! reason. Its reader takes a valid object on stdout into account before the exit code in some releases and only the
//! exit code in others, and an *invalid* object has been seen to void exit code 2; so a refusal writes the valid object,
//! the reason and exit code 2. An ALLOW says nothing: saying `allow` would switch off the person's own permission prompts.
//!
//! After a tool, `updatedToolOutput` replaces what the model reads; it must have the form of the tool's own result.
//! Exit code 2 would void it, so a result is kept back with exit code 0, and `decision` tells releases that do not know
//! the member. The error of a tool that failed cannot be replaced, only spoken about.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Heard, HookResult, Moment, Names, Reply, Ruling, Screened, json, raw, shape, tool_event,
};
use crate::{exit::Failure, question::Place};

pub(super) const NAMES: Names = Names {
    before: "PreToolUse",
    after: "PostToolUse",
    failed: Some("PostToolUseFailure"),
    words: "UserPromptSubmit",
    settings: "settings.json",
};

/// Tools of servers, whose results have no form of their own.
const MCP_PREFIX: &str = "mcp__";

pub(super) fn parse(text: &str, place: &Place) -> Result<Moment, Failure> {
    let mut moment = tool_event(text, place, &NAMES)?;
    if let Moment::After(result) = &mut moment
        && result.request.tool == READ
        && let Some(bytes) = picture(&result.spelled)
    {
        result.request.result = bytes;
    }
    Ok(moment)
}

/// The tool whose result may be a picture, in this form and no other.
const READ: &str = "Read";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Picture {
    #[serde(rename = "type")]
    form: String,
    file: PictureFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "named so that nothing else may stand beside the picture"
)]
struct PictureFile {
    base64: String,
    #[serde(rename = "type")]
    media: String,
    #[serde(rename = "originalSize", default)]
    size: u64,
    #[serde(default)]
    dimensions: BTreeMap<String, f64>,
}

/// A picture is admitted as its own bytes: spelled as text, a large one would count as a text nobody can read.
fn picture(spelled: &str) -> Option<Vec<u8>> {
    let picture: Picture = serde_json::from_str(spelled).ok()?;
    let is_picture = picture.form == "image" && picture.file.media.starts_with("image/");
    is_picture
        .then(|| STANDARD.decode(&picture.file.base64).ok())
        .flatten()
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
            hook_event_name: NAMES.before,
            permission_decision: decision,
            permission_decision_reason: reason.to_owned(),
            updated_input,
        },
    }
}

pub(super) fn before(ruling: Ruling, approve: bool) -> Reply {
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
            Err(refusal) => before(refusal, approve),
        },
        Ruling::Ask(text) => Reply::pass(json(&decision("ask", &text, None))),
        Ruling::Refuse(text) => Reply::block(json(&decision("deny", &text, None)), &text),
    }
}

/// One clear point: words where a picture's bytes belong would spoil the conversation.
const POINT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNgAAIAAAUAAen63NgAAAAASUVORK5CYII=";

/// For a picture, another one that shows nothing.
fn blank_picture(result: &HookResult) -> Option<Box<RawValue>> {
    if result.request.tool != READ {
        return None;
    }
    picture(&result.spelled)?;
    let mut blank: serde_json::Value = serde_json::from_str(&result.spelled).ok()?;
    let file = blank.get_mut("file")?.as_object_mut()?;
    file.insert("base64".to_owned(), POINT.into());
    file.insert("type".to_owned(), "image/png".into());
    serde_json::value::to_raw_value(&blank).ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct After<'a> {
    #[serde(flatten)]
    block: Option<Block<'a>>,
    hook_specific_output: AfterSpecific<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AfterSpecific<'a> {
    hook_event_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_tool_output: Option<&'a RawValue>,
    /// The member's older name, for results of servers only.
    #[serde(
        rename = "updatedMCPToolOutput",
        skip_serializing_if = "Option::is_none"
    )]
    updated_mcp_tool_output: Option<&'a RawValue>,
}

/// A block with its reason, in the form Claude Code, Codex and Gemini share but for the word.
#[derive(Serialize)]
pub(super) struct Block<'a> {
    pub(super) decision: &'static str,
    pub(super) reason: &'a str,
}

pub(super) fn after(result: &HookResult, screened: &Screened) -> Reply {
    let (text, why, is_withheld) = match screened {
        Screened::Pass => return Reply::pass(String::new()),
        Screened::Instead { text, why } => (text, why, false),
        Screened::Withheld(text) => (text, text, true),
    };
    let has_failed = result.event != NAMES.after;
    let is_mcp = result.request.tool.starts_with(MCP_PREFIX);
    let value =
        blank_picture(result).unwrap_or_else(|| shape::instead(&result.spelled, is_mcp, text));
    let value = Some(value.as_ref()).filter(|_| !has_failed);
    Reply::pass(json(&After {
        block: (is_withheld && !has_failed).then_some(Block {
            decision: "block",
            reason: why,
        }),
        hook_specific_output: AfterSpecific {
            hook_event_name: &result.event,
            additional_context: (has_failed || !is_withheld).then_some(why),
            updated_tool_output: value,
            updated_mcp_tool_output: value.filter(|_| is_mcp),
        },
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    pub(super) system_message: &'a str,
}

pub(super) fn words(heard: Heard) -> Reply {
    match heard {
        Heard::Told => Reply::pass(String::new()),
        Heard::Warn(text) => Reply::pass(json(&Message {
            system_message: &text,
        })),
        Heard::Refuse(text) => {
            let block = Block {
                decision: "block",
                reason: &text,
            };
            Reply::block(json(&block), &text)
        }
    }
}
