//! What a profile gives a session to spend, and what a turn costs.

use std::collections::BTreeMap;

/// How long an approval is waited for when the profile does not say, in milliseconds: ten minutes.
pub const APPROVAL_MS: u64 = 10 * 60 * 1000;

/// What a session may still spend. `None`: unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Turns: exchanges with a model.
    pub turns: Option<u64>,
    /// Tokens, read and written.
    pub tokens: Option<u64>,
    /// Tokens by which the context may still grow.
    pub context_tokens: Option<u64>,
    /// Money, in millionths of the operator's unit.
    pub cost_micros: Option<u64>,
}

/// How fast a session may spend. `None`: unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Most tokens of one turn.
    pub turn_tokens_max: Option<u64>,
    /// Least time between the beginnings of two turns, in milliseconds; of a throttled session, between two calls.
    pub turn_gap_ms_min: Option<u64>,
}

/// What a model costs, in millionths of the operator's unit of money for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Tokens read.
    pub input_micros: u64,
    /// Tokens written.
    pub output_micros: u64,
}

/// What a profile gives every session that is judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What a new session may spend.
    pub budget: Budget,
    /// How fast.
    pub pace: Pace,
    /// What models cost, by name.
    pub prices: BTreeMap<String, Price>,
    /// The price of a model that is not among `prices`; `None`: a session with a bounded cost may not use it.
    pub ceiling: Option<Price>,
    /// How long an approval is waited for, in milliseconds.
    pub approval_ms: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            pace: Pace::default(),
            prices: BTreeMap::new(),
            ceiling: None,
            approval_ms: APPROVAL_MS,
        }
    }
}

impl Price {
    /// What this many tokens cost, rounded up.
    #[must_use]
    pub fn cost_micros(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let part = |tokens: u64, micros: u64| u128::from(tokens) * u128::from(micros);
        let whole = part(input_tokens, self.input_micros)
            .saturating_add(part(output_tokens, self.output_micros));
        u64::try_from(whole.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}
