//! Quotas as a policy writes them and as a record keeps them.

use std::fmt;

use fak_policy::manifest::{RateKey, RateLimit};

/// What one quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// Admitted calls.
    Calls,
    /// Bytes of arguments of admitted calls.
    Cost,
}

/// What one quota counts together. A trace is one principal's: two principals that use the same id do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Together {
    Trace,
    Tool,
    Principal,
    Global,
}

/// One bound: one measure, one key, one maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) measure: Measure,
    pub(crate) together: Together,
    pub(crate) max: u64,
    /// Which entry of the manifest's `rate_limit` states it, for people.
    pub(crate) rule: usize,
    /// `None`: a lifetime quota, which nothing refills.
    pub(crate) window_ms: Option<u64>,
    /// The policy's own advice, in place of the computed one.
    pub(crate) retry_after_ms: Option<u64>,
}

impl Measure {
    const ALL: [Self; 2] = [Self::Calls, Self::Cost];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Cost => "cost",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

impl Together {
    const ALL: [Self; 4] = [Self::Trace, Self::Tool, Self::Principal, Self::Global];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Tool => "tool",
            Self::Principal => "principal",
            Self::Global => "global",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

impl Limit {
    /// The bounds one `rate_limit` entry of a manifest states: none, one or two.
    pub(crate) fn of_rule(index: usize, rule: &RateLimit) -> impl Iterator<Item = Self> + use<> {
        let together = match rule.key {
            None | Some(RateKey::Trace) => Together::Trace,
            Some(RateKey::Tool) => Together::Tool,
            Some(RateKey::Principal) => Together::Principal,
            Some(RateKey::Global) => Together::Global,
        };
        let (window_ms, retry_after_ms) = (rule.window_ms, rule.retry_after_ms);
        let bound = move |measure, max| Self {
            measure,
            together,
            max,
            rule: index,
            window_ms,
            retry_after_ms,
        };
        rule.max_calls
            .map(|max| bound(Measure::Calls, max))
            .into_iter()
            .chain(rule.max_cost.map(|max| bound(Measure::Cost, max)))
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (measure, max) = words.next()?.split_once('=')?;
        let mut limit = Self {
            measure: Measure::parse(measure)?,
            together: Together::parse(words.next()?.strip_prefix("key=")?)?,
            max: max.parse().ok()?,
            rule: words.next()?.strip_prefix("rule=")?.parse().ok()?,
            window_ms: None,
            retry_after_ms: None,
        };
        for word in words {
            match word.split_once('=')? {
                ("window_ms", number) => limit.window_ms = Some(number.parse().ok()?),
                ("retry_after_ms", number) => limit.retry_after_ms = Some(number.parse().ok()?),
                _ => return None,
            }
        }
        Some(limit)
    }

    /// What a refusal says: the bound, never who else counts against it.
    pub(crate) fn detail(&self) -> String {
        let what = match self.measure {
            Measure::Calls => "calls",
            Measure::Cost => "bytes of arguments",
        };
        let per = match self.together {
            Together::Trace => " per session",
            Together::Tool => " per tool",
            Together::Principal => " per principal",
            Together::Global => " altogether",
        };
        match self.window_ms {
            Some(ms) => format!("at most {} {what}{per} in {ms} ms", self.max),
            None => format!("at most {} {what}{per}, ever", self.max),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (measure, together) = (self.measure.as_str(), self.together.as_str());
        write!(
            f,
            "{measure}={} key={together} rule={}",
            self.max, self.rule
        )?;
        if let Some(ms) = self.window_ms {
            write!(f, " window_ms={ms}")?;
        }
        if let Some(ms) = self.retry_after_ms {
            write!(f, " retry_after_ms={ms}")?;
        }
        Ok(())
    }
}

/// What stands between two limits in a record's note.
const SEPARATOR: &str = "; ";

/// The limits of one profile as the notes of as many records as they need, in order; one empty note for none.
pub(crate) fn to_notes(limits: &[Limit], note_bytes_max: usize) -> Vec<String> {
    let mut notes = vec![String::new()];
    for limit in limits {
        let text = limit.to_string();
        match notes.last_mut() {
            Some(note) if note.is_empty() => note.push_str(&text),
            Some(note) if note.len() + SEPARATOR.len() + text.len() <= note_bytes_max => {
                note.push_str(SEPARATOR);
                note.push_str(&text);
            }
            _ => notes.push(text),
        }
    }
    notes
}

/// The limits a record's note lists. What cannot be read is left out: the note is this crate's own and chained.
pub(crate) fn of_note(note: &str) -> impl Iterator<Item = Limit> + '_ {
    note.split(SEPARATOR).filter_map(Limit::parse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit() -> impl Strategy<Value = Limit> {
        (
            any::<bool>(),
            0..4_usize,
            any::<u64>(),
            any::<usize>(),
            any::<[Option<u64>; 2]>(),
        )
            .prop_map(
                |(calls, together, max, rule, [window_ms, retry_after_ms])| Limit {
                    measure: if calls { Measure::Calls } else { Measure::Cost },
                    together: Together::ALL[together],
                    max,
                    rule,
                    window_ms,
                    retry_after_ms,
                },
            )
    }

    proptest! {
        #[test]
        fn notes_keep_every_limit(limits in prop::collection::vec(limit(), 0..40)) {
            let notes = to_notes(&limits, 1024);
            prop_assert!(notes.iter().all(|note| note.len() <= 1024));
            let back: Vec<_> = notes.iter().flat_map(|note| of_note(note)).collect();
            prop_assert_eq!(back, limits);
        }
    }

    #[test]
    fn a_rule_may_bound_calls_and_cost() {
        let rule = RateLimit {
            max_calls: Some(5),
            max_cost: Some(100),
            ..RateLimit::default()
        };
        let limits: Vec<_> = Limit::of_rule(3, &rule).map(|l| l.to_string()).collect();
        assert_eq!(
            limits,
            ["calls=5 key=trace rule=3", "cost=100 key=trace rule=3"]
        );
        assert_eq!(Limit::of_rule(0, &RateLimit::default()).count(), 0);
    }

    #[test]
    fn details_name_the_bound() {
        let says = |text| Limit::parse(text).unwrap().detail();
        assert_eq!(
            says("calls=5 key=trace rule=0"),
            "at most 5 calls per session, ever"
        );
        assert_eq!(
            says("cost=9 key=principal rule=0 window_ms=1000"),
            "at most 9 bytes of arguments per principal in 1000 ms"
        );
        assert_eq!(
            says("calls=1 key=global rule=0 window_ms=5"),
            "at most 1 calls altogether in 5 ms"
        );
        assert_eq!(
            says("calls=1 key=tool rule=0"),
            "at most 1 calls per tool, ever"
        );
    }

    #[test]
    fn a_note_that_is_not_a_limit_is_none() {
        for text in [
            "",
            "calls",
            "calls=x key=trace",
            "calls=1 key=none rule=0",
            "calls=1 key=trace rule=0 x=1",
        ] {
            assert_eq!(Limit::parse(text), None, "{text}");
        }
    }
}
