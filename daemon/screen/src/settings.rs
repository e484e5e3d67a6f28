//! What an operator may choose.

use crate::admission::Trust;

/// LIMIT: the size from which a result is paged out unless the operator says otherwise; 256 KiB is some 64 thousand
/// tokens, more than most models can hold beside their task.
pub const OVERSIZE_BYTES_DEFAULT: usize = 256 * 1024;

/// What an operator may choose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// A result longer than this is paged out.
    pub oversize_bytes: usize,
    /// Cut secrets out of text and let the rest pass; otherwise a result with a secret is quarantined whole.
    pub redact: bool,
    /// What is done about the numbers and addresses of people.
    pub people: People,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            oversize_bytes: OVERSIZE_BYTES_DEFAULT,
            redact: true,
            people: People::default(),
        }
    }
}

/// From which results something is cut out.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cut {
    /// From none.
    #[default]
    Never,
    /// From those anybody may have written.
    Untrusted,
    /// From all, the user's own files too.
    Always,
}

impl Cut {
    const fn applies(self, trust: Trust) -> bool {
        match self {
            Self::Never => false,
            Self::Untrusted => matches!(trust, Trust::Untrusted),
            Self::Always => true,
        }
    }
}

/// What is done about the numbers and addresses of people. Telephone numbers have no form of their own and are not
/// looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct People {
    /// Payment cards: the issuer's range and the check digit must fit. Cut out of untrusted results unless told otherwise;
    /// in the user's own files such a number is mostly test data, and an edit of it must see it.
    pub cards: Cut,
    /// Mail addresses. An agent that may see none can answer no mail.
    pub emails: Cut,
    /// Social security numbers of the United States, beside a word that names them.
    pub ssns: Cut,
    /// International bank account numbers whose country, length and check digits fit.
    pub ibans: Cut,
}

impl Default for People {
    fn default() -> Self {
        Self {
            cards: Cut::Untrusted,
            emails: Cut::Never,
            ssns: Cut::Never,
            ibans: Cut::Never,
        }
    }
}

impl People {
    /// What is looked for in a result.
    pub(crate) const fn wanted(self, trust: Trust) -> Wanted {
        Wanted {
            cards: self.cards.applies(trust),
            emails: self.emails.applies(trust),
            ssns: self.ssns.applies(trust),
            ibans: self.ibans.applies(trust),
        }
    }
}

/// What of people is looked for in one result.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) cards: bool,
    pub(crate) emails: bool,
    pub(crate) ssns: bool,
    pub(crate) ibans: bool,
}
