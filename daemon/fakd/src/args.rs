//! What was typed, and what it means together with the configuration.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use fak_config::{Config, Dirs, Durability, Sources};

use crate::exit::{self, Failure};

/// The agent kernel: judges every tool call an AI agent makes, and keeps the evidence.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "fakd",
    version,
    after_help = "Without options fakd serves the whole machine: /run/fak/fakd.sock, /var/lib/fakd, /etc/fak.\n\
                  With --user it serves you alone and needs neither root nor a configuration file.\n\
                  Signals: HUP reloads the policy, TERM and INT stop in order.\n\
                  Exit codes: 0 stopped in order, 64 usage, 70 internal, 73 socket, 74 journal, 78 configuration\n\
                  or a journal of a newer format."
)]
pub(crate) struct Args {
    /// Serve the calling user: socket, state and policy in the XDG directories.
    #[arg(long)]
    pub(crate) user: bool,

    /// Read this configuration file and no other.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Check the configuration and every policy, say what is wrong, and exit.
    #[arg(long)]
    pub(crate) check_config: bool,

    /// Listen here.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Keep the journal in this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Read profiles from this file or directory, which must exist.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) policy: Option<PathBuf>,

    /// When a verdict leaves: after its journal row is on disk, or after it is queued.
    #[arg(long, value_enum)]
    pub(crate) durability: Option<DurabilityArg>,

    /// Log to standard error even when it is connected to the systemd journal. fakd never forks.
    #[arg(long)]
    pub(crate) foreground: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DurabilityArg {
    Commit,
    Async,
}

/// Arguments and files together; built anew for each reload.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    /// Someone named the policy: then it must exist.
    pub(crate) policy_required: bool,
}

impl Args {
    /// Reads the files and lays the arguments over them.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let dirs = if self.user {
            let env = |name: &str| std::env::var_os(name);
            Dirs::user(&env, fak_sys::effective_uid())
                .map_err(|text| Failure::new(exit::CONFIG, text))?
        } else {
            Dirs::system()
        };
        let sources = match &self.config {
            Some(file) => Sources::File(&dirs, file),
            None => Sources::Standard(&dirs),
        };
        let mut config = Config::load(&sources)
            .map_err(|problems| Failure::new(exit::CONFIG, fak_config::render(&problems)))?;
        let set = |place: &mut PathBuf, given: &Option<PathBuf>| -> Result<(), Failure> {
            if let Some(path) = given {
                *place = absolute(path)?;
            }
            Ok(())
        };
        set(&mut config.socket, &self.socket)?;
        set(&mut config.state_dir, &self.state_dir)?;
        set(&mut config.policy_dir, &self.policy)?;
        match self.durability {
            Some(DurabilityArg::Commit) => config.durability = Durability::Commit,
            Some(DurabilityArg::Async) => config.durability = Durability::Async,
            None => {}
        }
        Ok(Plan {
            config,
            policy_required: self.policy.is_some(),
        })
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new(
            exit::CONFIG,
            format!("{}: is not a usable path: {error}", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn arguments_win_over_files() {
        let args = Args::try_parse_from([
            "fakd",
            "--config",
            "/dev/null",
            "--socket",
            "/s",
            "--state-dir",
            "/d",
            "--policy",
            "/p",
            "--durability",
            "async",
        ])
        .expect("parsed");
        let plan = args.plan().expect("planned");
        assert_eq!(plan.config.socket, PathBuf::from("/s"));
        assert_eq!(plan.config.state_dir, PathBuf::from("/d"));
        assert_eq!(plan.config.policy_dir, PathBuf::from("/p"));
        assert_eq!(plan.config.durability, Durability::Async);
        assert!(plan.policy_required);
    }
}
