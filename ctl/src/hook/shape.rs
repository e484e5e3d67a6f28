//! Another result in the shape of the one it stands for.
//!
//! A harness checks what replaces a built-in tool's result against that tool's own form, and shows the *original* when it
//! does not fit. So the replacement keeps every member of the original and only its texts change.

use serde_json::{Value, json, value::RawValue};

/// Members whose text is a word of the form itself, not of what was read.
const FORM: [&str; 2] = ["type", "mode"];

/// Longest such word. LIMIT: longer than any in use, too short to carry a message.
const WORD_BYTES_MAX: usize = 24;

/// `text` in the shape of `spelled`, the JSON of the result it stands for.
///
/// A text that is JSON of the same shape is taken byte for byte. Where the harness takes anything (`is_free`), content
/// blocks say it plainly.
pub(super) fn instead(spelled: &str, is_free: bool, text: &str) -> Box<RawValue> {
    let original: Value = serde_json::from_str(spelled).unwrap_or(Value::Null);
    let value = match &original {
        Value::String(_) | Value::Null => json!(text),
        _ => {
            if let Ok(other) = serde_json::from_str::<Value>(text)
                && is_alike(&original, &other)
                && let Ok(raw) = RawValue::from_string(text.trim().to_owned())
            {
                return raw;
            }
            if is_free {
                blocks(&original, text)
            } else {
                stub(&original, text)
            }
        }
    };
    // A value of ours cannot fail to encode; nothing at all would show the original.
    serde_json::value::to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The same members, the same numbers; only texts may differ.
fn is_alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(_), Value::String(_)) => true,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| is_alike(a, b)))
        }
        _ => a == b,
    }
}

/// What a server of tools answers: a list of blocks, or an object that holds one.
fn blocks(original: &Value, text: &str) -> Value {
    let blocks = json!([{"type": "text", "text": text}]);
    match original {
        Value::Object(members) if members.contains_key("content") => json!({"content": blocks}),
        Value::Array(_) => blocks,
        _ => json!(text),
    }
}

/// The original's form with `text` in the place of its longest text, and nothing else of it.
fn stub(original: &Value, text: &str) -> Value {
    let mut longest = None;
    longest_text(original, "", &mut Vec::new(), &mut longest);
    match longest {
        Some((_, path)) => emptied(original, "", Some((path.as_slice(), text))),
        // No text anywhere: numbers alone, and nothing of them.
        None => emptied(original, "", None),
    }
}

/// A step from a value to one below it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Place(usize),
}

fn is_form(key: &str, text: &str) -> bool {
    FORM.contains(&key)
        && text.len() <= WORD_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || b"_-/+".contains(&byte))
}

fn longest_text(
    value: &Value,
    key: &str,
    path: &mut Vec<Step>,
    longest: &mut Option<(usize, Vec<Step>)>,
) {
    match value {
        Value::String(text) => {
            let is_longer = longest.as_ref().is_none_or(|(most, _)| text.len() > *most);
            if is_longer && !is_form(key, text) {
                *longest = Some((text.len(), path.clone()));
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                path.push(Step::Place(place));
                longest_text(item, "", path, longest);
                path.pop();
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                path.push(Step::Member(key.clone()));
                longest_text(member, key, path, longest);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The form alone; the way that is named leads to the one text that is said.
fn emptied(value: &Value, key: &str, said: Option<(&[Step], &str)>) -> Value {
    match value {
        Value::String(old) if is_form(key, old) => value.clone(),
        Value::String(_) => json!(said.map_or("", |(_, text)| text)),
        Value::Number(_) => json!(0),
        Value::Array(items) => {
            let kept = said.and_then(|(path, text)| match path.split_first() {
                Some((Step::Place(place), rest)) => items
                    .get(*place)
                    .map(|item| emptied(item, "", Some((rest, text)))),
                _ => None,
            });
            Value::Array(kept.into_iter().collect())
        }
        Value::Object(members) => {
            let below = |name: &str| match said {
                Some((path, text)) => match path.split_first() {
                    Some((Step::Member(step), rest)) if step == name => Some((rest, text)),
                    _ => None,
                },
                None => None,
            };
            members
                .iter()
                .map(|(name, member)| (name.clone(), emptied(member, name, below(name))))
                .collect()
        }
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(spelled: &str, is_free: bool, text: &str) -> Value {
        serde_json::from_str(instead(spelled, is_free, text).get()).unwrap()
    }

    #[test]
    fn a_stub_keeps_the_form_and_nothing_else() {
        let table = [
            (r#""secret""#, json!("STUB")),
            (
                r#"{"stdout":"secret words","stderr":"secret","interrupted":false,"isImage":false}"#,
                json!({"stdout": "STUB", "stderr": "", "interrupted": false, "isImage": false}),
            ),
            (
                r#"{"type":"text","file":{"filePath":"/s","content":"secret","numLines":7}}"#,
                json!({"type": "text", "file": {"filePath": "", "content": "STUB", "numLines": 0}}),
            ),
            (
                r#"{"mode":"content","filenames":["secret one","secret"],"numFiles":2}"#,
                json!({"mode": "content", "filenames": ["STUB"], "numFiles": 0}),
            ),
            (
                r#"{"type":"secret words, not a word of the form","code":4711}"#,
                json!({"type": "STUB", "code": 0}),
            ),
            (r#"{"code":4711,"ok":true}"#, json!({"code": 0, "ok": true})),
            ("[1,2]", json!([])),
        ];
        for (spelled, wanted) in table {
            let got = shaped(spelled, false, "STUB");
            assert_eq!(got, wanted, "{spelled}");
            assert!(!got.to_string().contains("secret"), "{got}");
        }
    }

    #[test]
    fn where_anything_goes_blocks_say_it() {
        let block = json!([{"type": "text", "text": "STUB"}]);
        assert_eq!(
            shaped(r#"[{"type":"text","text":"secret"}]"#, true, "STUB"),
            block
        );
        assert_eq!(
            shaped(
                r#"{"content":[],"structured":{"k":"secret"}}"#,
                true,
                "STUB"
            ),
            json!({"content": block})
        );
        assert_eq!(shaped(r#"{"k":"secret"}"#, true, "STUB"), json!("STUB"));
    }

    #[test]
    fn json_of_the_same_shape_is_taken_as_it_is() {
        let spelled = r#"{"stdout":"a secret","code":1.50}"#;
        let cut = r#"{"stdout":"a [REDACTED:key]","code":1.50}"#;
        assert_eq!(instead(spelled, false, cut).get(), cut);
        // Another number, member or length is another shape.
        for other in [
            r#"{"stdout":"a","code":2}"#,
            r#"{"stdout":"a"}"#,
            r#"["a"]"#,
        ] {
            assert_eq!(
                shaped(spelled, false, other),
                json!({"stdout": other, "code": 0})
            );
        }
        // A text that looks like JSON stays a text.
        assert_eq!(shaped(r#""x""#, false, "\"y\""), json!("\"y\""));
    }
}
