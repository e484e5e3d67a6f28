//! The `fak.v1` gRPC protocol: messages, client stub and service trait, generated at build time from
//! `fak/v1/fak.proto`, and the names both ends must agree on.
//!
//! The protocol only grows: a field number, once given, keeps its name and type. A golden test compares
//! every message, field and RPC with `tests/fak_v1.golden`.

#![forbid(unsafe_code)]

/// Generated from `fak/v1/fak.proto`; the comments of that file are its documentation.
pub mod v1 {
    #![allow(
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes,
        missing_docs,
        reason = "generated"
    )]

    tonic::include_proto!("fak.v1");
}

/// The protocol's package and version, as it appears in every RPC path.
pub const PROTOCOL: &str = "fak.v1";

/// The value of the `schema` member of every JSON object `fakctl` prints.
pub const JSON_SCHEMA: &str = "fakctl/v1";

/// The system daemon's socket.
pub const SYSTEM_SOCKET: &str = "/run/fak/fakd.sock";

/// A user daemon's socket, below `$XDG_RUNTIME_DIR`.
pub const USER_SOCKET: &str = "fak/fakd.sock";

/// The directory of a user daemon's socket when `$XDG_RUNTIME_DIR` is not set: this prefix and the user
/// id. Both ends must refuse it unless it is a directory, owned by that user, with no access for others.
pub const USER_RUNTIME_FALLBACK: &str = "/tmp/fak-";

/// The environment variable that names the socket for `fakctl`.
pub const SOCKET_ENV: &str = "FAK_SOCKET";

/// Most calls in one batch. LIMIT: a longer batch is refused as a whole.
pub const BATCH_CALLS_MAX: usize = 1024;

/// Longest frame either end accepts by default, in bytes: the longest arguments and room for the rest.
pub const FRAME_BYTES_MAX: usize = (4 << 20) + (64 << 10);

/// What a gRPC connection over a Unix socket calls its authority; the value carries no meaning.
pub const AUTHORITY: &str = "http://fakd";
