//! Changes of the key `flow`.

use super::{Changes, Direction};
use crate::{
    dump::flow::{sink_text, source_text},
    manifest::{
        Manifest,
        flow::{Answer, Endorse, Flow, Sink},
    },
};

pub(super) fn changes(changes: &mut Changes, old: &Manifest, new: &Manifest) {
    let nothing = Flow::default();
    let before = old.flow.as_ref().unwrap_or(&nothing);
    let after = new.flow.as_ref().unwrap_or(&nothing);
    sources(changes, before, after);
    sinks(changes, before, after);
    endorsements(changes, before, after);
}

/// Whose words a result holds decides what may follow from it, so what is said anew may widen; what is no longer said
/// leaves the tool tainted, or to its class in `sources`.
fn sources(changes: &mut Changes, old: &Flow, new: &Flow) {
    for source in &new.sources {
        let field = format!("flow.sources.{}", source.tool);
        let before = old.sources.iter().find(|other| other.tool == source.tool);
        let message = match before {
            None => "the source is added",
            Some(before) if source_text(before) != source_text(source) => "the source changes",
            Some(_) => continue,
        };
        changes.put(Direction::Widens, &field, message);
    }
    for source in &old.sources {
        if new.sources.iter().all(|other| other.tool != source.tool) {
            let field = format!("flow.sources.{}", source.tool);
            changes.put(Direction::Widens, &field, "the source is removed");
        }
    }
}

fn sinks(changes: &mut Changes, old: &Flow, new: &Flow) {
    for sink in &new.sinks {
        let field = format!("flow.sinks.{}", sink.tool);
        match old.sinks.iter().find(|other| other.tool == sink.tool) {
            // A rule of its own may be milder than the prefix the tool fell under.
            None if old.sinks.iter().any(|other| falls_under(sink, other)) => {
                let message = "the sink is added in place of a prefix";
                changes.put(Direction::Widens, &field, message);
            }
            None => changes.put(
                Direction::Narrows,
                &field,
                "calls of the tool are now gated",
            ),
            Some(before) if sink_text(before) != sink_text(sink) => {
                let (direction, message) = if is_stricter(before, sink) {
                    (Direction::Narrows, "the sink lets less pass than before")
                } else {
                    (Direction::Widens, "the sink may let more pass than before")
                };
                changes.put(direction, &field, message);
            }
            Some(_) => {}
        }
    }
    for sink in &old.sinks {
        if new.sinks.iter().all(|other| other.tool != sink.tool) {
            let field = format!("flow.sinks.{}", sink.tool);
            changes.put(
                Direction::Widens,
                &field,
                "calls of the tool are no longer gated by name",
            );
        }
    }
}

fn falls_under(sink: &Sink, other: &Sink) -> bool {
    let prefix = other.tool.strip_suffix('*');
    prefix.is_some_and(|prefix| sink.tool.starts_with(prefix))
}

/// Whether a sink differs only in answers that are as strict or stricter, in a smaller count, or in being asked for.
fn is_stricter(old: &Sink, new: &Sink) -> bool {
    let fewer = match (old.count_max, new.count_max) {
        (Some(before), Some(after)) => after <= before,
        (before, _) => before.is_none(),
    };
    let asked = old.asked_by.is_empty() || old.asked_by == new.asked_by;
    let unasked = old.asked_by.is_empty() || harder(old.unasked, new.unasked);
    let controls = old.controls.len() == new.controls.len();
    let texts = old.texts.len() == new.texts.len();
    let mut pairs = old.controls.iter().zip(&new.controls);
    let mut text_pairs = old.texts.iter().zip(&new.texts);
    fewer
        && asked
        && unasked
        && controls
        && texts
        && pairs.all(|(old, new)| {
            old.at == new.at
                && old.class == new.class
                && harder(old.tainted, new.tainted)
                && harder(old.own, new.own)
                && new.allow.iter().all(|value| old.allow.contains(value))
                && (new.taint_wins || !old.taint_wins)
        })
        && text_pairs.all(|(old, new)| {
            old.at == new.at
                && harder(old.links, new.links)
                && harder(old.confidential, new.confidential)
                && harder(old.copied, new.copied)
        })
}

const fn harder(old: Answer, new: Answer) -> bool {
    new as u8 >= old as u8
}

fn endorsements(changes: &mut Changes, old: &Flow, new: &Flow) {
    let label = |rule: &Endorse| format!("`{}` of `{}` to `{}`", rule.field, rule.tool, rule.class);
    for (index, rule) in new.endorse.iter().enumerate() {
        if !old.endorse.contains(rule) {
            let message = format!("what stands in {} may cross", label(rule));
            changes.put(
                Direction::Widens,
                &format!("flow.endorse[{index}]"),
                message,
            );
        }
    }
    for (index, rule) in old.endorse.iter().enumerate() {
        let same = |other: &Endorse| {
            (&other.tool, &other.field, &other.class) == (&rule.tool, &rule.field, &rule.class)
        };
        if !new.endorse.iter().any(same) {
            let message = format!("what stands in {} may no longer cross", label(rule));
            changes.put(
                Direction::Narrows,
                &format!("flow.endorse[{index}]"),
                message,
            );
        }
    }
}
