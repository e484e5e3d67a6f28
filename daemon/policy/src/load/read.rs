//! Reading single values of the tree: one method per shape, every refusal with its place and a correction.

use std::collections::HashMap;

use super::vocabulary::{listed, nearest};
use crate::{
    diagnostic::{Diagnostic, Severity, shown},
    node::{Node, Place, Value},
};

/// Largest count in a manifest. LIMIT: the largest integer every JSON reader keeps exactly.
pub(super) const COUNT_MAX: u64 = (1 << 53) - 1;

/// Longest string of a manifest, in bytes. LIMIT: names and patterns; a JSON Schema is not one string.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// A node and its path in the manifest.
#[derive(Clone)]
pub(super) struct Spot<'n> {
    pub(super) node: &'n Node,
    pub(super) field: String,
}

/// What a string is for, and so what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// A tool's name or its beginning: also bounded like the name of a call, and no blanks around it.
    Tool,
    /// Any other word or pattern.
    Plain,
    /// A regular expression: line breaks and tabs may lay it out.
    Regex,
}

/// What the free keys of an object are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Names of tools.
    Tool,
    /// Names of tools, or beginnings of names followed by `*`.
    Pattern,
    /// Names of models, or beginnings of names followed by `*`.
    Model,
    /// Selectors of arguments.
    Selector,
    /// Selectors below a result; the empty one is all of it.
    Field,
}

/// The problems found so far.
pub(super) struct Reader<'p> {
    pub(super) problems: &'p mut Vec<Diagnostic>,
}

/// The members of an object whose keys have been checked.
pub(super) struct Object<'n> {
    field: String,
    members: HashMap<&'n str, (&'n Node, Place)>,
}

impl<'n> Object<'n> {
    /// The value of `key`, when the object has it.
    pub(super) fn get(&self, key: &str) -> Option<Spot<'n>> {
        self.members.get(key).map(|(node, _)| Spot {
            node,
            field: join(&self.field, key),
        })
    }

    /// The place of `key` itself.
    pub(super) fn key_place(&self, key: &str) -> Place {
        self.members
            .get(key)
            .map_or_else(Place::default, |(_, place)| *place)
    }

    /// Which of `keys` the object has, in their order.
    pub(super) fn present(&self, keys: &[&'static str]) -> Vec<&'static str> {
        keys.iter()
            .copied()
            .filter(|key| self.members.contains_key(key))
            .collect()
    }
}

fn join(field: &str, key: &str) -> String {
    if field.is_empty() {
        key.to_owned()
    } else {
        format!("{field}.{key}")
    }
}

impl Reader<'_> {
    /// Reports an error at a place.
    pub(super) fn at(
        &mut self,
        place: Place,
        field: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Diagnostic::error(field, message, help);
        self.problems.push(Diagnostic {
            line: place.line,
            column: place.column,
            ..problem
        });
    }

    /// Reports an error of a value.
    pub(super) fn error(
        &mut self,
        spot: &Spot<'_>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.at(spot.node.place, &spot.field, message, help);
    }

    /// Reports a warning about a value.
    pub(super) fn warning(
        &mut self,
        spot: &Spot<'_>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.error(spot, message, help);
        if let Some(last) = self.problems.last_mut() {
            last.severity = Severity::Warning;
        }
    }

    fn wrong_kind(&mut self, spot: &Spot<'_>, wanted: &str) {
        let name = spot.field.rsplit('.').next().unwrap_or_default().to_owned();
        let help = match &spot.node.value {
            Value::Null => "leave the key out instead of giving it no value".to_owned(),
            Value::Number(text) if wanted.contains("string") => {
                format!("put it in quotes: \"{}\"", shown(text))
            }
            Value::Bool(value) if wanted.contains("string") => {
                format!("put it in quotes: \"{value}\"")
            }
            Value::Text(text) if wanted.contains("number") && text.parse::<f64>().is_ok() => {
                "take the quotes away".to_owned()
            }
            Value::Text(text) if wanted.contains("list") => format!("write [\"{}\"]", shown(text)),
            _ => String::new(),
        };
        self.error(
            spot,
            format!(
                "`{name}` must be {wanted}, this is {}",
                spot.node.value.kind()
            ),
            help,
        );
    }

    /// An object with only these keys.
    pub(super) fn object<'n>(
        &mut self,
        spot: &Spot<'n>,
        keys: &[&[&'static str]],
    ) -> Option<Object<'n>> {
        let Value::Map(members) = &spot.node.value else {
            self.wrong_kind(spot, "an object");
            return None;
        };
        let known: Vec<&'static str> = keys.iter().flat_map(|keys| keys.iter().copied()).collect();
        let mut found = HashMap::new();
        for member in members {
            if !known.contains(&member.key.as_str()) {
                self.unknown_key(&spot.field, &member.key, member.place, &known);
            } else {
                found.insert(member.key.as_str(), (&member.node, member.place));
            }
        }
        Some(Object {
            field: spot.field.clone(),
            members: found,
        })
    }

    fn unknown_key(&mut self, field: &str, key: &str, place: Place, known: &[&'static str]) {
        let meant = nearest(key, known)
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let message = format!("unknown key `{}`{meant}", shown(key));
        self.at(
            place,
            field,
            message,
            format!("the keys here are {}", listed(known)),
        );
    }

    /// The members of an object with free keys.
    pub(super) fn table<'n>(
        &mut self,
        spot: &Spot<'n>,
        wanted: &str,
        keys: Key,
    ) -> Vec<(String, Spot<'n>)> {
        let Value::Map(members) = &spot.node.value else {
            self.wrong_kind(spot, wanted);
            return Vec::new();
        };
        let mut rows = Vec::new();
        for member in members {
            let field = join(&spot.field, &member.key);
            if let Some((message, help)) = key_problem(&member.key, keys) {
                self.at(member.place, &field, message, help);
                continue;
            }
            rows.push((
                member.key.clone(),
                Spot {
                    node: &member.node,
                    field,
                },
            ));
        }
        rows
    }

    /// The items of a list; with `single`, one value stands for the list of it.
    pub(super) fn items<'n>(
        &mut self,
        spot: &Spot<'n>,
        wanted: &str,
        single: bool,
    ) -> Vec<Spot<'n>> {
        match &spot.node.value {
            Value::List(items) => {
                let spots = items.iter().enumerate();
                spots
                    .map(|(index, node)| Spot {
                        node,
                        field: format!("{}[{index}]", spot.field),
                    })
                    .collect()
            }
            Value::Null => {
                self.wrong_kind(spot, wanted);
                Vec::new()
            }
            _ if single => vec![spot.clone()],
            _ => {
                self.wrong_kind(spot, wanted);
                Vec::new()
            }
        }
    }

    /// A string fit for its purpose.
    pub(super) fn text(&mut self, spot: &Spot<'_>, text: Text) -> Option<String> {
        let Value::Text(value) = &spot.node.value else {
            self.wrong_kind(spot, "a string");
            return None;
        };
        if let Some((message, help)) = text_problem(value, text) {
            self.error(spot, message, help);
            return None;
        }
        Some(value.clone())
    }

    /// A list of strings without repetition.
    pub(super) fn texts(
        &mut self,
        spot: Option<Spot<'_>>,
        text: Text,
        single: bool,
    ) -> Vec<String> {
        let Some(spot) = spot else { return Vec::new() };
        let mut values = Vec::new();
        for item in self.items(&spot, "a list of strings", single) {
            if let Some(value) = self.text(&item, text) {
                values.push((value, item));
            }
        }
        self.without_repetition(values)
    }

    /// Reports values that are there twice and drops the second.
    pub(super) fn without_repetition<T: std::fmt::Display>(
        &mut self,
        values: Vec<(T, Spot<'_>)>,
    ) -> Vec<T> {
        let mut seen: HashMap<String, Place> = HashMap::new();
        let mut kept = Vec::new();
        for (value, spot) in values {
            let key = value.to_string();
            if let Some(first) = seen.get(&key) {
                let help = format!("it already stands on line {}", first.line);
                self.error(&spot, format!("duplicate entry `{}`", shown(&key)), help);
            } else {
                seen.insert(key, spot.node.place);
                kept.push(value);
            }
        }
        kept
    }

    /// A word of a closed list.
    pub(super) fn word<T>(
        &mut self,
        spot: &Spot<'_>,
        what: &str,
        words: &[&str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Value::Text(text) = &spot.node.value else {
            self.wrong_kind(spot, "a string");
            return None;
        };
        let parsed = parse(text);
        if parsed.is_none() {
            let meant = nearest(text, words)
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            let message = format!("unknown {what} `{}`{meant}", shown(text));
            self.error(spot, message, format!("one of {}", listed(words)));
        }
        parsed
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, spot: &Spot<'_>) -> Option<bool> {
        let Value::Bool(value) = spot.node.value else {
            self.wrong_kind(spot, "true or false");
            return None;
        };
        Some(value)
    }

    /// A whole number within bounds.
    pub(super) fn whole(&mut self, spot: &Spot<'_>, min: u64, max: u64) -> Option<u64> {
        let Value::Number(text) = &spot.node.value else {
            self.wrong_kind(spot, "a whole number");
            return None;
        };
        let value = text
            .parse()
            .ok()
            .filter(|value| (min..=max).contains(value));
        if value.is_none() {
            let name = spot.field.rsplit('.').next().unwrap_or_default().to_owned();
            let message = format!(
                "`{name}` must be a whole number from {min} to {max}, this is {}",
                shown(text)
            );
            self.error(spot, message, "");
        }
        value
    }

    /// A whole number of 32 bits.
    pub(super) fn whole_u32(&mut self, spot: &Spot<'_>, max: u32) -> Option<u32> {
        self.whole(spot, 0, u64::from(max))
            .and_then(|value| u32::try_from(value).ok())
    }

    /// A number, as written.
    pub(super) fn decimal(&mut self, spot: &Spot<'_>) -> Option<String> {
        let Value::Number(text) = &spot.node.value else {
            self.wrong_kind(spot, "a number");
            return None;
        };
        if text.len() > 64 || !text.parse::<f64>().is_ok_and(f64::is_finite) {
            self.error(
                spot,
                "a number too large or too long to compare",
                "use at most 64 characters",
            );
            return None;
        }
        Some(text.clone())
    }

    /// Any JSON value that can be kept exactly.
    pub(super) fn json(&mut self, spot: &Spot<'_>) -> Option<serde_json::Value> {
        let value = spot.node.to_json();
        if value.is_none() {
            self.error(
                spot,
                "a number here cannot be kept exactly",
                "use an integer of 64 bits or a short decimal",
            );
        }
        value
    }
}

/// Why a key does not serve its purpose.
fn key_problem(key: &str, keys: Key) -> Option<(String, &'static str)> {
    let text = match keys {
        Key::Field if key.is_empty() => return None,
        Key::Model | Key::Selector | Key::Field => Text::Plain,
        Key::Tool | Key::Pattern => Text::Tool,
    };
    let inner = key.strip_suffix('*').unwrap_or(key);
    if matches!(keys, Key::Pattern | Key::Model) && inner.contains('*') {
        return Some((
            "a `*` stands only at the end of a name".to_owned(),
            "write `prefix*`, or `*` for all of them",
        ));
    }
    text_problem(key, text)
}

/// Why a string does not serve its purpose.
fn text_problem(value: &str, text: Text) -> Option<(String, &'static str)> {
    if value.trim().is_empty() {
        return Some((
            "an empty string".to_owned(),
            "write a value or take the entry away",
        ));
    }
    if value.len() > TEXT_BYTES_MAX {
        return Some((format!("a string longer than {TEXT_BYTES_MAX} bytes"), ""));
    }
    let laid_out = |c: char| text == Text::Regex && matches!(c, '\n' | '\t' | '\r');
    if let Some(bad) = value.chars().find(|c| c.is_control() && !laid_out(*c)) {
        return Some((
            format!("a control character ({}) in a string", bad.escape_unicode()),
            "take it away",
        ));
    }
    if let Some(bad) = value.chars().find(|c| is_invisible(*c)) {
        let message = format!(
            "an invisible character ({}) in a string",
            bad.escape_unicode()
        );
        return Some((message, "take it away; in a pattern write it as \\u{...}"));
    }
    if text == Text::Tool {
        if value.trim() != value {
            return Some((
                "blanks around a tool's name".to_owned(),
                "take the blanks away",
            ));
        }
        if value.len() > fak_types::TOOL_NAME_BYTES_MAX {
            let message = format!(
                "a tool's name longer than {} bytes",
                fak_types::TOOL_NAME_BYTES_MAX
            );
            return Some((message, "no call can have this name"));
        }
    }
    None
}

/// Characters that change what a reader sees without showing themselves.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
