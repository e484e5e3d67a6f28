//! Copies of the journal: made while fakd writes, checked, put back, and not put back behind a checkpoint.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use fak_chain::RecordKind;
use fak_e2e::{ask, fakctl, said};
use fak_journal::Reader;
use fak_support::Place;
use serde_json::Value;

/// Makes a copy and yields its directory and how many rows it has.
fn create(place: &Place, more: &[&str]) -> (PathBuf, u64) {
    let args = [&["backup", "create", "--json"], more].concat();
    let answer: Value = serde_json::from_str(&fakctl(place, &args, 0)).expect("json");
    let path = answer["path"].as_str().expect("a path");
    (
        path.into(),
        answer["manifest"]["rows"].as_u64().expect("rows"),
    )
}

fn name(copy: &std::path::Path) -> &str {
    copy.file_name()
        .and_then(|name| name.to_str())
        .expect("a name")
}

#[test]
fn copies_are_made_while_fakd_writes_and_the_oldest_go() {
    let place = Place::new();
    let daemon = place.start(&[]);
    ask(&place, 10);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                ask(&place, 50);
            }
        });
        let mut rows = 0;
        for _ in 0..4 {
            let (copy, copied) = create(&place, &["--keep", "2"]);
            assert!(copied > rows, "{copied} {rows}");
            rows = copied;
            fakctl(&place, &["backup", "verify", name(&copy)], 0);
            assert!(!copy.join("journal.db-wal").exists());
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(daemon.stop(), Some(0));
    let listed: Value =
        serde_json::from_str(&fakctl(&place, &["backup", "list", "--json"], 0)).expect("json");
    assert_eq!(listed["copies"].as_array().expect("a list").len(), 2);
    // Nothing half made stays behind.
    let left = fs::read_dir(place.join("state/fak/backups"))
        .expect("there")
        .count();
    assert_eq!(left, 2);
}

#[test]
fn copies_of_the_same_second_do_not_meet() {
    let place = Place::new();
    let daemon = place.start(&[]);
    ask(&place, 1);
    assert_eq!(daemon.stop(), Some(0));
    let mut copies: Vec<_> = (0..5).map(|_| create(&place, &[]).0).collect();
    copies.sort();
    copies.dedup();
    assert_eq!(copies.len(), 5);
    copies
        .iter()
        .for_each(|copy| drop(fakctl(&place, &["backup", "verify", name(copy)], 0)));
}

#[test]
fn a_copy_that_was_changed_is_told_and_not_restored() {
    let place = Place::new();
    let daemon = place.start(&[]);
    ask(&place, 300);
    assert_eq!(daemon.stop(), Some(0));
    let (copy, _) = create(&place, &[]);
    let file = copy.join("journal.db");
    let mut bytes = fs::read(&file).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).expect("written");
    let told = fakctl(&place, &["backup", "verify", name(&copy)], 1);
    assert!(told.contains("its digest is another"), "{told}");
    let output = place.fakctl(&["backup", "restore", name(&copy)]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("the copy is not sound"),
        "{}",
        said(&output)
    );
    fakctl(&place, &["backup", "verify", "no-such"], 66);
}

#[test]
fn a_restore_waits_for_fakd_to_stop_and_keeps_what_was_there() {
    let place = Place::new();
    let daemon = place.start(&[]);
    ask(&place, 20);
    let (copy, rows) = create(&place, &[]);
    let output = place.fakctl(&["backup", "restore", name(&copy)]);
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert!(
        said(&output).contains("systemctl stop fakd"),
        "{}",
        said(&output)
    );
    ask(&place, 5);
    daemon.kill();

    // Rows no checkpoint covers may go; they are told and stay in the file that was moved aside.
    let told = fakctl(&place, &["backup", "restore", name(&copy)], 0);
    assert!(told.contains("with 5 rows more"), "{told}");
    let head = Reader::open(place.journal())
        .expect("there")
        .head()
        .expect("a head");
    assert_eq!(head.seq, rows + 1);
    let last = Reader::open(place.journal())
        .expect("there")
        .last(1)
        .expect("a row");
    let record = last[0].record().expect("a record");
    assert_eq!((record.kind, record.count), (RecordKind::Backup, rows));
    let aside = fs::read_dir(place.join("state/fak"))
        .expect("there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with("journal.db.replaced-") && name.ends_with('Z'))
        .expect("moved aside");
    let aside = place.join(&format!("state/fak/{aside}"));
    assert_eq!(
        Reader::open(aside)
            .expect("sound")
            .head()
            .expect("a head")
            .seq,
        rows + 5
    );

    let daemon = place.start(&[]);
    ask(&place, 1);
    fakctl(&place, &["audit", "verify"], 0);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_restore_behind_a_checkpoint_wants_to_be_told() {
    let place = Place::new();
    let daemon = place.start(&[]);
    ask(&place, 20);
    let (copy, _) = create(&place, &[]);
    ask(&place, 20);
    let kept = place.join("kept.checkpoint");
    fs::write(&kept, fakctl(&place, &["audit", "checkpoint"], 0)).expect("written");
    assert_eq!(daemon.stop(), Some(0));
    let refused = |args: &[&str]| {
        let output = place.fakctl(&[&["backup", "restore", name(&copy)], args].concat());
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains("--accept-rollback"),
            "{}",
            said(&output)
        );
    };
    refused(&[]);
    // Without the state's own memory, the checkpoint that was kept elsewhere says the same.
    let own = place.join("state/fak/checkpoint");
    let held = fs::read(&own).expect("there");
    fs::remove_file(&own).expect("removed");
    refused(&["--checkpoint", &kept.display().to_string()]);
    fs::write(&own, held).expect("written");

    let told = fakctl(
        &place,
        &[
            "backup",
            "restore",
            name(&copy),
            "--accept-rollback",
            "--json",
        ],
        0,
    );
    let answer: Value = serde_json::from_str(&told).expect("json");
    assert!(
        answer["rollback"]
            .as_str()
            .expect("a reason")
            .contains("is known"),
        "{told}"
    );
    let last = Reader::open(place.journal())
        .expect("there")
        .last(1)
        .expect("a row");
    assert!(
        last[0]
            .record()
            .expect("a record")
            .note
            .starts_with("restored, rollback accepted")
    );
    let daemon = place.start(&[]);
    ask(&place, 1);
    assert_eq!(daemon.stop(), Some(0));
    // Whoever kept the checkpoint finds out.
    let copy = place.journal().display().to_string();
    let key = place.join("state/fak/journal.vkey").display().to_string();
    let kept = kept.display().to_string();
    fakctl(
        &place,
        &[
            "audit",
            "verify",
            &copy,
            "--checkpoint",
            &kept,
            "--key",
            &key,
        ],
        1,
    );
}
