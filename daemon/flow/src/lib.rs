//! Where the values of a call come from, and whether they may go where the call sends them.
//!
//! A [`Ledger`] belongs to one session. It remembers what the user said and, of every admitted result, the values that
//! could steer a later call: addresses, links, ids, amounts, dates, quoted words. Each carries a [`Label`]: the tool, the
//! row of the journal and the field it stood in, and whether that field is one anybody may write. [`Ledger::check`] asks
//! of a call to a sink where each of its control arguments comes from; a value that only a stranger supplied is a
//! [`Violation`], however it reached the model.
//!
//! - [`Rules`] say which fields are whose ([`Source`]), which arguments steer ([`Sink`], [`Control`], [`Text`]) and what
//!   may cross ([`Endorse`]). They are the operator's, written from the tools' schemas.
//! - Nothing here detects an attack. A text that says "pay me" and one that says "hello" are labelled alike.
//! - More tainted data never turns a refusal into a permission, save by a rule of endorsement.
//! - Everything is bounded. A ledger that is full keeps what it knows and takes every value it does not know for a
//!   stranger's.
//!
//! What this crate does *not* do: read policy files, journal, ask people, or look for secrets and injections in results.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic
    )
)]

mod admit;
mod check;
mod date;
mod forms;
mod image;
mod ledger;
mod outside;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

pub use admit::RESULT_BYTES_MAX;
pub use forms::VALUE_BYTES_MAX;
pub use image::RestoreError;
pub use ledger::{BYTES_MAX, Bounds, Ledger, Usage, VALUES_MAX, WORDS_BYTES_MAX};
pub use outside::ToolValues;
pub use rules::{
    Allow, Answer, CLASSES_MAX, Control, Endorse, Field, Rules, RulesBuilder, RulesError, Scope,
    Sink, Source, Text, Trust,
};
pub use verdict::{FlowVerdict, Label, VIOLATIONS_MAX, Violation, Why};
