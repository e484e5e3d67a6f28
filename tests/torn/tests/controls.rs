//! That the images can show losses: they do where syncs are left out, and where a disk only says that it synced.

#![expect(
    clippy::print_stdout,
    reason = "the counts are what a reader wants to see"
)]

use fak_sim::random::Random;
use fak_torn::{
    examine,
    image::{self, database},
    load::{self, Plan, checkpoints},
    tally::Tally,
    tape::{Device, Tape},
};

const IMAGES: usize = 200;

/// Rows written to a table of the journal's shape by hand.
const ROWS: u64 = 200;

fn plain(synchronous: &str, seed: u64) -> Tally {
    let dir = image::room().expect("a directory");
    let tape = Tape::start(dir.path(), Device::Bare);
    load::plain(&database(dir.path()), &tape, synchronous, ROWS);
    let events = tape.stop();
    let tally = Tally::of(&events, Device::Bare, (IMAGES, seed), examine::plain);
    println!(
        "synchronous={synchronous}, seed {seed}: {} checkpoints; {tally}",
        checkpoints(&events)
    );
    tally
}

#[test]
fn with_full_syncs_a_plain_table_loses_nothing() {
    let tally = plain("FULL", 31);
    assert_eq!(tally.sound(), IMAGES, "{tally}\n{}", tally.told.join("\n"));
}

#[test]
fn with_normal_syncs_it_loses_rows_and_stays_sound() {
    let tally = plain("NORMAL", 32);
    assert!(tally.lost > 0, "{tally}");
    assert_eq!(tally.corrupt, 0, "{tally}\n{}", tally.told.join("\n"));
}

#[test]
fn without_syncs_it_is_damaged() {
    let tally = plain("OFF", 33);
    assert!(tally.lost > 0, "{tally}");
    assert!(tally.corrupt > 0, "{tally}");
}

#[test]
fn on_a_disk_that_lies_the_journal_loses_rows() {
    let dir = image::room().expect("a directory");
    let tape = Tape::start(dir.path(), Device::Lying);
    let plan = Plan {
        openings: 4,
        commits: 20,
        records_max: 5,
        state_bytes: 3_000,
    };
    load::journal(&database(dir.path()), &tape, plan, &mut Random::new(34));
    let events = tape.stop();
    let tally = Tally::of(&events, Device::Lying, (IMAGES, 34), examine::journal);
    println!("a lying disk, seed 34: {tally}");
    assert!(tally.lost > 0, "{tally}");
}
