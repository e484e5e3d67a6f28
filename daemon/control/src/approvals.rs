//! Calls that wait for somebody other than who asked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use fak_kernel::{
    Approval, ApprovalState, ApproveError, Judgement, Ruling, Seen, Snapshot, Viewer,
};
use fak_proto::v1;
use fak_telemetry::{Event, Notice};
use fak_types::{Principal, Right, VerdictKind};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tonic::Status;

use crate::{
    board::{Heard, WATCH_MESSAGES, hear},
    desk::{Desk, now},
    gate::Caller,
    port::{Evidence, Office},
    steer::undurable,
    wire,
};

/// Approvals listed when the caller does not say how many.
const LISTED_DEFAULT: u32 = 100;

/// Most approvals listed at once. LIMIT: a caller that asks for more gets these.
const LISTED_MAX: u32 = 1000;

/// Most claims one ruling may speak of. LIMIT: far more than fit one row.
const EVIDENCE_MAX: usize = 64;

/// Shortest time between two looks for approvals whose time is over.
const LOOK_GAP: Duration = Duration::from_millis(50);

/// Who may see which approvals: administrators all, others their own.
fn sees(caller: &Caller) -> Viewer<'_> {
    if caller.rights.has(Right::Admin) {
        Viewer::All
    } else {
        Viewer::Own(&caller.peer.name)
    }
}

/// Random bits for a call that may have to wait; 0, which nobody can approve, where none are needed or there are none.
pub(crate) fn nonce(snapshot: &Snapshot, who: &Principal, judgement: &Judgement) -> u128 {
    let may_wait =
        judgement.verdict.kind == VerdictKind::RequireWitness || snapshot.flow(who).is_some();
    let mut random = [0_u8; 16];
    if !may_wait || getrandom::fill(&mut random).is_err() {
        return 0;
    }
    u128::from_ne_bytes(random)
}

impl<E: Evidence, O: Office> Desk<E, O> {
    pub(crate) async fn approval_list(
        &self,
        caller: &Caller,
        request: v1::ApprovalListRequest,
    ) -> Result<v1::ApprovalListResponse, Status> {
        let limit = match request.limit {
            0 => LISTED_DEFAULT,
            limit => limit.min(LISTED_MAX),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (viewer, now) = (sees(caller), now());
        let (found, pending) = self.with_kernel(|kernel| {
            let found = if request.id.is_empty() {
                kernel.approvals(now, viewer, request.all, limit)
            } else {
                let one = kernel.approval(now, viewer, &request.id);
                one.into_iter().collect()
            };
            (found, kernel.approvals_pending(now, viewer))
        });
        Ok(v1::ApprovalListResponse {
            approvals: found.iter().map(|one| wire::approval(one, 0)).collect(),
            pending: u64::try_from(pending).unwrap_or(u64::MAX),
        })
    }

    pub(crate) async fn approve(
        &self,
        caller: &Caller,
        request: v1::ApproveRequest,
    ) -> Result<v1::Approval, Status> {
        if request.evidence.len() > EVIDENCE_MAX {
            let text = format!("evidence: more than {EVIDENCE_MAX} claims");
            return Err(Status::invalid_argument(text));
        }
        let evidence: Vec<Seen<'_>> = request.evidence.iter().map(seen).collect();
        let ruling = Ruling {
            id: &request.id,
            approve: request.approve,
            why: &request.reason,
            evidence: &evidence,
        };
        let _turn = self.board.deciding.lock().await;
        let who = &caller.peer.principal;
        let draft = self
            .with_kernel(|kernel| kernel.rule(now(), who, &ruling))
            .map_err(|error| self.unruled(caller, &error))?;
        // Nothing passes before the row that lets it is durable.
        let written = self.evidence.append(draft.clone()).await;
        let seq = written.map_err(|unwritten| undurable(&unwritten))?;
        self.with_kernel(|kernel| kernel.take_in(&draft));
        self.board.approval(&request.id);
        let known = self.with_kernel(|kernel| kernel.approval(now(), Viewer::All, &request.id));
        let known = known.ok_or_else(|| Status::not_found("no such approval"))?;
        Notice::of(Event::ApprovalDecided)
            .principal(&caller.peer.name)
            .tool(&known.call.tool)
            .trace(&known.call.trace)
            .seq(seq)
            .say(&format!(
                "a call of {} was {}: {}",
                known.call.principal,
                known.state.as_str(),
                request.reason
            ));
        Ok(wire::approval(&known, seq))
    }

    /// Who tries to approve a call of their own is told in the journal as well.
    fn unruled(&self, caller: &Caller, error: &ApproveError) -> Status {
        let text = error.to_string();
        match error {
            ApproveError::NotFound => Status::not_found(text),
            ApproveError::NotPending(_) | ApproveError::Unwitnessed(_) => {
                Status::failed_precondition(text)
            }
            ApproveError::Own => {
                let who = &caller.peer.principal;
                self.evidence
                    .offer(fak_kernel::rpc_refused(now(), who, "Approve", &text));
                Status::permission_denied(text)
            }
            ApproveError::Invalid { .. } => Status::invalid_argument(text),
        }
    }

    /// The approvals that wait, then every one that changes. One that is named ends the watch once it is decided.
    pub(crate) async fn approval_watch(
        self: Arc<Self>,
        caller: Caller,
        request: v1::ApprovalWatchRequest,
    ) -> Result<Receiver<Result<v1::Approval, Status>>, Status> {
        let known = self.with_kernel(|kernel| kernel.approval(now(), sees(&caller), &request.id));
        if !request.id.is_empty() && known.is_none() {
            return Err(Status::not_found("there is no such approval of yours"));
        }
        let (send, receive) = mpsc::channel(WATCH_MESSAGES);
        let watcher = Watcher {
            desk: self,
            send,
            caller,
            id: request.id,
            told: HashMap::new(),
        };
        tokio::spawn(watcher.run());
        Ok(receive)
    }
}

/// Somebody who watches approvals.
struct Watcher<E, O> {
    desk: Arc<Desk<E, O>>,
    send: Sender<Result<v1::Approval, Status>>,
    /// Holds the stream's claim.
    caller: Caller,
    /// Empty: every one the caller may see.
    id: String,
    /// What was told last of those that may still change: where it stood, and when it is over.
    told: HashMap<Arc<str>, (ApprovalState, u64)>,
}

impl<E: Evidence, O: Office> Watcher<E, O> {
    async fn run(mut self) {
        let mut changes = self.desk.board.watch_approvals();
        let mut draining = self.desk.draining();
        if self.tell_all().await.is_none() {
            return;
        }
        loop {
            let heard = tokio::select! {
                heard = hear(&mut changes) => heard,
                () = tokio::time::sleep(self.next_end()), if !self.told.is_empty() => Heard::Many,
                _ = draining.wait_for(|draining| *draining) => return,
                () = self.send.closed() => return,
            };
            let told = match heard {
                Heard::One(id) if self.id.is_empty() || self.id == id => self.tell(&id).await,
                Heard::One(_) => Some(()),
                Heard::Many => self.tell_all().await,
                Heard::End => None,
            };
            if told.is_none() {
                return;
            }
        }
    }

    /// How long until something that was told is over by itself.
    fn next_end(&self) -> Duration {
        let soonest = self.told.values().map(|(_, expires_us)| *expires_us).min();
        let left_us = soonest.unwrap_or(u64::MAX).saturating_sub(now().0);
        Duration::from_micros(left_us).max(LOOK_GAP)
    }

    async fn tell(&mut self, id: &str) -> Option<()> {
        let viewer = sees(&self.caller);
        let one = self
            .desk
            .with_kernel(|kernel| kernel.approval(now(), viewer, id));
        match one {
            Some(one) => self.pass(&one).await,
            None => Some(()),
        }
    }

    /// Tells what waits and what has changed since it was told.
    async fn tell_all(&mut self) -> Option<()> {
        let watched: Vec<Approval> = if self.id.is_empty() {
            let viewer = sees(&self.caller);
            let limit = usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
            let desk = &self.desk;
            let mut found =
                desk.with_kernel(|kernel| kernel.approvals(now(), viewer, false, limit));
            let told = self.told.keys();
            let gone = told.filter(|id| found.iter().all(|one| one.id != **id));
            let again: Vec<_> = desk.with_kernel(|kernel| {
                let seen = |id: &Arc<str>| kernel.approval(now(), viewer, id);
                gone.filter_map(seen).collect()
            });
            found.extend(again);
            found
        } else {
            let viewer = sees(&self.caller);
            let one = |kernel: &mut fak_kernel::Kernel| kernel.approval(now(), viewer, &self.id);
            self.desk.with_kernel(one).into_iter().collect()
        };
        // What is forgotten meanwhile is told of no more.
        self.told
            .retain(|id, _| watched.iter().any(|one| one.id == *id));
        for one in watched.iter().rev() {
            self.pass(one).await?;
        }
        Some(())
    }

    /// Tells of one approval unless nothing changed; `None` when the watch is over.
    async fn pass(&mut self, one: &Approval) -> Option<()> {
        let before = self.told.get(&one.id).map(|(state, _)| *state);
        if before != Some(one.state) {
            self.send.send(Ok(wire::approval(one, 0))).await.ok()?;
        }
        let may_change = matches!(one.state, ApprovalState::Pending | ApprovalState::Approved);
        if may_change {
            let now = (one.state, one.expires.0);
            self.told.insert(Arc::clone(&one.id), now);
        } else {
            self.told.remove(&one.id);
        }
        let is_decided = one.state != ApprovalState::Pending;
        (self.id.is_empty() || !is_decided).then_some(())
    }
}

fn seen(evidence: &v1::Evidence) -> Seen<'_> {
    Seen {
        claim: &evidence.claim,
        holds: evidence.holds,
        seen: &evidence.seen,
    }
}
