//! `kill -9` at any moment: every verdict that was given is in the journal as it was given, the chain verifies, fakd
//! starts again.

use std::{sync::Arc, thread, time::Duration};

use fak_e2e::{
    callers::{Told, ask_on},
    stops_in_order,
};
use fak_sim::random::Random;
use fak_support::Place;

const ROUNDS: u64 = 24;
const LANES: usize = 6;
const SEED: u64 = 7;

/// Longest time fakd is left alone while it starts, in microseconds. It takes less.
const START_US_MAX: u64 = 60_000;

async fn until_told(told: &Told, rows: usize) {
    while told.rows() < rows {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verdict_that_was_given_survives_kill_nine() {
    let place = Place::new();
    let told = Arc::new(Told::default());
    let mut random = Random::new(SEED);
    for round in 0..ROUNDS {
        let when = format!("seed {SEED}, round {round}");
        let daemon = place.start(&[]);
        let before = told.rows();
        let lanes = ask_on(&place.socket(), LANES, &format!("crash-{round}"), &told);
        let more = usize::try_from(1 + random.below(150)).expect("a few");
        until_told(&told, before + more).await;
        tokio::time::sleep(Duration::from_micros(random.below(4_000))).await;
        daemon.kill();
        for lane in lanes {
            lane.await.expect("a lane ends");
        }
        told.hold(&place.journal(), &when);
    }
    let verified = place.fakctl(&["audit", "verify", &place.journal().to_string_lossy()]);
    assert!(verified.status.success());
    stops_in_order(&place, place.start(&[]));
    told.hold(&place.journal(), "after an orderly stop");
}

/// Killed under load, then twice more while it starts: while it recovers the log, restores its state or writes that it
/// starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_killed_is_started_again() {
    let place = Place::new();
    let told = Arc::new(Told::default());
    let mut random = Random::new(SEED);
    for round in 0..6 {
        let when = format!("seed {SEED}, round {round}");
        let daemon = place.start(&[]);
        let before = told.rows();
        let lanes = ask_on(&place.socket(), LANES, &format!("start-{round}"), &told);
        until_told(&told, before + 20).await;
        daemon.kill();
        for lane in lanes {
            lane.await.expect("a lane ends");
        }
        for _ in 0..2 {
            let daemon = place.spawn(&[]);
            thread::sleep(Duration::from_micros(random.below(START_US_MAX)));
            daemon.kill();
            told.hold(&place.journal(), &when);
        }
    }
    stops_in_order(&place, place.start(&[]));
    told.hold(&place.journal(), "after an orderly stop");
}
