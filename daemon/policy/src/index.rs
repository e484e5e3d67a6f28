//! Which rules concern a tool: found by one hash, whatever the size of the policy.

use std::{borrow::Cow, collections::HashMap};

use crate::names;

/// A table made from a policy. A call's words are looked up in it and never put into it, so that a quick
/// hash is enough.
pub(crate) type Table<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// What a tool pattern of a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToolPattern {
    /// One tool, lower-cased.
    Exact(String),
    /// Tools beginning so, lower-cased.
    Prefix(String),
    /// Every tool.
    Any,
}

impl ToolPattern {
    /// Reads `Bash`, `mcp__*`, `*`. Restrictions compare without regard to ASCII case.
    pub(crate) fn parse(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        match lower.strip_suffix('*') {
            Some("") => Self::Any,
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(lower),
        }
    }
}

/// Everything a policy holds for one tool, as positions in the policy's tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Argument rules that are about values, in file order.
    pub(crate) rules: Vec<u32>,
    /// Argument rules that are about the form of a command, in file order.
    pub(crate) forms: Vec<u32>,
    /// Declarations of shell arguments, in file order.
    pub(crate) shell: Vec<u32>,
    /// The explicit denial.
    pub(crate) deny: Option<u32>,
    /// Whether the name says that the tool changes something; `None` where the plan is for many names.
    pub(crate) write_shaped: Option<bool>,
}

/// From a tool's name to its plan.
#[derive(Debug, Default)]
pub(crate) struct Index {
    exact: Table<Box<str>, Plan>,
    prefixes: Table<Box<str>, Plan>,
    /// Distinct lengths of the prefixes, ascending.
    lengths: Vec<usize>,
    any: Plan,
}

impl Index {
    /// Builds the index. A rule comes with whether it is about the form of a command. `names` are tools that deserve a plan of their own although no rule names
    /// them: the allow list, so that an allowed call costs one lookup.
    pub(crate) fn build<'a>(
        rules: &[(ToolPattern, bool)],
        shell: &[ToolPattern],
        deny: &'a [String],
        names: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut index = Self::default();
        for pattern in rules.iter().map(|(pattern, _)| pattern).chain(shell) {
            let (plans, name) = match pattern {
                ToolPattern::Exact(name) => (&mut index.exact, name),
                ToolPattern::Prefix(prefix) => (&mut index.prefixes, prefix),
                ToolPattern::Any => continue,
            };
            plans.entry(name.as_str().into()).or_default();
        }
        for name in deny.iter().map(String::as_str).chain(names) {
            let plan = index
                .exact
                .entry(name.to_ascii_lowercase().into())
                .or_default();
            if names::write_shaped(name) {
                plan.write_shaped = Some(true);
            }
        }
        for (place, (pattern, form)) in (0_u32..).zip(rules) {
            index.place(pattern, |plan| {
                let list = if *form {
                    &mut plan.forms
                } else {
                    &mut plan.rules
                };
                list.push(place);
            });
        }
        for (place, pattern) in (0_u32..).zip(shell) {
            index.place(pattern, |plan| plan.shell.push(place));
        }
        for (place, name) in (0_u32..).zip(deny) {
            if let Some(plan) = index.exact.get_mut(name.to_ascii_lowercase().as_str()) {
                plan.deny.get_or_insert(place);
            }
        }
        for (name, plan) in &mut index.exact {
            // The casing that separates words is lost in `name`; the spellings seen above kept it.
            plan.write_shaped
                .get_or_insert_with(|| names::write_shaped(name));
        }
        index.lengths = index.prefixes.keys().map(|prefix| prefix.len()).collect();
        index.lengths.sort_unstable();
        index.lengths.dedup();
        index
    }

    fn place(&mut self, pattern: &ToolPattern, mut put: impl FnMut(&mut Plan)) {
        match pattern {
            ToolPattern::Exact(name) => {
                if let Some(plan) = self.exact.get_mut(name.as_str()) {
                    put(plan);
                }
            }
            ToolPattern::Prefix(prefix) => {
                if let Some(plan) = self.prefixes.get_mut(prefix.as_str()) {
                    put(plan);
                }
                self.exact
                    .iter_mut()
                    .filter(|(name, _)| name.starts_with(prefix.as_str()))
                    .for_each(|(_, plan)| put(plan));
            }
            ToolPattern::Any => {
                put(&mut self.any);
                self.exact.values_mut().for_each(put);
            }
        }
    }

    /// The plan of a tool, whose name is given in lower case.
    pub(crate) fn plan(&self, lower: &str) -> Cow<'_, Plan> {
        if let Some(plan) = self.exact.get(lower) {
            return Cow::Borrowed(plan);
        }
        let mut merged: Option<Plan> = None;
        for &length in &self.lengths {
            let Some(plan) = lower
                .get(..length)
                .and_then(|prefix| self.prefixes.get(prefix))
            else {
                continue;
            };
            let merged = merged.get_or_insert_with(|| self.any.clone());
            merged.rules.extend(&plan.rules);
            merged.forms.extend(&plan.forms);
            merged.shell.extend(&plan.shell);
        }
        let Some(mut plan) = merged else {
            return Cow::Borrowed(&self.any);
        };
        plan.rules.sort_unstable();
        plan.forms.sort_unstable();
        plan.shell.sort_unstable();
        Cow::Owned(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_holds_exact_prefix_and_star_rules_in_file_order() {
        let rules: Vec<_> = ["mcp__*", "Bash", "*", "mcp__fs__*", "mcp__fs__read"]
            .map(|text| (ToolPattern::parse(text), false))
            .into();
        let index = Index::build(
            &rules,
            &[],
            &["bash".to_owned()],
            ["Read", "writeAll"].into_iter(),
        );
        assert_eq!(index.plan("bash").rules, [1, 2]);
        assert_eq!(index.plan("bash").deny, Some(0));
        assert_eq!(index.plan("read").rules, [2]);
        assert_eq!(index.plan("mcp__fs__read").rules, [0, 2, 3, 4]);
        assert_eq!(index.plan("mcp__fs__x").rules, [0, 2, 3]);
        assert_eq!(index.plan("mcp__x").rules, [0, 2]);
        assert_eq!(index.plan("other").rules, [2]);
        assert_eq!(index.plan("other_write").write_shaped, None);
        assert_eq!(index.plan("read").write_shaped, Some(false));
        assert_eq!(index.plan("writeall").write_shaped, Some(true));
    }
}
