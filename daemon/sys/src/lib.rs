//! Every system call fakd makes itself.
//!
//! Peer credentials of a Unix socket, the liveness of a process by its pidfd, sockets with the right
//! mode from their first instant, sockets handed over by the service manager, names of users and
//! groups, and the two switches that keep memory out of core dumps. This crate wraps calls and decides
//! nothing; it is the only crate outside vector code that may contain `unsafe`.

mod cell;
mod confine;
mod landlock;
mod map;
mod names;
mod peer;
mod process;
mod socket;

pub use cell::{Cell, CellError};
pub use confine::{Confinement, Unconfined, prove_confinement};
pub use landlock::landlock_version;
pub use map::MappedFile;
pub use names::{group_id, user_id, user_name};
pub use peer::{Peer, Pidfd, peer};
pub use process::{
    effective_gid, effective_uid, forbid_dumps, free_bytes, host_name, lock_exclusive,
    resident_bytes,
};
pub use socket::{BindError, SOCKET_PATH_BYTES_MAX, adopt_listener, bind_listener};
