//! Neutral values to protocol messages.

use fak_kernel::{Opinion, Session};
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

pub(crate) fn session(session: &Session) -> v1::Session {
    let ms = |us: u64| i64::try_from(us / 1000).unwrap_or(i64::MAX);
    v1::Session {
        trace_id: session.trace.as_ref().to_owned(),
        principal: session.principal.as_ref().to_owned(),
        run: session.run.as_str().to_owned(),
        calls: session.calls,
        allowed: session.allowed,
        denied: session.denied,
        first_unix_ms: ms(session.first.0),
        last_unix_ms: ms(session.last.0),
        last_reason: session.last_reason.as_str().to_owned(),
        rev: session.rev,
        results: session.results,
        sealed: session.sealed,
        taint: session.taint.as_str().to_owned(),
        ..v1::Session::default()
    }
}
