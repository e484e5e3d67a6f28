//! Disks that are full, read-only or failing; files that move.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fak_journal::{
    AppendError, Draft, Durability, Journal, OpenError, ReadError, Reader, Receipt, Record,
    RecordKind, Settings, TreeSource, Trouble, TroubleKind,
};
use support::{Mount, again, child_path, draft, filled, format_1, open, run, sound, text};
use tempfile::tempdir;

/// Takes all the space there is.
fn ballast(dir: &Path) {
    let mut file = fs::File::create(dir.join("ballast")).unwrap();
    let block = [0_u8; 4096];
    while file.write_all(&block).is_ok() {}
    while file.write_all(&[0]).is_ok() {}
}

async fn same_tree(journal: &Journal, path: &Path) {
    let (size, root) = journal.tree().await.unwrap();
    let reader = Reader::open(path).unwrap();
    assert_eq!(reader.head().unwrap().seq, size);
    assert_eq!(reader.tree_root_at(size), Ok(root));
}

/// Appends until it is refused; yields the receipts and the refusal.
async fn until_refused(journal: &Journal) -> (Vec<Receipt>, AppendError) {
    let mut receipts = Vec::new();
    loop {
        match journal.append(draft(receipts.len() as u64)).await {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => return (receipts, error),
        }
    }
}

async fn until_healthy(journal: &Journal) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !journal.health().ok {
        assert!(
            Instant::now() < deadline,
            "no recovery: {:?}",
            journal.health()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn all_there(path: &Path, receipts: &[Receipt]) {
    let rows = Reader::open(path).unwrap().rows(1, usize::MAX).unwrap();
    for receipt in receipts {
        let row = &rows[usize::try_from(receipt.seq).unwrap() - 1];
        assert_eq!((row.seq, row.hash), (receipt.seq, receipt.hash));
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_by_itself() {
    let dir = tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(dir.path(), 2048) else {
        return;
    };
    let path = mount.path().join("journal.db");
    let (journal, _) = open(&path);
    let mut receipts = vec![journal.append(draft(0)).await.unwrap()];
    for round in 0..3 {
        ballast(mount.path());
        let (more, error) = until_refused(&journal).await;
        receipts.extend(more);
        let AppendError::Storage(Trouble {
            kind: TroubleKind::DiskFull,
            ..
        }) = &error
        else {
            panic!("{error}");
        };
        assert!(error.to_string().contains("free space there"), "{error}");
        let health = journal.health();
        assert_eq!(
            (health.ok, health.problem),
            (false, Some(error.to_string()))
        );
        for _ in 0..10 {
            journal.offer(Draft {
                tool: "offered".into(),
                ..draft(1)
            });
        }
        // It queues behind the offers; whatever becomes of it, they have been dealt with then.
        if let Ok(more) = journal.append_all(vec![draft(1); 5]).await {
            receipts.extend(more);
        }
        // Everything acknowledged can be read while the disk is full.
        all_there(&path, &receipts);

        fs::remove_file(mount.path().join("ballast")).unwrap();
        if round == 0 {
            until_healthy(&journal).await;
        }
        // The tree is that of the rows on disk, before the first write succeeds as well as after.
        same_tree(&journal, &path).await;
        receipts.push(journal.append(draft(2)).await.unwrap());
        assert!(journal.health().ok);
        same_tree(&journal, &path).await;
    }
    journal.close().await.unwrap();
    sound(&path);
    all_there(&path, &receipts);
    let told = |(rows, lost), record: Record| match record.kind {
        RecordKind::Gap => (rows, lost + record.count),
        _ => (rows + u64::from(record.tool == "offered"), lost),
    };
    let (rows, lost) = Reader::open(&path).unwrap().fold(1, (0, 0), told).unwrap();
    assert_eq!(rows + lost, 30);
    assert!(lost > 0);
}

#[tokio::test]
async fn on_a_full_disk_async_refuses_too() {
    let dir = tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(dir.path(), 1024) else {
        return;
    };
    let path = mount.path().join("journal.db");
    let settings = Settings {
        durability: Durability::Async,
        ..Settings::new(&path)
    };
    let (journal, _) = Journal::open(settings).unwrap();
    ballast(mount.path());
    let (queued, error) = until_refused(&journal).await;
    assert!(error.to_string().contains("free space there"), "{error}");
    fs::remove_file(mount.path().join("ballast")).unwrap();
    until_healthy(&journal).await;
    journal.append(draft(0)).await.unwrap();
    journal.close().await.unwrap();
    sound(&path);
    // Every row that was answered for is there or is counted.
    let count = |sum: u64, record: Record| match record.kind {
        RecordKind::Gap => sum + record.count,
        _ => sum + 1,
    };
    let told = Reader::open(&path).unwrap().fold(1, 0, count).unwrap();
    assert_eq!(told, queued.len() as u64 + 1);
}

#[tokio::test]
async fn no_space_for_a_new_journal() {
    let dir = tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(dir.path(), 256) else {
        return;
    };
    ballast(mount.path());
    let path = mount.path().join("journal.db");
    let error = Journal::open(Settings::new(&path)).unwrap_err();
    let OpenError::Storage(Trouble {
        kind: TroubleKind::DiskFull,
        ..
    }) = &error
    else {
        panic!("{error}");
    };
    fs::remove_file(mount.path().join("ballast")).unwrap();
    let (journal, _) = open(&path);
    journal.append(draft(1)).await.unwrap();
    journal.close().await.unwrap();
    sound(&path);
}

/// All of the new format or none of it, and the old file goes on being read.
#[tokio::test]
async fn no_space_to_bring_a_journal_forward() {
    const ROWS: u64 = 3000;
    let dir = tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(dir.path(), 4096) else {
        return;
    };
    let path = mount.path().join("journal.db");
    format_1(&path, ROWS);
    let before = fak_journal::verify(&path).unwrap();
    ballast(mount.path());
    let error = Journal::open(Settings::new(&path)).unwrap_err();
    assert!(matches!(error, OpenError::Storage(_)), "{error}");
    let after = fak_journal::verify(&path).unwrap();
    assert_eq!((after.head, after.root), (before.head, before.root));
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.tree_root_at(ROWS), Ok(before.root));
    assert_eq!(reader.tree_source(), TreeSource::Bodies);
    drop(reader);
    fs::remove_file(mount.path().join("ballast")).unwrap();

    // Nor on media nobody can write.
    assert!(mount.remount("ro"));
    assert!(Journal::open(Settings::new(&path)).is_err());
    assert_eq!(fak_journal::verify(&path).unwrap().root, before.root);
    assert!(mount.remount("rw"));
    let (journal, opened) = open(&path);
    assert_eq!(opened.head, before.head);
    assert_eq!(journal.tree().await, Ok((ROWS, before.root)));
    journal.close().await.unwrap();
    assert_eq!(sound(&path).root, before.root);
}

#[tokio::test]
async fn read_only_media_refuse_writing_and_let_read() {
    let dir = tempdir().unwrap();
    let Some(mount) = Mount::tmpfs(dir.path(), 4096) else {
        return;
    };
    let path = mount.path().join("journal.db");
    filled(&path, 10).await;
    // A copy that was taken beside a running daemon: the rows are in its log.
    let live = tempdir().unwrap();
    let (journal, _) = open(&live.path().join("live.db"));
    journal
        .append_all((0..20).map(draft).collect())
        .await
        .unwrap();
    for name in ["live.db", "live.db-wal"] {
        fs::copy(live.path().join(name), mount.path().join(name)).unwrap();
    }
    journal.close().await.unwrap();

    assert!(mount.remount("ro"));
    let error = Journal::open(Settings::new(&path)).unwrap_err();
    let OpenError::Storage(Trouble {
        kind: TroubleKind::ReadOnly,
        ..
    }) = &error
    else {
        panic!("{error}");
    };
    assert!(error.to_string().contains("make it writable"), "{error}");
    assert_eq!(sound(&path).rows, 10);
    assert_eq!(sound(&mount.path().join("live.db")).rows, 20);

    assert!(mount.remount("rw"));
    let (journal, opened) = open(&path);
    assert_eq!(opened.rows, 10);
    journal.append(draft(11)).await.unwrap();
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 11);
}

/// A limit on file sizes makes writes fail in a way that is no full disk.
#[test]
fn failing_writes_refuse_and_recover_by_themselves() {
    if !run("prlimit", &["--version"]) {
        println!("SKIP: prlimit of util-linux is not installed");
        return;
    }
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let child = again("appends_against_a_limit", &path);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 600; exec \"$0\" \"$@\""]);
    limited.arg(child.get_program()).args(child.get_args());
    limited
        .env(support::CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = limited.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = |prefix: &str| -> String {
        let found = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.starts_with(prefix));
        found.unwrap_or_else(|| panic!("the child said nothing of {prefix}"))
    };
    let refused = next("refused ");
    assert!(refused.contains("it is tried again by itself"), "{refused}");
    let pid = child.id().to_string();
    assert!(run("prlimit", &["--pid", &pid, "--fsize=unlimited"]));
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    next("recovered");
    assert!(child.wait().unwrap().success());
    sound(&path);
}

/// The child of the test above; by itself it has nothing to do.
#[test]
fn appends_against_a_limit() {
    let Some(path) = child_path() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (journal, _) = open(&path);
        let (mut receipts, mut error) = until_refused(&journal).await;
        // The limit holds for the log first; when the database itself meets it, nothing helps.
        while let Ok(more) = journal.append(draft(0)).await {
            receipts.push(more);
            let refused = until_refused(&journal).await;
            receipts.extend(refused.0);
            error = refused.1;
        }
        // The harness has begun a line of its own.
        println!("\nrefused {error}");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        until_healthy(&journal).await;
        receipts.push(journal.append(draft(0)).await.unwrap());
        journal.close().await.unwrap();
        all_there(&path, &receipts);
        println!("recovered");
    });
}

#[tokio::test]
async fn a_journal_that_moved_is_not_written_to() {
    let dir = tempdir().unwrap();
    let (path, aside) = (dir.path().join("journal.db"), dir.path().join("aside.db"));
    let (journal, _) = open(&path);
    journal.append(draft(1)).await.unwrap();
    fs::rename(&path, &aside).unwrap();
    let error = journal.append(draft(2)).await.unwrap_err();
    assert_eq!(error, AppendError::Moved { path: path.clone() });
    fs::write(&path, "another file").unwrap();
    assert_eq!(journal.append(draft(2)).await.unwrap_err(), error);
    fs::rename(&aside, &path).unwrap();
    assert_eq!(journal.append(draft(2)).await.unwrap().seq, 2);
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 2);
}

/// Somebody at a prompt, while the daemon runs: the insert in its way makes the next commit fail, and
/// then the head in the file is not this chain's.
#[tokio::test]
async fn a_row_from_elsewhere_stops_the_journal() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    journal.append(draft(1)).await.unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute("INSERT INTO records VALUES (2, '{}', zeroblob(32))", [])
        .unwrap();
    journal.append(draft(2)).await.unwrap_err();
    let error = journal.append(draft(2)).await.unwrap_err();
    let AppendError::Rewritten { fault, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(fault.seq, 2);
    conn.execute_batch("DROP TRIGGER records_stay; DELETE FROM records WHERE seq = 2")
        .unwrap();
    journal.append(draft(2)).await.unwrap();
    journal.close().await.unwrap();
}

/// A commit that was reported as failed and reached the disk: its rows are in the file, and whether its
/// tiles are does not matter. The 256th row is one of them.
#[tokio::test]
async fn rows_that_were_written_after_all_are_taken_over_with_their_tree() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    let receipts = journal
        .append_all((1..=254).map(draft).collect())
        .await
        .unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    let mut prev = receipts[253].hash;
    for seq in 255..=260_u64 {
        let body = fak_chain::encode(&draft(seq), seq);
        prev = fak_chain::link(&prev, &body);
        let values = (seq, std::str::from_utf8(&body).unwrap(), prev.0);
        conn.execute("INSERT INTO records VALUES (?1, ?2, ?3)", values)
            .unwrap();
    }
    journal.append(draft(1)).await.unwrap_err();
    same_tree(&journal, &path).await;
    assert_eq!(journal.append(draft(1)).await.unwrap().seq, 261);
    same_tree(&journal, &path).await;
    journal.close().await.unwrap();
    assert_eq!(sound(&path).rows, 261);
}

#[tokio::test]
async fn append_only_holds_at_a_prompt() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 2).await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    for sql in ["DELETE FROM records", "UPDATE records SET body = '{}'"] {
        let error = conn.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn what_is_missing_is_called_missing() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("none.db");
    let error = fak_journal::verify(&path).unwrap_err();
    assert_eq!(error, ReadError::Missing { path: path.clone() });
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(!path.exists());
    assert!(matches!(
        Reader::open(dir.path()),
        Err(ReadError::NotAJournal { .. })
    ));
    fs::write(&path, "").unwrap();
    assert!(matches!(
        Reader::open(&path),
        Err(ReadError::NotAJournal { .. })
    ));
    let nowhere = dir.path().join("no/such/dir/journal.db");
    assert!(matches!(
        Journal::open(Settings::new(nowhere)),
        Err(OpenError::Storage(_))
    ));
    // Names SQLite would read as options.
    let odd = dir.path().join("100% odd?mode=rw#x.db");
    filled(&odd, 3).await;
    assert_eq!(sound(&odd).rows, 3);
    assert!(text(&odd).contains('?'));
}
