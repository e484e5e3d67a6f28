//! What is bounded, what is displaced, and what is refused.

use crate::support::{meta, names, noise, open_with, quarantined, tempdir};
use fak_vault::{Filter, Kind, Limits, LogLimits, Meta, ReadError, SealError, SealId, Vault};

/// Room for four blobs of 1000 bytes, each with 384 bytes of header, metadata and tags more.
const FOUR: Limits = Limits {
    bytes_max: 4 * 1400,
    count_max: 100,
    blob_bytes_max: 3000,
    share_percent_max: 100,
    logs: NO_LOGS,
};

const NO_LOGS: LogLimits = LogLimits {
    bytes_max: 0,
    count_max: 0,
    log_bytes_max: 0,
    record_bytes_max: 0,
};

fn there(vault: &Vault, id: SealId) -> bool {
    match vault.read(id) {
        Ok(_) => true,
        Err(ReadError::Unknown(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_oldest_paged_out_blob_goes_first_and_no_quarantined_one_ever() {
    let dir = tempdir();
    let vault = open_with(dir.path(), FOUR);
    let seal = |n: u64, kind, at_us| vault.seal(&noise(n, 1000), &meta("t", kind, at_us));
    let poison = seal(1, Kind::Quarantined, 1).unwrap();
    let late = seal(2, Kind::PagedOut, 30).unwrap();
    let early = seal(3, Kind::PagedOut, 10).unwrap();
    let middle = seal(4, Kind::PagedOut, 20).unwrap();
    let new = seal(5, Kind::PagedOut, 40).unwrap();
    assert!(!there(&vault, early));
    let more = seal(6, Kind::Quarantined, 5).unwrap();
    assert!(!there(&vault, middle));
    for id in [poison, late, new, more] {
        assert!(there(&vault, id));
    }
    seal(7, Kind::Quarantined, 50).unwrap();
    seal(8, Kind::Quarantined, 60).unwrap();
    let before = names(dir.path());
    for kind in [Kind::Quarantined, Kind::PagedOut] {
        let error = seal(9, kind, 70).expect_err("four are quarantined");
        assert!(matches!(error, SealError::Full { .. }), "{error}");
        assert!(
            error.to_string().contains("release what is quarantined"),
            "{error}"
        );
    }
    assert_eq!(names(dir.path()), before);
    assert!(vault.status().bytes <= FOUR.bytes_max);
    // What is there may be sealed again, and a release makes room.
    seal(8, Kind::Quarantined, 80).unwrap();
    vault.forget(poison).unwrap();
    seal(9, Kind::Quarantined, 90).unwrap();
}

#[test]
fn kept_answers_go_before_what_was_paged_out_and_never_keep_what_others_hold() {
    let dir = tempdir();
    let vault = open_with(dir.path(), FOUR);
    let seal = |n: u64, kind, at_us| vault.seal(&noise(n, 1000), &meta("t", kind, at_us));
    let paged = seal(1, Kind::PagedOut, 1).unwrap();
    let answer = seal(2, Kind::Cached, 50).unwrap();
    let both = seal(3, Kind::Cached, 2).unwrap();
    vault
        .seal(&noise(3, 1000), &meta("u", Kind::Quarantined, 3))
        .unwrap();
    seal(4, Kind::Quarantined, 4).unwrap();
    assert_eq!((vault.status().cached, vault.status().paged_out), (1, 1));
    seal(5, Kind::Quarantined, 5).unwrap();
    assert!(!there(&vault, answer) && there(&vault, paged) && there(&vault, both));
    vault.release(both, crate::support::WHO, "t").unwrap();
    assert_eq!(vault.meta(both).unwrap().kind(), Kind::Quarantined);
}

#[test]
fn what_one_session_paged_out_and_another_quarantined_stays() {
    let dir = tempdir();
    let vault = open_with(dir.path(), FOUR);
    let both = vault
        .seal(&noise(1, 1000), &meta("a", Kind::PagedOut, 1))
        .unwrap();
    vault
        .seal(&noise(1, 1000), &meta("b", Kind::Quarantined, 2))
        .unwrap();
    for n in 2..9 {
        vault
            .seal(&noise(n, 1000), &meta("a", Kind::PagedOut, n))
            .unwrap();
    }
    assert!(there(&vault, both));
    assert_eq!(vault.status().paged_out, 3);
}

#[test]
fn a_refusal_displaces_nothing() {
    let dir = tempdir();
    let vault = open_with(dir.path(), FOUR);
    vault.seal(&noise(1, 2900), &quarantined("a")).unwrap();
    let paged = vault
        .seal(&noise(2, 100), &meta("a", Kind::PagedOut, 1))
        .unwrap();
    let error = vault
        .seal(&noise(3, 2900), &quarantined("a"))
        .expect_err("full");
    assert!(matches!(error, SealError::Full { .. }), "{error}");
    assert!(there(&vault, paged));
}

#[test]
fn holds_are_counted_and_bounded_for_one_blob_too() {
    let dir = tempdir();
    let limits = Limits {
        count_max: 300,
        share_percent_max: 100,
        ..Limits::default()
    };
    let vault = open_with(dir.path(), limits);
    let mut held = 0;
    let error = loop {
        match vault.seal(b"popular", &quarantined(&held.to_string())) {
            Ok(_) => held += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(held, 256);
    assert!(
        matches!(error, SealError::Crowded { held: 256, .. }),
        "{error}"
    );
    for n in 0..44_u8 {
        vault.seal(&[n], &quarantined("a")).unwrap();
    }
    let error = vault
        .seal(b"one too many", &quarantined("a"))
        .expect_err("full");
    assert!(
        matches!(
            error,
            SealError::Full {
                holds: 300,
                holds_max: 300,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(vault.list(&Filter::default(), 1000).blobs.len(), 45);
}

#[test]
fn one_principal_cannot_take_it_all_nor_displace_another_first() {
    let dir = tempdir();
    let limits = Limits {
        share_percent_max: 50,
        ..FOUR
    };
    let vault = open_with(dir.path(), limits);
    let seal = |who: &str, n: u64, kind| {
        let meta = Meta {
            who: who.into(),
            ..meta("t", kind, n)
        };
        vault.seal(&noise(n, 1000), &meta)
    };
    let theirs = seal("uid:2", 1, Kind::PagedOut).unwrap();
    let own = seal("uid:1", 2, Kind::PagedOut).unwrap();
    seal("uid:1", 3, Kind::PagedOut).unwrap();
    seal("uid:1", 4, Kind::Quarantined).unwrap();
    assert!(
        !there(&vault, own),
        "its own goes before its share is passed"
    );
    seal("uid:1", 5, Kind::Quarantined).unwrap();
    let error = seal("uid:1", 6, Kind::Quarantined).expect_err("its share is spent");
    assert!(
        matches!(&error, SealError::Share { who, percent: 50 } if who == "uid:1"),
        "{error}"
    );
    assert!(there(&vault, theirs));
    seal("uid:2", 7, Kind::Quarantined).unwrap();
    seal("uid:3", 8, Kind::Quarantined).unwrap();
    assert!(
        !there(&vault, theirs),
        "another's goes when there is nothing else"
    );
}

#[test]
fn too_much_at_once_is_refused_before_anything_is_written() {
    let dir = tempdir();
    let vault = open_with(dir.path(), FOUR);
    let error = vault
        .seal(&noise(1, 3001), &quarantined("a"))
        .expect_err("too long");
    assert!(
        matches!(
            error,
            SealError::TooLarge {
                len: 3001,
                max: 3000
            }
        ),
        "{error}"
    );
    let error = vault
        .seal(b"x", &quarantined(&"t".repeat(129)))
        .expect_err("too long");
    assert!(
        error
            .to_string()
            .contains("the trace has 129 bytes; at most 128"),
        "{error}"
    );
    assert_eq!(names(dir.path()), [""; 0]);
}
