//! `sessions`, `metrics`, `reload`, `version`: looking at the daemon and telling it to read its files again.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fak_proto::v1::{
    Diagnostic, MetricsRequest, ReloadRequest, Session, SessionGetRequest, SessionListRequest,
};
use serde::Serialize;

use crate::{
    client::Daemon,
    exit::{Exit, Outcome},
    flags::SessionsVerb,
    out::{Out, Tint, clip, plain, table},
};

/// This build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The sessions, or one of them.
pub(crate) fn sessions(out: &Out, daemon: &Daemon, verb: Option<SessionsVerb>) -> Outcome {
    match verb.unwrap_or(SessionsVerb::List { limit: 20 }) {
        SessionsVerb::List { limit } => {
            let list = daemon.ask(async |mut client| {
                let request = SessionListRequest { limit };
                Ok(client
                    .session_list(request)
                    .await
                    .map_err(|status| daemon.failed(&status))?
                    .into_inner())
            })?;
            if out.json {
                #[derive(Serialize)]
                struct List<'a> {
                    live: u64,
                    sessions: Vec<SessionObject<'a>>,
                }
                let sessions = list.sessions.iter().map(SessionObject::of).collect();
                out.object(&List {
                    live: list.live,
                    sessions,
                })?;
            } else {
                out.text(&sessions_text(out, &list.sessions, list.live))?;
            }
        }
        SessionsVerb::Show { id } => {
            let session = daemon.ask(async |mut client| {
                let request = SessionGetRequest {
                    trace_id: id.clone(),
                };
                Ok(client
                    .session_get(request)
                    .await
                    .map_err(|status| daemon.failed(&status))?
                    .into_inner())
            })?;
            if out.json {
                #[derive(Serialize)]
                struct One<'a> {
                    session: SessionObject<'a>,
                }
                out.object(&One {
                    session: SessionObject::of(&session),
                })?;
            } else {
                out.text(&session_text(out, &session))?;
            }
        }
    }
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct SessionObject<'a> {
    trace_id: &'a str,
    principal: &'a str,
    run: &'a str,
    calls: u64,
    allowed: u64,
    denied: u64,
    results: u64,
    sealed: u64,
    taint: &'a str,
    first_unix_ms: i64,
    last_unix_ms: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    last_reason: &'a str,
    rev: u64,
}

impl<'a> SessionObject<'a> {
    fn of(session: &'a Session) -> Self {
        Self {
            trace_id: &session.trace_id,
            principal: &session.principal,
            run: &session.run,
            calls: session.calls,
            allowed: session.allowed,
            denied: session.denied,
            results: session.results,
            sealed: session.sealed,
            taint: &session.taint,
            first_unix_ms: session.first_unix_ms,
            last_unix_ms: session.last_unix_ms,
            last_reason: &session.last_reason,
            rev: session.rev,
        }
    }
}

/// The reason of the last refusal; empty when the last call was no refusal.
fn last_reason(session: &Session) -> &str {
    if session.last_reason == "NONE" {
        ""
    } else {
        &session.last_reason
    }
}

fn sessions_text(out: &Out, sessions: &[Session], live: u64) -> String {
    let head = [
        "trace",
        "principal",
        "run",
        "calls",
        "denied",
        "last",
        "last reason",
    ];
    let mut rows = vec![
        head.iter()
            .map(|name| ((*name).to_owned(), Some(Tint::Dim)))
            .collect::<Vec<_>>(),
    ];
    rows.extend(sessions.iter().map(|session| {
        vec![
            (
                clip(&plain(&session.trace_id), 40).into_owned(),
                Some(Tint::Bold),
            ),
            (plain(&session.principal).into_owned(), None),
            (plain(&session.run).into_owned(), None),
            (session.calls.to_string(), None),
            (
                session.denied.to_string(),
                (session.denied > 0).then_some(Tint::Bad),
            ),
            (age(u64::try_from(session.last_unix_ms).unwrap_or(0)), None),
            (plain(last_reason(session)).into_owned(), None),
        ]
    }));
    format!("{}{live} live\n", table(out, &rows))
}

fn session_text(out: &Out, session: &Session) -> String {
    let rows = [
        ("trace", session.trace_id.clone()),
        ("principal", session.principal.clone()),
        ("run", session.run.clone()),
        (
            "calls",
            format!(
                "{}: {} allowed, {} denied",
                session.calls, session.allowed, session.denied
            ),
        ),
        (
            "results",
            format!(
                "{} read, {} sealed, {}",
                session.results, session.sealed, session.taint
            ),
        ),
        (
            "first",
            age(u64::try_from(session.first_unix_ms).unwrap_or(0)),
        ),
        (
            "last",
            age(u64::try_from(session.last_unix_ms).unwrap_or(0)),
        ),
        ("last reason", last_reason(session).to_owned()),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            vec![
                (name.to_owned(), Some(Tint::Dim)),
                (plain(&value).into_owned(), None),
            ]
        })
        .collect();
    table(out, &rows)
}

/// The daemon's numbers, as they are.
pub(crate) fn metrics(out: &Out, daemon: &Daemon) -> Outcome {
    let answer = daemon.ask(async |mut client| {
        Ok(client
            .metrics(MetricsRequest {})
            .await
            .map_err(|status| daemon.failed(&status))?
            .into_inner())
    })?;
    if out.json {
        #[derive(Serialize)]
        struct Page {
            openmetrics: String,
        }
        out.object(&Page {
            openmetrics: answer.text,
        })?;
    } else {
        out.text(&answer.text)?;
    }
    Ok(Exit::Ok)
}

/// Makes fakd read its policy files again.
pub(crate) fn reload(out: &Out, daemon: &Daemon) -> Outcome {
    let answer = daemon.ask(async |mut client| {
        Ok(client
            .reload(ReloadRequest {})
            .await
            .map_err(|status| daemon.failed(&status))?
            .into_inner())
    })?;
    if out.json {
        #[derive(Serialize)]
        struct Reload {
            reloaded: bool,
            generation: u64,
            diagnostics: Vec<DiagnosticObject>,
        }
        let diagnostics = answer
            .diagnostics
            .iter()
            .map(DiagnosticObject::of_proto)
            .collect();
        out.object(&Reload {
            reloaded: answer.reloaded,
            generation: answer.generation,
            diagnostics,
        })?;
    } else {
        let mut text = String::new();
        for diagnostic in &answer.diagnostics {
            text.push_str(&diagnostic_text(
                out,
                &DiagnosticObject::of_proto(diagnostic),
            ));
        }
        if answer.reloaded {
            let _ = writeln!(
                text,
                "reloaded: generation {} is in force",
                answer.generation
            );
        } else {
            let _ = writeln!(
                text,
                "not reloaded: generation {} stays in force",
                answer.generation
            );
        }
        out.text(&text)?;
    }
    Ok(if answer.reloaded {
        Exit::Ok
    } else {
        Exit::Config
    })
}

/// One problem of a manifest.
#[derive(Serialize)]
pub(crate) struct DiagnosticObject {
    pub(crate) severity: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) help: String,
}

impl DiagnosticObject {
    fn of_proto(diagnostic: &Diagnostic) -> Self {
        let Diagnostic {
            severity,
            file,
            line,
            column,
            message,
            help,
        } = diagnostic.clone();
        Self {
            severity,
            file,
            line,
            column,
            message,
            help,
        }
    }
}

/// `policy.yaml:3:5: error: unknown key` and the help below it.
pub(crate) fn diagnostic_text(out: &Out, diagnostic: &DiagnosticObject) -> String {
    let mut text = String::new();
    if !diagnostic.file.is_empty() {
        let _ = write!(text, "{}:", plain(&diagnostic.file));
    }
    if diagnostic.line > 0 {
        let _ = write!(text, "{}:{}:", diagnostic.line, diagnostic.column);
    }
    if !text.is_empty() {
        text.push(' ');
    }
    let tint = if diagnostic.severity == "error" {
        Tint::Bad
    } else {
        Tint::Warn
    };
    let _ = writeln!(
        text,
        "{}: {}",
        out.paint(tint, &plain(&diagnostic.severity)),
        plain(&diagnostic.message)
    );
    if !diagnostic.help.is_empty() {
        let _ = writeln!(
            text,
            "  {} {}",
            out.paint(Tint::Dim, "help:"),
            plain(&diagnostic.help)
        );
    }
    text
}

/// Versions of this program and what it speaks.
pub(crate) fn version(out: &Out) -> Outcome {
    if out.json {
        #[derive(Serialize)]
        struct Version {
            version: &'static str,
            protocol: &'static str,
        }
        out.object(&Version {
            version: VERSION,
            protocol: fak_proto::PROTOCOL,
        })?;
    } else {
        out.text(&format!(
            "fakctl {VERSION}, protocol {}\n",
            fak_proto::PROTOCOL
        ))?;
    }
    Ok(Exit::Ok)
}

/// `4m ago`, from milliseconds since the epoch.
pub(crate) fn age(unix_ms: u64) -> String {
    if unix_ms == 0 {
        return String::new();
    }
    let then = UNIX_EPOCH + Duration::from_millis(unix_ms);
    SystemTime::now().duration_since(then).map_or_else(
        |_| "in the future".to_owned(),
        |ago| format!("{} ago", span(ago)),
    )
}

/// A length of time in its two largest units.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

pub(crate) fn short_digest(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    plain(hex.get(..12).unwrap_or(hex)).into_owned()
}
