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
mod tests {
    use super::*;
    use crate::limit::of_note;

    impl Quotas {
        fn install(&mut self, profile: &str, note: &str) {
            of_note(note).for_each(|limit| self.add(&profile.into(), limit));
        }

        fn asked(&self, now: Timestamp, spend: &Spend<'_>) -> Verdict {
            self.opinion(now, spend, &mut Keys::default())
        }

        fn spent(&mut self, now: Timestamp, spend: &Spend<'_>) {
            self.charge(now, spend, &mut Keys::default());
        }
    }

    const T0: Timestamp = Timestamp(1_700_000_000_000_000);

    fn quotas(note: &str) -> Quotas {
        let mut quotas = Quotas::new(Owners::new(1000, 100));
        quotas.begin();
        quotas.install("p", note);
        quotas
    }

    fn spend<'a>(who: &'a str, trace: &'a str, tool: &'a str) -> Spend<'a> {
        Spend {
            profile: "p",
            who,
            trace,
            tool,
            bytes: 10,
        }
    }

    #[test]
    fn each_key_counts_what_it_says() {
        let base = spend("uid:1", "t", "Read");
        let same_trace = spend("uid:1", "t", "Bash");
        let same_tool = spend("uid:2", "x", "Read");
        let same_principal = spend("uid:1", "x", "Bash");
        let other_principals_trace = spend("uid:2", "t", "Bash");
        for (key, refused, open) in [
            (
                "trace",
                vec![same_trace],
                vec![same_tool, same_principal, other_principals_trace],
            ),
            ("tool", vec![same_tool], vec![same_trace, same_principal]),
            (
                "principal",
                vec![same_trace, same_principal],
                vec![same_tool],
            ),
            (
                "global",
                vec![same_trace, same_tool, other_principals_trace],
                vec![],
            ),
        ] {
            let mut quotas = quotas(&format!("calls=1 key={key} rule=0"));
            quotas.spent(T0, &base);
            for call in refused {
                assert_eq!(
                    quotas.asked(T0, &call).reason,
                    Reason::RateLimited,
                    "{key} {call:?}"
                );
            }
            for call in open {
                assert_eq!(
                    quotas.asked(T0, &call).kind,
                    VerdictKind::Defer,
                    "{key} {call:?}"
                );
            }
        }
    }

    #[test]
    fn names_that_join_alike_are_different_sessions() {
        let mut quotas = quotas("calls=1 key=trace rule=0");
        quotas.spent(T0, &spend("key:a", "bc", "Read"));
        assert_eq!(
            quotas.asked(T0, &spend("key:ab", "c", "Read")).kind,
            VerdictKind::Defer
        );
    }

    #[test]
    fn cost_counts_argument_bytes() {
        let mut quotas = quotas("cost=25 key=trace rule=0");
        let call = spend("uid:1", "t", "Read");
        quotas.spent(T0, &call);
        assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Defer);
        quotas.spent(T0, &call);
        assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Deny);
        assert_eq!(
            quotas.asked(T0, &Spend { bytes: 5, ..call }).kind,
            VerdictKind::Defer
        );
    }

    #[test]
    fn the_quota_that_stays_spent_longest_speaks() {
        let mut quotas = quotas(
            "calls=1 key=trace rule=0 window_ms=1000; calls=1 key=trace rule=1 window_ms=5000",
        );
        let call = spend("uid:1", "t", "Read");
        quotas.spent(T0, &call);
        let verdict = quotas.asked(T0, &call);
        assert_eq!(
            (&*verdict.by, verdict.retry_after_ms),
            ("rate_limit/1", Some(5000))
        );
        quotas.begin();
        quotas.install(
            "p",
            "calls=1 key=trace rule=0 window_ms=1000; calls=1 key=trace rule=1 retry_after_ms=7",
        );
        quotas.spent(T0, &spend("uid:1", "u", "Read"));
        let verdict = quotas.asked(T0, &spend("uid:1", "u", "Read"));
        assert_eq!(
            (&*verdict.by, verdict.retry_after_ms),
            ("rate_limit/1", Some(7))
        );
    }

    #[test]
    fn a_new_policy_keeps_what_is_spent_of_unchanged_limits() {
        let lifetime = "calls=1 key=trace rule=0";
        let windowed = "calls=1 key=principal rule=1 window_ms=60000";
        let call = spend("uid:1", "t", "Read");
        let mut quotas = quotas(&format!("{lifetime}; {windowed}"));
        quotas.spent(T0, &call);
        for (note, by) in [
            // Moved to another place in the file.
            (
                "calls=1 key=principal rule=0 window_ms=60000; calls=1 key=trace rule=1",
                "rate_limit/1",
            ),
            (windowed, "rate_limit/1"),
        ] {
            quotas.begin();
            quotas.install("p", note);
            assert_eq!(&*quotas.asked(T0, &call).by, by, "{note}");
        }
        // A larger lifetime quota keeps the count, and another profile has its own.
        quotas.begin();
        quotas.install("p", "calls=3 key=trace rule=0");
        quotas.spent(T0, &call);
        quotas.begin();
        quotas.install("p", "calls=1 key=trace rule=0");
        quotas.install("q", "calls=1 key=trace rule=0");
        assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Deny);
        assert_eq!(
            quotas
                .asked(
                    T0,
                    &Spend {
                        profile: "q",
                        ..call
                    }
                )
                .kind,
            VerdictKind::Defer
        );
    }

    #[test]
    fn limits_that_went_give_their_memory_back() {
        let mut quotas = quotas("calls=5 key=trace rule=0");
        quotas.spent(T0, &spend("uid:1", "t", "Read"));
        assert_eq!(quotas.owners.keys(), 1);
        quotas.begin();
        quotas.begin();
        assert_eq!(quotas.owners.keys(), 0);
    }

    #[test]
    fn two_limits_on_one_table_charge_it_once() {
        let mut quotas = quotas("calls=2 key=trace rule=0; calls=5 key=trace rule=1");
        let call = spend("uid:1", "t", "Read");
        quotas.spent(T0, &call);
        assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Defer);
        quotas.spent(T0, &call);
        assert_eq!(&*quotas.asked(T0, &call).by, "rate_limit/0");
    }

    #[test]
    fn what_is_given_back_is_not_spent() {
        let mut quotas = quotas("calls=1 key=trace rule=0; cost=10 key=tool rule=1 window_ms=9");
        let call = spend("uid:1", "t", "Read");
        quotas.spent(T0, &call);
        assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Deny);
        quotas.give_back(&call);
        assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Defer);
    }
}
