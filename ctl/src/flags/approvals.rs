//! The verbs of `approvals`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueHint};

/// What to do about calls that wait for somebody.
#[derive(Subcommand, Debug)]
pub(crate) enum ApprovalsVerb {
    /// Those that wait, newest first
    List {
        /// Decided ones as well, as far as they are remembered
        #[arg(long, short)]
        all: bool,
        /// At most this many
        #[arg(short = 'n', long, default_value_t = 100)]
        limit: u32,
    },
    /// One of them, whole
    #[command(after_help = "\
With --args the arguments are held against the call's digest: approved is that call and no other.

Exit codes: 0 shown; 1 these are not the arguments of the call; 66 no such approval.")]
    Show {
        /// Its id
        id: String,
        /// Are these the arguments of the call? The JSON itself, - for standard input, @FILE for a file
        #[arg(long, value_name = "JSON|-|@FILE", allow_hyphen_values = true)]
        args: Option<String>,
    },
    /// Let the call run once, when it is asked again; never a call of your own
    #[command(after_help = "\
What the policy wants corroborated is looked at here, by you, below --dir: git:clean, git:commit:<sha>,
file:<sha256>:<path>. A claim test:<command> is a command: it runs only with --run-tests, in a clean environment,
after it was shown. When a claim does not hold, nothing is approved.

Examples:
  fakctl approvals approve 5f2c.. --reason 'release 1.4, agreed with Ann' --dir ~/src/project
  fakctl approvals approve 5f2c.. --reason 'read it' --run-tests

Exit codes: 0 approved; 1 a claim does not hold, or it is decided already; 66 no such approval; 77 it is your own call.")]
    Approve(ApproveFlags),
    /// Refuse the call
    Deny {
        /// Its id
        id: String,
        /// Why; stands in the journal and is told to who asked
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Every change as it comes, one line each; with an id, until that one is decided
    #[command(after_help = "\
Goes on when fakd restarts.

Examples:
  fakctl approvals watch
  fakctl approvals watch 5f2c.. --wait 10m && ask-again

Exit codes with an id: 0 approved; 3 denied or expired; 4 still waiting after --wait, or at Ctrl-C.")]
    Watch {
        /// Only this one
        id: Option<String>,
        /// Wait at most this long: 90s, 10m, 2h [default: as long as it takes]
        #[arg(long, value_name = "TIME", requires = "id", value_parser = super::parse_lasting)]
        wait: Option<Duration>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ApproveFlags {
    /// Its id
    pub(crate) id: String,
    /// Why; stands in the journal
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Where claims about files and commits are looked at [default: here]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// Run the commands of test: claims, as yourself
    #[arg(long)]
    pub(crate) run_tests: bool,
    /// Stop a test that takes longer: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = super::parse_lasting)]
    pub(crate) test_timeout: Duration,
}
