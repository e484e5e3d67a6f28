//! The keys `approval`, `budget` and `cache` as canonical text.

use super::{Fields, Out};
use crate::manifest::{
    cache::Cache,
    session::{Approval, Budget, Price},
};

pub(super) fn approval_out(approval: Approval) -> Out {
    Fields::default()
        .number("expires_s", Some(approval.expires_s))
        .done()
}

pub(super) fn budget_out(budget: &Budget) -> Out {
    let prices = budget.prices.iter();
    Fields::default()
        .number("turns", budget.turns)
        .number("tokens", budget.tokens)
        .number("context_tokens", budget.context_tokens)
        .number("cost_micros", budget.cost_micros)
        .number("turn_tokens_max", budget.turn_tokens_max)
        .number("turn_gap_ms_min", budget.turn_gap_ms_min)
        .map(
            "prices",
            prices.map(|(model, price)| (model.clone(), price_out(*price))),
        )
        .put("unknown_price", budget.unknown_price.map(price_out))
        .done()
}

fn price_out(price: Price) -> Out {
    Fields::default()
        .number("input", Some(price.input))
        .number("output", Some(price.output))
        .done()
}

pub(super) fn cache_out(cache: &Cache) -> Out {
    let touched = |namespace: &str, resources: &[String]| {
        Fields::default()
            .text("namespace", Some(namespace))
            .texts("resources", resources)
    };
    let reads = cache.reads.iter().map(|read| {
        let fields = touched(&read.namespace, &read.resources).number("ttl_s", read.ttl_s);
        (read.tool.clone(), fields.done())
    });
    let writes = cache.writes.iter().map(|write| {
        let fields = touched(&write.namespace, &write.resources);
        (write.tool.clone(), fields.done())
    });
    Fields::default()
        .map("reads", reads)
        .map("writes", writes)
        .done()
}

#[cfg(test)]
pub(super) mod tests;
