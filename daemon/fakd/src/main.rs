//! The agent kernel as a Linux system daemon.
//!
//! `main` reads the arguments, then the configuration, then the policy, then opens the journal, then the
//! socket, and only then says that it is ready; each step that fails ends the program with a sentence
//! that names the cause and the remedy, and with an exit code of its own. From then on two worker
//! threads answer, one thread writes the journal, one writes the log.

#![forbid(unsafe_code)]

mod args;
mod evidence;
mod exit;
mod keep;
mod keys;
mod ledger;
mod listen;
mod notary;
mod office;
mod profiles;
mod restore;
mod run;
mod watchdog;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let _ = error.print();
            return if error.use_stderr() {
                exit::USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("fakd: {failure}");
            failure.code.into()
        }
    }
}
