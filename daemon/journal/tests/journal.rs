//! Appending, batching, caching, closing.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod support;

use std::{collections::BTreeSet, time::Instant};

use fak_journal::{
    AppendError, Draft, Durability, Head, Journal, OpenError, Reader, Receipt, Record, RecordKind,
    Settings, StatePut,
};
use support::{draft, filled, open, sound};
use tempfile::tempdir;

#[tokio::test]
async fn a_row_that_was_answered_is_there() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, opened) = open(&path);
    assert_eq!((opened.rows, opened.head, opened.gaps), (0, Head::EMPTY, 0));
    let mut follow = journal.subscribe();
    let receipt = journal.append(draft(1)).await.unwrap();
    assert_eq!(receipt.seq, 1);
    assert_eq!(*follow.borrow_and_update(), 1);

    // Beside the running writer.
    let reader = Reader::open(&path).unwrap();
    let rows = reader.rows(1, 10).unwrap();
    assert_eq!(
        rows[0].record().unwrap(),
        Record {
            seq: 1,
            draft: draft(1)
        }
    );
    assert_eq!(rows[0].hash, receipt.hash);
    assert_eq!(
        reader.head().unwrap(),
        Head {
            seq: 1,
            hash: receipt.hash
        }
    );

    let health = journal.health();
    assert!(health.ok && health.problem.is_none());
    assert_eq!(
        (health.rows, health.head.hash, health.gaps),
        (1, receipt.hash, 0)
    );
    drop(reader);
    journal.close().await.unwrap();
    assert_eq!(journal.append(draft(2)).await, Err(AppendError::Closed));
    assert!(
        !path.with_extension("db-wal").exists(),
        "closing leaves one file"
    );
    assert_eq!(sound(&path).rows, 1);
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_in_order() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let settings = Settings {
        queue_max: 100,
        ..Settings::new(&path)
    };
    let (journal, _) = Journal::open(settings).unwrap();
    let too_many = (0..101).map(draft).collect();
    let error = journal.append_all(too_many).await.unwrap_err();
    assert_eq!(
        error,
        AppendError::TooMany {
            count: 101,
            max: 100
        }
    );
    let receipts = journal
        .append_all((1..=100).map(draft).collect())
        .await
        .unwrap();
    assert!(receipts.iter().map(|receipt| receipt.seq).eq(1..=100));
    assert_eq!(journal.append_all(Vec::new()).await, Ok(Vec::new()));
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 100);
}

#[tokio::test]
async fn the_chain_goes_on_after_closing() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 3000).await;
    let (journal, opened) = open(&path);
    assert_eq!(opened.rows, 3000);
    assert_eq!(journal.append(draft(1)).await.unwrap().seq, 3001);
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 3001);
}

#[tokio::test]
async fn reading_by_number_trace_and_end() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 5000).await;
    let reader = Reader::open(&path).unwrap();
    let seqs = |rows: Vec<fak_journal::Row>| rows.iter().map(|row| row.seq).collect::<Vec<_>>();
    assert_eq!(seqs(reader.rows(4999, 10).unwrap()), [4999, 5000]);
    assert_eq!(seqs(reader.rows(0, 2).unwrap()), [1, 2]);
    assert_eq!(seqs(reader.last(2).unwrap()), [4999, 5000]);
    assert_eq!(seqs(reader.trace("trace-3", 0, 3).unwrap()), [3, 10, 17]);
    assert_eq!(seqs(reader.trace("trace-3", 11, 1).unwrap()), [17]);
    assert!(reader.trace("trace-9", 0, 3).unwrap().is_empty());
    let count = |from| {
        reader
            .fold(from, 0, |sum, record| sum + record.args_bytes / 8)
            .unwrap()
    };
    assert_eq!((count(0), count(4001)), (5000, 1000));

    let mut lines = Vec::new();
    assert_eq!(reader.export(4999, &mut lines).unwrap(), 2);
    let lines = String::from_utf8(lines).unwrap();
    let row = &reader.last(1).unwrap()[0];
    let body = std::str::from_utf8(&row.body).unwrap();
    let last = format!(r#"{{"seq":5000,"hash":"{}","record":{body}}}"#, row.hash);
    assert_eq!(lines.lines().nth(1), Some(last.as_str()));
}

#[tokio::test]
async fn the_trace_index_is_used() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 10).await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    let plan: String = conn
        .query_row(
            "EXPLAIN QUERY PLAN SELECT seq, body, hash FROM records \
             WHERE json_extract(body, '$.trace') = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
            ("t", 0, 1),
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("USING INDEX records_trace"), "{plan}");
    let mode: String = conn
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_producers_share_commits() {
    const EACH: u64 = 400;
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    let begun = Instant::now();
    let producers: Vec<_> = (0..64)
        .map(|producer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for n in 0..EACH {
                    seqs.push(
                        journal
                            .append(draft(producer * EACH + n))
                            .await
                            .unwrap()
                            .seq,
                    );
                }
                assert!(seqs.is_sorted(), "one caller's rows keep its order");
                seqs
            })
        })
        .collect();
    let mut all = BTreeSet::new();
    for producer in producers {
        all.extend(producer.await.unwrap());
    }
    let took = begun.elapsed();
    assert!(all.into_iter().eq(1..=64 * EACH));
    println!(
        "64 producers: {:.0} durable rows/s",
        (64 * EACH) as f64 / took.as_secs_f64()
    );
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 64 * EACH);
}

#[tokio::test]
async fn a_second_writer_is_told_who_holds_the_journal() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    let error = Journal::open(Settings::new(&path)).unwrap_err();
    assert_eq!(
        error,
        OpenError::LockHeld {
            path: path.clone(),
            pid: Some(std::process::id())
        }
    );
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    journal.append(draft(1)).await.unwrap();
    journal.close().await.unwrap();
    let (journal, opened) = open(&path);
    assert_eq!(opened.rows, 1);
    journal.close().await.unwrap();
}

#[tokio::test]
async fn the_lock_is_free_after_the_last_handle_is_gone() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    journal.append(draft(1)).await.unwrap();
    let closing = tokio::task::spawn_blocking(move || drop(journal));
    closing.await.unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    while let Err(error) = Journal::open(Settings::new(&path)) {
        assert!(matches!(error, OpenError::LockHeld { .. }), "{error}");
        assert!(Instant::now() < deadline, "the writer did not end");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_newer_format_and_a_foreign_file_are_left_alone() {
    let dir = tempdir().unwrap();
    let newer = dir.path().join("newer.db");
    filled(&newer, 1).await;
    rusqlite::Connection::open(&newer)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let foreign = dir.path().join("foreign.db");
    let conn = rusqlite::Connection::open(&foreign).unwrap();
    conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    drop(conn);
    let words = dir.path().join("words.db");
    std::fs::write(
        &words,
        "not a database at all, only some words in a file".repeat(50),
    )
    .unwrap();

    for (path, is_newer) in [(&newer, true), (&foreign, false), (&words, false)] {
        let before = std::fs::read(path).unwrap();
        let error = Journal::open(Settings::new(path)).unwrap_err();
        match &error {
            OpenError::TooNew {
                found: 99,
                known: 2,
                ..
            } => assert!(is_newer),
            OpenError::NotAJournal { .. } => assert!(!is_newer),
            other => panic!("{other}"),
        }
        assert_eq!(std::fs::read(path).unwrap(), before, "{error}");
        Reader::open(path).unwrap_err();
    }
}

#[tokio::test]
async fn an_extra_trigger_is_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 1).await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(
        "CREATE TRIGGER t AFTER INSERT ON records BEGIN SELECT RAISE(IGNORE); END; ANALYZE",
    )
    .unwrap();
    let error = Journal::open(Settings::new(&path)).unwrap_err();
    assert!(matches!(error, OpenError::NotAJournal { .. }), "{error}");
    conn.execute_batch("DROP TRIGGER t").unwrap();
    drop(conn);
    let (journal, _) = open(&path);
    journal.close().await.unwrap();
}

#[tokio::test]
async fn the_file_is_not_for_everybody() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    journal.append(draft(1)).await.unwrap();
    for name in [
        "journal.db",
        "journal.db-wal",
        "journal.db-shm",
        "journal.db.lock",
    ] {
        let mode = std::fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o027, 0, "{name} {mode:o}");
    }
    journal.close().await.unwrap();
}

#[tokio::test]
async fn cached_state_travels_with_its_rows() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    let put = |key: &str, value: &[u8]| StatePut {
        key: key.into(),
        value: value.to_vec(),
    };
    journal
        .append_with(vec![draft(1), draft(2)], vec![put("sessions", b"two")])
        .await
        .unwrap();
    journal.append(draft(3)).await.unwrap();
    let found = journal.state("sessions").await.unwrap().unwrap();
    assert_eq!((found.value.as_slice(), found.seq), (b"two".as_slice(), 2));
    assert_eq!(journal.state("other").await.unwrap(), None);
    journal
        .append_with(Vec::new(), vec![put("sessions", b"three")])
        .await
        .unwrap();
    journal.close().await.unwrap();

    let (journal, _) = open(&path);
    let found = journal.state("sessions").await.unwrap().unwrap();
    assert_eq!(
        (found.value.as_slice(), found.seq),
        (b"three".as_slice(), 3)
    );
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 3);
}

#[tokio::test]
async fn async_answers_before_the_commit_and_closing_writes_everything() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let settings = Settings {
        durability: Durability::Async,
        ..Settings::new(&path)
    };
    let (journal, _) = Journal::open(settings).unwrap();
    for n in 0..1000 {
        assert_eq!(journal.append(draft(n)).await, Ok(Receipt::QUEUED));
    }
    assert_eq!(
        journal.append_all(vec![draft(0); 3]).await,
        Ok(vec![Receipt::QUEUED; 3])
    );
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 1003);
}

/// The runtime has one thread and nothing is awaited between the offers, so the queue must overflow or
/// the writer must keep up; either way every offer is a row or is counted in one.
#[tokio::test]
async fn what_overflows_is_counted_in_chained_gap_rows() {
    const OFFERED: u64 = 20_000;
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let settings = Settings {
        queue_max: 8,
        batch_max: 4,
        ..Settings::new(&path)
    };
    let (journal, _) = Journal::open(settings).unwrap();
    for n in 0..OFFERED {
        journal.offer(draft(n));
    }
    // Decisions still find room.
    journal.append(draft(OFFERED)).await.unwrap();
    journal.close().await.unwrap();
    let health = journal.health();
    assert!(health.gaps > 0, "a queue of 8 does not hold {OFFERED}");

    let count = |sum: (u64, u64), record: Record| match record.kind {
        RecordKind::Gap => (sum.0, sum.1 + record.count),
        _ => (sum.0 + 1, sum.1),
    };
    let (rows, lost) = Reader::open(&path).unwrap().fold(1, (0, 0), count).unwrap();
    assert_eq!((rows + lost, lost), (OFFERED + 1, health.gaps));
    sound(&path);
    let (journal, opened) = open(&path);
    assert_eq!(opened.gaps, lost, "the loss is remembered");
    journal.close().await.unwrap();
}

#[tokio::test]
async fn arguments_and_results_appear_as_digests_only() {
    const SECRET: &str = "hunter2-and-more";
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    let record = Draft {
        args_digest: Some(fak_chain::digest_bytes(SECRET.as_bytes())),
        args_bytes: SECRET.len() as u64,
        ..draft(1)
    };
    journal.append(record).await.unwrap();
    journal.close().await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(
        !bytes
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes())
    );
}

/// A clock that is set back, by seconds or by years: rows keep the order they were written in.
#[tokio::test]
async fn the_order_is_the_numbers_not_the_clocks() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    let clock = [
        1_700_000_000_000_000,
        1,
        0,
        1_600_000_000_000_000,
        1_600_000_000_000_000,
    ];
    for ts_us in clock {
        let row = Draft { ts_us, ..draft(7) };
        journal.append(row).await.unwrap();
    }
    journal.close().await.unwrap();
    sound(&path);
    let told = |mut seen: Vec<(u64, u64)>, record: Record| {
        seen.push((record.seq, record.ts_us));
        seen
    };
    let seen = Reader::open(&path)
        .unwrap()
        .fold(1, Vec::new(), told)
        .unwrap();
    assert!(seen.into_iter().eq((1..).zip(clock)));
}
