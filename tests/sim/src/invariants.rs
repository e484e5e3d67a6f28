//! What holds in every history.

use std::collections::HashMap;

use fak_chain::RecordKind;
use fak_kernel::{BY_EMERGENCY, Kernel, Tally, Viewer};
use fak_types::{Reason, VerdictKind};

use crate::{
    callers::{Ask, CALLS_PER_SESSION, CALLS_PER_WINDOW, OBSERVED_UID, USERS, WINDOW_US, limits},
    world::{Answer, World},
};

/// What an invariant says when it does not hold.
type Held = Result<(), String>;

fn hold(condition: bool, what: impl FnOnce() -> String) -> Held {
    if condition { Ok(()) } else { Err(what()) }
}

/// Cheap enough for every step.
///
/// # Errors
/// What did not hold.
pub fn all(world: &World) -> Held {
    invariant_last_answer_is_durable(world)?;
    invariant_last_answer_is_well_formed(world)?;
    invariant_sessions_are_bounded(world)?;
    invariant_refused_calls_never_run(world)
}

/// Looks at everything that ever happened.
///
/// # Errors
/// What did not hold.
pub fn whole_history(world: &World) -> Held {
    invariant_chain_verifies(world)?;
    invariant_every_answer_is_a_row(world)?;
    invariant_lifetime_quota(world)?;
    invariant_window(world)?;
    invariant_replay_is_live(world)?;
    invariant_image_and_rows_agree(world)?;
    invariant_emergencies_are_bounded(world)?;
    invariant_tally_counts_rows(world)
}

fn invariant_last_answer_is_durable(world: &World) -> Held {
    let Some(answer) = world.answers.last() else {
        return Ok(());
    };
    hold(answer.seq <= world.disk.count(), || {
        format!("{answer:?} left before its row")
    })
}

fn invariant_last_answer_is_well_formed(world: &World) -> Held {
    let Some(Answer { verdict, draft, .. }) = world.answers.last() else {
        return Ok(());
    };
    let kind = if verdict.kind.admits() {
        RecordKind::Decide
    } else {
        RecordKind::Deny
    };
    hold(verdict.kind != VerdictKind::Defer, || {
        "a deferral left".to_owned()
    })?;
    hold(draft.kind == kind, || format!("{draft:?} for {verdict:?}"))?;
    hold(
        verdict.kind.admits() == (verdict.reason == Reason::None),
        || format!("{verdict:?}"),
    )?;
    hold(!verdict.by.is_empty(), || {
        format!("nobody decided {verdict:?}")
    })
}

fn invariant_sessions_are_bounded(world: &World) -> Held {
    let (kernel, limits) = (&world.kernel, limits());
    let all = kernel.sessions_live(Viewer::All);
    hold(all <= limits.sessions_max, || format!("{all} sessions"))?;
    for uid in 1..=USERS {
        let name = format!("uid:{uid}");
        let own = kernel.sessions(Viewer::Own(&name), usize::MAX);
        let most = limits.sessions_per_principal_max;
        hold(own.len() <= most, || {
            format!("{} sessions of {name}", own.len())
        })?;
        hold(
            own.iter().all(|session| *session.principal == *name),
            || format!("{name} sees a session of somebody else"),
        )?;
    }
    Ok(())
}

fn invariant_refused_calls_never_run(world: &World) -> Held {
    let Some((ask, by)) = world.executed.last() else {
        return Ok(());
    };
    hold(ask.may_ever_pass() || by == BY_EMERGENCY, || {
        format!("{ask:?} ran")
    })
}

fn invariant_chain_verifies(world: &World) -> Held {
    hold(world.disk.verifies(), || {
        "the chain does not verify".to_owned()
    })
}

fn invariant_every_answer_is_a_row(world: &World) -> Held {
    let rows: HashMap<u64, _> = world
        .disk
        .records(0)
        .map(|record| (record.seq, record.draft))
        .collect();
    for answer in &world.answers {
        let row = rows.get(&answer.seq);
        hold(row == Some(&answer.draft), || {
            format!("{answer:?} is not row {}", answer.seq)
        })?;
    }
    Ok(())
}

/// Across reloads, restarts, kills and a clock that jumps.
fn invariant_lifetime_quota(world: &World) -> Held {
    let mut admitted: HashMap<(u32, &str), u64> = HashMap::new();
    // What an emergency admits is spent too, but over a full table nothing can be.
    let counted =
        |(ask, by): &&(Ask, String)| ask.uid != OBSERVED_UID && by.as_str() != BY_EMERGENCY;
    for (ask, _) in world.executed.iter().filter(counted) {
        let count = admitted.entry((ask.uid, ask.trace)).or_default();
        *count += 1;
        hold(*count <= CALLS_PER_SESSION, || {
            format!("{ask:?} ran {count} times")
        })?;
    }
    Ok(())
}

/// GCRA admits at most the burst and what refills meanwhile.
fn invariant_window(world: &World) -> Held {
    for uid in (1..=USERS).filter(|uid| *uid != OBSERVED_UID) {
        let times: Vec<(usize, u64)> = world
            .answers
            .iter()
            .enumerate()
            .filter(|(_, answer)| answer.ask.uid == uid && answer.verdict.kind.admits())
            .filter(|(_, answer)| &*answer.verdict.by != BY_EMERGENCY)
            .map(|(n, answer)| (n, answer.draft.ts_us))
            .collect();
        for (end, (n, last)) in times.iter().enumerate() {
            let since = world
                .clock_set
                .iter()
                .rev()
                .find(|&&set| set <= *n)
                .copied()
                .unwrap_or(0);
            let recent = times[..=end]
                .iter()
                .filter(|(m, time)| *m >= since && time + WINDOW_US > *last)
                .count();
            let recent = u64::try_from(recent).unwrap_or(u64::MAX);
            hold(recent <= 2 * CALLS_PER_WINDOW, || {
                format!("uid:{uid} ran {recent} in a window")
            })?;
        }
    }
    Ok(())
}

/// A decision taken back leaves traces that no row has (an opened session, a revision), so histories with one differ.
fn invariant_replay_is_live(world: &World) -> Held {
    if world.retracted || !world.is_quiet() {
        return Ok(());
    }
    let mut replayed = Kernel::new(limits());
    world
        .disk
        .records(0)
        .for_each(|record| replayed.replay(&record));
    hold(replayed.snapshot() == world.kernel.snapshot(), || {
        format!(
            "replayed {:?} {:?}\nlive {:?} {:?}",
            replayed.emergency(),
            replayed.sessions(Viewer::All, 99),
            world.kernel.emergency(),
            world.kernel.sessions(Viewer::All, 99)
        )
    })
}

fn invariant_image_and_rows_agree(world: &World) -> Held {
    let mut replayed = Kernel::new(limits());
    world
        .disk
        .records(0)
        .for_each(|record| replayed.replay(&record));
    hold(replayed.snapshot() == world.start().snapshot(), || {
        "a start from the image differs from a start from the first row".to_owned()
    })
}

fn invariant_tally_counts_rows(world: &World) -> Held {
    let mut tally = Tally::default();
    world.disk.records(0).for_each(|row| tally.count(&row));
    let of = |kind| world.disk.records(0).filter(move |row| row.kind == kind);
    let (decided, denied) = (of(RecordKind::Decide).count(), of(RecordKind::Deny).count());
    let uses = of(RecordKind::Decide)
        .filter(|row| row.by == BY_EMERGENCY)
        .count();
    let same = |count: u64, rows: usize| usize::try_from(count) == Ok(rows);
    hold(
        same(tally.decided(), decided + denied)
            && same(tally.refused(), denied)
            && same(tally.latency.count, decided + denied)
            && same(tally.emergencies.uses, uses),
        || format!("{tally:?} for {decided} DECIDE and {denied} DENY rows"),
    )?;
    // What a start reads of an image is what it folded.
    hold(Tally::restore(&tally.snapshot()) == Ok(tally), || {
        "a tally does not read back".to_owned()
    })
}

/// What an emergency admits lies between the row that began it and its deadline, by both clocks.
fn invariant_emergencies_are_bounded(world: &World) -> Held {
    let mut open: Option<(u64, u64)> = None;
    for row in world.disk.records(0) {
        match row.kind {
            RecordKind::Emergency if row.subject == "begin" => {
                open = Some((row.ts_us, row.until_us));
            }
            RecordKind::Emergency => open = None,
            RecordKind::Decide if row.by == BY_EMERGENCY => {
                let inside = open.is_some_and(|(from, to)| (from..to).contains(&row.ts_us));
                hold(inside, || format!("{row:?} outside of {open:?}"))?;
            }
            _ => {}
        }
    }
    hold(!world.outlived, || {
        "an emergency admitted a call after the time it was granted".to_owned()
    })
}
