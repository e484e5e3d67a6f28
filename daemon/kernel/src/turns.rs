//! Turns: what one may cost is put aside before it runs, and replaced by what it did cost afterwards.
//!
//! INVARIANT: what turns put aside and what they did cost within their estimates is never more than the budget,
//! whatever the order of reserving and settling. A turn nobody settles counts as spent in full.

use std::sync::LazyLock;

use fak_chain::{Draft, RecordKind};
use fak_types::{Posture, Principal, Reason, TRACE_ID_BYTES_MAX, Verdict, VerdictKind};

use crate::{
    Timestamp,
    form::{recordable, trace_is_sound},
    gate::{self, BY_BUDGET, BY_PACE},
    judge::Snapshot,
    kernel::Kernel,
    record::by_principal,
    session::{Cost, Gated, Name, RESERVED_MS_MAX, RESERVED_TURNS_MAX, RunState, Steering},
    terms::{Price, Terms},
    words::{Note, Words},
};

/// `subject` of the row that puts a turn aside.
pub const ABOUT_RESERVE: &str = "reserve";
/// `subject` of the row that says what a turn did cost.
pub const ABOUT_SETTLE: &str = "settle";
/// Reported in `by` when a turn is put aside, or its name is wrong.
pub const BY_TURN: &str = "session/turn";
/// Reported in `by` when nobody knows what a model costs.
pub const BY_PRICE: &str = "session/price";

/// What a session has that was never given anything.
static UNBOUNDED: LazyLock<Steering> = LazyLock::new(Steering::default);

/// The word a refused turn's row holds when the turn would not fit the context.
const CONTEXT_FULL: &str = "full";

/// A turn somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct TurnAsk<'a> {
    /// The session.
    pub trace: &'a str,
    /// The caller's name for the turn.
    pub turn: &'a str,
    /// Tokens it reads at most: all the context holds then.
    pub input_tokens: u64,
    /// Tokens it writes at most.
    pub output_tokens: u64,
    /// What runs it; empty: it costs no money.
    pub model: &'a str,
}

/// The answer to a turn and the row that must be durable before it leaves.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reserved {
    /// ALLOW, or why not.
    pub verdict: Verdict,
    /// Its record.
    pub draft: Draft,
}

/// Why a turn is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnError {
    /// The session, or a turn of this name in it, is not known.
    NotFound,
}

/// The opinion on one more turn.
struct Opinion {
    verdict: Verdict,
    /// What a token costs in it.
    price: Price,
    /// It would fit but for the context.
    is_full: bool,
}

impl From<Verdict> for Opinion {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            price: Price::default(),
            is_full: false,
        }
    }
}

impl Kernel {
    /// Puts a turn aside. A turn of a name that is put aside already, or was settled lately, changes nothing: put aside
    /// it is allowed once more, settled it is refused.
    pub fn reserve(
        &mut self,
        now: Timestamp,
        who: &Principal,
        ask: &TurnAsk<'_>,
        snapshot: &Snapshot,
    ) -> Reserved {
        let profile = snapshot.profile_of(who);
        let owner = who.name();
        let terms = profile.map(|profile| &profile.terms);
        let Opinion {
            mut verdict,
            price,
            is_full,
        } = self.turn(now, &owner, ask, terms);
        let observes = profile.is_some_and(|profile| profile.posture == Posture::Observe);
        if observes && verdict.kind == VerdictKind::Deny && is_open_to_relax(&verdict) {
            verdict = Verdict {
                would_deny: Some(verdict.reason),
                detail: verdict.detail,
                ..Verdict::allow(BY_TURN)
            };
        }
        let words = Words::default()
            .word("in", ask.input_tokens)
            .word("out", ask.output_tokens)
            .word("price_in", price.input_micros)
            .word("price_out", price.output_micros);
        let words = if is_full && !verdict.kind.admits() {
            words.word("context", CONTEXT_FULL)
        } else {
            words
        };
        let said = if verdict.detail.as_str().is_empty() {
            recordable(ask.model, TRACE_ID_BYTES_MAX)
        } else {
            verdict.detail.as_str().into()
        };
        let draft = Draft {
            trace: if trace_is_sound(ask.trace) {
                ask.trace.to_owned()
            } else {
                String::new()
            },
            subject: ABOUT_RESERVE.to_owned(),
            call: recordable(ask.turn, TRACE_ID_BYTES_MAX).into_owned(),
            verdict: verdict.kind.as_str().to_owned(),
            reason: verdict.reason.as_str().to_owned(),
            by: verdict.by.as_ref().to_owned(),
            disposition: verdict
                .disposition()
                .map_or("", |word| word.as_str())
                .to_owned(),
            would_deny: verdict
                .would_deny
                .map_or("", |reason| reason.as_str())
                .to_owned(),
            until_us: now.0.saturating_add(RESERVED_MS_MAX * 1000),
            note: words.text(&said),
            profile: profile.map_or_else(String::new, |profile| profile.name.as_ref().to_owned()),
            policy: profile.map(|profile| profile.digest),
            generation: snapshot.generation(),
            ..by_principal(RecordKind::Session, now, who)
        };
        self.apply(&draft);
        Reserved { verdict, draft }
    }

    /// The row of what a turn did cost; nothing for a turn that did not run. `None` when it is settled already, or
    /// nobody settled it in time: it counts as spent in full then.
    ///
    /// The row is the caller's to make durable and then to [`Kernel::take_in`]: what a turn did not use may be spent
    /// again only after that.
    ///
    /// # Errors
    /// [`TurnError::NotFound`] when there is no such turn.
    pub fn settle_turn(
        &self,
        now: Timestamp,
        who: &Principal,
        ask: &TurnAsk<'_>,
    ) -> Result<Option<Draft>, TurnError> {
        let owner = who.name();
        let gated = self.sessions.gated(&owner, ask.trace);
        let steering = gated.ok_or(TurnError::NotFound)?.steering;
        if steering.is_settled(ask.turn) {
            return Ok(None);
        }
        let mut open = steering.reserved.iter();
        let turn = open.find(|turn| &*turn.turn == ask.turn);
        if turn.ok_or(TurnError::NotFound)?.until <= now {
            return Ok(None);
        }
        let words = Words::default()
            .word("in", ask.input_tokens)
            .word("out", ask.output_tokens);
        Ok(Some(Draft {
            trace: ask.trace.to_owned(),
            subject: ABOUT_SETTLE.to_owned(),
            call: ask.turn.to_owned(),
            note: words.text(""),
            ..by_principal(RecordKind::Session, now, who)
        }))
    }

    fn turn(
        &self,
        now: Timestamp,
        owner: &str,
        ask: &TurnAsk<'_>,
        terms: Option<&Terms>,
    ) -> Opinion {
        if !trace_is_sound(ask.trace) || !trace_is_sound(ask.turn) {
            let why = "the session and the turn need names of visible characters, 1 to 128 bytes";
            return Verdict::deny(Reason::Malformed, BY_TURN, why).into();
        }
        let fresh = terms.map_or_else(Steering::default, |terms| {
            Steering::given(terms.budget, terms.pace)
        });
        let gated = self.turn_gate(owner, ask.trace, &fresh);
        if let Some(held) = gate::held(&gated) {
            return held.into();
        }
        let steering = gated.steering;
        if steering.is_settled(ask.turn) {
            let why = "a turn of this name is settled; a new turn needs a new name";
            return Verdict::deny(Reason::Malformed, BY_TURN, why).into();
        }
        if steering.knows(ask.turn) {
            return Verdict::allow(BY_TURN).into();
        }
        let Some(price) = price(terms, ask.model, steering) else {
            let why =
                "nobody said what this model costs, and the session may not spend without bounds";
            return Verdict::deny(Reason::PolicyBlock, BY_PRICE, why).into();
        };
        let cost = Cost {
            input_tokens: ask.input_tokens,
            output_tokens: ask.output_tokens,
            price,
        };
        let refusal = too_fast(now, steering, &cost).or_else(|| too_much(now, steering, &cost));
        let most = steering.overflows(cost.input_tokens);
        let overflow = most.filter(|_| refusal.is_none());
        let refusal = refusal
            .or_else(|| overflow.map(|most| no_room("context_tokens", most, cost.input_tokens)));
        Opinion {
            verdict: refusal.unwrap_or_else(|| Verdict::allow(BY_TURN)),
            price,
            is_full: overflow.is_some(),
        }
    }

    fn turn_gate<'a>(&'a self, owner: &str, trace: &str, fresh: &'a Steering) -> Gated<'a> {
        let known = self.sessions.is_known(owner, trace);
        let gated = self.sessions.gated(owner, trace);
        gated.unwrap_or(Gated {
            run: RunState::Running,
            steering: if known { &UNBOUNDED } else { fresh },
        })
    }

    pub(crate) fn apply_reserve(&mut self, draft: &Draft) {
        let note = Note::read(&draft.note);
        let number = |key| note.number(key).unwrap_or(u64::MAX);
        let is_full = note.get("context") == Some(CONTEXT_FULL);
        let admitted = VerdictKind::parse(&draft.verdict).is_some_and(VerdictKind::admits);
        if draft.trace.is_empty() || !(admitted || is_full) {
            return;
        }
        let cost = Cost {
            input_tokens: number("in"),
            output_tokens: number("out"),
            price: Price {
                input_micros: number("price_in"),
                output_micros: number("price_out"),
            },
        };
        let now = Timestamp(draft.ts_us);
        self.sessions.change(now, Name::of(draft), |session| {
            session.last = now;
            let steering = session.steering.get_or_insert_default();
            steering.lapse(now);
            if admitted {
                steering.reserve(now, &draft.call, &cost, Timestamp(draft.until_us));
            } else {
                session.drain();
            }
        });
    }

    pub(crate) fn apply_settle(&mut self, draft: &Draft) {
        let note = Note::read(&draft.note);
        let number = |key| note.number(key).unwrap_or(u64::MAX);
        let (input, output) = (number("in"), number("out"));
        let now = Timestamp(draft.ts_us);
        if !self.sessions.is_known(&draft.who, &draft.trace) {
            return;
        }
        self.sessions.change(now, Name::of(draft), |session| {
            session.last = now;
            if let Some(steering) = &mut session.steering {
                steering.lapse(now);
                steering.settle(&draft.call, input, output);
            }
            session.exhaust();
        });
    }

    /// Takes back a turn whose row never became durable.
    pub(crate) fn unreserve(&mut self, draft: &Draft) {
        let now = Timestamp(draft.ts_us);
        if draft.subject != ABOUT_RESERVE || self.sessions.gated(&draft.who, &draft.trace).is_none()
        {
            return;
        }
        self.sessions.change(now, Name::of(draft), |session| {
            if let Some(steering) = &mut session.steering {
                steering.unreserve(&draft.call);
            }
        });
    }
}

/// Under `observe` a turn that is too fast or too much is a note on the allow; a name that is none stays refused.
fn is_open_to_relax(verdict: &Verdict) -> bool {
    !gate::is_held(verdict) && &*verdict.by != BY_TURN
}

/// What a token of this model costs; `None` when a session with a bounded cost asks for what nobody priced.
fn price(terms: Option<&Terms>, model: &str, steering: &Steering) -> Option<Price> {
    if model.is_empty() {
        return Some(Price::default());
    }
    let known = terms.and_then(|terms| terms.price(model));
    // Where no cost is counted, none is counted as nothing.
    known.or_else(|| {
        let unbounded = steering.budget.cost_micros.is_none();
        unbounded.then(Price::default)
    })
}

fn too_fast(now: Timestamp, steering: &Steering, cost: &Cost) -> Option<Verdict> {
    let pace = &steering.pace;
    if let Some(most) = pace.turn_tokens_max.filter(|most| cost.tokens() > *most) {
        let detail = format!(
            "{} tokens in one turn, at most {most} may be",
            cost.tokens()
        );
        return Some(Verdict::deny(Reason::Oversize, BY_PACE, &detail));
    }
    gate::too_soon(now, steering.turned, pace.turn_gap_ms_min?)
}

fn too_much(now: Timestamp, steering: &Steering, cost: &Cost) -> Option<Verdict> {
    if steering.reserved_turns(now) >= RESERVED_TURNS_MAX as u64 {
        let detail = format!("{RESERVED_TURNS_MAX} turns run already, the most that may");
        return Some(Verdict::deny(Reason::RateLimited, BY_TURN, &detail));
    }
    let (name, left, wanted) = steering.lacks(cost)?;
    Some(no_room(name, left, wanted))
}

fn no_room(name: &str, left: u64, wanted: u64) -> Verdict {
    let detail = format!("the budget of {name} has {left} left, the turn asks for {wanted}");
    Verdict::deny(Reason::RateLimited, BY_BUDGET, &detail)
}
