//! `adjudicate` and `preflight`: one question, or a stream of them.

use std::io::{BufRead as _, Read as _};

use fak_proto::v1::AdjudicateRequest;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};

use crate::{
    answer::{self, Answer, exit_of},
    approvals,
    client::{Daemon, Fak},
    exit::{Exit, Failure, Outcome},
    flags::{AdjudicateFlags, AskFlags},
    out::{self, ErrorObject, Out},
    question::{self, INPUT_BYTES_MAX, Place},
};

/// Questions read ahead of the answers in a stream. LIMIT: fakd bounds its side too.
pub(crate) const AHEAD_MAX: usize = 256;

/// One question to fakd, or a stream of them.
pub(crate) fn adjudicate(out: &Out, daemon: &Daemon, more: &AdjudicateFlags) -> Outcome {
    let flags = &more.ask;
    if flags.stream {
        return stream(daemon);
    }
    let mut request = request(flags)?;
    request.witness = more.witness.clone().unwrap_or_default();
    let args = request.args.clone();
    let once = |request: AdjudicateRequest| {
        daemon.ask(async |client| ask(daemon, client, request, flags.explain).await)
    };
    let mut answer = once(request.clone())?;
    if let Some(wait) = more.wait
        && !answer.response.approval_id.is_empty()
    {
        let id = answer.response.approval_id.clone();
        if !out.quiet {
            let how = answer::how_to_approve(&id);
            out::complain(&format!("fakctl: waiting for somebody else: {how}"));
        }
        // Denied and expired are verdicts too, and fakd says them best.
        let decided = approvals::decided(daemon, &id, Some(wait), |_| Ok(()))?;
        if decided != Exit::Approval {
            let mut again = request;
            again.trace_id.clone_from(&answer.response.trace_id);
            answer = once(again)?;
        }
    }
    if let (Some(path), Some(cached)) = (&more.cached, &answer.response.cached) {
        std::fs::write(path, &cached.result)
            .map_err(|error| Failure::reading(&path.to_string_lossy(), &error))?;
    }
    show(out, &answer, flags, &args)
}

pub(crate) fn request(flags: &AskFlags) -> Result<AdjudicateRequest, Failure> {
    let own = Place::own();
    let tool = flags.tool.clone().ok_or_else(|| {
        Failure::new(Exit::Usage, "which tool?")
            .fix("fakctl adjudicate TOOL --args JSON, or --stream for JSON lines")
    })?;
    Ok(AdjudicateRequest {
        witness: String::new(),
        tool,
        args: question::args_text(flags.args.as_deref())?.into_bytes(),
        trace_id: flags.trace.clone().unwrap_or_default(),
        cwd: flags.cwd.clone().unwrap_or(own.cwd),
        home: flags.home.clone().unwrap_or(own.home),
        call_id: flags.call_id.clone().unwrap_or_default(),
    })
}

async fn ask(
    daemon: &Daemon,
    mut client: Fak,
    request: AdjudicateRequest,
    explain: bool,
) -> Result<Answer, Failure> {
    let again = explain.then(|| request.clone());
    let response = client
        .adjudicate(request)
        .await
        .map_err(|status| daemon.failed(&status))?;
    let mut answer = Answer::of(response.into_inner());
    if let Some(mut again) = again {
        again.trace_id.clone_from(&answer.response.trace_id);
        let explained = client
            .explain(again)
            .await
            .map_err(|status| daemon.failed(&status))?;
        answer.explanation = Some(explained.into_inner());
    }
    Ok(answer)
}

pub(crate) fn show(out: &Out, answer: &Answer, flags: &AskFlags, asked: &[u8]) -> Outcome {
    let exit = exit_of(&answer.verdict, flags.rewrite);
    if out.json {
        out.object(&answer.object())?;
    } else if flags.rewrite && exit == Exit::Ok {
        // What to run, and nothing else: the edited arguments, or the ones asked about.
        let edited = !answer.response.repaired_args.is_empty();
        let run = if edited {
            answer.response.repaired_args.as_slice()
        } else {
            asked
        };
        out::write(if run.is_empty() { b"{}" } else { run })?;
    } else if flags.rewrite {
        out::complain(answer.text(out, true).trim_end());
    } else {
        out.text(&answer.text(out, false))?;
    }
    Ok(exit)
}

/// What a line of a stream is waiting for.
enum Slot {
    /// fakd's answer to the call on this line.
    Answer(u64),
    /// Nothing: the line was bad, and this says so.
    Bad(Vec<u8>),
    /// Nothing more can be read.
    Stop(Failure),
}

/// JSON lines in, JSON lines out, one for one and in order.
fn stream(daemon: &Daemon) -> Outcome {
    let (lines, from_reader) = mpsc::channel(AHEAD_MAX);
    std::thread::spawn(move || read_lines(&lines));
    daemon.converse(async |mut client| {
        let (questions, requests) = mpsc::channel(AHEAD_MAX);
        let (slots, mut waiting) = mpsc::channel(AHEAD_MAX);
        tokio::spawn(feed(from_reader, questions, slots));
        let call = client.adjudicate_stream(ReceiverStream::new(requests));
        let mut answers = call
            .await
            .map_err(|status| daemon.failed(&status))?
            .into_inner();
        let mut worst = Exit::Ok;
        while let Some(slot) = waiting.recv().await {
            let number = match slot {
                Slot::Answer(number) => number,
                Slot::Bad(object) => {
                    worst = Exit::Data;
                    out::write(&object)?;
                    continue;
                }
                Slot::Stop(failure) => return Err(failure),
            };
            match answers.next().await {
                Some(Ok(response)) => out::write(&out::stamped(&Answer::of(response).object())?)?,
                Some(Err(status)) => return broken(&daemon.failed(&status), number, &mut waiting),
                None => {
                    let failure = Failure::new(Exit::Unreachable, "fakd closed the stream");
                    return broken(&failure, number, &mut waiting);
                }
            }
        }
        Ok(worst)
    })
}

/// Turns lines into questions for fakd and slots for the writer, in the same order.
async fn feed(
    mut lines: mpsc::Receiver<Result<(u64, String), Failure>>,
    questions: mpsc::Sender<AdjudicateRequest>,
    slots: mpsc::Sender<Slot>,
) {
    let place = Place::own();
    while let Some(line) = lines.recv().await {
        let (slot, question) = match line {
            Err(failure) => (Slot::Stop(failure), None),
            Ok((number, text)) => match question::parse_line(&text, &place) {
                Ok(request) => (Slot::Answer(number), Some(request)),
                Err(failure) => match bad_line(&failure, number) {
                    Ok(object) => (Slot::Bad(object), None),
                    Err(failure) => (Slot::Stop(failure), None),
                },
            },
        };
        if slots.send(slot).await.is_err() {
            return;
        }
        if let Some(question) = question {
            // When fakd has hung up, the side that waits for its answer says why.
            let _ = questions.send(question).await;
        }
    }
}

/// Every call read and not answered gets a refusal of its own; then the stream ends.
fn broken(failure: &Failure, number: u64, waiting: &mut mpsc::Receiver<Slot>) -> Outcome {
    out::write(&bad_line(failure, number)?)?;
    while let Ok(slot) = waiting.try_recv() {
        match slot {
            Slot::Bad(object) => out::write(&object)?,
            Slot::Answer(number) => out::write(&bad_line(failure, number)?)?,
            Slot::Stop(_) => break,
        }
    }
    out::complain(&format!("fakctl: {failure}"));
    Ok(failure.exit)
}

pub(crate) fn bad_line(failure: &Failure, number: u64) -> Result<Vec<u8>, Failure> {
    let mut object = ErrorObject::of(failure);
    object.line = Some(number);
    out::stamped(&object)
}

/// Standard input, line by line, bounded; blank lines are skipped.
pub(crate) fn read_lines(to: &mpsc::Sender<Result<(u64, String), Failure>>) {
    let mut stdin = std::io::stdin().lock();
    let mut number = 0_u64;
    loop {
        number += 1;
        let mut bytes = Vec::new();
        let read = (&mut stdin)
            .take(INPUT_BYTES_MAX + 1)
            .read_until(b'\n', &mut bytes);
        let line = match read {
            Ok(0) => return,
            Ok(_) if bytes.len() as u64 > INPUT_BYTES_MAX => Err(Failure::data(format!(
                "line {number}: longer than {INPUT_BYTES_MAX} bytes"
            ))),
            Ok(_) => String::from_utf8(bytes)
                .map(|text| (number, text))
                .map_err(|_| Failure::data(format!("line {number}: not UTF-8"))),
            Err(error) => Err(Failure::new(Exit::Io, format!("standard input: {error}"))),
        };
        if line.as_ref().is_ok_and(|(_, text)| text.trim().is_empty()) {
            continue;
        }
        let last = line.is_err();
        if to.blocking_send(line).is_err() || last {
            return;
        }
    }
}
