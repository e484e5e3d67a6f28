//! The key `flow` as canonical text.

use super::{Fields, Out};
use crate::manifest::flow::{
    Allow, Answer, Control, Endorse, Field, Flow, Sink, Source, Text, Trust,
};

pub(super) fn out(flow: &Flow) -> Out {
    let sources = flow.sources.iter();
    let sinks = flow.sinks.iter();
    Fields::default()
        .map(
            "sources",
            sources.map(|one| (one.tool.clone(), source_out(one))),
        )
        .map("sinks", sinks.map(|one| (one.tool.clone(), sink_out(one))))
        .list("endorse", &flow.endorse, endorse_out)
        .done()
}

/// The canonical text of a source, for comparing sources.
pub(crate) fn source_text(source: &Source) -> String {
    text(&source_out(source))
}

/// The canonical text of a sink, for comparing sinks.
pub(crate) fn sink_text(sink: &Sink) -> String {
    text(&sink_out(sink))
}

fn text(out: &Out) -> String {
    let mut text = String::new();
    out.write(0, &mut text);
    text
}

fn source_out(source: &Source) -> Out {
    let fields = source.fields.iter();
    Fields::default()
        .text("otherwise", source.otherwise.map(Trust::as_str))
        .map("fields", fields.map(|one| (one.at.clone(), field_out(one))))
        .done()
}

fn field_out(field: &Field) -> Out {
    let plain = Field {
        at: field.at.clone(),
        trust: field.trust,
        ..Field::default()
    };
    match field.trust {
        Some(trust) if *field == plain => Out::text(trust.as_str()),
        _ => Fields::default()
            .text("trust", field.trust.map(Trust::as_str))
            .text("class", field.class.as_deref())
            .flag("confidential", field.confidential)
            .flag("attested", field.attested)
            .flag("naming", field.naming)
            .done(),
    }
}

fn sink_out(sink: &Sink) -> Out {
    let asked_by = match sink.asked_by.as_slice() {
        [] => None,
        [one] => Some(Out::texts(one)),
        many => Some(Out::List(many.iter().map(|one| Out::texts(one)).collect())),
    };
    let (controls, texts) = (sink.controls.iter(), sink.texts.iter());
    Fields::default()
        .put("asked_by", asked_by)
        .answer("unasked", sink.unasked, Answer::Deny)
        .number("count_max", sink.count_max)
        .map(
            "controls",
            controls.map(|one| (one.at.clone(), control_out(one))),
        )
        .map("texts", texts.map(|one| (one.at.clone(), text_out(one))))
        .done()
}

fn control_out(control: &Control) -> Out {
    Fields::default()
        .texts("class", &control.class)
        .answer("tainted", control.tainted, Answer::Deny)
        .answer("own", control.own, Answer::Deny)
        .list("allow", &control.allow, |allow| match allow {
            Allow::Exact(text) => Out::text(text),
            Allow::Suffix(text) => Fields::default().text("suffix", Some(text)).done(),
        })
        .flag("taint_wins", control.taint_wins)
        .done()
}

fn text_out(text: &Text) -> Out {
    Fields::default()
        .answer("links", text.links, Answer::Allow)
        .answer("confidential", text.confidential, Answer::Allow)
        .answer("copied", text.copied, Answer::Allow)
        .done()
}

fn endorse_out(rule: &Endorse) -> Out {
    Fields::default()
        .text("tool", Some(&rule.tool))
        .text("field", Some(&rule.field))
        .text("class", Some(&rule.class))
        .number("uses", rule.uses)
        .flag("pointed", rule.pointed)
        .flag("ask", rule.ask)
        .done()
}

impl Fields {
    /// An answer, when it is another than without the key.
    fn answer(self, key: &str, answer: Answer, absent: Answer) -> Self {
        self.text(key, (answer != absent).then_some(answer.as_str()))
    }
}

#[cfg(test)]
pub(super) mod tests;
