//! Results in the state: what a session has read stays read, through restarts and replays.

use std::sync::Arc;

use fak_chain::{decode, digest_bytes, encode};
use fak_kernel::{
    CLEARANCES_MAX, Kernel, Limits, ResultFacts, Snapshot, Timestamp, Viewer, clear_row, result_row,
};
use fak_policy::{Format, Policy, PolicySet};
use fak_types::{Principal, Reason, SourceClass, Taint, Verdict, VerdictKind};

const POLICY: &str =
    r#"{"version": "fak-policy/v1", "allow": ["Read"], "sources": {"Read": "trusted_local"}}"#;

fn snapshot() -> Snapshot {
    let (manifest, _) = fak_policy::load("p", POLICY, Format::Json).expect("sound");
    let policy = Policy::compile("p", &manifest).expect("compiles");
    Snapshot::new(1, PolicySet::new(vec![policy]).expect("a set"))
}

fn who(uid: u32) -> Principal {
    Principal::Local {
        uid,
        gid: uid,
        groups: Arc::from([]),
        pid: 7,
    }
}

fn facts<'a>(verdict: &'a Verdict, taint: Taint) -> ResultFacts<'a> {
    ResultFacts {
        tool: "Fetch",
        trace: "t-1",
        call: "c",
        verdict,
        digest: digest_bytes(b"page"),
        bytes: 4,
        taint,
        seal: "q-1",
        note: "durability turn",
    }
}

#[test]
fn what_a_session_has_read_stays_read() {
    let (snapshot, mut kernel) = (snapshot(), Kernel::new(Limits::default()));
    let allow = Verdict::allow("screen");
    let deny = Verdict {
        kind: VerdictKind::Quarantine,
        ..Verdict::deny(Reason::TrustViolation, "injection/override", "")
    };
    let mut rows = Vec::new();
    let taints = [
        (&allow, Taint::Trusted, Taint::Trusted),
        (&allow, Taint::Tainted, Taint::Tainted),
        (&allow, Taint::Trusted, Taint::Tainted),
        (&deny, Taint::Quarantined, Taint::Quarantined),
        (&allow, Taint::Trusted, Taint::Quarantined),
    ];
    for (at, (verdict, taint, wanted)) in taints.into_iter().enumerate() {
        let row = result_row(
            Timestamp(at as u64),
            &who(1),
            &snapshot,
            &facts(verdict, taint),
        );
        kernel.take_in(&row);
        rows.push(row);
        let session = kernel.session(Viewer::All, "t-1").expect("live");
        assert_eq!(session.taint, wanted);
    }
    let session = kernel.session(Viewer::Own("uid:1"), "t-1").expect("live");
    assert_eq!((session.results, session.sealed, session.calls), (4, 1, 0));
    // Another principal's session of the same name has read nothing.
    assert_eq!(kernel.session(Viewer::Own("uid:2"), "t-1"), None);

    let clear = clear_row(Timestamp(9), &who(2), "t-1", "q-1", "looked at it");
    kernel.take_in(&clear);
    rows.push(clear);
    assert_eq!(kernel.cleared_by("q-1"), Some("uid:2"));
    assert_eq!(kernel.cleared_by("q-2"), None);

    // A restart by the image, and one by the rows alone.
    let restored = Kernel::restore(Limits::default(), &kernel.snapshot()).expect("an image");
    let mut replayed = Kernel::new(Limits::default());
    for (seq, row) in (1..).zip(&rows) {
        replayed.replay(&decode(&encode(row, seq)).expect("a record"));
    }
    assert_eq!(restored.snapshot(), kernel.snapshot());
    assert_eq!(replayed.snapshot(), kernel.snapshot());
}

#[test]
fn a_taint_nobody_knows_is_the_unsafe_one() {
    let (snapshot, mut kernel) = (snapshot(), Kernel::new(Limits::default()));
    let allow = Verdict::allow("screen");
    let mut row = result_row(
        Timestamp(1),
        &who(1),
        &snapshot,
        &facts(&allow, Taint::Trusted),
    );
    row.taint = "blessed".to_owned();
    kernel.take_in(&row);
    let session = kernel.session(Viewer::All, "t-1").expect("live");
    assert_eq!(session.taint, Taint::Tainted);
}

#[test]
fn the_oldest_clearance_goes_first() {
    let mut kernel = Kernel::new(Limits::default());
    for number in 0..=CLEARANCES_MAX {
        let seal = format!("q-{number}");
        kernel.take_in(&clear_row(Timestamp(1), &who(2), "t", &seal, "seen"));
    }
    assert_eq!(kernel.cleared_by("q-0"), None);
    assert_eq!(kernel.cleared_by("q-1"), Some("uid:2"));
}

#[test]
fn a_policy_says_whose_results_are_its_own() {
    let snapshot = snapshot();
    assert_eq!(snapshot.source(&who(1), "Read"), SourceClass::TrustedLocal);
    assert_eq!(snapshot.source(&who(1), "Fetch"), SourceClass::Tainted);
}
