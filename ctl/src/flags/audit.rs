//! The verbs of `audit`.

use std::{fs, io, path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueHint};
use fak_chain::{Checkpoint, Note, PublicKey};

/// What to do with the journal.
#[derive(Subcommand, Debug)]
pub(crate) enum AuditVerb {
    /// Recompute the whole chain; names the first bad row and what is wrong with it
    #[command(after_help = "\
A rewritten or shortened journal is sound by itself; only what was kept elsewhere shows it:
  fakctl audit verify journal.db --checkpoint kept.checkpoint --key kept.vkey
  fakctl audit verify journal.db --head 1234:sha256:5f2c...

Exit codes: 0 sound; 1 not sound; 65 not a journal; 66 no such file; 76 written by a newer fakd.")]
    Verify {
        #[command(flatten)]
        which: ThisJournal,
        /// A head kept elsewhere, which must be in this journal
        #[arg(long, value_name = "SEQ:DIGEST", value_parser = parse_head)]
        head: Option<KeptHead>,
        /// A signed checkpoint kept elsewhere: the journal must begin with the rows it covers
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        checkpoint: Option<PathBuf>,
        /// The journal's public key, or a file that holds it [default: journal.vkey beside the journal]
        #[arg(long, value_name = "KEY|FILE", requires = "checkpoint")]
        key: Option<KeyArg>,
    },
    /// The last rows
    Tail {
        #[command(flatten)]
        which: ThisJournal,
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u32,
        /// Keep on printing rows as they come
        #[arg(short, long)]
        follow: bool,
    },
    /// One row by number, or a session's rows by trace id
    Show {
        #[command(flatten)]
        which: WhichJournal,
        /// The row's number
        #[arg(required_unless_present = "trace", conflicts_with = "trace")]
        seq: Option<u64>,
        /// The session
        #[arg(long, value_name = "ID")]
        trace: Option<String>,
    },
    /// Rows as JSON lines, or the journal as a static transparency log (C2SP tlog-tiles)
    #[command(after_help = "\
Examples:
  fakctl audit export > rows.jsonl
  fakctl audit export --tiles /srv/www/log         # checkpoint, tile/, tile/entries/: serve it as it is")]
    Export {
        #[command(flatten)]
        which: ThisJournal,
        /// First row
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Last row [default: the newest]
        #[arg(long)]
        to: Option<u64>,
        /// Write a tlog-tiles log into this directory instead
        #[arg(long, value_name = "DIR", conflicts_with_all = ["from", "to"], value_hint = ValueHint::DirPath)]
        tiles: Option<PathBuf>,
        /// With --tiles: the checkpoint to publish [default: a fresh one from fakd, else the one beside the journal]
        #[arg(long, value_name = "FILE", requires = "tiles", value_hint = ValueHint::FilePath)]
        checkpoint: Option<PathBuf>,
    },
    /// Sign how many rows there are and what they hash to; keep the answer where fakd cannot write
    #[command(after_help = "\
Examples:
  fakctl audit checkpoint > $(hostname)-$(date +%F).checkpoint
  fakctl audit checkpoint --key > journal.vkey     # the public key, once, over a channel you trust")]
    Checkpoint {
        /// Sign what the journal was when it had this many rows [default: all there are]
        #[arg(long, value_name = "ROWS", conflicts_with = "key")]
        size: Option<u64>,
        /// Print the public key instead
        #[arg(long)]
        key: bool,
    },
    /// Prove that a row is in the journal; the proof verifies offline with the public key alone
    #[command(after_help = "\
Examples:
  fakctl audit prove 4711 > row.tlog-proof && fakctl audit check row.tlog-proof --key journal.vkey
  fakctl audit prove 4711 --journal copy.db --checkpoint kept.checkpoint    # from a copy, without fakd")]
    Prove {
        /// The row's number
        seq: u64,
        #[command(flatten)]
        from: ProofFrom,
    },
    /// Prove that the journal only grew from one size to another
    #[command(after_help = "\
OLD and NEW are numbers of rows, or files that hold a checkpoint.

Examples:
  fakctl audit prove-consistency kept.checkpoint > growth && fakctl audit check growth --old kept.checkpoint --key K
  fakctl audit prove-consistency 0                 # for a witness that sees this journal for the first time")]
    ProveConsistency {
        /// The earlier size
        old: SizeArg,
        /// The later size [default: all rows there are]
        new: Option<SizeArg>,
        #[command(flatten)]
        from: ProofFrom,
    },
    /// Verify a proof offline: no journal, no fakd
    #[command(after_help = "\
Exit codes: 0 proven; 1 not; 65 neither kind of proof.")]
    Check {
        /// What `prove` or `prove-consistency` printed; - for standard input
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        proof: String,
        /// The journal's public key, or a file that holds it
        #[arg(long, value_name = "KEY|FILE")]
        key: KeyArg,
        /// For growth: the earlier checkpoint, kept elsewhere
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        old: Option<PathBuf>,
    },
    /// Cosign another journal's checkpoint, when it only grew since the last time
    #[command(after_help = "\
On the other machine:  fakctl audit prove-consistency OLD > growth      (OLD: 0 the first time)
Here:                  fakctl audit witness growth --log-key other.vkey >> other.checkpoint")]
    Witness {
        /// The proof; - for standard input
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        proof: String,
        /// The other journal's public key, or a file that holds it
        #[arg(long, value_name = "KEY|FILE")]
        log_key: KeyArg,
    },
    /// Replace the journal's signing key; the change is a row, and the last checkpoint is signed by both keys
    RotateKey {
        /// Why; stands in the journal
        #[arg(long)]
        reason: String,
    },
}

/// What a proof is made from.
#[derive(Args, Debug)]
pub(crate) struct ProofFrom {
    /// This file instead of fakd
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) journal: Option<PathBuf>,
    /// With --journal: the signed checkpoint to prove against [default: the one beside the journal]
    #[arg(long, value_name = "FILE", requires = "journal", value_hint = ValueHint::FilePath)]
    pub(crate) checkpoint: Option<PathBuf>,
}

/// A public key: its text, or the name of a file that holds it.
#[derive(Clone, Debug)]
pub(crate) struct KeyArg(pub(crate) PublicKey);

impl FromStr for KeyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match fs::read_to_string(text) {
            Ok(held) => PublicKey::parse(&held),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !text.contains('+') => {
                return Err("neither a key (NAME+ID+BASE64) nor a file".to_owned());
            }
            Err(_) => PublicKey::parse(text),
        };
        parsed.map(Self).map_err(|error| error.to_string())
    }
}

/// A number of rows, or a file that holds a checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct SizeArg(pub(crate) u64);

impl FromStr for SizeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(size) = text.parse() {
            return Ok(Self(size));
        }
        let held = fs::read_to_string(text)
            .map_err(|error| format!("neither a number of rows nor a file: {error}"))?;
        let note = Note::parse(&held).map_err(|error| error.to_string())?;
        Checkpoint::of_text(note.text())
            .map(|checkpoint| Self(checkpoint.size))
            .ok_or_else(|| "the file holds no checkpoint".to_owned())
    }
}

#[derive(Args, Debug)]
pub(crate) struct WhichJournal {
    /// The journal [default: the user's, else /var/lib/fakd/journal.db]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) journal: Option<PathBuf>,
}

/// The journal where no other word may stand.
#[derive(Args, Debug)]
pub(crate) struct ThisJournal {
    /// The journal [default: the user's, else /var/lib/fakd/journal.db]
    #[arg(value_hint = ValueHint::FilePath)]
    path: Option<PathBuf>,
    /// The same, as the other verbs take it
    #[arg(long, value_name = "PATH", conflicts_with = "path", value_hint = ValueHint::FilePath)]
    journal: Option<PathBuf>,
}

impl ThisJournal {
    /// The journal that was named, either way.
    pub(crate) fn named(self) -> Option<PathBuf> {
        self.path.or(self.journal)
    }
}

/// A head that was kept elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptHead(pub(crate) fak_chain::Head);

/// `1234:sha256:<hex>`, as `audit verify` prints it.
fn parse_head(text: &str) -> Result<KeptHead, String> {
    let (seq, digest) = text.split_once(':').ok_or("a head is SEQ:sha256:HEX")?;
    let seq = seq
        .parse()
        .map_err(|_| "a head begins with the number of its row")?;
    let hash = fak_types::Digest::parse(digest).map_err(|error| error.to_string())?;
    Ok(KeptHead(fak_chain::Head { seq, hash }))
}
