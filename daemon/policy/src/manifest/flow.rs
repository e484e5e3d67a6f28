//! Information flow as the file says it: whose words stand where, which arguments steer, what may cross.

use crate::diff::starts_with_folded;

/// What a profile says about information flow. Everything in it gates calls; nothing in it allows a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Whose words the results of tools hold, in file order.
    pub sources: Vec<Source>,
    /// Tools whose calls are gated, in file order.
    pub sinks: Vec<Sink>,
    /// What may cross from tainted data all the same.
    pub endorse: Vec<Endorse>,
}

/// Whose words a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The tool's own.
    Trusted,
    /// Anybody's.
    Tainted,
}

/// What a rule answers to a value that has no right to be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It may pass.
    Allow,
    /// A person must say: REQUIRE_WITNESS.
    Ask,
    /// It may not: DENY as `TRUST_VIOLATION`.
    Deny,
}

/// Whose words a tool's results hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Tool name: exact, or a prefix followed by `*`.
    pub tool: String,
    /// What holds of everything no field names. When the file does not say, the tool's class in `sources`, else
    /// tainted.
    pub otherwise: Option<Trust>,
    /// Single fields, in file order.
    pub fields: Vec<Field>,
}

/// One field of a tool's results: the selected values and everything below them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Selector below the result, such as `[].id`; empty for all of it.
    pub at: String,
    /// Whose words; when the file does not say, what the source says `otherwise`.
    pub trust: Option<Trust>,
    /// What the values are.
    pub class: Option<String>,
    /// Not for outsiders.
    pub confidential: bool,
    /// A value the call asked for is proven by coming back.
    pub attested: bool,
    /// A name people use for the record it stands in.
    pub naming: bool,
}

/// A tool whose calls are gated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sink {
    /// Tool name: exact, or a prefix followed by `*`.
    pub tool: String,
    /// Arguments that steer, in file order. What neither these nor `texts` name steers too.
    pub controls: Vec<Control>,
    /// Arguments that hold free text, in file order.
    pub texts: Vec<Text>,
    /// Groups of beginnings of words: the user's words must hold one of each.
    pub asked_by: Vec<Vec<String>>,
    /// The answer when they do not.
    pub unasked: Answer,
    /// Most calls in one session.
    pub count_max: Option<u32>,
}

/// An argument that steers a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Selector of the argument.
    pub at: String,
    /// What the value must be where a trusted field supplies it; empty: anything.
    pub class: Vec<String>,
    /// The answer to a value that stands in tainted data only.
    pub tainted: Answer,
    /// The answer to a value that stands nowhere: the model made it.
    pub own: Answer,
    /// Values that pass wherever they come from.
    pub allow: Vec<Allow>,
    /// A value that stands in tainted data as well as in a trusted field counts as tainted.
    pub taint_wins: bool,
}

/// A value that passes by rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Allow {
    /// Exactly this text, ASCII case aside.
    Exact(String),
    /// Single words that end so, ASCII case aside: `@example.com`.
    Suffix(String),
}

/// An argument that holds free text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Selector of the argument.
    pub at: String,
    /// The answer to links and account numbers that only a stranger supplied.
    pub links: Answer,
    /// The answer to confidential values.
    pub confidential: Answer,
    /// The answer to a text that as a whole stands in tainted data only.
    pub copied: Answer,
}

/// Lets a tainted value cross from one field into controls of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endorse {
    /// The tool whose results hold the value, by its exact name.
    pub tool: String,
    /// The field, as labels show it (`[].content`); empty for any.
    pub field: String,
    /// The class of the controls it may reach.
    pub class: String,
    /// How many calls of a session may use the rule; 1 when the file does not say.
    pub uses: Option<u32>,
    /// Only from records the user's words name.
    pub pointed: bool,
    /// A person must say, instead of a refusal.
    pub ask: bool,
}

impl Flow {
    /// What gates calls of this tool: its exact name, else the longest prefix.
    #[must_use]
    pub fn sink(&self, tool: &str) -> Option<&Sink> {
        let mut sinks = self.sinks.iter();
        let exact = sinks.find(|sink| sink.tool.eq_ignore_ascii_case(tool));
        let prefixes = self.sinks.iter().filter(|sink| {
            let prefix = sink.tool.strip_suffix('*');
            prefix.is_some_and(|prefix| starts_with_folded(tool, prefix))
        });
        exact.or_else(|| prefixes.max_by_key(|sink| sink.tool.len()))
    }
}

impl Default for Answer {
    /// What is not said is refused.
    fn default() -> Self {
        Self::Deny
    }
}

impl Default for Text {
    /// Free text may hold anything until the file says otherwise.
    fn default() -> Self {
        Self {
            at: String::new(),
            links: Answer::Allow,
            confidential: Answer::Allow,
            copied: Answer::Allow,
        }
    }
}

impl Trust {
    /// Every word.
    pub const ALL: [Self; 2] = [Self::Trusted, Self::Tainted];

    /// The spelling in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Tainted => "tainted",
        }
    }

    /// Reads the spelling in manifests.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}

impl Answer {
    /// Every answer, the mildest first.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Ask, Self::Deny];

    /// The spelling in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }

    /// Reads the spelling in manifests.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }
}
