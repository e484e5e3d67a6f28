//! `admit`, `page-in`, `clear`: what a model may read of what a tool answered.
//!
//! Standard output carries what may be read and nothing else, so that it can stand in a pipe where the
//! result stood; what is to be said about it goes to standard error.

use std::{
    fs::File,
    io::{self, Read},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fak_proto::v1::{
    AdmitRequest, AdmitResponse, ClearRequest, Finding, ForgetRequest, PageInRequest, Verdict,
};
use fak_types::VerdictKind;
use serde::Serialize;

use crate::{
    answer::{VerdictObject, is_zero, verdict_or_denial},
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{AdmitFlags, PageInFlags},
    out::{self, Out, plain},
    question,
};

/// Longest result read. LIMIT: fakd's own bound on a message.
const RESULT_BYTES_MAX: u64 = fak_proto::FRAME_BYTES_MAX as u64;

/// Asks what of a result may be read.
pub(crate) fn admit(out: &Out, daemon: &Daemon, flags: AdmitFlags) -> Outcome {
    let result = read(&flags.result)?;
    let request = AdmitRequest {
        tool: flags.tool,
        result,
        trace_id: flags.trace.unwrap_or_default(),
        call_id: flags.call_id.unwrap_or_default(),
        call_seq: flags.call_seq,
        outcome: flags
            .outcome
            .map_or("", |outcome| outcome.as_str())
            .to_owned(),
        args: question::args_text(flags.args.as_deref())?.into_bytes(),
    };
    let answer = daemon.call(async |mut client| client.admit(request).await)?;
    let verdict = verdict_or_denial(answer.verdict.as_ref());
    if out.json {
        out.object(&AdmitObject::of(&answer, &verdict))?;
    } else {
        show(out, &verdict, &answer.seal, &answer.result)?;
    }
    Ok(exit_of(&verdict))
}

/// Asks for bytes that were kept.
pub(crate) fn page_in(out: &Out, daemon: &Daemon, flags: &PageInFlags) -> Outcome {
    let request = PageInRequest {
        seal: flags.seal.clone(),
        offset: flags.offset,
        limit: flags.limit,
    };
    let answer = daemon.call(async |mut client| client.page_in(request).await)?;
    let verdict = verdict_or_denial(answer.verdict.as_ref());
    if out.json {
        #[derive(Serialize)]
        struct Page<'a> {
            verdict: VerdictObject<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            result_base64: Option<String>,
            offset: u64,
            total: u64,
            #[serde(skip_serializing_if = "is_zero")]
            seq: u64,
        }
        out.object(&Page {
            verdict: VerdictObject::of(&verdict),
            result: std::str::from_utf8(&answer.result).ok(),
            result_base64: base64_unless_text(&answer.result),
            offset: flags.offset,
            total: answer.total,
            seq: answer.seq,
        })?;
        return Ok(exit_of(&verdict));
    }
    show(out, &verdict, &flags.seal, &answer.result)?;
    Ok(exit_of(&verdict))
}

/// Says, as a witness, that sealed bytes may be screened anew.
pub(crate) fn clear(out: &Out, daemon: &Daemon, seal: &str, reason: String) -> Outcome {
    let request = ClearRequest {
        seal: seal.to_owned(),
        reason,
    };
    let answer = daemon.call(async |mut client| client.clear(request).await)?;
    let then = "`fakctl page-in` screens it anew and shows it if it passes";
    let said = format!("cleared by row #{}: {then}", answer.seq);
    done(out, seal, answer.seq, &said)
}

/// Removes kept bytes for good.
pub(crate) fn forget(out: &Out, daemon: &Daemon, seal: &str, reason: String) -> Outcome {
    let request = ForgetRequest {
        seal: seal.to_owned(),
        reason,
    };
    let answer = daemon.call(async |mut client| client.forget(request).await)?;
    let said = format!("removed; row #{} says so", answer.seq);
    done(out, seal, answer.seq, &said)
}

/// What was done with a seal, and where it stands.
fn done(out: &Out, seal: &str, seq: u64, said: &str) -> Outcome {
    if out.json {
        #[derive(Serialize)]
        struct Done<'a> {
            seal: &'a str,
            seq: u64,
        }
        out.object(&Done { seal, seq })?;
    } else {
        out.text(&format!("{said}\n"))?;
    }
    Ok(Exit::Ok)
}

/// An admission in JSON.
#[derive(Serialize)]
pub(crate) struct AdmitObject<'a> {
    verdict: VerdictObject<'a>,
    /// What may be read, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    /// The same where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    seal: &'a str,
    durability: &'a str,
    taint: &'a str,
    media: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    call_id: &'a str,
    findings: Vec<FindingObject<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    seq: u64,
}

impl<'a> AdmitObject<'a> {
    pub(crate) fn of(answer: &'a AdmitResponse, verdict: &'a Verdict) -> Self {
        Self {
            verdict: VerdictObject::of(verdict),
            result: std::str::from_utf8(&answer.result).ok(),
            result_base64: base64_unless_text(&answer.result),
            seal: &answer.seal,
            durability: &answer.durability,
            taint: &answer.taint,
            media: &answer.media,
            trace_id: &answer.trace_id,
            call_id: &answer.call_id,
            findings: answer.findings.iter().map(FindingObject::of).collect(),
            seq: answer.seq,
        }
    }
}

#[derive(Serialize)]
struct FindingObject<'a> {
    screen: &'a str,
    rule: &'a str,
    reason: &'a str,
    start: u64,
    end: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    layer: &'a str,
}

impl<'a> FindingObject<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            screen: &finding.screen,
            rule: &finding.rule,
            reason: &finding.reason,
            start: finding.start,
            end: finding.end,
            layer: &finding.layer,
        }
    }
}

fn show(out: &Out, verdict: &Verdict, seal: &str, result: &[u8]) -> Result<(), Failure> {
    if !out.quiet {
        out::write(result)?;
    }
    if verdict.kind == VerdictKind::Allow.as_str() {
        return Ok(());
    }
    let mut line = format!("fakctl: {}", plain(&verdict.kind));
    if verdict.reason != "NONE" {
        line.push_str(&format!(" {}", plain(&verdict.reason)));
    }
    line.push_str(&format!(" by {}", plain(&verdict.by)));
    if !verdict.detail.is_empty() {
        line.push_str(&format!(": {}", plain(&verdict.detail)));
    }
    if !seal.is_empty() {
        line.push_str(&format!("; kept as {}", plain(seal)));
    }
    out::complain(&line);
    Ok(())
}

/// A result that was changed is still one that may be read.
pub(crate) fn exit_of(verdict: &Verdict) -> Exit {
    match VerdictKind::parse(&verdict.kind) {
        Some(VerdictKind::Allow | VerdictKind::Transform) => Exit::Ok,
        Some(VerdictKind::RequireWitness) => Exit::Approval,
        _ => Exit::Deny,
    }
}

/// Bytes that are no text, for a member that can only hold text.
pub(crate) fn base64_unless_text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes)
        .is_err()
        .then(|| STANDARD.encode(bytes))
}

/// A file's bytes, or standard input's for `-`.
pub(crate) fn read(name: &str) -> Result<Vec<u8>, Failure> {
    let taken = if name == "-" {
        all(io::stdin().lock())
    } else {
        File::open(name).and_then(all)
    };
    let bytes = taken.map_err(|error| Failure::reading(name, &error))?;
    if bytes.len() as u64 > RESULT_BYTES_MAX {
        let text = format!("{name}: is longer than {RESULT_BYTES_MAX} bytes");
        return Err(Failure::data(text)
            .fix("cut the result before it is admitted; fakd takes no longer message"));
    }
    Ok(bytes)
}

fn all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(RESULT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
