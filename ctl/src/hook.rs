//! `hook`: a harness's hooks, answered in that harness's own protocol.
//!
//! Three moments: before a tool runs, its call is judged; after it ran, its result is admitted; when the user speaks,
//! fakd is told the words. Two rules hold for every harness. Silence never lets anything through: whatever goes wrong
//! before there is a verdict becomes a refusal in the harness's words. And a refusal takes every channel the harness
//! reads at once (the decision in JSON, the reason on stderr, the blocking exit code), because releases of harnesses
//! have been seen to ignore one or the other; but where the exit code would void the JSON that replaces a result, the
//! JSON stands alone.

mod claude_code;
mod codex;
mod cursor;
mod gemini;
mod generic;
mod shape;

use fak_proto::v1::{
    AdjudicateRequest, AdjudicateResponse, AdmitRequest, AdmitResponse, TellRequest,
};
use fak_types::VerdictKind;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    answer,
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{Harness, HookFlags, OnError, OnWitness},
    out,
    question::{self, Place},
};

/// Most bytes of a hook's input. LIMIT: far above what harnesses keep of a result; what is too long for fakd can then
/// still be read, and kept back.
const EVENT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What the harness is told about a call.
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

/// What a model may read of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Screened {
    /// All of it.
    Pass,
    /// This instead, and why.
    Instead { text: String, why: String },
    /// Nothing; this says so.
    Withheld(String),
}

/// What comes of the user's words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    /// fakd has them.
    Told,
    /// fakd does not; they go on all the same, and values in them steer nothing.
    Warn(String),
    /// fakd does not, and so they stay here.
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
    /// Nothing to object, or an answer that stands alone.
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

/// A moment as a harness describes it.
#[derive(Clone, Debug)]
enum Moment {
    Before(HookCall),
    After(HookResult),
    Words(TellRequest),
}

/// A call as a harness describes it.
#[derive(Clone, Debug)]
struct HookCall {
    request: AdjudicateRequest,
    /// The harness's name for the moment, where its answer depends on it.
    event: String,
}

/// A result as a harness describes it.
#[derive(Clone, Debug)]
struct HookResult {
    request: AdmitRequest,
    event: String,
    /// The result as the harness spelled it, in JSON.
    spelled: String,
}

/// How one harness speaks: its event to a moment, and an answer for each kind of moment.
struct Protocol {
    /// The moments after a tool.
    after_events: &'static [&'static str],
    parse: fn(&str, &Place) -> Result<Moment, Failure>,
    /// Event, ruling, `--approve`.
    before: fn(&str, Ruling, bool) -> Reply,
    after: fn(&HookResult, &Screened) -> Reply,
    words: fn(Heard) -> Reply,
}

static CLAUDE_CODE: Protocol = Protocol {
    after_events: &["PostToolUse", "PostToolUseFailure"],
    parse: claude_code::parse,
    before: |_, ruling, approve| claude_code::before(ruling, approve),
    after: claude_code::after,
    words: claude_code::words,
};
static CODEX: Protocol = Protocol {
    after_events: &["PostToolUse"],
    parse: codex::parse,
    before: |_, ruling, _| codex::before(ruling),
    after: |_, screened| codex::after(screened),
    words: claude_code::words,
};
static GEMINI: Protocol = Protocol {
    after_events: &["AfterTool"],
    parse: gemini::parse,
    before: |_, ruling, _| gemini::before(ruling),
    after: |_, screened| gemini::after(screened),
    words: gemini::words,
};
static CURSOR: Protocol = Protocol {
    after_events: &["postToolUse"],
    parse: cursor::parse,
    before: |event, ruling, _| cursor::before(event, ruling),
    after: cursor::after,
    words: cursor::words,
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
    let text = event_text();
    let moment = text
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|text| (protocol.parse)(text, &Place::own()));
    let reply = match moment {
        Err(failure) => unread(
            protocol,
            text.as_deref().unwrap_or_default(),
            &failure,
            flags,
        ),
        Ok(Moment::Before(call)) => {
            let ruling = judged(daemon, call.request, flags);
            (protocol.before)(&call.event, ruling, flags.approve)
        }
        Ok(Moment::After(mut result)) => {
            let request = std::mem::take(&mut result.request);
            let tool = request.tool.clone();
            let screened = admitted(daemon, request);
            result.request.tool = tool;
            (protocol.after)(&result, &screened)
        }
        Ok(Moment::Words(request)) => (protocol.words)(heard(daemon, request, flags.on_error)),
    };
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

/// An event that cannot be read: a refusal in the form of its moment, as far as that can be told.
fn unread(protocol: &Protocol, text: &str, failure: &Failure, flags: &HookFlags) -> Reply {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        hook_event_name: String,
    }
    let event = serde_json::from_str(text)
        .map_or_else(|_| String::new(), |named: Named| named.hook_event_name);
    if !protocol.after_events.contains(&event.as_str()) {
        return (protocol.before)("", unanswered(failure, flags.on_error), flags.approve);
    }
    let unknown = HookResult {
        request: AdmitRequest::default(),
        event,
        spelled: String::new(),
    };
    let text = told(
        "fakd cannot read this result, so nothing of it may be believed",
        failure,
    );
    (protocol.after)(&unknown, &Screened::Withheld(text))
}

fn event_text() -> Result<String, Failure> {
    question::bounded(std::io::stdin().lock(), "standard input", EVENT_BYTES_MAX)
}

/// What fakd says of a call.
fn judged(daemon: &Daemon, request: AdjudicateRequest, flags: &HookFlags) -> Ruling {
    match daemon.call(async |mut client| client.adjudicate(request).await) {
        Ok(response) => ruling(response, flags),
        Err(failure) => unanswered(&failure, flags.on_error),
    }
}

/// What fakd says of a result. There is nobody to ask once a tool has run: without an answer it is kept back.
fn admitted(daemon: &Daemon, request: AdmitRequest) -> Screened {
    match daemon.call(async |mut client| client.admit(request).await) {
        Ok(answer) => screened(answer),
        Err(failure) => Screened::Withheld(told(
            "fakd did not screen this result, so nothing of it may be read",
            &failure,
        )),
    }
}

fn screened(answer: AdmitResponse) -> Screened {
    let verdict = answer::verdict_or_denial(answer.verdict.as_ref());
    let why = answer::sentence(&verdict);
    let text = String::from_utf8(answer.result).ok();
    match (VerdictKind::parse(&verdict.kind), text) {
        (Some(VerdictKind::Allow), _) => Screened::Pass,
        (Some(VerdictKind::Transform), Some(text)) => Screened::Instead { text, why },
        // The stub names what was kept, for whoever may clear it.
        (Some(VerdictKind::Quarantine), Some(stub)) if !stub.is_empty() => {
            Screened::Withheld(format!("{why} {stub}"))
        }
        _ => Screened::Withheld(format!("{why} Nothing of this result may be read.")),
    }
}

/// What is said of words that go on all the same.
const UNHEARD: &str = "fakd did not hear these words, so nothing in them may steer a call";

/// Tells fakd the user's words.
fn heard(daemon: &Daemon, request: TellRequest, on_error: OnError) -> Heard {
    if request.words.trim().is_empty() {
        return Heard::Told;
    }
    // A session remembers only so many words. More of them would steer more; going without refuses more.
    let mut is_full = false;
    let told_fakd = daemon.call_or(
        async |mut client| client.tell(request).await,
        |status| {
            is_full = status.code() == tonic::Code::ResourceExhausted;
            is_full.then(|| Failure::new(Exit::TryAgain, out::plain(status.message())))
        },
    );
    match told_fakd {
        Ok(_) => Heard::Told,
        Err(failure) => match on_error {
            OnError::Deny if is_full => Heard::Warn(told(UNHEARD, &failure)),
            OnError::Deny => Heard::Refuse(told(
                "fakd did not hear these words, so they are not sent",
                &failure,
            )),
            OnError::Ask => Heard::Warn(told(UNHEARD, &failure)),
        },
    }
}

/// What a verdict means for a harness.
fn ruling(response: AdjudicateResponse, flags: &HookFlags) -> Ruling {
    let verdict = answer::verdict_of(&response);
    match VerdictKind::parse(&verdict.kind) {
        Some(VerdictKind::Allow) => Ruling::Admit,
        Some(VerdictKind::RequireWitness) => {
            let text = waits(&answer::sentence(&verdict), &response.approval_id);
            match flags.on_witness {
                OnWitness::Ask => Ruling::Ask(text),
                OnWitness::Refuse => Ruling::Refuse(text),
            }
        }
        Some(VerdictKind::Transform) if flags.rewrite => {
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

/// A call that needs a witness: which approval, and how somebody else gives it.
fn waits(sentence: &str, approval_id: &str) -> String {
    if approval_id.is_empty() {
        return sentence.to_owned();
    }
    format!(
        "{sentence} Approval {} waits for somebody else: `{}`. Once it is given, ask for the same call again.",
        out::plain(approval_id),
        answer::how_to_approve(approval_id)
    )
}

/// No verdict: a refusal, or the harness's own question where the operator wished for that.
fn unanswered(failure: &Failure, on_error: OnError) -> Ruling {
    let text = told("fakd gave no verdict, so the call does not run", failure);
    match on_error {
        OnError::Deny => Ruling::Refuse(text),
        OnError::Ask => Ruling::Ask(text),
    }
}

/// What follows from a failure, why, and what to do about it.
fn told(what: &str, failure: &Failure) -> String {
    let mut text = format!("{what}: {}.", failure.message.trim_end_matches('.'));
    if !failure.fix.is_empty() {
        text.push_str(" Fix: ");
        text.push_str(&failure.fix);
        text.push('.');
    }
    text
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
    #[serde(borrow, default)]
    tool_response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    tool_use_id: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
}

/// A harness's names for its moments.
struct Names {
    before: &'static str,
    after: &'static str,
    /// After a tool that failed, where that is a moment of its own.
    failed: Option<&'static str>,
    words: &'static str,
    settings: &'static str,
}

/// Reads the shared form.
fn tool_event(text: &str, place: &Place, names: &Names) -> Result<Moment, Failure> {
    let read: ToolEvent<'_> = decode(text)?;
    let event = read.hook_event_name.as_str();
    if event == names.before {
        return read.before(place).map(Moment::Before);
    }
    if event == names.after {
        let response = read.tool_response;
        let response = response.ok_or_else(|| Failure::data("the event has no `tool_response`"))?;
        return read.after(response, "").map(Moment::After);
    }
    if Some(event) == names.failed {
        let error = read.error;
        let error = error.ok_or_else(|| Failure::data("the event has no `error`"))?;
        return read.after(error, "FAIL").map(Moment::After);
    }
    if event == names.words {
        let words = read.prompt;
        return Ok(Moment::Words(TellRequest {
            trace_id: read.session_id.unwrap_or_default(),
            words: words.ok_or_else(|| Failure::data("the event has no `prompt`"))?,
            scope: None,
        }));
    }
    let Names {
        before,
        after,
        words,
        settings,
        ..
    } = names;
    Err(Failure::data(format!(
        "this hook answers {before}, {after} and {words} events only"
    ))
    .fix(format!("wire it under one of them in {settings}")))
}

impl ToolEvent<'_> {
    fn before(self, place: &Place) -> Result<HookCall, Failure> {
        let args = self
            .tool_input
            .ok_or_else(|| Failure::data("the event has no `tool_input`"))?;
        if self.tool_name.is_empty() {
            return Err(Failure::data("the event has no `tool_name`"));
        }
        Ok(HookCall {
            request: AdjudicateRequest {
                witness: String::new(),
                tool: self.tool_name,
                args: args.get().as_bytes().to_vec(),
                trace_id: self.session_id.unwrap_or_default(),
                cwd: self
                    .cwd
                    .filter(|cwd| cwd.starts_with('/'))
                    .unwrap_or_else(|| place.cwd.clone()),
                home: place.home.clone(),
                call_id: self.tool_use_id.unwrap_or_default(),
            },
            event: self.hook_event_name,
        })
    }

    fn after(self, response: &RawValue, outcome: &str) -> Result<HookResult, Failure> {
        if self.tool_name.is_empty() {
            return Err(Failure::data("the event has no `tool_name`"));
        }
        let args = self.tool_input.map_or("", RawValue::get);
        Ok(HookResult {
            request: AdmitRequest {
                tool: self.tool_name,
                result: answered(response.get()).into_bytes(),
                trace_id: self.session_id.unwrap_or_default(),
                call_id: self.tool_use_id.unwrap_or_default(),
                call_seq: 0,
                outcome: outcome.to_owned(),
                args: args.as_bytes().to_vec(),
            },
            event: self.hook_event_name,
            spelled: response.get().to_owned(),
        })
    }
}

/// What the tool answered: the text where it is one, else its JSON byte for byte.
fn answered(spelled: &str) -> String {
    serde_json::from_str::<String>(spelled).unwrap_or_else(|_| spelled.to_owned())
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
