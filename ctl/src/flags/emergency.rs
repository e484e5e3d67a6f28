//! The verbs of `emergency`.

use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub(crate) struct EmergencyFlags {
    #[command(subcommand)]
    pub(crate) verb: Option<EmergencyVerb>,
}

/// What to do with the glass. Nothing: look.
#[derive(Subcommand, Debug)]
pub(crate) enum EmergencyVerb {
    /// Break the glass: until the deadline, what would be refused is admitted and journaled as such
    #[command(after_help = "\
Examples:
  fakctl emergency disable --reason 'site down, ticket 4711' --for 15m
  fakctl emergency disable --reason 'still down' --for 1h    # another deadline for the one that holds

Calls are judged as ever; each that would be refused is admitted by `emergency`, with what would have refused
it in its row. Nothing is admitted while the journal cannot be written.")]
    Disable {
        /// Why, in one line; it is journaled and shown to everyone
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// For how long: 90s, 15m, 2h; at most 24h
        #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = super::parse_lasting)]
        lasts: Duration,
    },
    /// Mend it: what is refused is refused again, at once
    #[command(after_help = "\
Examples:
  fakctl emergency enable --reason 'policy mended'")]
    Enable {
        /// Why, in one line; it is journaled
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}
