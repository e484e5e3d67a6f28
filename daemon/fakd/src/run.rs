//! From start to stop.

use std::{
    io::Write as _,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use fak_chain::{Draft, RecordKind};
use fak_config::{self as config, Config, Durability, Screening};
use fak_control::{About, Change, Desk, Entrance, Limits, Means, now};
use fak_journal::{Journal, OpenError, Settings};
use fak_kernel::Snapshot;
use fak_screen::{self as screen, Cut, People, Screen};
use fak_telemetry::{Event, Notice, Sink};
use log::LevelFilter;
use sd_notify::NotifyState;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::{interval, sleep, timeout},
};

use crate::{
    args::{Args, Plan},
    evidence::JournalEvidence,
    exit::{self, Failure},
    keep::VaultKeep,
    ledger::Ledger,
    listen::{self, Listening},
    notary::Notary,
    office::{FileOffice, First},
    restore::{self, Restored},
    watchdog,
    world::FileSystem,
};

/// The journal's name in the state directory.
const JOURNAL_FILE: &str = "journal.db";

/// How long calls in flight may take when fakd stops. LIMIT: then they are cut off.
const DRAIN_WAIT: Duration = Duration::from_secs(10);

/// How long a connection without calls may take to close when fakd stops.
const GOODBYE_WAIT: Duration = Duration::from_millis(250);

/// How often the drain looks whether calls are in flight.
const QUIET_STEP: Duration = Duration::from_millis(5);

/// How often the housekeeping looks whether there is anything to do.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// Threads that answer.
const WORKERS: usize = 2;

/// How often what idle sessions remember is looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Threads for what may block: reading and verifying the journal. LIMIT: more work waits.
const BLOCKING_THREADS_MAX: usize = 4;

type DeskHere = Desk<JournalEvidence, FileOffice>;

/// Runs fakd until it is told to stop.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let begun = Instant::now();
    fak_sys::forbid_dumps()
        .map_err(|error| Failure::internal("core dumps cannot be forbidden", &error))?;
    let plan = args.plan()?;
    let first = First::of(&plan).map_err(|problems| {
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Failure::new(exit::CONFIG, told.join("\n"))
    })?;
    if args.check_config {
        return report(&first);
    }
    let sink = if args.foreground {
        Sink::Stderr
    } else {
        Sink::Auto
    };
    let level = plan.config.log_level.parse().unwrap_or(LevelFilter::Info);
    let _log = fak_telemetry::init(sink, level)
        .map_err(|error| Failure::internal("the log cannot be set up", &error))?;
    confine(&plan.config)?;
    let (journal, path) = open_journal(&plan.config)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        // Before anybody can ask: a stop that comes early is a stop in order, after the start.
        let signals = Signals::new().map_err(|error| Failure::internal("signals", &error))?;
        let listening = listen::listen(&plan.config)?;
        let restored = restore::restore(&journal, &path)
            .await
            .map_err(|error| Failure::new(exit::JOURNAL, error.to_string()))?;
        let journal_failed = |text: String| Failure::new(exit::JOURNAL, text);
        let notary = Notary::open(journal.clone(), &path, &plan.config.evidence)
            .await
            .map_err(journal_failed)?;
        let ledger = Ledger::new(path.clone(), restored.counted.clone());
        let evidence = JournalEvidence::new(journal.clone(), path.clone(), notary, ledger);
        let (desk, image_upto) = open_desk(args, &plan, first, restored, evidence).await?;
        serve(
            Arc::new(desk),
            journal,
            (listening, signals),
            image_upto,
            begun,
        )
        .await
    });
    // What still blocks reads the journal; nobody waits for it any more.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// Proves that what fakd runs can be confined, before anything is trusted to it.
fn confine(config: &Config) -> Result<(), Failure> {
    let Err(error) = fak_sys::prove_confinement() else {
        return Ok(());
    };
    if config.allow_degraded {
        Notice::of(Event::Degraded).say(&format!(
            "{error}; sandbox.allow_degraded is set, so fakd starts all the same"
        ));
        return Ok(());
    }
    Err(Failure::new(
        exit::INTERNAL,
        format!(
            "the sandbox self-test failed: {error}; let the unit's or the container's filter pass landlock_create_ruleset, \
             landlock_add_rule, landlock_restrict_self and seccomp, or set sandbox.allow_degraded = true"
        ),
    ))
}

/// What `--check-config` says.
fn report(first: &First) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let mut text: String = first
        .built
        .warnings
        .iter()
        .map(|warning| format!("{warning}\n"))
        .collect();
    for info in &first.built.infos {
        text.push_str(&format!(
            "profile {} ({}, {}) {}\n",
            info.name, info.posture, info.source, info.digest
        ));
    }
    text.push_str("the configuration is sound\n");
    // A reader that has gone away needs no report.
    let _ = out.write_all(text.as_bytes());
    Ok(())
}

fn open_journal(config: &Config) -> Result<(Journal, PathBuf), Failure> {
    listen::make_dir(&config.state_dir, 0o700).map_err(|text| Failure::new(exit::JOURNAL, text))?;
    let path = config.state_dir.join(JOURNAL_FILE);
    let settings = Settings {
        durability: match config.durability {
            Durability::Commit => fak_journal::Durability::Commit,
            Durability::Async => fak_journal::Durability::Async,
        },
        queue_max: config.limits.journal_queue,
        ..Settings::new(&path)
    };
    let (journal, _) = Journal::open(settings)
        .map_err(|error| Failure::new(journal_code(&error), error.to_string()))?;
    Ok((journal, path))
}

/// A newer journal is no trouble with the disk: the wrong fakd was installed, and starting it again changes nothing.
const fn journal_code(error: &OpenError) -> u8 {
    match error {
        OpenError::TooNew { .. } => exit::CONFIG,
        _ => exit::JOURNAL,
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("fakd-worker")
        .enable_all()
        .build()
        .map_err(|error| Failure::internal("the runtime cannot be started", &error))
}

/// Puts the first policy in force and writes that fakd starts, in one transaction.
async fn open_desk(
    args: &Args,
    plan: &Plan,
    first: First,
    restored: Restored,
    evidence: JournalEvidence,
) -> Result<(DeskHere, u64), Failure> {
    let Restored {
        mut kernel,
        image_upto,
        ..
    } = restored;
    let First { built, sources } = first;
    let snapshot = Arc::new(Snapshot::new(kernel.generation() + 1, built.set));
    let mut rows = vec![Draft {
        policy: Some(snapshot.digest()),
        generation: snapshot.generation(),
        pid: std::process::id(),
        who: format!("uid:{}", fak_sys::effective_uid()),
        subject: format!("fakd {}", env!("CARGO_PKG_VERSION")),
        ..Draft::new(RecordKind::Start, now().0)
    }];
    rows.extend(kernel.install(now(), &snapshot));
    let failed = |error| Failure::new(exit::JOURNAL, format!("{error}"));
    evidence.journal.append_all(rows).await.map_err(failed)?;
    let recorded = evidence.notary.record_key().await;
    recorded.map_err(|text| Failure::new(exit::JOURNAL, text))?;
    let config = &plan.config;
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        journal_path: evidence.path.clone(),
        durability: config.durability.as_str(),
    };
    let limits = Limits {
        connections_per_uid: config.limits.connections_per_uid,
        connections: config.limits.connections,
        in_flight_per_uid: config.limits.in_flight_per_uid,
        streams_per_uid: config.limits.streams_per_uid,
        frame_bytes: config.limits.frame_bytes,
    };
    let office = FileOffice::new(args.clone(), plan, about, built.infos, sources);
    let keep =
        VaultKeep::open(&config.state_dir).map_err(|text| Failure::new(exit::JOURNAL, text))?;
    let screens = settings(&config.screen);
    let means = Means {
        world: Box::new(FileSystem),
        screen: LazyLock::new(Box::new(move || Screen::new(screens))),
        keep: Box::new(keep.clone()),
        memory: Box::new(keep),
    };
    let desk = Desk::new(limits, (evidence, office), means, kernel, snapshot);
    Ok((desk, image_upto))
}

/// The screens as they are configured.
fn settings(said: &Screening) -> screen::Settings {
    let cut = |cut| match cut {
        config::Cut::Never => Cut::Never,
        config::Cut::Untrusted => Cut::Untrusted,
        config::Cut::Always => Cut::Always,
    };
    screen::Settings {
        oversize_bytes: said.oversize_bytes,
        redact: said.redact_secrets,
        people: People {
            cards: cut(said.cards),
            emails: cut(said.emails),
            ssns: cut(said.ssns),
            ibans: cut(said.ibans),
        },
    }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

async fn serve(
    desk: Arc<DeskHere>,
    journal: Journal,
    (mut listening, mut signals): (Listening, Signals),
    image_upto: u64,
    begun: Instant,
) -> Result<(), Failure> {
    let place = listening.place();
    let entrances = std::mem::take(&mut listening.listeners)
        .into_iter()
        .map(|(listener, door)| {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            Ok(Entrance { listener, door })
        })
        .collect::<Result<Vec<_>, std::io::Error>>()
        .map_err(|error| Failure::internal("the socket", &error))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = fak_control::serve(Arc::clone(&desk), entrances, async {
        let _ = stopped.await;
    });
    let mut serving = tokio::spawn(serving);
    // The patterns take a moment to compile; the first result need not wait for them.
    let warmed = Arc::clone(&desk);
    tokio::task::spawn_blocking(move || {
        LazyLock::force(&warmed.means.screen);
    });
    let watching = tokio::spawn(watchdog::run(Arc::clone(&desk), journal.clone()));
    // One from before the start may be over.
    desk.mind_emergency().await;
    tell_ready(&desk, &place, begun);

    let mut ticks = interval(HOUSEKEEPING);
    let mut image_upto = image_upto;
    let mut was_sound = true;
    let mut signed_at = Instant::now();
    let mut swept_at = None;
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hangup.recv() => reload(&desk).await,
            () = desk.emergency_due() => desk.mind_emergency().await,
            _ = ticks.tick() => {
                was_sound = tell_health(&journal, was_sound);
                image_upto = restore::refresh(&journal, &desk.evidence.path, image_upto).await;
                desk.evidence.count_ahead().await;
                signed_at = sign_when_due(&desk, signed_at).await;
                swept_at = sweep_when_due(&desk, swept_at);
            }
            ended = &mut serving => {
                let text = format!("{ended:?}");
                return Err(Failure::internal("the service ended by itself", &text));
            }
        }
    }
    watching.abort();
    drain(&desk, stop, &mut serving).await;
    close(&desk, &journal).await
}

fn tell_ready(desk: &DeskHere, place: &str, begun: Instant) {
    let generation = desk.snapshot().generation();
    let status = format!("judging on {place}, policy generation {generation}");
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    Notice::of(Event::Started)
        .generation(generation)
        .say(&format!(
            "fakd {} is {status}, ready after {} ms",
            env!("CARGO_PKG_VERSION"),
            begun.elapsed().as_millis(),
        ));
}

async fn reload(desk: &DeskHere) {
    let clock = NotifyState::monotonic_usec_now();
    if let Ok(clock) = clock {
        let _ = sd_notify::notify(&[NotifyState::Reloading, clock]);
    }
    let changed = desk.change(None, &Change::Reload, false).await;
    let status = if changed.ok {
        format!("judging, policy generation {}", changed.generation)
    } else {
        format!(
            "judging, policy generation {}; the last reload was refused",
            changed.generation
        )
    };
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Forgets what idle sessions remember when it is time to; yields when the last look was.
fn sweep_when_due(desk: &Arc<DeskHere>, swept_at: Option<Instant>) -> Option<Instant> {
    if swept_at.is_some_and(|last| last.elapsed() < SWEEP_EVERY) {
        return swept_at;
    }
    let desk = Arc::clone(desk);
    tokio::task::spawn_blocking(move || desk.sweep());
    Some(Instant::now())
}

/// Signs a checkpoint when it is time for one; yields when the last look was.
async fn sign_when_due(desk: &DeskHere, signed_at: Instant) -> Instant {
    match desk.office.checkpoint_every() {
        Some(every) if signed_at.elapsed() >= every => {
            desk.evidence.notary.keep_up().await;
            Instant::now()
        }
        _ => signed_at,
    }
}

/// Logs when the journal's state changes.
fn tell_health(journal: &Journal, was_sound: bool) -> bool {
    let health = journal.health();
    match (was_sound, health.ok) {
        (true, false) => {
            let problem = health.problem.unwrap_or_default();
            Notice::of(Event::JournalFailed).say(&format!("every call is refused: {problem}"));
        }
        (false, true) => Notice::of(Event::JournalRecovered).say("the journal is written again"),
        _ => {}
    }
    health.ok
}

type Serving = tokio::task::JoinHandle<Result<(), fak_control::TransportError>>;

/// Takes no more questions and lets those in flight finish.
async fn drain(desk: &DeskHere, stop: oneshot::Sender<()>, serving: &mut Serving) {
    Notice::of(Event::Draining).say("fakd is stopping");
    let _ = sd_notify::notify(&[
        NotifyState::Stopping,
        NotifyState::Status("finishing calls"),
    ]);
    desk.drain();
    let _ = stop.send(());
    let quiet = async {
        while desk.busy() > 0 {
            sleep(QUIET_STEP).await;
        }
        // Nothing is in flight: what is still open only has to send its last bytes.
        sleep(GOODBYE_WAIT).await;
    };
    let drained = tokio::select! {
        _ = &mut *serving => true,
        quiet = timeout(DRAIN_WAIT, quiet) => quiet.is_ok(),
    };
    if !drained {
        Notice::of(Event::Draining).say("calls in flight were cut off");
    }
    serving.abort();
}

/// Writes that fakd stops and the kernel's state with it, then closes the journal.
async fn close(desk: &DeskHere, journal: &Journal) -> Result<(), Failure> {
    let stop = Draft {
        generation: desk.snapshot().generation(),
        pid: std::process::id(),
        who: format!("uid:{}", fak_sys::effective_uid()),
        ..Draft::new(RecordKind::Stop, now().0)
    };
    // A read waits for everything queued before it, so the head covers what the kernel has counted.
    let _ = journal.state("stop").await;
    let head = *journal.subscribe().borrow();
    let counted = desk.evidence.ledger.count(head).await;
    // Rows that cannot be read now are read by the next start.
    let image =
        (counted.upto == head).then(|| desk.with_kernel(|kernel| restore::image(kernel, &counted)));
    let image = image.into_iter().collect();
    let written = journal.append_with(vec![stop], image).await;
    // Over the last row of all but its own.
    desk.evidence.notary.keep_up().await;
    let closed = journal.close().await;
    if let Err(error) = written.map(drop).and(closed) {
        Notice::of(Event::JournalFailed)
            .say(&format!("the journal was not closed in order: {error}"));
        return Err(Failure::new(exit::JOURNAL, error.to_string()));
    }
    Notice::of(Event::Stopped).say("fakd has stopped");
    Ok(())
}
