//! Many opinions, one verdict.

use std::{cmp::Ordering, sync::Arc};

use fak_types::{Edit, Reason, Verdict, VerdictKind};

/// Reported in `by` when no rung ran at all.
pub const BY_EMPTY: &str = "empty-policy";
/// Reported in `by` when every rung had no opinion.
pub const BY_ALL_DEFER: &str = "all-defer";
/// Reported in `by` when two rungs want different bytes in the same place.
pub const BY_EDITS: &str = "conflicting-edits";

/// Folds the rungs' opinions, given in rung order, into the one verdict that leaves.
///
/// * The highest rank among those that do not defer wins, whatever the order of the rungs; between equals
///   the first in rung order gives `by`, reason and detail.
/// * Adding an opinion to at least one that does not defer never loosens the verdict.
/// * No opinion at all, or none but deferrals, is `DENY/DEFAULT_DENY`.
/// * A TRANSFORM carries the edits of every rung that transformed. Edits that overlap without being equal
///   cannot both be honoured and are a denial.
/// * A REQUIRE_WITNESS carries the claims of every rung that made any.
/// * An admitted call carries the first `would_deny` any rung reported.
pub fn fold(opinions: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut seen = false;
    let mut would_deny = None;
    let mut winner: Option<Verdict> = None;
    let mut edits: Vec<Edit> = Vec::new();
    let mut claims: Vec<Arc<str>> = Vec::new();
    for mut opinion in opinions {
        seen = true;
        for claim in opinion.claims() {
            if !claims.contains(claim) {
                claims.push(Arc::clone(claim));
            }
        }
        would_deny = would_deny.or(opinion.would_deny);
        if opinion.kind == VerdictKind::Transform {
            edits.append(&mut opinion.edits);
        }
        if opinion.kind != VerdictKind::Defer
            && winner
                .as_ref()
                .is_none_or(|best| opinion.kind.rank() > best.kind.rank())
        {
            winner = Some(opinion);
        }
    }
    let Some(mut verdict) = winner else {
        let by = if seen { BY_ALL_DEFER } else { BY_EMPTY };
        return Verdict::deny(Reason::DefaultDeny, by, "no rung allowed this call");
    };
    if verdict.kind == VerdictKind::Transform {
        match merge(edits) {
            Some(merged) => verdict.edits = merged,
            None => {
                return Verdict::deny(
                    Reason::PolicyBlock,
                    BY_EDITS,
                    "two rules rewrite the same bytes differently",
                );
            }
        }
    }
    let wants = verdict.kind == VerdictKind::RequireWitness && !claims.is_empty();
    verdict.claims = wants.then(|| claims.into());
    verdict.would_deny = if verdict.kind.admits() {
        would_deny
    } else {
        None
    };
    verdict
}

/// Ascending, without duplicates; `None` when two edits overlap and differ.
fn merge(mut edits: Vec<Edit>) -> Option<Vec<Edit>> {
    edits.sort_by(|a, b| match a.span.start.cmp(&b.span.start) {
        Ordering::Equal => a.span.end.cmp(&b.span.end),
        other => other,
    });
    edits.dedup();
    let overlap = edits
        .iter()
        .zip(edits.iter().skip(1))
        .any(|(a, b)| a.span.end > b.span.start || a.span == b.span);
    (!overlap).then_some(edits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opinion() -> impl Strategy<Value = Verdict> {
        (
            0..VerdictKind::ALL.len(),
            1..Reason::ALL.len(),
            0..4_usize,
            any::<bool>(),
        )
            .prop_map(|(kind, reason, at, would)| {
                let kind = VerdictKind::ALL[kind];
                let mut verdict = Verdict::of(kind, format!("rung-{at}"));
                if !matches!(
                    kind,
                    VerdictKind::Allow | VerdictKind::Defer | VerdictKind::Transform
                ) {
                    verdict.reason = Reason::ALL[reason];
                }
                if kind == VerdictKind::Transform {
                    verdict.edits.push(Edit {
                        span: at * 4..at * 4 + 2,
                        with: "x".into(),
                    });
                }
                if would && kind == VerdictKind::Allow {
                    verdict.would_deny = Some(Reason::ALL[reason]);
                }
                verdict
            })
    }

    proptest! {
        #[test]
        fn order_changes_no_kind_and_no_edit(
            opinions in prop::collection::vec(opinion(), 0..8),
            seed in any::<u64>(),
        ) {
            let straight = fold(opinions.clone());
            let mut shuffled = opinions;
            let mut state = seed | 1;
            for i in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                shuffled.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
            }
            let other = fold(shuffled);
            prop_assert_eq!(straight.kind, other.kind);
            prop_assert_eq!(straight.edits, other.edits);
        }

        #[test]
        fn one_more_opinion_never_loosens(
            opinions in prop::collection::vec(opinion(), 1..8),
            extra in opinion(),
            at in any::<prop::sample::Index>(),
        ) {
            prop_assume!(opinions.iter().any(|o| o.kind != VerdictKind::Defer));
            let before = fold(opinions.clone());
            let mut more = opinions;
            more.insert(at.index(more.len() + 1), extra);
            prop_assert!(fold(more).kind.rank() >= before.kind.rank());
        }

        #[test]
        fn the_first_of_the_highest_rank_decides(
            opinions in prop::collection::vec(opinion(), 1..8),
        ) {
            let verdict = fold(opinions.clone());
            let top = opinions.iter().filter(|o| o.kind != VerdictKind::Defer)
                .map(|o| o.kind.rank()).max();
            if let Some(top) = top {
                let first = opinions.iter()
                    .find(|o| o.kind != VerdictKind::Defer && o.kind.rank() == top).unwrap();
                prop_assert_eq!(&verdict.by, &first.by);
                prop_assert_eq!(verdict.reason, first.reason);
            }
        }

        #[test]
        fn deferrals_are_neutral(opinions in prop::collection::vec(opinion(), 1..8)) {
            prop_assume!(opinions.iter().any(|o| o.kind != VerdictKind::Defer));
            let without: Vec<_> =
                opinions.iter().filter(|o| o.kind != VerdictKind::Defer).cloned().collect();
            prop_assert_eq!(fold(opinions).kind, fold(without).kind);
        }

        #[test]
        fn only_an_admitting_opinion_admits(opinions in prop::collection::vec(opinion(), 0..8)) {
            let verdict = fold(opinions.clone());
            if verdict.kind.admits() {
                prop_assert!(opinions.iter().any(|o| o.kind.admits()));
                prop_assert!(opinions.iter().all(|o| o.kind.admits() || o.kind == VerdictKind::Defer));
            }
        }
    }

    #[test]
    fn nothing_said_is_a_denial() {
        let verdict = fold([]);
        assert_eq!(
            (verdict.kind, verdict.reason, &*verdict.by),
            (VerdictKind::Deny, Reason::DefaultDeny, BY_EMPTY)
        );
        let verdict = fold([Verdict::defer("a"), Verdict::defer("b")]);
        assert_eq!(
            (verdict.kind, verdict.reason, &*verdict.by),
            (VerdictKind::Deny, Reason::DefaultDeny, BY_ALL_DEFER)
        );
    }

    #[test]
    fn a_deferral_beside_an_allow_is_an_allow() {
        assert_eq!(
            fold([Verdict::defer("a"), Verdict::allow("b")]).kind,
            VerdictKind::Allow
        );
        assert_eq!(
            fold([Verdict::allow("b"), Verdict::defer("a")]).kind,
            VerdictKind::Allow
        );
    }

    #[test]
    fn edits_of_two_rungs_are_both_made_and_conflicts_are_refused() {
        let edit = |span, with: &str| {
            let mut verdict = Verdict::of(VerdictKind::Transform, "redact_fields");
            verdict.edits.push(Edit {
                span,
                with: with.into(),
            });
            verdict
        };
        let both = fold([edit(8..10, "b"), edit(0..4, "a")]);
        assert_eq!(
            both.edits.iter().map(|e| e.span.start).collect::<Vec<_>>(),
            [0, 8]
        );
        assert_eq!(fold([edit(0..4, "a"), edit(0..4, "a")]).edits.len(), 1);
        let clash = fold([edit(0..4, "a"), edit(3..6, "b")]);
        assert_eq!((clash.kind, &*clash.by), (VerdictKind::Deny, BY_EDITS));
        assert_eq!(
            fold([edit(0..4, "a"), edit(0..4, "b")]).kind,
            VerdictKind::Deny
        );
    }

    #[test]
    fn whoever_is_asked_is_asked_for_every_claim_and_a_refusal_for_none() {
        let wants = |by: &str, claims: &[&str]| Verdict {
            claims: Some(claims.iter().map(|claim| Arc::from(*claim)).collect()),
            ..Verdict::of(VerdictKind::RequireWitness, by)
        };
        let both = [wants("a", &["x", "y"]), wants("b", &["y", "z"])];
        let asked = fold(both.clone());
        assert_eq!((&*asked.by, asked.claims().len()), ("a", 3));
        let refused = Verdict::deny(Reason::PolicyBlock, "deny/x", "");
        assert_eq!(fold(both.into_iter().chain([refused])).claims, None);
    }

    #[test]
    fn a_relaxed_refusal_is_carried_by_the_allow() {
        let mut relaxed = Verdict::defer("rate_limit/0");
        relaxed.would_deny = Some(Reason::RateLimited);
        let verdict = fold([relaxed.clone(), Verdict::allow("allow/Read")]);
        assert_eq!(verdict.would_deny, Some(Reason::RateLimited));
        let refused = fold([relaxed, Verdict::deny(Reason::PolicyBlock, "deny/x", "")]);
        assert_eq!(refused.would_deny, None);
    }
}
