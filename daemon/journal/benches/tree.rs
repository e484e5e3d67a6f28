//! What the Merkle tree costs: beside the rows it is written with, in verifying, migrating and proving.
//!
//! The file system under `TMPDIR` is what is measured: put it on the disk that matters.

#![expect(clippy::print_stdout, reason = "a bench says what it measured")]

use std::{fs, path::PathBuf, time::Instant};

use divan::{Bencher, counter::ItemsCount};
use fak_chain::{Tree, encode_into, leaf, link, verify_inclusion};
use fak_journal::{Draft, Journal, Reader, RecordKind, Settings};
use fak_types::Digest;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use tokio::runtime::Builder;

const MILLION: u64 = 1_000_000;

fn main() {
    divan::main();
    // Not when only a part was asked for.
    if std::env::args().skip(1).all(|word| word.starts_with("--")) {
        alternate();
    }
}

/// Transactions with the tree and without it in turns, so that whatever else the machine does hits both.
fn alternate() {
    const TURNS: usize = 200;
    let drafts: Vec<_> = (0..4000).map(draft).collect();
    let mut rows = [Rows::new(None), Rows::new(Some(Tree::new()))];
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (rows, took) in rows.iter_mut().zip(&mut took) {
            let begun = Instant::now();
            rows.append(&drafts);
            took.push(begun.elapsed());
        }
    }
    let [without, with] = took.map(|mut took| {
        took.sort_unstable();
        (took[0], took[TURNS / 4], took[TURNS / 2])
    });
    println!(
        "4000 rows in turns, fastest, quartile, median: without the tree {without:.2?}, with it {with:.2?}"
    );
}

fn draft(n: u64) -> Draft {
    Draft {
        trace: format!("trace-{}", n % 97),
        who: "uid:1000".into(),
        pid: 4242,
        tool: "Bash".into(),
        verdict: "ALLOW".into(),
        by: "allow/Bash".into(),
        args_digest: Some(fak_chain::digest_bytes(&n.to_be_bytes())),
        args_bytes: 8,
        profile: "coding-agent".into(),
        policy: Some(fak_chain::digest_bytes(b"policy")),
        generation: 1,
        call: "call-1".into(),
        took_us: 3,
        ..Draft::new(RecordKind::Decide, 1_700_000_000_000_000 + n)
    }
}

/// A journal's tables and pragmas, and the loop that fills them: the same rows with the tree and without.
struct Rows {
    _dir: TempDir,
    conn: Connection,
    head: (u64, Digest),
    tree: Option<Tree>,
}

impl Rows {
    fn new(tree: Option<Tree>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("j.db");
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let (journal, _) = Journal::open(Settings::new(&path)).expect("a journal");
        runtime.block_on(journal.close()).expect("closed");
        let conn = Connection::open(&path).expect("a database");
        conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000")
            .expect("pragmas");
        Self {
            _dir: dir,
            conn,
            head: (0, Digest::ZERO),
            tree,
        }
    }

    fn append(&mut self, drafts: &[Draft]) {
        let change = self.conn.unchecked_transaction().expect("a transaction");
        let mut body = Vec::new();
        for draft in drafts {
            let seq = self.head.0 + 1;
            body.clear();
            encode_into(&mut body, draft, seq);
            let hash = link(&self.head.1, &body);
            let text = std::str::from_utf8(&body).expect("text");
            change
                .prepare_cached("INSERT INTO records (seq, body, hash) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute(params![seq, text, hash.0]))
                .expect("a row");
            for tile in self.tree.iter_mut().flat_map(|tree| tree.push(leaf(&body))) {
                change
                    .prepare_cached(
                        "INSERT INTO tree_tiles (level, idx, root, hashes) VALUES (?1, ?2, ?3, ?4)",
                    )
                    .and_then(|mut insert| {
                        insert.execute(params![
                            tile.level,
                            tile.index,
                            tile.root.0,
                            tile.to_bytes()
                        ])
                    })
                    .expect("a tile");
            }
            self.head = (seq, hash);
        }
        change.commit().expect("durable");
    }
}

/// Leaves and nodes alone, from memory.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn hash_4000(bencher: Bencher<'_, '_>) {
    let bodies: Vec<_> = (1..=4000)
        .map(|seq| fak_chain::encode(&draft(seq), seq))
        .collect();
    let mut tree = Tree::new();
    bencher.counter(ItemsCount::new(4000_u64)).bench_local(|| {
        bodies
            .iter()
            .map(|body| tree.push(leaf(body)).len())
            .sum::<usize>()
    });
}

/// A closed journal of a million rows.
fn million() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("j.db");
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (journal, _) = Journal::open(Settings::new(&path)).expect("a journal");
    for from in (0..MILLION).step_by(8000) {
        let drafts = (from..from + 8000).map(draft).collect();
        runtime
            .block_on(journal.append_all(drafts))
            .expect("durable");
    }
    runtime.block_on(journal.close()).expect("closed");
    (dir, path)
}

/// Chain, records, tree and every stored tile.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn verify_a_million(bencher: Bencher<'_, '_>) {
    let (_dir, path) = million();
    let reader = Reader::open(path).expect("readable");
    bencher.counter(ItemsCount::new(MILLION)).bench_local(|| {
        let report = reader.verify(None).expect("readable");
        assert_eq!((report.rows, report.fault), (MILLION, None));
    });
}

/// From format 1: every tile is computed and written, in one transaction.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn migrate_a_million(bencher: Bencher<'_, '_>) {
    let (_dir, path) = million();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let back = || {
        Connection::open(&path)
            .expect("a database")
            .execute_batch("DROP TABLE tree_tiles; PRAGMA user_version = 1")
            .expect("format 1");
    };
    bencher
        .counter(ItemsCount::new(MILLION))
        .with_inputs(back)
        .bench_local_values(|()| {
            let (journal, opened) = Journal::open(Settings::new(&path)).expect("a journal");
            assert_eq!(opened.rows, MILLION);
            runtime.block_on(journal.close()).expect("closed");
        });
}

/// Opening the file, which computes the right edge.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn open_a_million(bencher: Bencher<'_, '_>) {
    let (_dir, path) = million();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    bencher.bench_local(|| {
        let (journal, _) = Journal::open(Settings::new(&path)).expect("a journal");
        runtime.block_on(journal.close()).expect("closed");
    });
}

/// One row among a million: making its proof with a reader that was just opened, and with one that is warm.
#[divan::bench(args = [false, true], sample_count = 100, sample_size = 1)]
fn prove_a_row(bencher: Bencher<'_, '_>, warm: bool) {
    let (_dir, path) = million();
    let reader = Reader::open(&path).expect("readable");
    let prove = |reader: &Reader| reader.inclusion(654_321, MILLION).expect("a proof");
    let (_, proof) = prove(&reader);
    let bytes = proof.len() * 32;
    assert!(bytes < 2048, "a proof of {bytes} bytes");
    let fresh = || Reader::open(&path).expect("readable");
    match warm {
        true => bencher.bench_local(|| prove(&reader)),
        false => bencher
            .with_inputs(fresh)
            .bench_local_refs(|reader| prove(reader)),
    }
}

/// What whoever holds the proof and the root does.
#[divan::bench(sample_count = 100, sample_size = 100)]
fn verify_a_proof(bencher: Bencher<'_, '_>) {
    let (_dir, path) = million();
    let reader = Reader::open(path).expect("readable");
    let (body, proof) = reader.inclusion(654_321, MILLION).expect("a proof");
    let root = reader.tree_root_at(MILLION).expect("a root");
    bencher.bench_local(|| {
        verify_inclusion(leaf(&body), 654_320, MILLION, &proof, root).expect("proved");
    });
}

/// A copy of a million rows, read back.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn copy_a_million(bencher: Bencher<'_, '_>) {
    let (dir, path) = million();
    let reader = Reader::open(path).expect("readable");
    let copy = dir.path().join("copy.db");
    bencher.bench_local(|| {
        let copied = reader.backup_to(&copy).expect("a copy");
        assert_eq!(copied.size, MILLION);
        fs::remove_file(&copy).expect("removed");
    });
}
