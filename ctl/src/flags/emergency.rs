//! The verbs of `emergency`.

use std::time::Duration;

use clap::{Args, Subcommand};

/// Longest emergency fakd grants. LIMIT: begin another instead; each is a row.
const LASTS_MAX: Duration = Duration::from_secs(24 * 3600);

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
        #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = parse_lasts)]
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

/// A whole number and `s`, `m` or `h`.
fn parse_lasts(text: &str) -> Result<Duration, String> {
    let wanted = "write a whole number and a unit, such as 90s, 15m or 2h";
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => return Err(wanted.to_owned()),
    };
    let digits = &text[..text.len() - 1];
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits
        .parse::<u64>()
        .ok()
        .filter(|_| sound)
        .and_then(|count| count.checked_mul(unit))
        .map(Duration::from_secs)
        .ok_or(wanted)?;
    if seconds.is_zero() || seconds > LASTS_MAX {
        return Err("an emergency lasts from 1s to 24h".to_owned());
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_numbers_with_a_unit_and_bounded() {
        let seconds = |text| parse_lasts(text).map(|lasts| lasts.as_secs());
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("24h"), Ok(86_400));
        for bad in [
            "",
            "m",
            "15",
            "-1m",
            "+1m",
            "1.5h",
            "15 m",
            "1d",
            "99999999999999999999h",
        ] {
            assert!(
                parse_lasts(bad).is_err_and(|told| told.contains("whole number")),
                "{bad}"
            );
        }
        for bad in ["0s", "25h", "86401s"] {
            assert!(
                parse_lasts(bad).is_err_and(|told| told.contains("24h")),
                "{bad}"
            );
        }
    }
}
