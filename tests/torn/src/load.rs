//! What is recorded.

use std::{path::Path, sync::Arc};

use fak_journal::{Draft, Head, Journal, Receipt, RecordKind, Settings, StatePut};
use fak_sim::random::Random;
use fak_types::Digest;
use rusqlite::{Connection, params};
use tokio::runtime::Builder;

use crate::tape::{Device, Event, Tape};

/// Attempts to open a journal. LIMIT: one sync in twelve fails, and opening does a few.
const OPENINGS_MAX: usize = 20;

/// How much a journal is given to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often it is opened; each closing moves the log into the database and deletes it.
    pub openings: u64,
    /// Transactions between opening and closing.
    pub commits: u64,
    /// Most records in one of them.
    pub records_max: u64,
    /// Size of the value that is cached with every fourth of them.
    pub state_bytes: usize,
}

/// Writes a real journal as planned, in a directory that `tape` records, and notes every answer.
///
/// # Panics
/// When the journal refuses, which nothing here gives it a reason for.
pub fn journal(path: &Path, tape: &Arc<Tape>, plan: Plan, random: &mut Random) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut now_us = 1_700_000_000_000_000;
        for _ in 0..plan.openings {
            let journal = open(path);
            for _ in 0..plan.commits {
                let count = 1 + random.below(plan.records_max);
                let drafts: Vec<_> = (0..count).map(|_| draft(&mut now_us, random)).collect();
                let state = if random.one_in(4) {
                    vec![StatePut {
                        key: "image".into(),
                        value: vec![random.draw().to_le_bytes()[0]; plan.state_bytes],
                    }]
                } else {
                    Vec::new()
                };
                let receipts = journal.append_with(drafts, state).await;
                match receipts {
                    Ok(receipts) => tape.ack(last(&receipts)),
                    Err(error) => assert!(matches!(tape.device(), Device::Failing(_)), "{error}"),
                }
            }
            // Everybody was answered, so an error here is about a checkpoint.
            let closed = journal.close().await;
            assert!(closed.is_ok() || matches!(tape.device(), Device::Failing(_)));
        }
    });
}

/// Opens the journal; on a device whose syncs fail that may take more than one attempt.
fn open(path: &Path) -> Journal {
    let mut refused = Vec::new();
    while refused.len() < OPENINGS_MAX {
        match Journal::open(Settings::new(path)) {
            Ok((journal, _)) => return journal,
            Err(error) => refused.push(error.to_string()),
        }
    }
    panic!("the journal does not open: {refused:?}");
}

fn last(receipts: &[Receipt]) -> Head {
    let Receipt { seq, hash } = *receipts.last().expect("a commit has a record");
    Head { seq, hash }
}

fn draft(now_us: &mut u64, random: &mut Random) -> Draft {
    *now_us += random.below(1_000);
    let note = usize::try_from(random.below(1024)).expect("below a page");
    Draft {
        trace: format!("t-{}", random.below(7)),
        who: "uid:1000".into(),
        tool: "Bash".into(),
        verdict: "ALLOW".into(),
        note: "n".repeat(note),
        ..Draft::new(RecordKind::Decide, *now_us)
    }
}

/// A row of [`plain`]: its number decides everything in it.
#[must_use]
pub fn plain_row(seq: u64) -> (String, [u8; 32]) {
    let mut random = Random::new(seq);
    let length = 200 + usize::try_from(random.below(400)).expect("below a page");
    let body = format!("{{\"seq\":{seq},\"note\":\"{}\"}}", "n".repeat(length));
    let mut hash = [0; 32];
    hash.fill_with(|| random.draw().to_le_bytes()[0]);
    (body, hash)
}

/// Writes `commits` rows to a table of the journal's shape by hand, under another `synchronous`.
///
/// # Panics
/// When SQLite refuses, which nothing here gives it a reason for.
pub fn plain(path: &Path, tape: &Arc<Tape>, synchronous: &str, commits: u64) {
    let conn = Connection::open(path).expect("the database opens");
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
        .expect("a log");
    conn.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 40;
         CREATE TABLE records (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, hash BLOB NOT NULL) STRICT;
         CREATE INDEX records_note ON records (json_extract(body, '$.note'));"
    ))
    .expect("the table");
    let insert = "INSERT INTO records (seq, body, hash) VALUES (?1, ?2, ?3)";
    for seq in 1..=commits {
        let (body, hash) = plain_row(seq);
        conn.execute(insert, params![seq, body, hash])
            .expect("a row");
        tape.ack(Head {
            seq,
            hash: Digest(hash),
        });
    }
}

/// How often rows were moved from the log into the database: how often it was synced with something written to it.
#[must_use]
pub fn checkpoints(events: &[Event]) -> usize {
    let (mut count, mut written) = (0, false);
    for event in events {
        match event {
            Event::Write { node: 0, .. } => written = true,
            Event::Sync { node: 0 } => count += usize::from(std::mem::take(&mut written)),
            _ => {}
        }
    }
    count
}
