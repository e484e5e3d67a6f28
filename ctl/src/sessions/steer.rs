//! Steering a session, and the turns it pays for.

use fak_proto::v1::{
    Budget, Pace, SessionControlRequest, SessionReserveRequest, SessionSettleRequest,
};
use serde::Serialize;
use tonic::{Code, Status};

use super::{SessionObject, budget_text, show};
use crate::{
    answer::{VerdictObject, exit_of, headline, is_zero, verdict_or_denial},
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{Left, ReserveFlags, SetFlags, SettleFlags, WhichSession},
    out::{Out, plain},
};

impl WhichSession {
    /// A change of nothing yet.
    fn request(self) -> SessionControlRequest {
        SessionControlRequest {
            trace_id: self.trace,
            principal: self.principal.unwrap_or_default(),
            if_rev: self.if_rev,
            reason: self.reason,
            ..SessionControlRequest::default()
        }
    }
}

/// Budgets, pace, priority and run state in one change.
pub(super) fn set(out: &Out, daemon: &Daemon, flags: SetFlags) -> Outcome {
    let (budgets, paces) = (&flags.budgets, &flags.paces);
    let named = [
        ("turns", budgets.turns),
        ("tokens", budgets.tokens),
        ("context_tokens", budgets.context_tokens),
        ("cost_micros", budgets.cost_micros),
        ("turn_tokens", paces.turn_tokens),
        ("turn_gap_ms", paces.turn_gap),
    ];
    let unbounded: Vec<String> = named
        .iter()
        .filter(|(_, left)| *left == Some(Left::Unbounded))
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let bounded = |left: Option<Left>| left.and_then(Left::number);
    let any = |lefts: &[Option<Left>]| lefts.iter().any(|left| bounded(*left).is_some());
    let wanted = any(&named.map(|(_, left)| left))
        || !unbounded.is_empty()
        || flags.run.is_some()
        || flags.priority.is_some();
    if !wanted {
        return Err(Failure::new(Exit::Usage, "nothing to set")
            .fix("name a budget, a pace, --priority or --run; see `fakctl session set --help`"));
    }
    let budget = any(&[
        budgets.turns,
        budgets.tokens,
        budgets.context_tokens,
        budgets.cost_micros,
    ])
    .then(|| Budget {
        turns: bounded(budgets.turns),
        tokens: bounded(budgets.tokens),
        context_tokens: bounded(budgets.context_tokens),
        cost_micros: bounded(budgets.cost_micros),
    });
    let pace = any(&[paces.turn_tokens, paces.turn_gap]).then(|| Pace {
        turn_tokens_max: bounded(paces.turn_tokens),
        turn_gap_ms_min: bounded(paces.turn_gap),
    });
    let request = SessionControlRequest {
        run: flags.run.map_or("", |run| run.as_str()).to_owned(),
        budget,
        unbounded,
        pace,
        priority: flags.priority,
        ..flags.which.request()
    };
    control(out, daemon, request)
}

/// Another run state and nothing else.
pub(super) fn run(out: &Out, daemon: &Daemon, which: WhichSession, run: &str) -> Outcome {
    let request = SessionControlRequest {
        run: run.to_owned(),
        ..which.request()
    };
    control(out, daemon, request)
}

/// Start over.
pub(super) fn reset(out: &Out, daemon: &Daemon, which: WhichSession) -> Outcome {
    let request = SessionControlRequest {
        reset: true,
        ..which.request()
    };
    control(out, daemon, request)
}

fn control(out: &Out, daemon: &Daemon, request: SessionControlRequest) -> Outcome {
    let session = daemon.call_or(
        async |mut client| client.session_control(request).await,
        unchanged,
    )?;
    show(out, &session)
}

/// Two answers that are no fault of anybody: someone was first, or the session is over.
fn unchanged(status: &Status) -> Option<Failure> {
    let said = plain(status.message()).into_owned();
    match status.code() {
        Code::Aborted => Some(Failure::new(Exit::TryAgain, said).fix(
            "someone was first: look at it with `fakctl session get` and decide anew with its rev",
        )),
        Code::FailedPrecondition => Some(Failure::new(Exit::No, said)),
        _ => None,
    }
}

/// Puts aside what a turn may cost.
pub(super) fn reserve(out: &Out, daemon: &Daemon, turn: ReserveFlags) -> Outcome {
    let request = SessionReserveRequest {
        trace_id: turn.turn.trace,
        turn_id: turn.turn.turn,
        input_tokens: turn.turn.input_tokens,
        output_tokens: turn.turn.output_tokens,
        model: turn.model.unwrap_or_default(),
    };
    let answer = daemon.call_or(
        async |mut client| client.session_reserve(request).await,
        unchanged,
    )?;
    let verdict = verdict_or_denial(answer.verdict.as_ref());
    if out.json {
        #[derive(Serialize)]
        struct Reserved<'a> {
            verdict: VerdictObject<'a>,
            session: Option<SessionObject<'a>>,
            #[serde(skip_serializing_if = "is_zero")]
            seq: u64,
        }
        out.object(&Reserved {
            verdict: VerdictObject::of(&verdict),
            session: answer.session.as_ref().map(SessionObject::of),
            seq: answer.seq,
        })?;
    } else {
        let mut text = headline(out, &verdict);
        if !verdict.detail.is_empty() {
            text.push_str(&format!(": {}", plain(&verdict.detail)));
        }
        if verdict.retry_after_ms > 0 {
            text.push_str(&format!("; it may pass in {} ms", verdict.retry_after_ms));
        }
        let left = answer.session.as_ref().map(budget_text).unwrap_or_default();
        if !left.is_empty() {
            text.push_str(&format!("; left: {left}"));
        }
        out.text(&format!("{text}\n"))?;
    }
    Ok(exit_of(&verdict, false))
}

/// Says what a turn did cost.
pub(super) fn settle(out: &Out, daemon: &Daemon, flags: SettleFlags) -> Outcome {
    let request = SessionSettleRequest {
        trace_id: flags.turn.trace,
        turn_id: flags.turn.turn,
        input_tokens: flags.turn.input_tokens,
        output_tokens: flags.turn.output_tokens,
    };
    let session = daemon.call_or(
        async |mut client| client.session_settle(request).await,
        unchanged,
    )?;
    show(out, &session)
}
