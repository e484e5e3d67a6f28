//! Offline copies somebody has been at, judged by this crate and by a second implementation.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use fak_journal::{Draft, Fault, OpenError, Reader, RecordKind, Settings};
use fak_types::Digest;
use support::{filled, run, sound, text};
use tempfile::tempdir;

const ROWS: u64 = 2000;

/// Runs SQL on a copy as somebody who knows how to.
fn tampered(path: &Path, sql: &str) -> PathBuf {
    let copy = path.with_file_name("copy.db");
    fs::copy(path, &copy).unwrap();
    let conn = rusqlite::Connection::open(&copy).unwrap();
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
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
    let kept = (
        ROWS,
        Reader::open(&path).unwrap().tree_root_at(ROWS).unwrap(),
    );
    let by_root = reader.verify_against(None, &[kept]).unwrap().fault;
    assert_eq!(by_root, Some(fault.clone()));
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

/// The other implementation's exit status and words; `None`, with the reason printed, without Python.
fn second_opinion(arguments: &[&str]) -> Option<(Option<i32>, String)> {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/conformance/journal_verify.py"
    );
    if !run("python3", &["-c", "import sqlite3"]) {
        println!("SKIP: python3 with sqlite3 is not installed");
        return None;
    }
    let output = Command::new("python3")
        .arg(script)
        .args(arguments)
        .output()
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    Some((output.status.code(), words))
}

#[tokio::test]
async fn a_second_implementation_agrees() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, ROWS).await;
    let report = sound(&path);
    let hex = |digest: Digest| digest.to_string().replace("sha256:", "");
    let expected = format!(
        "sound: {ROWS} rows, head {}, root {}\n",
        report.head.hash,
        hex(report.root)
    );
    let Some(words) = second_opinion(&[text(&path)]) else {
        return;
    };
    assert_eq!(words, (Some(0), expected.clone()));

    let lines = dir.path().join("export.jsonl");
    let reader = Reader::open(&path).unwrap();
    reader.export(1, fs::File::create(&lines).unwrap()).unwrap();
    assert_eq!(
        second_opinion(&[text(&lines)]).unwrap(),
        (Some(0), expected.clone())
    );

    // What was kept elsewhere, of several moments.
    let at = |size: u64| format!("{size}:{}", hex(reader.tree_root_at(size).unwrap()));
    let head = format!("{ROWS}:{}", report.head.hash);
    let kept = [
        text(&path),
        "--root",
        &at(0),
        "--root",
        &at(1),
        "--root",
        &at(777),
        "--root",
        &at(ROWS),
        "--head",
        &head,
    ];
    assert_eq!(second_opinion(&kept).unwrap(), (Some(0), expected));
    let wrong = format!("700:{}", hex(report.root));
    let (code, words) = second_opinion(&[text(&path), "--root", &wrong]).unwrap();
    assert_eq!(
        (code, words.starts_with("row 700: ")),
        (Some(1), true),
        "{words}"
    );
    let beyond = format!("2048:{}", hex(report.root));
    let (code, words) = second_opinion(&[text(&path), "--root", &beyond]).unwrap();
    assert_eq!(
        (code, words.starts_with("row 2048: ")),
        (Some(1), true),
        "{words}"
    );

    let none = dir.path().join("none.db");
    let (code, words) = second_opinion(&[text(&none)]).unwrap();
    assert_eq!(
        (code, words.starts_with("missing: ")),
        (Some(2), true),
        "{words}"
    );
}

/// Rows and tiles, one change at a time: both implementations name the same row.
#[tokio::test]
async fn both_implementations_name_the_same_row() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, ROWS).await;
    let cases = [
        (
            "UPDATE records SET body = replace(body, 'ALLOW', 'DENY') WHERE seq = 700",
            700,
            "hash",
        ),
        (
            "UPDATE records SET body = replace(body, 'uid:1000', 'uid:0') WHERE seq = 2",
            2,
            "hash",
        ),
        (
            "UPDATE records SET hash = zeroblob(32) WHERE seq = 1999",
            1999,
            "hash",
        ),
        ("DELETE FROM records WHERE seq = 5", 6, "number 5"),
        (
            "UPDATE tree_tiles SET hashes = zeroblob(8192) WHERE idx = 3",
            1024,
            "tile 0/3",
        ),
        (
            "UPDATE tree_tiles SET root = zeroblob(32) WHERE idx = 0",
            256,
            "tile 0/0",
        ),
        (
            "UPDATE tree_tiles SET idx = 8 WHERE idx = 6",
            1792,
            "tile 0/6",
        ),
        ("DELETE FROM tree_tiles WHERE idx = 1", 512, "tile 0/1"),
        ("DELETE FROM tree_tiles", 256, "tile 0/0"),
        // A bad row is named before a bad tile that comes earlier.
        (
            "DELETE FROM tree_tiles; DELETE FROM records WHERE seq = 1500",
            1501,
            "number 1500",
        ),
    ];
    for (sql, seq, words) in cases {
        let copy = tampered(&path, sql);
        let fault = fault(&copy);
        assert_eq!(fault.seq, seq, "{sql}: {fault}");
        assert!(fault.to_string().contains(words), "{sql}: {fault}");
        let Some((code, second)) = second_opinion(&[text(&copy)]) else {
            return;
        };
        assert_eq!(code, Some(1), "{sql}: {second}");
        assert!(
            second.starts_with(&format!("row {seq}: ")),
            "{sql}: {second}"
        );
        assert!(second.contains(words), "{sql}: {second}");
    }
}

/// Any field of a record, with the hashes after it made to fit: the chain is whole again, and what was
/// kept elsewhere tells.
#[tokio::test]
async fn a_rewritten_file_needs_a_kept_root() {
    const CHANGED: u64 = 100;
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 600).await;
    let before = sound(&path);
    let kept = (before.rows, before.root);
    let changes: [fn(&mut Draft); 6] = [
        |row| row.verdict = "DENY".into(),
        |row| row.who = "uid:0".into(),
        |row| row.ts_us += 1,
        |row| row.args_digest = None,
        |row| row.note = "x".into(),
        |row| row.kind = RecordKind::Emergency,
    ];
    for change in changes {
        let copy = tampered(&path, "DELETE FROM tree_tiles");
        let rows = Reader::open(&copy).unwrap().rows(1, usize::MAX).unwrap();
        let conn = rusqlite::Connection::open(&copy).unwrap();
        let mut prev = Digest::ZERO;
        conn.execute_batch("PRAGMA synchronous = OFF; BEGIN")
            .unwrap();
        for row in rows {
            let mut draft = row.record().unwrap().draft;
            if row.seq == CHANGED {
                change(&mut draft);
            }
            let body = fak_chain::encode(&draft, row.seq);
            prev = fak_chain::link(&prev, &body);
            let values = (std::str::from_utf8(&body).unwrap(), prev.0, row.seq);
            conn.execute(
                "UPDATE records SET body = ?1, hash = ?2 WHERE seq = ?3",
                values,
            )
            .unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
        // The daemon's own tables again, and tiles that fit the new rows.
        drop(conn);
        restore_tables(&path, &copy);
        let (journal, _) = support::open(&copy);
        journal.close().await.unwrap();
        sound(&copy);
        let report = Reader::open(&copy)
            .unwrap()
            .verify_against(None, &[kept])
            .unwrap();
        let fault = report.fault.expect("a fault").to_string();
        assert!(fault.contains("the journal was rewritten"), "{fault}");
        let kept = format!("600:{}", before.root.to_string().replace("sha256:", ""));
        if let Some((code, words)) = second_opinion(&[text(&copy), "--root", &kept]) {
            assert_eq!(
                (code, words.starts_with("row 600: ")),
                (Some(1), true),
                "{words}"
            );
        }
    }
}

/// Makes the indices and triggers of one journal in another.
fn restore_tables(from: &Path, to: &Path) {
    let from = rusqlite::Connection::open(from).unwrap();
    let to = rusqlite::Connection::open(to).unwrap();
    let mut select = from
        .prepare(
            "SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL",
        )
        .unwrap();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        to.execute_batch(&row.get::<_, String>(0).unwrap()).unwrap();
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}
