//! How long what a text says may be believed.
//!
//! A first guess from its words: whoever keeps it longer must ask further. What nothing is known about lasts one turn.

use std::sync::LazyLock;

use regex::Regex;

/// A longer text says many things, and no frame in it speaks for all of them.
const STATEMENT_BYTES: usize = 4096;

/// How long what a result says may be believed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Durability {
    /// This turn only; also whatever nothing is known about.
    Turn,
    /// This session.
    Session,
    /// Until a time that must be named.
    Bounded,
    /// Until somebody says otherwise.
    Durable,
}

impl Durability {
    /// All, shortest first.
    pub const ALL: [Self; 4] = [Self::Turn, Self::Session, Self::Bounded, Self::Durable];

    /// The wire spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Session => "session",
            Self::Bounded => "bounded",
            Self::Durable => "durable",
        }
    }

    /// Reads a wire spelling; one this build does not know lasts one turn.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .unwrap_or(Self::Turn)
    }

    /// Whether it must come with the time at which it ends.
    #[must_use]
    pub const fn needs_deadline(self) -> bool {
        matches!(self, Self::Bounded)
    }

    /// The class of a statement.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.len() > STATEMENT_BYTES {
            return Self::Turn;
        }
        if SESSION.matches(text) {
            return Self::Session;
        }
        if MOMENT.matches(text) || STEP.matches(text) || MOOD.matches(text) {
            return Self::Turn;
        }
        if HABIT.matches(text) {
            return Self::Durable;
        }
        if DEADLINE.matches(text) {
            return Self::Bounded;
        }
        Self::Turn
    }
}

/// Why a statement does not last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Situation {
    /// It lasts.
    None,
    /// It speaks of a moment.
    Moment,
    /// It speaks of a step of something under way.
    Step,
    /// It speaks of a mood.
    Mood,
    /// Nothing is known about it.
    Other,
}

impl Situation {
    /// The situation a statement is tied to.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if Durability::of(text) >= Durability::Bounded {
            Self::None
        } else if MOOD.matches(text) {
            Self::Mood
        } else if STEP.matches(text) {
            Self::Step
        } else if MOMENT.matches(text) || CLOCK.matches(text) {
            Self::Moment
        } else {
            Self::Other
        }
    }
}

/// A frame that compiles when it is first asked.
struct Frame(LazyLock<Option<Regex>>);

impl Frame {
    fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|frame| frame.is_match(text))
    }
}

static SESSION: Frame = Frame(LazyLock::new(|| {
    Regex::new(
        r"(?ix)\b(today['’]s|this\x20session['’]s|the\x20current|our\x20current)\s+(task|goal|plan|focus|job)\b
        |\b(for|during|in)\s+this\s+(session|conversation)\b",
    )
    .ok()
}));
static MOMENT: Frame = Frame(LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(now|currently|presently|today|tonight|tomorrow|yesterday|later|soon|at the moment|this (morning|afternoon|evening|minute|hour))\b|\bit['’]s \d{1,2}(:\d\d)?\s?([ap]\.?m|o['’]clock)",
    )
    .ok()
}));
static CLOCK: Frame = Frame(LazyLock::new(|| {
    Regex::new(r"(?i)\b\d{1,2}(:\d\d)?\s?[ap]\.?m\b|\b\d{1,2}:\d\d\b").ok()
}));
static STEP: Frame = Frame(LazyLock::new(|| {
    Regex::new(r"(?i)\b(on|at|doing|finished)\s+(step|stage|phase|page)\s+\d+\b").ok()
}));
static MOOD: Frame = Frame(LazyLock::new(|| {
    Regex::new(
        r"(?ix)\b(i\x20am|i['’]m|we\x20are|we['’]re|feeling|feels?)\s+((a\x20(bit|little)|so|very|really|quite)\s+)?
        (tired|exhausted|sleepy|busy|frustrated|annoyed|angry|upset|sad|happy|excited|stressed|worried|anxious|bored|confused|hungry|sick)\b",
    )
    .ok()
}));
static HABIT: Frame = Frame(LazyLock::new(|| {
    Regex::new(
        r"(?ix)\b(i|we|they|he|she|user|team|customer|client)\s+((always|usually|generally|never|strongly|also)\s+)?
        (prefers?|likes?|dislikes?|loves?|hates?|wants?\x20(?:always)|uses?\x20(?:always))\b
        |\b(i|we)\s+(always|usually|never)\s+\w+
        |\bmy\s+(full\s+|first\s+|last\s+)?(name|role|title|job|profession|pronouns|birthday|time\s?zone|native\s+language)\s+(is|are)\b
        |\b(call|address)\s+me\s+as\b",
    )
    .ok()
}));
static DEADLINE: Frame = Frame(LazyLock::new(|| {
    Regex::new(r"(?i)\b(until|till|expires?( on| at)?|valid (until|through|till)|through|ends? on)\s+\d{4}-\d\d-\d\d\b").ok()
}));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_compiles() {
        for frame in [&SESSION, &MOMENT, &CLOCK, &STEP, &MOOD, &HABIT, &DEADLINE] {
            assert!(frame.0.is_some());
        }
    }

    #[test]
    fn a_date_bounds_a_statement() {
        assert_eq!(
            Durability::of("the coupon is valid until 2031-02-03"),
            Durability::Bounded
        );
        assert_eq!(
            Durability::of("valid until further notice"),
            Durability::Turn
        );
        assert_eq!(
            Durability::of(&"I prefer tea. ".repeat(400)),
            Durability::Turn
        );
    }
}
