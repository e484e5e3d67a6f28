//! Manifest text to compiled policy; a call to a verdict.

#![forbid(unsafe_code)]

mod cache;
mod claim;
mod compile;
pub mod diagnostic;
pub mod diff;
mod dump;
mod flow;
mod index;
mod judge;
pub mod learn;
pub mod lint;
pub mod load;
pub mod manifest;
mod names;
mod node;
mod rules;
mod schema;
mod set;
mod spot;
pub mod table;
mod world;

pub use compile::Policy;
pub use diagnostic::{Diagnostic, Severity};
pub use diff::diff;
pub use dump::dump;
pub use flow::FLOW_CLASSES_MAX;
pub use learn::learn;
pub use lint::lint;
pub use load::{Format, load};
pub use schema::json_schema;
pub use set::PolicySet;
pub use world::{NoWorld, World};
