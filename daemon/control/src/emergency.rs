//! Break-glass: beginning, ending and minding an emergency.
//!
//! An emergency judges nothing away: calls are judged as ever, and the kernel admits what was refused. It
//! holds only once its row is durable, and it is over when either clock says so: the wall clock, which a
//! restart can go on by, or the time this process has counted, which nobody can set back.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use fak_chain::Draft;
use fak_kernel::{EMERGENCY_REASON_BYTES_MAX, EMERGENCY_US_MAX, Emergency, Kernel, Timestamp};
use fak_proto::v1;
use fak_telemetry::{Event, Notice};
use fak_types::{Principal, Verdict};
use tokio::sync::Notify;
use tonic::Status;

use crate::{
    desk::{Desk, now},
    gate::Caller,
    port::{Evidence, Office, Unwritten},
    question::Question,
    sparing::Sparing,
};

/// Longest emergency, in seconds, as a request spells it.
const SECONDS_MAX: u64 = EMERGENCY_US_MAX / 1_000_000;

/// How soon after an emergency's time has passed its end is written.
const STEP: Duration = Duration::from_secs(1);

/// The time this process has counted when the emergency is over.
#[derive(Debug)]
pub(crate) struct Glass {
    started: Instant,
    /// In microseconds since `started`; [`u64::MAX`]: there is none.
    empty_at: AtomicU64,
    uses: Sparing,
    declared: Notify,
}

impl Glass {
    /// For a kernel that may remember an emergency from before the start. What is left of it is at most
    /// what was granted, whatever happened to the wall clock meanwhile.
    pub(crate) fn of(kernel: &Kernel, now: Timestamp) -> Self {
        let glass = Self {
            started: Instant::now(),
            empty_at: AtomicU64::new(u64::MAX),
            uses: Sparing::new(),
            declared: Notify::new(),
        };
        if let Some(emergency) = kernel.emergency() {
            glass.turn(emergency.left_us(now));
        }
        glass
    }

    fn passed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn turn(&self, left_us: u64) {
        let empty_at = self.passed_us().saturating_add(left_us);
        self.empty_at.store(empty_at, Ordering::Relaxed);
    }

    /// Ends the emergency's effect when its time has passed. Asked under the kernel's lock, so that no
    /// call is settled between the look and the end.
    pub(crate) fn mind(&self, kernel: &mut Kernel) {
        let empty_at = self.empty_at.load(Ordering::Relaxed);
        if empty_at != u64::MAX && self.passed_us() >= empty_at {
            kernel.lapse();
        }
    }

    fn declare(&self, kernel: &mut Kernel, draft: &Draft) {
        kernel.declare(draft);
        self.declared.notify_one();
        match kernel.emergency() {
            Some(emergency) => self.turn(emergency.until.0.saturating_sub(emergency.begun.0)),
            None => self.empty_at.store(u64::MAX, Ordering::Relaxed),
        }
    }
}

impl<E: Evidence, O: Office> Desk<E, O> {
    /// The emergency that holds now.
    pub fn emergency(&self) -> Option<Emergency> {
        self.with_kernel(|kernel| {
            self.glass.mind(kernel);
            let holds = kernel.is_emergency(now());
            kernel.emergency().filter(|_| holds).cloned()
        })
    }

    /// Waits until it is time for [`Desk::mind_emergency`] to look at one. May be dropped and asked again.
    pub async fn emergency_due(&self) {
        while self.with_kernel(|kernel| kernel.emergency().is_none()) {
            self.glass.declared.notified().await;
        }
        tokio::time::sleep(STEP).await;
    }

    /// Begins an emergency, or puts another deadline in the place of the one there is. It holds when its
    /// row is durable, and for no longer than was asked, waiting included.
    async fn begin_emergency(
        &self,
        who: &Principal,
        reason: &str,
        lasts_us: u64,
    ) -> Result<u64, Unwritten> {
        let _turn = self.changing.lock().await;
        let draft = fak_kernel::emergency_begin(now(), who, reason, lasts_us);
        let seq = match self.evidence.append(draft.clone()).await {
            Ok(seq) => seq,
            Err(unwritten) => {
                // A row that came too late must not hold after a restart, so what holds now ends too.
                self.with_kernel(Kernel::lapse);
                let why = "the row that began it was not confirmed";
                self.evidence
                    .offer(fak_kernel::emergency_end(now(), None, why));
                return Err(unwritten);
            }
        };
        self.with_kernel(|kernel| self.glass.declare(kernel, &draft));
        Notice::of(Event::EmergencyBegan)
            .principal(&draft.who)
            .seq(seq)
            .say(&format!(
                "refusals are admitted for {} s: {reason}",
                lasts_us / 1_000_000
            ));
        Ok(seq)
    }

    /// Ends the emergency at once; `None` when there is none. Its effect ends even when the row that says
    /// so cannot be written.
    async fn end_emergency(
        &self,
        who: &Principal,
        why: &str,
    ) -> Result<Option<(Emergency, u64)>, Unwritten> {
        let _turn = self.changing.lock().await;
        let ended = self.with_kernel(|kernel| {
            kernel.lapse();
            kernel.emergency().cloned()
        });
        match ended {
            Some(emergency) => self.write_end(emergency, Some(who), why).await.map(Some),
            None => Ok(None),
        }
    }

    /// Writes the row that ends an emergency. The caller has the turn to change things.
    async fn write_end(
        &self,
        emergency: Emergency,
        who: Option<&Principal>,
        why: &str,
    ) -> Result<(Emergency, u64), Unwritten> {
        let draft = fak_kernel::emergency_end(now(), who, why);
        let seq = self.evidence.append(draft.clone()).await?;
        self.with_kernel(|kernel| self.glass.declare(kernel, &draft));
        Notice::of(Event::EmergencyEnded)
            .principal(&draft.who)
            .seq(seq)
            .say(&format!(
                "refusals are refused again after {} uses: {why}",
                emergency.uses
            ));
        Ok((emergency, seq))
    }

    /// Writes that an emergency is over when a clock has ended it. To be called now and then; what cannot
    /// be written now is written by a later call.
    pub async fn mind_emergency(&self) {
        // With the turn, so that nobody puts another deadline between the look and the row.
        let _turn = self.changing.lock().await;
        let now = now();
        let over = self.with_kernel(|kernel| {
            self.glass.mind(kernel);
            let is_over = !kernel.is_emergency(now);
            kernel.emergency().filter(|_| is_over).cloned()
        });
        let Some(emergency) = over else { return };
        let why = if now < emergency.begun {
            "the clock was set back to before it began"
        } else {
            "its time had passed"
        };
        // The journal tells of its own trouble.
        let _ = self.write_end(emergency, None, why).await;
    }

    /// Logs that an emergency admitted a refusal, sparingly.
    pub(crate) fn note_use(&self, question: &Question, verdict: &Verdict, seq: u64) {
        let Some(count) = self.glass.uses.tell(Instant::now()) else {
            return;
        };
        let reason = verdict.would_deny.map_or("", |reason| reason.as_str());
        Notice::of(Event::EmergencyUsed)
            .verdict(verdict.kind.as_str())
            .reason(reason)
            .tool(&question.tool)
            .trace(&question.trace)
            .seq(seq)
            .say(&format!(
                "a refused call was admitted by the emergency ({count} such since the last line)"
            ));
    }

    pub(crate) async fn disable(
        &self,
        caller: &Caller,
        request: v1::EmergencyDisableRequest,
    ) -> Result<v1::EmergencyDisableResponse, Status> {
        let v1::EmergencyDisableRequest { reason, seconds } = request;
        sound(&reason)?;
        if !(1..=SECONDS_MAX).contains(&u64::from(seconds)) {
            return Err(Status::invalid_argument(format!(
                "seconds: is {seconds}; an emergency lasts from 1 to {SECONDS_MAX}"
            )));
        }
        let lasts_us = u64::from(seconds) * 1_000_000;
        let begun = self.begin_emergency(&caller.peer.principal, &reason, lasts_us);
        let seq = begun.await.map_err(|error| unavailable(&error))?;
        Ok(v1::EmergencyDisableResponse {
            seq,
            emergency: self.emergency().as_ref().map(told),
        })
    }

    pub(crate) async fn enable(
        &self,
        caller: &Caller,
        request: v1::EmergencyEnableRequest,
    ) -> Result<v1::EmergencyEnableResponse, Status> {
        let reason = request.reason;
        sound(&reason)?;
        let ended = self.end_emergency(&caller.peer.principal, &reason);
        match ended.await.map_err(|error| unavailable(&error))? {
            Some((emergency, seq)) => Ok(v1::EmergencyEnableResponse {
                seq,
                ended: Some(told(&emergency)),
            }),
            None => Err(Status::failed_precondition("there is no emergency to end")),
        }
    }
}

fn unavailable(unwritten: &Unwritten) -> Status {
    Status::unavailable(format!(
        "the row could not be made durable: {}",
        unwritten.why
    ))
}

fn sound(reason: &str) -> Result<(), Status> {
    let problem = if reason.trim().is_empty() {
        "is empty; say why, it is journaled".to_owned()
    } else if reason.len() > EMERGENCY_REASON_BYTES_MAX {
        format!(
            "has {} bytes; send at most {EMERGENCY_REASON_BYTES_MAX}",
            reason.len()
        )
    } else if reason.chars().any(char::is_control) {
        "holds a control character; send one line of text".to_owned()
    } else {
        return Ok(());
    };
    Err(Status::invalid_argument(format!("reason: {problem}")))
}

/// An emergency as the protocol tells it.
pub(crate) fn told(emergency: &Emergency) -> v1::Emergency {
    v1::Emergency {
        reason: emergency.reason.as_ref().to_owned(),
        who: emergency.who.as_ref().to_owned(),
        begun_us: emergency.begun.0,
        until_us: emergency.until.0,
        uses: emergency.uses,
    }
}
