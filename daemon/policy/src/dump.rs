//! A manifest as canonical JSON text.
//!
//! One manifest has one text: two spaces, fixed key order, no key for what is absent or default, lists of
//! plain values on one line where they fit. `load(dump(m)) == m` for every manifest that loads, and
//! dumping again gives the same bytes, so a digest of the dump names the policy.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::{
    manifest::{
        Access, AddressClass, ArgRule, ArgvRule, HostRule, Manifest, Matcher, PathRule, RateKey,
        RateLimit,
    },
    node::is_json_number,
};

pub(crate) mod flow;
mod session;

/// Longest line a list is put on, counted from its opening bracket.
const LINE_CHARS_MAX: usize = 88;

/// The canonical JSON text of a manifest, ending in a line feed.
#[must_use]
pub fn dump(manifest: &Manifest) -> String {
    let mut text = String::new();
    manifest_out(manifest).write(0, &mut text);
    text.push('\n');
    text
}

/// A value to be written.
enum Out {
    Raw(String),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    fn text(text: &str) -> Self {
        Self::Raw(Json::String(text.to_owned()).to_string())
    }

    fn texts(texts: &[String]) -> Self {
        Self::List(texts.iter().map(|text| Self::text(text)).collect())
    }

    fn json(value: &Json) -> Self {
        match value {
            Json::Array(items) => Self::List(items.iter().map(Self::json).collect()),
            Json::Object(members) => {
                let mut pairs: Vec<_> = members
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::json(value)))
                    .collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                Self::Map(pairs)
            }
            scalar => Self::Raw(scalar.to_string()),
        }
    }

    /// The one-line form, when this is a list of plain values that fits.
    fn line(&self) -> Option<String> {
        let Self::List(items) = self else { return None };
        let mut text = String::from("[");
        for (index, item) in items.iter().enumerate() {
            let Self::Raw(raw) = item else { return None };
            if index > 0 {
                text.push_str(", ");
            }
            text.push_str(raw);
            if text.chars().count() > LINE_CHARS_MAX {
                return None;
            }
        }
        text.push(']');
        Some(text)
    }

    fn write(&self, depth: usize, out: &mut String) {
        if let Some(line) = self.line() {
            out.push_str(&line);
            return;
        }
        let indent = |depth: usize, out: &mut String| {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        };
        match self {
            Self::Raw(raw) => out.push_str(raw),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    indent(depth + 1, out);
                    item.write(depth + 1, out);
                }
                indent(depth, out);
                out.push(']');
            }
            Self::Map(members) if members.is_empty() => out.push_str("{}"),
            Self::Map(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    indent(depth + 1, out);
                    let _ = write!(out, "{}: ", Json::String(key.clone()));
                    value.write(depth + 1, out);
                }
                indent(depth, out);
                out.push('}');
            }
        }
    }
}

/// An object under construction that leaves out what is absent.
#[derive(Default)]
struct Fields(Vec<(String, Out)>);

impl Fields {
    fn put(mut self, key: &str, value: Option<Out>) -> Self {
        self.0.extend(value.map(|value| (key.to_owned(), value)));
        self
    }

    fn text(self, key: &str, value: Option<&str>) -> Self {
        self.put(key, value.map(Out::text))
    }

    fn texts(self, key: &str, values: &[String]) -> Self {
        let value = (!values.is_empty()).then(|| Out::texts(values));
        self.put(key, value)
    }

    fn numbers<T: ToString>(self, key: &str, values: &[T]) -> Self {
        let items = values
            .iter()
            .map(|value| Out::Raw(value.to_string()))
            .collect();
        self.put(key, (!values.is_empty()).then_some(Out::List(items)))
    }

    fn number<T: ToString>(self, key: &str, value: Option<T>) -> Self {
        self.put(key, value.map(|value| Out::Raw(value.to_string())))
    }

    fn flag(self, key: &str, value: bool) -> Self {
        self.put(key, value.then(|| Out::Raw("true".to_owned())))
    }

    fn list<T>(self, key: &str, values: &[T], out: impl Fn(&T) -> Out) -> Self {
        let items = values.iter().map(out).collect();
        self.put(key, (!values.is_empty()).then_some(Out::List(items)))
    }

    /// An object from names to values, when there are any.
    fn map(self, key: &str, rows: impl Iterator<Item = (String, Out)>) -> Self {
        let rows: Vec<_> = rows.collect();
        self.put(key, (!rows.is_empty()).then_some(Out::Map(rows)))
    }

    fn done(self) -> Out {
        Out::Map(self.0)
    }
}

fn manifest_out(manifest: &Manifest) -> Out {
    let table = |rows: Vec<(String, Out)>| (!rows.is_empty()).then_some(Out::Map(rows));
    let deny = manifest
        .deny
        .iter()
        .map(|(tool, reason)| (tool.clone(), Out::text(reason.as_str())));
    let sources = manifest
        .sources
        .iter()
        .map(|(tool, class)| (tool.clone(), Out::text(class.as_str())));
    let rate_limit = match manifest.rate_limit.as_slice() {
        [] => None,
        [one] => Some(rate_out(one)),
        many => Some(Out::List(many.iter().map(rate_out).collect())),
    };
    let bind = manifest.bind.as_ref().map(|bind| {
        let fields = Fields::default()
            .numbers("uids", &bind.uids)
            .numbers("gids", &bind.gids);
        fields.texts("keys", &bind.keys).done()
    });
    Fields::default()
        .text("version", Some(crate::load::VERSION))
        .text("name", manifest.name.as_deref())
        .put("bind", bind)
        .text("posture", manifest.posture.map(|posture| posture.as_str()))
        .texts("allow", &manifest.allow)
        .texts("allow_prefix", &manifest.allow_prefix)
        .put("deny", table(deny.collect()))
        .texts("self_modify_globs", &manifest.self_modify_globs)
        .texts("redact_fields", &manifest.redact_fields)
        .list("shell", &manifest.shell, |shell| {
            Fields::default()
                .text("tool", Some(&shell.tool))
                .text("arg", Some(&shell.arg))
                .done()
        })
        .list("arg_rules", &manifest.arg_rules, rule_out)
        .put("rate_limit", rate_limit)
        .texts("safe_sinks", &manifest.safe_sinks)
        .put("sources", table(sources.collect()))
        .flag("lint_writes", manifest.lint_writes)
        .put("flow", manifest.flow.as_ref().map(flow::out))
        .put("approval", manifest.approval.map(session::approval_out))
        .put("budget", manifest.budget.as_ref().map(session::budget_out))
        .put("cache", manifest.cache.as_ref().map(session::cache_out))
        .done()
}

fn rate_out(limit: &RateLimit) -> Out {
    Fields::default()
        .number("max_calls", limit.max_calls)
        .number("max_cost", limit.max_cost)
        .text("key", limit.key.map(RateKey::as_str))
        .number("retry_after_ms", limit.retry_after_ms)
        .number("window_ms", limit.window_ms)
        .done()
}

/// The canonical text of one rule, for comparing rules.
pub(crate) fn rule_text(rule: &ArgRule) -> String {
    let mut text = String::new();
    rule_out(rule).write(0, &mut text);
    text
}

fn rule_out(rule: &ArgRule) -> Out {
    let (key, matcher) = matcher_out(&rule.matcher);
    Fields::default()
        .text("name", rule.name.as_deref())
        .text("tool", Some(&rule.tool))
        .text("arg", Some(&rule.arg))
        .put(key, Some(matcher))
        .text("reason", rule.reason.map(|reason| reason.as_str()))
        .text("verdict", rule.require_witness.then_some("REQUIRE_WITNESS"))
        .texts("witness", &rule.witness)
        .text("hint", rule.hint.as_deref())
        .flag("required", rule.required)
        .done()
}

/// The key of a matcher in a manifest.
pub(crate) fn matcher_key(matcher: &Matcher) -> &'static str {
    match matcher {
        Matcher::DenyRegex(_) => "deny_regex",
        Matcher::AllowGlob(_) => "allow_glob",
        Matcher::MaxBytes(_) => "max_bytes",
        Matcher::MaxLen(_) => "max_len",
        Matcher::Range { .. } => "range",
        Matcher::OneOf(_) => "one_of",
        Matcher::Path(_) => "path",
        Matcher::Host(_) => "host",
        Matcher::Url(_) => "url",
        Matcher::Schema(_) => "schema",
        Matcher::Argv(_) => "argv",
    }
}

fn matcher_out(matcher: &Matcher) -> (&'static str, Out) {
    let bound = |text: &String| {
        if is_json_number(text) {
            Out::Raw(text.clone())
        } else {
            Out::text(text)
        }
    };
    let value = match matcher {
        Matcher::DenyRegex(text) | Matcher::AllowGlob(text) => Out::text(text),
        Matcher::MaxBytes(max) | Matcher::MaxLen(max) => Out::Raw(max.to_string()),
        Matcher::Range { min, max } => {
            let fields = Fields::default().put("min", min.as_ref().map(bound));
            fields.put("max", max.as_ref().map(bound)).done()
        }
        Matcher::OneOf(values) => Out::List(values.iter().map(Out::json).collect()),
        Matcher::Path(rule) => path_out(rule),
        Matcher::Host(rule) | Matcher::Url(rule) => host_out(rule),
        Matcher::Schema(schema) => Out::json(schema),
        Matcher::Argv(rule) => argv_out(rule),
    };
    (matcher_key(matcher), value)
}

fn path_out(rule: &PathRule) -> Out {
    Fields::default()
        .texts("roots", &rule.roots)
        .texts("deny", &rule.deny)
        .list("access", &rule.access, |access: &Access| {
            Out::text(access.as_str())
        })
        .done()
}

fn host_out(rule: &HostRule) -> Out {
    Fields::default()
        .texts("allow", &rule.allow)
        .texts("deny", &rule.deny)
        .list(
            "deny_classes",
            &rule.deny_classes,
            |class: &AddressClass| Out::text(class.as_str()),
        )
        .texts("schemes", &rule.schemes)
        .numbers("ports", &rule.ports)
        // Written out even as the default, because an object without any condition does not load.
        .put(
            "userinfo",
            Some(Out::Raw(rule.userinfo.to_string())).filter(|_| rule.userinfo || is_bare(rule)),
        )
        .done()
}

/// Whether a host rule has no condition of its own and only refuses user names in URLs.
fn is_bare(rule: &HostRule) -> bool {
    *rule == HostRule::default()
}

fn argv_out(rule: &ArgvRule) -> Out {
    Fields::default()
        .texts("program", &rule.program)
        .texts("sub", &rule.sub)
        .texts("sub2", &rule.sub2)
        .texts("any_flag", &rule.any_flag)
        .texts("all_flags", &rule.all_flags)
        .texts("unless_flag", &rule.unless_flag)
        .texts("any_operand", &rule.any_operand)
        .texts("unless_operand", &rule.unless_operand)
        .number("min_operands", rule.min_operands)
        .number("max_operands", rule.max_operands)
        .texts("any_setting", &rule.any_setting)
        .texts("unless_setting", &rule.unless_setting)
        .flag("foreground", rule.foreground)
        .done()
}

#[cfg(test)]
mod tests;
