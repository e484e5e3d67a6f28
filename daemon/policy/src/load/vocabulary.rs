//! The keys of every object of a manifest, and the words of every closed list.
//!
//! These tables are the schema's vocabulary; a test holds the published JSON Schema to them.

use fak_types::{Posture, Reason, SourceClass};

use crate::manifest::{
    Access, AddressClass, RateKey,
    flow::{Answer, Trust},
};

/// Keys of the manifest itself, in canonical order.
pub(crate) const MANIFEST: &[&str] = &[
    "version",
    "name",
    "bind",
    "posture",
    "allow",
    "allow_prefix",
    "deny",
    "self_modify_globs",
    "redact_fields",
    "shell",
    "arg_rules",
    "rate_limit",
    "safe_sinks",
    "sources",
    "lint_writes",
    "flow",
    "approval",
    "budget",
    "cache",
];

/// Keys of `bind`.
pub(crate) const BIND: &[&str] = &["uids", "gids", "keys"];

/// Keys of an entry of `shell`.
pub(crate) const SHELL: &[&str] = &["tool", "arg"];

/// Keys of an entry of `arg_rules` beside its matcher.
pub(crate) const RULE: &[&str] = &[
    "name", "tool", "arg", "reason", "verdict", "witness", "hint", "required",
];

/// The matchers: a rule has exactly one.
pub(crate) const MATCHERS: &[&str] = &[
    "deny_regex",
    "allow_glob",
    "max_bytes",
    "max_len",
    "range",
    "one_of",
    "path",
    "host",
    "url",
    "schema",
    "argv",
];

/// Keys of `range`.
pub(crate) const RANGE: &[&str] = &["min", "max"];

/// Keys of `path`.
pub(crate) const PATH: &[&str] = &["roots", "deny", "access"];

/// Keys of `host` and `url`.
pub(crate) const HOST: &[&str] = &[
    "allow",
    "deny",
    "deny_classes",
    "schemes",
    "ports",
    "userinfo",
];

/// Keys of `argv`.
pub(crate) const ARGV: &[&str] = &[
    "program",
    "sub",
    "sub2",
    "any_flag",
    "all_flags",
    "unless_flag",
    "any_operand",
    "unless_operand",
    "min_operands",
    "max_operands",
    "any_setting",
    "unless_setting",
    "foreground",
];

/// Keys of a quota.
pub(crate) const RATE: &[&str] = &[
    "max_calls",
    "max_cost",
    "key",
    "retry_after_ms",
    "window_ms",
];

/// Keys of `flow`.
pub(crate) const FLOW: &[&str] = &["sources", "sinks", "endorse"];

/// Keys of an entry of `flow.sources`.
pub(crate) const FLOW_SOURCE: &[&str] = &["otherwise", "fields"];

/// Keys of a field of a source.
pub(crate) const FLOW_FIELD: &[&str] = &["trust", "class", "confidential", "attested", "naming"];

/// Keys of an entry of `flow.sinks`.
pub(crate) const FLOW_SINK: &[&str] = &["asked_by", "unasked", "count_max", "controls", "texts"];

/// Keys of a control.
pub(crate) const FLOW_CONTROL: &[&str] = &["class", "tainted", "own", "allow", "taint_wins"];

/// Keys of an entry of a control's `allow` that is no text.
pub(crate) const FLOW_ALLOW: &[&str] = &["suffix"];

/// Keys of a free text.
pub(crate) const FLOW_TEXT: &[&str] = &["links", "confidential", "copied"];

/// Keys of an entry of `flow.endorse`.
pub(crate) const FLOW_ENDORSE: &[&str] = &["tool", "field", "class", "uses", "pointed", "ask"];

/// Keys of `approval`.
pub(crate) const APPROVAL: &[&str] = &["expires_s"];

/// Keys of `budget`.
pub(crate) const BUDGET: &[&str] = &[
    "turns",
    "tokens",
    "context_tokens",
    "cost_micros",
    "turn_tokens_max",
    "turn_gap_ms_min",
    "prices",
    "unknown_price",
];

/// Keys of a price.
pub(crate) const PRICE: &[&str] = &["input", "output"];

/// The word for `unknown_price` that is no price.
pub(crate) const REFUSE: &str = "refuse";

/// Keys of `cache`.
pub(crate) const CACHE: &[&str] = &["reads", "writes"];

/// Keys of an entry of `cache.reads`.
pub(crate) const CACHE_READ: &[&str] = &["namespace", "resources", "ttl_s"];

/// Keys of an entry of `cache.writes`.
pub(crate) const CACHE_WRITE: &[&str] = &["namespace", "resources"];

/// Whose words a field holds.
pub(crate) fn trusts() -> Vec<&'static str> {
    Trust::ALL.into_iter().map(Trust::as_str).collect()
}

/// What a rule of flow answers.
pub(crate) fn answers() -> Vec<&'static str> {
    Answer::ALL.into_iter().map(Answer::as_str).collect()
}

/// The reasons a rule may give: all twelve, never `NONE`.
pub(crate) fn reasons() -> Vec<&'static str> {
    Reason::ALL
        .into_iter()
        .filter(|reason| *reason != Reason::None)
        .map(Reason::as_str)
        .collect()
}

/// Reads a reason a rule may give.
pub(crate) fn reason(text: &str) -> Option<Reason> {
    Reason::parse(text).filter(|reason| *reason != Reason::None)
}

/// The postures.
pub(crate) fn postures() -> Vec<&'static str> {
    Posture::ALL.iter().map(|word| word.as_str()).collect()
}

/// The provenance classes.
pub(crate) fn sources() -> Vec<&'static str> {
    SourceClass::ALL.iter().map(|word| word.as_str()).collect()
}

/// The address classes.
pub(crate) fn address_classes() -> Vec<&'static str> {
    AddressClass::ALL
        .into_iter()
        .map(AddressClass::as_str)
        .collect()
}

/// The verdicts a rule may give.
pub(crate) const VERDICTS: &[&str] = &["DENY", "REQUIRE_WITNESS"];

impl Access {
    /// Every access.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Delete];

    /// The spelling in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }

    /// Reads the spelling in manifests.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == text)
    }
}

impl RateKey {
    /// Every key.
    pub const ALL: [Self; 4] = [Self::Trace, Self::Tool, Self::Principal, Self::Global];

    /// The spelling in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Tool => "tool",
            Self::Principal => "principal",
            Self::Global => "global",
        }
    }

    /// Reads the spelling in manifests.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == text)
    }
}

/// `a, b or c`.
pub(crate) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// The word nearest to `text`, when it is near enough to be a slip of the pen.
pub(crate) fn nearest<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', ' '], "_");
    let text: String = plain(text).chars().take(64).collect();
    let distance = |word: &str| strsim::osa_distance(&text, &plain(word));
    let near = |word: &&str| distance(word) <= word.len().div_ceil(3).clamp(1, 3);
    words
        .iter()
        .copied()
        .filter(near)
        .min_by_key(|word| distance(word))
}
