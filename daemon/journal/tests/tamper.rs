//! Offline copies somebody has been at, judged by this crate and by a second implementation.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use fak_journal::{Fault, OpenError, Reader, Settings};
use support::{filled, run, sound, text};
use tempfile::tempdir;

const ROWS: u64 = 2000;

/// Runs SQL on a copy as somebody who knows how to.
fn tampered(path: &Path, sql: &str) -> PathBuf {
    let copy = path.with_file_name("copy.db");
    fs::copy(path, &copy).unwrap();
    let conn = rusqlite::Connection::open(&copy).unwrap();
    conn.execute_batch("DROP TRIGGER records_keep; DROP TRIGGER records_stay")
        .unwrap();
    conn.execute_batch("DROP INDEX records_trace; DROP INDEX records_gap")
        .unwrap();
    conn.execute_batch(sql).unwrap();
    copy
}

fn fault(path: &Path) -> Fault {
    fak_journal::verify(path).unwrap().fault.expect("a fault")
}

#[tokio::test]
async fn every_change_is_found_at_its_row() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, ROWS).await;
    let cases: &[(&str, u64, &str)] = &[
        (
            "UPDATE records SET body = replace(body, 'ALLOW', 'DENY') WHERE seq = 700",
            700,
            "hash",
        ),
        (
            "UPDATE records SET hash = zeroblob(32) WHERE seq = 1",
            1,
            "hash",
        ),
        (
            "UPDATE records SET body = CAST(x'ff' AS TEXT) WHERE seq = 9",
            9,
            "hash",
        ),
        ("DELETE FROM records WHERE seq = 5", 6, "number 5"),
        ("DELETE FROM records WHERE seq = 1", 2, "number 1"),
        (
            "UPDATE records SET seq = 90001 WHERE seq = 2000",
            90001,
            "number 2000",
        ),
        (
            "DELETE FROM records WHERE seq = 5; UPDATE records SET seq = 5 WHERE seq = 2000",
            5,
            "hash",
        ),
        (
            "INSERT INTO records SELECT 2001, body, hash FROM records WHERE seq = 3",
            2001,
            "hash",
        ),
    ];
    for &(sql, seq, words) in cases {
        let fault = fault(&tampered(&path, sql));
        assert_eq!(fault.seq, seq, "{sql}: {fault}");
        assert!(fault.to_string().contains(words), "{sql}: {fault}");
    }
}

/// What only a head that was kept elsewhere can show.
#[tokio::test]
async fn a_cut_tail_needs_a_kept_head() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, ROWS).await;
    let head = sound(&path).head;
    let copy = tampered(&path, "DELETE FROM records WHERE seq > 1990");
    let reader = Reader::open(&copy).unwrap();
    assert!(reader.verify(None).unwrap().is_sound());
    let fault = reader.verify(Some(head)).unwrap().fault.unwrap();
    assert_eq!(fault.seq, ROWS);
    assert!(fault.to_string().contains("ends at row 1990"), "{fault}");
    assert!(
        Reader::open(&path)
            .unwrap()
            .verify(Some(head))
            .unwrap()
            .is_sound()
    );
}

#[tokio::test]
async fn a_flipped_byte_in_the_file_is_found_at_its_row() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, ROWS).await;
    let whole = fs::read(&path).unwrap();
    for seq in [1, 2, 999, ROWS] {
        let needle = format!("\"call\":\"call-{seq}\"");
        let at = find(&whole, needle.as_bytes()).unwrap();
        let mut bytes = whole.clone();
        bytes[at + 9] ^= 1;
        let copy = dir.path().join("copy.db");
        fs::write(&copy, bytes).unwrap();
        assert_eq!(fault(&copy).seq, seq);
    }
}

#[tokio::test]
async fn a_truncated_file_is_never_sound() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, ROWS).await;
    let whole = fs::read(&path).unwrap();
    let copy = dir.path().join("copy.db");
    let mut named = 0;
    for sixteenth in 0..16 {
        for off in [0, 1, 100] {
            fs::write(&copy, &whole[..whole.len() * sixteenth / 16 + off]).unwrap();
            match fak_journal::verify(&copy) {
                Err(_) => {}
                Ok(report) => {
                    let fault = report
                        .fault
                        .unwrap_or_else(|| panic!("{sixteenth}/16 is sound"));
                    assert_eq!(fault.seq, report.rows + 1, "{fault}");
                    named += 1;
                }
            }
        }
    }
    assert!(
        named > 20,
        "most cuts leave a journal whose first bad row has a number"
    );
}

/// Anywhere at all: either the rows are all as they were, or something is said.
#[tokio::test]
async fn a_damaged_page_is_never_another_journal() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 300).await;
    let head = sound(&path).head;
    let whole = fs::read(&path).unwrap();
    let copy = dir.path().join("copy.db");
    for at in (0..whole.len()).step_by(997) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&copy, bytes).unwrap();
        if let Ok(report) = fak_journal::verify(&copy)
            && report.is_sound()
        {
            assert_eq!(report.head, head, "byte {at}");
        }
    }
}

#[tokio::test]
async fn a_daemon_does_not_append_to_a_broken_end() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 50).await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    let trigger: String = conn
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE name = 'records_keep'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    conn.execute_batch("DROP TRIGGER records_keep").unwrap();
    conn.execute(
        "UPDATE records SET body = replace(body, 'ALLOW', 'DENY') WHERE seq = 40",
        [],
    )
    .unwrap();
    conn.execute_batch(&trigger).unwrap();
    drop(conn);
    let error = fak_journal::Journal::open(Settings::new(&path)).unwrap_err();
    let OpenError::Unsound { fault, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(fault.seq, 40);
}

#[tokio::test]
async fn a_row_hidden_from_the_index_shows_in_the_file_check() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 50).await;
    let mut bytes = fs::read(&path).unwrap();
    // The index holds the trace's name again; that of row 8 comes second after that of row 1.
    let at = bytes
        .windows(7)
        .rposition(|window| window == b"trace-1")
        .unwrap();
    bytes[at + 6] = b'9';
    let copy = dir.path().join("copy.db");
    fs::write(&copy, bytes).unwrap();
    let complaints = Reader::open(&copy).unwrap().check_file().unwrap();
    let verified = fak_journal::verify(&copy).unwrap();
    assert!(!complaints.is_empty() || !verified.is_sound());
}

#[tokio::test]
async fn a_second_implementation_agrees() {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/conformance/journal_verify.py"
    );
    if !run("python3", &["-c", "import sqlite3"]) {
        println!("SKIP: python3 with sqlite3 is not installed");
        return;
    }
    let judge = |path: &Path| {
        let output = Command::new("python3")
            .args([script, text(path)])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, ROWS).await;
    let head = sound(&path).head;
    let expected = format!("sound: {ROWS} rows, head {}\n", head.hash);
    assert_eq!(judge(&path), (Some(0), expected.clone()));

    let lines = dir.path().join("export.jsonl");
    Reader::open(&path)
        .unwrap()
        .export(1, fs::File::create(&lines).unwrap())
        .unwrap();
    assert_eq!(judge(&lines), (Some(0), expected));

    let copy = tampered(
        &path,
        "UPDATE records SET body = replace(body, 'ALLOW', 'DENY') WHERE seq = 700",
    );
    let (code, words) = judge(&copy);
    assert_eq!(
        (code, words.starts_with("row 700: ")),
        (Some(1), true),
        "{words}"
    );
    let (code, words) = judge(&tampered(&path, "DELETE FROM records WHERE seq = 5"));
    assert_eq!(
        (code, words.starts_with("row 6: ")),
        (Some(1), true),
        "{words}"
    );
    let (code, words) = judge(&dir.path().join("none.db"));
    assert_eq!(
        (code, words.starts_with("missing: ")),
        (Some(2), true),
        "{words}"
    );
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
