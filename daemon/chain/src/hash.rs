//! The hash formulas.

use fak_types::Digest;
use sha2::{Digest as _, Sha256};

/// What every row's pre-image begins with. It names the format, so no other use of SHA-256 can produce a
/// row's hash by accident, and a later format cannot be taken for this one.
pub const DOMAIN: &[u8] = b"fak-journal/v1\n";

/// The hash of the row that holds `body` after a row whose hash is `prev`.
#[must_use]
pub fn link(prev: &Digest, body: &[u8]) -> Digest {
    finish(
        Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(prev.0)
            .chain_update(body),
    )
}

/// The plain SHA-256 of some bytes: how arguments, results and policies appear in a record.
#[must_use]
pub fn digest_bytes(bytes: &[u8]) -> Digest {
    finish(Sha256::new().chain_update(bytes))
}

/// The RFC 6962 leaf hash of a row: `SHA-256(0x00 || body)`.
///
/// A Merkle tree over a journal takes its leaves from bodies, not from row hashes, so a proof about one
/// row needs no other row.
#[must_use]
pub fn leaf(body: &[u8]) -> Digest {
    finish(Sha256::new().chain_update([0]).chain_update(body))
}

/// The RFC 6962 hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node(left: &Digest, right: &Digest) -> Digest {
    finish(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0),
    )
}

fn finish(state: Sha256) -> Digest {
    Digest(state.finalize().into())
}
