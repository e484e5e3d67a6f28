use super::*;

fn verdict(kind: RecordKind, verdict: &str, reason: &str, by: &str) -> Draft {
    Draft {
        verdict: verdict.into(),
        reason: reason.into(),
        by: by.into(),
        took_us: 75,
        ..Draft::new(kind, 1)
    }
}

fn of(rows: &[Draft]) -> Tally {
    let mut tally = Tally::default();
    rows.iter().for_each(|row| tally.count(row));
    tally
}

#[test]
fn every_kind_of_row_is_counted_once() {
    use RecordKind::{
        Admit, Approve, Backup, Checkpoint, Clear, Decide, Deny, Emergency, Gap, Policy,
        Quarantine, Refused, Session, Start,
    };
    let asked = |kind: &str, by: &str| Draft {
        subject: "id".into(),
        ..verdict(Deny, kind, "UNWITNESSED", by)
    };
    let ruled = |kind: &str| verdict(Approve, kind, "", "");
    let turn = |subject: &str, kind: &str| Draft {
        subject: subject.into(),
        ..verdict(Session, kind, "", "session/turn")
    };
    let about = |kind, subject: &str, count| Draft {
        subject: subject.into(),
        count,
        ..Draft::new(kind, 7)
    };
    let tally = of(&[
        about(Start, "", 0),
        about(Policy, "generation", 1),
        about(Policy, "profile", 0),
        about(Policy, "refused", 3),
        verdict(Decide, "ALLOW", "NONE", "allow/Read"),
        verdict(Decide, "TRANSFORM", "NONE", "redact_fields"),
        verdict(Decide, "ALLOW", "NONE", "emergency"),
        verdict(Deny, "DENY", "POLICY_BLOCK", "deny/x"),
        verdict(Deny, "DENY", "POLICY_BLOCK", "deny/x"),
        verdict(Deny, "KIND_9", "REASON_70", "new"),
        about(Refused, "Reload", 4),
        about(Gap, "", 9),
        about(Emergency, "begin", 0),
        about(Emergency, "end", 0),
        about(Checkpoint, "host+0", 12),
        about(Backup, "first", 12),
        about(Backup, "second", 13),
        verdict(Admit, "ALLOW", "NONE", "screen"),
        verdict(Admit, "TRANSFORM", "NONE", "secrets/x"),
        verdict(Quarantine, "QUARANTINE", "TRUST_VIOLATION", "injection/x"),
        verdict(Quarantine, "DENY", "DEFAULT_DENY", "vault"),
        about(Clear, "seal", 0),
        asked("REQUIRE_WITNESS", "arg_rules/x"),
        asked("DENY", "approval/expired"),
        Draft {
            subject: "id".into(),
            ..verdict(Decide, "ALLOW", "NONE", "approval")
        },
        ruled("ALLOW"),
        ruled("DENY"),
        turn("reserve", "ALLOW"),
        turn("reserve", "DENY"),
        turn("settle", ""),
        about(Session, "control", 0),
        about(Session, "reset", 0),
        about(Session, "taint", 0),
        about(Session, "tell", 0),
    ]);
    let approvals = tally.approvals;
    assert_eq!(
        (
            approvals.asked,
            approvals.approved,
            approvals.denied,
            approvals.expired,
            approvals.spent
        ),
        (1, 1, 1, 1, 1)
    );
    let turns = tally.turns;
    assert_eq!((turns.reserved, turns.refused, turns.settled), (1, 1, 1));
    assert_eq!(tally.steered, 3);
    let results = tally.results;
    assert_eq!(
        (
            results.allowed,
            results.transformed,
            results.sealed,
            results.refused,
            results.cleared
        ),
        (1, 1, 1, 1, 1)
    );
    assert_eq!((tally.decided(), tally.refused()), (9, 5));
    assert_eq!(tally.of_kind(VerdictKind::Transform), 1);
    assert_eq!(
        tally.verdicts().collect::<Vec<_>>(),
        [
            ("ALLOW", "NONE", 3),
            ("DENY", "POLICY_BLOCK", 2),
            ("DENY", "UNWITNESSED", 1),
            ("TRANSFORM", "NONE", 1),
            ("REQUIRE_WITNESS", "UNWITNESSED", 1),
            ("UNKNOWN", "UNKNOWN", 1),
        ]
    );
    assert_eq!(
        tally.rules().collect::<Vec<_>>(),
        [
            ("approval/expired", 1),
            ("arg_rules/x", 1),
            ("deny/x", 2),
            ("new", 1)
        ]
    );
    assert_eq!((tally.starts, tally.rpcs_refused, tally.lost), (1, 4, 9));
    assert_eq!((tally.policies.loaded, tally.policies.refused), (1, 1));
    assert_eq!((tally.emergencies.begun, tally.emergencies.uses), (1, 1));
    assert_eq!(
        (tally.checkpoints.count, tally.checkpoints.last_rows),
        (1, 12)
    );
    assert_eq!(
        (
            tally.backups.count,
            tally.backups.last_name.as_str(),
            tally.backups.last_us
        ),
        (2, "second", 7)
    );
}

#[test]
fn times_fall_into_their_buckets_bounds_included() {
    let mut latency = Latency::default();
    for us in [0, 50, 51, 5_000_000, 5_000_001] {
        latency.count(us);
    }
    assert_eq!((latency.buckets[0], latency.buckets[1]), (2, 1));
    assert_eq!(latency.buckets.last(), Some(&1));
    assert_eq!((latency.count, latency.sum_us), (5, 10_000_102));
}

#[test]
fn rules_beyond_the_bound_are_counted_together() {
    let rows: Vec<_> = (0..TALLY_RULES_MAX + 5)
        .map(|n| {
            verdict(
                RecordKind::Deny,
                "DENY",
                "POLICY_BLOCK",
                &format!("deny/{n}"),
            )
        })
        .collect();
    let mut tally = of(&rows);
    assert_eq!(
        (tally.rules().count(), tally.other_rules),
        (TALLY_RULES_MAX, 5)
    );
    tally.count(&rows[3]);
    assert_eq!(tally.other_rules, 5, "a known rule is still counted apart");
}

#[test]
fn an_image_is_whole_or_refused() {
    let tally = of(&[verdict(RecordKind::Deny, "DENY", "POLICY_BLOCK", "deny/x")]);
    let image = tally.snapshot();
    assert_eq!(Tally::restore(&image), Ok(tally));
    for cut in 0..image.len() {
        assert!(Tally::restore(&image[..cut]).is_err());
        let mut flipped = image.clone();
        flipped[cut] ^= 0x40;
        assert!(Tally::restore(&flipped).is_err());
    }
}
