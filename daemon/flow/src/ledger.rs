//! What one session knows of values and where they came from.

use std::collections::{BTreeMap, HashMap};

use crate::{
    forms::{self, Shape},
    rules::{Answer, Rules, Scope, folded},
    store::Store,
    verdict::{FlowVerdict, Label},
    words::Words,
};

/// Values a ledger remembers unless told otherwise. LIMIT: afterwards a value it does not know counts as a stranger's.
pub const VALUES_MAX: usize = 32_768;

/// Bytes of values a ledger remembers unless told otherwise. LIMIT: as with [`VALUES_MAX`].
pub const BYTES_MAX: usize = 2 << 20;

/// Bytes of the user's words a ledger remembers unless told otherwise. LIMIT: later words lend no value anything.
pub const WORDS_BYTES_MAX: usize = 64 << 10;

/// Fields of tainted data remembered for one value. LIMIT: rules of endorsement do not see further ones.
const ORIGINS_PER_VALUE: usize = 4;

pub(crate) const USER: u8 = 1;
pub(crate) const TRUSTED: u8 = 1 << 1;
pub(crate) const TAINTED: u8 = 1 << 2;
pub(crate) const ENDORSED: u8 = 1 << 3;
pub(crate) const CONFIDENTIAL: u8 = 1 << 4;
/// The model put the value into a call while only tainted data held it; it never becomes trusted by coming back.
pub(crate) const CARRIED: u8 = 1 << 5;

/// No origin was recorded.
pub(crate) const NOWHERE: u32 = u32::MAX;

pub(crate) type Table<V> = HashMap<Box<str>, V, foldhash::fast::RandomState>;

/// How much a ledger holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most values, and most places they came from.
    pub values_max: usize,
    /// Most bytes of values.
    pub bytes_max: usize,
    /// Most bytes of the user's words.
    pub words_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            values_max: VALUES_MAX,
            bytes_max: BYTES_MAX,
            words_bytes_max: WORDS_BYTES_MAX,
        }
    }
}

/// How full a ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Values remembered.
    pub values: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Something was met that could not be remembered. Since then no value becomes trusted any more, and values the
    /// ledger does not know count as a stranger's; the user's words hold as before.
    pub full: bool,
}

/// A value and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) flags: u8,
    pub(crate) classes: u32,
    pub(crate) trusted: u32,
    pub(crate) tainted: [u32; ORIGINS_PER_VALUE],
}

impl Entry {
    const NEW: Self = Self {
        flags: 0,
        classes: 0,
        trusted: NOWHERE,
        tainted: [NOWHERE; ORIGINS_PER_VALUE],
    };

    pub(crate) fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// Known from tainted data and from nowhere better.
    pub(crate) fn tainted_only(&self) -> bool {
        self.has(TAINTED) && !self.has(USER | ENDORSED | TRUSTED)
    }

    pub(crate) fn origins(&self) -> impl Iterator<Item = u32> {
        self.tainted
            .into_iter()
            .take_while(|origin| *origin != NOWHERE)
    }

    pub(crate) fn taint(&mut self, origin: u32) {
        self.flags |= TAINTED;
        if !self.tainted.contains(&origin)
            && let Some(free) = self.tainted.iter_mut().find(|slot| **slot == NOWHERE)
        {
            *free = origin;
        }
    }
}

/// One field of one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) tool: u32,
    pub(crate) field: u32,
    pub(crate) row: u64,
    pub(crate) pointed: bool,
}

/// What one session knows. Two ledgers told the same things in the same order are equal.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(crate) bounds: Bounds,
    pub(crate) words: Words,
    pub(crate) values: Store,
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: usize,
    pub(crate) full: bool,
    pub(crate) names: Vec<Box<str>>,
    pub(crate) name_index: Table<u32>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) scope: Option<Scope>,
    pub(crate) counts: BTreeMap<String, u32>,
    pub(crate) endorsed: BTreeMap<String, u32>,
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Ledger {
    /// A session of which nothing is known.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            words: Words::default(),
            values: Store::default(),
            entries: Vec::new(),
            bytes: 0,
            full: false,
            names: Vec::new(),
            name_index: Table::default(),
            origins: Vec::new(),
            scope: None,
            counts: BTreeMap::new(),
            endorsed: BTreeMap::new(),
        }
    }

    /// The user's own words: what they hold may steer a call.
    pub fn user_said(&mut self, text: &str) {
        let room = self
            .bounds
            .words_bytes_max
            .saturating_sub(self.words.text.len());
        // A text that does not fit is left out whole: half of an address could be another address.
        if text.len() > room {
            return;
        }
        self.words.add(text);
        forms::extract(text, &mut |form, shape| {
            // Phrases are found by searching the words; only what has a form of its own is kept.
            if matches!(shape, Shape::Address | Shape::Measure)
                && let Some(entry) = self.trusted_entry(form)
            {
                entry.flags |= USER;
            }
        });
    }

    /// Bounds the session to these tools. A second scope can only take away from the first.
    pub fn narrow(&mut self, scope: Scope) {
        self.scope = Some(match self.scope.take() {
            None => scope,
            Some(mut held) => {
                held.tools
                    .retain(|tool, count| match scope.tools.get(tool) {
                        None => false,
                        Some(bound) => {
                            *count = match (*count, *bound) {
                                (Some(a), Some(b)) => Some(a.min(b)),
                                (a, b) => a.or(b),
                            };
                            true
                        }
                    });
                held
            }
        });
    }

    /// Counts a call that goes ahead on `verdict`: its sink's calls and the endorsements it uses.
    pub fn settle(&mut self, rules: &Rules, tool: &str, verdict: &FlowVerdict) {
        let scoped = self
            .scope
            .as_ref()
            .is_some_and(|scope| scope.tools.contains_key(tool));
        if scoped || rules.is_sink(tool) {
            let count = self.counts.entry(folded(tool).into_owned()).or_default();
            *count = count.saturating_add(1);
        }
        for index in &verdict.uses {
            if let Some((_, endorse)) = rules.endorse.get(*index) {
                let uses = self.endorsed.entry(endorsement_key(endorse)).or_default();
                *uses = uses.saturating_add(1);
            }
        }
    }

    /// How full the ledger is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            values: self.entries.len(),
            bytes: self.bytes,
            full: self.full,
        }
    }

    /// The entry of a form that is to be trusted. A full ledger trusts nothing more, not even what it remembers: else
    /// a stranger's data could make the room in which a value becomes trusted.
    pub(crate) fn trusted_entry(&mut self, form: &str) -> Option<&mut Entry> {
        let index = self.number(form)?;
        if self.full {
            return None;
        }
        self.entries.get_mut(index as usize)
    }

    /// The entry of a form, made when there is room. The first form that finds none closes the ledger for good.
    pub(crate) fn entry(&mut self, form: &str) -> Option<&mut Entry> {
        let index = self.number(form)?;
        self.entries.get_mut(index as usize)
    }

    fn number(&mut self, form: &str) -> Option<u32> {
        let hash = self.values.hash(form);
        if let Some(known) = self.values.find(form, hash) {
            return Some(known);
        }
        self.full |= self.entries.len() >= self.bounds.values_max
            || self.bytes + form.len() > self.bounds.bytes_max;
        if self.full {
            return None;
        }
        let Some(index) = self.values.insert(form, hash) else {
            self.full = true;
            return None;
        };
        self.entries.push(Entry::NEW);
        self.bytes += form.len();
        Some(index)
    }

    pub(crate) fn known(&self, form: &str) -> Option<&Entry> {
        let index = self.values.find(form, self.values.hash(form))?;
        self.entries.get(index as usize)
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(index) = self.name_index.get(name) {
            return *index;
        }
        let Ok(index) = u32::try_from(self.names.len()) else {
            return NOWHERE;
        };
        if self.names.len() >= self.bounds.values_max {
            return NOWHERE;
        }
        self.names.push(name.into());
        self.name_index.insert(name.into(), index);
        index
    }

    /// A place values come from; [`NOWHERE`] when there is no room for another.
    pub(crate) fn origin(&mut self, tool: &str, field: &str, row: u64, pointed: bool) -> u32 {
        let cut = |text: &'_ str| {
            let most = forms::VALUE_BYTES_MAX / 4;
            text.char_indices()
                .nth(most)
                .map_or(text.len(), |(at, _)| at)
        };
        let tool = self.name(tool.get(..cut(tool)).unwrap_or_default());
        let field = self.name(field.get(..cut(field)).unwrap_or_default());
        let origin = Origin {
            tool,
            field,
            row,
            pointed,
        };
        // The places of one result follow one another, so the search stays within them.
        let recent = self.origins.iter().enumerate().rev().take(64);
        let of_row = recent.take_while(|(_, known)| known.row == row);
        if let Some((index, _)) = of_row.into_iter().find(|(_, known)| **known == origin) {
            return u32::try_from(index).unwrap_or(NOWHERE);
        }
        if self.origins.len() >= self.bounds.values_max || tool == NOWHERE || field == NOWHERE {
            return NOWHERE;
        }
        self.origins.push(origin);
        u32::try_from(self.origins.len() - 1).unwrap_or(NOWHERE)
    }

    pub(crate) fn label(&self, origin: u32) -> Option<Label> {
        let origin = self.origins.get(origin as usize)?;
        let name = |index: u32| self.names.get(index as usize).map(|name| name.to_string());
        Some(Label {
            tool: name(origin.tool)?,
            row: origin.row,
            field: name(origin.field)?,
        })
    }

    /// The rule of endorsement that lets a value of these origins into controls of `classes`, and what it answers.
    pub(crate) fn endorsement(
        &self,
        rules: &Rules,
        classes: u32,
        entry: &Entry,
    ) -> Option<(usize, Answer)> {
        let mut usable = rules
            .endorse
            .iter()
            .enumerate()
            .filter(|(_, (class, rule))| {
                let spent = self
                    .endorsed
                    .get(&endorsement_key(rule))
                    .copied()
                    .unwrap_or_default();
                class & classes != 0
                    && spent < rule.uses_max
                    && entry.origins().any(|origin| self.comes_from(origin, rule))
            });
        let mut best: Option<(usize, Answer)> = None;
        for (index, (_, rule)) in usable.by_ref() {
            if best.is_none_or(|(_, answer)| rule.answer < answer) {
                best = Some((index, rule.answer));
            }
        }
        best
    }

    fn comes_from(&self, origin: u32, rule: &crate::rules::Endorse) -> bool {
        let Some(origin) = self.origins.get(origin as usize) else {
            return false;
        };
        let is = |index: u32, name: &str| {
            self.names
                .get(index as usize)
                .is_some_and(|known| **known == *name)
        };
        is(origin.tool, &rule.tool)
            && (rule.field.is_empty() || is(origin.field, &rule.field))
            && (origin.pointed || !rule.pointed)
    }
}

/// Under which a rule's uses are counted; a reload that moves the rule keeps the count.
fn endorsement_key(rule: &crate::rules::Endorse) -> String {
    format!("{}\n{}\n{}", rule.tool, rule.field, rule.class)
}
