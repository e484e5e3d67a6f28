//! Manifest text to compiled policy; a call to a verdict.

#![forbid(unsafe_code)]

mod compile;
pub mod diagnostic;
mod dump;
mod index;
mod judge;
pub mod load;
pub mod manifest;
mod names;
mod node;
mod rules;
mod set;
mod spot;
mod world;

pub use compile::Policy;
pub use diagnostic::{Diagnostic, Severity};
pub use dump::dump;
pub use load::{Format, load};
pub use set::PolicySet;
pub use world::{NoWorld, World};
