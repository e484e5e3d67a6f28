//! The bounded queue between whoever logs and the one thread that writes.

use std::{
    error, fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::{Event, Sink, notice::plain, sink::Open};

/// Lines that may wait to be written. LIMIT: beyond it lines are dropped and counted.
pub const QUEUE_LINES_MAX: usize = 1024;

/// How long the end of the program waits for the last lines.
const FLUSH_WAIT: Duration = Duration::from_millis(500);

/// A line on its way.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: Vec<(&'static str, String)>,
}

enum Item {
    Line(Line),
    /// Answered when every line before it is written.
    Flush(SyncSender<()>),
}

static QUEUE: OnceLock<SyncSender<Item>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Logging could not be set up.
#[derive(Debug)]
pub enum InitError {
    /// It is set up already.
    Twice,
    /// The writing thread cannot be started.
    Thread(std::io::Error),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice => f.write_str("logging is set up already"),
            Self::Thread(error) => write!(f, "the log's thread cannot be started: {error}"),
        }
    }
}

impl error::Error for InitError {}

/// Keeps the log's last lines from being lost: dropping it waits a moment for them.
#[derive(Debug)]
pub struct Guard(());

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(queue) = QUEUE.get() else { return };
        let (done, wait) = sync_channel(1);
        let until = Instant::now() + FLUSH_WAIT;
        let mut item = Item::Flush(done);
        while let Err(TrySendError::Full(back)) = queue.try_send(item) {
            if Instant::now() >= until {
                return;
            }
            item = back;
            thread::sleep(Duration::from_millis(1));
        }
        let _ = wait.recv_timeout(FLUSH_WAIT);
    }
}

/// Sets up logging for the whole process; `level` is the least severe level kept.
///
/// # Errors
/// [`InitError`] when it is set up already or the writing thread cannot be started.
pub fn init(sink: Sink, level: LevelFilter) -> Result<Guard, InitError> {
    start(sink.open(), level)
}

fn start(open: Open, level: LevelFilter) -> Result<Guard, InitError> {
    let (send, receive) = sync_channel(QUEUE_LINES_MAX);
    QUEUE.set(send).map_err(|_| InitError::Twice)?;
    log::set_boxed_logger(Box::new(Foreign)).map_err(|_| InitError::Twice)?;
    log::set_max_level(level);
    thread::Builder::new()
        .name("fakd-log".to_owned())
        .stack_size(128 << 10)
        .spawn(move || drain(&receive, open, &DROPPED))
        .map_err(InitError::Thread)?;
    Ok(Guard(()))
}

/// How many lines have been dropped since the start.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Puts a line into the queue or counts it as dropped. Before [`init`] it goes nowhere.
pub(crate) fn offer(line: Line) {
    if let Some(queue) = QUEUE.get()
        && queue.try_send(Item::Line(line)).is_err()
    {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn drain(items: &Receiver<Item>, mut sink: Open, dropped: &AtomicU64) {
    let mut told = 0;
    loop {
        match items.recv_timeout(Duration::from_secs(1)) {
            Ok(Item::Line(line)) => sink.write(&line),
            Ok(Item::Flush(done)) => drop(done.try_send(())),
            Err(RecvTimeoutError::Timeout) => {
                let now = dropped.load(Ordering::Relaxed);
                if now > told {
                    sink.write(&lines_dropped(now - told));
                    told = now;
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn lines_dropped(count: u64) -> Line {
    let event = Event::LinesDropped;
    Line {
        level: event.level(),
        message: format!("{count} log lines were dropped because the queue was full"),
        fields: vec![
            ("FAK_EVENT", event.as_str().to_owned()),
            ("MESSAGE_ID", event.message_id().to_owned()),
        ],
    }
}

/// Takes lines of the `log` macros, in this program and in libraries; libraries only from warnings up,
/// and without their fields, whose content this program does not vouch for.
struct Foreign;

impl Log for Foreign {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().starts_with("fak");
        metadata.level() <= log::max_level() && (own || metadata.level() <= Level::Warn)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = plain(&record.args().to_string(), 8 * crate::FIELD_BYTES_MAX);
            offer(Line {
                level: record.level(),
                message,
                fields: Vec::new(),
            });
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Notice;

    #[test]
    fn a_full_queue_never_blocks_and_counts() {
        let guard = start(Open::Stuck, LevelFilter::Info).expect("first");
        assert!(matches!(
            init(Sink::Stderr, LevelFilter::Info),
            Err(InitError::Twice)
        ));
        let start = Instant::now();
        // The sink takes nothing, as a journal does that itself waits for a verdict.
        for number in 0..20 * QUEUE_LINES_MAX {
            Notice::of(Event::Refused)
                .tool("Bash")
                .say(&format!("line {number}"));
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(dropped() >= 18 * QUEUE_LINES_MAX as u64, "{}", dropped());
        drop(guard);
        Notice::of(Event::Started).say("still no panic");
    }

    #[test]
    fn library_chatter_is_left_out() {
        let metadata = |target, level| Metadata::builder().target(target).level(level).build();
        log::set_max_level(LevelFilter::Info);
        assert!(!Foreign.enabled(&metadata("h2::frame", Level::Info)));
        assert!(Foreign.enabled(&metadata("h2::frame", Level::Warn)));
        assert!(Foreign.enabled(&metadata("fakd::reload", Level::Info)));
        assert!(!Foreign.enabled(&metadata("fakd::reload", Level::Debug)));
    }
}
