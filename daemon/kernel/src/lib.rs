//! The sans-IO machine: rungs, fold, sessions, rate limits.
//!
//! One call takes three steps, and only the first and the last need the machine itself:
//!
//! 1. [`Kernel::precheck`] sheds what is malformed or over quota before any expensive work.
//! 2. [`Snapshot::judge`] asks the principal's policy. It is pure: any thread, no lock, no clock.
//! 3. [`Kernel::settle`] asks every rung, folds their opinions with [`fold()`], spends quota, counts the call in its
//!    session and makes the row that must be durable before the verdict leaves.
//!
//! The rungs, in order: `call` (is this a call at all), `session` (may the session go on), `rate_limit` (is anything left
//! to spend), `policy`, `flow` (may these values be where they are).
//!
//! A call that wants a witness waits for an approval; a person steers a session and its budgets; a turn is reserved
//! before it runs and settled afterwards. While an emergency lasts, what the rungs refuse is admitted and recorded as
//! such, but for sessions that are paused, draining or stopped.
//!
//! State changes come from rows only, so [`Kernel::replay`] over a journal gives the state of the kernel that wrote it;
//! [`Kernel::snapshot`] and [`Kernel::restore`] save most of the replaying.
//!
//! This crate reads no clock, no file, no socket, no environment and no source of randomness: each of these is an
//! argument. It judges nothing by itself (that is the policy's) and stores nothing (that is the journal's).

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod admit;
mod approval;
mod emergency;
mod explain;
mod fold;
mod form;
mod gate;
mod gcra;
mod image;
mod judge;
mod kernel;
mod limit;
mod meter;
mod quota;
mod recency;
mod record;
mod rungs;
mod session;
mod steer;
mod tally;
mod tell;
mod terms;
mod time;
mod turns;
mod words;

pub use admit::{CLEARANCES_MAX, ResultFacts, clear_row, forget_row, result_row, revoke_row};
pub use approval::{
    APPROVALS_MAX, APPROVALS_PER_PRINCIPAL_MAX, Approval, ApprovalState, ApproveError, AskedCall,
    BY_APPROVAL, BY_APPROVAL_DENIED, BY_APPROVAL_EXPIRED, BY_APPROVAL_FULL, Ruling, Seen,
};
pub use emergency::{
    ABOUT_BEGIN, ABOUT_END, BY_EMERGENCY, EMERGENCY_REASON_BYTES_MAX, EMERGENCY_US_MAX, Emergency,
    emergency_begin, emergency_end,
};
pub use explain::{Explanation, Opinion};
pub use fold::{BY_ALL_DEFER, BY_EDITS, BY_EMPTY, fold};
pub use form::{BY_PARSE, trace_is_sound};
pub use gate::{
    BY_BUDGET, BY_DRAINING, BY_PACE, BY_PAUSED, BY_SESSION, BY_STOPPED, THROTTLED_GAP_MS,
};
pub use gcra::WINDOW_MS_MAX;
pub use image::RestoreError;
pub use judge::{Judgement, Profile, Snapshot};
pub use kernel::{
    Decision, Kernel, Limits, QUOTA_KEYS_MAX, QUOTA_KEYS_PER_PRINCIPAL_MAX, SESSION_IDLE_MS_MAX,
    SESSIONS_MAX, SESSIONS_PER_PRINCIPAL_MAX,
};
pub use quota::BY_RATE_LIMIT;
pub use record::{ABOUT_GENERATION, ABOUT_PROFILE, ABOUT_REFUSED, policy_refused, rpc_refused};
pub use session::{
    EXPIRED_PER_CALL_MAX, LOST_MAX, LOST_PER_PRINCIPAL_MAX, RESERVED_MS_MAX, RESERVED_TURNS_MAX,
    RunState, SETTLED_TURNS_MAX, Session, Steering, Viewer,
};
pub use steer::{
    ABOUT_CONTROL, ABOUT_RESET, ABOUT_TAINT, Steer, SteerError, Steered, WHY_BYTES_MAX,
};
pub use tally::{
    Approvals, Emergencies, LATENCY_BOUNDS_US, Latency, Marks, Policies, Results, TALLY_RULES_MAX,
    Tally, Turns,
};
pub use tell::{ABOUT_TELL, tell_row};
pub use terms::{Budget, Pace, Price, Terms};
pub use time::{Timestamp, mint_trace};
pub use turns::{ABOUT_RESERVE, ABOUT_SETTLE, BY_PRICE, BY_TURN, Reserved, TurnAsk, TurnError};
