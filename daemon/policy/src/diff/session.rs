//! Changes of the keys `approval`, `budget` and `cache`.

use super::{Changes, Direction};
use crate::manifest::{
    Manifest,
    cache::Cache,
    session::{Budget, Price},
};

pub(super) fn changes(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    let expires = |manifest: &Manifest| manifest.approval.unwrap_or_default().expires_s;
    let (before, after) = (expires(old), expires(new));
    if before != after {
        let direction = way(after > before);
        let message = format!("a question waits {after} s instead of {before}");
        changes.put(direction, "approval.expires_s", message);
    }
    let nothing = Budget::default();
    let before = old.budget.as_ref().unwrap_or(&nothing);
    let after = new.budget.as_ref().unwrap_or(&nothing);
    caps(changes, before, after);
    prices(changes, before, after);
    let nothing = Cache::default();
    let before = old.cache.as_ref().unwrap_or(&nothing);
    let after = new.cache.as_ref().unwrap_or(&nothing);
    kept(changes, before, after);
}

const fn way(widens: bool) -> Direction {
    if widens {
        Direction::Widens
    } else {
        Direction::Narrows
    }
}

fn caps(changes: &mut Changes, old: &Budget, new: &Budget) {
    let rows = [
        ("turns", old.turns, new.turns),
        ("tokens", old.tokens, new.tokens),
        ("context_tokens", old.context_tokens, new.context_tokens),
        ("cost_micros", old.cost_micros, new.cost_micros),
        ("turn_tokens_max", old.turn_tokens_max, new.turn_tokens_max),
    ];
    for (key, before, after) in rows {
        let field = format!("budget.{key}");
        match (before, after) {
            (None, Some(_)) => changes.put(Direction::Narrows, &field, "a bound is added"),
            (Some(_), None) => changes.put(Direction::Widens, &field, "a bound is removed"),
            (Some(before), Some(after)) if before != after => {
                let message = format!("{after} instead of {before}");
                changes.put(way(after > before), &field, message);
            }
            _ => {}
        }
    }
    let gap = |budget: &Budget| budget.turn_gap_ms_min.unwrap_or_default();
    let (before, after) = (gap(old), gap(new));
    if before != after {
        let message = format!("{after} ms between turns instead of {before}");
        changes.put(way(after < before), "budget.turn_gap_ms_min", message);
    }
}

/// What costs less leaves room for more.
fn prices(changes: &mut Changes, old: &Budget, new: &Budget) {
    let cheaper = |before: Option<Price>, after: Option<Price>| match (before, after) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => after.input < before.input || after.output < before.output,
    };
    let mut models: Vec<&String> = Vec::new();
    for (model, _) in new.prices.iter().chain(&old.prices) {
        if !models.contains(&model) {
            models.push(model);
        }
    }
    for model in models {
        let of = |budget: &Budget| {
            let exact = budget.prices.iter().find(|(name, _)| name == model);
            exact
                .map(|(_, price)| *price)
                .or_else(|| budget.price(model))
        };
        let (before, after) = (of(old), of(new));
        if before != after {
            let field = format!("budget.prices.{model}");
            let direction = way(cheaper(before, after));
            changes.put(direction, &field, "the price of the model changes");
        }
    }
    if old.unknown_price != new.unknown_price {
        let direction = way(cheaper(old.unknown_price, new.unknown_price));
        let message = "models without a price are taken to cost something else";
        changes.put(direction, "budget.unknown_price", message);
    }
}

/// An answer that is kept longer may no longer be true.
fn kept(changes: &mut Changes, old: &Cache, new: &Cache) {
    for read in &new.reads {
        let field = format!("cache.reads.{}", read.tool);
        match old.read(&read.tool) {
            None => changes.put(Direction::Widens, &field, "its answers may now be kept"),
            Some(before) if before != read => {
                let message = "its answers are kept under other conditions";
                changes.put(Direction::Widens, &field, message);
            }
            Some(_) => {}
        }
    }
    for read in &old.reads {
        if new.read(&read.tool).is_none() {
            let field = format!("cache.reads.{}", read.tool);
            changes.put(Direction::Narrows, &field, "its answers are no longer kept");
        }
    }
    for write in &new.writes {
        let field = format!("cache.writes.{}", write.tool);
        match old.write(&write.tool) {
            None => changes.put(Direction::Narrows, &field, "it now makes answers stale"),
            Some(before) if before != write => {
                let message = "it makes other answers stale than before";
                changes.put(Direction::Widens, &field, message);
            }
            Some(_) => {}
        }
    }
    for write in &old.writes {
        if new.write(&write.tool).is_none() {
            let field = format!("cache.writes.{}", write.tool);
            changes.put(
                Direction::Widens,
                &field,
                "it no longer makes answers stale",
            );
        }
    }
}
