//! `fakctl`: ask, inspect and operate fakd.
//!
//! One module per verb family; `flags` is the table of verbs, `client` the connection, `answer` and `out` what
//! is printed, `exit` how it ends. Nothing here decides a verdict: `adjudicate` and `hook` ask fakd, the
//! offline verbs ask the same policy code in this process. Whatever goes wrong ends with a code other than 0.

#![forbid(unsafe_code)]

mod answer;
mod approvals;
mod ask;
mod audit;
mod backup;
mod changes;
mod client;
mod doctor;
mod emergency;
mod evidence;
mod exit;
mod flags;
mod follow;
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
mod screening;
mod sessions;
mod socket;
mod status;
mod tell;
mod tiles;
mod trace;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::{
    client::Daemon,
    exit::{Exit, Failure, Outcome},
    flags::{
        AuditVerb, Cli, DoctorVerb, EmergencyFlags, GlobalFlags, SessionVerb, Shell, TaintVerb,
        Verb,
    },
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
    let daemon = &daemon(global, reach(&verb));
    match verb {
        Verb::Adjudicate(flags) => ask::adjudicate(out, daemon, &flags),
        Verb::Preflight(flags) => preflight::preflight(out, &flags),
        Verb::Run(flags) => replay::run(out, daemon, &flags),
        Verb::Hook(flags) => hook::run(daemon, &flags),
        Verb::Status => status::status(out, daemon),
        Verb::Metrics => operate::metrics(out, daemon),
        Verb::Admit(flags) => results::admit(out, daemon, flags),
        Verb::PageIn(flags) => results::page_in(out, daemon, &flags),
        Verb::Tell(flags) => tell::tell(out, daemon, flags),
        Verb::Taint(verb) => tell::taint(out, daemon, verb),
        Verb::Approvals(verb) => approvals::approvals(out, daemon, verb),
        Verb::Clear { seal, reason } => results::clear(out, daemon, &seal, reason),
        Verb::Forget { seal, reason } => results::forget(out, daemon, &seal, reason),
        Verb::Changes(flags) => changes::changes(out, daemon, &flags),
        Verb::Revoke { witness, reason } => changes::revoke(out, daemon, witness, reason),
        Verb::Sessions(flags) => sessions::sessions(out, daemon, flags.verb),
        Verb::Session(verb) => sessions::session(out, daemon, verb),
        Verb::Reload => operate::reload(out, daemon),
        Verb::Emergency(flags) => emergency::emergency(out, daemon, flags.verb),
        Verb::Doctor(flags) => match flags.verb {
            Some(DoctorVerb::Text(text)) => screening::text(out, &text),
            None => doctor::doctor(out, daemon, &flags),
        },
        Verb::AnswerShape(flags) => screening::shape(out, &flags),
        Verb::Policy(verb) => policy::policy(out, daemon, verb),
        Verb::Audit(verb) => audit::audit(out, daemon, verb),
        Verb::Backup(verb) => backup::backup(out, verb),
        Verb::Completions { shell } => completions(shell),
        Verb::Version => operate::version(out),
    }
}

/// Where fakd is, for a verb that wants this much of it.
fn daemon(global: &GlobalFlags, reach: Reach) -> Daemon {
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
}

/// What a verb wants of fakd.
fn reach(verb: &Verb) -> Reach {
    match verb {
        Verb::Status
        | Verb::Metrics
        | Verb::Sessions(_)
        | Verb::Policy(_)
        | Verb::Emergency(EmergencyFlags { verb: None })
        | Verb::Taint(TaintVerb::Get { .. })
        | Verb::Session(
            SessionVerb::List { .. } | SessionVerb::Get { .. } | SessionVerb::Watch { .. },
        ) => Reach::Read,
        Verb::Session(SessionVerb::Reserve(_) | SessionVerb::Settle(_)) => Reach::Ask,
        Verb::Audit(AuditVerb::Witness { .. } | AuditVerb::RotateKey { .. })
        | Verb::Approvals(_)
        | Verb::Clear { .. }
        | Verb::Forget { .. }
        | Verb::Revoke { .. }
        | Verb::Session(_)
        | Verb::Taint(TaintVerb::Reset { .. })
        | Verb::Reload
        | Verb::Emergency(_) => Reach::Change,
        Verb::Audit(_) => Reach::Read,
        _ => Reach::Ask,
    }
}

/// A command line that cannot be read: usage, or for a hook a refusal, because harnesses take every exit
/// code but 2 for "go ahead"; 2 also for verbs that are asked like `grep`.
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
    if answers_two(given) {
        Exit::Block
    } else {
        Exit::Usage
    }
}

/// Verbs whose trouble is 2: hooks, where it blocks, and those that answer a shell's question with 0 and 1.
fn answers_two(given: &[OsString]) -> bool {
    let mut words = given
        .iter()
        .skip(1)
        .map(|word| word.to_string_lossy())
        .filter(|word| !word.starts_with('-'));
    match words.next().as_deref() {
        Some("hook" | "answer-shape") => true,
        Some("doctor") => words.next().as_deref() == Some("text"),
        _ => false,
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
