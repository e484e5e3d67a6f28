//! The verbs of `session`.

use clap::{Args, Subcommand, ValueEnum};

/// What to do with a session.
#[derive(Subcommand, Debug)]
pub(crate) enum SessionVerb {
    /// The latest sessions
    List {
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
    },
    /// One session: what it did, what it may still spend, how far it may be trusted
    Get {
        /// Its trace id
        trace: String,
    },
    /// Every change of a session, one line each; of all of them when none is named
    #[command(after_help = "\
Goes on when fakd restarts. Ends with 0 when the session that was named is stopped, or at Ctrl-C.")]
    Watch {
        /// Its trace id
        trace: Option<String>,
    },
    /// Set what is left to spend, how fast, and who is served first
    #[command(after_help = "\
Examples:
  fakctl session set t-1 --budget-turns 20 --budget-tokens 200000 --reason 'an afternoon'
  fakctl session set t-1 --budget-turns none --if-rev 17 --reason 'no end'
  fakctl session set t-1 --run throttled --turn-gap-ms 2000 --reason 'slower'

What is not named stays as it is. Exit codes: 0 done; 1 it is stopped, or cannot be; 66 no such session;
75 its rev is another one by now.")]
    Set(SetFlags),
    /// Hold it: its calls wait
    Pause(WhichSession),
    /// Let it go on
    Resume(WhichSession),
    /// Let it end: no further calls, reservations are settled
    Drain(WhichSession),
    /// End it for good: from stopped nothing leads back
    Stop(WhichSession),
    /// Start over with the profile's budgets; one whose context is used up carries on as its continuation
    Reset(WhichSession),
    /// Put aside what a turn may cost before it runs
    #[command(after_help = "\
Examples:
  fakctl session reserve t-1 --turn 7 --input-tokens 9000 --output-tokens 2000 --model m && run-turn
  fakctl session settle t-1 --turn 7 --input-tokens 9000 --output-tokens 411

Exit codes: 0 put aside; 3 not; the same turn twice is one reservation.")]
    Reserve(ReserveFlags),
    /// Say what a turn did cost; nothing for one that did not run
    Settle(SettleFlags),
}

/// Which session is steered, and why.
#[derive(Args, Debug)]
pub(crate) struct WhichSession {
    /// Its trace id
    pub(crate) trace: String,
    /// Whose session [default: the one of that trace]
    #[arg(long, value_name = "WHO")]
    pub(crate) principal: Option<String>,
    /// Only when its rev is still this one
    #[arg(long, value_name = "REV")]
    pub(crate) if_rev: Option<u64>,
    /// Why; stands in the journal
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
pub(crate) struct SetFlags {
    #[command(flatten)]
    pub(crate) which: WhichSession,
    #[command(flatten)]
    pub(crate) budgets: BudgetFlags,
    #[command(flatten)]
    pub(crate) paces: PaceFlags,
    /// Who is served first when there is a queue; higher is sooner
    #[arg(long, value_name = "RANK", allow_negative_numbers = true)]
    pub(crate) priority: Option<i32>,
    /// Its run state
    #[arg(long, value_name = "STATE")]
    pub(crate) run: Option<RunState>,
}

/// What is left from now on.
#[derive(Args, Debug)]
pub(crate) struct BudgetFlags {
    /// Turns left
    #[arg(long = "budget-turns", value_name = "N|none", value_parser = Left::parse)]
    pub(crate) turns: Option<Left>,
    /// Tokens left, read and written
    #[arg(long = "budget-tokens", value_name = "N|none", value_parser = Left::parse)]
    pub(crate) tokens: Option<Left>,
    /// Tokens the context may hold
    #[arg(long = "budget-context-tokens", value_name = "N|none", value_parser = Left::parse)]
    pub(crate) context_tokens: Option<Left>,
    /// Money left, in millionths
    #[arg(long = "budget-cost-micros", value_name = "N|none", value_parser = Left::parse)]
    pub(crate) cost_micros: Option<Left>,
}

/// How fast.
#[derive(Args, Debug)]
pub(crate) struct PaceFlags {
    /// Most tokens a turn may write
    #[arg(long, value_name = "N|none", value_parser = Left::parse)]
    pub(crate) turn_tokens: Option<Left>,
    /// Least time between two calls, in milliseconds
    #[arg(long = "turn-gap-ms", value_name = "MS|none", value_parser = Left::parse)]
    pub(crate) turn_gap: Option<Left>,
}

/// A bound, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Bounded(u64),
    Unbounded,
}

impl Left {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::Unbounded),
            digits => digits
                .parse()
                .map(Self::Bounded)
                .map_err(|_| "write a whole number, or `none` for no bound".to_owned()),
        }
    }

    /// The bound.
    pub(crate) const fn number(self) -> Option<u64> {
        match self {
            Self::Bounded(number) => Some(number),
            Self::Unbounded => None,
        }
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunState {
    Running,
    /// Calls are spaced by its pace
    Throttled,
    Paused,
    Draining,
    Stopped,
}

impl RunState {
    /// The wire's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Throttled => "throttled",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// A turn and its tokens.
#[derive(Args, Debug)]
pub(crate) struct TurnFlags {
    /// The session's trace id
    pub(crate) trace: String,
    /// Your name for the turn
    #[arg(long, value_name = "ID")]
    pub(crate) turn: String,
    /// Tokens it reads
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) input_tokens: u64,
    /// Tokens it writes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) output_tokens: u64,
}

#[derive(Args, Debug)]
pub(crate) struct ReserveFlags {
    #[command(flatten)]
    pub(crate) turn: TurnFlags,
    /// What is asked; the policy knows its price. Without it no money is put aside
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct SettleFlags {
    #[command(flatten)]
    pub(crate) turn: TurnFlags,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_number_or_none() {
        assert_eq!(Left::parse("0"), Ok(Left::Bounded(0)));
        assert_eq!(Left::parse("none"), Ok(Left::Unbounded));
        for bad in ["", "-1", "1k", "None", "99999999999999999999"] {
            assert!(Left::parse(bad).is_err(), "{bad}");
        }
    }
}
