//! `fakd.toml` to validated settings.
//!
//! Every key has a default, so no file is needed. Files are read in order, a later file's key replaces
//! an earlier one's whole value: `/usr/lib/fak/fakd.toml`, `/etc/fak/fakd.toml`, `/etc/fak/fakd.toml.d/*.toml`
//! by name; a user daemon reads `$XDG_CONFIG_HOME/fak/` instead. Reading is strict: an unknown key, a
//! value of the wrong kind or out of bounds refuses the configuration, and *every* problem is told with
//! its file, line and column.
//!
//! This crate reads files and asks the name service; it opens no socket, creates nothing and changes
//! nothing.

#![forbid(unsafe_code)]

mod dirs;
mod keys;
mod problem;
mod read;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use dirs::Dirs;
pub use keys::{KEYS, Key, Kind};
pub use problem::{Problem, render};

/// Longest configuration file read. LIMIT: a longer one is refused.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// When a verdict may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After its row is on disk.
    Commit,
    /// After its row is queued.
    Async,
}

impl Durability {
    /// The spelling in the file, in arguments and in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Async => "async",
        }
    }
}

/// Whom a role is given to, beside root and the daemon's own user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// User ids.
    pub uids: Vec<u32>,
    /// Group ids, primary or supplementary.
    pub gids: Vec<u32>,
}

/// Who may do what. A principal may do what each list it is on permits, and administrators everything;
/// empty lists mean root and the daemon's own user only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// Status and own sessions.
    pub observe: Grant,
    /// Verdicts.
    pub submit: Grant,
    /// Every session, the status and the journal, read only.
    pub audit: Grant,
    /// The policy, every session, the journal.
    pub admin: Grant,
}

/// Bounds per principal and in all. Each is explained in [`KEYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of one user.
    pub connections_per_uid: usize,
    /// Open connections altogether.
    pub connections: usize,
    /// Calls of one user being answered.
    pub in_flight_per_uid: usize,
    /// Open streams of one user.
    pub streams_per_uid: usize,
    /// Longest message.
    pub frame_bytes: usize,
    /// Records waiting for the journal.
    pub journal_queue: usize,
}

/// What is signed, and when. Each is explained in [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The journal's name, when its key is made.
    pub origin: Option<String>,
    /// How often a checkpoint is signed; 0: on demand.
    pub checkpoint_minutes: usize,
}

/// Which results something is cut out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// None.
    Never,
    /// Those of sources the policy does not trust.
    Untrusted,
    /// All.
    Always,
}

impl Cut {
    /// Reads the spelling in the file; anything else is `Always`, the strictest.
    fn of(word: &str) -> Self {
        match word {
            "never" => Self::Never,
            "untrusted" => Self::Untrusted,
            _ => Self::Always,
        }
    }
}

/// What results are screened for. Each is explained in [`KEYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screening {
    /// Longest result that is read at once.
    pub oversize_bytes: usize,
    /// Whether secrets are cut out, instead of sealing the whole result.
    pub redact_secrets: bool,
    /// Payment cards.
    pub cards: Cut,
    /// Mail addresses.
    pub emails: Cut,
    /// Social security numbers.
    pub ssns: Cut,
    /// Bank account numbers.
    pub ibans: Cut,
}

/// The configuration, complete and within bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where fakd listens.
    pub socket: PathBuf,
    /// The socket's file mode.
    pub socket_mode: u32,
    /// Where the journal lives.
    pub state_dir: PathBuf,
    /// Where profiles are read from.
    pub policy_dir: PathBuf,
    /// When a verdict may leave.
    pub durability: Durability,
    /// Bounds.
    pub limits: Limits,
    /// Who may do what.
    pub acl: Acl,
    /// What is signed, and when.
    pub evidence: Evidence,
    /// What results are screened for.
    pub screen: Screening,
    /// Whether fakd starts where the kernel cannot confine it.
    pub allow_degraded: bool,
    /// The least severe message logged: `error`, `warn`, `info` or `debug`.
    pub log_level: String,
}

/// Which files to read.
#[derive(Clone, Debug)]
pub enum Sources<'a> {
    /// The files of these directories, each where it exists.
    Standard(&'a Dirs),
    /// One file, which must exist, over the defaults of these directories.
    File(&'a Dirs, &'a Path),
}

impl Config {
    /// What holds when no file says otherwise.
    #[must_use]
    pub fn defaults(dirs: &Dirs) -> Self {
        Self {
            socket: dirs.socket.clone(),
            socket_mode: dirs.socket_mode,
            state_dir: dirs.state.clone(),
            policy_dir: dirs.policy.clone(),
            durability: Durability::Commit,
            limits: Limits {
                connections_per_uid: 64,
                connections: 1024,
                in_flight_per_uid: 128,
                streams_per_uid: 32,
                frame_bytes: (4 << 20) + (64 << 10),
                journal_queue: 8192,
            },
            acl: Acl::default(),
            evidence: Evidence {
                origin: None,
                checkpoint_minutes: 60,
            },
            screen: Screening {
                oversize_bytes: 256 << 10,
                redact_secrets: true,
                cards: Cut::Untrusted,
                emails: Cut::Never,
                ssns: Cut::Never,
                ibans: Cut::Never,
            },
            allow_degraded: false,
            log_level: "info".to_owned(),
        }
    }

    /// Reads the files and lays them over the defaults.
    ///
    /// # Errors
    /// Every problem of every file, in order; nothing is taken from a configuration with a problem.
    pub fn load(sources: &Sources<'_>) -> Result<Self, Vec<Problem>> {
        let (dirs, files, must_exist) = match *sources {
            Sources::Standard(dirs) => (dirs, dirs.config_files()?, false),
            Sources::File(dirs, file) => (dirs, vec![file.to_owned()], true),
        };
        let mut config = Self::defaults(dirs);
        let mut problems = Vec::new();
        for file in files {
            match read_text(&file) {
                Ok(text) => read::apply(&mut config, &file, &text, &mut problems),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {}
                Err(error) => {
                    problems.push(Problem::of_file(&file, format!("cannot be read: {error}")))
                }
            }
        }
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    /// The keys whose new value needs a restart, when `self` is in force and `new` was read.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        let mut note = |changed: bool, key: &'static str| {
            if changed {
                keys.push(key);
            }
        };
        note(self.socket != new.socket, "socket");
        note(self.socket_mode != new.socket_mode, "socket_mode");
        note(self.state_dir != new.state_dir, "state_dir");
        note(self.durability != new.durability, "durability");
        note(self.limits != new.limits, "limits");
        note(self.screen != new.screen, "screen");
        note(
            self.allow_degraded != new.allow_degraded,
            "sandbox.allow_degraded",
        );
        note(self.log_level != new.log_level, "log_level");
        keys
    }
}

fn read_text(file: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    let taken = fs::File::open(file)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(taken).is_ok_and(|bytes| bytes > FILE_BYTES_MAX) {
        let text = format!("longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
