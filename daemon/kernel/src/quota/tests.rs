use super::*;
use crate::limit::of_note;

impl Quotas {
    fn install(&mut self, profile: &str, note: &str) {
        of_note(note).for_each(|limit| self.add(&profile.into(), limit));
    }

    fn asked(&self, now: Timestamp, spend: &Spend<'_>) -> Verdict {
        self.opinion(now, spend, &mut Keys::default())
    }

    fn spent(&mut self, now: Timestamp, spend: &Spend<'_>) {
        self.charge(now, spend, &mut Keys::default());
    }
}

const T0: Timestamp = Timestamp(1_700_000_000_000_000);

fn quotas(note: &str) -> Quotas {
    let mut quotas = Quotas::new(Owners::new(1000, 100));
    quotas.begin();
    quotas.install("p", note);
    quotas
}

fn spend<'a>(who: &'a str, trace: &'a str, tool: &'a str) -> Spend<'a> {
    Spend {
        profile: "p",
        who,
        trace,
        tool,
        bytes: 10,
    }
}

#[test]
fn each_key_counts_what_it_says() {
    let base = spend("uid:1", "t", "Read");
    let same_trace = spend("uid:1", "t", "Bash");
    let same_tool = spend("uid:2", "x", "Read");
    let same_principal = spend("uid:1", "x", "Bash");
    let other_principals_trace = spend("uid:2", "t", "Bash");
    for (key, refused, open) in [
        (
            "trace",
            vec![same_trace],
            vec![same_tool, same_principal, other_principals_trace],
        ),
        ("tool", vec![same_tool], vec![same_trace, same_principal]),
        (
            "principal",
            vec![same_trace, same_principal],
            vec![same_tool],
        ),
        (
            "global",
            vec![same_trace, same_tool, other_principals_trace],
            vec![],
        ),
    ] {
        let mut quotas = quotas(&format!("calls=1 key={key} rule=0"));
        quotas.spent(T0, &base);
        for call in refused {
            assert_eq!(
                quotas.asked(T0, &call).reason,
                Reason::RateLimited,
                "{key} {call:?}"
            );
        }
        for call in open {
            assert_eq!(
                quotas.asked(T0, &call).kind,
                VerdictKind::Defer,
                "{key} {call:?}"
            );
        }
    }
}

#[test]
fn names_that_join_alike_are_different_sessions() {
    let mut quotas = quotas("calls=1 key=trace rule=0");
    quotas.spent(T0, &spend("key:a", "bc", "Read"));
    assert_eq!(
        quotas.asked(T0, &spend("key:ab", "c", "Read")).kind,
        VerdictKind::Defer
    );
}

#[test]
fn cost_counts_argument_bytes() {
    let mut quotas = quotas("cost=25 key=trace rule=0");
    let call = spend("uid:1", "t", "Read");
    quotas.spent(T0, &call);
    assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Defer);
    quotas.spent(T0, &call);
    assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Deny);
    assert_eq!(
        quotas.asked(T0, &Spend { bytes: 5, ..call }).kind,
        VerdictKind::Defer
    );
}

#[test]
fn the_quota_that_stays_spent_longest_speaks() {
    let mut quotas =
        quotas("calls=1 key=trace rule=0 window_ms=1000; calls=1 key=trace rule=1 window_ms=5000");
    let call = spend("uid:1", "t", "Read");
    quotas.spent(T0, &call);
    let verdict = quotas.asked(T0, &call);
    assert_eq!(
        (&*verdict.by, verdict.retry_after_ms),
        ("rate_limit/1", Some(5000))
    );
    quotas.begin();
    quotas.install(
        "p",
        "calls=1 key=trace rule=0 window_ms=1000; calls=1 key=trace rule=1 retry_after_ms=7",
    );
    quotas.spent(T0, &spend("uid:1", "u", "Read"));
    let verdict = quotas.asked(T0, &spend("uid:1", "u", "Read"));
    assert_eq!(
        (&*verdict.by, verdict.retry_after_ms),
        ("rate_limit/1", Some(7))
    );
}

#[test]
fn a_new_policy_keeps_what_is_spent_of_unchanged_limits() {
    let lifetime = "calls=1 key=trace rule=0";
    let windowed = "calls=1 key=principal rule=1 window_ms=60000";
    let call = spend("uid:1", "t", "Read");
    let mut quotas = quotas(&format!("{lifetime}; {windowed}"));
    quotas.spent(T0, &call);
    for (note, by) in [
        // Moved to another place in the file.
        (
            "calls=1 key=principal rule=0 window_ms=60000; calls=1 key=trace rule=1",
            "rate_limit/1",
        ),
        (windowed, "rate_limit/1"),
    ] {
        quotas.begin();
        quotas.install("p", note);
        assert_eq!(&*quotas.asked(T0, &call).by, by, "{note}");
    }
    // A larger lifetime quota keeps the count, and another profile has its own.
    quotas.begin();
    quotas.install("p", "calls=3 key=trace rule=0");
    quotas.spent(T0, &call);
    quotas.begin();
    quotas.install("p", "calls=1 key=trace rule=0");
    quotas.install("q", "calls=1 key=trace rule=0");
    assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Deny);
    assert_eq!(
        quotas
            .asked(
                T0,
                &Spend {
                    profile: "q",
                    ..call
                }
            )
            .kind,
        VerdictKind::Defer
    );
}

#[test]
fn limits_that_went_give_their_memory_back() {
    let mut quotas = quotas("calls=5 key=trace rule=0");
    quotas.spent(T0, &spend("uid:1", "t", "Read"));
    assert_eq!(quotas.owners.keys(), 1);
    quotas.begin();
    quotas.begin();
    assert_eq!(quotas.owners.keys(), 0);
}

#[test]
fn two_limits_on_one_table_charge_it_once() {
    let mut quotas = quotas("calls=2 key=trace rule=0; calls=5 key=trace rule=1");
    let call = spend("uid:1", "t", "Read");
    quotas.spent(T0, &call);
    assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Defer);
    quotas.spent(T0, &call);
    assert_eq!(&*quotas.asked(T0, &call).by, "rate_limit/0");
}

#[test]
fn what_is_given_back_is_not_spent() {
    let mut quotas = quotas("calls=1 key=trace rule=0; cost=10 key=tool rule=1 window_ms=9");
    let call = spend("uid:1", "t", "Read");
    quotas.spent(T0, &call);
    assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Deny);
    quotas.give_back(&call);
    assert_eq!(quotas.asked(T0, &call).kind, VerdictKind::Defer);
}
