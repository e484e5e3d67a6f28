//! The journal's bytes: record codec, hash chain, verification.
//!
//! A journal row is a number, a body and a hash. The body is one record as canonical JSON; the hash binds
//! the body to every row before it:
//!
//! ```text
//! hash(n) = SHA-256("fak-journal/v1\n" || hash(n-1) || body(n))      hash(0) = 32 zero bytes
//! ```
//!
//! * [`encode`] writes a [`Draft`] under its sequence number; [`decode`] reads it back. Between records and
//!   the bodies [`decode`] accepts there is a bijection: a second spelling of the same record is an error,
//!   so a body cannot be re-encoded behind a hash.
//! * [`link`] computes a row's hash, [`leaf`] its leaf in the Merkle tree over the same bodies.
//! * [`Tree`] is the growing edge of that tree; [`verify_inclusion`] and [`verify_consistency`] hold a
//!   root against a leaf or an earlier root.
//! * [`Verifier`] walks rows in order and names the first bad one.
//!
//! This crate holds bytes only: it reads no file and no clock, and it does not know where rows are kept.
//! It cannot see rows missing after the last one it was given, nor a journal rewritten from its first
//! row on; both need a head that was kept elsewhere (see `docs/journal-format.md`).

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

mod checkpoint;
mod decode;
mod encode;
mod evidence;
mod hash;
mod note;
mod record;
mod tree;
mod verify;

#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, CheckpointError, cosign, verify_cosignature};
pub use decode::{DecodeError, DecodeProblem, check, decode};
pub use encode::{encode, encode_into};
pub use evidence::{EvidenceError, GrowthProof, PROOF_BYTES_MAX, RowProof};
pub use hash::{DOMAIN, digest_bytes, leaf, link, node};
pub use note::{
    KEY_NAME_BYTES_MAX, KeyError, KeyType, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteError,
    PublicKey, SecretKey, Signature,
};
pub use record::{Draft, Head, NUMBER_MAX, Record, RecordKind, TEXT_BYTES_MAX};
pub use tree::{
    EdgeError, ProofError, ProofFault, TILE_BYTES, TILE_HASHES, TILE_LEVELS, Tile, Tiles, Tree,
    consistency_proof, empty_root, inclusion_proof, leaves_to_end, root_at, tile_hashes, tile_root,
    verify_consistency, verify_inclusion,
};
pub use verify::{Fault, Problem, Verifier};
