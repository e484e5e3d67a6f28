//! Approvals: a call that somebody other than who asked must look at.
//!
//! ```text
//!            ask                approve                 the same call again
//! (nothing) -----> pending ----------------> approved ---------------------> spent
//!                     |  \ refuse
//!                     |   `--------> denied       every state ends at `expires`; of a pending or an approved one the
//!                     `-- expires -> expired      next ask of the same call is told so, once
//! ```
//!
//! An approval is bound to one call: who asks, in which session, which tool with which bytes of arguments, from where,
//! judged by which profile, because of which rules and claims. Another call is another approval. It answers the rungs
//! that asked for a witness and no other: whatever any rung refuses stays refused.

mod store;

use std::{fmt, sync::Arc};

use fak_chain::{Draft, RecordKind, TEXT_BYTES_MAX, digest_bytes};
use fak_types::{Digest, Principal, Reason, Verdict, VerdictKind};

use crate::{
    Timestamp, fold,
    form::recordable,
    kernel::Kernel,
    record::{admitted, by_principal},
    rungs::{Outcome, Question, Rungs},
    session::Viewer,
    steer::{SteerError, sound},
};

pub use store::{APPROVALS_MAX, APPROVALS_PER_PRINCIPAL_MAX};
pub(crate) use store::{Approvals, CallKey};

/// Reported in `by` when an approval let a call through.
pub const BY_APPROVAL: &str = "approval";
/// Reported in `by` when somebody refused a call.
pub const BY_APPROVAL_DENIED: &str = "approval/denied";
/// Reported in `by` when nobody decided in time, or the call was not asked again in time.
pub const BY_APPROVAL_EXPIRED: &str = "approval/expired";
/// Reported in `by` when no more approvals can be waited for.
pub const BY_APPROVAL_FULL: &str = "approval/full";

/// Most bytes of an approval's claims and detail together. LIMIT: they stand in one row; a call with more is refused.
const SAID_BYTES_MAX: usize = TEXT_BYTES_MAX;

/// What begins the line of a claim in a row.
const CLAIM: &str = "\nclaim ";
/// What begins the last line: a digest of what else the approval is bound to.
const BOUND: &str = "\nbound ";

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApprovalState {
    /// Nobody has decided.
    Pending,
    /// The same call passes, once.
    Approved,
    /// The same call is refused.
    Denied,
    /// Its time is over.
    Expired,
    /// It let a call through.
    Spent,
}

impl ApprovalState {
    /// Every word, in order.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Approved,
        Self::Denied,
        Self::Expired,
        Self::Spent,
    ];

    /// The wire spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Spent => "spent",
        }
    }

    /// Reads the wire spelling; `None` for a word this build does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A call that waits for somebody, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// 128 random bits in hexadecimal digits; says nothing of the call.
    pub id: Arc<str>,
    /// Where it stands.
    pub state: ApprovalState,
    /// The call it is about.
    pub call: AskedCall,
    /// The rule that wants a witness.
    pub by: String,
    /// Its reason.
    pub reason: String,
    /// Its words.
    pub detail: String,
    /// What must be seen to hold before somebody may approve.
    pub claims: Vec<String>,
    /// When the call was asked first.
    pub asked: Timestamp,
    /// When it is over, whatever its state.
    pub expires: Timestamp,
    /// Who decided; empty: nobody.
    pub decided_by: String,
    /// Why.
    pub why: String,
    /// How long it is waited for, and then again for the call to be asked once it is approved, in microseconds.
    pub(crate) lasts_us: u64,
}

/// The call an approval is about, and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedCall {
    /// Who asks.
    pub principal: String,
    /// In which session.
    pub trace: String,
    /// The tool.
    pub tool: String,
    /// SHA-256 of the raw argument bytes.
    pub args: Digest,
    /// The profile that judged.
    pub profile: String,
    /// A digest of the working directory, the home, the rules that want a witness and their claims.
    pub(crate) bound: String,
}

impl Approval {
    /// Where it stands at a moment.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> ApprovalState {
        match self.state {
            ApprovalState::Pending | ApprovalState::Approved if self.expires <= now => {
                ApprovalState::Expired
            }
            state => state,
        }
    }
}

/// What an approver says.
#[derive(Clone, Copy, Debug)]
pub struct Ruling<'a> {
    /// Which approval.
    pub id: &'a str,
    /// Whether the call may pass.
    pub approve: bool,
    /// Why.
    pub why: &'a str,
    /// What the approver's own hand corroborated.
    pub evidence: &'a [Seen<'a>],
}

/// One claim and what was seen of it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The claim.
    pub claim: &'a str,
    /// Whether it holds.
    pub holds: bool,
    /// What was looked at: a digest.
    pub seen: &'a str,
}

/// Why an approval is not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApproveError {
    /// Nobody knows this id.
    NotFound,
    /// It is decided, spent or over.
    NotPending(ApprovalState),
    /// The call is the approver's own.
    Own,
    /// This claim was not corroborated.
    Unwitnessed(String),
    /// The request makes no sense.
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        text: String,
    },
}

impl fmt::Display for ApproveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such approval"),
            Self::NotPending(state) => write!(f, "the approval is {} already", state.as_str()),
            Self::Own => f.write_str("nobody approves a call of their own"),
            Self::Unwitnessed(claim) => write!(f, "nobody saw that `{claim}` holds"),
            Self::Invalid { field, text } => write!(f, "{field}: {text}"),
        }
    }
}

impl std::error::Error for ApproveError {}

impl Kernel {
    /// The row of what an approver says. The caller makes it durable and then calls [`Kernel::take_in`]: nothing passes
    /// before.
    ///
    /// # Errors
    /// [`ApproveError`]; the approval is as it was.
    pub fn rule(
        &self,
        now: Timestamp,
        who: &Principal,
        ruling: &Ruling<'_>,
    ) -> Result<Draft, ApproveError> {
        let approval = self.approvals.get(ruling.id);
        let approval = approval.ok_or(ApproveError::NotFound)?;
        if approval.call.principal == who.name() {
            return Err(ApproveError::Own);
        }
        let state = approval.state_at(now);
        if state != ApprovalState::Pending {
            return Err(ApproveError::NotPending(state));
        }
        let note = said_by(ruling)?;
        if ruling.approve {
            let held = |claim: &String| {
                let mut seen = ruling.evidence.iter().filter(|seen| seen.claim == claim);
                // Said twice, both must hold.
                seen.clone().next().is_some() && seen.all(|seen| seen.holds)
            };
            if let Some(claim) = approval.claims.iter().find(|claim| !held(claim)) {
                return Err(ApproveError::Unwitnessed(claim.clone()));
            }
        }
        let kind = if ruling.approve {
            VerdictKind::Allow
        } else {
            VerdictKind::Deny
        };
        Ok(Draft {
            trace: approval.call.trace.clone(),
            subject: approval.id.as_ref().to_owned(),
            verdict: kind.as_str().to_owned(),
            note,
            until_us: now.0.saturating_add(approval.lasts_us),
            ..by_principal(RecordKind::Approve, now, who)
        })
    }

    /// The approvals of the viewer's calls as they stand at `now`, the newest first: those that wait, or all that are
    /// remembered.
    #[must_use]
    pub fn approvals(
        &self,
        now: Timestamp,
        viewer: Viewer<'_>,
        all: bool,
        count_max: usize,
    ) -> Vec<Approval> {
        let seen = self.approvals.newest(viewer).map(|one| at(now, one));
        seen.filter(|one| all || one.state == ApprovalState::Pending)
            .take(count_max)
            .collect()
    }

    /// How many of the viewer's calls wait.
    #[must_use]
    pub fn approvals_pending(&self, now: Timestamp, viewer: Viewer<'_>) -> usize {
        let pending = |one: &&Approval| one.state_at(now) == ApprovalState::Pending;
        self.approvals.newest(viewer).filter(pending).count()
    }

    /// One approval as it stands at `now`, when the viewer may see it.
    #[must_use]
    pub fn approval(&self, now: Timestamp, viewer: Viewer<'_>, id: &str) -> Option<Approval> {
        let one = self.approvals.get(id)?;
        let is_seen = match viewer {
            Viewer::All => true,
            Viewer::Own(who) => one.call.principal == who,
        };
        is_seen.then(|| at(now, one))
    }

    /// What becomes of a call that wants a witness.
    pub(crate) fn witness(
        &self,
        rungs: &Rungs,
        question: &Question<'_>,
        wanted: Verdict,
    ) -> Outcome {
        let now = question.now;
        let bound = bound(rungs, question);
        let note = note_of(&wanted, &bound);
        let judgement = question.judgement;
        let key = CallKey::new(
            [question.who, question.trace(), &question.tool],
            &judgement.profile,
            judgement.args_digest,
            &bound,
        );
        let known = self.approvals.of_call(key);
        let Some(known) = known.filter(|known| known.stands(now)) else {
            return self.ask(question, wanted, note);
        };
        let id = Some(Arc::clone(&known.id));
        match known.state_at(now) {
            ApprovalState::Approved => Outcome {
                verdict: fold(rungs.iter().map(|(_, opinion)| approved(opinion))),
                approval: id,
                wait: None,
            },
            ApprovalState::Denied => {
                let detail = match known.why.as_str() {
                    "" => "somebody refused this call".to_owned(),
                    why => format!("somebody refused this call: {why}"),
                };
                Outcome {
                    verdict: Verdict::deny(Reason::Unwitnessed, BY_APPROVAL_DENIED, &detail),
                    approval: id,
                    wait: None,
                }
            }
            ApprovalState::Pending => Outcome {
                wait: note.map(|note| (note, known.expires)),
                verdict: wanted,
                approval: id,
            },
            ApprovalState::Expired | ApprovalState::Spent => {
                let detail = "nobody approved this call in time; ask again to ask anew";
                Outcome {
                    verdict: Verdict::deny(Reason::Unwitnessed, BY_APPROVAL_EXPIRED, detail),
                    approval: id,
                    wait: None,
                }
            }
        }
    }

    /// A new approval, where there is room for one and anything to name it.
    fn ask(&self, question: &Question<'_>, wanted: Verdict, note: Option<String>) -> Outcome {
        let judgement = question.judgement;
        let Some(note) = note else {
            let detail = "more claims than one row holds; nobody could approve this call";
            return Verdict::deny(Reason::Unwitnessed, BY_APPROVAL_FULL, detail).into();
        };
        let id: Arc<str> = format!("{:032x}", judgement.nonce).into();
        if judgement.nonce == 0 || self.approvals.get(&id).is_some() {
            return wanted.into();
        }
        if let Some(wait_ms) = self.approvals.is_full(question.now, question.who) {
            let detail = "more calls wait for somebody than may";
            return Outcome::from(Verdict {
                retry_after_ms: Some(wait_ms),
                ..Verdict::deny(Reason::RateLimited, BY_APPROVAL_FULL, detail)
            });
        }
        let expires = question
            .now
            .0
            .saturating_add(judgement.approval_ms.saturating_mul(1000));
        Outcome {
            verdict: wanted,
            approval: Some(id),
            wait: Some((note, Timestamp(expires))),
        }
    }

    /// Folds a verdict's row that names an approval.
    pub(crate) fn apply_witness(&mut self, draft: &Draft) {
        if draft.subject.is_empty() {
            return;
        }
        if admitted(draft) {
            self.approvals.set(&draft.subject, ApprovalState::Spent);
        } else if draft.by == BY_APPROVAL_EXPIRED {
            self.approvals.set(&draft.subject, ApprovalState::Expired);
        } else if draft.verdict == VerdictKind::RequireWitness.as_str()
            && let Some(approval) = asked(draft)
        {
            self.approvals.add(Timestamp(draft.ts_us), approval);
        }
    }

    pub(crate) fn apply_ruling(&mut self, draft: &Draft) {
        let now = Timestamp(draft.ts_us);
        let approve = draft.verdict == VerdictKind::Allow.as_str();
        let Some(approval) = self.approvals.get_mut(&draft.subject) else {
            return;
        };
        if approval.state_at(now) != ApprovalState::Pending || approval.call.principal == draft.who
        {
            return;
        }
        approval.state = if approve {
            ApprovalState::Approved
        } else {
            ApprovalState::Denied
        };
        approval.decided_by.clone_from(&draft.who);
        let why = draft.note.lines().next().unwrap_or_default();
        why.clone_into(&mut approval.why);
        approval.expires = Timestamp(draft.until_us);
    }

    /// Undoes what a verdict that never became durable did to an approval.
    pub(crate) fn unwitness(&mut self, draft: &Draft) {
        if draft.subject.is_empty() {
            return;
        }
        if admitted(draft) {
            self.approvals.unspend(&draft.subject);
        } else if draft.verdict == VerdictKind::RequireWitness.as_str() {
            self.approvals
                .forget(&draft.subject, Timestamp(draft.ts_us));
        }
    }
}

/// What a rung that wanted a witness says once somebody approved; what every other rung says stays.
fn approved(opinion: &Verdict) -> Verdict {
    if opinion.kind != VerdictKind::RequireWitness {
        return opinion.clone();
    }
    let kind = if opinion.edits.is_empty() {
        VerdictKind::Allow
    } else {
        VerdictKind::Transform
    };
    Verdict {
        edits: opinion.edits.clone(),
        ..Verdict::of(kind, BY_APPROVAL)
    }
}

fn at(now: Timestamp, approval: &Approval) -> Approval {
    Approval {
        state: approval.state_at(now),
        ..approval.clone()
    }
}

/// A digest of what an approval is bound to and no row says: where the caller stands, who wants a witness, for what.
fn bound(rungs: &Rungs, question: &Question<'_>) -> String {
    let mut text = String::new();
    let mut add = |part: &str| {
        text.push_str(&part.len().to_string());
        text.push(' ');
        text.push_str(part);
    };
    add(question.call.cwd.unwrap_or_default());
    add(question.call.home.unwrap_or_default());
    let wanting = rungs
        .iter()
        .filter(|(_, opinion)| opinion.kind == VerdictKind::RequireWitness);
    for (rung, opinion) in wanting {
        add(rung);
        add(&opinion.by);
        opinion.claims().iter().for_each(|claim| add(claim));
    }
    let digest = digest_bytes(text.as_bytes());
    let half = digest.0.first_chunk::<16>();
    let half = half.map_or(0, |bytes| u128::from_be_bytes(*bytes));
    format!("{half:032x}")
}

/// The words of a row that asks for a witness; `None` when they do not fit.
fn note_of(wanted: &Verdict, bound: &str) -> Option<String> {
    let clean = |text| recordable(text, SAID_BYTES_MAX);
    let mut note = clean(wanted.detail.as_str()).into_owned();
    for claim in wanted.claims() {
        note.push_str(CLAIM);
        note.push_str(&clean(claim));
    }
    note.push_str(BOUND);
    note.push_str(bound);
    (note.len() <= SAID_BYTES_MAX).then_some(note)
}

/// The approval a row asks for.
fn asked(draft: &Draft) -> Option<Approval> {
    let (said, bound) = draft.note.rsplit_once(BOUND)?;
    let mut parts = said.split(CLAIM);
    Some(Approval {
        id: draft.subject.as_str().into(),
        state: ApprovalState::Pending,
        call: AskedCall {
            principal: draft.who.clone(),
            trace: draft.trace.clone(),
            tool: draft.tool.clone(),
            args: draft.args_digest?,
            profile: draft.profile.clone(),
            bound: bound.to_owned(),
        },
        by: draft.by.clone(),
        reason: draft.reason.clone(),
        detail: parts.next().unwrap_or_default().to_owned(),
        claims: parts.map(str::to_owned).collect(),
        asked: Timestamp(draft.ts_us),
        expires: Timestamp(draft.until_us),
        decided_by: String::new(),
        why: String::new(),
        lasts_us: draft.until_us.saturating_sub(draft.ts_us),
    })
}

/// The reason in the first line, then what was seen, a claim a line.
fn said_by(ruling: &Ruling<'_>) -> Result<String, ApproveError> {
    let checked = |field, text| {
        sound(field, text).map_err(|error| match error {
            SteerError::Invalid { field, text } => ApproveError::Invalid { field, text },
            _ => ApproveError::NotFound,
        })
    };
    checked("reason", ruling.why)?;
    let mut note = ruling.why.to_owned();
    for one in ruling.evidence {
        checked("evidence.claim", one.claim)?;
        checked("evidence.seen", one.seen)?;
        let word = if one.holds { "holds" } else { "fails" };
        note.push_str(&format!("\n{word} {} {}", one.seen, one.claim));
    }
    if note.len() > TEXT_BYTES_MAX {
        return Err(ApproveError::Invalid {
            field: "evidence",
            text: format!("more than {TEXT_BYTES_MAX} bytes together with the reason"),
        });
    }
    Ok(note)
}
