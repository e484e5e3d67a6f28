//! Selectors: which values of the arguments a rule is about.

use std::fmt;

use super::{Args, Kind, Value, text};

/// Most steps in a selector. LIMIT: the state of a match is one bit per step in a 64-bit word.
pub const SELECTOR_STEPS_MAX: usize = 63;

/// Names values of [`Args`].
///
/// - `command`: the member `command` of the top-level object; `a.b`: members of members.
/// - `a[].b`: the member `b` of every element of the array `a`.
/// - `**.url`: the member `url` at any depth, inside objects and arrays; `a.**.url`: below `a`.
/// - `*`: every string leaf at any depth; `a.*`: every string leaf at or below `a`.
/// - `"a.b"`: a name that holds dots or brackets, written as a JSON string.
///
/// Names are compared without regard to ASCII case, `_` and `-`, so `file_path` also names `filePath`
/// and `FILE-PATH`; when an object holds several such members, each is selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    written: Box<str>,
    steps: Box<[Step]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member, its name folded.
    Key(Box<str>),
    /// Every element of an array.
    Elements,
    /// Any depth, including none.
    Descend,
    /// Every string leaf from here down.
    Leaves,
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
    /// [`SelectorError`] when the text has another form, ends in `**`, continues after `*`, or has more
    /// than [`SELECTOR_STEPS_MAX`] steps.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut steps = Vec::new();
        let mut at = 0;
        loop {
            at = step(text, at, &mut steps)?;
            let rest = text.get(at..).unwrap_or_default();
            match rest.as_bytes().first() {
                None => break,
                Some(b'.') if steps.last() == Some(&Step::Leaves) => {
                    return Err(SelectorError {
                        at,
                        problem: "`*` must be the last step",
                    });
                }
                Some(b'.') => at += 1,
                Some(_) => {
                    return Err(SelectorError {
                        at,
                        problem: "expected `.` or the end",
                    });
                }
            }
        }
        if steps.len() > SELECTOR_STEPS_MAX {
            return Err(SelectorError {
                at,
                problem: "too many steps",
            });
        }
        if steps.last() == Some(&Step::Descend) {
            return Err(SelectorError {
                at,
                problem: "`**` must be followed by a name or `*`",
            });
        }
        Ok(Self {
            written: text.into(),
            steps: steps.into(),
        })
    }

    /// The selector as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

/// Reads one step with its `[]`; returns the position after it.
fn step(text: &str, at: usize, steps: &mut Vec<Step>) -> Result<usize, SelectorError> {
    let error = |problem| Err(SelectorError { at, problem });
    let rest = text.get(at..).unwrap_or_default();
    let (step, mut used) = if rest.starts_with('"') {
        quoted(rest, at)?
    } else {
        let name = rest.split(['.', '[']).next().unwrap_or_default();
        match name {
            "" if rest.starts_with("[]") && at == 0 => {
                return error("the top level is an object and has no elements");
            }
            "" => return error("expected a name, `*` or `**`"),
            "*" => (Step::Leaves, 1),
            "**" => (Step::Descend, 2),
            _ if name.contains(['*', '"', ']']) => {
                return error("a name with `*`, `\"` or `]` is written in double quotes");
            }
            _ => (Step::Key(fold(name).into()), name.len()),
        }
    };
    let takes_elements = matches!(step, Step::Key(_) | Step::Descend);
    steps.push(step);
    while takes_elements && rest.get(used..).is_some_and(|rest| rest.starts_with("[]")) {
        steps.push(Step::Elements);
        used += 2;
    }
    Ok(at + used)
}

fn quoted(rest: &str, at: usize) -> Result<(Step, usize), SelectorError> {
    let error = |problem| SelectorError { at, problem };
    let mut end = 1;
    loop {
        let bytes = rest.as_bytes();
        end += text::plain_run(bytes.get(end..).unwrap_or_default());
        match bytes.get(end) {
            Some(b'"') => break,
            Some(b'\\') => {
                end = text::skip_escape(bytes, end).map_err(|_| error("an escape JSON lacks"))?;
            }
            _ => return Err(error("a quoted name does not end")),
        }
    }
    let name = text::decode(rest.get(1..end).unwrap_or_default(), true);
    Ok((Step::Key(fold(&name).into()), end + 1))
}

/// Drops what name comparison ignores.
fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether `name` folds to `folded`.
fn folds_to(name: &str, folded: &str) -> bool {
    let mut wanted = folded.bytes();
    for byte in name.bytes().filter(|byte| !matches!(byte, b'_' | b'-')) {
        if wanted.next() != Some(byte.to_ascii_lowercase()) {
            return false;
        }
    }
    wanted.next().is_none()
}

/// Calls `found` for every value the selector names, in text order, each once.
///
/// A set of steps waits at every open container, as bits: one pass, and subtrees with nothing waiting
/// are skipped.
pub(super) fn select<'s, 'a>(
    args: &'s Args<'a>,
    selector: &Selector,
    found: &mut impl FnMut(Value<'s, 'a>),
) {
    let done = 1_u64 << selector.steps.len().min(SELECTOR_STEPS_MAX);
    let mut index = 1;
    let mut end = args.node(0).after;
    let mut waiting = close_over(&selector.steps, 1);
    let mut outer: Vec<(u32, u64)> = Vec::new();
    loop {
        while index >= end {
            let Some(frame) = outer.pop() else { return };
            (end, waiting) = frame;
        }
        let value = Value { args, index };
        let node = value.node();
        let next = advance(&selector.steps, waiting, &value);
        if next & done != 0 {
            found(value);
        }
        let below = next & !done;
        if below != 0 && node.after > index + 1 {
            outer.push((end, waiting));
            (end, waiting) = (node.after, below);
            index += 1;
        } else {
            index = node.after.max(index + 1);
        }
    }
}

/// The steps that wait below `value` when `waiting` wait in its container; the bit past the last step
/// says that the value itself is named.
fn advance(steps: &[Step], waiting: u64, value: &Value<'_, '_>) -> u64 {
    let mut next = 0;
    for (position, step) in steps.iter().enumerate() {
        let bit = 1_u64 << position;
        if waiting & bit == 0 {
            continue;
        }
        match step {
            Step::Key(folded) => {
                if value.key().is_some_and(|name| folds_to(&name, folded)) {
                    next |= bit << 1;
                }
            }
            Step::Elements => {
                if !value.node().has_key() {
                    next |= bit << 1;
                }
            }
            Step::Descend => next |= bit,
            Step::Leaves => next |= bit,
        }
    }
    let next = close_over(steps, next);
    let leaves = leaves_bit(steps);
    if next & leaves != 0 && value.kind() == Kind::String {
        next | leaves << 1
    } else {
        next
    }
}

/// Adds the steps that may begin because `**` may stand for no depth at all.
fn close_over(steps: &[Step], mut waiting: u64) -> u64 {
    for (position, step) in steps.iter().enumerate() {
        if *step == Step::Descend && waiting & (1 << position) != 0 {
            waiting |= 2 << position;
        }
    }
    waiting
}

/// The bit of the `*` step, which can only be the last.
fn leaves_bit(steps: &[Step]) -> u64 {
    match steps.last() {
        Some(Step::Leaves) => 1 << (steps.len() - 1).min(SELECTOR_STEPS_MAX),
        _ => 0,
    }
}
