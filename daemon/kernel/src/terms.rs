//! What a profile gives a session to spend, and what a turn costs.

use fak_policy::{Policy, manifest::session};

/// How long an approval is waited for where no profile says, in milliseconds: ten minutes.
pub(crate) const APPROVAL_MS: u64 = 10 * 60 * 1000;

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
    /// How long an approval is waited for, in milliseconds.
    pub approval_ms: u64,
    /// What the profile says in its own words: the prices.
    said: Option<session::Budget>,
}

impl Terms {
    /// The terms of a policy; without bounds for a policy that says nothing.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let said = policy.budget();
        Self {
            budget: said.map_or_else(Budget::default, |said| Budget {
                turns: said.turns,
                tokens: said.tokens,
                context_tokens: said.context_tokens,
                cost_micros: said.cost_micros,
            }),
            pace: said.map_or_else(Pace::default, |said| Pace {
                turn_tokens_max: said.turn_tokens_max,
                turn_gap_ms_min: said.turn_gap_ms_min,
            }),
            approval_ms: policy.approval().expires_s.saturating_mul(1000),
            said: said.cloned(),
        }
    }

    /// What a model costs; `None`: nobody said, and a price nobody said is not nothing.
    #[must_use]
    pub fn price(&self, model: &str) -> Option<Price> {
        let price = self.said.as_ref()?.price(model)?;
        Some(Price {
            input_micros: price.input,
            output_micros: price.output,
        })
    }
}

impl Price {
    /// What this many tokens cost, rounded up.
    #[must_use]
    pub fn cost_micros(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let price = session::Price {
            input: self.input_micros,
            output: self.output_micros,
        };
        price.cost_micros(input_tokens, output_tokens)
    }
}
