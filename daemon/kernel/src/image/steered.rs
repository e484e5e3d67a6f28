//! Steering, budgets and what is remembered of forgotten sessions, as bytes.

use std::sync::Arc;

use fak_types::Taint;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    session::{Lost, LostOwner, Reservation, Residue, RunState, Sessions, Steering},
    terms::{Budget, Pace, Price},
};

/// Budgets in the order turns, tokens, context, cost; then the most tokens of a turn and the gap between two.
type BoundsImage = [Option<u64>; 6];

#[derive(Serialize, Deserialize)]
pub(super) struct SteeringImage {
    left: BoundsImage,
    priority: i32,
    why: String,
    continuation: Option<String>,
    continues: Option<String>,
    links: u32,
    context_held: u64,
    reserved: Vec<ReservationImage>,
    settled: Vec<String>,
    called_us: u64,
    turned_us: u64,
}

#[derive(Serialize, Deserialize)]
struct ReservationImage {
    turn: String,
    tokens: [u64; 2],
    price: [u64; 2],
    until_us: u64,
    held: [u64; 3],
}

#[derive(Serialize, Deserialize)]
pub(super) struct TermsImage {
    profile: String,
    given: BoundsImage,
}

#[derive(Serialize, Deserialize)]
pub(super) struct LostImage {
    full: bool,
    owners: Vec<OwnerImage>,
}

#[derive(Serialize, Deserialize)]
struct OwnerImage {
    who: String,
    full: bool,
    residues: Vec<ResidueImage>,
}

#[derive(Serialize, Deserialize)]
struct ResidueImage {
    key: [u8; 16],
    taint: String,
    run: String,
    rev: u64,
    profile: String,
    steering: Option<SteeringImage>,
}

const fn bounds(budget: &Budget, pace: &Pace) -> BoundsImage {
    [
        budget.turns,
        budget.tokens,
        budget.context_tokens,
        budget.cost_micros,
        pace.turn_tokens_max,
        pace.turn_gap_ms_min,
    ]
}

const fn into_bounds(image: BoundsImage) -> (Budget, Pace) {
    let [
        turns,
        tokens,
        context_tokens,
        cost_micros,
        turn_tokens_max,
        turn_gap_ms_min,
    ] = image;
    let budget = Budget {
        turns,
        tokens,
        context_tokens,
        cost_micros,
    };
    let pace = Pace {
        turn_tokens_max,
        turn_gap_ms_min,
    };
    (budget, pace)
}

impl SteeringImage {
    pub(super) fn of(steering: &Steering) -> Self {
        let text = |name: &Option<Arc<str>>| name.as_deref().map(str::to_owned);
        Self {
            left: bounds(&steering.budget, &steering.pace),
            priority: steering.priority,
            why: steering.why.to_string(),
            continuation: text(&steering.continuation),
            continues: text(&steering.continues),
            links: steering.links,
            context_held: steering.context_held,
            reserved: steering.reserved.iter().map(ReservationImage::of).collect(),
            settled: steering.settled.iter().map(ToString::to_string).collect(),
            called_us: steering.called.0,
            turned_us: steering.turned.0,
        }
    }

    pub(super) fn into_steering(self) -> Steering {
        let (budget, pace) = into_bounds(self.left);
        Steering {
            budget,
            pace,
            priority: self.priority,
            why: self.why.into(),
            continuation: self.continuation.map(Into::into),
            continues: self.continues.map(Into::into),
            links: self.links,
            context_held: self.context_held,
            reserved: self
                .reserved
                .into_iter()
                .map(ReservationImage::into_reservation)
                .collect(),
            settled: self.settled.into_iter().map(Into::into).collect(),
            called: Timestamp(self.called_us),
            turned: Timestamp(self.turned_us),
        }
    }
}

impl ReservationImage {
    fn of(turn: &Reservation) -> Self {
        Self {
            turn: turn.turn.to_string(),
            tokens: [turn.input_tokens, turn.output_tokens],
            price: [turn.price.input_micros, turn.price.output_micros],
            until_us: turn.until.0,
            held: turn.held,
        }
    }

    fn into_reservation(self) -> Reservation {
        let [input_tokens, output_tokens] = self.tokens;
        let [input_micros, output_micros] = self.price;
        Reservation {
            turn: self.turn.into(),
            input_tokens,
            output_tokens,
            price: Price {
                input_micros,
                output_micros,
            },
            until: Timestamp(self.until_us),
            held: self.held,
        }
    }
}

pub(super) fn terms(sessions: &Sessions) -> Vec<TermsImage> {
    let terms = sessions.terms.iter();
    terms
        .map(|(profile, (budget, pace))| TermsImage {
            profile: profile.to_string(),
            given: bounds(budget, pace),
        })
        .collect()
}

pub(super) fn into_terms(images: Vec<TermsImage>, sessions: &mut Sessions) {
    for image in images {
        let given = into_bounds(image.given);
        sessions.terms.insert(image.profile.into(), given);
    }
}

impl LostImage {
    pub(super) fn of(lost: &Lost) -> Self {
        let owner = |(who, owner): (&Arc<str>, &LostOwner)| OwnerImage {
            who: who.to_string(),
            full: owner.full,
            residues: owner
                .by_key
                .iter()
                .map(|(key, residue)| ResidueImage {
                    key: key.to_be_bytes(),
                    taint: residue.taint.as_str().to_owned(),
                    run: residue.run.as_str().to_owned(),
                    rev: residue.rev,
                    profile: residue.profile.to_string(),
                    steering: residue.steering.as_deref().map(SteeringImage::of),
                })
                .collect(),
        };
        Self {
            full: lost.full,
            owners: lost.owners.iter().map(owner).collect(),
        }
    }

    pub(super) fn into_lost(self) -> Option<Lost> {
        let mut lost = Lost::default();
        lost.full = self.full;
        for owner in self.owners {
            let who: Arc<str> = owner.who.into();
            lost.owners.entry(Arc::clone(&who)).or_default().full = owner.full;
            for residue in owner.residues {
                let steering = residue.steering.map(SteeringImage::into_steering);
                let kept = Residue {
                    taint: Taint::parse(&residue.taint)?,
                    run: RunState::parse(&residue.run)?,
                    rev: residue.rev,
                    profile: residue.profile.into(),
                    steering: steering.map(Box::new),
                };
                lost.put(&who, u128::from_be_bytes(residue.key), kept);
            }
        }
        Some(lost)
    }
}
