//! `fakctl`: ask, inspect and operate fakd.
//!
//! One module per verb family; `flags` is the table of verbs, `client` the connection, `answer` and `out` what
//! is printed, `exit` how it ends. Nothing here decides a verdict: `adjudicate` and `hook` ask fakd, the
//! offline verbs ask the same policy code in this process. Whatever goes wrong ends with a code other than 0.

#![forbid(unsafe_code)]

mod answer;
mod ask;
mod audit;
mod backup;
mod client;
mod doctor;
mod emergency;
mod evidence;
mod exit;
mod flags;
mod hook;
mod offline;
mod operate;
mod out;
mod policy;
mod preflight;
mod question;
mod record;
mod replay;
mod results;
mod socket;
mod status;
mod tiles;
mod trace;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::{
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{AuditVerb, Cli, GlobalFlags, Shell, Verb},
    out::Out,
    socket::Reach,
};

/// The table of verbs and flags, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs `fakctl` with the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().collect();
    let exit = match Cli::try_parse_from(&given) {
        Ok(cli) => {
            let out = Out::new(cli.global.json, cli.global.quiet, cli.global.no_color);
            run(&out, &cli.global, cli.verb).unwrap_or_else(|failure| {
                out.failure(&failure);
                failure.exit
            })
        }
        Err(error) => misused(&given, &error),
    };
    ExitCode::from(exit.code())
}

fn run(out: &Out, global: &GlobalFlags, verb: Verb) -> Outcome {
    let daemon = |reach: Reach| {
        let socket = match &global.socket {
            Some(path) => path.clone(),
            None => {
                let named = std::env::var_os(fak_proto::SOCKET_ENV)
                    .filter(|path| !path.is_empty())
                    .map(PathBuf::from);
                socket::strongest(socket::resolve(named.as_deref()), reach)
            }
        };
        Daemon {
            socket,
            timeout: global.timeout,
        }
    };
    match verb {
        Verb::Adjudicate(flags) => ask::adjudicate(out, &daemon(Reach::Ask), &flags),
        Verb::Preflight(flags) => preflight::preflight(out, &flags),
        Verb::Run(flags) => replay::run(out, &daemon(Reach::Ask), &flags),
        Verb::Hook(flags) => hook::run(&daemon(Reach::Ask), &flags),
        Verb::Status => status::status(out, &daemon(Reach::Read)),
        Verb::Metrics => operate::metrics(out, &daemon(Reach::Read)),
        Verb::Admit(flags) => results::admit(out, &daemon(Reach::Ask), flags),
        Verb::PageIn(flags) => results::page_in(out, &daemon(Reach::Ask), &flags),
        Verb::Clear { seal, reason } => results::clear(out, &daemon(Reach::Change), &seal, &reason),
        Verb::Forget { seal, reason } => {
            results::forget(out, &daemon(Reach::Change), &seal, &reason)
        }
        Verb::Sessions(flags) => operate::sessions(out, &daemon(Reach::Read), flags.verb),
        Verb::Reload => operate::reload(out, &daemon(Reach::Change)),
        Verb::Emergency(flags) => {
            let reach = flags.verb.as_ref().map_or(Reach::Read, |_| Reach::Change);
            emergency::emergency(out, &daemon(reach), flags.verb)
        }
        Verb::Doctor(flags) => doctor::doctor(out, &daemon(Reach::Ask), &flags),
        Verb::Policy(verb) => policy::policy(out, &daemon(Reach::Read), verb),
        Verb::Audit(verb) => {
            let reach = match verb {
                AuditVerb::Witness { .. } | AuditVerb::RotateKey { .. } => Reach::Change,
                _ => Reach::Read,
            };
            audit::audit(out, &daemon(reach), verb)
        }
        Verb::Backup(verb) => backup::backup(out, verb),
        Verb::Completions { shell } => completions(shell),
        Verb::Version => operate::version(out),
    }
}

/// A command line that cannot be read: usage, or for a hook a refusal, because harnesses take every exit
/// code but 2 for "go ahead".
fn misused(given: &[OsString], error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return out::write(text.as_bytes()).map_or_else(|failure| failure.exit, |()| Exit::Ok);
    }
    if given.iter().any(|word| word == "--json") {
        let said = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        Out::new(true, false, true).failure(
            &Failure::new(Exit::Usage, said).fix("see `fakctl --help`, or `fakctl VERB --help`"),
        );
    } else {
        out::complain(text.trim_end());
    }
    if given
        .iter()
        .skip(1)
        .find(|word| !word.to_string_lossy().starts_with('-'))
        .is_some_and(|word| word == "hook")
    {
        Exit::Block
    } else {
        Exit::Usage
    }
}

fn completions(shell: Shell) -> Outcome {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "fakctl", &mut script);
    out::write(&script)?;
    Ok(Exit::Ok)
}
