//! Copies of journals that are being written.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use fak_journal::{ReadError, Reader};
use support::{Mount, draft, filled, open, sound};
use tempfile::tempdir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_journal_is_copied_while_it_grows() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (journal, _) = open(&path);
    for _ in 0..10 {
        journal
            .append_all((0..2000).map(draft).collect())
            .await
            .unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let writes = {
        let (journal, done) = (journal.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let mut written = 0;
            while !done.load(Ordering::SeqCst) {
                journal.append(draft(written)).await.unwrap();
                written += 1;
            }
            written
        })
    };
    let mut last = None;
    for round in 0..5 {
        let copy = dir.path().join(format!("copy-{round}.db"));
        let (from, to) = (path.clone(), copy.clone());
        let copied =
            tokio::task::spawn_blocking(move || Reader::open(from).unwrap().backup_to(to).unwrap())
                .await
                .unwrap();
        let report = sound(&copy);
        assert_eq!((report.rows, report.head), (copied.size, copied.head));
        assert_eq!(report.root, copied.root);
        let meta = fs::metadata(&copy).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
        assert_eq!(meta.len(), copied.bytes);
        for beside in ["-wal", "-shm", "-journal"] {
            let name = dir.path().join(format!("copy-{round}.db{beside}"));
            assert!(!name.exists(), "{}", name.display());
        }
        assert!(copied.size >= 20_000);
        last = Some(copied);
    }
    done.store(true, Ordering::SeqCst);
    assert!(writes.await.unwrap() > 0, "the writer went on meanwhile");
    journal.close().await.unwrap();

    // What was copied is the beginning of what there is now, and can be written on.
    let last = last.unwrap();
    let kept = [(last.size, last.root)];
    let report = Reader::open(&path)
        .unwrap()
        .verify_against(Some(last.head), &kept)
        .unwrap();
    assert!(report.is_sound());
    let copy = dir.path().join("copy-4.db");
    let (journal, opened) = open(&copy);
    assert_eq!(opened.head, last.head);
    assert_eq!(journal.append(draft(1)).await.unwrap().seq, last.size + 1);
    journal.close().await.unwrap();
    sound(&copy);
}

#[tokio::test]
async fn a_copy_never_takes_the_place_of_a_file() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    filled(&path, 5).await;
    let reader = Reader::open(&path).unwrap();
    let there = dir.path().join("there");
    fs::write(&there, "mine").unwrap();
    for target in [&there, &path, &dir.path().join("no/such/directory/copy.db")] {
        let error = reader.backup_to(target).unwrap_err();
        assert!(matches!(error, ReadError::Copy { .. }), "{error}");
        assert!(error.to_string().contains("cannot be made"), "{error}");
    }
    assert_eq!(fs::read(&there).unwrap(), b"mine");
    assert_eq!(sound(&path).rows, 5);
    let copied = reader.backup_to(dir.path().join("copy.db")).unwrap();
    assert_eq!(copied.size, 5);
}

#[tokio::test]
async fn a_copy_that_does_not_fit_leaves_nothing() {
    let (dir, small) = (tempdir().unwrap(), tempdir().unwrap());
    let Some(mount) = Mount::tmpfs(small.path(), 256) else {
        return;
    };
    let path = dir.path().join("journal.db");
    filled(&path, 3000).await;
    let reader = Reader::open(&path).unwrap();
    let target = mount.path().join("copy.db");
    let error = reader.backup_to(&target).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(fs::read_dir(mount.path()).unwrap().count(), 0);
    // The reader is as it was.
    assert!(reader.verify(None).unwrap().is_sound());
}
