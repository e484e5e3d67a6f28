//! Steering: what a person says about one session, and its row.

use std::{fmt, sync::Arc};

use fak_chain::{Draft, RecordKind};
use fak_types::{Principal, Taint};

use crate::{
    Timestamp,
    admit::worse,
    kernel::Kernel,
    session::{Name, RunState, Session, Steering, Viewer},
    terms::{Budget, Pace},
    words::{Note, Words},
};

/// `subject` of the row that steers a session.
pub const ABOUT_CONTROL: &str = "control";
/// `subject` of the row that lets a session start over.
pub const ABOUT_RESET: &str = "reset";
/// `subject` of the row that lets a session start from nothing it has read.
pub const ABOUT_TAINT: &str = "taint";

/// Longest reason somebody gives, in bytes. LIMIT: it stands in a row and beside the session.
pub const WHY_BYTES_MAX: usize = 512;

/// The budgets and paces that may be said to be unbounded, as a request spells them, the budgets first.
const BOUNDS: [&str; 6] = [
    "turns",
    "tokens",
    "cost_micros",
    "context_tokens",
    "turn_tokens",
    "turn_gap_ms",
];

/// What somebody says about one session. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steer<'a> {
    /// The session.
    pub trace: &'a str,
    /// Whose it is; `None`: the one session of that name.
    pub owner: Option<&'a str>,
    /// Only while the session's revision is this.
    pub if_rev: Option<u64>,
    /// Whether its calls are judged.
    pub run: Option<RunState>,
    /// What is left from now on.
    pub budget: Budget,
    /// How fast.
    pub pace: Pace,
    /// Budgets and paces that are to be unbounded.
    pub unbounded: &'a [&'a str],
    /// Who is served first.
    pub priority: Option<i32>,
    /// Why.
    pub why: &'a str,
    /// Start over: the profile's budgets anew, running. A session whose context is used up carries on as its continuation.
    pub reset: bool,
}

/// Why a session is not steered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SteerError {
    /// No such session is live.
    NotFound,
    /// Two principals have a session of this name.
    Ambiguous,
    /// The session changed meanwhile.
    RevLost {
        /// Its revision now.
        rev: u64,
    },
    /// From `stopped` nothing leads back.
    Stopped,
    /// The session is the asker's own.
    Own,
    /// The request makes no sense.
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        text: String,
    },
}

impl fmt::Display for SteerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such session"),
            Self::Ambiguous => {
                f.write_str("several principals have a session of this name: say whose")
            }
            Self::RevLost { rev } => write!(f, "the session has changed: it is at revision {rev}"),
            Self::Stopped => f.write_str("the session is stopped for good"),
            Self::Own => f.write_str("a session's own principal cannot vouch for it"),
            Self::Invalid { field, text } => write!(f, "{field}: {text}"),
        }
    }
}

impl std::error::Error for SteerError {}

/// A session that was steered, its row, and the way back should the row never become durable.
#[derive(Clone, Debug)]
#[must_use]
pub struct Steered {
    /// The row.
    pub draft: Draft,
    /// The session as it is now; the continuation where one carries on.
    pub session: Session,
    before: Session,
    opened: Option<Option<Session>>,
}

impl Kernel {
    /// Steers a session at once. The row must be durable before anybody hears of it; [`Kernel::unsteer`] undoes it.
    ///
    /// # Errors
    /// [`SteerError`]; nothing is changed then.
    pub fn steer(
        &mut self,
        now: Timestamp,
        by: &Principal,
        request: &Steer<'_>,
    ) -> Result<Steered, SteerError> {
        sound("reason", request.why)?;
        let before = self.one(request.owner, request.trace)?.clone();
        if request.if_rev.is_some_and(|rev| rev != before.rev) {
            return Err(SteerError::RevLost { rev: before.rev });
        }
        if before.run == RunState::Stopped {
            return Err(SteerError::Stopped);
        }
        let draft = row(now, by, &before, request)?;
        let next = next_of(&before).filter(|_| request.reset);
        let opened = next.as_ref().map(|next| self.own(&before.principal, next));
        self.apply(&draft);
        let trace = next.unwrap_or_else(|| Arc::clone(&before.trace));
        let session = self.own(&before.principal, &trace);
        Ok(Steered {
            draft,
            session: session.unwrap_or_else(|| before.clone()),
            before,
            opened,
        })
    }

    /// Takes back what [`Kernel::steer`] did, because its row never became durable.
    pub fn unsteer(&mut self, steered: Steered) {
        let Steered {
            session,
            before,
            opened,
            ..
        } = steered;
        let who = Arc::clone(&before.principal);
        if let Some(other) = opened {
            self.sessions.put_back(&who, &session.trace, other);
        }
        let trace = Arc::clone(&before.trace);
        self.sessions.put_back(&who, &trace, Some(before));
    }

    /// The row of a witness's word that a session starts from nothing it has read. The caller makes it durable and then
    /// calls [`Kernel::take_in`].
    ///
    /// # Errors
    /// [`SteerError`]; the session's own principal is refused.
    pub fn taint_reset(
        &self,
        now: Timestamp,
        by: &Principal,
        owner: Option<&str>,
        trace: &str,
        why: &str,
    ) -> Result<Draft, SteerError> {
        sound("reason", why)?;
        let session = self.one(owner, trace)?;
        let by = by.name();
        if *session.principal == *by {
            return Err(SteerError::Own);
        }
        Ok(Draft {
            subject: ABOUT_TAINT.to_owned(),
            note: why.to_owned(),
            ..about(now, &by, session)
        })
    }

    fn own(&self, who: &str, trace: &str) -> Option<Session> {
        self.sessions.get(Viewer::Own(who), trace).cloned()
    }

    /// The one live session somebody means.
    fn one(&self, owner: Option<&str>, trace: &str) -> Result<&Session, SteerError> {
        if let Some(owner) = owner {
            let own = self.sessions.get(Viewer::Own(owner), trace);
            return own.ok_or(SteerError::NotFound);
        }
        match self.sessions.owners_of(trace).as_slice() {
            [] => Err(SteerError::NotFound),
            [session] => Ok(session),
            _ => Err(SteerError::Ambiguous),
        }
    }

    pub(crate) fn apply_control(&mut self, draft: &Draft) {
        let now = Timestamp(draft.ts_us);
        self.sessions.change(now, Name::of(draft), |session| {
            if session.run != RunState::Stopped {
                say(session, now, draft);
                session.exhaust();
            }
        });
    }

    pub(crate) fn apply_reset(&mut self, draft: &Draft) {
        let now = Timestamp(draft.ts_us);
        let name = Name::of(draft);
        let given = self.sessions.given(&draft.profile).unwrap_or_default();
        let mut carried = None;
        self.sessions.change(now, name, |session| {
            if session.run == RunState::Stopped {
                return;
            }
            let old = session.steering.take().unwrap_or_default();
            let fresh = Steering {
                priority: old.priority,
                ..*given
            };
            if let Some(next) = old
                .continuation
                .clone()
                .filter(|_| session.run == RunState::Draining)
            {
                let fresh = Steering {
                    continues: Some(Arc::clone(&session.trace)),
                    links: old.links.saturating_add(1),
                    ..fresh
                };
                carried = Some((next, fresh, session.taint));
                session.run = RunState::Stopped;
                session.steering = Some(Box::new(Steering {
                    why: Note::read(&draft.note).text.into(),
                    ..*old
                }));
                return;
            }
            let mut fresh = Steering {
                continues: old.continues,
                links: old.links,
                reserved: old.reserved,
                settled: old.settled,
                ..fresh
            };
            fresh.unhold([true; 3]);
            session.steering = Some(Box::new(fresh));
            session.run = RunState::Running;
            say(session, now, draft);
            session.exhaust();
        });
        if let Some((next, fresh, taint)) = carried {
            let name = Name {
                trace: &next,
                ..name
            };
            self.sessions.change(now, name, |session| {
                session.steering = Some(Box::new(fresh));
                session.run = RunState::Running;
                session.taint = worse(session.taint, taint);
                say(session, now, draft);
            });
        }
    }

    pub(crate) fn apply_taint(&mut self, draft: &Draft) {
        let now = Timestamp(draft.ts_us);
        self.sessions.change(now, Name::of(draft), |session| {
            session.taint = Taint::Trusted;
        });
    }
}

/// The session that carries on, when this one's context is used up.
fn next_of(session: &Session) -> Option<Arc<str>> {
    let steering = session.steering.as_ref()?;
    let next = steering.continuation.clone()?;
    (session.run == RunState::Draining).then_some(next)
}

/// A reason is one line for people.
pub(crate) fn sound(field: &'static str, text: &str) -> Result<(), SteerError> {
    let problem = if text.trim().is_empty() {
        "is empty: say why"
    } else if text.len() > WHY_BYTES_MAX {
        "is longer than 512 bytes"
    } else if text.chars().any(char::is_control) {
        "holds a line break or another control character"
    } else {
        return Ok(());
    };
    Err(SteerError::Invalid {
        field,
        text: problem.to_owned(),
    })
}

fn about(now: Timestamp, by: &str, session: &Session) -> Draft {
    Draft {
        who: session.principal.as_ref().to_owned(),
        trace: session.trace.as_ref().to_owned(),
        by: by.to_owned(),
        profile: session.profile.as_ref().to_owned(),
        ..Draft::new(RecordKind::Session, now.0)
    }
}

fn row(
    now: Timestamp,
    by: &Principal,
    session: &Session,
    request: &Steer<'_>,
) -> Result<Draft, SteerError> {
    let (budget, pace) = (&request.budget, &request.pace);
    let said = [
        budget.turns,
        budget.tokens,
        budget.cost_micros,
        budget.context_tokens,
        pace.turn_tokens_max,
        pace.turn_gap_ms_min,
    ];
    let mut words = Words::default();
    if let Some(run) = request.run {
        words = words.word("run", run.as_str());
    }
    for name in request.unbounded {
        if !BOUNDS.contains(name) {
            return Err(SteerError::Invalid {
                field: "unbounded",
                text: format!(
                    "no budget and no pace has this name; there are {}",
                    BOUNDS.join(" ")
                ),
            });
        }
    }
    for (name, number) in BOUNDS.into_iter().zip(said) {
        let is_unbounded = request.unbounded.contains(&name);
        if is_unbounded && number.is_some() {
            return Err(SteerError::Invalid {
                field: "unbounded",
                text: format!("{name} is given a number too"),
            });
        }
        let number = number.map(Some);
        words = words.maybe(name, if is_unbounded { Some(None) } else { number });
    }
    if let Some(priority) = request.priority {
        words = words.word("priority", priority);
    }
    let note = words.text("");
    if note.is_empty() && !request.reset {
        return Err(SteerError::Invalid {
            field: "request",
            text: "nothing is to change".to_owned(),
        });
    }
    let subject = if request.reset {
        ABOUT_RESET
    } else {
        ABOUT_CONTROL
    };
    Ok(Draft {
        subject: subject.to_owned(),
        note: format!("{note}; {}", request.why),
        ..about(now, &by.name(), session)
    })
}

/// Puts a row's words in force.
fn say(session: &mut Session, now: Timestamp, draft: &Draft) {
    let note = Note::read(&draft.note);
    let steering = session.steering.get_or_insert_default();
    steering.lapse(now);
    steering.why = note.text.into();
    let (budget, pace) = (&mut steering.budget, &mut steering.pace);
    let places = [
        &mut budget.turns,
        &mut budget.tokens,
        &mut budget.cost_micros,
        &mut budget.context_tokens,
        &mut pace.turn_tokens_max,
        &mut pace.turn_gap_ms_min,
    ];
    let mut changed = [false; BOUNDS.len()];
    for ((name, place), changed) in BOUNDS.into_iter().zip(places).zip(&mut changed) {
        if let Some(number) = note.maybe(name) {
            *place = number;
            *changed = true;
        }
    }
    let [turns, tokens, cost, ..] = changed;
    steering.unhold([turns, tokens, cost]);
    if let Some(priority) = note.get("priority").and_then(|word| word.parse().ok()) {
        steering.priority = priority;
    }
    if let Some(run) = note.get("run").and_then(RunState::parse) {
        session.run = run;
    }
}
