//! Tests only: see `tests/`. Here is what several of them share.

#![forbid(unsafe_code)]

pub mod callers;
pub mod disk;

use fak_support::{Daemon, Place};

/// Waits until the daemon answers, which is some time after it listens, and stops it in order.
///
/// # Panics
/// When it does not answer, or ends otherwise.
pub fn stops_in_order(place: &Place, daemon: Daemon) {
    assert!(place.fakctl(&["status"]).status.success());
    assert_eq!(daemon.stop(), Some(0));
}
