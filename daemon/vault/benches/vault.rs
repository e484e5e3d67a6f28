//! Sealing and reading a page and a megabyte.
//!
//! The file system under `TMPDIR` is what sealing is measured on: every seal is two syncs. Sealing the same
//! content again costs what the first time cost.

use divan::{Bencher, counter::BytesCount};
use fak_types::{Digest, Reason};
use fak_vault::{Kind, Limits, Meta, Vault, VaultKey};
use tempfile::TempDir;

const LENGTHS: [usize; 2] = [4 << 10, 1 << 20];

fn main() {
    divan::main();
}

fn vault() -> (TempDir, Vault) {
    let dir = tempfile::tempdir().expect("a directory");
    let key = VaultKey::generate().expect("random");
    let (vault, _) =
        Vault::open(&dir.path().join("vault"), key, Limits::default()).expect("a vault");
    (dir, vault)
}

fn meta() -> Meta {
    Meta {
        trace: "trace-1".into(),
        who: "uid:1000".into(),
        tool: "WebFetch".into(),
        reason: Reason::TrustViolation,
        rules: Digest([7; 32]),
        kind: Kind::PagedOut,
        at_us: 1_700_000_000_000_000,
    }
}

fn content(n: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0x5a; len];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    bytes
}

/// A new content each time, durable when it is counted.
#[divan::bench(args = LENGTHS, sample_count = 200, sample_size = 1)]
fn seal(bencher: Bencher<'_, '_>, len: usize) {
    let ((_dir, vault), meta, mut n) = (vault(), meta(), 0);
    bencher
        .with_inputs(|| {
            n += 1;
            content(n, len)
        })
        .input_counter(BytesCount::of_slice)
        .bench_local_values(|bytes| vault.seal(&bytes, &meta).expect("sealed"));
}

/// From the page cache: decrypted, authenticated and its digest checked.
#[divan::bench(args = LENGTHS)]
fn read(bencher: Bencher<'_, '_>, len: usize) {
    let (_dir, vault) = vault();
    let id = vault.seal(&content(0, len), &meta()).expect("sealed");
    bencher
        .counter(BytesCount::new(len))
        .bench(|| vault.read(id).expect("read"));
}

/// The start of a vault with so many blobs in it.
#[divan::bench(args = [1000], sample_count = 20, sample_size = 1)]
fn open(bencher: Bencher<'_, '_>, blobs: u64) {
    let dir = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let at = dir.path().join("vault");
    let text = VaultKey::generate().expect("random").reveal();
    let key = || VaultKey::from_credential_text(&text).expect("a key");
    let (vault, _) = Vault::open(&at, key(), Limits::default()).expect("a vault");
    for n in 0..blobs {
        vault.seal(&content(n, 4096), &meta()).expect("sealed");
    }
    drop(vault);
    bencher.bench_local(|| Vault::open(&at, key(), Limits::default()).expect("a vault"));
}

/// A record of a log, durable when it is counted: one sync.
#[divan::bench(args = [200, 4096], sample_count = 200, sample_size = 1)]
fn append(bencher: Bencher<'_, '_>, len: usize) {
    let (_dir, vault) = vault();
    let record = content(1, len);
    let log = vault.log("flow/trace-1").expect("a log");
    bencher.bench_local(|| log.append(&record).expect("appended"));
}

/// The same without the sync.
#[divan::bench(args = [200, 4096], sample_count = 200, sample_size = 1)]
fn append_later(bencher: Bencher<'_, '_>, len: usize) {
    let (_dir, vault) = vault();
    let record = content(1, len);
    let log = vault.log("flow/trace-1").expect("a log");
    bencher.bench_local(|| log.append_later(&record).expect("appended"));
}

/// A log of so many records of 200 bytes, read and checked.
#[divan::bench(args = [100, 1000])]
fn read_log(bencher: Bencher<'_, '_>, records: u64) {
    let (_dir, vault) = vault();
    let log = vault.log("flow/trace-1").expect("a log");
    for n in 0..records {
        log.append_later(&content(n, 200)).expect("appended");
    }
    bencher.bench(|| log.read_all().expect("read"));
}
