//! The rules of information flow, made of what a policy says. The policy and the rules know nothing of each other.

use std::sync::Arc;

use fak_flow::{
    Allow, Answer, Control, Endorse, Field, Rules, RulesBuilder, RulesError, Sink, Source, Text,
    Trust,
};
use fak_policy::{Policy, manifest::flow as said};

/// The rules of a policy: none for a policy without `flow`.
///
/// A policy that compiled makes rules that build; should one not, which a test excludes, every tool is a sink and
/// every argument a control.
pub(super) fn rules(policy: &Policy) -> Arc<Rules> {
    let Some(flow) = policy.flow() else {
        return Arc::default();
    };
    let closed = |_: RulesError| Rules::builder().sink(Sink::new("*")).build();
    let rules = builder(flow).build().or_else(closed);
    Arc::new(rules.unwrap_or_default())
}

fn builder(flow: &said::Flow) -> RulesBuilder {
    let mut rules = Rules::builder();
    for one in &flow.sources {
        rules = rules.source(source(one));
    }
    for one in &flow.sinks {
        rules = rules.sink(sink(one));
    }
    for one in &flow.endorse {
        rules = rules.endorse(endorse(one));
    }
    rules
}

/// A source or field the policy left open would be nobody's, so it is a stranger's.
const fn trust(trust: Option<said::Trust>) -> Trust {
    match trust {
        Some(said::Trust::Trusted) => Trust::Trusted,
        Some(said::Trust::Tainted) | None => Trust::Tainted,
    }
}

const fn answer(answer: said::Answer) -> Answer {
    match answer {
        said::Answer::Allow => Answer::Allow,
        said::Answer::Ask => Answer::Ask,
        said::Answer::Deny => Answer::Deny,
    }
}

fn source(said: &said::Source) -> Source {
    let mut source = Source::new(&said.tool, trust(said.otherwise));
    for one in &said.fields {
        let mut field = match trust(one.trust) {
            Trust::Trusted => Field::trusted(&one.at),
            Trust::Tainted => Field::tainted(&one.at),
        };
        if let Some(class) = &one.class {
            field = field.class(class);
        }
        if one.confidential {
            field = field.confidential();
        }
        if one.attested {
            field = field.attested();
        }
        if one.naming {
            field = field.naming();
        }
        source = source.field(field);
    }
    source
}

fn sink(said: &said::Sink) -> Sink {
    let mut sink = Sink::new(&said.tool).unasked(answer(said.unasked));
    for words in &said.asked_by {
        sink = sink.asked_by(words.iter().map(String::as_str));
    }
    if let Some(count) = said.count_max {
        sink = sink.count_max(count);
    }
    for one in &said.controls {
        sink = sink.control(control(one));
    }
    for one in &said.texts {
        let text = Text::new(&one.at)
            .links(answer(one.links))
            .confidential(answer(one.confidential))
            .copied(answer(one.copied));
        sink = sink.text(text);
    }
    sink
}

fn control(said: &said::Control) -> Control {
    let mut control = Control::new(&said.at)
        .tainted(answer(said.tainted))
        .own(answer(said.own));
    for class in &said.class {
        control = control.class(class);
    }
    for allow in &said.allow {
        control = control.allow(match allow {
            said::Allow::Exact(text) => Allow::Exact(text.clone()),
            said::Allow::Suffix(text) => Allow::Suffix(text.clone()),
        });
    }
    if said.taint_wins {
        control = control.taint_wins();
    }
    control
}

fn endorse(said: &said::Endorse) -> Endorse {
    let mut endorse = Endorse::new(&said.tool, &said.field, &said.class);
    if let Some(uses) = said.uses {
        endorse = endorse.uses(uses);
    }
    if said.pointed {
        endorse = endorse.pointed();
    }
    if said.ask {
        endorse = endorse.ask();
    }
    endorse
}

#[cfg(test)]
mod tests;
