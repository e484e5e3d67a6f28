//! A journal of the format before: fakd brings it forward, and what it said it still says.

use std::{fs, path::Path};

use fak_chain::{Draft, RecordKind, encode, link};
use fak_journal::Reader;
use fak_support::Place;
use fak_types::Digest;

const ROWS: u64 = 700;

/// The tables of format 1, as docs/journal-format.md has them.
const FORMAT_1: &str = "\
PRAGMA journal_mode = WAL;
CREATE TABLE records (
  seq INTEGER PRIMARY KEY CHECK (seq > 0),
  body TEXT NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX records_trace ON records (json_extract(body, '$.trace'))
  WHERE json_extract(body, '$.trace') IS NOT NULL;
CREATE INDEX records_gap ON records (seq) WHERE instr(body, '\"kind\":\"GAP\"') > 0;
CREATE TRIGGER records_keep BEFORE UPDATE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TRIGGER records_stay BEFORE DELETE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal is append-only'); END;
CREATE TABLE kernel_state (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 0x66616b4a;
PRAGMA user_version = 1;
BEGIN";

fn write_format_1(path: &Path) {
    let conn = rusqlite::Connection::open(path).expect("opened");
    conn.execute_batch(FORMAT_1).expect("made");
    let mut head = Digest::ZERO;
    for seq in 1..=ROWS {
        let draft = Draft {
            who: "uid:1000".into(),
            trace: format!("t-{}", seq % 7),
            tool: "Read".into(),
            verdict: "ALLOW".into(),
            by: "allow/Read".into(),
            args_bytes: 2,
            args_digest: Some(fak_chain::digest_bytes(b"{}")),
            generation: 1,
            profile: "coding-agent".into(),
            took_us: 10,
            ..Draft::new(RecordKind::Decide, 1_700_000_000_000_000 + seq)
        };
        let body = encode(&draft, seq);
        head = link(&head, &body);
        let row = (seq, std::str::from_utf8(&body).expect("text"), head.0);
        conn.execute("INSERT INTO records VALUES (?1, ?2, ?3)", row)
            .expect("a row");
    }
    conn.execute_batch("COMMIT").expect("done");
}

#[test]
fn a_journal_of_format_1_goes_on_as_format_2() {
    let place = Place::new();
    let journal = place.journal();
    fs::create_dir_all(journal.parent().expect("a parent")).expect("made");
    write_format_1(&journal);
    let path = journal.display().to_string();
    // Read as it is, before anybody brings it forward.
    assert!(place.fakctl(&["audit", "verify", &path]).status.success());
    let before = Reader::open(&journal)
        .expect("there")
        .rows(1, 1000)
        .expect("rows");

    let daemon = place.start(&[]);
    let status = place.fakctl(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("json");
    assert_eq!(status["status"]["decided"].as_u64(), Some(ROWS), "{status}");
    let proof = place.fakctl(&["audit", "prove", "300"]);
    let key = place.fakctl(&["audit", "checkpoint", "--key"]);
    assert_eq!(daemon.stop(), Some(0));

    let file = place.join("row.tlog-proof");
    fs::write(&file, &proof.stdout).expect("written");
    let key = String::from_utf8(key.stdout).expect("text");
    let checked = place.fakctl(&[
        "audit",
        "check",
        &file.display().to_string(),
        "--key",
        key.trim(),
    ]);
    assert!(checked.status.success(), "{checked:?}");
    let after = Reader::open(&journal)
        .expect("there")
        .rows(1, 1000)
        .expect("rows");
    assert_eq!(after[..before.len()], before[..]);
    assert!(after.len() > before.len());
    assert!(place.fakctl(&["audit", "verify", &path]).status.success());
    let conn = rusqlite::Connection::open(&journal).expect("opened");
    let format: u32 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("read");
    assert_eq!(format, 2);
}
