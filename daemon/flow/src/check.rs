//! Whether the values of a call may go where the call sends them.

use std::collections::HashMap;

use fak_args::{Args, Kind, Value};

use crate::{
    admit::{LIMITS, RESULT, decoded},
    date,
    forms::{self, Shape, VALUE_BYTES_MAX},
    ledger::{CONFIDENTIAL, ENDORSED, Entry, Ledger, NOWHERE, TAINTED, TRUSTED, USER},
    rules::{Allow, Answer, Control, ControlRule, Rules, SinkRule, Text, folded},
    verdict::{FlowVerdict, Why},
};

/// Shortest word without a digit or a joint that can make a made-up value tainted, in bytes.
const TELLING_BYTES_MIN: usize = 6;

/// Shortest confidential value that is looked for inside texts, in bytes.
const CONFIDENTIAL_BYTES_MIN: usize = 5;

impl Ledger {
    /// Judges a call before it runs. Changes nothing; [`Ledger::settle`] counts what went ahead.
    #[must_use]
    pub fn check(&self, rules: &Rules, tool: &str, args: &Args<'_>) -> FlowVerdict {
        let mut verdict = FlowVerdict::clear();
        let count = self.counts.get(&*folded(tool)).copied().unwrap_or_default();
        if let Some(scope) = &self.scope {
            match scope.tools.get(tool) {
                None => verdict.object(String::new, Why::OutOfScope, Answer::Deny),
                Some(Some(most)) if count >= *most => {
                    verdict.object(String::new, Why::CountSpent, Answer::Deny);
                }
                Some(_) => {}
            }
        }
        let Some(sink) = rules.sink(tool) else {
            return verdict;
        };
        if sink.count_max.is_some_and(|most| count >= most) {
            verdict.object(String::new, Why::CountSpent, Answer::Deny);
        }
        if !sink
            .asked_by
            .iter()
            .all(|words| self.words.begin_with(words))
        {
            verdict.object(String::new, Why::Unasked, sink.unasked);
        }
        let roles = Roles::of(sink, args);
        // What no rule names is a control of any class.
        let unlisted = ControlRule {
            classes: 0,
            said: Control::new("*"),
        };
        for value in args.values() {
            match roles.role(value) {
                _ if value.kind() == Kind::Array || value.kind() == Kind::Object => {}
                Role::Control(rule) => self.control(rules, rule, value, &mut verdict),
                Role::Text(text) => self.text(text, value, &mut verdict),
                Role::Unlisted => self.control(rules, &unlisted, value, &mut verdict),
            }
            // The name of a member is data too when it leads somewhere.
            if let Some(key) = value.key()
                && forms::leads_somewhere(&forms::narrow(&key))
            {
                self.judge(rules, &unlisted, (value, &key), &mut verdict);
            }
        }
        verdict
    }

    /// A person consented to this call: the values of its controls count as the user's from now on.
    pub fn approve(&mut self, rules: &Rules, tool: &str, args: &Args<'_>) {
        let Some(sink) = rules.sink(tool) else {
            return;
        };
        let roles = Roles::of(sink, args);
        for value in args.values() {
            let text = match value.kind() {
                Kind::String => value.as_str().unwrap_or_default(),
                Kind::Number => value.raw().into(),
                _ => continue,
            };
            if !matches!(roles.role(value), Role::Text(_)) && text.len() <= VALUE_BYTES_MAX {
                for form in narrow_forms(&text) {
                    if let Some(entry) = self.trusted_entry(&form) {
                        entry.flags |= ENDORSED;
                    }
                }
            }
        }
    }

    fn control(
        &self,
        rules: &Rules,
        rule: &ControlRule,
        value: Value<'_, '_>,
        verdict: &mut FlowVerdict,
    ) {
        let text = match value.kind() {
            Kind::String => value.as_str().unwrap_or_default(),
            Kind::Number => value.raw().into(),
            _ => return,
        };
        // Arguments inside a text are arguments: every leaf of it must be accounted for.
        if text.trim_start().starts_with(['{', '[']) {
            let wrapped = format!("{{\"{RESULT}\":{text}}}");
            if let Ok(read) = Args::parse(&wrapped, &LIMITS) {
                for inner in read.values() {
                    let leaf = match inner.kind() {
                        Kind::String => inner.as_str().unwrap_or_default(),
                        Kind::Number => inner.raw().into(),
                        _ => continue,
                    };
                    self.judge(rules, rule, (value, &leaf), verdict);
                }
                return;
            }
        }
        self.judge(rules, rule, (value, &text), verdict);
    }

    fn judge(
        &self,
        rules: &Rules,
        rule: &ControlRule,
        (place, text): (Value<'_, '_>, &str),
        verdict: &mut FlowVerdict,
    ) {
        let (why, answer) = match self.standing(rule, text) {
            Standing::Clear => return,
            Standing::Own if self.full => (Why::Unrecorded, rule.said.tainted),
            Standing::Own => (Why::Own, rule.said.own),
            Standing::OtherClass(entry) => {
                let label = self.label(entry.trusted);
                (
                    label.map_or(Why::Unrecorded, Why::OtherClass),
                    rule.said.tainted,
                )
            }
            Standing::Tainted(entry) => {
                let mut answer = rule.said.tainted;
                if let Some((index, lenient)) = self.endorsement(rules, rule.classes, &entry)
                    && lenient < answer
                {
                    answer = lenient;
                    if !verdict.uses.contains(&index) {
                        verdict.uses.push(index);
                    }
                }
                let label = self.label(entry.origins().next().unwrap_or(NOWHERE));
                (label.map_or(Why::Unrecorded, Why::Tainted), answer)
            }
        };
        verdict.object(|| place.pointer(), why, answer);
    }

    fn standing(&self, rule: &ControlRule, text: &str) -> Standing {
        let said = &rule.said;
        if text.trim().is_empty() || passes(&said.allow, text) {
            return Standing::Clear;
        }
        if text.len() > VALUE_BYTES_MAX {
            return self.stems(text).map_or(Standing::Own, Standing::Tainted);
        }
        let forms = narrow_forms(text);
        if forms.first().is_some_and(|form| self.words.hold(form)) {
            return Standing::Clear;
        }
        let mut other_class = None;
        let mut tainted = None;
        let days = date::of_value(text);
        let wide = forms.first().and_then(|form| forms::wide(form));
        let narrow = forms.iter().chain(days.iter().flatten());
        for entry in narrow.filter_map(|form| self.known(form)) {
            if entry.has(USER | ENDORSED) {
                return Standing::Clear;
            }
            let wins = said.taint_wins && entry.has(TAINTED);
            if entry.has(TRUSTED) && !wins {
                if rule.classes == 0 || entry.classes & rule.classes != 0 {
                    return Standing::Clear;
                }
                other_class.get_or_insert(*entry);
            }
            if entry.has(TAINTED) {
                tainted.get_or_insert(*entry);
            }
        }
        let hidden = wide.as_deref().and_then(|form| self.known(form));
        let hidden = hidden.filter(|entry| entry.has(TAINTED)).copied();
        let stems = tainted.or(hidden).or_else(|| {
            // The day of a date is known or it is not; the rest of it is a time of day.
            if days.is_some() {
                None
            } else {
                self.stems(text)
            }
        });
        match (stems, other_class) {
            (Some(entry), _) => Standing::Tainted(entry),
            (None, Some(entry)) => Standing::OtherClass(entry),
            (None, None) => Standing::Own,
        }
    }

    /// A part of a made-up value that stands in tainted data only.
    fn stems(&self, text: &str) -> Option<Entry> {
        let mut found = None;
        let mut look = |form: &str, shape: Shape| {
            if found.is_some() || !telling(form, shape) {
                return;
            }
            let wide = forms::wide(form);
            for form in std::iter::once(form).chain(wide.as_deref()) {
                if let Some(entry) = self.known(form)
                    && entry.tainted_only()
                    && !self.words.hold(form)
                {
                    found = Some(*entry);
                }
            }
        };
        forms::extract(text, &mut look);
        if let Some(inner) = decoded(text) {
            forms::extract(&inner, &mut look);
        }
        found
    }

    fn text(&self, rule: &Text, value: Value<'_, '_>, verdict: &mut FlowVerdict) {
        let Some(text) = value.as_str() else {
            return;
        };
        let told = |entry: &Entry, form: &str| entry.has(USER | ENDORSED) || self.words.hold(form);
        let label = |origin: Option<u32>| self.label(origin.unwrap_or(NOWHERE));
        let form = forms::narrow(&text);
        match self.known(&form) {
            Some(entry) if entry.tainted_only() && !told(entry, &form) => {
                let why = label(entry.origins().next()).map_or(Why::Unrecorded, Why::Copied);
                verdict.object(|| value.pointer(), why, rule.copied);
            }
            None if self.full && !form.is_empty() && !self.words.hold(&form) => {
                verdict.object(|| value.pointer(), Why::Unrecorded, rule.copied);
            }
            _ => {}
        }
        if rule.links == Answer::Allow && rule.confidential == Answer::Allow {
            return;
        }
        let (mut link, mut secret, mut unrecorded) = (None, None, false);
        forms::extract(&text, &mut |form, shape| {
            let wide = forms::wide(form);
            for form in std::iter::once(form).chain(wide.as_deref()) {
                let Some(entry) = self.known(form) else {
                    let address = shape == Shape::Address;
                    unrecorded |= self.full && address && !self.words.hold(form);
                    continue;
                };
                if shape == Shape::Address && entry.tainted_only() && !told(entry, form) {
                    link.get_or_insert(*entry);
                }
                let long = form.len() >= CONFIDENTIAL_BYTES_MIN;
                if entry.has(CONFIDENTIAL) && long && !told(entry, form) {
                    secret.get_or_insert(*entry);
                }
            }
        });
        if let Some(entry) = link {
            let why = label(entry.origins().next()).map_or(Why::Unrecorded, Why::Link);
            verdict.object(|| value.pointer(), why, rule.links);
        } else if unrecorded {
            verdict.object(|| value.pointer(), Why::Unrecorded, rule.links);
        }
        if let Some(entry) = secret {
            let origin = entry.origins().next().or(Some(entry.trusted));
            let why = label(origin).map_or(Why::Unrecorded, Why::Confidential);
            verdict.object(|| value.pointer(), why, rule.confidential);
        }
    }
}

/// How a value is known.
enum Standing {
    Clear,
    Tainted(Entry),
    OtherClass(Entry),
    Own,
}

/// The narrow forms of a value: as a text first, then as an amount and as an account.
fn narrow_forms(text: &str) -> Vec<String> {
    let form = forms::narrow(text);
    let more = [forms::number(text), forms::account(text)];
    std::iter::once(form)
        .chain(more.into_iter().flatten())
        .collect()
}

fn passes(allow: &[Allow], text: &str) -> bool {
    let text = text.trim();
    allow.iter().any(|allow| match allow {
        Allow::Exact(exact) => text.eq_ignore_ascii_case(exact),
        Allow::Suffix(suffix) => {
            let single = !text.contains(|c: char| {
                c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '<' | '>' | '"')
            });
            let at = text.len().checked_sub(suffix.len());
            let tail = at.and_then(|at| text.get(at..));
            single && at != Some(0) && tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
        }
    })
}

/// Whether a part says enough for a value that holds it to stem from where it stood.
fn telling(form: &str, shape: Shape) -> bool {
    match shape {
        Shape::Address | Shape::Measure => true,
        Shape::Whole | Shape::Phrase => form.len() >= TELLING_BYTES_MIN,
        Shape::Word => {
            let joint = |c: char| c.is_ascii_digit() || matches!(c, '@' | '_' | '/' | '.' | '-');
            form.len() >= TELLING_BYTES_MIN || (form.len() >= 3 && form.contains(joint))
        }
    }
}

enum Role<'r> {
    Control(&'r ControlRule),
    Text(&'r Text),
    Unlisted,
}

/// Which rule speaks of which argument.
struct Roles<'r> {
    controls: HashMap<usize, &'r ControlRule, foldhash::fast::RandomState>,
    texts: HashMap<usize, &'r Text, foldhash::fast::RandomState>,
}

impl<'r> Roles<'r> {
    fn of(sink: &'r SinkRule, args: &Args<'_>) -> Self {
        let mut roles = Self {
            controls: HashMap::default(),
            texts: HashMap::default(),
        };
        for (at, rule) in &sink.controls {
            for value in args.select(at) {
                roles.controls.entry(value.span().start).or_insert(rule);
            }
        }
        for (at, text) in &sink.texts {
            for value in args.select(at) {
                roles.texts.entry(value.span().start).or_insert(text);
            }
        }
        roles
    }

    /// The nearest rule around the value; of two for one value, the control.
    fn role(&self, value: Value<'_, '_>) -> Role<'r> {
        let mut place = Some(value);
        while let Some(value) = place {
            let start = value.span().start;
            if let Some(rule) = self.controls.get(&start) {
                return Role::Control(rule);
            }
            if let Some(text) = self.texts.get(&start) {
                return Role::Text(text);
            }
            place = value.parent();
        }
        Role::Unlisted
    }
}
