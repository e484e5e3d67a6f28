//! The rule file, read and compiled. `rules.toml` says what each key means.

use regex_automata::{meta, util::syntax};
use serde::Deserialize;

use super::checks::Check;
use crate::settings::Wanted;

/// The rules this program is built with.
pub(crate) const RULES: &str = include_str!("rules.toml");

/// LIMIT: bytes behind a keyword that a match may use. A longer run of token characters still belongs to the finding;
/// the bound keeps the work for one keyword constant.
const REACH_MAX: usize = 4096;

/// LIMIT: bytes before a keyword at which a match may begin; the longest known form has 76 of them.
const LEAD_MAX: usize = 128;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) stopwords: Vec<String>,
    #[serde(rename = "rule")]
    pub(super) rules: Vec<Row>,
}

/// One rule as it is written; a test holds the file to these keys.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) kind: String,
    #[serde(flatten)]
    pub(super) form: Form,
    #[serde(flatten)]
    pub(super) proof: Proof,
}

/// How a rule finds its text.
#[derive(Deserialize)]
pub(super) struct Form {
    pub(super) keywords: Vec<String>,
    #[serde(default)]
    pub(super) case: Case,
    pub(super) regex: String,
    #[serde(default)]
    pub(super) lead: usize,
    #[serde(default)]
    pub(super) near: bool,
    #[serde(default = "reach")]
    pub(super) reach: usize,
    #[serde(default)]
    pub(super) group: usize,
    #[serde(default)]
    pub(super) edges: Edges,
}

/// How a rule weighs what it found.
#[derive(Deserialize)]
pub(super) struct Proof {
    #[serde(default)]
    pub(super) class: Class,
    #[serde(default)]
    pub(super) weak: bool,
    #[serde(default)]
    pub(super) entropy: f32,
    pub(super) check: Option<Check>,
    #[serde(default)]
    pub(super) not_after: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests read them"))]
    #[serde(default)]
    pub(super) examples: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests read them"))]
    #[serde(default)]
    pub(super) counter: Vec<String>,
}

fn reach() -> usize {
    512
}

/// Whether a keyword counts in either case.
#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Case {
    #[default]
    Exact,
    Any,
}

/// Whom a finding is about.
#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Class {
    /// Opens something.
    #[default]
    Secret,
    /// A mail address.
    Email,
    /// A social security number.
    Ssn,
}

impl Class {
    /// Whether it is looked for.
    pub(super) const fn wanted(self, wanted: Wanted) -> bool {
        match self {
            Self::Secret => true,
            Self::Email => wanted.emails,
            Self::Ssn => wanted.ssns,
        }
    }
}

/// Where no letter or digit may touch the match.
#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Edges {
    #[default]
    Both,
    Left,
    Right,
    None,
}

/// One rule, ready to use.
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) kind: &'static str,
    pub(super) class: Class,
    pub(super) weak: bool,
    pub(super) regex: meta::Regex,
    pub(super) place: Place,
    pub(super) group: usize,
    pub(super) edges: Edges,
    pub(super) entropy: f32,
    pub(super) check: Option<Check>,
    pub(super) not_after: Vec<String>,
}

/// Where a match may lie.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// It begins with the token around the keyword, at most so many bytes before it; 0: with the keyword.
    pub(super) lead: usize,
    /// It ends at most so many bytes behind the keyword's first byte, unless a token runs on.
    pub(super) reach: usize,
    /// It lies anywhere behind the keyword.
    pub(super) near: bool,
}

impl Rule {
    /// Compiles `row`; its names are handed out as parts of `text`, the file they were read from.
    ///
    /// # Errors
    ///
    /// The expression does not compile, or a bound is over its limit.
    pub(super) fn new(row: &Row, text: &'static str) -> Result<Self, String> {
        let Row {
            id,
            kind,
            form,
            proof,
        } = row;
        if form.keywords.is_empty() || form.keywords.iter().any(String::is_empty) {
            return Err(format!("rule `{id}`: it has no keyword, or an empty one"));
        }
        if form.reach > REACH_MAX || form.lead > LEAD_MAX || form.group > 1 {
            return Err(format!(
                "rule `{id}`: reach is at most {REACH_MAX}, lead {LEAD_MAX}, group 1"
            ));
        }
        let regex = meta::Regex::builder()
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .configure(
                meta::Config::new()
                    .utf8_empty(false)
                    .hybrid_cache_capacity(64 * 1024),
            )
            .build(&form.regex)
            .map_err(|error| format!("rule `{id}`: {error}"))?;
        Ok(Self {
            id: within(text, id)?,
            kind: within(text, kind)?,
            class: proof.class,
            weak: proof.weak,
            regex,
            place: Place {
                lead: form.lead,
                reach: form.reach,
                near: form.near,
            },
            group: form.group,
            edges: form.edges,
            entropy: proof.entropy,
            check: proof.check,
            not_after: proof.not_after.clone(),
        })
    }
}

/// `name` as a part of `text`, which lives as long as the program.
fn within(text: &'static str, name: &str) -> Result<&'static str, String> {
    text.find(name)
        .and_then(|at| text.get(at..at.saturating_add(name.len())))
        .ok_or_else(|| format!("`{name}` is written with escapes; write it plainly"))
}

/// Reads the file.
///
/// # Errors
///
/// It is no TOML, or a key is missing or unknown.
pub(super) fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}
