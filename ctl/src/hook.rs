//! `hook`: a harness's pre-tool hook, answered in that harness's own protocol.
//!
//! Two rules hold for every harness. Silence never lets a call through: whatever goes wrong before there is
//! a verdict becomes a refusal in the harness's words. And a refusal takes every channel the harness reads at
//! once (the decision in JSON, the reason on stderr, the blocking exit code), because releases of harnesses
//! have been seen to ignore one or the other.

mod claude_code;
mod codex;
mod cursor;
mod gemini;
mod generic;

use fak_proto::v1::{AdjudicateRequest, AdjudicateResponse};
use fak_types::VerdictKind;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    answer,
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{Harness, HookFlags, OnError},
    out,
    question::{self, Place},
};

/// What the harness is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ruling {
    /// Go ahead, as far as fakd is concerned.
    Admit,
    /// Go ahead with these arguments instead.
    Rewrite(String),
    /// A person has to decide; this is what the person reads.
    Ask(String),
    /// Do not run it; this is what the agent reads.
    Refuse(String),
}

/// What the process says and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply {
    stdout: String,
    stderr: String,
    exit: Exit,
}

impl Reply {
    /// Nothing to object.
    fn pass(stdout: String) -> Self {
        Self {
            stdout,
            stderr: String::new(),
            exit: Exit::Ok,
        }
    }

    /// Blocked on every channel.
    fn block(stdout: String, why: &str) -> Self {
        Self {
            stdout,
            stderr: why.to_owned(),
            exit: Exit::Block,
        }
    }
}

/// A call as a harness describes it.
#[derive(Clone, Debug)]
struct HookCall {
    request: AdjudicateRequest,
    /// The harness's name for the moment, where its answer depends on it.
    event: String,
}

/// How one harness speaks: its event to a call, a ruling to its answer (event, ruling, `--approve`).
struct Protocol {
    parse: fn(&str, &Place) -> Result<HookCall, Failure>,
    reply: fn(&str, Ruling, bool) -> Reply,
}

static CLAUDE_CODE: Protocol = Protocol {
    parse: claude_code::parse,
    reply: |_, ruling, approve| claude_code::reply(ruling, approve),
};
static CODEX: Protocol = Protocol {
    parse: codex::parse,
    reply: |_, ruling, _| codex::reply(ruling),
};
static GEMINI: Protocol = Protocol {
    parse: gemini::parse,
    reply: |_, ruling, _| gemini::reply(ruling),
};
static CURSOR: Protocol = Protocol {
    parse: cursor::parse,
    reply: |event, ruling, _| cursor::reply(event, ruling),
};

/// Reads the hook's input, asks fakd, answers the harness.
pub(crate) fn run(daemon: &Daemon, flags: &HookFlags) -> Outcome {
    let protocol = match flags.harness {
        Harness::ClaudeCode => &CLAUDE_CODE,
        Harness::Codex => &CODEX,
        Harness::Gemini => &GEMINI,
        Harness::Cursor => &CURSOR,
        Harness::Generic => return generic::run(daemon, flags),
    };
    let read = question::stdin_text().and_then(|text| (protocol.parse)(&text, &Place::own()));
    let (event, ruling) = match read {
        Err(failure) => (String::new(), unanswered(&failure, flags.on_error)),
        Ok(HookCall { request, event }) => {
            let answer = daemon.ask(async |mut client| {
                client
                    .adjudicate(request)
                    .await
                    .map_err(|status| daemon.failed(&status))
            });
            let ruling = match answer {
                Ok(response) => ruling(response.into_inner(), flags.rewrite),
                Err(failure) => unanswered(&failure, flags.on_error),
            };
            (event, ruling)
        }
    };
    let reply = (protocol.reply)(&event, ruling, flags.approve);
    if !reply.stderr.is_empty() {
        out::complain(&reply.stderr);
    }
    // The exit code stays what it is when the reader of stdout has gone.
    let written = if reply.stdout.is_empty() {
        Ok(())
    } else {
        out::write(format!("{}\n", reply.stdout).as_bytes())
    };
    Ok(if written.is_err() {
        Exit::Block
    } else {
        reply.exit
    })
}

/// What a verdict means for a harness.
fn ruling(response: AdjudicateResponse, rewrite: bool) -> Ruling {
    let verdict = answer::verdict_of(&response);
    match VerdictKind::parse(&verdict.kind) {
        Some(VerdictKind::Allow) => Ruling::Admit,
        Some(VerdictKind::RequireWitness) => Ruling::Ask(answer::sentence(&verdict)),
        Some(VerdictKind::Transform) if rewrite => {
            match String::from_utf8(response.repaired_args) {
                Ok(args) if !args.is_empty() => Ruling::Rewrite(args),
                _ => Ruling::Refuse(
                    "fakd: TRANSFORM without usable arguments; the call does not run.".into(),
                ),
            }
        }
        Some(VerdictKind::Transform) => Ruling::Refuse(format!(
            "{} The call may run only with edited arguments; a harness that runs them is wired with \
             `fakctl hook ... --rewrite`.",
            answer::sentence(&verdict)
        )),
        _ => Ruling::Refuse(answer::sentence(&verdict)),
    }
}

/// No verdict: a refusal, or the harness's own question where the operator wished for that.
fn unanswered(failure: &Failure, on_error: OnError) -> Ruling {
    let mut text = format!(
        "fakd gave no verdict, so the call does not run: {}.",
        failure.message.trim_end_matches('.')
    );
    if !failure.fix.is_empty() {
        text.push_str(" Fix: ");
        text.push_str(&failure.fix);
        text.push('.');
    }
    match on_error {
        OnError::Deny => Ruling::Refuse(text),
        OnError::Ask => Ruling::Ask(text),
    }
}

/// The members that Claude Code, Codex and Gemini share. Unknown members are the harness's own business;
/// a known one twice is refused, because two readers might see two different calls.
#[derive(Deserialize)]
struct ToolEvent<'a> {
    #[serde(default)]
    hook_event_name: String,
    #[serde(default)]
    tool_name: String,
    #[serde(borrow, default)]
    tool_input: Option<&'a RawValue>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    tool_use_id: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
}

/// Reads the shared form; `event` is the only moment this hook may be wired to.
fn tool_event(text: &str, place: &Place, event: &str, settings: &str) -> Result<HookCall, Failure> {
    let read: ToolEvent<'_> = decode(text)?;
    if read.hook_event_name != event {
        return Err(
            Failure::data(format!("this hook answers {event} events only"))
                .fix(format!("wire it under {event} in {settings}")),
        );
    }
    let args = read
        .tool_input
        .ok_or_else(|| Failure::data("the event has no `tool_input`"))?;
    if read.tool_name.is_empty() {
        return Err(Failure::data("the event has no `tool_name`"));
    }
    Ok(HookCall {
        request: AdjudicateRequest {
            witness: String::new(),
            tool: read.tool_name,
            args: args.get().as_bytes().to_vec(),
            trace_id: read.session_id.unwrap_or_default(),
            cwd: read
                .cwd
                .filter(|cwd| cwd.starts_with('/'))
                .unwrap_or_else(|| place.cwd.clone()),
            home: place.home.clone(),
            call_id: read.tool_use_id.unwrap_or_default(),
        },
        event: read.hook_event_name,
    })
}

fn decode<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::data(format!(
            "the hook's input is not what this harness sends: {}",
            question::without_values(&error)
        ))
        .fix("check that the hook's command names the harness that runs it")
    })
}

/// Arguments as a JSON value inside an answer, byte for byte; refused when they are not one JSON value.
fn raw(args: String) -> Result<Box<RawValue>, Ruling> {
    RawValue::from_string(args).map_err(|_| {
        Ruling::Refuse(
            "fakd: TRANSFORM with arguments that are not JSON; the call does not run.".into(),
        )
    })
}

/// A refusal for harnesses that have no question to the person.
fn nobody_to_ask(text: &str) -> String {
    format!("{text} This harness cannot ask a person here, so it is refused.")
}

/// JSON on one line; encoding these small structures cannot fail, and an empty answer would be no refusal.
fn json(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}
