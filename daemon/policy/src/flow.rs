//! The key `flow`, checked as a whole and joined with `sources` and `safe_sinks`.
//!
//! Whoever makes rules of a [`Flow`] from [`crate::Policy::flow`] is never refused: selectors parse, classes are few
//! and known, no tool is named twice, and every source says whose words it holds.

use std::collections::{HashMap, HashSet};

use fak_args::Selector;
use fak_types::SourceClass;

use crate::{
    diagnostic::{Diagnostic, shown},
    diff::starts_with_folded,
    manifest::{
        Manifest,
        flow::{Endorse, Field, Flow, Sink, Source, Trust},
    },
    names,
};

/// Most classes one manifest may name. LIMIT: the rules hold them as the bits of a 32-bit word.
pub const FLOW_CLASSES_MAX: usize = 32;

/// The manifest's `flow` with every source complete; `None` when the file has none.
pub(crate) fn resolve(manifest: &Manifest, problems: &mut Vec<Diagnostic>) -> Option<Flow> {
    let said = manifest.flow.as_ref()?;
    let mut check = Check {
        problems,
        classes: Vec::new(),
    };
    check.tools(
        "sources",
        said.sources
            .iter()
            .map(|source| (&source.tool, source.tool.clone())),
    );
    let folded = |sink: &Sink| sink.tool.to_ascii_lowercase();
    check.tools(
        "sinks",
        said.sinks.iter().map(|sink| (&sink.tool, folded(sink))),
    );
    for source in &said.sources {
        check.source(source);
    }
    for sink in &said.sinks {
        check.sink(sink);
        check.safe(sink, &manifest.safe_sinks);
    }
    for (place, rule) in said.endorse.iter().enumerate() {
        check.endorse(place, rule, &said.sinks);
    }
    Some(Flow {
        sources: check.join(manifest, said),
        sinks: said.sinks.clone(),
        endorse: said.endorse.clone(),
    })
}

struct Check<'p> {
    problems: &'p mut Vec<Diagnostic>,
    classes: Vec<String>,
}

impl Check<'_> {
    fn error(&mut self, field: String, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::error(field, message, help));
    }

    fn class(&mut self, field: String, class: &str) {
        if self.classes.iter().any(|known| known == class) {
            return;
        }
        self.classes.push(class.to_owned());
        if self.classes.len() == FLOW_CLASSES_MAX + 1 {
            let message = format!("more than {FLOW_CLASSES_MAX} classes");
            self.error(field, message, "name fewer kinds of things");
        }
    }

    fn source(&mut self, source: &Source) {
        let here = format!("flow.sources.{}", source.tool);
        let mut seen = Vec::new();
        for field in &source.fields {
            let here = format!("{here}.fields.{}", field.at);
            // A result is read as a member of an object, so a path into it follows a name.
            let whole = match field.at.as_str() {
                "" => "result".to_owned(),
                at if at.starts_with('[') => format!("result{at}"),
                at => format!("result.{at}"),
            };
            if let Err(problem) = Selector::parse(&whole) {
                let message = format!("`{}`: {}", shown(&field.at), problem.problem);
                self.error(here.clone(), message, FIELD_HELP);
            }
            self.once(&mut seen, &here, &field.at);
            if let Some(class) = &field.class {
                self.class(format!("{here}.class"), class);
            }
        }
    }

    fn sink(&mut self, sink: &Sink) {
        let here = format!("flow.sinks.{}", sink.tool);
        let mut seen = Vec::new();
        for control in &sink.controls {
            let here = format!("{here}.controls.{}", control.at);
            self.selector(&here, &control.at);
            self.once(&mut seen, &here, &control.at);
            for class in &control.class {
                self.class(format!("{here}.class"), class);
            }
        }
        for text in &sink.texts {
            let here = format!("{here}.texts.{}", text.at);
            self.selector(&here, &text.at);
            self.once(&mut seen, &here, &text.at);
        }
    }

    fn selector(&mut self, field: &str, at: &str) {
        if let Err(problem) = Selector::parse(at) {
            self.error(
                field.to_owned(),
                format!("`{}`: {problem}", shown(at)),
                "an argument is written `to`, `a.b`, `a[].b`, `**.url` or `*`",
            );
        }
    }

    fn once(&mut self, seen: &mut Vec<String>, field: &str, at: &str) {
        let folded = names::fold_key(at);
        if seen.contains(&folded) {
            let message = format!("`{}` is spoken of twice", shown(at));
            let help = "case, `_` and `-` do not count; say it in one rule";
            self.error(field.to_owned(), message, help);
        }
        seen.push(folded);
    }

    fn safe(&mut self, sink: &Sink, safe_sinks: &[String]) {
        if let Some(safe) = safe_sinks.iter().find(|safe| covers(&sink.tool, safe)) {
            let (sink, safe) = (&sink.tool, shown(safe));
            self.error(
                format!("flow.sinks.{sink}"),
                format!("`{safe}` is in `safe_sinks`, and `{}` gates it", shown(sink)),
                "a safe sink is never gated: take it out of one of the two, or name the sinks one by one",
            );
        }
    }

    fn endorse(&mut self, place: usize, rule: &Endorse, sinks: &[Sink]) {
        let here = format!("flow.endorse[{place}]");
        if rule.tool.ends_with('*') {
            let help = "write one rule for each tool";
            self.error(format!("{here}.tool"), "a rule for many tools", help);
        }
        let mut controls = sinks.iter().flat_map(|sink| &sink.controls);
        if !controls.any(|control| control.class.contains(&rule.class)) {
            let message = format!("no control has the class `{}`", shown(&rule.class));
            let help = "the rule could never be used; name the class of a control";
            self.error(format!("{here}.class"), message, help);
        }
        self.class(format!("{here}.class"), &rule.class);
    }

    /// Entries of a list that name one tool twice, which only a manifest built by code can hold.
    /// Refuses tools that are compared as the same name.
    fn tools<'t>(&mut self, list: &str, tools: impl Iterator<Item = (&'t String, String)>) {
        let mut seen = HashSet::new();
        for (tool, compared) in tools {
            if !seen.insert(compared) {
                let message = format!("`{}` is named twice", shown(tool));
                self.error(format!("flow.{list}.{tool}"), message, "say it in one rule");
            }
        }
    }

    /// What is said of sources, together with the classes `sources` gives.
    fn join(&mut self, manifest: &Manifest, said: &Flow) -> Vec<Source> {
        let classes: HashMap<&str, SourceClass> = manifest
            .sources
            .iter()
            .map(|(tool, class)| (tool.as_str(), *class))
            .collect();
        let mut joined = Vec::new();
        for source in &said.sources {
            let class = classes.get(source.tool.as_str());
            if class.is_some() && source.otherwise.is_some() {
                self.said_twice(source, &source.tool);
            }
            let trust = class.map(|class| trust_of(*class));
            let whole = complete(source, &source.tool, trust.or(source.otherwise));
            self.attested(&whole);
            joined.push(whole);
        }
        let mut known: HashSet<&str> = said.sources.iter().map(|one| one.tool.as_str()).collect();
        for (tool, class) in &manifest.sources {
            if !known.insert(tool) {
                continue;
            }
            if tool.ends_with('*') {
                let message = format!("`{}` is no tool's name", shown(tool));
                let help = "`sources` names tools exactly; say a prefix in `flow.sources`";
                self.error(format!("sources.{tool}"), message, help);
                continue;
            }
            let nearest = said.sources.iter().filter(|source| {
                let prefix = source.tool.strip_suffix('*');
                prefix.is_some_and(|prefix| tool.starts_with(prefix))
            });
            let trust = Some(trust_of(*class));
            match nearest.max_by_key(|source| source.tool.len()) {
                Some(prefix) => {
                    if prefix.otherwise.is_some() {
                        self.said_twice(prefix, tool);
                    }
                    joined.push(complete(prefix, tool, trust));
                }
                None => joined.push(Source {
                    tool: tool.clone(),
                    otherwise: trust,
                    fields: Vec::new(),
                }),
            }
        }
        joined
    }

    fn attested(&mut self, source: &Source) {
        for field in source.fields.iter().filter(|field| field.attested) {
            if field.trust == Some(Trust::Tainted) {
                self.error(
                    format!("flow.sources.{}.fields.{}.attested", source.tool, field.at),
                    "a tainted field proves nothing by coming back",
                    "say `trust: trusted` too, or take `attested` away",
                );
            }
        }
    }

    fn said_twice(&mut self, source: &Source, tool: &str) {
        let (here, tool) = (&source.tool, shown(tool));
        self.error(
            format!("flow.sources.{here}.otherwise"),
            format!(
                "`sources.{tool}` and `flow.sources.{}.otherwise` both say whose words `{tool}` brings",
                shown(here)
            ),
            "keep one of the two",
        );
    }
}

const FIELD_HELP: &str =
    "a field is written `id`, `a.b`, `[].id`, `**.url`, or empty for all of the result";

/// Whether a result of this class holds its tool's own words.
const fn trust_of(class: SourceClass) -> Trust {
    match class {
        SourceClass::Tainted => Trust::Tainted,
        SourceClass::TrustedLocal | SourceClass::Pure => Trust::Trusted,
    }
}

/// The source of `tool` with nothing left open.
fn complete(source: &Source, tool: &str, otherwise: Option<Trust>) -> Source {
    let otherwise = otherwise.unwrap_or(Trust::Tainted);
    let fields = source.fields.iter().map(|field| Field {
        trust: Some(field.trust.unwrap_or(otherwise)),
        ..field.clone()
    });
    Source {
        tool: tool.to_owned(),
        otherwise: Some(otherwise),
        fields: fields.collect(),
    }
}

/// Whether a tool pattern speaks of a tool, in any letter case.
fn covers(pattern: &str, tool: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => starts_with_folded(tool, prefix),
        None => pattern.eq_ignore_ascii_case(tool),
    }
}
