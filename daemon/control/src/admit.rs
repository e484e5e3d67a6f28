//! Results: screened, kept where they may not pass, made evidence, and only then shown.
//!
//! Whatever goes wrong on the way, the caller gets no byte of the result: bytes that cannot be kept are
//! not paged out, and a row that cannot be written admits nothing.

use std::fmt::Write as _;

use fak_chain::digest_bytes;
use fak_kernel::{ResultFacts, Snapshot, clear_row, forget_row, result_row, trace_is_sound};
use fak_proto::v1;
use fak_screen::{Admission, Finding, Incoming, Outcome, Trust};
use fak_telemetry::{Event, Notice};
use fak_types::{
    Outcome as CallOutcome, Principal, Reason, SourceClass, TOOL_NAME_BYTES_MAX, Taint, Verdict,
    VerdictKind,
};
use tonic::Status;

use crate::{
    coherence::Came,
    desk::{BY_JOURNAL, Desk, now, unhurried},
    flow::Reading,
    gate::Caller,
    port::{Evidence, Kept, KeptAbout, KeptKind, Office},
    question, shown, wire,
};

/// Results from this size on are screened where they do not hold up other peers' answers.
const LARGE_RESULT_BYTES: usize = 16 << 10;

/// Most findings told. LIMIT: more are counted in the row's words and left out of the answer.
const FINDINGS_TOLD_MAX: usize = 16;

/// Longest reason of a clearance. LIMIT: a longer one is refused.
const REASON_BYTES_MAX: usize = 512;

/// Longest id of a call. LIMIT: it is echoed and journaled.
const CALL_ID_BYTES_MAX: usize = 128;

/// Reported in `by` when nothing was found.
pub(crate) const BY_SCREEN: &str = "screen";

/// Reported in `by` when bytes could not be kept.
pub(crate) const BY_VAULT: &str = "vault";

/// A result as it came in.
struct Answer {
    tool: String,
    /// The arguments it was called with, when they were sent.
    args: Option<String>,
    bytes: Vec<u8>,
    trace: String,
    call_id: String,
    call_seq: u64,
    outcome: CallOutcome,
}

impl Answer {
    fn of(request: v1::AdmitRequest) -> Result<Self, Status> {
        let v1::AdmitRequest {
            call_seq,
            outcome,
            args,
            tool,
            result,
            trace_id,
            call_id,
        } = request;
        if !(1..=TOOL_NAME_BYTES_MAX).contains(&tool.len()) {
            let text = format!(
                "tool: has {} bytes; send the name of the tool that answered, 1 to {TOOL_NAME_BYTES_MAX} bytes",
                tool.len()
            );
            return Err(Status::invalid_argument(text));
        }
        if call_id.len() > CALL_ID_BYTES_MAX {
            let text = format!(
                "call_id: has {} bytes; send at most {CALL_ID_BYTES_MAX}",
                call_id.len()
            );
            return Err(Status::invalid_argument(text));
        }
        let outcome = match &*outcome {
            "" => Some(CallOutcome::Ok),
            word => CallOutcome::parse(word),
        };
        let outcome = outcome.ok_or_else(|| {
            Status::invalid_argument(
                "outcome: is no outcome; send OK, FAIL, TIMEOUT or REPLAYED, or nothing for OK",
            )
        })?;
        let args = String::from_utf8(args).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Status::invalid_argument(format!(
                "args: is not UTF-8 at byte {at}; send the call's JSON text, or nothing"
            ))
        })?;
        let trace = if trace_id.is_empty() {
            question::mint_trace().map_err(|status| *status)?
        } else {
            trace_id
        };
        if !trace_is_sound(&trace) {
            return Err(Status::invalid_argument(
                "trace_id: is no session's id; send 1 to 128 bytes without control characters, or nothing",
            ));
        }
        Ok(Self {
            tool,
            args: (!args.is_empty()).then_some(args),
            bytes: result,
            trace,
            call_id,
            call_seq,
            outcome,
        })
    }

    fn came(&self) -> Came<'_> {
        Came {
            tool: &self.tool,
            trace: &self.trace,
            call_id: &self.call_id,
            call_row: self.call_seq,
            outcome: self.outcome,
            args: self.args.as_deref(),
            bytes: &self.bytes,
            digest: digest_bytes(&self.bytes),
        }
    }
}

/// What becomes of a result.
struct Ruling {
    verdict: Verdict,
    taint: Taint,
    shown: Vec<u8>,
    seal: String,
    note: String,
}

impl<E: Evidence, O: Office> Desk<E, O> {
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        request: v1::AdmitRequest,
    ) -> Result<v1::AdmitResponse, Status> {
        let answer = Answer::of(request)?;
        let who = &caller.peer.principal;
        let snapshot = self.snapshot();
        let source = snapshot.source(who, &answer.tool);
        let trust = if source == SourceClass::Tainted {
            Trust::Untrusted
        } else {
            Trust::Local
        };
        let turn = self.turn(who, &answer.trace, answer.bytes.len()).await;
        let admission = self.screen_bytes(&answer.tool, &answer.bytes, trust);
        drop(turn);
        let ruling = self.rule(&caller.peer.name, &answer, source, &admission);
        let came = answer.came();
        let ended = self.note_end(who, &snapshot, &came);
        let facts = ResultFacts {
            tool: &answer.tool,
            trace: &answer.trace,
            call: &answer.call_id,
            verdict: &ruling.verdict,
            digest: came.digest,
            bytes: u64::try_from(answer.bytes.len()).unwrap_or(u64::MAX),
            taint: ruling.taint,
            seal: &ruling.seal,
            note: &ruling.note,
        };
        self.prepare_reading(who, &snapshot, &answer.trace);
        let told = self.write_result(who, &snapshot, &facts).await;
        let told = told.and_then(|seq| {
            ended?;
            let reading = Reading {
                trace: &answer.trace,
                tool: &answer.tool,
                args: answer.args.as_deref(),
                shown: &ruling.shown,
                row: seq,
            };
            self.note_read(who, &snapshot, &ruling.verdict, &reading)?;
            Ok(seq)
        });
        let mut response = unsaid(&answer, &ruling, &admission);
        match told {
            Ok(seq) => {
                self.mind_answer(who, &came, &ruling, seq);
                response.verdict = Some(wire::verdict(&ruling.verdict));
                (response.result, response.seal, response.seq) = (ruling.shown, ruling.seal, seq);
            }
            Err(refused) => response.verdict = Some(wire::verdict(&refused)),
        }
        Ok(response)
    }

    /// An answer that was shown as it came may be kept; one that was sealed is not read from the cache either.
    fn mind_answer(&self, who: &Principal, came: &Came<'_>, ruling: &Ruling, seq: u64) {
        if ruling.verdict.kind == VerdictKind::Allow {
            self.note_answer(who, came, ruling.taint, seq);
        } else if ruling.taint == Taint::Quarantined
            && let Err(why) = self.evict_bytes(&came.digest)
        {
            // Nothing is lost: what is read again is screened again.
            Notice::of(Event::Internal).say(&format!("a kept answer is let go only here: {why}"));
        }
    }

    /// Takes a result into the state and writes its row; on a failure the refusal that comes of it.
    ///
    /// The state comes first: a caller who goes away meanwhile cancels the wait and not the row, and a session must
    /// not count as having read less than the journal says. When the row cannot be written it counts as having read
    /// something it was never shown, which is the safe side.
    pub(crate) async fn write_result(
        &self,
        who: &Principal,
        snapshot: &Snapshot,
        facts: &ResultFacts<'_>,
    ) -> Result<u64, Verdict> {
        let draft = result_row(now(), who, snapshot, facts);
        self.with_kernel(|kernel| kernel.take_in(&draft));
        let written = self.evidence.append(draft).await;
        self.board.session(|| who.name(), facts.trace);
        written.map_err(|unwritten| Verdict::deny(Reason::DefaultDeny, BY_JOURNAL, &unwritten.why))
    }

    /// Labels what a session is shown; what cannot be labelled is not shown.
    fn note_read(
        &self,
        who: &Principal,
        snapshot: &Snapshot,
        verdict: &Verdict,
        reading: &Reading<'_>,
    ) -> Result<(), Verdict> {
        if verdict.kind.admits() {
            self.note_reading(who, snapshot, reading)
        } else {
            self.note_unread(who, snapshot, reading.trace);
            Ok(())
        }
    }

    pub(crate) fn screen_bytes(&self, tool: &str, bytes: &[u8], trust: Trust) -> Admission {
        let incoming = Incoming { tool, bytes, trust };
        if bytes.len() >= LARGE_RESULT_BYTES {
            unhurried(|| self.means.screen.judge(&incoming))
        } else {
            self.means.screen.judge(&incoming)
        }
    }

    /// Turns what the screens say into a verdict and what may be read, keeping what may not.
    fn rule(
        &self,
        who: &str,
        answer: &Answer,
        source: SourceClass,
        admission: &Admission,
    ) -> Ruling {
        let worst = worst(&admission.findings);
        let by = worst.map_or_else(|| BY_SCREEN.to_owned(), rule_of);
        let passes = Ruling {
            verdict: Verdict::allow(BY_SCREEN),
            taint: match source {
                SourceClass::Tainted => Taint::Tainted,
                SourceClass::TrustedLocal | SourceClass::Pure => Taint::Trusted,
            },
            shown: Vec::new(),
            seal: String::new(),
            note: note(admission),
        };
        let reason = admission.reason;
        match &admission.verdict {
            Outcome::Allow => Ruling {
                shown: answer.bytes.clone(),
                ..passes
            },
            Outcome::Redact(edits) => Ruling {
                verdict: transform(&by),
                shown: shown::apply(&answer.bytes, edits),
                ..passes
            },
            Outcome::PageOut(page) => {
                self.keep_back(who, answer, (KeptKind::PagedOut, Reason::None), |seal| {
                    Ruling {
                        verdict: transform(&by),
                        shown: shown::paged_out(seal, page).into_bytes(),
                        seal: seal.to_owned(),
                        ..passes
                    }
                })
            }
            Outcome::Quarantine => {
                self.keep_back(who, answer, (KeptKind::Quarantined, reason), |seal| {
                    Ruling {
                        verdict: quarantine(reason, &by),
                        taint: Taint::Quarantined,
                        shown: shown::sealed(seal, reason, answer.bytes.len()).into_bytes(),
                        seal: seal.to_owned(),
                        ..passes
                    }
                })
            }
        }
    }

    /// Seals a result and rules by its seal; what cannot be kept is refused, and nothing of it is shown.
    fn keep_back(
        &self,
        who: &str,
        answer: &Answer,
        (kind, reason): (KeptKind, Reason),
        ruling: impl FnOnce(&str) -> Ruling,
    ) -> Ruling {
        let about = KeptAbout {
            kind,
            trace: answer.trace.clone(),
            who: who.to_owned(),
            tool: answer.tool.clone(),
            reason,
            rules: self.means.screen.digest(),
        };
        match unhurried(|| self.means.keep.seal(&answer.bytes, &about, now())) {
            Ok(seal) => ruling(&seal),
            Err(why) => Ruling {
                verdict: Verdict::deny(Reason::DefaultDeny, BY_VAULT, &why),
                taint: Taint::Quarantined,
                shown: Vec::new(),
                seal: String::new(),
                ..ruling("")
            },
        }
    }

    pub(crate) async fn clear(
        &self,
        caller: &Caller,
        request: v1::ClearRequest,
    ) -> Result<v1::ClearResponse, Status> {
        let v1::ClearRequest { seal, reason } = request;
        check_reason(&reason)?;
        let kept = self.kept(&seal)?;
        if kept.hold_of(&caller.peer.name).is_some() {
            return Err(Status::failed_precondition(format!(
                "{} asked for this result, and a witness is somebody else; ask another administrator",
                caller.peer.name
            )));
        }
        let who = &caller.peer.principal;
        let trace = (kept.kept_back().next()).map_or("", |hold| hold.trace.as_str());
        let draft = clear_row(now(), who, trace, &seal, &reason);
        let seq = self
            .evidence
            .append(draft.clone())
            .await
            .map_err(|unwritten| Status::unavailable(unwritten.why))?;
        self.with_kernel(|kernel| kernel.take_in(&draft));
        Ok(v1::ClearResponse { seq })
    }

    /// Removes kept bytes: the row that says so first, so that nothing goes without a word.
    pub(crate) async fn forget(
        &self,
        caller: &Caller,
        request: v1::ForgetRequest,
    ) -> Result<v1::ForgetResponse, Status> {
        let v1::ForgetRequest { seal, reason } = request;
        check_reason(&reason)?;
        if !unhurried(|| self.means.keep.has(&seal)) {
            return Err(missing(&seal));
        }
        let row = forget_row(now(), &caller.peer.principal, &seal, &reason);
        let seq = self
            .evidence
            .append(row)
            .await
            .map_err(|unwritten| Status::unavailable(unwritten.why))?;
        let evicted = self.evict_seal(&seal);
        evicted.map_err(|why| Status::unavailable(why.to_string()))?;
        unhurried(|| self.means.keep.forget(&seal)).map_err(Status::unavailable)?;
        Ok(v1::ForgetResponse { seq })
    }

    pub(crate) async fn page_in(
        &self,
        caller: &Caller,
        request: v1::PageInRequest,
    ) -> Result<v1::PageInResponse, Status> {
        let kept = self.kept(&request.seal)?;
        let who = &caller.peer.principal;
        // Nobody learns what others had kept.
        let about = kept
            .hold_of(&caller.peer.name)
            .ok_or_else(|| missing(&request.seal))?;
        let snapshot = self.snapshot();
        let trust = match snapshot.source(who, &about.tool) {
            SourceClass::Tainted => Trust::Untrusted,
            SourceClass::TrustedLocal | SourceClass::Pure => Trust::Local,
        };
        let turn = self.turn(who, &about.trace, kept.bytes.len()).await;
        let (verdict, bytes, admission) = self.release(&request.seal, &kept, about, trust);
        drop(turn);
        let admits = verdict.kind.admits();
        let facts = ResultFacts {
            tool: &about.tool,
            trace: &about.trace,
            call: "",
            verdict: &verdict,
            digest: digest_bytes(&kept.bytes),
            bytes: u64::try_from(kept.bytes.len()).unwrap_or(u64::MAX),
            taint: if admits {
                Taint::Tainted
            } else {
                Taint::Quarantined
            },
            seal: &request.seal,
            note: &format!("page in; {}", note(&admission)),
        };
        self.prepare_reading(who, &snapshot, &about.trace);
        let most = self.limits().frame_bytes;
        let shown = part(&bytes, request.offset, request.limit, most);
        let written = self.write_result(who, &snapshot, &facts).await;
        let written = written.and_then(|seq| {
            let reading = Reading {
                trace: &about.trace,
                tool: &about.tool,
                args: None,
                shown: &shown,
                row: seq,
            };
            self.note_read(who, &snapshot, &verdict, &reading)?;
            Ok(seq)
        });
        let (verdict, seq) = match written {
            Ok(seq) => (verdict, seq),
            Err(refused) => (refused, 0),
        };
        let total = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let result = if verdict.kind.admits() {
            shown
        } else {
            Vec::new()
        };
        Ok(v1::PageInResponse {
            verdict: Some(wire::verdict(&verdict)),
            result,
            total: if seq > 0 { total } else { 0 },
            seq,
        })
    }

    /// Screens kept bytes anew, by the rules in force: what was cleared once is caught again.
    fn release(
        &self,
        seal: &str,
        kept: &Kept,
        about: &KeptAbout,
        trust: Trust,
    ) -> (Verdict, Vec<u8>, Admission) {
        let admission = self.screen_bytes(&about.tool, &kept.bytes, trust);
        let cleared = self.with_kernel(|kernel| {
            let witness = kernel.cleared_by(seal);
            witness.is_some_and(|witness| witness != about.who)
        });
        if about.kind == KeptKind::Quarantined && !cleared {
            let verdict = quarantine(about.reason, "quarantine/not-cleared");
            return (verdict, Vec::new(), admission);
        }
        let found = worst(&admission.findings);
        let by = found.map_or_else(|| BY_SCREEN.to_owned(), rule_of);
        match &admission.verdict {
            Outcome::Quarantine => (quarantine(admission.reason, &by), Vec::new(), admission),
            Outcome::Allow => (Verdict::allow(BY_SCREEN), kept.bytes.clone(), admission),
            Outcome::Redact(edits) => (transform(&by), shown::apply(&kept.bytes, edits), admission),
            Outcome::PageOut(page) if page.edits.is_empty() => {
                (Verdict::allow(BY_SCREEN), kept.bytes.clone(), admission)
            }
            Outcome::PageOut(page) => (
                transform(&by),
                shown::apply(&kept.bytes, &page.edits),
                admission,
            ),
        }
    }

    fn kept(&self, seal: &str) -> Result<Kept, Status> {
        match unhurried(|| self.means.keep.take_out(seal)) {
            Ok(Some(kept)) if kept.kept_back().next().is_some() => Ok(kept),
            Ok(_) => Err(missing(seal)),
            Err(why) => Err(Status::unavailable(why)),
        }
    }
}

/// An answer that says what the result is and not yet what becomes of it.
fn unsaid(answer: &Answer, ruling: &Ruling, admission: &Admission) -> v1::AdmitResponse {
    v1::AdmitResponse {
        durability: admission.durability.as_str().to_owned(),
        taint: ruling.taint.as_str().to_owned(),
        media: shown::media(admission.media).to_owned(),
        trace_id: answer.trace.clone(),
        call_id: answer.call_id.clone(),
        findings: admission
            .findings
            .iter()
            .take(FINDINGS_TOLD_MAX)
            .map(finding)
            .collect(),
        ..v1::AdmitResponse::default()
    }
}

pub(crate) fn check_reason(reason: &str) -> Result<(), Status> {
    if (1..=REASON_BYTES_MAX).contains(&reason.len()) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "reason: is {} bytes long; say why in 1 to {REASON_BYTES_MAX}",
        reason.len()
    )))
}

fn missing(seal: &str) -> Status {
    let seal: String = seal
        .chars()
        .take(64)
        .filter(char::is_ascii_graphic)
        .collect();
    Status::not_found(format!("seal: nothing of yours is kept under `{seal}`"))
}

fn transform(by: &str) -> Verdict {
    Verdict {
        kind: VerdictKind::Transform,
        ..Verdict::allow(by.to_owned())
    }
}

fn quarantine(reason: Reason, by: &str) -> Verdict {
    Verdict {
        kind: VerdictKind::Quarantine,
        ..Verdict::deny(reason, by.to_owned(), "the result was sealed")
    }
}

/// The finding that decides: the first of the gravest screen.
fn worst(findings: &[Finding]) -> Option<&Finding> {
    let grave = |screen: &str| {
        ["injection", "secrets", "pollution", "oversize"]
            .iter()
            .position(|known| *known == screen)
            .unwrap_or(0)
    };
    findings.iter().min_by_key(|found| grave(found.screen))
}

fn rule_of(found: &Finding) -> String {
    format!("{}/{}", found.screen, found.rule)
}

/// Words for the row: what the bytes are, how long they hold, what was found where.
pub(crate) fn note(admission: &Admission) -> String {
    let mut text = format!(
        "{}, durability {}",
        shown::media(admission.media),
        admission.durability.as_str()
    );
    for found in admission.findings.iter().take(FINDINGS_TOLD_MAX) {
        let _ = write!(text, "; {}", rule_of(found));
        if !found.layer.is_empty() {
            let _ = write!(text, " in {}", found.layer);
        }
    }
    let more = admission.findings.len().saturating_sub(FINDINGS_TOLD_MAX);
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text
}

fn part(bytes: &[u8], offset: u64, limit: u64, most: usize) -> Vec<u8> {
    let most = most.saturating_sub(LARGE_RESULT_BYTES).max(1);
    let limit = match usize::try_from(limit) {
        Ok(0) | Err(_) => most,
        Ok(limit) => limit.min(most),
    };
    let from = usize::try_from(offset)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    let to = from.saturating_add(limit).min(bytes.len());
    bytes.get(from..to).unwrap_or_default().to_vec()
}

fn finding(found: &Finding) -> v1::Finding {
    let at = |place: usize| u64::try_from(place).unwrap_or(u64::MAX);
    v1::Finding {
        screen: found.screen.to_owned(),
        rule: found.rule.clone(),
        reason: found.reason.as_str().to_owned(),
        start: at(found.span.start),
        end: at(found.span.end),
        layer: found.layer.clone(),
    }
}
