//! What changes between two manifests, and between two policies over recorded calls.
//!
//! Each change says whether it widens what passes, narrows it, or neither. Where the effect cannot be told
//! from the texts a change counts as widening, so that a review of the widening changes misses nothing.

mod flow;
mod session;

use std::fmt;

use fak_types::{Posture, SourceClass, ToolCall, Verdict};

use crate::{
    Policy, World,
    dump::{matcher_key, rule_text},
    manifest::{ArgRule, Manifest, Matcher, RateLimit},
};

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// More may pass than before.
    Widens,
    /// Less may pass than before.
    Narrows,
    /// The same passes as before.
    Neutral,
}

impl Direction {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Widens => "widens",
            Self::Narrows => "narrows",
            Self::Neutral => "neutral",
        }
    }
}

/// One change between two manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which way it goes.
    pub direction: Direction,
    /// The field it is in, such as `allow` or `arg_rules[3]` (the index in the new manifest, or in the old
    /// one for what is removed).
    pub field: String,
    /// What changes, in one sentence.
    pub message: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: {}",
            self.direction.as_str(),
            self.field,
            self.message
        )
    }
}

/// One recorded call that is judged differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallChange {
    /// The call's index in the trace.
    pub index: usize,
    /// The tool called.
    pub tool: String,
    /// Which way the verdict goes; neutral when only the reason or the rule changes.
    pub direction: Direction,
    /// What the old policy says.
    pub before: Verdict,
    /// What the new policy says.
    pub after: Verdict,
}

/// Every change from `old` to `new`, in the order of the fields.
#[must_use]
pub fn diff(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    if old.name != new.name {
        changes.put(Direction::Neutral, "name", "the profile's name changes");
    }
    if old.bind != new.bind {
        changes.put(
            Direction::Widens,
            "bind",
            "the profile binds other principals; compare what they had before",
        );
    }
    posture(&mut changes, old, new);
    permissions(&mut changes, old, new);
    denials(&mut changes, old, new);
    let globs = (&old.self_modify_globs, &new.self_modify_globs);
    changes.set(
        "self_modify_globs",
        globs,
        Direction::Narrows,
        "is guarded against modification",
    );
    changes.set(
        "redact_fields",
        (&old.redact_fields, &new.redact_fields),
        Direction::Narrows,
        "is redacted",
    );
    let shell = |manifest: &Manifest| -> Vec<String> {
        manifest
            .shell
            .iter()
            .map(|shell| format!("{} {}", shell.tool, shell.arg))
            .collect()
    };
    changes.set(
        "shell",
        (&shell(old), &shell(new)),
        Direction::Narrows,
        "is read as shell text",
    );
    rules(&mut changes, old, new);
    quotas(&mut changes, old, new);
    changes.set(
        "safe_sinks",
        (&old.safe_sinks, &new.safe_sinks),
        Direction::Widens,
        "counts as a safe sink",
    );
    sources(&mut changes, old, new);
    match (old.lint_writes, new.lint_writes) {
        (false, true) => changes.put(
            Direction::Narrows,
            "lint_writes",
            "writes that do not parse are refused",
        ),
        (true, false) => changes.put(
            Direction::Widens,
            "lint_writes",
            "writes that do not parse pass",
        ),
        _ => {}
    }
    flow::changes(&mut changes, old, new);
    session::changes(&mut changes, old, new);
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn put(&mut self, direction: Direction, field: &str, message: impl Into<String>) {
        self.0.push(Change {
            direction,
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// Entries of a list that come and go; `added` is the way an addition goes.
    fn set(
        &mut self,
        field: &str,
        (old, new): (&Vec<String>, &Vec<String>),
        added: Direction,
        what: &str,
    ) {
        let removed = match added {
            Direction::Widens => Direction::Narrows,
            Direction::Narrows => Direction::Widens,
            Direction::Neutral => Direction::Neutral,
        };
        for entry in new.iter().filter(|entry| !old.contains(entry)) {
            self.put(added, field, format!("`{entry}` now {what}"));
        }
        for entry in old.iter().filter(|entry| !new.contains(entry)) {
            self.put(removed, field, format!("`{entry}` no longer {what}"));
        }
    }
}

fn posture(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    let of = |manifest: &Manifest| manifest.posture.unwrap_or(Posture::FailClosed);
    let (before, after) = (of(old), of(new));
    let direction = match after.cmp(&before) {
        std::cmp::Ordering::Greater => Direction::Widens,
        std::cmp::Ordering::Less => Direction::Narrows,
        std::cmp::Ordering::Equal => return,
    };
    changes.put(
        direction,
        "posture",
        format!("`{before}` becomes `{after}`"),
    );
}

/// Whether a manifest allows a tool by name or prefix.
pub(crate) fn permits(manifest: &Manifest, tool: &str) -> bool {
    manifest.allow.iter().any(|name| name == tool)
        || manifest
            .allow_prefix
            .iter()
            .any(|prefix| tool.starts_with(prefix.as_str()))
}

fn permissions(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    for tool in new.allow.iter().filter(|tool| !old.allow.contains(tool)) {
        if permits(old, tool) {
            changes.put(
                Direction::Neutral,
                "allow",
                format!("`{tool}` is now listed by name too"),
            );
        } else {
            changes.put(
                Direction::Widens,
                "allow",
                format!("`{tool}` is now allowed"),
            );
        }
    }
    for tool in old.allow.iter().filter(|tool| !new.allow.contains(tool)) {
        if permits(new, tool) {
            changes.put(
                Direction::Neutral,
                "allow",
                format!("`{tool}` is no longer listed, a prefix still allows it"),
            );
        } else {
            changes.put(
                Direction::Narrows,
                "allow",
                format!("`{tool}` is no longer allowed"),
            );
        }
    }
    let covered = |manifest: &Manifest, prefix: &str| {
        manifest
            .allow_prefix
            .iter()
            .any(|wider| prefix.starts_with(wider.as_str()))
    };
    for prefix in new
        .allow_prefix
        .iter()
        .filter(|prefix| !old.allow_prefix.contains(prefix))
    {
        let direction = if covered(old, prefix) {
            Direction::Neutral
        } else {
            Direction::Widens
        };
        changes.put(
            direction,
            "allow_prefix",
            format!("tools named `{prefix}…` are now allowed"),
        );
    }
    for prefix in old
        .allow_prefix
        .iter()
        .filter(|prefix| !new.allow_prefix.contains(prefix))
    {
        let direction = if covered(new, prefix) {
            Direction::Neutral
        } else {
            Direction::Narrows
        };
        changes.put(
            direction,
            "allow_prefix",
            format!("the prefix `{prefix}` is gone"),
        );
    }
}

fn denials(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    let find = |manifest: &Manifest, tool: &str| {
        manifest
            .deny
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(tool))
            .map(|(_, reason)| *reason)
    };
    for (tool, reason) in &new.deny {
        match find(old, tool) {
            None => changes.put(
                Direction::Narrows,
                "deny",
                format!("`{tool}` is now denied"),
            ),
            Some(before) if before != *reason => {
                changes.put(
                    Direction::Neutral,
                    "deny",
                    format!("`{tool}` is denied as {reason} instead of {before}"),
                );
            }
            Some(_) => {}
        }
    }
    for (tool, _) in old
        .deny
        .iter()
        .filter(|(tool, _)| find(new, tool).is_none())
    {
        // A name nobody allows stays refused by default, unless the posture admits what is not listed.
        let closed = new.posture.unwrap_or(Posture::FailClosed) == Posture::FailClosed;
        let reached = new.allow.iter().any(|name| name.eq_ignore_ascii_case(tool))
            || new
                .allow_prefix
                .iter()
                .any(|prefix| starts_with_folded(tool, prefix));
        let direction = if closed && !reached {
            Direction::Neutral
        } else {
            Direction::Widens
        };
        changes.put(
            direction,
            "deny",
            format!("`{tool}` is no longer denied by name"),
        );
    }
}

/// `text.starts_with(prefix)` without regard to ASCII case.
pub(crate) fn starts_with_folded(text: &str, prefix: &str) -> bool {
    text.as_bytes()
        .get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn label(rule: &ArgRule) -> String {
    match &rule.name {
        Some(name) => format!("`{name}`"),
        None => format!(
            "`{}` of `{}` `{}`",
            matcher_key(&rule.matcher),
            rule.tool,
            rule.arg
        ),
    }
}

fn rules(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    let texts = |manifest: &Manifest| -> Vec<Option<String>> {
        manifest
            .arg_rules
            .iter()
            .map(|rule| Some(rule_text(rule)))
            .collect()
    };
    let (mut old_left, mut new_left) = (texts(old), texts(new));
    for slot in &mut new_left {
        if let Some(same) = old_left
            .iter_mut()
            .find(|other| other.is_some() && *other == slot)
        {
            (*same, *slot) = (None, None);
        }
    }
    let left = |manifest: &'_ Manifest, slots: &[Option<String>]| -> Vec<usize> {
        (0..manifest.arg_rules.len())
            .filter(|index| slots.get(*index).is_some_and(Option::is_some))
            .collect()
    };
    let mut gone = left(old, &old_left);
    for index in left(new, &new_left) {
        let Some(rule) = new.arg_rules.get(index) else {
            continue;
        };
        let field = format!("arg_rules[{index}]");
        let partner = gone.iter().position(|&index| {
            old.arg_rules
                .get(index)
                .is_some_and(|other| pairs(other, rule))
        });
        match partner
            .map(|at| gone.remove(at))
            .and_then(|index| old.arg_rules.get(index))
        {
            Some(before) => {
                let (direction, what) = rule_change(before, rule);
                changes.put(
                    direction,
                    &field,
                    format!("the rule {} changes: {what}", label(rule)),
                );
            }
            None => changes.put(
                Direction::Narrows,
                &field,
                format!("the rule {} is added", label(rule)),
            ),
        }
    }
    for index in gone {
        if let Some(rule) = old.arg_rules.get(index) {
            let field = format!("arg_rules[{index}]");
            changes.put(
                Direction::Widens,
                &field,
                format!("the rule {} is removed", label(rule)),
            );
        }
    }
}

/// Whether two rules are the same rule before and after.
fn pairs(old: &ArgRule, new: &ArgRule) -> bool {
    let named = old.name.is_some() && old.name == new.name;
    let alike = old.tool.eq_ignore_ascii_case(&new.tool)
        && old.arg == new.arg
        && matcher_key(&old.matcher) == matcher_key(&new.matcher);
    named || ((old.name.is_none() || new.name.is_none()) && alike)
}

fn rule_change(old: &ArgRule, new: &ArgRule) -> (Direction, &'static str) {
    let same_scope = old.tool.eq_ignore_ascii_case(&new.tool) && old.arg == new.arg;
    if !same_scope {
        return (Direction::Widens, "it speaks of another tool or argument");
    }
    let matcher = matcher_change(&old.matcher, &new.matcher);
    let witness = match (old.require_witness, new.require_witness) {
        (false, true) => Direction::Widens,
        (true, false) => Direction::Narrows,
        (true, true) if old.witness != new.witness => {
            let kept = old.witness.iter().all(|claim| new.witness.contains(claim));
            if kept {
                Direction::Narrows
            } else {
                Direction::Widens
            }
        }
        _ => Direction::Neutral,
    };
    let required = match (old.required, new.required) {
        (true, false) => Direction::Widens,
        (false, true) => Direction::Narrows,
        _ => Direction::Neutral,
    };
    let all = [matcher, witness, required];
    if all.contains(&Direction::Widens) {
        let what = match (matcher, witness) {
            (Direction::Widens, _) => "it may refuse less than before",
            (_, Direction::Widens) if old.require_witness => "it asks for fewer or other claims",
            (_, Direction::Widens) => "it asks for a witness instead of refusing",
            _ => "the argument may be absent",
        };
        return (Direction::Widens, what);
    }
    if all.contains(&Direction::Narrows) {
        return (Direction::Narrows, "it refuses more than before");
    }
    (Direction::Neutral, "only its name, reason or hint")
}

fn matcher_change(old: &Matcher, new: &Matcher) -> Direction {
    if old == new {
        return Direction::Neutral;
    }
    match (old, new) {
        (Matcher::MaxBytes(before), Matcher::MaxBytes(after))
        | (Matcher::MaxLen(before), Matcher::MaxLen(after)) => {
            if after < before {
                Direction::Narrows
            } else {
                Direction::Widens
            }
        }
        (Matcher::OneOf(before), Matcher::OneOf(after))
            if after.iter().all(|value| before.contains(value)) =>
        {
            Direction::Narrows
        }
        _ => Direction::Widens,
    }
}

fn quotas(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    let scope = |limit: &RateLimit| (limit.key, limit.window_ms);
    let mut gone: Vec<&RateLimit> = old
        .rate_limit
        .iter()
        .filter(|limit| !new.rate_limit.contains(limit))
        .collect();
    for (index, limit) in new
        .rate_limit
        .iter()
        .enumerate()
        .filter(|(_, limit)| !old.rate_limit.contains(limit))
    {
        let field = format!("rate_limit[{index}]");
        let Some(at) = gone.iter().position(|before| scope(before) == scope(limit)) else {
            changes.put(Direction::Narrows, &field, "a quota is added");
            continue;
        };
        let before = gone.remove(at);
        let caps = [
            (before.max_calls, limit.max_calls),
            (before.max_cost, limit.max_cost),
        ];
        let grows = |(before, after): &(Option<u64>, Option<u64>)| match (before, after) {
            (Some(before), Some(after)) => after > before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let same = |(before, after): &(Option<u64>, Option<u64>)| before == after;
        let (direction, message) = if caps.iter().any(grows) {
            (Direction::Widens, "a quota grows")
        } else if caps.iter().all(same) {
            (
                Direction::Neutral,
                "a quota gives another advice on when to retry",
            )
        } else {
            (Direction::Narrows, "a quota shrinks")
        };
        changes.put(direction, &field, message);
    }
    for _ in gone {
        changes.put(Direction::Widens, "rate_limit", "a quota is removed");
    }
}

fn sources(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    let class = |manifest: &Manifest, tool: &str| {
        manifest
            .sources
            .iter()
            .find(|(name, _)| name == tool)
            .map_or(SourceClass::Tainted, |(_, class)| *class)
    };
    let mut tools: Vec<&String> = new
        .sources
        .iter()
        .chain(&old.sources)
        .map(|(tool, _)| tool)
        .collect();
    tools.sort_unstable();
    tools.dedup();
    for tool in tools {
        let (before, after) = (class(old, tool), class(new, tool));
        if before == after {
            continue;
        }
        let direction = match (before, after) {
            (SourceClass::Tainted, _) => Direction::Widens,
            (_, SourceClass::Tainted) => Direction::Narrows,
            _ => Direction::Neutral,
        };
        changes.put(
            direction,
            "sources",
            format!("results of `{tool}` become {after} instead of {before}"),
        );
    }
}

/// The recorded calls that two policies judge differently, in order.
pub fn diff_calls<'c>(
    old: &Policy,
    new: &Policy,
    calls: impl IntoIterator<Item = ToolCall<'c>>,
    world: &dyn World,
) -> Vec<CallChange> {
    let mut changes = Vec::new();
    for (index, call) in calls.into_iter().enumerate() {
        let (before, after) = (old.adjudicate(&call, world), new.adjudicate(&call, world));
        if before == after {
            continue;
        }
        let direction = match after.kind.rank().cmp(&before.kind.rank()) {
            std::cmp::Ordering::Less => Direction::Widens,
            std::cmp::Ordering::Greater => Direction::Narrows,
            std::cmp::Ordering::Equal => Direction::Neutral,
        };
        changes.push(CallChange {
            index,
            tool: call.tool.to_owned(),
            direction,
            before,
            after,
        });
    }
    changes
}

#[cfg(test)]
mod tests;
