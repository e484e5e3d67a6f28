//! Any other harness: one strict object in, fakctl's own JSON out, the exit codes of `adjudicate` and `admit`.

use fak_proto::v1::{AdmitRequest, TellRequest};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Moment, answered, event_text};
use crate::{
    answer::{Answer, exit_of, verdict_or_denial},
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{HookFlags, OnError},
    out::{self, ErrorObject},
    question::{self, Place},
    results::{self, AdmitObject},
};

/// Reads one object, asks, prints the answer or one error object.
pub(super) fn run(daemon: &Daemon, flags: &HookFlags) -> Outcome {
    let asked = event_text()
        .and_then(|text| parse(&text))
        .and_then(|moment| ask(daemon, moment, flags));
    asked.or_else(|failure| {
        out::write(&out::stamped(&ErrorObject::of(&failure))?)?;
        out::complain(&format!("fakctl: {failure}"));
        Ok(match flags.on_error {
            OnError::Deny => failure.exit,
            OnError::Ask => Exit::Approval,
        })
    })
}

/// Which moment it is: a result has `result`, the user's words have `words`, everything else is a call.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    words: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultLine<'a> {
    tool: String,
    /// The tool's answer: a text, or its JSON.
    #[serde(borrow)]
    result: &'a RawValue,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(default)]
    trace_id: String,
    #[serde(default)]
    call_id: String,
    #[serde(default)]
    call_seq: u64,
    #[serde(default)]
    outcome: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordsLine {
    words: String,
    trace_id: String,
}

fn parse(text: &str) -> Result<Moment, Failure> {
    let kind = serde_json::from_str::<Kind<'_>>(text);
    match kind {
        Ok(Kind {
            result: Some(_), ..
        }) => {
            let line: ResultLine<'_> = strict(
                text,
                "a result is {\"tool\":\"Bash\",\"result\":..} with optional args, trace_id, call_id, call_seq, outcome",
            )?;
            Ok(Moment::After(super::HookResult {
                request: AdmitRequest {
                    tool: line.tool,
                    result: answered(line.result.get()).into_bytes(),
                    trace_id: line.trace_id,
                    call_id: line.call_id,
                    call_seq: line.call_seq,
                    outcome: line.outcome,
                    args: line.args.map_or("", RawValue::get).as_bytes().to_vec(),
                },
                event: String::new(),
                spelled: line.result.get().to_owned(),
            }))
        }
        Ok(Kind { words: Some(_), .. }) => {
            let line: WordsLine = strict(
                text,
                "the user's words are {\"words\":\"..\",\"trace_id\":\"..\"}",
            )?;
            Ok(Moment::Words(TellRequest {
                trace_id: line.trace_id,
                words: line.words,
                scope: None,
            }))
        }
        _ => question::parse_line(text, &Place::own()).map(|request| {
            Moment::Before(super::HookCall {
                request,
                event: String::new(),
            })
        }),
    }
}

fn strict<'a, T: Deserialize<'a>>(text: &'a str, fix: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::data(format!(
            "not an event: {}",
            question::without_values(&error)
        ))
        .fix(fix)
    })
}

fn ask(daemon: &Daemon, moment: Moment, flags: &HookFlags) -> Outcome {
    match moment {
        Moment::Before(call) => {
            let response = daemon.call(async |mut client| client.adjudicate(call.request).await)?;
            let answer = Answer::of(response);
            out::write(&out::stamped(&answer.object())?)?;
            Ok(exit_of(&answer.verdict, flags.rewrite))
        }
        Moment::After(result) => {
            let answer = daemon.call(async |mut client| client.admit(result.request).await)?;
            let verdict = verdict_or_denial(answer.verdict.as_ref());
            out::write(&out::stamped(&AdmitObject::of(&answer, &verdict))?)?;
            Ok(results::exit_of(&verdict))
        }
        Moment::Words(request) => {
            #[derive(Serialize)]
            struct Told<'a> {
                trace_id: &'a str,
                seq: u64,
            }
            let answer = daemon.call(async |mut client| client.tell(request).await)?;
            out::write(&out::stamped(&Told {
                trace_id: &answer.trace_id,
                seq: answer.seq,
            })?)?;
            Ok(Exit::Ok)
        }
    }
}
