//! The journal as the service sees it.

use std::{future::Future, path::PathBuf, time::Duration};

use fak_chain::{Draft, RecordKind};
use fak_control::{
    Evidence, Health, Notary as NotaryPort, Refusal, Row, Signed, Unwritten, Verified,
};
use fak_journal::{AppendError, Journal, Reader};
use fak_kernel::Tally;
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};

use crate::{ledger::Ledger, notary::Notary};

/// How long a verdict waits for its row. LIMIT: then it is a refusal.
const APPEND_WAIT: Duration = Duration::from_secs(5);

/// Rows of one read. LIMIT: callers ask for more in steps.
const ROWS_MAX: usize = 1024;

/// Rows looked at for the last refusals. LIMIT: older ones are not shown.
const ROWS_LOOKED_AT: usize = 5_000;

/// A journal and what is needed to read it.
pub(crate) struct JournalEvidence {
    pub(crate) journal: Journal,
    pub(crate) path: PathBuf,
    pub(crate) notary: Notary,
    pub(crate) ledger: Ledger,
    /// One verification at a time: it reads the whole file.
    verifying: Semaphore,
    /// One look for refusals at a time: it reads many rows, and everyone may ask for it.
    looking: Semaphore,
}

impl JournalEvidence {
    pub(crate) fn new(journal: Journal, path: PathBuf, notary: Notary, ledger: Ledger) -> Self {
        Self {
            journal,
            path,
            notary,
            ledger,
            verifying: Semaphore::new(1),
            looking: Semaphore::new(1),
        }
    }

    /// Counts rows before they are asked for, so that nobody waits for many.
    pub(crate) async fn count_ahead(&self) {
        let head = *self.journal.subscribe().borrow();
        self.ledger.count(head).await;
    }
}

fn unwritten(error: &AppendError) -> Unwritten {
    Unwritten {
        why: error.to_string(),
    }
}

async fn in_time<T>(append: impl Future<Output = Result<T, AppendError>>) -> Result<T, Unwritten> {
    match timeout(APPEND_WAIT, append).await {
        Ok(done) => done.map_err(|error| unwritten(&error)),
        Err(_) => {
            let why = "the journal did not answer in time: its disk is too slow or too busy";
            Err(Unwritten {
                why: why.to_owned(),
            })
        }
    }
}

fn row(row: fak_journal::Row) -> Row {
    Row {
        seq: row.seq,
        body: row.body,
        hash: row.hash,
    }
}

impl NotaryPort for JournalEvidence {
    async fn checkpoint(&self, size: u64) -> Result<Signed, Refusal> {
        self.notary.checkpoint(size).await
    }

    async fn prove(&self, seq: u64, size: u64) -> Result<String, Refusal> {
        self.notary.prove(seq, size).await
    }

    async fn prove_growth(&self, old: u64, new: u64) -> Result<String, Refusal> {
        self.notary.prove_growth(old, new).await
    }

    async fn witness(&self, who: &str, proof: &str, log_key: &str) -> Result<Signed, Refusal> {
        self.notary.witness(who, proof, log_key).await
    }

    async fn rotate_key(&self, who: &str, reason: &str) -> Result<Signed, Refusal> {
        self.notary.rotate(who, reason).await
    }
}

impl Evidence for JournalEvidence {
    async fn append(&self, draft: Draft) -> Result<u64, Unwritten> {
        in_time(self.journal.append(draft))
            .await
            .map(|receipt| receipt.seq)
    }

    async fn append_all(&self, drafts: Vec<Draft>) -> Result<Vec<u64>, Unwritten> {
        let receipts = in_time(self.journal.append_all(drafts)).await?;
        Ok(receipts.into_iter().map(|receipt| receipt.seq).collect())
    }

    fn offer(&self, draft: Draft) {
        self.journal.offer(draft);
    }

    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, String> {
        let path = self.path.clone();
        let read = spawn_blocking(move || Reader::open(&path)?.rows(from, limit.min(ROWS_MAX)));
        let rows = read
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(row).collect())
    }

    async fn refusals(&self, of: Option<String>, limit: usize) -> Result<Vec<Row>, String> {
        let _turn = self.looking.acquire().await.map_err(|e| e.to_string())?;
        let path = self.path.clone();
        let kinds = [RecordKind::Deny];
        let read = spawn_blocking(move || {
            Reader::open(&path)?.last_matching(&kinds, of.as_deref(), limit, ROWS_LOOKED_AT)
        });
        let rows = read
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(row).collect())
    }

    async fn tally(&self) -> Tally {
        let head = *self.journal.subscribe().borrow();
        self.ledger.count(head).await.tally
    }

    async fn verify(&self) -> Result<Verified, String> {
        let Ok(_turn) = self.verifying.try_acquire() else {
            return Err("the journal is being verified already; try again later".to_owned());
        };
        let path = self.path.clone();
        let verified = spawn_blocking(move || fak_journal::verify(&path));
        let report = verified
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        Ok(Verified {
            rows: report.rows,
            head_seq: report.head.seq,
            head_hash: report.head.hash.0.to_vec(),
            fault: report.fault.map(|fault| (fault.seq, fault.to_string())),
        })
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.journal.subscribe()
    }

    fn health(&self) -> Health {
        let health = self.journal.health();
        Health {
            problem: (!health.ok).then(|| health.problem.unwrap_or_default()),
            rows: health.rows,
            head: health.head.hash.0.to_vec(),
            gaps: health.gaps,
            free_bytes: fak_sys::free_bytes(&self.path),
        }
    }
}
