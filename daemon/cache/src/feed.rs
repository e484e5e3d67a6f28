//! What happened to resources and witnesses, for those who keep answers elsewhere.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::call::Effect;

/// Events of one principal that are remembered, and as many revocations. LIMIT: the oldest is forgotten, and whoever
/// asks from before it is told that there is a gap.
pub const EVENTS_OF_ONE_MAX: usize = 256;

/// Events of all principals that are remembered. LIMIT: as [`EVENTS_OF_ONE_MAX`].
pub const EVENTS_MAX: usize = 2048;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A call changed something.
    Mutation {
        /// The tool.
        tool: String,
        /// What it changed.
        effect: Effect,
    },
    /// What was admitted under a witness is believed no more.
    Revocation {
        /// The witness.
        witness: String,
    },
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number, from 1; later events have higher ones.
    pub cursor: u64,
    /// What happened.
    pub kind: EventKind,
    /// How many kept answers went with it.
    pub evicted: u64,
    /// The clock of the world's state after it.
    pub world: u64,
    /// The clock of trust after it.
    pub trust: u64,
}

impl Event {
    /// The namespace and the resources of a mutation; no namespace when nobody said what it changed.
    #[must_use]
    pub fn changed(&self) -> Option<(&str, &[String])> {
        match &self.kind {
            EventKind::Mutation {
                effect:
                    Effect::Of {
                        namespace,
                        resources,
                    },
                ..
            } => Some((namespace, resources.names())),
            EventKind::Mutation {
                effect: Effect::Unknown,
                ..
            } => Some(("", &[])),
            EventKind::Revocation { .. } => None,
        }
    }
}

/// Some of the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order they happened.
    pub events: Vec<Event>,
    /// Where to go on.
    pub cursor: u64,
    /// Events before the first one here are forgotten.
    pub gap: bool,
}

/// A queue of events of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ring {
    events: VecDeque<Event>,
    /// The highest cursor that was forgotten.
    forgotten: u64,
}

impl Ring {
    fn forget_oldest(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.forgotten = event.cursor;
        }
    }
}

/// All events that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Feed {
    /// The cursor of the last event.
    last: u64,
    mutations: BTreeMap<String, Ring>,
    revocations: Ring,
    /// The highest cursor forgotten of a principal that has no ring any more.
    forgotten: u64,
    count: usize,
}

impl Feed {
    /// A feed that has forgotten everything up to a cursor.
    pub(crate) fn after(cursor: u64) -> Self {
        Self {
            last: cursor,
            forgotten: cursor,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, who: &str, mut event: Event) {
        self.last = self.last.saturating_add(1);
        event.cursor = self.last;
        if matches!(event.kind, EventKind::Revocation { .. }) {
            self.revocations.events.push_back(event);
            if self.revocations.events.len() > EVENTS_OF_ONE_MAX {
                self.revocations.forget_oldest();
            }
            return;
        }
        let forgotten = self.forgotten;
        let ring = self.mutations.entry(who.into()).or_insert_with(|| Ring {
            forgotten,
            ..Ring::default()
        });
        ring.events.push_back(event);
        self.count += 1;
        if ring.events.len() > EVENTS_OF_ONE_MAX {
            ring.forget_oldest();
            self.count -= 1;
        }
        if self.count > EVENTS_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let first = |ring: &Ring| ring.events.front().map(|event| event.cursor);
        let oldest = (self.mutations.iter())
            .filter_map(|(who, ring)| Some((first(ring)?, who.clone())))
            .min();
        let Some((_, who)) = oldest else { return };
        if let Some(ring) = self.mutations.get_mut(&who) {
            ring.forget_oldest();
            self.count -= 1;
            if ring.events.is_empty() {
                self.forgotten = self.forgotten.max(ring.forgotten);
                self.mutations.remove(&who);
            }
        }
    }

    pub(crate) fn since(&self, who: &str, since: u64, limit: usize) -> Changes {
        let own = self.mutations.get(who);
        let forgotten = own.map_or(self.forgotten, |ring| ring.forgotten);
        let own = own.into_iter().flat_map(|ring| &ring.events);
        let mut events: Vec<&Event> = own
            .chain(&self.revocations.events)
            .filter(|event| event.cursor > since)
            .collect();
        events.sort_unstable_by_key(|event| event.cursor);
        let is_cut = events.len() > limit;
        events.truncate(limit);
        let last = events.last().map_or(since, |event| event.cursor);
        Changes {
            // A cursor from a future that was never told belongs to a state that was lost.
            gap: since < forgotten.max(self.revocations.forgotten) || since > self.last,
            cursor: if is_cut { last } else { self.last },
            events: events.into_iter().cloned().collect(),
        }
    }
}
