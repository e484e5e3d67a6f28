//! A strict reader of tool arguments that keeps the span of every value and key.
//!
//! One pass over the text fills a flat table of nodes in text order; strings and numbers stay where they
//! are and are decoded when asked for. Reading is stricter than RFC 8259 asks, because two programs must
//! never read one text differently: a repeated name, half a surrogate pair or a number that does not
//! survive a double is [`Malformed`]. Time is O(n log n) in the worst case and memory is bounded by
//! [`Limits`]; nothing recurses.
//!
//! The scanner is our own because no maintained pull parser reports the spans of both names and values,
//! keeps numbers as text, bounds depth and count, and finds repeated names without recursion or hashing
//! that needs a random seed.

mod edit;
mod number;
mod scan;
mod select;
#[cfg(test)]
mod tests;
mod text;

use std::{borrow::Cow, fmt, ops::Range};

pub use edit::apply_edits;
pub use number::compare_numbers;
pub use select::{SELECTOR_STEPS_MAX, Selector, SelectorError};

use scan::{NO_NODE, Node};

/// Deepest nesting any caller may ask for. LIMIT: trees handed out by [`Value::to_json`] are dropped
/// recursively by their owner, so depth stays far below a thread's stack.
pub const DEPTH_CEILING: usize = 512;

/// Bounds on one argument text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest text, in bytes; positions are 32 bits wide, so 4 GiB is never reached.
    pub bytes_max: usize,
    /// Deepest nesting; the top-level object is depth 1. At most [`DEPTH_CEILING`] is granted.
    pub depth_max: usize,
    /// Most values: leaves, arrays and objects together, the top-level object included.
    pub values_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 4 << 20,
            depth_max: 64,
            values_max: 1 << 18,
        }
    }
}

/// What kind of JSON value a [`Value`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number that is kept exactly.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// The word for people: `null`, `boolean`, `number`, `string`, `array`, `object`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not acceptable as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not JSON; the words say what was expected or found.
    Syntax(&'static str),
    /// The top level is not an object.
    NotAnObject,
    /// Two members of one object have the same name after unescaping.
    DuplicateKey,
    /// A number that programs would read differently: an integer that fits neither `i64` nor `u64`, or
    /// a decimal whose value is not that of the shortest text of the nearest double.
    InexactNumber,
    /// A `\u` escape that is half of a surrogate pair.
    LoneSurrogate,
    /// More bytes than the limit.
    TooLong,
    /// Deeper than the limit.
    TooDeep,
    /// More values than the limit.
    TooMany,
    /// Something follows the top-level object.
    TrailingData,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax(what) => what,
            Self::NotAnObject => "arguments must be a JSON object",
            Self::DuplicateKey => "duplicate key",
            Self::InexactNumber => "a number that cannot be kept exactly",
            Self::LoneSurrogate => "half of a surrogate pair",
            Self::TooLong => "more bytes than the limit",
            Self::TooDeep => "nested deeper than the limit",
            Self::TooMany => "more values than the limit",
            Self::TrailingData => "data after the object",
        })
    }
}

/// Where and why reading stopped. Never holds any of the text, so it may be shown and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Byte offset; for a duplicate key the second one's.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.problem)
    }
}

impl std::error::Error for Malformed {}

/// Arguments, read: a table of every value over the original text.
#[derive(Clone, Debug)]
pub struct Args<'a> {
    text: &'a str,
    /// INVARIANT: in text order, so a node's descendants follow it up to `Node::after`; the first is the
    /// top-level object.
    nodes: Vec<Node>,
}

impl<'a> Args<'a> {
    /// Reads `text`, whose top level must be an object; the empty text means `{}`.
    ///
    /// # Errors
    /// [`Malformed`] with the first problem found. Names are compared when their object closes, so a
    /// duplicate key is reported after a syntax error inside the same object.
    pub fn parse(text: &'a str, limits: &Limits) -> Result<Self, Malformed> {
        Ok(Self {
            text,
            nodes: scan::scan(text, limits)?,
        })
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The top-level object.
    #[must_use]
    pub fn root(&self) -> Value<'_, 'a> {
        Value {
            args: self,
            index: 0,
        }
    }

    /// Every value, containers included, in text order.
    pub fn values<'s>(&'s self) -> impl Iterator<Item = Value<'s, 'a>> + use<'s, 'a> {
        (0_u32..)
            .take(self.nodes.len())
            .map(move |index| Value { args: self, index })
    }

    /// Every value the selector names, in text order, each once. Allocates only when there is one.
    #[must_use]
    pub fn select<'s>(&'s self, selector: &Selector) -> Vec<Value<'s, 'a>> {
        let mut found = Vec::new();
        select::select(self, selector, &mut |value| found.push(value));
        found
    }

    fn node(&self, index: u32) -> Node {
        self.nodes.get(index as usize).copied().unwrap_or_default()
    }

    fn slice(&self, start: u32, end: u32) -> &'a str {
        self.text
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }
}

/// One value of [`Args`].
#[derive(Clone, Copy, Debug)]
pub struct Value<'s, 'a> {
    args: &'s Args<'a>,
    index: u32,
}

impl<'s, 'a> Value<'s, 'a> {
    fn node(&self) -> Node {
        self.args.node(self.index)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// The bytes of the value in the text; a string's span includes its quotes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// The value's own text. Empty for the top level of the empty text.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        let node = self.node();
        self.args.slice(node.start, node.end)
    }

    /// The decoded string; `None` for other kinds. Borrows when nothing was escaped.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        let node = self.node();
        (node.kind == Kind::String).then(|| {
            let content = self.args.slice(node.start + 1, node.end.saturating_sub(1));
            text::decode(content, node.value_escaped)
        })
    }

    /// The decoded name when the value is a member of an object.
    #[must_use]
    pub fn key(&self) -> Option<Cow<'a, str>> {
        let node = self.node();
        node.has_key().then(|| {
            text::decode(
                self.args.slice(node.key_start, node.key_end),
                node.key_escaped,
            )
        })
    }

    /// The bytes of the member's name in the text, quotes included.
    #[must_use]
    pub fn key_span(&self) -> Option<Range<usize>> {
        let node = self.node();
        node.has_key()
            .then(|| node.key_start as usize - 1..node.key_end as usize + 1)
    }

    /// The array or object the value is in; `None` for the top level.
    #[must_use]
    pub fn parent(&self) -> Option<Value<'s, 'a>> {
        let parent = self.node().parent;
        (parent != NO_NODE).then_some(Value {
            args: self.args,
            index: parent,
        })
    }

    /// The elements of an array or the member values of an object, in text order; nothing for a leaf.
    pub fn items(&self) -> impl Iterator<Item = Value<'s, 'a>> + use<'s, 'a> {
        let args = self.args;
        let end = self.node().after;
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            let value = (next < end).then_some(Value { args, index: next })?;
            next = value.node().after;
            Some(value)
        })
    }

    /// The member of an object with exactly this name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'s, 'a>> {
        self.items()
            .find(|item| item.key().is_some_and(|name| name == key))
    }

    /// The JSON pointer (RFC 6901) of the value. Holds the call's names: not for refusals or logs.
    #[must_use]
    pub fn pointer(&self) -> String {
        let mut steps = Vec::new();
        let mut value = *self;
        while let Some(parent) = value.parent() {
            steps.push(match value.key() {
                Some(key) => key.replace('~', "~0").replace('/', "~1"),
                None => parent
                    .items()
                    .take_while(|item| item.index < value.index)
                    .count()
                    .to_string(),
            });
            value = parent;
        }
        steps
            .iter()
            .rev()
            .fold(String::new(), |pointer, step| pointer + "/" + step)
    }

    /// The value as a tree. Numbers are exact because [`Args::parse`] admits no others.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Nodes are in text order, so walking backwards meets every container after its children, whose
        // values then lie on top of the stack, the first child uppermost.
        let mut done: Vec<serde_json::Value> = Vec::new();
        for index in (self.index..self.node().after).rev() {
            let value = Value {
                args: self.args,
                index,
            };
            let tree = match value.kind() {
                Kind::Null => serde_json::Value::Null,
                Kind::Bool => serde_json::Value::Bool(value.raw() == "true"),
                Kind::Number => number::to_json(value.raw()),
                Kind::String => {
                    serde_json::Value::String(value.as_str().unwrap_or_default().into())
                }
                Kind::Array => value
                    .items()
                    .map(|_| done.pop().unwrap_or_default())
                    .collect(),
                Kind::Object => value
                    .items()
                    .map(|item| {
                        (
                            item.key().unwrap_or_default().into_owned(),
                            done.pop().unwrap_or_default(),
                        )
                    })
                    .collect(),
            };
            done.push(tree);
        }
        done.pop().unwrap_or_default()
    }
}
