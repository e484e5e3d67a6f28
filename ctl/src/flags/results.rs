//! The verbs about results.

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// One result.
#[derive(Args, Debug)]
pub(crate) struct AdmitFlags {
    /// The tool that answered, as the agent spells it
    pub(crate) tool: String,
    /// The result: a file, or - for standard input
    #[arg(long, short, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    pub(crate) result: String,
    /// The session's trace id; fakd mints one otherwise
    #[arg(long, value_name = "ID")]
    pub(crate) trace: Option<String>,
    /// The call it answers, as it was adjudicated
    #[arg(long, value_name = "ID")]
    pub(crate) call_id: Option<String>,
    /// The journal row of the verdict that admitted the call [default: found by --call-id]
    #[arg(
        long,
        value_name = "SEQ",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) call_seq: u64,
    /// How the call went; only what went well is kept for the next one who asks
    #[arg(long, value_name = "HOW", ignore_case = true)]
    pub(crate) outcome: Option<WentHow>,
    /// The arguments the tool was called with: a JSON object, or @FILE; without them no field is trusted
    #[arg(long, short, value_name = "JSON|@FILE", allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum WentHow {
    Ok,
    Fail,
    Timeout,
    /// It did not run: this is an answer that was kept
    Replayed,
}

impl WentHow {
    /// The wire's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Fail => "FAIL",
            Self::Timeout => "TIMEOUT",
            Self::Replayed => "REPLAYED",
        }
    }
}

/// Bytes that were kept.
#[derive(Args, Debug)]
pub(crate) struct PageInFlags {
    /// The id in the stub
    pub(crate) seal: String,
    /// First byte wanted
    #[arg(long, value_name = "BYTE", default_value_t = 0)]
    pub(crate) offset: u64,
    /// Most bytes wanted; 0: all that fits a message
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) limit: u64,
}

/// What the user said.
#[derive(Args, Debug)]
pub(crate) struct TellFlags {
    /// The session's trace id
    #[arg(long, value_name = "ID")]
    pub(crate) trace: String,
    /// The user's own words; - for standard input
    #[arg(
        long,
        value_name = "TEXT|-",
        required_unless_present = "scope",
        allow_hyphen_values = true
    )]
    pub(crate) words: Option<String>,
    /// The only tools this session is for, each with its most calls; a later list only takes away
    #[arg(long, value_name = "TOOL[:N],..", value_delimiter = ',', value_parser = parse_scope)]
    pub(crate) scope: Vec<ScopeArg>,
}

/// One tool of a scope and its most calls; 0 is as many as the policy lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScopeArg {
    pub(crate) tool: String,
    pub(crate) calls_max: u32,
}

/// `Bash` or `Bash:3`. A tool's own name may hold colons, so only a number after the last one counts.
fn parse_scope(text: &str) -> Result<ScopeArg, String> {
    let (tool, calls_max) = match text.rsplit_once(':') {
        Some((tool, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let count = digits.parse().ok().filter(|count| *count > 0);
            (
                tool,
                count.ok_or("the number of calls is from 1 to 4294967295")?,
            )
        }
        _ => (text, 0),
    };
    if tool.is_empty() {
        return Err("write TOOL or TOOL:N, such as Read,Bash:3".to_owned());
    }
    Ok(ScopeArg {
        tool: tool.to_owned(),
        calls_max,
    })
}

/// What is remembered of a session's values.
#[derive(Subcommand, Debug)]
pub(crate) enum TaintVerb {
    /// How far the session may be trusted, and how much is remembered of its values; never a value
    Get {
        /// The session's trace id
        trace: String,
        /// Whose session [default: yours, or the one of that trace you may see]
        #[arg(long, value_name = "WHO")]
        principal: Option<String>,
    },
    /// Say as a witness that a session starts from nothing again; never for a session of your own
    Reset {
        /// The session's trace id
        trace: String,
        /// Whose session [default: the one of that trace]
        #[arg(long, value_name = "WHO")]
        principal: Option<String>,
        /// Why; stands in the journal
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_tool_and_a_number_of_calls() {
        let read = |text| parse_scope(text).map(|scope| (scope.tool, scope.calls_max));
        assert_eq!(read("Read"), Ok(("Read".into(), 0)));
        assert_eq!(read("Bash:3"), Ok(("Bash".into(), 3)));
        assert_eq!(read("MCP:search"), Ok(("MCP:search".into(), 0)));
        assert_eq!(read("MCP:search:2"), Ok(("MCP:search".into(), 2)));
        for bad in ["", ":3", "Bash:", "Bash:0", "Bash:99999999999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
