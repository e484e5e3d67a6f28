//! What waits for the writer.

use fak_chain::Draft;
use fak_types::Digest;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    error::AppendError,
    handle::{Receipt, StatePut, StateValue},
};

/// One message to the writer.
#[derive(Debug)]
pub(crate) enum Message {
    /// Rows to write.
    Job(Job),
    /// A question, answered after everything queued before it is written.
    Read(Read, OwnedSemaphorePermit),
    /// Records were dropped and nothing else may come along to have it noted.
    Wake,
    /// Write what is queued, then close the file.
    Close(oneshot::Sender<Result<(), AppendError>>),
}

/// A question to the writer, and who asks.
#[derive(Debug)]
pub(crate) enum Read {
    /// A cached value.
    State(
        String,
        oneshot::Sender<Result<Option<StateValue>, AppendError>>,
    ),
    /// The size and the root of the tree over the rows on disk.
    Tree(oneshot::Sender<Result<(u64, Digest), AppendError>>),
}

/// Rows and cached values that are written together or not at all.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) state: Vec<StatePut>,
    pub(crate) reply: Reply,
    /// The room these rows take in the queue until they are dealt with.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// Who waits for a job.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Nobody: a loss is counted and later journaled.
    Nobody,
    /// One caller, for one row.
    One(oneshot::Sender<Result<Receipt, AppendError>>),
    /// One caller, for all rows.
    Many(oneshot::Sender<Result<Vec<Receipt>, AppendError>>),
}

impl Reply {
    /// Answers with the receipts of this job's rows. A caller that stopped waiting is no trouble: the
    /// rows are written all the same.
    pub(crate) fn confirm(self, receipts: &[Receipt]) {
        match self {
            Self::Nobody => {}
            Self::One(caller) => {
                let receipt = receipts.first().copied().unwrap_or_default();
                let _ = caller.send(Ok(receipt));
            }
            Self::Many(caller) => {
                let _ = caller.send(Ok(receipts.to_vec()));
            }
        }
    }

    /// Answers with the error; yields whether anybody was there to hear it.
    pub(crate) fn refuse(self, error: &AppendError) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(caller) => {
                let _ = caller.send(Err(error.clone()));
                true
            }
            Self::Many(caller) => {
                let _ = caller.send(Err(error.clone()));
                true
            }
        }
    }
}
