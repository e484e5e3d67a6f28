//! Shell variables whose value is known from the text.
//!
//! A value is known when the assignment is static and certainly happened before the use. An
//! assignment that may or may not happen makes the variable unknown; one in a subshell is undone when
//! the subshell ends. Both work on a journal of changes, so leaving a scope costs what changed in it.

use std::collections::HashMap;

/// The variables of one shell.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// `None`: assigned, value unknown.
    values: HashMap<String, Option<String>>,
    journal: Vec<(String, Option<Option<String>>)>,
    /// How often each name stands bare (not after `$`) in the text; built on first need.
    mentions: Option<HashMap<String, u32>>,
}

/// A point in the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

/// LIMIT: longer values are not followed.
const VALUE_BYTES_MAX: usize = 4096;

impl Variables {
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.journal.len())
    }

    /// Assigns; `None` for a value that is not known.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        let value = value
            .filter(|v| v.len() <= VALUE_BYTES_MAX)
            .map(str::to_owned);
        let old = self.values.insert(name.to_owned(), value);
        self.journal.push((name.to_owned(), old));
    }

    /// Whether the text assigned it, whatever the value.
    pub(crate) fn assigned(&self, name: &str) -> bool {
        !self.values.is_empty() && self.values.contains_key(name)
    }

    /// The value, when known.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if self.values.is_empty() {
            return None;
        }
        self.values.get(name)?.as_deref()
    }

    /// The value inside a loop or function body of `text`: known only when nothing else in the text
    /// could assign the name, because later text may run before this place runs again.
    pub(crate) fn get_repeated(&mut self, name: &str, text: &str) -> Option<&str> {
        self.get(name)?;
        let mentions = self.mentions.get_or_insert_with(|| bare_names(text));
        if mentions.get(name).copied().unwrap_or(0) > 1 {
            return None;
        }
        self.get(name)
    }

    /// Leaves a subshell: everything since the mark is undone.
    pub(crate) fn undo(&mut self, mark: Mark) {
        while self.journal.len() > mark.0 {
            let Some((name, old)) = self.journal.pop() else {
                return;
            };
            match old {
                Some(value) => self.values.insert(name, value),
                None => self.values.remove(&name),
            };
        }
    }

    /// Leaves text that may not have run: everything changed since the mark is unknown.
    pub(crate) fn doubt(&mut self, mark: Mark) {
        for (name, _) in self.journal.get(mark.0..).unwrap_or(&[]) {
            if let Some(value) = self.values.get_mut(name) {
                *value = None;
            }
        }
    }

    /// Code that is not known ran in this shell: nothing is known any more.
    pub(crate) fn forget(&mut self) {
        let names: Vec<String> = self.values.keys().cloned().collect();
        for name in names {
            self.set(&name, None);
        }
    }
}

/// Counts the names that stand in a text without `$` before them: assignments, `read x`, `for x in`.
fn bare_names(text: &str) -> HashMap<String, u32> {
    let bytes = text.as_bytes();
    let mut counts = HashMap::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if !(byte.is_ascii_alphabetic() || byte == b'_') {
            at += 1;
            continue;
        }
        let start = at;
        while bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        {
            at += 1;
        }
        let before = start.checked_sub(1).and_then(|i| bytes.get(i)).copied();
        let plain_use = match before {
            Some(b'$') => true,
            Some(b'{') => {
                let dollar = start.checked_sub(2).and_then(|i| bytes.get(i)) == Some(&b'$');
                dollar && bytes.get(at).is_some_and(|b| !matches!(b, b'=' | b':'))
            }
            _ => false,
        };
        if !plain_use && let Some(name) = text.get(start..at) {
            *counts.entry(name.to_owned()).or_insert(0) += 1;
        }
    }
    counts
}
