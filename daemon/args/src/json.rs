//! A strict reader of tool arguments that keeps the span of every value and key.

use std::{borrow::Cow, cmp::Ordering, fmt, ops::Range};

/// Bounds on one argument text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest text, in bytes.
    pub bytes_max: usize,
    /// Deepest nesting; the top-level object is depth 1.
    pub depth_max: usize,
    /// Most values: leaves, arrays and objects together.
    pub values_max: usize,
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

/// Why a text is not acceptable as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Not JSON; the words say what was expected.
    Syntax(&'static str),
    /// The top level is not an object.
    NotAnObject,
    /// Two members of one object have the same name after unescaping.
    DuplicateKey,
    /// A number that programs would read differently.
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

/// Where and why reading stopped. Never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Byte offset.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {:?}", self.at, self.problem)
    }
}

impl std::error::Error for Malformed {}

/// Arguments, read.
#[derive(Clone, Debug)]
pub struct Args<'a> {
    text: &'a str,
}

impl<'a> Args<'a> {
    /// Reads `text`; the empty text means `{}`.
    ///
    /// # Errors
    /// [`Malformed`] with the first problem.
    pub fn parse(text: &'a str, _limits: &Limits) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Ok(Self { text });
        }
        Err(Malformed { at: 0, problem: Problem::NotAnObject })
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The top-level object.
    #[must_use]
    pub fn root(&self) -> Value<'_, 'a> {
        Value { args: self, index: 0 }
    }

    /// Every value the selector names, in text order, each once.
    #[must_use]
    pub fn select<'s>(&'s self, _selector: &Selector) -> Vec<Value<'s, 'a>> {
        Vec::new()
    }
}

/// One value of [`Args`].
#[derive(Clone, Copy, Debug)]
pub struct Value<'s, 'a> {
    args: &'s Args<'a>,
    index: u32,
}

impl<'s, 'a> Value<'s, 'a> {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::Object
    }

    /// The bytes of the value in the text; a string's span includes its quotes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        0..0
    }

    /// The value's text.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.args.text
    }

    /// The decoded string; `None` for other kinds.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        None
    }

    /// The decoded name when the value is a member of an object.
    #[must_use]
    pub fn key(&self) -> Option<Cow<'a, str>> {
        None
    }

    /// The elements of an array or the member values of an object, in text order.
    pub fn items(&self) -> impl Iterator<Item = Value<'s, 'a>> + use<'s, 'a> {
        std::iter::empty()
    }

    /// The member of an object with exactly this name.
    #[must_use]
    pub fn get(&self, _key: &str) -> Option<Value<'s, 'a>> {
        None
    }

    /// The JSON pointer (RFC 6901) of the value. Holds argument keys: not for refusals or logs.
    #[must_use]
    pub fn pointer(&self) -> String {
        format!("{}", self.index)
    }

    /// The value as a tree.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// Names values of [`Args`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
}

/// Why a selector was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// Byte offset in the selector.
    pub at: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.problem)
    }
}

impl std::error::Error for SelectorError {}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// [`SelectorError`] when the text has another form.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        Ok(Self { text: text.to_owned() })
    }

    /// The selector as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Replaces each span by its text; bytes outside the spans stay as they are.
#[must_use]
pub fn apply_edits(text: &str, _edits: &[(Range<usize>, &str)]) -> String {
    text.to_owned()
}

/// Compares two JSON numbers by value, exactly; `None` when either is not a number.
#[must_use]
pub fn compare_numbers(_left: &str, _right: &str) -> Option<Ordering> {
    None
}
