//! The status and the metrics: what a person and a scraper see of fakd.
//!
//! Counters come from the journal's rows and nowhere else; only what cannot stand in a row (what is open,
//! how much memory is held) is asked of the process.

use std::sync::atomic::Ordering;

use fak_kernel::{LATENCY_BOUNDS_US, Latency, Tally, Timestamp};
use fak_proto::v1;
use fak_telemetry::{Histogram, Metric, Page};
use fak_types::{Principal, Right, VerdictKind};

use crate::{
    account::lock,
    conn::Peer,
    desk::{Desk, now},
    emergency,
    gate::Caller,
    port::{Evidence, Health, Office, Verified},
    service::viewer,
    wire,
};

/// Refusals the status shows.
const RECENT_REFUSALS: usize = 10;

/// The states fakd can be in.
const STATES: [&str; 3] = ["judging", "refusing", "draining"];

/// The last whole verification of the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    at: Timestamp,
    rows: u64,
    sound: bool,
}

impl Checked {
    pub(crate) fn of(found: &Verified) -> Self {
        Self {
            at: now(),
            rows: found.rows,
            sound: found.fault.is_none(),
        }
    }
}

pub(crate) async fn status<E: Evidence, O: Office>(
    desk: &Desk<E, O>,
    caller: &Caller,
) -> v1::StatusResponse {
    let recent_refusals = recent_refusals(desk, caller).await;
    let tally = desk.evidence.tally().await;
    let health = desk.evidence.health();
    let about = desk.office.about();
    let live = desk.with_kernel(|kernel| kernel.sessions_live(viewer(caller)));
    v1::StatusResponse {
        version: about.version.to_owned(),
        pid: std::process::id(),
        uptime_ms: desk.uptime_ms(),
        state: state(desk, &health).to_owned(),
        upkeep: Some(upkeep(desk, &tally, &health)),
        problem: health.problem.unwrap_or_default(),
        generation: desk.snapshot().generation(),
        profiles: profiles(desk, caller, false),
        journal_path: about.journal_path.display().to_string(),
        journal_rows: health.rows,
        journal_head: health.head,
        durability: about.durability.to_owned(),
        sessions_live: u64::try_from(live).unwrap_or(u64::MAX),
        decided: tally.decided(),
        refused: tally.refused(),
        transformed: tally.of_kind(VerdictKind::Transform),
        gaps: health.gaps,
        recent_refusals,
        you: you(&caller.peer),
        role: caller.rights.as_str().to_owned(),
        emergency: desk.emergency().as_ref().map(emergency::told),
    }
}

fn state<E: Evidence, O: Office>(desk: &Desk<E, O>, health: &Health) -> &'static str {
    match health.problem {
        _ if desk.is_draining() => "draining",
        Some(_) => "refusing",
        None => "judging",
    }
}

fn upkeep<E: Evidence, O: Office>(desk: &Desk<E, O>, tally: &Tally, health: &Health) -> v1::Upkeep {
    let checked = *lock(&desk.checked);
    v1::Upkeep {
        verified_us: checked.map_or(0, |checked| checked.at.0),
        verified_rows: checked.map_or(0, |checked| checked.rows),
        verified_sound: checked.is_some_and(|checked| checked.sound),
        checkpoint_us: tally.checkpoints.last_us,
        checkpoint_rows: tally.checkpoints.last_rows,
        backup_us: tally.backups.last_us,
        backup_name: tally.backups.last_name.clone(),
        disk_free_bytes: health.free_bytes.unwrap_or(0),
    }
}

/// The last refusals: everybody's for who may read everything, else the caller's own.
async fn recent_refusals<E: Evidence, O: Office>(
    desk: &Desk<E, O>,
    caller: &Caller,
) -> Vec<v1::JournalRow> {
    let sees_all = caller.rights.has(Right::Audit);
    let of = (!sees_all).then(|| caller.peer.name.as_ref().to_owned());
    let found = desk.evidence.refusals(of, RECENT_REFUSALS).await;
    // The journal tells of its own trouble.
    found
        .unwrap_or_default()
        .into_iter()
        .map(wire::row)
        .collect()
}

pub(crate) fn profiles<E: Evidence, O: Office>(
    desk: &Desk<E, O>,
    caller: &Caller,
    with_text: bool,
) -> Vec<v1::Profile> {
    let with_text = with_text && caller.rights.has(Right::Audit);
    let profiles = desk.office.profiles();
    profiles
        .into_iter()
        .map(|info| wire::profile(info, with_text))
        .collect()
}

/// The caller as the kernel sees it: `uid:1000 (alice) pid 4711`.
fn you(peer: &Peer) -> String {
    match &peer.principal {
        Principal::Local { uid, pid, .. } => match fak_sys::user_name(*uid) {
            Some(user) => format!("{} ({user}) pid {pid}", peer.name),
            None => format!("{} pid {pid}", peer.name),
        },
        _ => peer.name.to_string(),
    }
}

/// Every metric's value now.
pub(crate) async fn page<E: Evidence, O: Office>(desk: &Desk<E, O>) -> Page {
    let tally = desk.evidence.tally().await;
    let health = desk.evidence.health();
    let mut page = Page::new();
    page_of_process(desk, &health, &mut page);
    page_of_journal(&tally, &mut page);
    page
}

fn page_of_process<E: Evidence, O: Office>(desk: &Desk<E, O>, health: &Health, page: &mut Page) {
    page.word(Metric::Build, desk.office.about().version);
    let now = state(desk, health);
    for word in STATES {
        page.level(Metric::State, &[word], u64::from(word == now));
    }
    page.level(Metric::Uptime, &[], desk.uptime_ms() / 1000);
    if let Some(bytes) = fak_sys::resident_bytes() {
        page.level(Metric::Resident, &[], bytes);
    }
    // The call that asks is one of them.
    let busy = u64::try_from(desk.busy().saturating_sub(1)).unwrap_or(u64::MAX);
    page.level(Metric::InFlight, &[], busy);
    let live = desk.with_kernel(|kernel| kernel.sessions_live(fak_kernel::Viewer::All));
    page.level(
        Metric::Sessions,
        &[],
        u64::try_from(live).unwrap_or(u64::MAX),
    );
    let waiting = desk.with_kernel(|kernel| {
        kernel.approvals_pending(crate::desk::now(), fak_kernel::Viewer::All)
    });
    page.level(
        Metric::ApprovalsWaiting,
        &[],
        u64::try_from(waiting).unwrap_or(u64::MAX),
    );
    page.level(Metric::Generation, &[], desk.snapshot().generation());
    let until = desk.emergency().map_or(0, |emergency| emergency.until.0);
    page.level(Metric::EmergencyUntil, &[], until.div_ceil(1_000_000));
    page.level(Metric::JournalRows, &[], health.rows);
    page.level(
        Metric::JournalWritable,
        &[],
        u64::from(health.problem.is_none()),
    );
    page.level(Metric::JournalGaps, &[], health.gaps);
    if let Some(bytes) = health.free_bytes {
        page.level(Metric::JournalFree, &[], bytes);
    }
    page.count(Metric::LogDropped, &[], fak_telemetry::dropped());
    page_of_cache(desk, page);
}

fn page_of_cache<E: Evidence, O: Office>(desk: &Desk<E, O>, page: &mut Page) {
    let counts = &desk.coherence.counts;
    for (metric, counter) in [
        (Metric::CacheLookups, &counts.lookups),
        (Metric::CacheHits, &counts.hits),
        (Metric::CacheStores, &counts.stores),
        (Metric::CacheEvictions, &counts.evictions),
        (Metric::CacheRevocations, &counts.revocations),
    ] {
        page.count(metric, &[], counter.load(Ordering::Relaxed));
    }
    let (entries, bytes) = desk.coherence.with(|cache| cache.taken());
    let entries = u64::try_from(entries).unwrap_or(u64::MAX);
    page.level(Metric::CacheEntries, &[], entries);
    page.level(Metric::CacheBytes, &[], bytes);
}

fn page_of_journal(tally: &Tally, page: &mut Page) {
    for (kind, reason, count) in tally.verdicts() {
        page.count(Metric::Verdicts, &[kind, reason], count);
    }
    for (rule, count) in tally.rules() {
        page.count(Metric::Refusals, &[rule], count);
    }
    if tally.other_rules > 0 {
        page.count(Metric::Refusals, &["other"], tally.other_rules);
    }
    page.histogram(Metric::VerdictTime, histogram(&tally.latency));
    let results = tally.results;
    for (kind, count) in [
        ("ALLOW", results.allowed),
        ("TRANSFORM", results.transformed),
        ("QUARANTINE", results.sealed),
        ("DENY", results.refused),
    ] {
        page.count(Metric::Results, &[kind], count);
    }
    page.count(Metric::Clearances, &[], results.cleared);
    let approvals = tally.approvals;
    for (state, count) in [
        ("asked", approvals.asked),
        ("approved", approvals.approved),
        ("denied", approvals.denied),
        ("expired", approvals.expired),
        ("spent", approvals.spent),
    ] {
        page.count(Metric::Approvals, &[state], count);
    }
    let turns = tally.turns;
    for (state, count) in [
        ("reserved", turns.reserved),
        ("refused", turns.refused),
        ("settled", turns.settled),
    ] {
        page.count(Metric::Turns, &[state], count);
    }
    page.count(Metric::SessionsSteered, &[], tally.steered);
    page.count(Metric::RpcsRefused, &[], tally.rpcs_refused);
    page.count(Metric::PolicyLoads, &["loaded"], tally.policies.loaded);
    page.count(Metric::PolicyLoads, &["refused"], tally.policies.refused);
    page.count(Metric::Starts, &[], tally.starts);
    page.count(Metric::Emergencies, &[], tally.emergencies.begun);
    page.count(Metric::EmergencyUses, &[], tally.emergencies.uses);
    page.count(Metric::JournalLost, &[], tally.lost);
    page.count(Metric::Checkpoints, &[], tally.checkpoints.count);
    page.level(Metric::CheckpointRows, &[], tally.checkpoints.last_rows);
    page.level(
        Metric::CheckpointAt,
        &[],
        tally.checkpoints.last_us / 1_000_000,
    );
    page.count(Metric::Backups, &[], tally.backups.count);
    page.level(Metric::BackupAt, &[], tally.backups.last_us / 1_000_000);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format's numbers are floating, and these are far below 2^53"
)]
fn histogram(latency: &Latency) -> Histogram {
    let seconds = |us: u64| us as f64 / 1e6;
    Histogram {
        buckets: LATENCY_BOUNDS_US
            .iter()
            .map(|bound| seconds(*bound))
            .zip(latency.buckets)
            .collect(),
        count: latency.count,
        sum: seconds(latency.sum_us),
    }
}
