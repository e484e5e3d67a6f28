//! The words of fakd.
//!
//! Closed vocabularies, the verdict, the call and who asks. This crate holds values only: it reads no
//! clock, no file and no socket, and it decides nothing. The spellings returned by the `as_str`
//! functions are the wire's and never change; golden tests hold them.

#![forbid(unsafe_code)]

mod call;
mod digest;
mod principal;
mod verdict;
mod words;

pub use call::{CallLimits, TOOL_NAME_BYTES_MAX, TRACE_ID_BYTES_MAX, ToolCall};
pub use digest::{Digest, DigestParseError};
pub use principal::{Principal, Right, Rights};
pub use verdict::{DETAIL_BYTES_MAX, Detail, Disposition, Edit, Reason, Verdict, VerdictKind};
pub use words::{Egress, Outcome, Posture, Scope, SourceClass, Taint};
