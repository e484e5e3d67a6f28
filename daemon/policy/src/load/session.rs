//! The keys `approval` and `budget`.

use super::{
    read::{COUNT_MAX, Key, Object, Reader, Spot},
    root::required,
    vocabulary as words,
};
use crate::{
    manifest::session::{Approval, Budget, Price},
    node::Value,
};

/// Longest time a question waits, in seconds. LIMIT: a week; what nobody answers is a refusal.
const EXPIRES_S_MAX: u64 = 604_800;

/// Most prices of one manifest. LIMIT: far above any written by hand; they are tried one after the other.
const PRICES_MAX: usize = 1_000;

pub(super) fn approval(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Approval> {
    let spot = object.get("approval")?;
    let inner = reader.object(&spot, &[words::APPROVAL])?;
    let expires = required(reader, &spot, &inner, "expires_s")?;
    let expires_s = reader.whole(&expires, 1, EXPIRES_S_MAX)?;
    Some(Approval { expires_s })
}

pub(super) fn budget(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Budget> {
    let spot = object.get("budget")?;
    let errors = reader.problems.len();
    let inner = reader.object(&spot, &[words::BUDGET])?;
    let mut count = |key: &str| reader.whole(&inner.get(key)?, 1, COUNT_MAX);
    let budget = Budget {
        turns: count("turns"),
        tokens: count("tokens"),
        context_tokens: count("context_tokens"),
        cost_micros: count("cost_micros"),
        turn_tokens_max: count("turn_tokens_max"),
        turn_gap_ms_min: count("turn_gap_ms_min"),
        prices: prices(reader, &inner),
        unknown_price: unknown_price(reader, &inner),
    };
    if budget == Budget::default() && reader.problems.len() == errors {
        let help = "bound something or name prices, or take the key away";
        reader.error(&spot, "`budget` bounds nothing", help);
    }
    Some(budget)
}

fn prices(reader: &mut Reader<'_>, object: &Object<'_>) -> Vec<(String, Price)> {
    let Some(spot) = object.get("prices") else {
        return Vec::new();
    };
    let rows = reader.table(&spot, "an object from model to price", Key::Model);
    if rows.len() > PRICES_MAX {
        reader.error(&spot, format!("more than {PRICES_MAX} prices"), "");
        return Vec::new();
    }
    let mut read = Vec::new();
    for (model, spot) in rows {
        read.extend(price(reader, &spot).map(|price| (model, price)));
    }
    read
}

/// Both halves, because a half that is not said is not free of charge.
fn price(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<Price> {
    let object = reader.object(spot, &[words::PRICE])?;
    let mut half = |key: &str| {
        let spot = required(reader, spot, &object, key)?;
        reader.whole(&spot, 0, COUNT_MAX)
    };
    let (input, output) = (half("input"), half("output"));
    Some(Price {
        input: input?,
        output: output?,
    })
}

fn unknown_price(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Price> {
    let spot = object.get("unknown_price")?;
    if let Value::Map(_) = spot.node.value {
        return price(reader, &spot);
    }
    let refuse = |text: &str| (text == words::REFUSE).then_some(());
    reader.word(
        &spot,
        "answer to an unknown price",
        &[words::REFUSE],
        refuse,
    )?;
    None
}

#[cfg(test)]
mod tests;
