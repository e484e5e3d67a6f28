//! Any other harness: one strict call in, fakctl's own JSON out, the exit codes of `adjudicate`.

use crate::{
    answer::{Answer, exit_of},
    client::Daemon,
    exit::{Exit, Outcome},
    flags::{HookFlags, OnError},
    out::{self, ErrorObject},
    question::{self, Place},
};

/// Reads one call, asks, prints the answer or one error object.
pub(super) fn run(daemon: &Daemon, flags: &HookFlags) -> Outcome {
    let answered = question::stdin_text()
        .and_then(|text| question::parse_line(&text, &Place::own()))
        .and_then(|request| {
            daemon.ask(async |mut client| {
                client
                    .adjudicate(request)
                    .await
                    .map_err(|status| daemon.failed(&status))
            })
        });
    match answered {
        Ok(response) => {
            let answer = Answer::of(response.into_inner());
            out::write(&out::stamped(&answer.object())?)?;
            Ok(exit_of(&answer.verdict, flags.rewrite))
        }
        Err(failure) => {
            out::write(&out::stamped(&ErrorObject::of(&failure))?)?;
            out::complain(&format!("fakctl: {failure}"));
            Ok(match flags.on_error {
                OnError::Deny => failure.exit,
                OnError::Ask => Exit::Approval,
            })
        }
    }
}
