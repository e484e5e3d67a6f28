//! Which answers of read-only calls may be given again: the same call, asked by the same principal, in a world that
//! has not changed since.
//!
//! A state machine without clock, disk or bytes: an [`Entry`] says where an answer lies and what it was, never what
//! it says. Every change of what is kept is a [`Step`]; whoever owns the machine writes the step to a log first and
//! then lets it happen with [`Cache::apply`], so that the same steps give the same state after a restart.
//!
//! What holds:
//! - A hit is the answer of a call with the same [`Key`]: principal, profile, tool, arguments, place, namespace and
//!   witness. Principals share nothing.
//! - Since the call that got the answer was let run, nothing it read was changed by a call of the same principal
//!   that fakd knows of, and no such change was under way when it was kept. What others change is seen through the
//!   witness, or not before the entry expires.
//! - What was admitted under a revoked witness is gone, and nothing is ever kept under it again.
//! - Everything is bounded; when something is full less is kept, never more believed.

#![forbid(unsafe_code)]

mod cache;
mod call;
mod feed;
mod kept;
mod key;
mod negative;
mod resource;

pub use cache::{
    Answer, Cache, Call, FLIGHT_US, FLIGHTS_MAX, NotKept, PRINCIPALS_MAX, READ_US, READS_MAX,
    Ticket,
};
pub use call::{Effect, NAMESPACE_BYTES_MAX, Place, Read, WITNESS_BYTES_MAX};
pub use feed::{Changes, EVENTS_MAX, EVENTS_OF_ONE_MAX, Event, EventKind};
pub use kept::{
    ANSWER_BYTES_MAX, BYTES_MAX, BYTES_OF_ONE_MAX, ENTRIES_MAX, ENTRIES_OF_ONE_MAX, Entry, Gone,
    Limits, REVOKED_MAX, Step, StepError,
};
pub use key::{Key, Uncacheable};
pub use negative::is_negative;
pub use resource::{RESOURCES_BYTES_MAX, RESOURCES_MAX, Resources};
