//! The ledger of KV memory: which page holds which tokens, for whom, and what their rows have seen.
//!
//! A [`Ledger`] knows pages by number and never touches a byte of them. Whoever owns the arena asks it what to do and
//! does it: rows to compute ([`Write`]), rows to copy ([`Command::Copy`]), pages to zero ([`Command::Zero`]).
//!
//! - **Pages** hold [`PAGE_TOKENS`] tokens, carry a [`Tag`], and are counted. A partial last page that somebody else
//!   holds too is copied before it is written.
//! - **Sequences** are ordered lists of visible tokens, made of named spans. A span knows what its rows attended. Spans of
//!   an isolated group do not see each other and start at one position.
//! - **Forks** cost the length of the page list. What a fork adds is committed when it was admitted, or dropped.
//! - **Prefixes** are found by their tokens, page by page, under a key of tenant, model, kernel family and KV type.
//! - **Evictions** are planned first and then done. A plan says which spans go, which tokens are run again, and whether the
//!   result is what never having seen the span would have left. [`NeverSaw`] can only be made of an exact one.
//!
//! Commands are done in the order they were returned, before those of a later call. A page with rows of a span that was
//! not admitted is free only after its [`Wipe`] came back through [`Ledger::zeroed`].
//!
//! Everything is a function of the calls made, in their order. What this crate does *not* do: hold KV bytes, compute,
//! sign, journal, judge what may be admitted, or know the time.

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

mod audit;
mod certificate;
mod command;
mod error;
mod evict;
mod fork;
mod gaps;
mod image;
mod ledger;
mod page;
mod plan;
mod prefix;
mod query;
mod radix;
mod sequence;
mod span;
mod stats;
#[cfg(test)]
mod tests;
mod words;
mod write;

pub use certificate::{
    Anchor, Approximated, CERTIFICATE_BYTES_MAX, CertificateError, Expected, Measured, NeverSaw,
    VerifyError,
};
pub use command::{Appended, Command, Copy, Run, View, Wipe, Write};
pub use error::{KvError, NotOwed, PlanError};
pub use evict::{ApproximateReceipt, Evicted, ExactReceipt, Receipt, SpanFacts};
pub use fork::Refused;
pub use image::RestoreError;
pub use ledger::{Bounds, Ledger, Opened, Owner, Part};
pub use plan::{Plan, Rerun};
pub use prefix::{Hit, Publish};
pub use query::SequenceView;
pub use span::{SpanSpec, SpanView};
pub use stats::{PrincipalStats, Stats};
pub use words::{
    ExactMode, Kind, KvType, Mode, PAGE_TOKENS, PageId, PinId, Place, Priority, Salt, SeqId,
    SpanId, Standing, Tag, Token,
};
