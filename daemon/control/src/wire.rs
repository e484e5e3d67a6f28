//! Neutral values to protocol messages.

use std::sync::Arc;

use fak_kernel::{Approval, Opinion, Session, Timestamp};
use fak_policy::Diagnostic;
use fak_proto::v1;
use fak_types::{Reason, Verdict};

use crate::port::{ProfileInfo, Row};

pub(crate) fn verdict(verdict: &Verdict) -> v1::Verdict {
    v1::Verdict {
        kind: verdict.kind.as_str().to_owned(),
        reason: verdict.reason.as_str().to_owned(),
        by: verdict.by.as_ref().to_owned(),
        disposition: verdict
            .disposition()
            .map_or("", |word| word.as_str())
            .to_owned(),
        detail: verdict.detail.as_str().to_owned(),
        hint: verdict.hint.as_deref().unwrap_or_default().to_owned(),
        retry_after_ms: verdict.retry_after_ms.unwrap_or(0),
        would_deny: verdict.would_deny.map_or("", Reason::as_str).to_owned(),
    }
}

pub(crate) fn rung(opinion: Opinion) -> v1::Rung {
    v1::Rung {
        name: opinion.name,
        verdict: Some(verdict(&opinion.verdict)),
        winner: opinion.winner,
    }
}

pub(crate) fn diagnostics(diagnostics: Vec<Diagnostic>) -> Vec<v1::Diagnostic> {
    diagnostics.into_iter().map(diagnostic).collect()
}

fn diagnostic(diagnostic: Diagnostic) -> v1::Diagnostic {
    let message = if diagnostic.line == 0 && !diagnostic.field.is_empty() {
        format!("{}: {}", diagnostic.field, diagnostic.message)
    } else {
        diagnostic.message
    };
    v1::Diagnostic {
        severity: diagnostic.severity.as_str().to_owned(),
        file: diagnostic.file,
        line: diagnostic.line,
        column: diagnostic.column,
        message,
        help: diagnostic.help,
    }
}

/// The canonical text of a profile is for administrators and auditors: a caller that is judged by it could search it
/// for what it does not refuse.
pub(crate) fn profile(info: ProfileInfo, with_text: bool) -> v1::Profile {
    v1::Profile {
        name: info.name,
        source: info.source,
        digest: info.digest,
        posture: info.posture,
        bind: info.bind,
        manifest: if with_text {
            info.manifest
        } else {
            String::new()
        },
    }
}

pub(crate) fn row(row: Row) -> v1::JournalRow {
    v1::JournalRow {
        seq: row.seq,
        body: row.body,
        hash: row.hash.0.to_vec(),
    }
}

fn ms(time: Timestamp) -> i64 {
    i64::try_from(time.0 / 1000).unwrap_or(i64::MAX)
}

pub(crate) fn session(session: &Session, now: Timestamp) -> v1::Session {
    let steering = session.steering.as_deref();
    let text = |name: Option<&Option<Arc<str>>>| {
        let name = name.and_then(Option::as_deref);
        name.unwrap_or_default().to_owned()
    };
    v1::Session {
        trace_id: session.trace.as_ref().to_owned(),
        principal: session.principal.as_ref().to_owned(),
        run: session.run.as_str().to_owned(),
        calls: session.calls,
        allowed: session.allowed,
        denied: session.denied,
        first_unix_ms: ms(session.first),
        last_unix_ms: ms(session.last),
        last_reason: session.last_reason.as_str().to_owned(),
        rev: session.rev,
        results: session.results,
        sealed: session.sealed,
        taint: session.taint.as_str().to_owned(),
        budget: steering.map(|steering| v1::Budget {
            turns: steering.budget.turns,
            tokens: steering.budget.tokens,
            context_tokens: steering.budget.context_tokens,
            cost_micros: steering.budget.cost_micros,
        }),
        pace: steering.map(|steering| v1::Pace {
            turn_tokens_max: steering.pace.turn_tokens_max,
            turn_gap_ms_min: steering.pace.turn_gap_ms_min,
        }),
        priority: steering.map_or(0, |steering| steering.priority),
        steered_why: steering.map_or_else(String::new, |steering| steering.why.to_string()),
        continuation: text(steering.map(|steering| &steering.continuation)),
        continues: text(steering.map(|steering| &steering.continues)),
        reserved_turns: steering.map_or(0, |steering| steering.reserved_turns(now)),
    }
}

pub(crate) fn approval(approval: &Approval, seq: u64) -> v1::Approval {
    v1::Approval {
        id: approval.id.as_ref().to_owned(),
        state: approval.state.as_str().to_owned(),
        principal: approval.call.principal.clone(),
        trace_id: approval.call.trace.clone(),
        tool: approval.call.tool.clone(),
        args_digest: approval.call.args.to_string(),
        by: approval.by.clone(),
        reason: approval.reason.clone(),
        detail: approval.detail.clone(),
        claims: approval.claims.clone(),
        asked_unix_ms: ms(approval.asked),
        expires_unix_ms: ms(approval.expires),
        decided_by: approval.decided_by.clone(),
        why: approval.why.clone(),
        seq,
    }
}
