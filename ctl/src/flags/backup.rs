//! The verbs of `backup`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// What to do with copies of the journal.
#[derive(Subcommand, Debug)]
pub(crate) enum BackupVerb {
    /// Copy the journal, whether fakd runs or not; the copy is verified before it counts
    #[command(after_help = "\
Examples:
  fakctl backup create --keep 7
  fakctl backup create --to /mnt/backup/fak --journal ~/.local/state/fak/journal.db")]
    Create {
        #[command(flatten)]
        place: Place,
        /// Afterwards remove the oldest copies beyond this many; 0 keeps all
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        keep: usize,
    },
    /// The copies there are, newest first
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Verify a copy: its manifest, its digest, its chain, its tree
    #[command(after_help = "Exit codes: 0 sound; 1 not; 66 no such copy.")]
    Verify {
        /// The copy's directory, or its name below the place of copies; the newest when nothing is named
        name: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Put a copy in the journal's place; fakd must be stopped
    #[command(after_help = "\
A journal that is there is moved aside, never overwritten. Rows that came after the copy are lost; when a
checkpoint covers such rows, --accept-rollback has to say that this is wanted, and a row of the restored
journal says so too.

Exit codes: 0 restored; 1 the copy is unsound, or older than a known checkpoint; 75 fakd is running.")]
    Restore {
        /// The copy's directory, or its name below the place of copies
        name: PathBuf,
        #[command(flatten)]
        place: Place,
        /// Also hold the copy against this checkpoint, kept elsewhere
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        checkpoint: Option<PathBuf>,
        /// Lose the rows a known checkpoint covers
        #[arg(long)]
        accept_rollback: bool,
    },
}

/// Which journal, and where its copies lie.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The journal [default: the user's, else /var/lib/fakd/journal.db]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) journal: Option<PathBuf>,
    /// Where copies lie [default: backups beside the journal]
    #[arg(long = "to", visible_alias = "from", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}
