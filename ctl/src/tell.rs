//! `tell`, `taint`: what the user said, and how far a session may be trusted.

use fak_proto::v1::{Scope, ScopeTool, Taint, TaintGetRequest, TaintResetRequest, TellRequest};
use serde::Serialize;

use crate::{
    answer::is_zero,
    client::Daemon,
    exit::{Exit, Outcome},
    flags::{TaintVerb, TellFlags},
    out::{self, Out},
    question,
};

/// Tells fakd what the user said and what the session is for.
pub(crate) fn tell(out: &Out, daemon: &Daemon, flags: TellFlags) -> Outcome {
    let words = match flags.words {
        Some(words) if words == "-" => question::stdin_text()?,
        Some(words) => words,
        None => String::new(),
    };
    let tools: Vec<_> = flags
        .scope
        .into_iter()
        .map(|scope| ScopeTool {
            name: scope.tool,
            count_max: scope.calls_max,
        })
        .collect();
    let request = TellRequest {
        trace_id: flags.trace,
        words,
        scope: (!tools.is_empty()).then_some(Scope { tools }),
    };
    let answer = daemon.call(async |mut client| client.tell(request).await)?;
    let taint = answer.taint.unwrap_or_default();
    if out.json {
        #[derive(Serialize)]
        struct Told<'a> {
            trace_id: &'a str,
            #[serde(skip_serializing_if = "is_zero")]
            seq: u64,
            taint: TaintObject<'a>,
        }
        out.object(&Told {
            trace_id: &answer.trace_id,
            seq: answer.seq,
            taint: TaintObject::of(&taint),
        })?;
    } else {
        out.text(&text(out, &taint))?;
    }
    Ok(Exit::Ok)
}

/// Looks at what is remembered of a session's values, or has it forgotten.
pub(crate) fn taint(out: &Out, daemon: &Daemon, verb: TaintVerb) -> Outcome {
    let taint = match verb {
        TaintVerb::Get { trace, principal } => {
            let request = TaintGetRequest {
                trace_id: trace,
                principal: principal.unwrap_or_default(),
            };
            daemon.call(async |mut client| client.taint_get(request).await)?
        }
        TaintVerb::Reset {
            trace,
            principal,
            reason,
        } => {
            let request = TaintResetRequest {
                trace_id: trace,
                principal: principal.unwrap_or_default(),
                reason,
            };
            daemon.call(async |mut client| client.taint_reset(request).await)?
        }
    };
    if out.json {
        #[derive(Serialize)]
        struct One<'a> {
            taint: TaintObject<'a>,
        }
        out.object(&One {
            taint: TaintObject::of(&taint),
        })?;
    } else {
        out.text(&text(out, &taint))?;
    }
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct TaintObject<'a> {
    trace_id: &'a str,
    principal: &'a str,
    taint: &'a str,
    results: u64,
    sealed: u64,
    values: u64,
    value_bytes: u64,
    full: bool,
    scoped: bool,
}

impl<'a> TaintObject<'a> {
    fn of(taint: &'a Taint) -> Self {
        Self {
            trace_id: &taint.trace_id,
            principal: &taint.principal,
            taint: &taint.taint,
            results: taint.results,
            sealed: taint.sealed,
            values: taint.values,
            value_bytes: taint.value_bytes,
            full: taint.full,
            scoped: taint.scoped,
        }
    }
}

fn text(out: &Out, taint: &Taint) -> String {
    let said = |is: bool, words: &str| if is { words.to_owned() } else { String::new() };
    out::fields(
        out,
        &[
            ("trace", taint.trace_id.clone()),
            ("principal", taint.principal.clone()),
            ("taint", taint.taint.clone()),
            (
                "results",
                format!("{} read, {} sealed", taint.results, taint.sealed),
            ),
            (
                "remembered",
                format!("{} values, {} bytes", taint.values, taint.value_bytes),
            ),
            (
                "full",
                said(taint.full, "what is not known counts as a stranger's"),
            ),
            ("scope", said(taint.scoped, "held to a list of tools")),
        ],
    )
}
