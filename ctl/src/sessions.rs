//! `session`, `sessions`: what fakd knows of a session, and steering it.

mod steer;

use fak_proto::v1::{Session, SessionGetRequest, SessionListRequest, SessionWatchRequest};
use serde::Serialize;

use crate::{
    answer::is_zero,
    client::Daemon,
    exit::{Exit, Outcome},
    flags::{SessionVerb, SessionsVerb},
    follow::{self, Follow},
    operate::age,
    out::{self, Out, Tint, clip, plain, table},
};

/// The sessions, or one of them.
pub(crate) fn sessions(out: &Out, daemon: &Daemon, verb: Option<SessionsVerb>) -> Outcome {
    match verb.unwrap_or(SessionsVerb::List { limit: 20 }) {
        SessionsVerb::List { limit } => list(out, daemon, limit),
        SessionsVerb::Show { id } => get(out, daemon, id),
    }
}

/// Looks at a session, or steers it.
pub(crate) fn session(out: &Out, daemon: &Daemon, verb: SessionVerb) -> Outcome {
    match verb {
        SessionVerb::List { limit } => list(out, daemon, limit),
        SessionVerb::Get { trace } => get(out, daemon, trace),
        SessionVerb::Watch { trace } => watch(out, daemon, trace.as_deref().unwrap_or_default()),
        SessionVerb::Reserve(turn) => steer::reserve(out, daemon, turn),
        SessionVerb::Settle(turn) => steer::settle(out, daemon, turn),
        SessionVerb::Set(flags) => steer::set(out, daemon, flags),
        SessionVerb::Pause(which) => steer::run(out, daemon, which, "paused"),
        SessionVerb::Resume(which) => steer::run(out, daemon, which, "running"),
        SessionVerb::Drain(which) => steer::run(out, daemon, which, "draining"),
        SessionVerb::Stop(which) => steer::run(out, daemon, which, "stopped"),
        SessionVerb::Reset(which) => steer::reset(out, daemon, which),
    }
}

fn list(out: &Out, daemon: &Daemon, limit: u32) -> Outcome {
    let request = SessionListRequest { limit };
    let list = daemon.call(async |mut client| client.session_list(request).await)?;
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
    Ok(Exit::Ok)
}

fn get(out: &Out, daemon: &Daemon, trace_id: String) -> Outcome {
    let request = SessionGetRequest { trace_id };
    let session = daemon.call(async |mut client| client.session_get(request).await)?;
    show(out, &session)
}

/// One session, whole.
fn show(out: &Out, session: &Session) -> Outcome {
    if out.json {
        out.object(&One::of(session))?;
    } else {
        out.text(&session_text(out, session))?;
    }
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct One<'a> {
    session: SessionObject<'a>,
}

impl<'a> One<'a> {
    fn of(session: &'a Session) -> Self {
        Self {
            session: SessionObject::of(session),
        }
    }
}

/// One line for each change, until somebody ends it or the session watched is stopped.
fn watch(out: &Out, daemon: &Daemon, trace_id: &str) -> Outcome {
    let mut seen = follow::Seen::default();
    let one = !trace_id.is_empty();
    follow::stream(
        daemon,
        Exit::Ok,
        async |mut client| {
            let request = SessionWatchRequest {
                trace_id: trace_id.to_owned(),
            };
            client.session_watch(request).await
        },
        |session: Session| {
            let name = format!("{}\n{}", session.principal, session.trace_id);
            if !seen.is_new(
                name,
                format!("{} {} {}", session.rev, session.run, session.calls),
            ) {
                return Ok(Follow::On);
            }
            if out.json {
                out.object(&One::of(&session))?;
            } else {
                out.text(&line(out, &session))?;
            }
            let over = one && session.run == "stopped";
            Ok(if over {
                Follow::End(Exit::Ok)
            } else {
                Follow::On
            })
        },
    )
}

/// A change on one line.
fn line(out: &Out, session: &Session) -> String {
    let tint = match session.run.as_str() {
        "running" => Tint::Good,
        "stopped" => Tint::Bad,
        _ => Tint::Warn,
    };
    let mut parts = vec![
        out.paint(Tint::Dim, &format!("rev {}", session.rev))
            .into_owned(),
        plain(&session.principal).into_owned(),
        out.paint(Tint::Bold, &clip(&plain(&session.trace_id), 40))
            .into_owned(),
        out.paint(tint, &plain(&session.run)).into_owned(),
        format!("{} calls, {} denied", session.calls, session.denied),
        plain(&session.taint).into_owned(),
    ];
    let left = budget_text(session);
    if !left.is_empty() {
        parts.push(format!("left: {left}"));
    }
    if !session.steered_why.is_empty() {
        parts.push(plain(&session.steered_why).into_owned());
    }
    format!("{}\n", parts.join("  "))
}

/// A session in JSON.
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
    /// What is left; an absent member is unbounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<BudgetObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<PaceObject>,
    #[serde(skip_serializing_if = "is_nought")]
    priority: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    steered_why: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    continuation: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    continues: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    reserved_turns: u64,
}

#[derive(Serialize)]
struct BudgetObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    turns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_micros: Option<u64>,
}

#[derive(Serialize)]
struct PaceObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_tokens_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_gap_ms_min: Option<u64>,
}

fn is_nought(number: &i32) -> bool {
    *number == 0
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
            budget: session.budget.map(|left| BudgetObject {
                turns: left.turns,
                tokens: left.tokens,
                context_tokens: left.context_tokens,
                cost_micros: left.cost_micros,
            }),
            pace: session.pace.map(|pace| PaceObject {
                turn_tokens_max: pace.turn_tokens_max,
                turn_gap_ms_min: pace.turn_gap_ms_min,
            }),
            priority: session.priority,
            steered_why: &session.steered_why,
            continuation: &session.continuation,
            continues: &session.continues,
            reserved_turns: session.reserved_turns,
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
    let mut rows = vec![out::heads(&[
        "trace",
        "principal",
        "run",
        "calls",
        "denied",
        "last",
        "last reason",
    ])];
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
        ("budget left", budget_text(session)),
        ("pace", pace_text(session)),
        ("priority", unless_zero(i64::from(session.priority))),
        (
            "reserved",
            unless_zero(session.reserved_turns.try_into().unwrap_or(i64::MAX)),
        ),
        ("steered", session.steered_why.clone()),
        ("carries on as", session.continuation.clone()),
        ("carries on", session.continues.clone()),
        ("rev", session.rev.to_string()),
    ];
    out::fields(out, &rows)
}

fn unless_zero(number: i64) -> String {
    if number == 0 {
        String::new()
    } else {
        number.to_string()
    }
}

/// The bounded ones, by name; empty when there is none.
fn named(parts: &[(&str, Option<u64>)]) -> String {
    parts
        .iter()
        .filter_map(|(name, left)| left.map(|left| format!("{left} {name}")))
        .collect::<Vec<_>>()
        .join(", ")
}

fn budget_text(session: &Session) -> String {
    let left = session.budget.unwrap_or_default();
    named(&[
        ("turns", left.turns),
        ("tokens", left.tokens),
        ("context tokens", left.context_tokens),
        ("cost micros", left.cost_micros),
    ])
}

fn pace_text(session: &Session) -> String {
    let pace = session.pace.unwrap_or_default();
    named(&[
        ("tokens a turn at most", pace.turn_tokens_max),
        ("ms between calls at least", pace.turn_gap_ms_min),
    ])
}
