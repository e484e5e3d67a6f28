//! An answer: its exit code, its line for people, its object for programs. The daemon's answers and the
//! ones judged in this process have the same form.

use std::fmt::Write as _;

use fak_kernel::BY_EMERGENCY;
use fak_proto::v1::{AdjudicateResponse, Cached, ExplainResponse, Verdict};
use fak_types::VerdictKind;
use serde::Serialize;

use crate::{
    exit::Exit,
    out::{Out, Tint, plain},
    results::base64_unless_text,
};

/// How the process ends after this verdict. Only what may run as it was asked ends with 0: an edited call
/// does so only for a caller who said that it takes the edited arguments; a kind this build does not know
/// is a denial.
pub(crate) fn exit_of(verdict: &Verdict, rewrite: bool) -> Exit {
    match VerdictKind::parse(&verdict.kind) {
        Some(VerdictKind::Allow) => Exit::Ok,
        Some(VerdictKind::Transform) if rewrite => Exit::Ok,
        Some(VerdictKind::RequireWitness) => Exit::Approval,
        _ => Exit::Deny,
    }
}

/// The verdict of an answer; an answer without one is a denial.
pub(crate) fn verdict_of(answer: &AdjudicateResponse) -> Verdict {
    verdict_or_denial(answer.verdict.as_ref())
}

/// What was said, or a denial where nothing was.
pub(crate) fn verdict_or_denial(verdict: Option<&Verdict>) -> Verdict {
    verdict.cloned().unwrap_or_else(|| Verdict {
        kind: VerdictKind::Deny.as_str().into(),
        by: "no-verdict".into(),
        ..Verdict::default()
    })
}

/// A verdict in JSON; absent members are empty.
#[derive(Serialize)]
pub(crate) struct VerdictObject<'a> {
    kind: &'a str,
    reason: &'a str,
    by: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    disposition: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    retry_after_ms: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    would_deny: &'a str,
}

pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl<'a> VerdictObject<'a> {
    pub(crate) fn of(verdict: &'a Verdict) -> Self {
        Self {
            kind: &verdict.kind,
            reason: &verdict.reason,
            by: &verdict.by,
            disposition: &verdict.disposition,
            detail: &verdict.detail,
            hint: &verdict.hint,
            retry_after_ms: verdict.retry_after_ms,
            would_deny: &verdict.would_deny,
        }
    }
}

/// A whole answer in JSON.
#[derive(Serialize)]
pub(crate) struct AnswerObject<'a> {
    verdict: VerdictObject<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    call_id: &'a str,
    /// A string, because its bytes matter and JSON tools change the bytes of objects.
    #[serde(skip_serializing_if = "str::is_empty")]
    repaired_args: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "is_zero")]
    seq: u64,
    #[serde(skip_serializing_if = "is_zero")]
    generation: u64,
    /// What somebody else must decide.
    #[serde(skip_serializing_if = "str::is_empty")]
    approval_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached: Option<CachedObject<'a>>,
    /// Judged in this process; no daemon, no journal row.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    offline: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<ExplanationObject<'a>>,
}

/// An answer that was kept.
#[derive(Serialize)]
struct CachedObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
    taint: &'a str,
    kept_seq: u64,
    seq: u64,
}

impl<'a> CachedObject<'a> {
    fn of(cached: &'a Cached) -> Self {
        Self {
            result: std::str::from_utf8(&cached.result).ok(),
            result_base64: base64_unless_text(&cached.result),
            taint: &cached.taint,
            kept_seq: cached.kept_seq,
            seq: cached.seq,
        }
    }
}

#[derive(Serialize)]
struct ExplanationObject<'a> {
    profile: &'a str,
    policy_digest: &'a str,
    rungs: Vec<RungObject<'a>>,
}

#[derive(Serialize)]
struct RungObject<'a> {
    name: &'a str,
    winner: bool,
    verdict: Option<VerdictObject<'a>>,
}

/// Everything there is to say about one question.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) response: AdjudicateResponse,
    pub(crate) verdict: Verdict,
    pub(crate) explanation: Option<ExplainResponse>,
    pub(crate) offline: bool,
}

impl Answer {
    pub(crate) fn of(response: AdjudicateResponse) -> Self {
        Self {
            verdict: verdict_of(&response),
            response,
            explanation: None,
            offline: false,
        }
    }

    /// The object for programs.
    pub(crate) fn object(&self) -> AnswerObject<'_> {
        AnswerObject {
            verdict: VerdictObject::of(&self.verdict),
            trace_id: &self.response.trace_id,
            call_id: &self.response.call_id,
            repaired_args: String::from_utf8_lossy(&self.response.repaired_args),
            seq: self.response.seq,
            generation: self.response.generation,
            approval_id: &self.response.approval_id,
            cached: self.response.cached.as_ref().map(CachedObject::of),
            offline: self.offline,
            explanation: self
                .explanation
                .as_ref()
                .map(|explanation| ExplanationObject {
                    profile: &explanation.profile,
                    policy_digest: &explanation.policy_digest,
                    rungs: explanation
                        .rungs
                        .iter()
                        .map(|rung| RungObject {
                            name: &rung.name,
                            winner: rung.winner,
                            verdict: rung.verdict.as_ref().map(VerdictObject::of),
                        })
                        .collect(),
                }),
        }
    }

    /// The lines for people.
    pub(crate) fn text(&self, out: &Out, rewrite: bool) -> String {
        let mut text = headline(out, &self.verdict);
        text.push('\n');
        let verdict = &self.verdict;
        let mut line = |label: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(
                    text,
                    "  {} {}",
                    out.paint(Tint::Dim, &format!("{label:<8}")),
                    plain(value)
                );
            }
        };
        line("why", &verdict.detail);
        line("instead", &verdict.hint);
        line("then", advice(verdict, rewrite).as_str());
        let id = &self.response.approval_id;
        if !id.is_empty() {
            line("approval", id);
            line("decide", &how_to_approve(id));
        }
        if let Some(cached) = &self.response.cached {
            let said = format!(
                "row #{} has the answer, {} bytes, {}: it need not run (--cached FILE, --json)",
                cached.kept_seq,
                cached.result.len(),
                cached.taint
            );
            line("cached", &said);
        }
        if verdict.by == BY_EMERGENCY && !verdict.would_deny.is_empty() {
            let said = format!(
                "an emergency admits what was refused: {}",
                verdict.would_deny
            );
            line("beware", &said);
        } else if !verdict.would_deny.is_empty() {
            line(
                "observe",
                &format!("a closed posture would refuse this: {}", verdict.would_deny),
            );
        }
        if let Some(explanation) = &self.explanation {
            text.push_str(&rungs(out, explanation));
        }
        text
    }
}

/// `DENY POLICY_BLOCK by arg_rules/git-force-push`.
pub(crate) fn headline(out: &Out, verdict: &Verdict) -> String {
    let kind = plain(&verdict.kind);
    let mut text = out.paint(tint_of(verdict), &kind).into_owned();
    if !verdict.reason.is_empty() && verdict.reason != "NONE" {
        let _ = write!(text, " {}", plain(&verdict.reason));
    }
    let _ = write!(text, " by {}", plain(&verdict.by));
    text
}

pub(crate) fn tint_of(verdict: &Verdict) -> Tint {
    match VerdictKind::parse(&verdict.kind) {
        Some(VerdictKind::Allow) => Tint::Good,
        Some(VerdictKind::Transform | VerdictKind::RequireWitness) => Tint::Warn,
        _ => Tint::Bad,
    }
}

/// What the caller should do next, in words.
fn advice(verdict: &Verdict, rewrite: bool) -> String {
    if verdict.retry_after_ms > 0 {
        return format!(
            "WAIT: the same call may pass in {} ms",
            verdict.retry_after_ms
        );
    }
    match (
        VerdictKind::parse(&verdict.kind),
        verdict.disposition.as_str(),
    ) {
        (Some(VerdictKind::Transform), _) if !rewrite => {
            "it may run only with edited arguments: ask with --rewrite and run what it prints"
                .into()
        }
        (_, "RETRYABLE") => "RETRYABLE: correct the call and ask again".into(),
        (_, "WAIT") => "WAIT: ask the same again later".into(),
        (_, "ESCALATE") => "ESCALATE: a person has to decide".into(),
        (_, "TERMINAL") => "TERMINAL: do not ask the same again".into(),
        (_, other) => other.to_owned(),
    }
}

/// Every rung in the order it ran, the deciding one marked.
fn rungs(out: &Out, explanation: &ExplainResponse) -> String {
    let mut rows = Vec::new();
    for rung in &explanation.rungs {
        let verdict = rung.verdict.clone().unwrap_or_default();
        let tint = if rung.winner {
            tint_of(&verdict)
        } else {
            Tint::Dim
        };
        let said = [verdict.reason.as_str(), verdict.detail.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty() && *part != "NONE")
            .collect::<Vec<_>>()
            .join(": ");
        rows.push(vec![
            (
                if rung.winner {
                    "  =>".into()
                } else {
                    "    ".to_owned()
                },
                None,
            ),
            (plain(&rung.name).into_owned(), None),
            (plain(&verdict.kind).into_owned(), Some(tint)),
            (plain(&verdict.by).into_owned(), None),
            (plain(&said).into_owned(), None),
        ]);
    }
    let mut text = crate::out::table(out, &rows);
    if !explanation.profile.is_empty() {
        let _ = writeln!(
            text,
            "  profile {}, policy {}",
            plain(&explanation.profile),
            plain(&explanation.policy_digest)
        );
    }
    text
}

/// A refusal in one paragraph, for an agent to read: what, by which rule, why, and what to do instead.
pub(crate) fn sentence(verdict: &Verdict) -> String {
    let mut text = format!("fakd: {}", verdict.kind);
    if !verdict.reason.is_empty() && verdict.reason != "NONE" {
        let _ = write!(text, " {}", verdict.reason);
    }
    let _ = write!(text, " by {}.", verdict.by);
    for (label, part) in [("", &verdict.detail), ("Instead: ", &verdict.hint)] {
        if !part.is_empty() {
            let _ = write!(text, " {label}{}", part.trim_end_matches('.'));
            text.push('.');
        }
    }
    let next = advice(verdict, true);
    if !next.is_empty() {
        let _ = write!(text, " {next}.");
    }
    plain(&text).into_owned()
}

/// The command that decides an approval, for whoever may.
pub(crate) fn how_to_approve(id: &str) -> String {
    format!("fakctl approvals approve {} --reason TEXT", plain(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(kind: &str) -> Verdict {
        Verdict {
            kind: kind.into(),
            ..Verdict::default()
        }
    }

    #[test]
    fn only_what_may_run_as_asked_ends_with_zero() {
        let table = [
            ("ALLOW", Exit::Ok, Exit::Ok),
            ("TRANSFORM", Exit::Deny, Exit::Ok),
            ("DENY", Exit::Deny, Exit::Deny),
            ("QUARANTINE", Exit::Deny, Exit::Deny),
            ("DEFER", Exit::Deny, Exit::Deny),
            ("REQUIRE_WITNESS", Exit::Approval, Exit::Approval),
            ("KIND_9", Exit::Deny, Exit::Deny),
            ("allow", Exit::Deny, Exit::Deny),
            ("", Exit::Deny, Exit::Deny),
        ];
        for (kind, plain, rewriting) in table {
            assert_eq!(exit_of(&verdict(kind), false), plain, "{kind}");
            assert_eq!(
                exit_of(&verdict(kind), true),
                rewriting,
                "{kind} with --rewrite"
            );
        }
    }

    #[test]
    fn an_answer_without_a_verdict_is_a_denial() {
        assert_eq!(
            exit_of(&verdict_of(&AdjudicateResponse::default()), true),
            Exit::Deny
        );
    }
}
