//! One tool call as a question: where its parts come from, and the strict form of it in JSON lines.

use std::{
    fs::File,
    io::{self, Read},
};

use fak_proto::v1::AdjudicateRequest;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::exit::{Exit, Failure};

/// Most bytes read for one set of arguments or one hook input. LIMIT: what fits into one frame.
pub(crate) const INPUT_BYTES_MAX: u64 = fak_proto::FRAME_BYTES_MAX as u64;

/// Where the caller stands: claims fakd uses for relative paths and `~`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) cwd: String,
    pub(crate) home: String,
}

impl Place {
    /// This process's own place.
    pub(crate) fn own() -> Self {
        let cwd = std::env::current_dir()
            .ok()
            .and_then(|dir| dir.into_os_string().into_string().ok());
        let home = std::env::var("HOME")
            .ok()
            .filter(|home| home.starts_with('/'));
        Self {
            cwd: cwd.unwrap_or_default(),
            home: home.unwrap_or_default(),
        }
    }
}

/// The text of `--args`: the JSON itself, `-` for standard input, `@file` for a file; nothing means `{}`.
///
/// # Errors
/// [`Exit::Missing`], [`Exit::Io`] when it cannot be read, [`Exit::Data`] when it is too long or not UTF-8.
pub(crate) fn args_text(given: Option<&str>) -> Result<String, Failure> {
    match given {
        None => Ok(String::new()),
        Some("-") => stdin_text(),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => file_text(path),
            None => Ok(text.to_owned()),
        },
    }
}

/// Everything on standard input.
///
/// # Errors
/// As [`args_text`].
pub(crate) fn stdin_text() -> Result<String, Failure> {
    bounded(io::stdin().lock(), "standard input", INPUT_BYTES_MAX)
}

/// Everything in a file.
///
/// # Errors
/// As [`args_text`].
pub(crate) fn file_text(path: &str) -> Result<String, Failure> {
    let file = File::open(path).map_err(|error| Failure::reading(path, &error))?;
    bounded(file, path, INPUT_BYTES_MAX)
}

/// Reads at most `bytes_max` bytes of UTF-8.
///
/// # Errors
/// As [`args_text`].
pub(crate) fn bounded(from: impl Read, name: &str, bytes_max: u64) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    from.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(Exit::Io, format!("{name}: {error}")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::data(format!(
            "{name}: longer than {bytes_max} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        Failure::data(format!(
            "{name}: not UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        ))
    })
}

/// A call in strict JSON: `{"tool":..,"args":{..},"trace_id"?,"call_id"?,"witness"?,"cwd"?,"home"?}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    tool: String,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(default)]
    trace_id: String,
    #[serde(default)]
    call_id: String,
    #[serde(default)]
    witness: String,
    cwd: Option<String>,
    home: Option<String>,
}

/// Reads a call in strict JSON; the bytes of `args` are kept as they are.
///
/// # Errors
/// [`Exit::Data`] naming the member that is unknown, twice there, missing, or of the wrong type. The text of
/// the input itself is never repeated.
pub(crate) fn parse_line(text: &str, place: &Place) -> Result<AdjudicateRequest, Failure> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| strict(&error))?;
    Ok(AdjudicateRequest {
        witness: line.witness,
        tool: line.tool,
        args: line
            .args
            .map_or_else(Vec::new, |args| args.get().as_bytes().to_vec()),
        trace_id: line.trace_id,
        cwd: line.cwd.unwrap_or_else(|| place.cwd.clone()),
        home: line.home.unwrap_or_else(|| place.home.clone()),
        call_id: line.call_id,
    })
}

/// The decoder's complaint, with the correction where there is one.
fn strict(error: &serde_json::Error) -> Failure {
    let said = without_values(error);
    let fix = [
        "arguments",
        "input",
        "tool_input",
        "parameters",
        "name",
        "tool_name",
        "trace",
        "session_id",
    ]
    .into_iter()
    .find(|key| said.starts_with(&format!("unknown field `{key}`")))
    .map(|key| match key {
        "name" | "tool_name" => "use `tool`",
        "trace" | "session_id" => "use `trace_id`",
        _ => "use `args`",
    });
    let failure = Failure::data(format!("not a call: {said}"));
    match fix {
        Some(fix) => failure.fix(fix),
        None => failure.fix("a call is {\"tool\":\"Bash\",\"args\":{...}} with optional trace_id, call_id, witness, cwd, home"),
    }
}

/// A decoding error without any value of the input: serde repeats strings and numbers of the wrong type.
pub(crate) fn without_values(error: &serde_json::Error) -> String {
    let said = error.to_string();
    match (said.strip_prefix("invalid type: "), said.rfind(" at line ")) {
        (Some(rest), at) => {
            let expected = rest
                .rfind(", expected ")
                .map_or("", |comma| &rest[comma + ", expected ".len()..]);
            let kind = rest.split([' ', ',']).next().unwrap_or("value");
            if at.is_some() {
                format!("a {kind} where {expected}")
            } else {
                format!("a {kind} where {expected} belongs")
            }
        }
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            cwd: "/w".into(),
            home: "/h".into(),
        }
    }

    #[test]
    fn arguments_pass_byte_for_byte() {
        let call = parse_line(
            "{\"tool\":\"T\",\"args\":{ \"b\" : 1.0,\"a\":\"\\u0041\" }}",
            &place(),
        )
        .unwrap();
        assert_eq!(call.args, b"{ \"b\" : 1.0,\"a\":\"\\u0041\" }");
        assert_eq!((call.cwd.as_str(), call.home.as_str()), ("/w", "/h"));
    }

    #[test]
    fn an_unknown_member_is_refused_by_name_with_the_right_one() {
        for (text, says, fix) in [
            (
                r#"{"tool":"T","arguments":{}}"#,
                "`arguments`",
                "use `args`",
            ),
            (r#"{"name":"T"}"#, "`name`", "use `tool`"),
            (
                r#"{"tool":"T","session_id":"s"}"#,
                "`session_id`",
                "use `trace_id`",
            ),
            (
                r#"{"tool":"T","tool":"U"}"#,
                "duplicate field `tool`",
                "a call is",
            ),
            (r#"{"args":{}}"#, "missing field `tool`", "a call is"),
            (r#"[]"#, "", "a call is"),
            ("", "EOF", "a call is"),
        ] {
            let failure = parse_line(text, &place()).unwrap_err();
            assert_eq!(failure.exit, Exit::Data, "{text}");
            assert!(failure.message.contains(says), "{text}: {failure}");
            assert!(failure.fix.contains(fix), "{text}: {failure}");
        }
    }

    #[test]
    fn a_complaint_repeats_no_value() {
        for text in [
            r#"{"tool":{"k":"hunter2"}}"#,
            r#"{"tool":31337}"#,
            r#"{"tool":"T","trace_id":["hunter2"]}"#,
            r#""hunter2""#,
        ] {
            let said = parse_line(text, &place()).unwrap_err().to_string();
            assert!(
                !said.contains("hunter2") && !said.contains("31337"),
                "{said}"
            );
        }
    }
}
