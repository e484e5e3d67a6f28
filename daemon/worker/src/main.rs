//! `fak-worker THREADS`: started by fakd, of no use by hand.

#![forbid(unsafe_code)]

use std::{env, io::Write as _, process::ExitCode};

use fak_worker::{ServeError, THREADS_MAX, serve};

/// Exit codes as in `sysexits.h`: a wrong command line, a sandbox that does not work, a broken protocol.
const USAGE: u8 = 64;
const UNCONFINED: u8 = 70;
const PROTOCOL: u8 = 76;

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let threads = args.next().and_then(|text| text.parse().ok());
    let threads = threads.filter(|count| (1..=THREADS_MAX).contains(count));
    let Some(threads) = threads.filter(|_| args.next().is_none()) else {
        say("usage: fak-worker THREADS; it is started by fakd");
        return ExitCode::from(USAGE);
    };
    match serve(threads) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(match error {
                ServeError::Start(_) => USAGE,
                ServeError::Cell(_) => UNCONFINED,
                ServeError::Frame(_) => PROTOCOL,
            })
        }
    }
}

fn say(text: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "fak-worker: {text}");
}
