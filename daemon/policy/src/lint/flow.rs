//! What is suspicious in `flow`, `budget` and `cache`.

use super::{allows, is_shell_shaped, is_write_shaped, matches_tool, warn};
use crate::{
    diagnostic::{Diagnostic, shown},
    diff::starts_with_folded,
    load::vocabulary::nearest,
    manifest::{
        Manifest,
        flow::{Allow, Control, Flow, Trust},
    },
};

pub(super) fn flow(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    let Some(flow) = &manifest.flow else { return };
    if flow.sinks.is_empty() {
        let message = "no tool is a sink: no call is gated".to_owned();
        warn(found, "flow".into(), message, "name sinks in `flow.sinks`");
    }
    for sink in &flow.sinks {
        let here = format!("flow.sinks.{}", sink.tool);
        if !reached(manifest, &sink.tool) {
            let message = format!("`{}` is a sink, and nothing allows it", shown(&sink.tool));
            let help = "allow the tool or take the sink away";
            warn(found, here.clone(), message, help);
        }
        for control in &sink.controls {
            let here = format!("{here}.controls.{}", control.at);
            classes(flow, control, &here, found);
            for allow in &control.allow {
                suffix(allow, &here, found);
            }
        }
    }
    endorsed(flow, found);
}

/// Whether some permission speaks of a tool pattern.
fn reached(manifest: &Manifest, pattern: &str) -> bool {
    let open = manifest
        .posture
        .is_some_and(|posture| posture != fak_types::Posture::FailClosed);
    let stem = pattern.strip_suffix('*');
    let mut prefixes = manifest.allow_prefix.iter();
    open || manifest
        .allow
        .iter()
        .any(|tool| matches_tool(pattern, tool))
        || prefixes.any(|prefix| match stem {
            Some(stem) => starts_with_folded(stem, prefix) || starts_with_folded(prefix, stem),
            None => starts_with_folded(pattern, prefix),
        })
}

fn classes(flow: &Flow, control: &Control, here: &str, found: &mut Vec<Diagnostic>) {
    for class in &control.class {
        let supplies = |source: &crate::manifest::flow::Source| {
            let trusted = |trust: Option<Trust>| trust.or(source.otherwise) != Some(Trust::Tainted);
            let mut fields = source.fields.iter();
            fields.any(|field| field.class.as_ref() == Some(class) && trusted(field.trust))
        };
        if !flow.sources.iter().any(supplies) {
            let message = format!("no trusted field has the class `{}`", shown(class));
            let help = "only the user's own words will pass; name the field that supplies it";
            warn(found, format!("{here}.class"), message, help);
        }
    }
}

fn suffix(allow: &Allow, here: &str, found: &mut Vec<Diagnostic>) {
    let Allow::Suffix(suffix) = allow else { return };
    if suffix.starts_with(|c: char| c.is_alphanumeric()) {
        let name = shown(suffix);
        let message = format!("`{name}` also ends words that only look like yours: `evil{name}`");
        let help = "begin with what separates: `@example.com`, `.example.com`";
        warn(found, format!("{here}.allow"), message, help);
    }
}

fn endorsed(flow: &Flow, found: &mut Vec<Diagnostic>) {
    for (index, rule) in flow.endorse.iter().enumerate() {
        let here = format!("flow.endorse[{index}]");
        let name = shown(&rule.tool);
        let mut own = flow
            .sources
            .iter()
            .filter(|source| matches_tool(&source.tool, &rule.tool));
        if rule.pointed && !own.any(|source| source.fields.iter().any(|field| field.naming)) {
            let message = format!("no field of `{name}` names its records, so none is pointed at");
            let help = "mark the field people know a record by as `naming`";
            warn(found, format!("{here}.pointed"), message, help);
        }
        if !rule.pointed && !rule.ask {
            let message = format!("whoever writes into `{name}` steers, and nobody is asked");
            warn(found, here, message, "add `pointed: true` or `ask: true`");
        }
    }
}

pub(super) fn budget(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    let Some(budget) = &manifest.budget else {
        return;
    };
    if budget.cost_micros.is_some() && budget.prices.is_empty() && budget.unknown_price.is_none() {
        let message = "money is bounded and no model has a price: turns that name one are refused";
        let help = "give `prices`, or a ceiling in `unknown_price`";
        warn(found, "budget.cost_micros".into(), message.into(), help);
    }
}

pub(super) fn cache(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    let Some(cache) = &manifest.cache else { return };
    for read in &cache.reads {
        let field = format!("cache.reads.{}", read.tool);
        let name = shown(&read.tool);
        if is_write_shaped(&read.tool) || is_shell_shaped(&read.tool) {
            let message =
                format!("`{name}` looks like it changes something, and its answers are kept");
            warn(
                found,
                field,
                message,
                "keep answers of tools that only read",
            );
        } else if !allows(manifest, &read.tool) {
            let message = format!("answers of `{name}` are kept, and nothing allows it");
            warn(
                found,
                field,
                message,
                "allow the tool or take the entry away",
            );
        }
    }
    for write in &cache.writes {
        let known: Vec<&str> = cache
            .reads
            .iter()
            .map(|read| read.namespace.as_str())
            .collect();
        let name = write.namespace.as_str();
        if let Some(near) = nearest(name, &known).filter(|_| !known.contains(&name)) {
            let message = format!(
                "no read is of the namespace `{}`; did you mean `{near}`?",
                shown(name)
            );
            let field = format!("cache.writes.{}.namespace", write.tool);
            warn(found, field, message, "name the namespace the reads use");
        }
    }
    if cache.reads.is_empty() {
        return;
    }
    for (index, tool) in manifest.allow.iter().enumerate() {
        let changes = is_write_shaped(tool) || is_shell_shaped(tool);
        if changes && cache.write(tool).is_none() && cache.read(tool).is_none() {
            let message = format!(
                "`{}` may make kept answers stale without saying so",
                shown(tool)
            );
            let help = "list it in `cache.writes`";
            warn(found, format!("allow[{index}]"), message, help);
        }
    }
}
