//! Answers that say there is nothing, or that something went wrong: they are the ones that change first.

use serde_json::Value;

/// Whether an answer is empty or says that it failed. Such an answer is not kept: what was not there a moment ago is
/// what an agent asks for again.
#[must_use]
pub fn is_negative(body: &[u8]) -> bool {
    if body.trim_ascii().is_empty() {
        return true;
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => {
            members
                .iter()
                .any(|(name, value)| tells_failure(name, value))
                || members.values().all(is_nothing)
        }
        Ok(Value::Null) => true,
        Ok(Value::Array(items)) => items.is_empty(),
        _ => false,
    }
}

fn tells_failure(name: &str, value: &Value) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "error" | "errors" | "iserror" | "is_error" => !is_nothing(value),
        "ok" | "found" | "success" => *value == Value::Bool(false),
        _ => false,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_as_the_cases_say() {
        let mut seen = 0;
        for row in include_str!("../tests/cases/vdso.jsonl").lines() {
            let row: Value = serde_json::from_str(row).expect("a row");
            if row["src"] != "TestNegativeResult" {
                continue;
            }
            let body = row["body"].as_str().expect("a text");
            assert_eq!(
                Some(is_negative(body.as_bytes())),
                row["neg"].as_bool(),
                "{body}"
            );
            seen += 1;
        }
        assert_eq!(seen, 15);
    }

    #[test]
    fn failures_are_known_by_what_they_say_and_not_by_a_word() {
        for body in [
            "",
            "\n",
            r#"{"isError": true, "content": [1]}"#,
            r#"{"Errors": ["x"], "a": 1}"#,
        ] {
            assert!(is_negative(body.as_bytes()), "{body}");
        }
        for body in [
            r#"{"error": null, "a": 1}"#,
            r#"{"ok": true}"#,
            "[0]",
            "error",
            "\u{0}",
        ] {
            assert!(!is_negative(body.as_bytes()), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(!is_negative(deep.as_bytes()));
    }
}
