//! The verbs of `policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::PreflightFlags;

/// What to do with manifests.
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
