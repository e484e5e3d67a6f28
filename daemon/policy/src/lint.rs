//! What is suspicious in a manifest that loads.
//!
//! Every finding is a warning with a field, so that [`crate::load::locate`] can place it. Lint judges the
//! text of the policy alone; names are read for their verbs, which finds what people usually mean.

mod flow;
mod names;
mod pattern;

use fak_types::{Posture, Reason};

use self::names::{hides_a_write, is_exfil_shaped, is_shell_shaped, is_write_shaped};
use crate::{
    diagnostic::{Diagnostic, shown},
    diff::{permits, starts_with_folded},
    dump::matcher_key,
    manifest::{ArgRule, HostRule, Manifest, Matcher},
};

/// Everything suspicious, in the order of the fields.
#[must_use]
pub fn lint(manifest: &Manifest) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    posture(manifest, &mut found);
    permissions(manifest, &mut found);
    prefixes(manifest, &mut found);
    denials(manifest, &mut found);
    guards(manifest, &mut found);
    for (index, rule) in manifest.arg_rules.iter().enumerate() {
        reach(manifest, index, rule, &mut found);
        shadowed(manifest, index, rule, &mut found);
        matcher(index, rule, &mut found);
    }
    flow::flow(manifest, &mut found);
    flow::budget(manifest, &mut found);
    flow::cache(manifest, &mut found);
    found
}

fn warn(found: &mut Vec<Diagnostic>, field: String, message: String, help: &str) {
    found.push(Diagnostic::warning(field, message, help));
}

fn posture(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    let message = match manifest.posture {
        Some(Posture::Observe) => "the posture `observe` refuses nothing",
        Some(Posture::AdmitAndLog) => {
            "the posture `admit_and_log` admits read-shaped tools that nobody listed"
        }
        Some(Posture::FailClosed) | None => return,
    };
    warn(
        found,
        "posture".into(),
        message.into(),
        "use `fail_closed` once the log shows what is needed",
    );
}

fn permissions(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    for (index, tool) in manifest.allow.iter().enumerate() {
        let field = format!("allow[{index}]");
        let name = shown(tool);
        if let Some((denied, _)) = manifest
            .deny
            .iter()
            .find(|(denied, _)| denied.eq_ignore_ascii_case(tool))
        {
            let message = format!(
                "`{name}` is allowed here and denied as `{}`: the denial wins",
                shown(denied)
            );
            warn(found, field.clone(), message, "take one of the two away");
            continue;
        }
        let longer = manifest
            .allow_prefix
            .iter()
            .find(|prefix| tool.starts_with(prefix.as_str()));
        if let Some(prefix) = longer {
            let message = format!(
                "`{name}` is allowed by the prefix `{}` already",
                shown(prefix)
            );
            warn(
                found,
                field.clone(),
                message,
                "take the entry away, or the prefix if it says too much",
            );
        }
        let ruled = manifest
            .arg_rules
            .iter()
            .any(|rule| matches_tool(&rule.tool, tool));
        let sinks = manifest.flow.iter().flat_map(|flow| &flow.sinks);
        let mut sinks = sinks.filter(|sink| matches_tool(&sink.tool, tool));
        if is_exfil_shaped(tool) && !ruled && sinks.next().is_none() {
            let message =
                format!("`{name}` looks like it sends data out, and no rule bounds its arguments");
            warn(
                found,
                field.clone(),
                message,
                "add a `host`, `url` or `one_of` rule for where it may send, or make it a sink of `flow`",
            );
        }
        if hides_a_write(tool) {
            let message = format!("`{name}` is named like a read and holds the name of a write");
            warn(
                found,
                field.clone(),
                message,
                "make sure that it only reads",
            );
        }
        if is_shell_shaped(tool) {
            shell_tool(manifest, tool, field, ruled, found);
        }
    }
}

fn shell_tool(
    manifest: &Manifest,
    tool: &str,
    field: String,
    ruled: bool,
    found: &mut Vec<Diagnostic>,
) {
    let declared = manifest
        .shell
        .iter()
        .any(|shell| matches_tool(&shell.tool, tool));
    let name = shown(tool);
    if !manifest.shell.is_empty() && !declared {
        let message =
            format!("`{name}` is allowed, looks like a shell and is not listed in `shell`");
        warn(
            found,
            field,
            message,
            "list it, or its commands are judged as plain text",
        );
    } else if !ruled {
        let message =
            format!("`{name}` is allowed, looks like a shell and no rule bounds its commands");
        warn(
            found,
            field,
            message,
            "add `argv`, `path` or `url` rules for its argument",
        );
    }
}

fn prefixes(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    for (index, prefix) in manifest.allow_prefix.iter().enumerate() {
        let field = format!("allow_prefix[{index}]");
        let name = shown(prefix);
        if prefix.is_empty() {
            let message =
                "the empty prefix allows every tool that is not denied by name".to_owned();
            warn(found, field, message, "list what is needed");
            continue;
        }
        let others = manifest
            .allow_prefix
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let mut wider = others
            .map(|(_, other)| other)
            .filter(|other| prefix.starts_with(other.as_str()));
        if let Some(other) = wider.find(|other| !other.is_empty()) {
            let message = format!(
                "`{name}` is covered by the shorter prefix `{}`",
                shown(other)
            );
            warn(found, field, message, "take one of the two away");
            continue;
        }
        if prefix.chars().count() <= 2 {
            let message =
                format!("the prefix `{name}` is so short that it allows what nobody meant");
            warn(
                found,
                field,
                message,
                "end prefixes with a separator, for example `read_`",
            );
        } else if is_exfil_shaped(prefix) || is_write_shaped(prefix) {
            let message = format!(
                "the prefix `{name}` allows every tool that sends or changes under that name"
            );
            warn(found, field, message, "list such tools one by one");
        } else if is_shell_shaped(prefix) {
            let message = format!("the prefix `{name}` looks like it allows shells");
            warn(
                found,
                field,
                message,
                "list shell tools one by one, with rules for their commands",
            );
        }
    }
}

fn denials(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    for (index, (tool, reason)) in manifest.deny.iter().enumerate() {
        let field = format!("deny.{tool}");
        let name = shown(tool);
        let mut earlier = manifest.deny.iter().take(index);
        if let Some((other, _)) = earlier.find(|(other, _)| other.eq_ignore_ascii_case(tool)) {
            let message = format!(
                "`{name}` repeats `{}`: denials do not regard case",
                shown(other)
            );
            warn(found, field.clone(), message, "take one of the two away");
        }
        let misleading = match reason {
            Reason::DefaultDeny => "says that nobody listed the tool",
            Reason::Malformed | Reason::Misroute => {
                "tells the caller to correct the call and try again"
            }
            Reason::RateLimited | Reason::LeaseHeld => "tells the caller to wait and try again",
            Reason::Oversize | Reason::Unwitnessed => {
                "tells of a condition that a denial by name does not look at"
            }
            _ => continue,
        };
        let message = format!("`{name}` is always refused, yet {reason} {misleading}");
        warn(found, field, message, "use POLICY_BLOCK");
    }
}

fn guards(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    let writes = |tool: &str| is_write_shaped(tool) || is_shell_shaped(tool);
    if manifest.self_modify_globs.is_empty()
        && let Some((index, tool)) = manifest
            .allow
            .iter()
            .enumerate()
            .find(|(_, tool)| writes(tool))
    {
        let message = format!(
            "`{}` may change files, and `self_modify_globs` guards nothing",
            shown(tool)
        );
        let help = "guard what steers the agent, for example `.git/`, `.claude/`, `.env`";
        warn(found, format!("allow[{index}]"), message, help);
    }
    for (index, field) in manifest.redact_fields.iter().enumerate() {
        let folded = names::folded(field);
        if manifest
            .redact_fields
            .iter()
            .take(index)
            .any(|other| names::folded(other) == folded)
        {
            let message = format!(
                "`{}` repeats an earlier field: case, `_` and `-` are not regarded",
                shown(field)
            );
            warn(
                found,
                format!("redact_fields[{index}]"),
                message,
                "take one of the two away",
            );
        }
    }
    for (index, glob) in manifest.self_modify_globs.iter().enumerate() {
        if glob.chars().all(|c| matches!(c, '*' | '/' | '.' | '?')) {
            let message = format!("`{}` guards every path", shown(glob));
            warn(
                found,
                format!("self_modify_globs[{index}]"),
                message,
                "name what is guarded",
            );
        }
    }
}

/// Whether a tool pattern (exact, `prefix*`, `*`) speaks of a tool.
fn matches_tool(pattern: &str, tool: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => starts_with_folded(tool, prefix),
        None => pattern.eq_ignore_ascii_case(tool),
    }
}

/// Whether every tool the pattern `inner` speaks of is spoken of by `outer`.
fn covers_tool(outer: &str, inner: &str) -> bool {
    match (outer.strip_suffix('*'), inner.strip_suffix('*')) {
        (Some(outer), Some(inner)) => starts_with_folded(inner, outer),
        (Some(outer), None) => starts_with_folded(inner, outer),
        (None, Some(_)) => false,
        (None, None) => outer.eq_ignore_ascii_case(inner),
    }
}

fn reach(manifest: &Manifest, index: usize, rule: &ArgRule, found: &mut Vec<Diagnostic>) {
    let open = manifest
        .posture
        .is_some_and(|posture| posture != Posture::FailClosed);
    let reached = open
        || manifest
            .allow
            .iter()
            .any(|tool| matches_tool(&rule.tool, tool))
        || manifest
            .allow_prefix
            .iter()
            .any(|prefix| match rule.tool.strip_suffix('*') {
                Some(stem) => starts_with_folded(stem, prefix) || starts_with_folded(prefix, stem),
                None => starts_with_folded(&rule.tool, prefix),
            });
    let denied = !rule.tool.ends_with('*')
        && manifest
            .deny
            .iter()
            .any(|(tool, _)| tool.eq_ignore_ascii_case(&rule.tool));
    let name = shown(&rule.tool);
    let field = format!("arg_rules[{index}].tool");
    if denied {
        let message = format!("a rule for `{name}`, which is denied by name");
        warn(found, field, message, "take the rule or the denial away");
    } else if !reached {
        let message = format!("a rule for `{name}`, which nothing allows");
        warn(
            found,
            field,
            message,
            "allow the tool or take the rule away",
        );
    }
}

fn shadowed(manifest: &Manifest, index: usize, rule: &ArgRule, found: &mut Vec<Diagnostic>) {
    let wider = |earlier: &&ArgRule| {
        covers_tool(&earlier.tool, &rule.tool)
            && (earlier.arg == rule.arg || (earlier.arg == "*" && on_strings(&rule.matcher)))
            && (earlier.required || !rule.required)
            && covers_matcher(&earlier.matcher, &rule.matcher)
            // A later denial wins over a question, and a later question adds its claims.
            && (!earlier.require_witness || (rule.require_witness && rule.witness.is_empty()))
    };
    if let Some(position) = manifest
        .arg_rules
        .iter()
        .take(index)
        .position(|earlier| wider(&earlier))
    {
        let message =
            format!("this rule never decides: rule {position} refuses the same and more before it");
        warn(
            found,
            format!("arg_rules[{index}]"),
            message,
            "take it away or put it first",
        );
    }
    if let Some(name) = &rule.name {
        let earlier = manifest.arg_rules.iter().take(index);
        let same = earlier
            .rev()
            .find(|other| other.name.as_ref() == Some(name));
        if same.is_some_and(|other| {
            other.reason != rule.reason || other.require_witness != rule.require_witness
        }) {
            let message = format!("two rules named `{}` refuse differently", shown(name));
            warn(
                found,
                format!("arg_rules[{index}].name"),
                message,
                "give each its own name",
            );
        }
    }
}

/// Whether a matcher looks at strings only, so that a rule for every string leaf covers it.
const fn on_strings(matcher: &Matcher) -> bool {
    matches!(matcher, Matcher::DenyRegex(_) | Matcher::MaxBytes(_))
}

/// Whether everything `inner` refuses is refused by `outer`, where that is plain.
fn covers_matcher(outer: &Matcher, inner: &Matcher) -> bool {
    match (outer, inner) {
        (Matcher::MaxBytes(outer), Matcher::MaxBytes(inner))
        | (Matcher::MaxLen(outer), Matcher::MaxLen(inner)) => outer <= inner,
        (Matcher::OneOf(outer), Matcher::OneOf(inner)) => {
            outer.iter().all(|value| inner.contains(value))
        }
        (Matcher::Argv(outer), Matcher::Argv(inner)) => {
            let names = |words: &[String]| -> Vec<String> {
                words.iter().map(|w| w.to_ascii_lowercase()).collect()
            };
            let wide = names(&outer.program);
            // The same conditions on fewer programs.
            names(&inner.program)
                .iter()
                .all(|program| wide.contains(program) || wide.iter().any(|word| word == "*"))
                && crate::manifest::ArgvRule {
                    program: Vec::new(),
                    ..outer.clone()
                } == crate::manifest::ArgvRule {
                    program: Vec::new(),
                    ..inner.clone()
                }
        }
        _ => outer == inner,
    }
}

fn matcher(index: usize, rule: &ArgRule, found: &mut Vec<Diagnostic>) {
    let field = format!("arg_rules[{index}].{}", matcher_key(&rule.matcher));
    match &rule.matcher {
        Matcher::DenyRegex(text) => {
            for (message, help) in pattern::problems(text) {
                warn(found, field.clone(), message, help);
            }
        }
        Matcher::AllowGlob(glob) if matches!(glob.as_str(), "*" | "**" | "/**" | "**/*") => {
            let message = format!("`{}` allows nearly every path", shown(glob));
            warn(found, field, message, "name a directory");
        }
        Matcher::Path(path) => {
            for (at, root) in path
                .roots
                .iter()
                .enumerate()
                .filter(|(_, root)| root.trim_matches('/').is_empty())
            {
                let message = format!("the root `{}` allows every path", shown(root));
                warn(
                    found,
                    format!("{field}.roots[{at}]"),
                    message,
                    "name a directory",
                );
            }
        }
        Matcher::Host(host) | Matcher::Url(host) => hosts(&field, host, found),
        _ => {}
    }
}

fn hosts(field: &str, rule: &HostRule, found: &mut Vec<Diagnostic>) {
    for (at, host) in rule.allow.iter().enumerate() {
        let wide = matches!(host.as_str(), "*" | "*.*" | "0.0.0.0/0" | "::/0");
        let top = host
            .strip_prefix("*.")
            .is_some_and(|rest| !rest.contains('.'));
        if wide || top {
            let message = format!("`{}` allows nearly every host", shown(host));
            warn(
                found,
                format!("{field}.allow[{at}]"),
                message,
                "name the hosts that are needed",
            );
        }
    }
    if rule.userinfo {
        let message =
            "user names and passwords in URLs are allowed; they also hide the host from readers";
        warn(found, format!("{field}.userinfo"), message.to_owned(), "");
    }
    if rule.schemes.iter().any(|scheme| scheme == "file") {
        warn(
            found,
            format!("{field}.schemes"),
            "`file` reads the local disk".to_owned(),
            "use a `path` rule",
        );
    }
}

/// Whether the manifest allows a tool that its denials do not take back; for reports.
#[must_use]
pub fn allows(manifest: &Manifest, tool: &str) -> bool {
    permits(manifest, tool)
        && !manifest
            .deny
            .iter()
            .any(|(denied, _)| denied.eq_ignore_ascii_case(tool))
}

#[cfg(test)]
mod tests;
