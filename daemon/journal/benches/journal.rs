//! Durable rows per second, the latency of one append, verified rows per second.
//!
//! The file system under `TMPDIR` is what is measured: put it on the disk that matters.

use divan::{Bencher, counter::ItemsCount};
use fak_journal::{Draft, Journal, Reader, RecordKind, Settings};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const ROWS_VERIFIED: u64 = 200_000;

fn main() {
    divan::main();
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

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime")
}

fn journal() -> (TempDir, Journal) {
    let dir = tempfile::tempdir().expect("a directory");
    let (journal, _) = Journal::open(Settings::new(dir.path().join("j.db"))).expect("a journal");
    (dir, journal)
}

/// One caller, one record, one commit.
#[divan::bench(sample_count = 500, sample_size = 1)]
fn append_one(bencher: Bencher<'_, '_>) {
    let (runtime, (_dir, journal)) = (runtime(), journal());
    let append = |draft| runtime.block_on(journal.append(draft)).expect("durable");
    bencher.with_inputs(|| draft(1)).bench_values(append);
}

/// Batches handed over whole; each is durable before the next begins.
#[divan::bench(args = [10, 100, 1000, 4000], sample_count = 50, sample_size = 1)]
fn append_batch(bencher: Bencher<'_, '_>, rows: u64) {
    let (runtime, (_dir, journal)) = (runtime(), journal());
    bencher
        .counter(ItemsCount::new(rows))
        .with_inputs(|| (0..rows).map(draft).collect::<Vec<_>>())
        .bench_values(|drafts| {
            runtime
                .block_on(journal.append_all(drafts))
                .expect("durable")
        });
}

/// Callers that each wait for their own record; the writer groups them.
#[divan::bench(args = [8, 64, 512], sample_count = 10, sample_size = 1)]
fn append_concurrently(bencher: Bencher<'_, '_>, callers: u64) {
    const EACH: u64 = 100;
    let (runtime, (_dir, journal)) = (runtime(), journal());
    bencher
        .counter(ItemsCount::new(callers * EACH))
        .bench_local(|| {
            runtime.block_on(async {
                let callers = (0..callers).map(|_| {
                    let journal = journal.clone();
                    tokio::spawn(async move {
                        for n in 0..EACH {
                            journal.append(draft(n)).await.expect("durable");
                        }
                    })
                });
                for caller in callers.collect::<Vec<_>>() {
                    caller.await.expect("done");
                }
            });
        });
}

/// The whole chain: read, hash, decode strictly.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn verify(bencher: Bencher<'_, '_>) {
    let (runtime, (dir, journal)) = (runtime(), journal());
    for from in (0..ROWS_VERIFIED).step_by(4000) {
        let drafts = (from..from + 4000).map(draft).collect();
        runtime
            .block_on(journal.append_all(drafts))
            .expect("durable");
    }
    runtime.block_on(journal.close()).expect("closed");
    let reader = Reader::open(dir.path().join("j.db")).expect("readable");
    bencher
        .counter(ItemsCount::new(ROWS_VERIFIED))
        .bench_local(|| {
            let report = reader.verify(None).expect("readable");
            assert_eq!((report.rows, report.fault), (ROWS_VERIFIED, None));
        });
}

/// The chain alone, from memory: what hashing and decoding cost without the database.
mod chain {
    use super::{Bencher, ItemsCount, draft};

    const ROWS: u64 = 10_000;

    #[divan::bench(sample_count = 50)]
    fn encode_and_link(bencher: Bencher<'_, '_>) {
        let drafts: Vec<_> = (0..ROWS).map(draft).collect();
        let mut body = Vec::new();
        bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
            drafts
                .iter()
                .zip(1..)
                .fold(fak_types::Digest::ZERO, |prev, (draft, seq)| {
                    body.clear();
                    fak_chain::encode_into(&mut body, draft, seq);
                    fak_chain::link(&prev, &body)
                })
        });
    }

    #[divan::bench(sample_count = 50)]
    fn verify(bencher: Bencher<'_, '_>) {
        let mut prev = fak_types::Digest::ZERO;
        let mut rows = Vec::new();
        for seq in 1..=ROWS {
            let body = fak_chain::encode(&draft(seq), seq);
            prev = fak_chain::link(&prev, &body);
            rows.push((seq, body, prev));
        }
        bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
            let mut verifier = fak_chain::Verifier::new();
            for (seq, body, hash) in &rows {
                verifier.feed(*seq, body, &hash.0).expect("sound");
            }
            verifier.rows()
        });
    }
}
