//! Every approval that is remembered.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use fak_chain::digest_bytes;
use fak_types::Digest;

use super::{Approval, ApprovalState};
use crate::{Timestamp, session::Viewer};

/// Most approvals remembered, decided ones too. LIMIT: about 1 KiB each; when all of them still stand, a call that needs
/// another is `RATE_LIMITED`.
pub const APPROVALS_MAX: usize = 16_384;
/// Most approvals of one principal's calls. LIMIT: its next call that needs one is `RATE_LIMITED` while all of them
/// still stand.
pub const APPROVALS_PER_PRINCIPAL_MAX: usize = 256;

/// The name of one call, as an approval is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallKey(u128);

impl CallKey {
    /// Lengths before names keep `("a", "bc")` and `("ab", "c")` apart.
    pub(crate) fn new(names: [&str; 3], profile: &str, args: Digest, bound: &str) -> Self {
        let mut text = String::from("approval");
        for name in names.into_iter().chain([profile, bound]) {
            text.push_str(&format!(" {} {name}", name.len()));
        }
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&args.0);
        let digest = digest_bytes(&bytes);
        let half = digest.0.first_chunk::<16>();
        Self(half.map_or(0, |bytes| u128::from_be_bytes(*bytes)))
    }

    fn of(approval: &Approval) -> Self {
        let call = &approval.call;
        Self::new(
            [&call.principal, &call.trace, &call.tool],
            &call.profile,
            call.args,
            &call.bound,
        )
    }
}

impl Approval {
    /// Whether the next ask of the call hears of it.
    pub(crate) fn stands(&self, now: Timestamp) -> bool {
        match self.state {
            ApprovalState::Pending | ApprovalState::Approved => true,
            ApprovalState::Denied => now < self.expires,
            ApprovalState::Expired | ApprovalState::Spent => false,
        }
    }

    /// Whether it may be forgotten: nothing that was said of it is in force any more.
    fn is_over(&self, now: Timestamp) -> bool {
        self.expires <= now || !self.stands(now)
    }
}

/// INVARIANT: at most [`APPROVALS_MAX`], at most [`APPROVALS_PER_PRINCIPAL_MAX`] of one principal; what makes room is
/// over, the principal's own first.
#[derive(Debug, Default)]
pub(crate) struct Approvals {
    by_id: HashMap<Arc<str>, (u64, Approval)>,
    by_call: HashMap<CallKey, Arc<str>>,
    /// In the order they were asked.
    order: BTreeMap<u64, Arc<str>>,
    owners: HashMap<Arc<str>, BTreeSet<u64>>,
    tick: u64,
}

impl Approvals {
    pub(crate) fn get(&self, id: &str) -> Option<&Approval> {
        self.by_id.get(id).map(|(_, approval)| approval)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Approval> {
        self.by_id.get_mut(id).map(|(_, approval)| approval)
    }

    pub(crate) fn of_call(&self, key: CallKey) -> Option<&Approval> {
        // Most kernels have none: then no call is ever looked up.
        self.get(self.by_call.get(&key)?)
    }

    pub(crate) fn newest(&self, viewer: Viewer<'_>) -> impl Iterator<Item = &Approval> {
        let own = match viewer {
            Viewer::All => None,
            Viewer::Own(who) => Some(self.owners.get(who)),
        };
        let all = own.is_none().then(|| self.order.keys().rev());
        let own = own.flatten().map(|ticks| ticks.iter().rev());
        let ticks = all.into_iter().flatten().chain(own.into_iter().flatten());
        ticks.filter_map(|tick| self.get(self.order.get(tick)?))
    }

    /// Every approval, the oldest first.
    pub(crate) fn oldest(&self) -> impl Iterator<Item = &Approval> {
        self.order.values().filter_map(|id| self.get(id))
    }

    /// Whether there is no room for another, and in how many milliseconds there is.
    pub(crate) fn is_full(&self, now: Timestamp, who: &str) -> Option<u64> {
        let own = self.owners.get(who);
        let own_full = own.is_some_and(|own| own.len() >= APPROVALS_PER_PRINCIPAL_MAX);
        let mut standing: Box<dyn Iterator<Item = &Approval>> = if own_full {
            Box::new(self.newest(Viewer::Own(who)))
        } else if self.by_id.len() >= APPROVALS_MAX {
            Box::new(self.newest(Viewer::All))
        } else {
            return None;
        };
        let soonest = standing.try_fold(u64::MAX, |soonest, one| {
            (!one.is_over(now)).then(|| soonest.min(one.expires.0))
        })?;
        Some(soonest.saturating_sub(now.0).div_ceil(1000).max(1))
    }

    /// Adds an approval. One of an id that is known changes nothing.
    pub(crate) fn add(&mut self, now: Timestamp, approval: Approval) {
        if self.by_id.contains_key(&approval.id) {
            return;
        }
        self.make_room(now, &approval.call.principal);
        self.put(approval);
    }

    /// Puts an approval back as the newest.
    pub(crate) fn put(&mut self, approval: Approval) {
        self.tick += 1;
        let id = Arc::clone(&approval.id);
        let who: Arc<str> = approval.call.principal.as_str().into();
        self.by_call.insert(CallKey::of(&approval), Arc::clone(&id));
        self.order.insert(self.tick, Arc::clone(&id));
        self.owners.entry(who).or_default().insert(self.tick);
        self.by_id.insert(id, (self.tick, approval));
    }

    pub(crate) fn set(&mut self, id: &str, state: ApprovalState) {
        if let Some(approval) = self.get_mut(id) {
            approval.state = state;
        }
    }

    pub(crate) fn unspend(&mut self, id: &str) {
        if let Some(approval) = self.get_mut(id)
            && approval.state == ApprovalState::Spent
        {
            approval.state = ApprovalState::Approved;
        }
    }

    /// Forgets an approval that was first asked at this moment and never became durable.
    pub(crate) fn forget(&mut self, id: &str, asked: Timestamp) {
        let is_new = |one: &Approval| one.asked == asked && one.state == ApprovalState::Pending;
        if self.get(id).is_some_and(is_new) {
            self.remove(id);
        }
    }

    fn make_room(&mut self, now: Timestamp, who: &str) {
        let over = |one: &&Approval| one.is_over(now);
        let oldest = |ids: &mut dyn Iterator<Item = &Arc<str>>| {
            let over = ids.filter_map(|id| self.get(id)).find(over);
            over.map(|one| Arc::clone(&one.id))
        };
        let own = self.owners.get(who);
        let displaced = match own.filter(|own| own.len() >= APPROVALS_PER_PRINCIPAL_MAX) {
            Some(own) => oldest(&mut own.iter().filter_map(|tick| self.order.get(tick))),
            None if self.by_id.len() >= APPROVALS_MAX => oldest(&mut self.order.values()),
            None => None,
        };
        if let Some(id) = displaced {
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &str) {
        let Some((tick, approval)) = self.by_id.remove(id) else {
            return;
        };
        self.order.remove(&tick);
        let key = CallKey::of(&approval);
        if self.by_call.get(&key).is_some_and(|held| **held == *id) {
            self.by_call.remove(&key);
        }
        let who = approval.call.principal.as_str();
        if let Some(own) = self.owners.get_mut(who) {
            own.remove(&tick);
            if own.is_empty() {
                self.owners.remove(who);
            }
        }
    }
}
