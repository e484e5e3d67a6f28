//! The tally of the journal's rows, kept up with the file: read on demand and now and then, so that a look
//! at the numbers never waits for many rows.

use std::path::PathBuf;

use fak_journal::Reader;
use fak_kernel::Tally;
use tokio::{sync::Mutex, task::spawn_blocking};

/// A tally and the last row in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) tally: Tally,
    pub(crate) upto: u64,
}

/// Follows a journal.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    counted: Mutex<Counted>,
}

impl Ledger {
    pub(crate) fn new(path: PathBuf, counted: Counted) -> Self {
        Self {
            path,
            counted: Mutex::new(counted),
        }
    }

    /// Counts the rows up to `head`. Where they cannot be read, what was counted before is told: the
    /// numbers are for looking, and the journal tells of its own trouble.
    pub(crate) async fn count(&self, head: u64) -> Counted {
        let mut counted = self.counted.lock().await;
        if head <= counted.upto {
            return counted.clone();
        }
        let (path, before) = (self.path.clone(), counted.clone());
        let read = spawn_blocking(move || {
            Reader::open(&path)?.fold(before.upto + 1, before, |mut counted, record| {
                if record.seq <= head {
                    counted.tally.count(&record);
                    counted.upto = record.seq;
                }
                counted
            })
        });
        if let Ok(Ok(now)) = read.await {
            *counted = now;
        }
        counted.clone()
    }
}
