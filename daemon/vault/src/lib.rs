//! The vault: bytes that must not enter a context, or were moved out of one.
//!
//! A result that is not admitted is sealed here under a name that says nothing of it, and stays until
//! somebody who may releases it; a result that was too large to stay in a context is sealed here until it
//! is paged in again. Content is stored once, encrypted and authenticated, one file for each; whoever
//! needs it has a hold on it, one for each session.
//!
//! - What [`Vault::seal`] has acknowledged is on disk, whatever happens next.
//! - Quarantined bytes are never displaced. When there is no room [`Vault::seal`] refuses, and its caller
//!   must refuse the result: nothing may be admitted because it could not be sealed.
//! - [`Vault::read`] gives back exactly what was sealed or says what is wrong with the file.
//! - Nothing in a file is readable without the key: not the bytes, not the tool, not the session.
//!
//! Beside the blobs it keeps logs: named sequences of records, sealed with the same key ([`Vault::log`]).
//!
//! docs/vault.md has the format byte by byte. This crate decides nothing: what is quarantined and who may
//! release it is its caller's to know. It reads no clock and no environment and spawns no thread; every
//! call blocks on the disk.

#![forbid(unsafe_code)]

mod cipher;
mod disk;
mod error;
mod format;
mod index;
mod key;
mod log;
mod meta;
mod vault;

pub use error::{Damage, LogError, OpenError, ReadError, SealError, Trouble};
pub use format::{HEADER_BYTES, Header, VERSION};
pub use index::{COUNT_MAX, LIST_MAX, Limits, SHARE_PERCENT_MAX, TOTAL_BYTES_MAX};
pub use key::{KeyError, KeyId, Keys, VaultKey};
pub use log::{
    LOG_BYTES_MAX, LOG_NAME_BYTES_MAX, LOG_RECORD_BYTES_MAX, LOGS_BYTES_MAX, LOGS_MAX, Log,
    LogInfo, LogLimits,
};
pub use meta::{Kind, Meta, REASON_BYTES_MAX, SealId, Sealed, WHO_BYTES_MAX};
pub use vault::{Filter, Opened, Page, Released, Rotated, Status, Unreadable, Vault};
/// As [`VaultKey::reveal`] returns it, for texts that hold a key.
pub use zeroize::Zeroizing;
