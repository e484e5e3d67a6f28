//! The journal on disk: one SQLite file of chained records, one writer, group commit.
//!
//! * [`Journal`] writes. One thread owns the connection; appends queue for it, and those that queue
//!   while a commit syncs share the next one. An append that was answered is on disk.
//! * [`Reader`] reads: the live file beside a running daemon, or a copy of it, on read-only media too.
//!   [`Reader::verify`] walks the whole chain and names the first bad row; [`Reader::inclusion`] and
//!   [`Reader::consistency`] prove single rows and earlier journals against the root of a Merkle tree;
//!   [`Reader::backup_to`] copies a journal while it is written.
//!
//! What rows mean and how they are chained is `fak-chain`'s; the byte-exact format is
//! `docs/journal-format.md`. This crate makes no records of its own but GAP, and judges nothing. It keeps
//! no secret: whoever can write the file can write another one, and only a head kept elsewhere tells.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod error;
mod handle;
mod lock;
mod queue;
mod reader;
mod schema;
mod store;
mod tiles;
mod writer;

pub use error::{AppendError, OpenError, ReadError, Trouble, TroubleKind};
pub use fak_chain::{Draft, Fault, Head, Record, RecordKind};
pub use handle::{Durability, Health, Journal, Opened, Receipt, Settings, StatePut, StateValue};
pub use reader::{Copied, Reader, Report, Row, TreeSource, verify};
