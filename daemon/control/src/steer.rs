//! Steering sessions: run states, budgets, pace, priority.

use std::sync::Arc;

use fak_kernel::{
    Budget, Pace, RunState, Session, Steer, SteerError, Steered, TurnAsk, Viewer, trace_is_sound,
};
use fak_proto::v1;
use fak_telemetry::{Event, Notice};
use fak_types::{Reason, Right, Verdict};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tonic::Status;

use crate::{
    board::{Heard, SessionName, WATCH_MESSAGES, hear},
    desk::{BY_JOURNAL, Desk, now},
    gate::Caller,
    port::{Evidence, Office, Unwritten},
    service::viewer,
    wire,
};

/// Most sessions a watcher is shown at once. LIMIT: of more, the last used; the others as they change.
const WATCHED_MAX: usize = 1000;

impl<E: Evidence, O: Office> Desk<E, O> {
    pub(crate) async fn session_control(
        &self,
        caller: &Caller,
        request: v1::SessionControlRequest,
    ) -> Result<v1::Session, Status> {
        let run = match request.run.as_str() {
            "" => None,
            word => Some(RunState::parse(word).ok_or_else(|| unknown_run(word))?),
        };
        let unbounded: Vec<&str> = request.unbounded.iter().map(String::as_str).collect();
        let steer = Steer {
            trace: &request.trace_id,
            owner: Some(request.principal.as_str()).filter(|owner| !owner.is_empty()),
            if_rev: request.if_rev,
            run,
            budget: request.budget.map(budget).unwrap_or_default(),
            pace: request.pace.map(pace).unwrap_or_default(),
            unbounded: &unbounded,
            priority: request.priority,
            why: &request.reason,
            reset: request.reset,
        };
        let who = &caller.peer.principal;
        let steered = self.with_kernel(|kernel| kernel.steer(now(), who, &steer));
        let steered: Steered = steered.map_err(|error| refused(&error))?;
        let seq = match self.evidence.append(steered.draft.clone()).await {
            Ok(seq) => seq,
            Err(unwritten) => {
                self.with_kernel(|kernel| kernel.unsteer(steered));
                return Err(undurable(&unwritten));
            }
        };
        Notice::of(Event::SessionSteered)
            .principal(&caller.peer.name)
            .trace(&request.trace_id)
            .seq(seq)
            .say(&format!(
                "a session of {} was steered: {}",
                steered.session.principal, steered.draft.note
            ));
        let owner = steered.session.principal.as_ref();
        if *steered.session.trace != *request.trace_id {
            self.carry_on(owner, &request.trace_id, &steered.session.trace);
        }
        for trace in [&request.trace_id, steered.session.trace.as_ref()] {
            self.board.session(|| owner.to_owned(), trace);
        }
        Ok(wire::session(&steered.session, now()))
    }

    pub(crate) async fn session_reserve(
        &self,
        caller: &Caller,
        request: v1::SessionReserveRequest,
    ) -> Result<v1::SessionReserveResponse, Status> {
        let ask = TurnAsk {
            trace: &request.trace_id,
            turn: &request.turn_id,
            input_tokens: request.input_tokens,
            output_tokens: request.output_tokens,
            model: &request.model,
        };
        named(&ask)?;
        let who = &caller.peer.principal;
        let snapshot = self.snapshot();
        let reserved = self.with_kernel(|kernel| kernel.reserve(now(), who, &ask, &snapshot));
        let (verdict, seq) = match self.evidence.append(reserved.draft.clone()).await {
            Ok(seq) => (reserved.verdict, seq),
            Err(unwritten) => {
                self.with_kernel(|kernel| kernel.retract(&reserved.draft));
                let refused = Verdict::deny(Reason::DefaultDeny, BY_JOURNAL, &unwritten.why);
                (refused, 0)
            }
        };
        self.board.session(|| who.name(), ask.trace);
        Ok(v1::SessionReserveResponse {
            verdict: Some(wire::verdict(&verdict)),
            session: self.own(caller, ask.trace),
            seq,
        })
    }

    pub(crate) async fn session_settle(
        &self,
        caller: &Caller,
        request: v1::SessionSettleRequest,
    ) -> Result<v1::Session, Status> {
        let ask = TurnAsk {
            trace: &request.trace_id,
            turn: &request.turn_id,
            input_tokens: request.input_tokens,
            output_tokens: request.output_tokens,
            model: "",
        };
        named(&ask)?;
        let who = &caller.peer.principal;
        let unknown = || Status::not_found("there is no such turn in a session of yours");
        let settled = self.with_kernel(|kernel| kernel.settle_turn(now(), who, &ask));
        if let Some(draft) = settled.map_err(|_| unknown())? {
            // What was not used may be spent again only once the row is durable.
            let written = self.evidence.append(draft.clone()).await;
            written.map_err(|unwritten| undurable(&unwritten))?;
            self.with_kernel(|kernel| kernel.take_in(&draft));
            self.board.session(|| who.name(), ask.trace);
        }
        self.own(caller, ask.trace).ok_or_else(unknown)
    }

    /// The sessions as they are, then every one that changes.
    pub(crate) async fn session_watch(
        self: Arc<Self>,
        caller: Caller,
        request: v1::SessionWatchRequest,
    ) -> Result<Receiver<Result<v1::Session, Status>>, Status> {
        let (send, receive) = mpsc::channel(WATCH_MESSAGES);
        let watcher = Watcher {
            desk: self,
            send,
            caller,
            trace: request.trace_id,
        };
        tokio::spawn(watcher.run());
        Ok(receive)
    }

    fn own(&self, caller: &Caller, trace: &str) -> Option<v1::Session> {
        let viewer = Viewer::Own(&caller.peer.name);
        let own = self.with_kernel(|kernel| kernel.session(viewer, trace));
        own.map(|session| wire::session(&session, now()))
    }
}

/// Somebody who watches sessions.
struct Watcher<E, O> {
    desk: Arc<Desk<E, O>>,
    send: Sender<Result<v1::Session, Status>>,
    /// Holds the stream's claim.
    caller: Caller,
    /// Empty: every session the caller may see.
    trace: String,
}

impl<E: Evidence, O: Office> Watcher<E, O> {
    async fn run(self) {
        let mut changes = self.desk.board.watch_sessions();
        let mut draining = self.desk.draining();
        if self.tell_all().await.is_none() {
            return;
        }
        loop {
            let heard = tokio::select! {
                heard = hear(&mut changes) => heard,
                _ = draining.wait_for(|draining| *draining) => return,
                () = self.send.closed() => return,
            };
            let told = match heard {
                Heard::One(name) => self.tell(&name).await,
                Heard::Many => self.tell_all().await,
                Heard::End => None,
            };
            if told.is_none() {
                return;
            }
        }
    }

    fn sees(&self, (who, trace): &SessionName) -> bool {
        let is_seen = self.caller.rights.has(Right::Audit) || **who == *self.caller.peer.name;
        is_seen && (self.trace.is_empty() || self.trace == *trace)
    }

    async fn tell(&self, name: &SessionName) -> Option<()> {
        if !self.sees(name) {
            return Some(());
        }
        let (who, trace) = name;
        let viewer = Viewer::Own(who);
        let session = self
            .desk
            .with_kernel(|kernel| kernel.session(viewer, trace));
        match session {
            Some(session) => self.pass(&session).await,
            None => Some(()),
        }
    }

    async fn tell_all(&self) -> Option<()> {
        let viewer = viewer(&self.caller);
        let sessions = self.desk.with_kernel(|kernel| {
            if self.trace.is_empty() {
                kernel.sessions(viewer, WATCHED_MAX)
            } else {
                kernel.session(viewer, &self.trace).into_iter().collect()
            }
        });
        for session in sessions.iter().rev() {
            self.pass(session).await?;
        }
        Some(())
    }

    async fn pass(&self, session: &Session) -> Option<()> {
        let told = wire::session(session, now());
        self.send.send(Ok(told)).await.ok()
    }
}

const fn budget(said: v1::Budget) -> Budget {
    Budget {
        turns: said.turns,
        tokens: said.tokens,
        context_tokens: said.context_tokens,
        cost_micros: said.cost_micros,
    }
}

const fn pace(said: v1::Pace) -> Pace {
    Pace {
        turn_tokens_max: said.turn_tokens_max,
        turn_gap_ms_min: said.turn_gap_ms_min,
    }
}

fn unknown_run(word: &str) -> Status {
    let known = RunState::ALL.map(RunState::as_str).join(" ");
    let word: String = word.chars().take(32).collect();
    Status::invalid_argument(format!("run: `{word}` is none of {known}"))
}

fn named(ask: &TurnAsk<'_>) -> Result<(), Status> {
    for (field, name) in [("trace_id", ask.trace), ("turn_id", ask.turn)] {
        if !trace_is_sound(name) {
            return Err(Status::invalid_argument(format!(
                "{field}: send 1 to 128 bytes of visible characters"
            )));
        }
    }
    Ok(())
}

pub(crate) fn refused(error: &SteerError) -> Status {
    let text = error.to_string();
    match error {
        SteerError::NotFound => Status::not_found(text),
        SteerError::Ambiguous => Status::failed_precondition(format!("principal: {text}")),
        SteerError::RevLost { .. } => Status::aborted(text),
        SteerError::Stopped => Status::failed_precondition(text),
        SteerError::Own => Status::permission_denied(text),
        SteerError::Invalid { .. } => Status::invalid_argument(text),
    }
}

pub(crate) fn undurable(unwritten: &Unwritten) -> Status {
    Status::unavailable(format!(
        "the row could not be made durable: {}",
        unwritten.why
    ))
}
