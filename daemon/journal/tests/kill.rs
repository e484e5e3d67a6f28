//! `kill -9` at any moment: what was acknowledged is there, and the journal verifies and opens.

#![expect(clippy::print_stdout, reason = "a skipped or measured test says so")]

mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

use fak_journal::Reader;
use support::{again, child_path, draft, open, sound};
use tempfile::tempdir;

const ROUNDS: u64 = 10;

#[test]
fn killed_ten_times_nothing_acknowledged_is_lost() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut child = again("appends_until_killed", &path);
        let mut child = child
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // The moment of death differs from round to round, and falls inside whatever goes on then.
        let enough = 1 + round * round * 37;
        let (mut acks, mut line) = (0, String::new());
        while lines.read_line(&mut line).unwrap() > 0 {
            // A line that was cut off by the kill was never read by anybody.
            if let Some((seq, hash)) = line.strip_suffix('\n').and_then(ack) {
                assert_eq!(
                    acknowledged.insert(seq, hash),
                    None,
                    "row {seq} acknowledged twice"
                );
                acks += 1;
                if acks == enough {
                    child.kill().unwrap();
                }
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(
            acks >= enough,
            "round {round}: the child ended by itself after {acks} rows"
        );

        let report = sound(&path);
        assert!(report.rows >= acknowledged.len() as u64);
        let reader = Reader::open(&path).unwrap();
        for row in reader.rows(1, usize::MAX).unwrap() {
            if let Some(hash) = acknowledged.get(&row.seq) {
                assert_eq!(*hash, row.hash.to_string(), "row {}", row.seq);
            }
        }
        assert!(acknowledged.keys().all(|seq| *seq <= report.rows));
    }
    println!(
        "{} rows acknowledged in {ROUNDS} rounds",
        acknowledged.len()
    );
}

fn ack(line: &str) -> Option<(u64, String)> {
    let (seq, hash) = line.strip_prefix("ack ")?.split_once(' ')?;
    Some((seq.parse().ok()?, hash.to_owned()))
}

/// The child of the test above; by itself it has nothing to do.
#[test]
fn appends_until_killed() {
    let Some(path) = child_path() else { return };
    // The harness has begun a line of its own.
    println!();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (journal, opened) = open(&path);
        let producers = (0..8).map(|producer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for n in 0..50_000 {
                    let receipt = journal
                        .append(draft(opened.rows + producer + n))
                        .await
                        .unwrap();
                    writeln!(
                        std::io::stdout().lock(),
                        "ack {} {}",
                        receipt.seq,
                        receipt.hash
                    )
                    .unwrap();
                }
            })
        });
        for producer in producers.collect::<Vec<_>>() {
            producer.await.unwrap();
        }
    });
}
