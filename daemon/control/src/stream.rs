//! Streams: calls answered in order, the journal followed.

use std::sync::Arc;

use fak_proto::v1;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use crate::{
    desk::Desk,
    gate::{Caller, too_long},
    port::{Evidence, Office},
    question::Question,
    wire,
};

/// Calls of a stream that are judged together when they are already there. LIMIT: also the answers a
/// slow reader may leave unread.
pub(crate) const BURST_CALLS_MAX: usize = 64;

/// Rows read from the journal at a time.
pub(crate) const TAIL_ROWS: usize = 256;

/// Answers a stream's calls in order until it ends, fails or fakd stops. Calls that are already there
/// are judged together and wait for the journal once.
pub(crate) async fn answer_stream<E: Evidence, O: Office>(
    desk: Arc<Desk<E, O>>,
    caller: Caller,
    mut calls: Streaming<v1::AdjudicateRequest>,
    send: mpsc::Sender<Result<v1::AdjudicateResponse, Status>>,
) {
    let mut draining = desk.draining();
    let mut number = 0_u64;
    loop {
        let first = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => None,
            first = calls.message() => Some(first),
        };
        let Some(first) = first else {
            let _ = send
                .send(Err(Status::unavailable("fakd is stopping")))
                .await;
            return;
        };
        let mut burst = Burst::default();
        burst.take(first, &mut number);
        while burst.goes_on() {
            let next = tokio::select! {
                biased;
                next = calls.message() => next,
                () = std::future::ready(()) => break,
            };
            burst.take(next, &mut number);
        }
        if !burst.questions.is_empty() {
            for answer in desk
                .answer_all(&caller.peer.principal, burst.questions)
                .await
            {
                if send.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
        }
        match burst.end {
            None => {}
            Some(End::Finished) => return,
            Some(End::Failed(status)) => {
                let _ = send
                    .send(Err(bounded(*status, desk.limits().frame_bytes)))
                    .await;
                return;
            }
        }
    }
}

/// tonic's words for a message that is too long say nothing of the remedy.
fn bounded(status: Status, frame_bytes: usize) -> Status {
    if status.code() == Code::OutOfRange {
        too_long(frame_bytes)
    } else {
        status
    }
}

#[derive(Default)]
struct Burst {
    questions: Vec<Question>,
    end: Option<End>,
}

enum End {
    Finished,
    Failed(Box<Status>),
}

impl Burst {
    fn goes_on(&self) -> bool {
        self.end.is_none() && self.questions.len() < BURST_CALLS_MAX
    }

    fn take(&mut self, message: Result<Option<v1::AdjudicateRequest>, Status>, number: &mut u64) {
        let question = match message {
            Ok(Some(request)) => Question::of(request, &format!("call {number}: ")),
            Ok(None) => return self.end = Some(End::Finished),
            Err(status) => return self.end = Some(End::Failed(Box::new(status))),
        };
        *number += 1;
        match question {
            Ok(question) => self.questions.push(question),
            Err(status) => self.end = Some(End::Failed(status)),
        }
    }
}

/// A tail of the journal on its way to a reader.
pub(crate) struct Tail<E, O> {
    pub(crate) desk: Arc<Desk<E, O>>,
    pub(crate) send: mpsc::Sender<Result<v1::JournalRow, Status>>,
    /// Holds the stream's claim.
    pub(crate) _caller: Caller,
}

impl<E: Evidence, O: Office> Tail<E, O> {
    pub(crate) async fn run(self, from_seq: u64, limit: u32, follow: bool) {
        let mut head = self.desk.evidence.head();
        let mut draining = self.desk.draining();
        let last = *head.borrow_and_update();
        let from = match from_seq {
            0 => (last + 1).saturating_sub(u64::from(limit)).max(1),
            from => from,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let Some(mut next) = self.pass(from, limit).await else {
            return;
        };
        if !follow {
            return;
        }
        loop {
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                _ = draining.wait_for(|draining| *draining) => return,
                () = self.send.closed() => return,
            }
            match self.pass(next, usize::MAX).await {
                Some(after) => next = after,
                None => return,
            }
        }
    }

    /// Passes rows on until there are none or `limit` is reached, and yields the number after the last;
    /// `None` when the reader is gone or reading failed.
    async fn pass(&self, from: u64, limit: usize) -> Option<u64> {
        let (mut next, mut left) = (from, limit);
        loop {
            let count = left.min(TAIL_ROWS);
            let rows = match self.desk.evidence.rows(next, count).await {
                Ok(rows) => rows,
                Err(problem) => {
                    let _ = self.send.send(Err(Status::unavailable(problem))).await;
                    return None;
                }
            };
            let found = rows.len();
            left = left.saturating_sub(found);
            for row in rows {
                next = row.seq + 1;
                self.send.send(Ok(wire::row(row))).await.ok()?;
            }
            if found < count || left == 0 {
                return Some(next);
            }
        }
    }
}
