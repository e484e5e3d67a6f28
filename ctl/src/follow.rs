//! Following what changes: across restarts of fakd, until somebody ends it.
//!
//! A verb that follows writes what is new and nothing twice. When fakd goes away it says so once on standard
//! error and waits; what it was told before is remembered, so that the first answer of the new fakd is not
//! news again. It ends cleanly at Ctrl-C, at `SIGTERM`, and when the reader of its output has gone.

use std::{cell::Cell, collections::HashMap, io, os::fd::AsFd as _, time::Duration};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::StreamExt as _;
use tonic::{Code, Response, Status, Streaming};

use crate::{
    client::{Daemon, Fak, runtime},
    exit::{Exit, Failure, Outcome},
    out,
};

/// The first pause before fakd is looked for again.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// LIMIT: the longest such pause; pauses double up to it.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How often a quiet verb looks whether anybody still reads it.
const READER_EVERY: Duration = Duration::from_millis(250);

/// Names whose last state is remembered. LIMIT: past this all are forgotten, and a state may be told again.
const SEEN_MAX: usize = 65_536;

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    On,
    End(Exit),
}

/// What was told last about each name.
#[derive(Default)]
pub(crate) struct Seen(HashMap<String, String>);

impl Seen {
    /// False when this is what was told last.
    pub(crate) fn is_new(&mut self, name: String, state: String) -> bool {
        if self.0.get(&name) == Some(&state) {
            return false;
        }
        if self.0.len() >= SEEN_MAX {
            self.0.clear();
        }
        self.0.insert(name, state);
        true
    }
}

/// Why a round ended early: fakd will be back, or there is no point in waiting.
pub(crate) enum Trouble {
    Passing(Failure),
    Final(Failure),
}

impl Trouble {
    /// What an RPC's error means for whoever follows.
    pub(crate) fn of(daemon: &Daemon, status: &Status) -> Self {
        // A broken connection is no answer of fakd's own.
        let broken = std::error::Error::source(status).is_some();
        let failure = daemon.failed(status);
        let passing = matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted
        );
        if broken || passing {
            Self::Passing(failure)
        } else {
            Self::Final(failure)
        }
    }

    /// Connecting failed.
    fn connecting(failure: Failure) -> Self {
        if matches!(failure.exit, Exit::Unreachable | Exit::TryAgain) {
            Self::Passing(failure)
        } else {
            Self::Final(failure)
        }
    }
}

/// Hands every message of a stream to `on`; opens the stream anew as long as `on` wants more.
///
/// # Errors
/// Whatever `on` says; what keeps the first stream from opening; what makes another one pointless.
/// Ended by a signal, the exit is `interrupted`.
pub(crate) fn stream<T, F>(
    daemon: &Daemon,
    interrupted: Exit,
    mut open: impl FnMut(Fak) -> F,
    mut on: impl FnMut(T) -> Result<Follow, Failure>,
) -> Outcome
where
    F: Future<Output = Result<Response<Streaming<T>>, Status>>,
{
    let patience = Patience {
        wait: None,
        over: interrupted,
    };
    rounds(daemon, patience, async |client: Fak, heard: &Cell<bool>| {
        let opened = daemon.in_time(open(client)).await;
        let opened = opened.map_err(Trouble::Passing)?;
        let mut messages = opened
            .map_err(|status| Trouble::of(daemon, &status))?
            .into_inner();
        heard.set(true);
        while let Some(message) = messages.next().await {
            let message = message.map_err(|status| Trouble::of(daemon, &status))?;
            if let Follow::End(exit) = on(message).map_err(Trouble::Final)? {
                return Ok(Follow::End(exit));
            }
        }
        Ok(Follow::On)
    })
}

/// Asks again and again, `every` so often.
///
/// # Errors
/// As [`stream`].
pub(crate) fn asking<T, F>(
    daemon: &Daemon,
    every: Duration,
    mut ask: impl FnMut(Fak) -> F,
    mut on: impl FnMut(T) -> Result<Follow, Failure>,
) -> Outcome
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let patience = Patience {
        wait: None,
        over: Exit::Ok,
    };
    rounds(daemon, patience, async |client: Fak, heard: &Cell<bool>| {
        loop {
            let answer = daemon.in_time(ask(client.clone())).await;
            let answer = answer
                .map_err(Trouble::Passing)?
                .map_err(|status| Trouble::of(daemon, &status))?;
            heard.set(true);
            if let Follow::End(exit) = on(answer.into_inner()).map_err(Trouble::Final)? {
                return Ok(Follow::End(exit));
            }
            tokio::time::sleep(every).await;
        }
    })
}

/// When to give up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Longest time in all; for ever without.
    pub(crate) wait: Option<Duration>,
    /// How it ends then, and at a signal.
    pub(crate) over: Exit,
}

/// Runs `round` over a connection until it says that this is the end; over another one when fakd went away.
/// The flag is to be set once fakd has answered: what goes wrong before that, the first time, is not waited out.
///
/// # Errors
/// As [`stream`].
pub(crate) fn rounds(
    daemon: &Daemon,
    patience: Patience,
    round: impl AsyncFnMut(Fak, &Cell<bool>) -> Result<Follow, Trouble>,
) -> Outcome {
    let wait = async {
        match patience.wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
    };
    runtime()?.block_on(async {
        tokio::select! {
            ended = ended(patience.over) => ended,
            () = wait => Ok(patience.over),
            outcome = again(daemon, round) => outcome,
        }
    })
}

async fn again(
    daemon: &Daemon,
    mut round: impl AsyncFnMut(Fak, &Cell<bool>) -> Result<Follow, Trouble>,
) -> Outcome {
    let (mut was_there, mut told) = (false, false);
    let mut pause = PAUSE_MIN;
    let heard = Cell::new(false);
    loop {
        heard.set(false);
        let connected = daemon.in_time(daemon.connect()).await;
        let ended = match connected.and_then(std::convert::identity) {
            Ok(client) => round(client, &heard).await,
            Err(failure) => Err(Trouble::connecting(failure)),
        };
        if heard.get() {
            was_there = true;
            told = false;
            pause = PAUSE_MIN;
        }
        let failure = match ended {
            Ok(Follow::End(exit)) => return Ok(exit),
            Ok(Follow::On) => Failure::new(Exit::Unreachable, "fakd closed the stream"),
            Err(Trouble::Passing(failure)) if was_there => failure,
            Err(Trouble::Passing(failure) | Trouble::Final(failure)) => return Err(failure),
        };
        if !told {
            let why = failure.message.trim_end_matches('.');
            out::complain(&format!("fakctl: {why}; waiting for it to come back"));
            told = true;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Comes back when somebody ends the verb, or nobody reads it any more.
async fn ended(interrupted: Exit) -> Outcome {
    let caught = |kind| {
        signal(kind).map_err(|error| Failure::new(Exit::Internal, format!("signals: {error}")))
    };
    let mut interrupt = caught(SignalKind::interrupt())?;
    let mut terminate = caught(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(interrupted),
            _ = terminate.recv() => return Ok(interrupted),
            () = tokio::time::sleep(READER_EVERY) => {
                if reader_has_gone() {
                    return Ok(Exit::Closed);
                }
            }
        }
    }
}

fn reader_has_gone() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let polled = poll(&mut fds, PollTimeout::ZERO);
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    let [fd] = fds;
    polled.is_ok() && fd.revents().is_some_and(|events| events.intersects(gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_state_is_told_once() {
        let mut seen = Seen::default();
        assert!(seen.is_new("a".into(), "pending".into()));
        assert!(!seen.is_new("a".into(), "pending".into()));
        assert!(seen.is_new("b".into(), "pending".into()));
        assert!(seen.is_new("a".into(), "approved".into()));
        for n in 0..=SEEN_MAX {
            seen.is_new(n.to_string(), String::new());
        }
        assert!(seen.0.len() <= SEEN_MAX);
    }
}
