//! What makes two calls the same call.

use std::fmt;

use fak_args::{Args, Kind, Limits, Malformed, Value};
use fak_types::{Digest, TOOL_NAME_BYTES_MAX};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::call::{NAMESPACE_BYTES_MAX, Read, WITNESS_BYTES_MAX};

/// Longest name of a principal. LIMIT: the answer of a call of a longer one is not kept.
const WHO_BYTES_MAX: usize = 256;

/// What the hash begins with, so that it is no hash of anything else.
const PURPOSE: &[u8] = b"fak-cache/1 key";

/// SHA-256 of everything the answer of a call may depend on, save the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub(crate) [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", Digest(self.0))
    }
}

/// Why a call has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncacheable {
    /// Its arguments are no JSON object that every program reads alike.
    Args(Malformed),
    /// A text is longer than what is kept.
    TooLong(&'static str),
}

impl fmt::Display for Uncacheable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args(malformed) => write!(f, "arguments, {malformed}"),
            Self::TooLong(what) => write!(f, "the {what} is too long"),
        }
    }
}

impl std::error::Error for Uncacheable {}

impl Key {
    /// The key of no call.
    pub const NONE: Self = Self([0; 32]);

    /// The key of a call.
    ///
    /// # Errors
    /// [`Uncacheable`].
    pub fn of(read: &Read<'_>) -> Result<Self, Uncacheable> {
        for (what, text, max) in [
            ("principal", read.who, WHO_BYTES_MAX),
            ("tool", read.tool, TOOL_NAME_BYTES_MAX),
            ("namespace", read.namespace, NAMESPACE_BYTES_MAX),
            ("witness", read.witness, WITNESS_BYTES_MAX),
        ] {
            if text.len() > max {
                return Err(Uncacheable::TooLong(what));
            }
        }
        let args = Args::parse(read.args, &Limits::default()).map_err(Uncacheable::Args)?;
        let mut canonical = String::with_capacity(read.args.len());
        write_value(args.root(), &mut canonical);
        let mut hash = Sha256::new();
        let absent = |path: Option<&str>| path.map_or(0, |path| path.len() as u64 + 1);
        for part in [
            PURPOSE,
            read.who.as_bytes(),
            &read.profile.0,
            read.tool.as_bytes(),
            canonical.as_bytes(),
            &absent(read.place.cwd).to_le_bytes(),
            read.place.cwd.unwrap_or_default().as_bytes(),
            &absent(read.place.home).to_le_bytes(),
            read.place.home.unwrap_or_default().as_bytes(),
            read.namespace.as_bytes(),
            read.witness.as_bytes(),
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Ok(Self(hash.finalize().into()))
    }
}

/// Writes a value so that equal values have one text: members in the order of their names' bytes, no white space, the
/// shortest escapes. Numbers keep their digits, since an integer of more than 53 bits is not the double beside it;
/// `1` and `1.0` are therefore two.
///
/// The depth of the recursion is bounded by [`Limits`].
fn write_value(value: Value<'_, '_>, out: &mut String) {
    match value.kind() {
        Kind::Null | Kind::Bool => out.push_str(value.raw()),
        Kind::Number => out.push_str(&value.to_json().to_string()),
        Kind::String => write_text(&value.as_str().unwrap_or_default(), out),
        Kind::Array => {
            out.push('[');
            for (index, item) in value.items().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Kind::Object => {
            let mut members: Vec<_> = value
                .items()
                .map(|item| (item.key().unwrap_or_default(), item))
                .collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            out.push('{');
            for (index, (name, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(&name, out);
                out.push(':');
                write_value(item, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{call::Place, resource::Resources};

    static ALL: Resources = Resources::ALL;

    fn read(args: &str) -> Read<'_> {
        Read {
            who: "uid:1000",
            profile: Digest([1; 32]),
            tool: "fetch",
            args,
            place: Place::default(),
            namespace: "web",
            resources: &ALL,
            witness: "",
            ttl_us: 1,
        }
    }

    fn key(args: &str) -> Key {
        Key::of(&read(args)).expect("a key")
    }

    #[test]
    fn one_call_has_one_key_however_it_is_written() {
        let one = key(r#"{"b": [1, 2.50, "é\n"], "a": {"y": null, "x": true}}"#);
        let other = key(r#"{"a":{"x":true,"y":null},"b":[1,2.5,"\u00e9\u000a"]}"#);
        assert_eq!(one, other);
        assert_eq!(key(""), key("{ }"));
    }

    #[test]
    fn calls_that_may_differ_have_different_keys() {
        let texts = [
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":null}"#,
            r#"{"a":9007199254740993}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":"1,\"b\":2"}"#,
            r#"{"A":1}"#,
            "{}",
        ];
        for (at, one) in texts.iter().enumerate() {
            for other in &texts[..at] {
                assert_ne!(key(one), key(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn everything_an_answer_may_depend_on_is_in_the_key() {
        let plain = read("{}");
        let base = Key::of(&plain).expect("a key");
        let place = |cwd, home| Place { cwd, home };
        for other in [
            Read {
                who: "uid:1001",
                ..plain.clone()
            },
            Read {
                profile: Digest([2; 32]),
                ..plain.clone()
            },
            Read {
                tool: "fetc",
                ..plain.clone()
            },
            Read {
                namespace: "we",
                ..plain.clone()
            },
            Read {
                witness: "commit",
                ..plain.clone()
            },
            Read {
                place: place(Some("/work"), None),
                ..plain.clone()
            },
            Read {
                place: place(Some(""), None),
                ..plain.clone()
            },
            Read {
                place: place(None, Some("/work")),
                ..plain.clone()
            },
        ] {
            assert_ne!(Key::of(&other).expect("a key"), base, "{other:?}");
        }
    }

    #[test]
    fn what_two_programs_may_read_differently_has_no_key() {
        for args in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1e400}"#,
            "[1]",
            "{",
            r#"{"a":"\ud800"}"#,
        ] {
            let refused = Key::of(&read(args)).expect_err(args);
            assert!(matches!(refused, Uncacheable::Args(_)));
        }
        let long = "w".repeat(WITNESS_BYTES_MAX + 1);
        let refused = Key::of(&Read {
            witness: &long,
            ..read("{}")
        })
        .expect_err("too long");
        assert_eq!(refused.to_string(), "the witness is too long");
    }
}
