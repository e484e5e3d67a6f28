//! Table tests of a policy: one line per case, kept beside the policy as `NAME.cases`.
//!
//! ```text
//! # Denials first.
//! cwd: /home/u/project
//! home: /home/u
//! DENY POLICY_BLOCK Bash {"command":"sudo ls"}          # no root
//! DENY SELF_MODIFY by=self_modify_globs Write {"file_path":".git/config"}
//! DENY rm_all                                            # arguments default to {}
//! DENY MALFORMED Bash "{\"command\":"                    # a JSON string is the raw text of the arguments
//! REQUIRE_WITNESS deploy {"to":"production"}
//! ALLOW Bash {"command":"echo 'sudo'"}
//! ALLOW DEFAULT_DENY read_mail                           # on an ALLOW: what would have refused
//! ```
//!
//! A line is a verdict, an optional reason, an optional `by=` and what the verdict's `by` starts with, a
//! tool (in double quotes when it holds blanks or looks like a reason), optional arguments and an optional
//! comment. `cwd:` and `home:` hold for the lines after them; without a value they are unset.

use std::fmt;

use fak_types::{Reason, ToolCall, Verdict, VerdictKind};

use crate::{
    Policy, World,
    diagnostic::{Diagnostic, shown},
    load::vocabulary::{listed, nearest},
};

/// Longest table, in bytes. LIMIT: far above any written by hand.
pub const TABLE_BYTES_MAX: usize = 16 << 20;

/// One expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its line, from 1.
    pub line: u32,
    /// The verdict expected.
    pub kind: VerdictKind,
    /// The reason expected, when the line names one; on an ALLOW the reason that would have refused.
    pub reason: Option<Reason>,
    /// What `by` must start with, when the line says so.
    pub by: Option<String>,
    /// The tool called.
    pub tool: String,
    /// The raw arguments.
    pub args: String,
    /// The caller's working directory.
    pub cwd: Option<String>,
    /// The caller's home directory.
    pub home: Option<String>,
    /// The comment of the line.
    pub why: String,
}

/// An expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The expectation.
    pub case: Case,
    /// What the policy says instead.
    pub verdict: Verdict,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Case {
            line,
            kind,
            reason,
            by,
            tool,
            why,
            ..
        } = &self.case;
        write!(f, "line {line}: {}: expected {kind}", shown(tool))?;
        if let Some(reason) = reason {
            write!(f, " {reason}")?;
        }
        if let Some(by) = by {
            write!(f, " by={}", shown(by))?;
        }
        write!(f, ", got {}", self.verdict.kind)?;
        if let Some(reason) = reason_of(&self.verdict) {
            write!(f, " {reason}")?;
        }
        write!(f, " by={}", shown(&self.verdict.by))?;
        if !why.is_empty() {
            write!(f, "  # {}", shown(why))?;
        }
        Ok(())
    }
}

/// The reason a table compares: of a refusal its own, of an allow the one that would have refused.
fn reason_of(verdict: &Verdict) -> Option<Reason> {
    if verdict.kind.admits() {
        verdict.would_deny
    } else {
        Some(verdict.reason)
    }
}

/// Reads a table. `name` is the file's name in messages.
///
/// # Errors
/// Every line that cannot be read, with its place; never an empty list.
pub fn parse(name: &str, text: &str) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let mut cases = Vec::new();
    let mut problems = Vec::new();
    let (mut cwd, mut home) = (None, None);
    if text.len() > TABLE_BYTES_MAX {
        return Err(vec![Diagnostic::error(
            "",
            format!("longer than {TABLE_BYTES_MAX} bytes"),
            "",
        )]);
    }
    for (line, text) in (1_u32..).zip(text.lines()) {
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if let Some(value) = trimmed.strip_prefix("cwd:") {
            cwd = directory(value);
        } else if let Some(value) = trimmed.strip_prefix("home:") {
            home = directory(value);
        } else {
            match case(text) {
                Ok(case) => cases.push(Case {
                    line,
                    cwd: cwd.clone(),
                    home: home.clone(),
                    ..case
                }),
                Err(fault) => problems.push(fault.at(name, line, text)),
            }
        }
    }
    if problems.is_empty() {
        Ok(cases)
    } else {
        Err(problems)
    }
}

fn directory(value: &str) -> Option<String> {
    let value = value.split(" #").next().unwrap_or_default().trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// What is wrong with a line, and how much of the line was left when it was found.
struct Fault {
    left: usize,
    message: String,
    help: String,
}

impl Fault {
    fn new(rest: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            left: rest.len(),
            message: message.into(),
            help: help.into(),
        }
    }

    fn at(self, name: &str, line: u32, text: &str) -> Diagnostic {
        let read = text
            .get(..text.len().saturating_sub(self.left))
            .unwrap_or_default();
        let column = u32::try_from(read.chars().count())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let problem = Diagnostic::error("", self.message, self.help);
        Diagnostic {
            file: name.to_owned(),
            line,
            column,
            ..problem
        }
    }
}

fn case(text: &str) -> Result<Case, Fault> {
    let rest = text.trim_start();
    let (word, after) = word(rest);
    let kinds: Vec<&str> = VerdictKind::ALL
        .into_iter()
        .map(VerdictKind::as_str)
        .collect();
    let kind = VerdictKind::parse(word).ok_or_else(|| {
        let meant = nearest(word, &kinds)
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        let message = format!("a case starts with a verdict, not `{}`{meant}", shown(word));
        Fault::new(rest, message, format!("one of {}", listed(&kinds)))
    })?;
    let mut rest = after;
    let mut reason = None;
    if let Some((found, after)) = reason_word(rest) {
        (reason, rest) = (Some(found), after);
    }
    let mut by = None;
    if let Some(tail) = rest.strip_prefix("by=") {
        let (value, after) = self::word(tail);
        (by, rest) = (Some(value.to_owned()), after);
    }
    let (tool, rest) = tool(rest)?;
    let (args, rest) = arguments(rest)?;
    let why = match rest.strip_prefix('#') {
        Some(why) => why.trim().to_owned(),
        None if rest.is_empty() => String::new(),
        None => {
            return Err(Fault::new(
                rest,
                "something stands after the arguments",
                "write a comment as `# why`",
            ));
        }
    };
    Ok(Case {
        line: 0,
        kind,
        reason,
        by,
        tool,
        args,
        cwd: None,
        home: None,
        why,
    })
}

/// The next word and what follows it, blanks skipped.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn reason_word(text: &str) -> Option<(Reason, &str)> {
    let (first, rest) = word(text);
    // A reason is followed by a tool; alone on the line the word is the tool itself.
    Reason::parse(first)
        .filter(|_| !rest.is_empty() && !rest.starts_with(['{', '#']))
        .map(|reason| (reason, rest))
}

fn tool(text: &str) -> Result<(String, &str), Fault> {
    if text.starts_with('"') {
        let (value, rest) = json(text)?;
        let name = value.as_str().unwrap_or_default().to_owned();
        return Ok((name, rest));
    }
    let (name, rest) = word(text);
    if name.is_empty() || name.starts_with(['{', '#']) {
        return Err(Fault::new(
            text,
            "the tool is missing",
            "write VERDICT [REASON] [by=RULE] TOOL [ARGUMENTS] [# why]",
        ));
    }
    Ok((name.to_owned(), rest))
}

fn arguments(text: &str) -> Result<(String, &str), Fault> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(("{}".to_owned(), text));
    }
    let (value, rest) = json(text)?;
    let raw = text
        .get(..text.len().saturating_sub(rest.len()))
        .unwrap_or_default()
        .trim_end();
    match value {
        serde_json::Value::Object(_) => Ok((raw.to_owned(), rest)),
        serde_json::Value::String(raw) => Ok((raw, rest)),
        _ => Err(Fault::new(
            text,
            "arguments are a JSON object",
            "or a JSON string holding their raw text",
        )),
    }
}

/// The JSON value a text starts with, and what follows it.
fn json(text: &str) -> Result<(serde_json::Value, &str), Fault> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    match values.next() {
        Some(Ok(value)) => {
            let rest = text
                .get(values.byte_offset()..)
                .unwrap_or_default()
                .trim_start();
            Ok((value, rest))
        }
        Some(Err(error)) => {
            let at = error.column().saturating_sub(1);
            let message = format!("not JSON, {at} bytes into the value");
            Err(Fault::new(
                text,
                message,
                "to test malformed arguments, write their raw text as a JSON string",
            ))
        }
        None => Err(Fault::new(text, "a JSON value is missing", "")),
    }
}

/// Judges every case and returns those that do not hold.
#[must_use]
pub fn run(policy: &Policy, cases: &[Case], world: &dyn World) -> Vec<Failure> {
    let mut failures = Vec::new();
    for case in cases {
        let call = ToolCall {
            tool: &case.tool,
            args: &case.args,
            trace: "table",
            cwd: case.cwd.as_deref(),
            home: case.home.as_deref(),
        };
        let verdict = policy.adjudicate(&call, world);
        let holds = verdict.kind == case.kind
            && case
                .reason
                .is_none_or(|reason| reason_of(&verdict) == Some(reason))
            && case
                .by
                .as_ref()
                .is_none_or(|by| verdict.by.starts_with(by.as_str()));
        if !holds {
            failures.push(Failure {
                case: case.clone(),
                verdict,
            });
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoWorld, diagnostic::render, manifest::Manifest};

    #[test]
    fn a_table_is_read_line_by_line() {
        let text = "# c\n\ncwd: /p # note\nDENY POLICY_BLOCK Bash {\"command\":\"a # b\"}  # why \n  ALLOW a\n\
            cwd:\nDENY MALFORMED by=parse \"b c\" \"{\"\nALLOW DEFAULT_DENY d {}\nDENY \"POLICY_BLOCK\"\nDENY MALFORMED\n";
        let cases = parse("t", text)
            .map_err(|problems| render(&problems))
            .expect("parses");
        let short: Vec<_> = cases
            .iter()
            .map(|c| {
                (
                    c.line,
                    c.kind.as_str(),
                    c.reason.map(Reason::as_str),
                    c.tool.as_str(),
                    c.args.as_str(),
                )
            })
            .collect();
        let expected = [
            (
                4,
                "DENY",
                Some("POLICY_BLOCK"),
                "Bash",
                "{\"command\":\"a # b\"}",
            ),
            (5, "ALLOW", None, "a", "{}"),
            (7, "DENY", Some("MALFORMED"), "b c", "{"),
            (8, "ALLOW", Some("DEFAULT_DENY"), "d", "{}"),
            (9, "DENY", None, "POLICY_BLOCK", "{}"),
            (10, "DENY", None, "MALFORMED", "{}"),
        ];
        assert_eq!(short, expected);
        assert_eq!(
            cases.first().map(|c| (c.cwd.as_deref(), c.why.as_str())),
            Some((Some("/p"), "why"))
        );
        assert_eq!(
            cases.get(2).map(|c| (c.cwd.clone(), c.by.clone())),
            Some((None, Some("parse".into())))
        );
    }

    #[test]
    fn every_bad_line_is_reported() {
        let text = "DENI a\nDENY\nALLOW a {\"b\":}\nALLOW a [1]\nALLOW a {} b\nALLOW a\n";
        let problems = render(&parse("t", text).expect_err("bad lines"));
        for said in [
            "t:1:1: error: a case starts with a verdict, not `DENI`; did you mean `DENY`?",
            "t:2:5: error: the tool is missing",
            "t:3:9: error: not JSON, 5 bytes into the value",
            "t:4:9: error: arguments are a JSON object",
            "t:5:12: error: something stands after the arguments",
        ] {
            assert!(problems.contains(said), "{said:?} is not in\n{problems}");
        }
        assert_eq!(problems.matches("error").count(), 5);
    }

    #[test]
    fn expectations_that_do_not_hold_are_returned_with_what_was_said() {
        let manifest = Manifest {
            allow: vec!["a".into()],
            ..Manifest::default()
        };
        let policy = Policy::compile("p", &manifest).expect("compiles");
        let cases = parse(
            "t",
            "ALLOW a\nALLOW b {} # c\nDENY DEFAULT_DENY by=default b\nDENY MALFORMED b",
        )
        .expect("cases");
        let failures: Vec<String> = run(&policy, &cases, &NoWorld)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(failures.len(), 2);
        assert_eq!(
            failures.first().map(String::as_str),
            Some("line 2: b: expected ALLOW, got DENY DEFAULT_DENY by=default  # c")
        );
    }
}
