//! A puppet: an agent that does the user's task as recorded, and at once whatever a result it reads tells it to do. What
//! holds it back is `fak-flow` with one set of rules for each suite of tools, and nothing else. No model takes part, so the
//! numbers are the gate's alone.
//!
//! - [`suite`] reads the policies an operator would write.
//! - [`trace`] reads recorded tasks.
//! - [`run`] plays one task against the gate.

#![forbid(unsafe_code)]

pub mod run;
pub mod suite;
pub mod trace;
