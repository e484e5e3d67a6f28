//! The second rung: is there anything left to spend?

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use fak_chain::digest_bytes;
use fak_types::{Detail, Reason, Verdict, VerdictKind};

use crate::{
    Timestamp,
    gcra::Wait,
    limit::{Limit, Measure, Together},
    meter::{Key, Meter, MeterId, Owners},
};

/// Reported in `by` when no quota stands against the call.
pub const BY_RATE_LIMIT: &str = "rate_limit";

static RATE_LIMIT: LazyLock<Arc<str>> = LazyLock::new(|| BY_RATE_LIMIT.into());

/// [`BY_RATE_LIMIT`], made once: most calls defer here.
pub(crate) fn rate_limit_word() -> Arc<str> {
    Arc::clone(&RATE_LIMIT)
}

/// One call as the quotas see it; a live call and a replayed record look the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spend<'a> {
    pub(crate) profile: &'a str,
    pub(crate) who: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) tool: &'a str,
    pub(crate) bytes: u64,
}

/// Every quota in force and what is spent of it.
#[derive(Debug)]
pub(crate) struct Quotas {
    pub(crate) profiles: BTreeMap<Arc<str>, Profile>,
    /// What the policy before stated and the one being installed may state again.
    pub(crate) retired: BTreeMap<Arc<str>, Vec<Meter>>,
    pub(crate) owners: Owners,
}

/// The quotas of one profile.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    pub(crate) limits: Vec<InForce>,
    pub(crate) meters: Vec<Meter>,
}

/// One limit, the table it reads, and its refusal's words, made once.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) limit: Limit,
    meter: usize,
    by: Arc<str>,
    detail: Detail,
}

/// The keys of one call, each digested at most once. One value serves one call only.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: [Option<Key>; 4],
}

impl Keys {
    fn of(&mut self, spend: &Spend<'_>, together: Together) -> Key {
        let at = match together {
            Together::Trace => 0,
            Together::Tool => 1,
            Together::Principal => 2,
            Together::Global => 3,
        };
        match self.known.get_mut(at) {
            Some(slot) => *slot.get_or_insert_with(|| key(spend, together)),
            None => key(spend, together),
        }
    }
}

/// The length before the first name keeps `("a", "bc")` and `("ab", "c")` apart.
fn key(spend: &Spend<'_>, together: Together) -> Key {
    let (first, second) = match together {
        Together::Trace => (spend.who, spend.trace),
        Together::Tool => (spend.tool, ""),
        Together::Principal => (spend.who, ""),
        Together::Global => ("", ""),
    };
    let text = format!("{} {} {first}{second}", together.as_str(), first.len());
    let digest = digest_bytes(text.as_bytes());
    digest
        .0
        .first_chunk::<16>()
        .map_or(0, |bytes| Key::from_be_bytes(*bytes))
}

const fn units(spend: &Spend<'_>, measure: Measure) -> u64 {
    match measure {
        Measure::Calls => 1,
        Measure::Cost => spend.bytes,
    }
}

impl Quotas {
    pub(crate) const fn new(owners: Owners) -> Self {
        Self {
            profiles: BTreeMap::new(),
            retired: BTreeMap::new(),
            owners,
        }
    }

    /// Begins a new policy: nothing is in force until [`Quotas::add`] says so.
    pub(crate) fn begin(&mut self) {
        for meter in std::mem::take(&mut self.retired).values().flatten() {
            meter.retire(&mut self.owners);
        }
        self.retired = std::mem::take(&mut self.profiles)
            .into_iter()
            .map(|(name, profile)| (name, profile.meters))
            .collect();
    }

    /// Whether the profile states any quota.
    pub(crate) fn limits_any(&self, profile: &str) -> bool {
        self.profiles.contains_key(profile)
    }

    /// Adds a limit. One that the policy before stated too keeps what is spent of it.
    pub(crate) fn add(&mut self, name: &Arc<str>, limit: Limit) {
        let id = MeterId::of(&limit);
        let retired = self.retired.get_mut(name);
        let profile = self.profiles.entry(Arc::clone(name)).or_default();
        let meter = profile
            .meters
            .iter()
            .position(|meter| meter.id == id)
            .unwrap_or_else(|| {
                let kept = retired.and_then(|meters| {
                    let at = meters.iter().position(|meter| meter.id == id)?;
                    Some(meters.swap_remove(at))
                });
                profile.meters.push(kept.unwrap_or_else(|| Meter::new(id)));
                profile.meters.len() - 1
            });
        let by = format!("{BY_RATE_LIMIT}/{}", limit.rule).into();
        let detail = Detail::new(&limit.detail());
        profile.limits.push(InForce {
            limit,
            meter,
            by,
            detail,
        });
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let now_ns = now.ns();
        for profile in self.profiles.values_mut() {
            for meter in &mut profile.meters {
                meter.advance(now_ns, &mut self.owners);
            }
        }
    }

    /// The opinion on one more call: defers while every quota has room. Spends nothing.
    ///
    /// Of several spent quotas the one that stays spent longest speaks, so that waiting as told is enough.
    pub(crate) fn opinion(&self, now: Timestamp, spend: &Spend<'_>, keys: &mut Keys) -> Verdict {
        let mut longest: Option<(Wait, &InForce)> = None;
        for in_force in self
            .profiles
            .get(spend.profile)
            .iter()
            .flat_map(|p| &p.limits)
        {
            if let Err(wait) = self.probe(now, spend, in_force, keys) {
                let longer = longest.is_none_or(|(best, _)| match (wait.ms, best.ms) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(this), Some(best)) => this > best,
                });
                if longer {
                    longest = Some((wait, in_force));
                }
            }
        }
        let Some((wait, in_force)) = longest else {
            return Verdict::defer(rate_limit_word());
        };
        let mut verdict = Verdict::of(VerdictKind::Deny, Arc::clone(&in_force.by));
        verdict.reason = Reason::RateLimited;
        verdict.detail = in_force.detail.clone();
        verdict.retry_after_ms = in_force.limit.retry_after_ms.or(wait.ms);
        verdict
    }

    fn probe(
        &self,
        now: Timestamp,
        spend: &Spend<'_>,
        in_force: &InForce,
        keys: &mut Keys,
    ) -> Result<(), Wait> {
        let Some(meter) = self
            .profiles
            .get(spend.profile)
            .and_then(|p| p.meters.get(in_force.meter))
        else {
            return Err(Wait { ms: None });
        };
        let key = keys.of(spend, meter.id.together);
        meter.probe(
            key,
            now.ns(),
            units(spend, meter.id.measure),
            in_force.limit.max,
        )
    }

    /// Whether the tables have room to count this call. Only who floods them runs out.
    pub(crate) fn can_count(&self, spend: &Spend<'_>, keys: &mut Keys) -> bool {
        let new = self
            .profiles
            .get(spend.profile)
            .iter()
            .flat_map(|profile| &profile.meters)
            .filter(|meter| units(spend, meter.id.measure) > 0)
            .filter(|meter| !meter.holds(keys.of(spend, meter.id.together)))
            .count();
        new == 0 || self.owners.has_room(spend.who, new)
    }

    /// Spends for one admitted call.
    pub(crate) fn charge(&mut self, now: Timestamp, spend: &Spend<'_>, keys: &mut Keys) {
        let Some(profile) = self.profiles.get_mut(spend.profile) else {
            return;
        };
        for meter in &mut profile.meters {
            let units = units(spend, meter.id.measure);
            if units > 0 {
                let key = keys.of(spend, meter.id.together);
                meter.charge(key, now.ns(), units, spend.who, &mut self.owners);
            }
        }
    }

    /// Undoes [`Quotas::charge`].
    pub(crate) fn give_back(&mut self, spend: &Spend<'_>) {
        let mut keys = Keys::default();
        let Some(profile) = self.profiles.get_mut(spend.profile) else {
            return;
        };
        for meter in &mut profile.meters {
            let key = keys.of(spend, meter.id.together);
            meter.give_back(key, units(spend, meter.id.measure));
        }
    }
}

#[cfg(test)]
mod tests;
