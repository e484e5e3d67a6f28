//! Argument rules: compiled, and held against one value.

pub(crate) mod argv;
mod glob;
pub(crate) mod meet;
mod number;
pub(crate) mod path;
pub(crate) mod place;
pub(crate) mod schema;
mod shell;

use std::{cmp::Ordering, sync::Arc};

use fak_args::{Kind, PathGlob, Value, compare_numbers, looks_like_destination};
use fak_types::{Reason, VerdictKind};
use regex::{Regex, RegexBuilder};

use self::shell::Judged;
use self::{
    argv::ArgvCheck,
    path::PathCheck,
    place::{PlaceCheck, Reading},
    schema::SchemaCheck,
};
use crate::{
    judge::{
        facts::{Leaf, ShellText},
        patch::patched_paths,
    },
    manifest::Access,
    names,
    spot::Ground,
};

/// Largest compiled regular expression, in bytes. LIMIT: larger ones are refused when a policy is compiled.
pub(crate) const REGEX_BYTES_MAX: usize = 1 << 20;

/// A compiled argument rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `arg_rules/<name or index>`.
    pub(crate) by: Arc<str>,
    /// Position in the policy's selectors.
    pub(crate) selector: u32,
    /// The selector names every string leaf, so the rule picks the leaves it understands.
    pub(crate) every_leaf: bool,
    pub(crate) check: Check,
    pub(crate) reason: Reason,
    /// `Deny` or `RequireWitness`.
    pub(crate) kind: VerdictKind,
    /// What a witness must see.
    pub(crate) claims: Option<Arc<[Arc<str>]>>,
    pub(crate) hint: Option<Arc<str>>,
    pub(crate) required: bool,
}

/// What a rule checks.
#[derive(Debug)]
pub(crate) enum Check {
    DenyRegex(Pattern),
    AllowGlob(PathGlob),
    MaxBytes(u64),
    MaxLen(u64),
    Range {
        min: Option<String>,
        max: Option<String>,
    },
    OneOf(Vec<serde_json::Value>),
    Path(PathCheck),
    /// A host or a URL.
    Place(PlaceCheck),
    Schema(SchemaCheck),
    Argv(ArgvCheck),
}

/// A compiled `deny_regex`.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    floats: bool,
}

impl Pattern {
    /// Compiles a pattern. The error says what is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text)
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX)
            .build();
        let regex = built.map_err(|problem| match problem {
            regex::Error::CompiledTooBig(_) => "the pattern needs more than a megabyte".to_owned(),
            // The last line says what is wrong; the ones before draw it.
            other => {
                let words = other.to_string();
                let last = words.lines().last().unwrap_or(&words);
                last.trim().trim_start_matches("error: ").to_owned()
            }
        })?;
        let looks = regex_syntax::parse(text).map(|hir| hir.properties().look_set());
        let floats = looks.is_ok_and(|looks| !looks.contains_anchor());
        Ok(Self { regex, floats })
    }

    /// Whether the pattern is found.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Whether a match in a line is also one in a text that holds the line: nothing binds the pattern
    /// to the ends.
    pub(crate) const fn floats(&self) -> bool {
        self.floats
    }
}

/// Why a rule refuses. The words name the rule's bound, never the value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The value is outside the bound: the rule's own reason.
    Refused(String),
    /// The value is not of the kind the rule is about: `MALFORMED`.
    Malformed(&'static str),
    /// The value cannot be read as what the rule is about: `MALFORMED`.
    Unreadable(String),
}

/// What a rule sees of a call.
pub(crate) struct View<'v, 'a> {
    /// The arguments.
    pub(crate) root: Value<'v, 'a>,
    /// Every string leaf of them.
    pub(crate) leaves: &'v [Leaf<'v, 'a>],
    /// The call's shell texts.
    pub(crate) shells: &'v [ShellText<'a>],
    pub(crate) ground: &'v Ground<'v>,
    pub(crate) tool: &'v str,
    /// The tool's name says that it changes something.
    pub(crate) write_shaped: bool,
}

impl Rule {
    /// Judges the values the rule's selector names; a rule on every leaf takes them from the view.
    pub(crate) fn judge(&self, values: &[Value<'_, '_>], view: &View<'_, '_>) -> Option<Finding> {
        if self.every_leaf {
            return self.judge_leaves(view);
        }
        let mut present = false;
        for value in values {
            if value.kind() == Kind::Null {
                continue;
            }
            present = true;
            let at = value.span().start;
            let judged = view.shells.iter().find(|shell| shell.span.start == at);
            let found = match judged.map(|shell| self.judge_shell(shell, view.ground)) {
                Some(Judged::Text(found)) => found,
                Some(Judged::NotText) | None => self.judge_value(*value, view.ground),
            };
            if found.is_some() {
                return found;
            }
        }
        if present {
            return None;
        }
        match self.check {
            Check::AllowGlob(_) => Some(Finding::Refused("the argument is missing".to_owned())),
            _ if self.required => Some(Finding::Malformed("a required argument is missing")),
            _ => None,
        }
    }

    /// Judges every string leaf, whatever its name or nesting, and every shell text as what it is.
    fn judge_leaves(&self, view: &View<'_, '_>) -> Option<Finding> {
        match &self.check {
            Check::Schema(schema) => {
                return schema.refuse(&view.root.to_json()).map(Finding::Refused);
            }
            Check::Argv(_) => return None,
            _ => {}
        }
        for shell in view.shells {
            if let Judged::Text(Some(found)) = self.judge_shell(shell, view.ground) {
                return Some(found);
            }
        }
        view.leaves.iter().find_map(|leaf| {
            let at = leaf.value.span().start;
            let shell = view.shells.iter().any(|shell| shell.span.contains(&at));
            if shell {
                None
            } else {
                self.judge_leaf(leaf, view)
            }
        })
    }

    /// A leaf says by itself whether it is a path or a destination; the rule takes what it understands.
    fn judge_leaf(&self, leaf: &Leaf<'_, '_>, view: &View<'_, '_>) -> Option<Finding> {
        match &self.check {
            Check::Path(check) => {
                let access = if view.write_shaped {
                    Access::Write
                } else {
                    Access::Read
                };
                if !check.governs(access) || (leaf.content && !names::patches(view.tool)) {
                    return None;
                }
                let words = if leaf.content || leaf.text.contains('\n') {
                    patched_paths(&leaf.text).find_map(|path| check.refuse(path, view.ground))
                } else {
                    let path = leaf.path()?;
                    check.refuse_plain(leaf.spot(path, view.ground), view.ground)
                };
                words.map(Finding::Refused)
            }
            Check::Place(check) => {
                if (leaf.content && view.write_shaped) || !looks_like_destination(&leaf.text) {
                    return None;
                }
                match check.read(&leaf.text) {
                    Reading::Refused(words) => Some(Finding::Refused(words)),
                    Reading::Fine | Reading::Unreadable(_) => None,
                }
            }
            _ => self.judge_value(leaf.value, view.ground),
        }
    }

    fn judge_value(&self, value: Value<'_, '_>, ground: &Ground<'_>) -> Option<Finding> {
        match &self.check {
            Check::DenyRegex(regex) => text(value, |text| {
                regex
                    .is_match(text)
                    .then(|| Finding::Refused("the text matches a denied pattern".to_owned()))
            }),
            Check::AllowGlob(glob) => text(value, |text| allow_glob(glob, text, ground)),
            Check::MaxBytes(most) => max_bytes(value, *most),
            Check::MaxLen(most) => max_len(value, *most),
            Check::Range { min, max } => range(value, min.as_deref(), max.as_deref()),
            Check::OneOf(listed) => {
                let value = value.to_json();
                let known = listed.iter().any(|one| number::same_value(one, &value));
                (!known)
                    .then(|| Finding::Refused("the value is not among the allowed ones".to_owned()))
            }
            Check::Path(check) => text(value, |text| {
                check
                    .refuse(text.strip_prefix("file://").unwrap_or(text), ground)
                    .map(Finding::Refused)
            }),
            Check::Place(check) => text(value, |text| match check.read(text) {
                Reading::Fine => None,
                Reading::Refused(words) => Some(Finding::Refused(words)),
                Reading::Unreadable(words) => Some(Finding::Unreadable(words)),
            }),
            Check::Schema(schema) => schema.refuse(&value.to_json()).map(Finding::Refused),
            // A form is a form of shell text; what was not declared as such has none.
            Check::Argv(_) => None,
        }
    }
}

/// Applies a judgement about text; anything else is of the wrong kind.
fn text(value: Value<'_, '_>, judge: impl FnOnce(&str) -> Option<Finding>) -> Option<Finding> {
    match value.as_str() {
        Some(text) => judge(&text),
        None => Some(Finding::Malformed("the argument is not text")),
    }
}

fn allow_glob(glob: &PathGlob, text: &str, ground: &Ground<'_>) -> Option<Finding> {
    let refused = |words: &str| Some(Finding::Refused(format!("{words} {}", glob.as_str())));
    let absolute = glob.as_str().starts_with('/');
    let spot = if absolute {
        ground.spot(text)
    } else {
        Ground {
            cwd: None,
            ..*ground
        }
        .spot(text)
    };
    if spot.lexical.suspicious.is_some() || spot.lexical.escapes || spot.lexical.home_unknown {
        return refused("the path does not stay under");
    }
    if !glob.matches(&spot.lexical) {
        return refused("the path is not under");
    }
    match &spot.real {
        Some(real) if absolute && !glob.matches(real) => refused("the path leads out of"),
        _ => None,
    }
}

fn max_bytes(value: Value<'_, '_>, most: u64) -> Option<Finding> {
    let length = match value.kind() {
        Kind::String => value.as_str().map_or(usize::MAX, |text| text.len()),
        Kind::Array | Kind::Object => return Some(Finding::Malformed("the argument is not text")),
        // A number or a truth value counts as the text it is written with.
        _ => value.raw().len(),
    };
    (length as u64 > most)
        .then(|| Finding::Refused(format!("the text is longer than {most} bytes")))
}

fn max_len(value: Value<'_, '_>, most: u64) -> Option<Finding> {
    let (length, unit) = match value.kind() {
        Kind::String => (
            value
                .as_str()
                .map_or(usize::MAX, |text| text.chars().count()),
            "characters",
        ),
        Kind::Array => (value.items().count(), "elements"),
        _ => {
            return Some(Finding::Malformed(
                "the argument is neither text nor a list",
            ));
        }
    };
    (length as u64 > most)
        .then(|| Finding::Refused(format!("the argument has more than {most} {unit}")))
}

fn range(value: Value<'_, '_>, min: Option<&str>, max: Option<&str>) -> Option<Finding> {
    if value.kind() != Kind::Number {
        return Some(Finding::Malformed("the argument is not a number"));
    }
    let beyond = |bound: &str, wrong: Ordering| {
        compare_numbers(value.raw(), bound).is_none_or(|order| order == wrong)
    };
    if let Some(min) = min.filter(|min| beyond(min, Ordering::Less)) {
        return Some(Finding::Refused(format!("the number is below {min}")));
    }
    let max = max.filter(|max| beyond(max, Ordering::Greater))?;
    Some(Finding::Refused(format!("the number is above {max}")))
}
