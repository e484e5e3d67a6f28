//! Manifest text to compiled policy; a call to a verdict.

#![forbid(unsafe_code)]

pub mod diagnostic;
mod dump;
pub mod load;
pub mod manifest;
mod node;

pub use diagnostic::{Diagnostic, Severity};
pub use dump::dump;
pub use load::{Format, load};
