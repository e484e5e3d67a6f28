//! What a session of the profile may spend, and how long its questions wait.

/// How questions to a person are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approval {
    /// After so many seconds a question nobody answered is a refusal.
    pub expires_s: u64,
}

impl Default for Approval {
    /// Ten minutes.
    fn default() -> Self {
        Self { expires_s: 600 }
    }
}

/// What a session may spend when it begins. `None` is unbounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Model turns.
    pub turns: Option<u64>,
    /// Tokens of all turns, in and out.
    pub tokens: Option<u64>,
    /// Tokens its context may hold.
    pub context_tokens: Option<u64>,
    /// Money, in millionths of the operator's unit.
    pub cost_micros: Option<u64>,
    /// Most tokens of one turn.
    pub turn_tokens_max: Option<u64>,
    /// Least time between two turns, and of a throttled session between two calls, in milliseconds.
    pub turn_gap_ms_min: Option<u64>,
    /// Prices by model, in file order: an exact name, or a prefix followed by `*`.
    pub prices: Vec<(String, Price)>,
    /// What a model without a price is taken to cost; `None`: its turns are refused.
    pub unknown_price: Option<Price>,
}

/// What a model costs, in millionths of the operator's unit of money for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Price {
    /// Tokens in.
    pub input: u64,
    /// Tokens out.
    pub output: u64,
}

impl Budget {
    /// What a model costs: by its exact name, by the longest prefix, or what is taken for unknown ones. `None`: its
    /// turns are refused where the session's cost is bounded, because a price nobody said is not nothing.
    #[must_use]
    pub fn price(&self, model: &str) -> Option<Price> {
        let exact = self.prices.iter().find(|(name, _)| name == model);
        let prefixes = self.prices.iter().filter(|(name, _)| {
            let prefix = name.strip_suffix('*');
            prefix.is_some_and(|prefix| model.starts_with(prefix))
        });
        let found = exact.or_else(|| prefixes.max_by_key(|(name, _)| name.len()));
        found.map(|(_, price)| *price).or(self.unknown_price)
    }
}

impl Price {
    /// What a turn costs in millionths of the unit: `(in * input + out * output) / 10^6`, rounded up and saturating.
    #[must_use]
    pub fn cost_micros(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let whole = part(input_tokens, self.input).saturating_add(part(output_tokens, self.output));
        u64::try_from(whole.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_price_holds_and_none_is_not_nothing() {
        let price = |input| Price { input, output: 0 };
        let mut budget = Budget {
            prices: vec![
                ("m-*".into(), price(1)),
                ("m-large*".into(), price(2)),
                ("m-large-2".into(), price(3)),
            ],
            ..Budget::default()
        };
        for (model, expected) in [
            ("m-large-2", Some(3)),
            ("m-large-20", Some(2)),
            ("m-x", Some(1)),
            ("M-x", None),
            ("other", None),
            ("", None),
        ] {
            let found = budget.price(model).map(|price| price.input);
            assert_eq!(found, expected, "{model}");
        }
        budget.unknown_price = Some(price(9));
        assert_eq!(budget.price("other"), Some(price(9)));
    }

    #[test]
    fn costs_round_up_and_never_wrap() {
        let price = Price {
            input: 3,
            output: 15_000_000,
        };
        assert_eq!(price.cost_micros(0, 0), 0);
        assert_eq!(price.cost_micros(1, 0), 1);
        assert_eq!(price.cost_micros(1_000_000, 2), 33);
        assert_eq!(price.cost_micros(u64::MAX, u64::MAX), u64::MAX);
    }
}
