//! What fakd tells its operator: log set-up, the closed list of events, their message ids.
//!
//! A log line never delays a verdict: lines go into a bounded queue that one thread drains to the
//! systemd journal or to standard error; when the queue is full the line is dropped and counted, and the
//! count is logged once there is room. Nothing here carries an argument's value: the fields of a
//! [`Notice`] are the closed set below, and texts that callers chose (a tool's name, a trace id) are
//! shortened and stripped of control characters.
//!
//! Logs are diagnostics; evidence is the journal's business.

#![forbid(unsafe_code)]

mod event;
mod metric;
mod notice;
mod queue;
mod sink;

pub use event::Event;
pub use metric::{Histogram, Metric, Page, Shape};
pub use notice::{FIELD_BYTES_MAX, Notice};
pub use queue::{Guard, InitError, QUEUE_LINES_MAX, dropped, init};
pub use sink::Sink;
