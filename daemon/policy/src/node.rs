//! The text of a manifest as a tree that remembers where everything stands.
//!
//! JSON and YAML end in the same tree, so everything after this module is written once. Two keys with
//! one name are reported here, where both places are known; what else is wrong with the text itself
//! ends the reading, because nothing after it can be trusted.

mod json;
mod yaml;

use crate::diagnostic::Diagnostic;

/// Deepest nesting of lists and objects. LIMIT: a manifest needs six; a JSON Schema in a rule a few more.
pub(crate) const DEPTH_MAX: usize = 64;

/// Most values of one manifest. LIMIT: keeps a hostile file from costing more than its bytes suggest.
pub(crate) const VALUES_MAX: usize = 1 << 17;

/// A place in a text, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One value and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// The number as written, in JSON's grammar.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Value {
    /// The kind of value, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl Node {
    /// The value as JSON; `None` when a number in it cannot be kept exactly.
    pub(crate) fn to_json(&self) -> Option<serde_json::Value> {
        Some(match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(*value),
            Value::Number(text) => serde_json::Value::Number(exact_number(text)?),
            Value::Text(text) => serde_json::Value::String(text.clone()),
            Value::List(items) => {
                serde_json::Value::Array(items.iter().map(Self::to_json).collect::<Option<_>>()?)
            }
            Value::Map(members) => {
                let pairs = members
                    .iter()
                    .map(|member| Some((member.key.clone(), member.node.to_json()?)));
                serde_json::Value::Object(pairs.collect::<Option<_>>()?)
            }
        })
    }

    /// The place of `field`, a path such as `arg_rules[3].argv.program[0]`, or of the innermost part of it
    /// that stands in the text.
    pub(crate) fn place_of(&self, field: &str) -> Place {
        let mut node = self;
        let mut place = self.place;
        let mut rest = field;
        while !rest.is_empty() {
            let (next, at, tail) = match node.step(rest) {
                Some(found) => found,
                None => break,
            };
            (node, place, rest) = (next, at, tail);
        }
        place
    }

    /// One step down a field path: the node, the place to show for it, and what is left of the path.
    fn step<'n, 'f>(&'n self, field: &'f str) -> Option<(&'n Self, Place, &'f str)> {
        if let Some(indexed) = field.strip_prefix('[') {
            let (index, tail) = indexed.split_once(']')?;
            let index: usize = index.parse().ok()?;
            return match &self.value {
                Value::List(items) => items.get(index).map(|item| (item, item.place, tail)),
                // A single value stands for the list of it.
                _ if index == 0 => Some((self, self.place, tail)),
                _ => None,
            };
        }
        let name = field.strip_prefix('.').unwrap_or(field);
        let Value::Map(members) = &self.value else {
            return None;
        };
        // Names of tools may hold dots, so the longest key that fits is the one meant.
        let member = members
            .iter()
            .filter(|member| {
                name.strip_prefix(member.key.as_str())
                    .is_some_and(|tail| tail.is_empty() || tail.starts_with(['.', '[']))
            })
            .max_by_key(|member| member.key.len())?;
        // A scalar is shown itself, a structure by its key.
        let place = match member.node.value {
            Value::List(_) | Value::Map(_) => member.place,
            _ => member.node.place,
        };
        Some((&member.node, place, name.get(member.key.len()..)?))
    }
}

/// The number, when JSON's usual readers keep it exactly: an integer of 64 bits or a finite decimal.
fn exact_number(text: &str) -> Option<serde_json::Number> {
    let number: serde_json::Number = serde_json::from_str(text).ok()?;
    let integer = !text.contains(['.', 'e', 'E']);
    (!integer || number.is_u64() || number.is_i64() || text == "-0").then_some(number)
}

/// Reads strict JSON (RFC 8259).
///
/// # Errors
/// The first thing that is not JSON; problems found before it are in `problems`.
pub(crate) fn of_json(text: &str, problems: &mut Vec<Diagnostic>) -> Result<Node, Diagnostic> {
    json::read(text, problems)
}

/// Reads one YAML 1.2 document of the core schema, without anchors, aliases, merge keys and tags.
///
/// # Errors
/// The first thing that is not such YAML; problems found before it are in `problems`.
pub(crate) fn of_yaml(text: &str, problems: &mut Vec<Diagnostic>) -> Result<Node, Diagnostic> {
    yaml::read(text, problems)
}

fn fault(place: Place, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic {
        line: place.line,
        column: place.column,
        ..Diagnostic::error("", message, help)
    }
}

/// Adds a member, or reports that its key is taken. The first one stays.
fn add_member(
    members: &mut Vec<Member>,
    seen: &mut Seen,
    member: Member,
    problems: &mut Vec<Diagnostic>,
) {
    match seen.entry(member.key.clone()) {
        std::collections::hash_map::Entry::Occupied(first) => {
            let message = format!("duplicate key `{}`", crate::diagnostic::shown(&member.key));
            let help = format!(
                "it is already given on line {}; keep one of the two",
                first.get().line
            );
            problems.push(fault(member.place, message, help));
        }
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(member.place);
            members.push(member);
        }
    }
}

/// The keys of an object under construction, with their places.
type Seen = std::collections::HashMap<String, Place>;

/// Whether `text` is a number in JSON's grammar.
pub(crate) fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with('0')) {
        return false;
    }
    let mut rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = fraction.get(count..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests;
