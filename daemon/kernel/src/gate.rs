//! The rung `session`: may this session go on at all?

use std::sync::{Arc, LazyLock};

use fak_types::{Reason, Verdict};

use crate::{
    Timestamp,
    kernel::Kernel,
    session::{Gated, RunState},
};

/// Reported in `by` when a session may go on.
pub const BY_SESSION: &str = "session";
/// Reported in `by` when a session is paused.
pub const BY_PAUSED: &str = "session/paused";
/// Reported in `by` when a session takes no new calls.
pub const BY_DRAINING: &str = "session/draining";
/// Reported in `by` when a session is stopped for good.
pub const BY_STOPPED: &str = "session/stopped";
/// Reported in `by` when a session must wait between two calls or turns, or a turn is too large for its pace.
pub const BY_PACE: &str = "session/pace";
/// Reported in `by` when a budget is used up or has no room for a turn.
pub const BY_BUDGET: &str = "session/budget";

/// Least time between two calls of a throttled session whose pace says nothing, in milliseconds. LIMIT: a throttled
/// session is never as fast as a running one.
pub const THROTTLED_GAP_MS: u64 = 1000;

static SESSION: LazyLock<Arc<str>> = LazyLock::new(|| BY_SESSION.into());

/// No objection.
pub(crate) fn open() -> Verdict {
    Verdict::defer(Arc::clone(&SESSION))
}

/// Whether this is a person's word about the session, or its end: it stands under every posture and in every emergency.
pub(crate) fn is_held(opinion: &Verdict) -> bool {
    matches!(&*opinion.by, BY_PAUSED | BY_DRAINING | BY_STOPPED)
}

impl Kernel {
    /// The opinion on one more call of a session.
    pub(crate) fn gate(&self, now: Timestamp, who: &str, trace: &str) -> Verdict {
        let Some(gated) = self.sessions.gated(who, trace) else {
            return open();
        };
        if let Some(held) = held(&gated) {
            return held;
        }
        if gated.run == RunState::Throttled {
            let gap_ms = gated.steering.pace.turn_gap_ms_min;
            let gap_ms = gap_ms.unwrap_or(THROTTLED_GAP_MS);
            if let Some(wait) = too_soon(now, gated.steering.called, gap_ms) {
                return wait;
            }
        }
        match gated.steering.spent(now) {
            Some(name) => Verdict::deny(
                Reason::RateLimited,
                BY_BUDGET,
                &format!("the budget of {name} is used up"),
            ),
            None => open(),
        }
    }
}

/// The refusal of a session that takes no calls and no turns.
pub(crate) fn held(gated: &Gated<'_>) -> Option<Verdict> {
    let verdict = match gated.run {
        RunState::Running | RunState::Throttled => return None,
        RunState::Paused => Verdict::deny(Reason::RateLimited, BY_PAUSED, "the session is paused"),
        RunState::Draining => {
            let detail = match &gated.steering.continuation {
                Some(next) => format!("the context is used up; the session carries on as {next}"),
                None => "the session takes no new calls".to_owned(),
            };
            Verdict::deny(Reason::PolicyBlock, BY_DRAINING, &detail)
        }
        RunState::Stopped => {
            Verdict::deny(Reason::PolicyBlock, BY_STOPPED, "the session is stopped")
        }
    };
    Some(verdict)
}

/// The refusal of what comes too soon after `last`. A clock that was set back to before it makes nobody wait.
pub(crate) fn too_soon(now: Timestamp, last: Timestamp, gap_ms: u64) -> Option<Verdict> {
    let since_us = now.0.checked_sub(last.0)?;
    let gap_us = gap_ms.saturating_mul(1000);
    if since_us >= gap_us {
        return None;
    }
    let detail = format!("one every {gap_ms} ms at most");
    Some(Verdict {
        retry_after_ms: Some((gap_us - since_us).div_ceil(1000)),
        ..Verdict::deny(Reason::RateLimited, BY_PACE, &detail)
    })
}
