//! `emergency`: breaking the glass, mending it, and looking at it.

use std::fmt::Write as _;

use fak_proto::v1::{self, EmergencyDisableRequest, EmergencyEnableRequest};
use serde::Serialize;

use crate::{
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::EmergencyVerb,
    operate::{age, span},
    out::{Out, Tint, plain},
    status::fetch_status,
};

/// Breaks the glass, mends it, or says whether it is broken.
pub(crate) fn emergency(out: &Out, daemon: &Daemon, verb: Option<EmergencyVerb>) -> Outcome {
    match verb {
        None => look(out, daemon),
        Some(EmergencyVerb::Disable { reason, lasts }) => {
            let seconds = u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX);
            disable(out, daemon, EmergencyDisableRequest { reason, seconds })
        }
        Some(EmergencyVerb::Enable { reason }) => {
            enable(out, daemon, EmergencyEnableRequest { reason })
        }
    }
}

/// An emergency in JSON.
#[derive(Serialize)]
pub(crate) struct EmergencyObject<'a> {
    reason: &'a str,
    who: &'a str,
    begun_us: u64,
    until_us: u64,
    uses: u64,
}

impl<'a> EmergencyObject<'a> {
    pub(crate) fn of(emergency: &'a v1::Emergency) -> Self {
        Self {
            reason: &emergency.reason,
            who: &emergency.who,
            begun_us: emergency.begun_us,
            until_us: emergency.until_us,
            uses: emergency.uses,
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    /// Nothing: no emergency holds.
    emergency: Option<EmergencyObject<'a>>,
    /// The row that began or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// The lines that nobody may overlook.
pub(crate) fn banner(out: &Out, emergency: &v1::Emergency) -> String {
    let mut text = String::new();
    let left = left_of(emergency);
    let loud = format!("EMERGENCY: refusals are admitted for another {left}");
    let _ = writeln!(text, "{}", out.paint(Tint::Bad, &loud));
    let _ = writeln!(
        text,
        "  begun {} by {}: {}",
        age(emergency.begun_us / 1000),
        plain(&emergency.who),
        plain(&emergency.reason),
    );
    let _ = writeln!(
        text,
        "  {} refused calls were admitted; `fakctl emergency enable --reason TEXT` ends it",
        emergency.uses
    );
    text
}

fn left_of(emergency: &v1::Emergency) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let until = std::time::Duration::from_micros(emergency.until_us);
    span(until.saturating_sub(now))
}

fn look(out: &Out, daemon: &Daemon) -> Outcome {
    let status = fetch_status(daemon)?;
    let emergency = status.emergency.as_ref();
    if out.json {
        out.object(&Answer {
            emergency: emergency.map(EmergencyObject::of),
            seq: None,
        })?;
    } else {
        out.text(&emergency.map_or_else(
            || "no emergency: refusals are refused\n".to_owned(),
            |emergency| banner(out, emergency),
        ))?;
    }
    Ok(Exit::Ok)
}

fn disable(out: &Out, daemon: &Daemon, request: EmergencyDisableRequest) -> Outcome {
    let answer = daemon.call(async |mut client| client.emergency_disable(request).await)?;
    let emergency = answer.emergency.as_ref();
    if out.json {
        out.object(&Answer {
            emergency: emergency.map(EmergencyObject::of),
            seq: Some(answer.seq),
        })?;
    } else {
        // One that lasts a second may be over already.
        let told = emergency.map_or_else(
            || "the emergency is over already\n".to_owned(),
            |emergency| banner(out, emergency),
        );
        out.text(&told)?;
    }
    Ok(Exit::Ok)
}

fn enable(out: &Out, daemon: &Daemon, request: EmergencyEnableRequest) -> Outcome {
    let answer = daemon.call_or(
        async |mut client| client.emergency_enable(request).await,
        |status| {
            (status.code() == tonic::Code::FailedPrecondition)
                .then(|| Failure::new(Exit::No, status.message()))
        },
    )?;
    if out.json {
        #[derive(Serialize)]
        struct Ended<'a> {
            ended: Option<EmergencyObject<'a>>,
            seq: u64,
        }
        out.object(&Ended {
            ended: answer.ended.as_ref().map(EmergencyObject::of),
            seq: answer.seq,
        })?;
    } else {
        let uses = answer.ended.map_or(0, |ended| ended.uses);
        out.text(&format!(
            "the emergency is over: refusals are refused again; {uses} refused calls were admitted\n"
        ))?;
    }
    Ok(Exit::Ok)
}
