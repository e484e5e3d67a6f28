//! Tests only: see `tests/`. Here is what several of them share.

#![forbid(unsafe_code)]

pub mod callers;
pub mod disk;
pub mod results;
pub mod talk;

use std::{fs, process::Output};

use fak_support::{Daemon, Place};

/// Everything a program printed.
#[must_use]
pub fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Runs fakctl, which must end with `code`, and yields what it printed on standard output.
///
/// # Panics
/// When it ends otherwise.
pub fn fakctl(place: &Place, args: &[&str], code: i32) -> String {
    let output = place.fakctl(args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}: {}",
        said(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Has this many calls judged, one after the other.
///
/// # Panics
/// When fakd does not answer.
pub fn ask(place: &Place, calls: usize) {
    let line = "{\"tool\":\"Read\",\"args\":{\"file_path\":\"a\"}}\n";
    let path = place.join(&format!("calls-{calls}.jsonl"));
    fs::write(&path, line.repeat(calls)).expect("written");
    fakctl(place, &["run", "--trace", &path.display().to_string()], 0);
}

/// Waits until the daemon answers, which is some time after it listens, and stops it in order.
///
/// # Panics
/// When it does not answer, or ends otherwise.
pub fn stops_in_order(place: &Place, daemon: Daemon) {
    assert!(place.fakctl(&["status"]).status.success());
    assert_eq!(daemon.stop(), Some(0));
}
