//! What is remembered of sessions that were forgotten.
//!
//! A session that had read nothing untrusted, was given nothing and was not steered leaves nothing behind: opened
//! anew it is what it was. Of every other one a residue stays, so that being forgotten never makes a session
//! trusted again, never gives it a budget anew and never undoes what a person said about it.

use std::{collections::BTreeMap, sync::Arc};

use fak_chain::digest_bytes;
use fak_types::Taint;

use crate::session::{RunState, Session, Steering};

/// Most forgotten sessions something is remembered of. LIMIT: about 100 bytes each, 400 for one with budgets; after
/// that every session nobody knows begins tainted.
pub const LOST_MAX: usize = 250_000;
/// Most forgotten sessions of one principal something is remembered of. LIMIT: after that every session of this
/// principal that nobody knows begins tainted; what a person said about a session is remembered all the same.
pub const LOST_PER_PRINCIPAL_MAX: usize = 50_000;

/// What stays of a forgotten session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Residue {
    pub(crate) taint: Taint,
    pub(crate) run: RunState,
    pub(crate) rev: u64,
    pub(crate) profile: Arc<str>,
    pub(crate) steering: Option<Box<Steering>>,
}

/// The residues of one principal's sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) by_key: BTreeMap<u128, Residue>,
    /// Something was forgotten altogether.
    pub(crate) full: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) owners: BTreeMap<Arc<str>, Owner>,
    count: usize,
    /// How many of them are steered or have budgets.
    steered: usize,
    /// Something of somebody was forgotten altogether.
    pub(crate) full: bool,
}

impl Lost {
    /// Keeps what must stay of a session.
    pub(crate) fn keep(&mut self, session: Session) {
        let residue = Residue {
            taint: session.taint,
            run: session.run,
            rev: session.rev,
            profile: session.profile,
            steering: session.steering,
        };
        if residue.taint == Taint::Trusted && residue.steering.is_none() {
            return;
        }
        let at = key(&session.principal, &session.trace);
        self.put(&session.principal, at, residue);
    }

    pub(crate) fn put(&mut self, who: &Arc<str>, at: u128, residue: Residue) {
        let said = residue
            .steering
            .as_ref()
            .is_some_and(|steering| !steering.why.is_empty());
        let owner = self.owners.entry(Arc::clone(who)).or_default();
        if !said && owner.by_key.len() >= LOST_PER_PRINCIPAL_MAX {
            owner.full = true;
            return;
        }
        if !said && self.count >= LOST_MAX {
            self.full = true;
            return;
        }
        self.count += 1;
        self.steered += usize::from(residue.steering.is_some());
        owner.by_key.insert(at, residue);
    }

    /// Takes out what is remembered of a session that comes back.
    pub(crate) fn take(&mut self, who: &str, trace: &str) -> Option<Residue> {
        let owner = self.owners.get_mut(who)?;
        let residue = owner.by_key.remove(&key(who, trace))?;
        if owner.by_key.is_empty() && !owner.full {
            self.owners.remove(who);
        }
        self.count = self.count.saturating_sub(1);
        self.steered = self
            .steered
            .saturating_sub(usize::from(residue.steering.is_some()));
        Some(residue)
    }

    pub(crate) fn get(&self, who: &str, trace: &str) -> Option<&Residue> {
        self.owners.get(who)?.by_key.get(&key(who, trace))
    }

    pub(crate) const fn steered(&self) -> usize {
        self.steered
    }

    /// How far a session that nobody knows may be trusted.
    pub(crate) fn unknown(&self, who: &str) -> Taint {
        if self.full || self.owners.get(who).is_some_and(|owner| owner.full) {
            Taint::Tainted
        } else {
            Taint::Trusted
        }
    }
}

/// The length before the first name keeps `("a", "bc")` and `("ab", "c")` apart.
fn key(who: &str, trace: &str) -> u128 {
    let text = format!("session {} {who}{trace}", who.len());
    let digest = digest_bytes(text.as_bytes());
    let half = digest.0.first_chunk::<16>();
    half.map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residue(why: &str) -> Residue {
        Residue {
            taint: Taint::Tainted,
            run: RunState::Running,
            rev: 1,
            profile: "p".into(),
            steering: (!why.is_empty()).then(|| {
                Box::new(Steering {
                    why: why.into(),
                    ..Steering::default()
                })
            }),
        }
    }

    #[test]
    fn who_is_forgotten_altogether_begins_tainted_and_what_a_person_said_is_kept() {
        let (mut lost, who) = (Lost::default(), Arc::from("uid:1"));
        for key in 0..LOST_PER_PRINCIPAL_MAX as u128 {
            lost.put(&who, key, residue(""));
        }
        assert_eq!(lost.unknown("uid:1"), Taint::Trusted);
        lost.put(&who, u128::MAX, residue(""));
        assert_eq!(lost.unknown("uid:1"), Taint::Tainted);
        assert_eq!(lost.unknown("uid:2"), Taint::Trusted);
        let said = key("uid:1", "held");
        lost.put(&who, said, residue("stopped by hand"));
        assert!(lost.get("uid:1", "held").is_some());
        assert_eq!(lost.count, LOST_PER_PRINCIPAL_MAX + 1);
        for other in 2..=(LOST_MAX / LOST_PER_PRINCIPAL_MAX) {
            let who = format!("uid:{other}").into();
            for key in 0..LOST_PER_PRINCIPAL_MAX as u128 {
                lost.put(&who, key, residue(""));
            }
        }
        assert_eq!(lost.count, LOST_MAX);
        assert_eq!(lost.unknown("uid:999"), Taint::Tainted, "nobody is known");
        // What comes back makes room, and no forgetting is forgotten.
        assert!(lost.take("uid:1", "held").is_some());
        assert_eq!((lost.count, lost.steered()), (LOST_MAX - 1, 0));
        assert_eq!(lost.unknown("uid:1"), Taint::Tainted);
    }
}
