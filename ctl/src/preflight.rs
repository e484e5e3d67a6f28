//! `preflight`: the question of `adjudicate`, judged in this process.

use tokio::sync::mpsc;

use crate::{
    ask,
    exit::{Exit, Outcome},
    flags::PreflightFlags,
    offline::Judge,
    out::{self, Out},
    question::{self, Place},
};

/// One question, or a stream of them; no daemon, no journal row.
pub(crate) fn preflight(out: &Out, flags: &PreflightFlags) -> Outcome {
    let judge = Judge::load(flags.policy.as_deref())?;
    if flags.ask.stream {
        return stream(&judge);
    }
    let request = ask::request(&flags.ask)?;
    let answer = judge.answer(&request, flags.ask.explain)?;
    ask::show(out, &answer, &flags.ask, &request.args)
}

fn stream(judge: &Judge) -> Outcome {
    let place = Place::own();
    let (lines, mut from_reader) = mpsc::channel(ask::AHEAD_MAX);
    std::thread::spawn(move || ask::read_lines(&lines));
    let mut worst = Exit::Ok;
    while let Some(line) = from_reader.blocking_recv() {
        let (number, text) = line?;
        let object = match question::parse_line(&text, &place) {
            Ok(request) => out::stamped(&judge.answer(&request, false)?.object())?,
            Err(failure) => {
                worst = Exit::Data;
                ask::bad_line(&failure, number)?
            }
        };
        out::write(&object)?;
    }
    Ok(worst)
}
