//! A journal of a later version: fakd says which, leaves it as it is, and ends with the code of a configuration.

use std::{fs, path::Path};

use fak_e2e::stops_in_order;
use fak_support::Place;

/// Offset and value of `PRAGMA user_version` in the database's header.
const USER_VERSION_AT: usize = 60;
const LATER: u32 = 99;

/// Makes the file one of format 99. What SQLite calls `user_version` is four bytes of the header, and a journal that was
/// closed in order has its header in the file.
fn make_later(journal: &Path) {
    let mut bytes = fs::read(journal).expect("the journal is there");
    bytes[USER_VERSION_AT..USER_VERSION_AT + 4].copy_from_slice(&LATER.to_be_bytes());
    fs::write(journal, bytes).expect("the journal is ours");
}

#[test]
fn a_newer_journal_ends_fakd_with_78_and_a_way_out() {
    let place = Place::new();
    stops_in_order(&place, place.start(&[]));
    let journal = place.journal();
    let known = {
        let bytes = fs::read(&journal).expect("the journal is there");
        let field = bytes[USER_VERSION_AT..].first_chunk().expect("a header");
        u32::from_be_bytes(*field)
    };
    make_later(&journal);
    let before = fs::read(&journal).expect("the journal is there");

    let output = place
        .command("fakd")
        .args(["--user", "--foreground"])
        .output()
        .expect("fakd runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    let path = journal.display().to_string();
    for part in [
        path.as_str(),
        "format 99",
        &format!("up to {known}"),
        "run the newer fakd",
    ] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    let after = fs::read(&journal).expect("the journal is there");
    assert!(before == after, "the newer journal is left as it is");

    let verified = place.fakctl(&["audit", "verify", &path]);
    assert!(!verified.status.success());
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(said.contains("format 99"), "{said}");
}

/// The socket must not be there either: nobody is told that fakd listens.
#[test]
fn a_newer_journal_leaves_no_socket() {
    let place = Place::new();
    stops_in_order(&place, place.start(&[]));
    make_later(&place.journal());
    assert_eq!(place.spawn(&[]).wait(), Some(78));
    assert!(!place.socket().exists());
}
