//! A full disk and one that may not be written: refused, said, and nothing that was sealed is lost.

use std::io::ErrorKind;

use crate::support::{Key, Mount, WHO, names, noise, open, quarantined, tempdir};
use fak_vault::{Released, SealError};

#[test]
fn a_full_disk_refuses_and_recovers() {
    let (dir, key) = (tempdir(), Key::new());
    let Some(_mount) = Mount::tmpfs(dir.path(), 512) else {
        return;
    };
    let (vault, _) = open(dir.path(), &key);
    let mut sealed = Vec::new();
    let error = loop {
        let n = sealed.len() as u64;
        match vault.seal(&noise(n, 60_000), &quarantined("a")) {
            Ok(id) => sealed.push((id, n)),
            Err(error) => break error,
        }
    };
    assert!(sealed.len() > 3);
    let is_full = |error: &SealError| matches!(error, SealError::Storage(trouble) if trouble.kind() == ErrorKind::StorageFull);
    assert!(is_full(&error), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(
        names(dir.path()).len(),
        sealed.len(),
        "nothing half written stays"
    );
    assert_eq!(vault.status().quarantined, sealed.len());
    // A second hold needs the file twice for a moment. It is refused and the first stays.
    let error = vault.seal(&noise(0, 60_000), &quarantined("b"));
    assert!(error.as_ref().is_err_and(is_full), "{error:?}");
    for (id, n) in &sealed {
        assert_eq!(vault.read(*id).unwrap(), noise(*n, 60_000));
        assert_eq!(vault.meta(*id).unwrap().holds.len(), 1);
    }
    let (first, _) = sealed.remove(0);
    assert_eq!(vault.release(first, WHO, "a").unwrap(), Released::Gone);
    let id = vault.seal(&noise(99, 60_000), &quarantined("a")).unwrap();
    drop(vault);
    let (vault, opened) = open(dir.path(), &key);
    assert_eq!((opened.blobs, opened.removed), (sealed.len() + 1, 0));
    assert_eq!(vault.read(id).unwrap(), noise(99, 60_000));
}

#[test]
fn a_read_only_disk_refuses_sealing_and_releasing_and_still_reads() {
    let (dir, key) = (tempdir(), Key::new());
    let Some(mount) = Mount::tmpfs(dir.path(), 512) else {
        return;
    };
    let (vault, _) = open(dir.path(), &key);
    let id = vault.seal(b"one", &quarantined("a")).unwrap();
    assert!(mount.remount("ro"));
    assert!(vault.seal(b"two", &quarantined("a")).is_err());
    assert!(vault.release(id, WHO, "a").is_err());
    assert!(vault.forget(id).is_err());
    assert_eq!(vault.read(id).unwrap(), b"one");
    assert_eq!(vault.status().quarantined, 1);
    assert!(mount.remount("rw"));
    assert!(vault.seal(b"two", &quarantined("a")).is_ok());
}
