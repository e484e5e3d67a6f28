//! JSON values compared by what they are, never through a float.

use std::cmp::Ordering;

use serde_json::Value;

/// Whether two JSON values are the same value: numbers by value, objects without regard to order.
pub(crate) fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            fak_args::compare_numbers(&left.to_string(), &right.to_string())
                == Some(Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same_value(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| {
                    right.get(key).is_some_and(|other| same_value(value, other))
                })
        }
        (left, right) => left == right,
    }
}
