//! Recorded sessions: what a trace file may hold, read without losing a byte of the arguments.

use fak_proto::v1::AdjudicateRequest;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    exit::Failure,
    question::{self, Place},
};

/// Longest trace file. LIMIT: one recording, not an archive.
const TRACE_BYTES_MAX: u64 = 256 << 20;

/// One recorded session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// One recorded call.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) request: AdjudicateRequest,
    /// Who is behind the call, in the recorder's words: `user`, `model`, `injection`.
    pub(crate) src: String,
    /// `allow`, `deny`, or a verdict kind.
    pub(crate) expect: Option<String>,
}

impl Step {
    /// The arguments as the file spells them.
    pub(crate) fn args(&self) -> &str {
        std::str::from_utf8(&self.request.args).unwrap_or_default()
    }
}

/// A session or a step; other members are the recorder's own.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default)]
    tool: Option<String>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(borrow, default)]
    steps: Option<Vec<Item<'a>>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    trace_id: Option<String>,
    #[serde(default)]
    call_id: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    home: Option<String>,
    #[serde(default)]
    src: Option<String>,
    #[serde(default)]
    expect: Option<String>,
}

/// Reads a trace file, or standard input for `-`.
///
/// # Errors
/// When it cannot be read, and [`crate::exit::Exit::Data`] naming the place that is no session and no call.
pub(crate) fn read(path: &str) -> Result<Vec<Recorded>, Failure> {
    let text = if path == "-" {
        question::bounded(std::io::stdin().lock(), "standard input", TRACE_BYTES_MAX)?
    } else {
        let file = std::fs::File::open(path).map_err(|error| Failure::reading(path, &error))?;
        question::bounded(file, path, TRACE_BYTES_MAX)?
    };
    parse(&text, &Place::own()).map_err(|failure| Failure {
        message: format!("{path}: {}", failure.message),
        ..failure
    })
}

/// Calls, sessions and arrays of either, one after the other. Calls outside a session form one session.
fn parse(text: &str, place: &Place) -> Result<Vec<Recorded>, Failure> {
    let mut sessions = Vec::new();
    let mut loose = Recorded::default();
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value
            .map_err(|error| Failure::data(question::without_values(&error)))?
            .get();
        let items: Vec<Item<'_>> = if value.starts_with('[') {
            decode(value)?
        } else {
            vec![decode(value)?]
        };
        for item in items {
            match item.steps {
                Some(_) => sessions.push(session(item, place)?),
                None => loose.steps.push(step(item, place, loose.steps.len())?),
            }
        }
    }
    if !loose.steps.is_empty() {
        sessions.push(loose);
    }
    if sessions.is_empty() {
        return Err(Failure::data("no calls"));
    }
    Ok(sessions)
}

fn decode<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::data(question::without_values(&error)))
}

fn session(item: Item<'_>, place: &Place) -> Result<Recorded, Failure> {
    let own = Place {
        cwd: item.cwd.unwrap_or_else(|| place.cwd.clone()),
        home: item.home.unwrap_or_else(|| place.home.clone()),
    };
    let mut recorded = Recorded {
        name: item.name.unwrap_or_default(),
        steps: Vec::new(),
    };
    for (index, mut inner) in item.steps.into_iter().flatten().enumerate() {
        inner.trace_id = inner.trace_id.or_else(|| item.trace_id.clone());
        recorded.steps.push(step(inner, &own, index)?);
    }
    Ok(recorded)
}

fn step(item: Item<'_>, place: &Place, index: usize) -> Result<Step, Failure> {
    let lacks = |member: &str| {
        Failure::data(format!("call {} has no `{member}`", index + 1))
            .fix("a call is {\"tool\":\"Bash\",\"args\":{...}}; a session is {\"steps\":[...]}")
    };
    let tool = item.tool.ok_or_else(|| lacks("tool"))?;
    let args = item.args.ok_or_else(|| lacks("args"))?;
    Ok(Step {
        request: AdjudicateRequest {
            witness: String::new(),
            tool,
            args: args.get().as_bytes().to_vec(),
            trace_id: item.trace_id.unwrap_or_default(),
            cwd: item.cwd.unwrap_or_else(|| place.cwd.clone()),
            home: item.home.unwrap_or_else(|| place.home.clone()),
            call_id: item.call_id.unwrap_or_default(),
        },
        src: item.src.unwrap_or_default(),
        expect: item.expect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Recorded> {
        parse(
            text,
            &Place {
                cwd: "/w".into(),
                home: "/h".into(),
            },
        )
        .unwrap()
    }

    #[test]
    fn lines_arrays_and_sessions_are_read_alike() {
        for text in [
            "{\"tool\":\"A\",\"args\":{ \"x\":1}}\n{\"tool\":\"B\",\"args\":{}}\n",
            "[{\"tool\":\"A\",\"args\":{ \"x\":1}},{\"tool\":\"B\",\"args\":{}}]",
            "{\"name\":\"\",\"steps\":[{\"tool\":\"A\",\"args\":{ \"x\":1},\"result\":[1]},{\"tool\":\"B\",\"args\":{}}]}",
        ] {
            let sessions = read(text);
            assert_eq!(sessions.len(), 1, "{text}");
            assert_eq!(sessions[0].steps.len(), 2, "{text}");
            assert_eq!(sessions[0].steps[0].args(), "{ \"x\":1}");
            assert_eq!(sessions[0].steps[0].request.cwd, "/w");
        }
        assert_eq!(read("{\"steps\":[]}\n{\"steps\":[]}").len(), 2);
    }

    #[test]
    fn a_call_without_its_parts_is_refused_not_judged_empty() {
        for text in [
            "{\"tool\":\"A\",\"arguments\":{}}",
            "{\"args\":{}}",
            "",
            "{",
            "[1]",
        ] {
            assert!(parse(text, &Place::default()).is_err(), "{text}");
        }
    }
}
