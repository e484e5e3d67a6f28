//! What holds in every history.

use std::collections::HashMap;

use fak_chain::RecordKind;
use fak_kernel::{Kernel, Viewer};
use fak_types::{Reason, VerdictKind};

use crate::{
    callers::{CALLS_PER_SESSION, CALLS_PER_WINDOW, OBSERVED_UID, USERS, WINDOW_US, limits},
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
    invariant_totals_count_rows(world)
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
    let Some(ask) = world.executed.last() else {
        return Ok(());
    };
    hold(ask.may_ever_pass(), || format!("{ask:?} ran"))
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
    for ask in world.executed.iter().filter(|ask| ask.uid != OBSERVED_UID) {
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
            replayed.totals(),
            replayed.sessions(Viewer::All, 99),
            world.kernel.totals(),
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

fn invariant_totals_count_rows(world: &World) -> Held {
    let started = world.start();
    let verdicts = |kind| {
        world
            .disk
            .records(0)
            .filter(|record| record.kind == kind)
            .count()
    };
    let (decided, denied) = (verdicts(RecordKind::Decide), verdicts(RecordKind::Deny));
    let totals = started.totals();
    let same = |count: u64, rows: usize| usize::try_from(count) == Ok(rows);
    hold(
        same(totals.allowed + totals.transformed, decided) && same(totals.refused, denied),
        || format!("{totals:?} for {decided} DECIDE and {denied} DENY rows"),
    )
}
