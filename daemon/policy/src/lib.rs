//! Manifest text to compiled policy; a call to a verdict.

#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod manifest;

pub use diagnostic::{Diagnostic, Severity};
