//! The journal after a power cut: it opens, it verifies, it holds every row that was acknowledged, and it goes on.

#![expect(
    clippy::print_stdout,
    reason = "the counts are what a reader wants to see"
)]

use std::{collections::BTreeMap, fs};

use fak_sim::random::Random;
use fak_torn::{
    examine,
    image::{self, Disk, cuts, database},
    load::{self, Plan, checkpoints},
    tally::Tally,
    tape::{Device, Event, Tape},
};

/// Made, closed and opened once: some of the cuts come before there is a journal.
const NEW: Plan = Plan {
    openings: 2,
    commits: 2,
    records_max: 2,
    state_bytes: 100,
};

/// Opened and closed often, so that the log is moved, deleted and made again.
const RESTLESS: Plan = Plan {
    openings: 12,
    commits: 20,
    records_max: 5,
    state_bytes: 3_000,
};

/// Open for long, with values so large that the log fills and is moved while it is written.
const LASTING: Plan = Plan {
    openings: 1,
    commits: 350,
    records_max: 2,
    state_bytes: 500_000,
};

/// Records a journal that begins with what `files` holds.
fn record(plan: Plan, device: Device, seed: u64, files: &BTreeMap<String, Vec<u8>>) -> Vec<Event> {
    let dir = image::room().expect("a directory");
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).expect("a file");
    }
    let tape = Tape::start(dir.path(), device);
    let path = database(dir.path());
    load::journal(&path, &tape, plan, &mut Random::new(seed));
    tape.stop()
}

fn all_sound(name: &str, tally: &Tally, checkpoints: usize) {
    println!("{name}: {checkpoints} checkpoints; {tally}");
    let told = tally.told.join("\n");
    assert_eq!(tally.sound(), tally.images, "{name}: {tally}\n{told}");
}

#[test]
fn every_image_of_a_new_journal_is_sound() {
    for (device, seed) in [(Device::Bare, 11), (Device::Powersafe, 12)] {
        let events = record(NEW, device, seed, &BTreeMap::new());
        let tally = Tally::of(&events, device, (120, seed), examine::journal);
        all_sound(
            &format!("new, {device:?}, seed {seed}"),
            &tally,
            checkpoints(&events),
        );
        assert!(tally.promised >= 30, "{tally}");
        assert!(tally.images - tally.promised >= 10, "{tally}");
    }
}

#[test]
fn every_image_of_a_restless_journal_is_sound() {
    for (device, seed) in [
        (Device::Bare, 1),
        (Device::Bare, 2),
        (Device::Powersafe, 3),
        (Device::Powersafe, 4),
    ] {
        let events = record(RESTLESS, device, seed, &BTreeMap::new());
        let tally = Tally::of(&events, device, (150, seed), examine::journal);
        let checkpoints = checkpoints(&events);
        assert!(checkpoints >= 12, "{checkpoints} checkpoints");
        all_sound(
            &format!("restless, {device:?}, seed {seed}"),
            &tally,
            checkpoints,
        );
        assert!(
            tally.in_checkpoint >= 30 && tally.promised >= 100,
            "{tally}"
        );
    }
}

#[test]
fn every_image_of_a_journal_whose_log_fills_is_sound() {
    for (device, seed) in [(Device::Bare, 5), (Device::Powersafe, 6)] {
        let events = record(LASTING, device, seed, &BTreeMap::new());
        let tally = Tally::of(&events, device, (40, seed), examine::journal);
        let checkpoints = checkpoints(&events);
        assert!(checkpoints >= 3, "the log filled {checkpoints} times");
        all_sound(
            &format!("lasting, {device:?}, seed {seed}"),
            &tally,
            checkpoints,
        );
        assert!(tally.in_checkpoint >= 5, "{tally}");
    }
}

/// The power fails again while the journal recovers from the first failure, or soon after.
#[test]
fn every_image_of_an_image_is_sound() {
    let mut all = Tally::default();
    let mut again = 0;
    for (device, seed) in [(Device::Bare, 21), (Device::Powersafe, 22)] {
        let mut random = Random::new(seed);
        let first = record(RESTLESS, device, seed, &BTreeMap::new());
        let mut disk = Disk::new(&first, device, seed);
        for cut in cuts(&first, 0, 8, &mut random) {
            disk.run_to(cut);
            let image = disk.image(&mut random);
            let seed = seed << 32 | cut as u64;
            let second = record(NEW, device, seed, &image.files);
            again += checkpoints(&second);
            all = all.plus(Tally::of(&second, device, (12, seed), examine::journal));
        }
    }
    all_sound("twice", &all, again);
}

/// One sync in twelve fails, upon which the kernel takes what it had for written. The writer must not.
#[test]
fn every_image_of_a_journal_whose_syncs_fail_is_sound() {
    for seed in 41..45 {
        let device = Device::Failing(seed);
        let events = record(RESTLESS, device, seed, &BTreeMap::new());
        let failed = |event: &&Event| matches!(event, Event::SyncFailed { .. });
        let failed = events.iter().filter(failed).count();
        let tally = Tally::of(&events, device, (100, seed), examine::journal);
        let name = format!("{failed} syncs failed, seed {seed}");
        all_sound(&name, &tally, checkpoints(&events));
        assert!(failed >= 10, "{failed} syncs failed");
    }
}
