//! Manifest text to [`Manifest`], with every problem at its place.
//!
//! Loading has four steps: the text becomes a tree with places ([`crate::node`]); the tree is read field by
//! field against the vocabulary, and reading goes on after a problem so that all are listed; what could be
//! read is compiled, which finds bad patterns; compile problems get their places from the tree. Any error
//! refuses the file whole. There is no merging, no default file and no tolerance for keys of a later
//! version: a key this build does not know might be a restriction it would not enforce.

mod cache;
mod flow;
mod read;
mod root;
mod rule;
mod session;
pub(crate) mod vocabulary;

use std::collections::HashSet;

use crate::{
    Policy,
    diagnostic::{Diagnostic, Severity},
    manifest::Manifest,
    node::{self, Node, Value},
};

pub(crate) use root::VERSION;

/// Longest manifest, in bytes. LIMIT: a policy is written by people; megabytes are a mistake or an attack.
pub const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Most problems listed of one file. LIMIT: the rest is counted, not listed.
pub const PROBLEMS_MAX: usize = 500;

/// How a manifest is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Strict JSON (RFC 8259).
    Json,
    /// YAML 1.2, core schema, one document without anchors, aliases, merge keys and tags.
    Yaml,
}

impl Format {
    /// The format a file name promises: `.json`, `.yaml` or `.yml`.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// The format of a text whose name promises none, such as standard input: a text that starts with `{`
    /// is JSON.
    #[must_use]
    pub fn guess(name: &str, text: &str) -> Self {
        let opens = || {
            if text.trim_start().starts_with('{') {
                Self::Json
            } else {
                Self::Yaml
            }
        };
        Self::of_name(name).unwrap_or_else(opens)
    }
}

/// Reads and checks a manifest. `name` is the file's name in messages.
///
/// The manifest returned compiles: `Policy::compile` of it succeeds. Beside it come warnings, at most one
/// per matter; `crate::lint` finds more.
///
/// # Errors
/// All problems found, in the order of their places: never an empty list, at most [`PROBLEMS_MAX`].
pub fn load(
    name: &str,
    text: &str,
    format: Format,
) -> Result<(Manifest, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let tree = match parse(text, format, &mut problems) {
        Ok(tree) => tree,
        Err(problem) => {
            problems.push(problem);
            return Err(finish(name, problems));
        }
    };
    let (manifest, origin) = root::read(&tree, &mut problems);
    if let Err(found) = Policy::compile(name, &manifest) {
        let known: HashSet<(u32, u32)> = problems
            .iter()
            .map(|problem| (problem.line, problem.column))
            .collect();
        for problem in found {
            let problem = placed(problem, &tree, &origin);
            // A place that already has a problem gains nothing from a second view of it.
            if !known.contains(&(problem.line, problem.column)) {
                problems.push(problem);
            }
        }
    }
    if problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        problems.retain(|problem| problem.severity == Severity::Error);
        return Err(finish(name, problems));
    }
    Ok((manifest, finish(name, problems)))
}

/// Reads a manifest that is about to be compiled and whose problems nobody is told; `None` when there is one.
pub(crate) fn read_only(text: &str, format: Format) -> Option<Manifest> {
    let mut problems = Vec::new();
    let tree = parse(text, format, &mut problems).ok()?;
    let (manifest, _) = root::read(&tree, &mut problems);
    let wrong = |problem: &Diagnostic| problem.severity == Severity::Error;
    (!problems.iter().any(wrong)).then_some(manifest)
}

fn parse(text: &str, format: Format, problems: &mut Vec<Diagnostic>) -> Result<Node, Diagnostic> {
    let start = |message: String, help: &str| Diagnostic {
        line: 1,
        column: 1,
        ..Diagnostic::error("", message, help)
    };
    if text.len() > MANIFEST_BYTES_MAX {
        return Err(start(
            format!("the file is longer than {MANIFEST_BYTES_MAX} bytes"),
            "",
        ));
    }
    let empty = || {
        start(
            "the file is empty".to_owned(),
            "write `{}` for a policy that denies every call",
        )
    };
    if text.trim().is_empty() {
        return Err(empty());
    }
    let tree = match format {
        Format::Json => node::of_json(text, problems)?,
        Format::Yaml => node::of_yaml(text, problems)?,
    };
    match tree.value {
        Value::Map(_) => Ok(tree),
        Value::Null if format == Format::Yaml => Err(empty()),
        ref other => {
            let message = format!("a policy is an object, this is {}", other.kind());
            let at = Diagnostic::error(
                "",
                message,
                "write keys and values, for example `allow: [search_web]`",
            );
            Err(Diagnostic {
                line: tree.place.line,
                column: tree.place.column,
                ..at
            })
        }
    }
}

/// Where the rules of a partly read manifest stand in the file.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// For each rule read, its index in the file's list.
    pub(crate) arg_rules: Vec<usize>,
    /// The same of `shell`.
    pub(crate) shell: Vec<usize>,
    /// The same of `rate_limit`.
    pub(crate) rate_limit: Vec<usize>,
    /// The same of `flow.endorse`.
    pub(crate) endorse: Vec<usize>,
}

impl Origin {
    /// The field path in the file of a field path in the manifest.
    fn field(&self, field: &str) -> String {
        let lists = [
            ("arg_rules[", &self.arg_rules),
            ("shell[", &self.shell),
            ("rate_limit[", &self.rate_limit),
            ("flow.endorse[", &self.endorse),
        ];
        for (prefix, indexes) in lists {
            let Some((index, tail)) = field
                .strip_prefix(prefix)
                .and_then(|rest| rest.split_once(']'))
            else {
                continue;
            };
            if let Some(original) = index
                .parse()
                .ok()
                .and_then(|index: usize| indexes.get(index))
            {
                return format!("{prefix}{original}]{tail}");
            }
        }
        field.to_owned()
    }
}

fn placed(problem: Diagnostic, tree: &Node, origin: &Origin) -> Diagnostic {
    let field = origin.field(&problem.field);
    let place = tree.place_of(&field);
    Diagnostic {
        line: place.line,
        column: place.column,
        field,
        ..problem
    }
}

/// Places problems of a loaded manifest, such as those of lint, by their fields.
///
/// Guarantees: a text that does not parse, or a field it does not hold, leaves a problem as it was.
#[must_use]
pub fn locate(
    name: &str,
    text: &str,
    format: Format,
    problems: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    match parse(text, format, &mut Vec::new()) {
        Ok(tree) => {
            let origin = Origin::default();
            finish(
                name,
                problems
                    .into_iter()
                    .map(|problem| placed(problem, &tree, &origin))
                    .collect(),
            )
        }
        Err(_) => problems,
    }
}

/// Puts problems in the order of their places, names the file and bounds the list.
fn finish(name: &str, mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| (problem.line, problem.column, problem.severity));
    let left_out = problems.len().saturating_sub(PROBLEMS_MAX);
    if left_out > 0 {
        problems.truncate(PROBLEMS_MAX - 1);
        let message = format!("{} more problems are not listed", left_out + 1);
        problems.push(Diagnostic::error("", message, ""));
    }
    for problem in &mut problems {
        name.clone_into(&mut problem.file);
    }
    problems
}

#[cfg(test)]
mod tests;
