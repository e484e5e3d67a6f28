//! Sealing, reading, holding, releasing, listing, and what is still there after a restart.

use std::{fs, os::unix::fs::PermissionsExt as _, sync::Barrier, thread};

use crate::support::{Key, WHO, file, meta, names, noise, open, quarantined, tempdir};
use fak_vault::{Filter, Kind, Limits, Meta, OpenError, ReadError, Released, SealId, Vault};

#[test]
fn what_is_sealed_comes_back_to_the_byte_also_after_a_restart() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, opened) = open(&dir.path().join("vault"), &key);
    assert_eq!((opened.blobs, opened.removed, opened.foreign), (0, 0, 0));
    let contents = [vec![], b"x".to_vec(), noise(1, 4096), noise(2, 1 << 20)];
    let ids: Vec<_> = contents
        .iter()
        .map(|bytes| vault.seal(bytes, &quarantined("t")).unwrap())
        .collect();
    for (id, bytes) in ids.iter().zip(&contents) {
        assert_eq!(&vault.read(*id).unwrap(), bytes);
    }
    drop(vault);
    let (vault, opened) = open(&dir.path().join("vault"), &key);
    assert_eq!(opened.blobs, 4);
    assert!(opened.unreadable.is_empty());
    for (id, bytes) in ids.iter().zip(&contents) {
        assert_eq!(&vault.read(*id).unwrap(), bytes);
        let sealed = vault.meta(*id).unwrap();
        assert_eq!(sealed.holds, [quarantined("t")]);
        assert_eq!(sealed.len, bytes.len() as u64);
        assert_eq!(sealed.digest, fak_chain::digest_bytes(bytes));
    }
}

#[test]
fn a_content_is_stored_once_and_goes_with_its_last_hold() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    let id = vault.seal(b"poison", &quarantined("a")).unwrap();
    for trace in ["a", "b", "a"] {
        assert_eq!(vault.seal(b"poison", &quarantined(trace)).unwrap(), id);
    }
    let other = Meta {
        who: "uid:7".into(),
        ..quarantined("a")
    };
    assert_eq!(vault.seal(b"poison", &other).unwrap(), id);
    assert_eq!(names(dir.path()).len(), 1);
    assert_eq!(vault.meta(id).unwrap().holds.len(), 3);

    assert_eq!(vault.release(id, WHO, "c").unwrap(), Released::NotHeld);
    assert_eq!(vault.release(id, WHO, "a").unwrap(), Released::HeldBy(2));
    assert_eq!(vault.release(id, WHO, "a").unwrap(), Released::NotHeld);
    assert_eq!(vault.read(id).unwrap(), b"poison");
    drop(vault);
    let (vault, _) = open(dir.path(), &key);
    assert_eq!(vault.meta(id).unwrap().holds, [quarantined("b"), other]);
    assert_eq!(
        vault.release(id, "uid:7", "a").unwrap(),
        Released::HeldBy(1)
    );
    assert_eq!(vault.release(id, WHO, "b").unwrap(), Released::Gone);
    assert_eq!(names(dir.path()), [""; 0]);
    assert!(matches!(vault.read(id), Err(ReadError::Unknown(unknown)) if unknown == id));
    assert!(matches!(
        vault.release(id, WHO, "b"),
        Err(ReadError::Unknown(_))
    ));
    assert_eq!(vault.status().bytes, 0);
}

#[test]
fn forgetting_removes_the_file_whoever_holds_it() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    let id = vault.seal(b"one", &quarantined("a")).unwrap();
    vault.seal(b"one", &quarantined("b")).unwrap();
    vault.forget(id).unwrap();
    assert_eq!(names(dir.path()), [""; 0]);
    assert!(matches!(vault.forget(id), Err(ReadError::Unknown(_))));
    assert!(matches!(vault.meta(id), Err(ReadError::Unknown(_))));
    assert_eq!(
        vault.seal(b"one", &quarantined("a")).unwrap(),
        id,
        "one content, one name"
    );
}

#[test]
fn lists_are_filtered_bounded_and_go_on_where_they_stopped() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    for n in 0..10_u8 {
        let kind = if n < 4 {
            Kind::PagedOut
        } else {
            Kind::Quarantined
        };
        let trace = if n % 2 == 0 { "even" } else { "odd" };
        vault.seal(&[n], &meta(trace, kind, n.into())).unwrap();
    }
    let all = vault.list(&Filter::default(), 100);
    assert_eq!((all.blobs.len(), all.next), (10, None));
    let of = |filter: Filter| vault.list(&filter, 100).blobs.len();
    let session = Some((WHO.to_owned(), "even".to_owned()));
    let kind = Some(Kind::PagedOut);
    assert_eq!(
        of(Filter {
            session: session.clone(),
            ..Filter::default()
        }),
        5
    );
    assert_eq!(
        of(Filter {
            kind,
            ..Filter::default()
        }),
        4
    );
    assert_eq!(
        of(Filter {
            session,
            kind,
            after: None
        }),
        2
    );
    let mut pages: Vec<SealId> = Vec::new();
    let mut filter = Filter::default();
    loop {
        let page = vault.list(&filter, 4);
        assert!(page.blobs.len() <= 4);
        pages.extend(page.blobs.iter().map(|sealed| sealed.id));
        filter.after = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(
        pages,
        all.blobs.iter().map(|sealed| sealed.id).collect::<Vec<_>>()
    );
}

#[test]
fn files_and_directory_are_their_owners_alone() {
    let (dir, key) = (tempdir(), Key::new());
    let at = dir.path().join("vault");
    let (vault, _) = open(&at, &key);
    let id = vault.seal(b"one", &quarantined("a")).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&at), 0o700);
    assert_eq!(mode(&file(&at, id)), 0o600);

    let error = Vault::open(&at, key.get(), Limits::default()).expect_err("locked");
    assert!(matches!(error, OpenError::LockHeld { .. }), "{error}");
    drop(vault);
    fs::set_permissions(&at, fs::Permissions::from_mode(0o750)).unwrap();
    let error = Vault::open(&at, key.get(), Limits::default()).expect_err("exposed");
    assert!(error.to_string().contains("mode 0750"), "{error}");
}

#[test]
fn half_written_files_go_at_the_next_start_and_foreign_ones_stay() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    let id = vault.seal(b"one", &quarantined("a")).unwrap();
    drop(vault);
    let half = dir.path().join(format!("{}.tmp", SealId([9; 32])));
    fs::write(&half, b"half").unwrap();
    fs::write(dir.path().join("notes.txt"), b"somebody's").unwrap();
    let (vault, opened) = open(dir.path(), &key);
    assert_eq!((opened.blobs, opened.removed, opened.foreign), (1, 1, 1));
    assert_eq!(
        names(dir.path()),
        [format!("{id}.seal"), "notes.txt".into()]
    );
    assert_eq!(vault.read(id).unwrap(), b"one");
}

#[test]
fn many_readers_and_a_writer_see_whole_blobs_only() {
    let (dir, key) = (tempdir(), Key::new());
    let (vault, _) = open(dir.path(), &key);
    let contents: Vec<_> = (0..8).map(|n| noise(n, 30_000)).collect();
    let ids: Vec<_> = contents
        .iter()
        .map(|bytes| vault.seal(bytes, &quarantined("a")).unwrap())
        .collect();
    let start = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..50 {
                    for (id, bytes) in ids.iter().zip(&contents) {
                        assert_eq!(&vault.read(*id).unwrap(), bytes);
                        assert!(!vault.meta(*id).unwrap().holds.is_empty());
                    }
                }
            });
        }
        start.wait();
        // Each of these writes a file anew that somebody reads meanwhile, and changes the key under it.
        for round in 0..10 {
            vault
                .seal(&contents[round % 8], &quarantined(&format!("t{round}")))
                .unwrap();
            assert!(vault.rotate(&Key::new().get()).left.is_empty());
        }
    });
    assert_eq!(vault.status().quarantined, 8);
}
