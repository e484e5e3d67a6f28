//! Many opinions, one answer: the strictest rung wins, and what any of them would cut is cut.

use fak_types::Reason;

use crate::admission::Edit;

/// The rungs, mildest first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rung {
    #[default]
    Allow,
    Redact,
    PageOut,
    Quarantine,
}

/// What one screen thinks, or all of them together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Opinion {
    rung: Rung,
    /// Where several screens ask for the same rung, the one whose reason weighs most is named.
    reason: Option<Named>,
    edits: Vec<Edit>,
}

/// Reasons in the order in which they are named: a secret before an attack, an attack before a length.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Named {
    Length,
    Attack,
    Secret,
}

impl Opinion {
    /// The rung, for this reason.
    pub(crate) fn new(rung: Rung, reason: Reason) -> Self {
        let reason = match reason {
            Reason::SecretExfil => Named::Secret,
            Reason::Oversize => Named::Length,
            _ => Named::Attack,
        };
        Self {
            rung,
            reason: Some(reason),
            edits: Vec::new(),
        }
    }

    /// A secret cut out at these places.
    pub(crate) fn cut(edits: Vec<Edit>) -> Self {
        Self {
            edits,
            ..Self::new(Rung::Redact, Reason::SecretExfil)
        }
    }

    /// Both opinions as one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.reason = match self.rung.cmp(&other.rung) {
            std::cmp::Ordering::Less => other.reason,
            std::cmp::Ordering::Equal => self.reason.max(other.reason),
            std::cmp::Ordering::Greater => self.reason,
        };
        self.rung = self.rung.max(other.rung);
        self.edits.extend(other.edits);
        self
    }

    /// The rung, the reason, and the edits in order, none of them touching another.
    pub(crate) fn settle(mut self) -> (Rung, Reason, Vec<Edit>) {
        self.edits.sort_by(|left, right| {
            (left.span.start, left.span.end, &left.with).cmp(&(
                right.span.start,
                right.span.end,
                &right.with,
            ))
        });
        let mut edits: Vec<Edit> = Vec::with_capacity(self.edits.len());
        for edit in self.edits {
            match edits.last_mut() {
                Some(last) if edit.span.start < last.span.end => {
                    last.span.end = last.span.end.max(edit.span.end);
                }
                _ => edits.push(edit),
            }
        }
        let reason = match self.reason {
            None => Reason::None,
            Some(Named::Length) => Reason::Oversize,
            Some(Named::Attack) => Reason::TrustViolation,
            Some(Named::Secret) => Reason::SecretExfil,
        };
        (self.rung, reason, edits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn opinions() -> impl Strategy<Value = Vec<Opinion>> {
        let edits = prop::collection::vec((0_usize..40, 1_usize..10), 0..4);
        let opinion = (0..4, edits).prop_map(|(rung, edits)| match rung {
            0 => Opinion::default(),
            1 => Opinion::cut(
                edits
                    .into_iter()
                    .map(|(start, len)| Edit {
                        span: start..start + len,
                        with: "[REDACTED:x]".into(),
                    })
                    .collect(),
            ),
            2 => Opinion::new(Rung::PageOut, Reason::Oversize),
            _ => Opinion::new(Rung::Quarantine, Reason::TrustViolation),
        });
        prop::collection::vec(opinion, 0..6)
    }

    fn fold(opinions: Vec<Opinion>) -> (Rung, Reason, Vec<Edit>) {
        opinions
            .into_iter()
            .fold(Opinion::default(), Opinion::and)
            .settle()
    }

    fn covered(edits: &[Edit], at: usize) -> bool {
        edits.iter().any(|edit| edit.span.contains(&at))
    }

    proptest! {
        #[test]
        fn an_added_opinion_only_tightens(mut before in opinions(), added in opinions()) {
            let (rung, _, edits) = fold(before.clone());
            before.extend(added);
            let (after, _, more) = fold(before);
            prop_assert!(after >= rung);
            prop_assert!((0..64).all(|at| !covered(&edits, at) || covered(&more, at)));
        }

        #[test]
        fn the_order_of_opinions_says_nothing(opinions in opinions(), turn in 0_usize..6) {
            let mut turned = opinions.clone();
            let turn = turn.min(turned.len());
            turned.rotate_left(turn);
            prop_assert_eq!(fold(opinions), fold(turned));
        }

        #[test]
        fn edits_lie_in_order_and_apart(opinions in opinions()) {
            let (_, _, edits) = fold(opinions);
            prop_assert!(edits.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
        }
    }
}
