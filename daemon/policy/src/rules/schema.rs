//! Values held to a JSON Schema.

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// A compiled schema.
pub(crate) struct SchemaCheck {
    validator: Validator,
    /// The members the schema knows at its top, for the refusal of another one.
    known: String,
}

impl fmt::Debug for SchemaCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SchemaCheck")
    }
}

impl SchemaCheck {
    /// Compiles a schema of draft 2020-12. Nothing is fetched: a reference must lead into the schema
    /// itself. Patterns run in linear time.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let built = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(super::REGEX_BYTES_MAX))
            .build(schema);
        match built {
            Ok(validator) => {
                let known = schema.get("properties").and_then(Value::as_object);
                let known = known.map(|known| {
                    known
                        .keys()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .join(", ")
                });
                Ok(Self {
                    validator,
                    known: known.unwrap_or_default(),
                })
            }
            Err(problem) => Err(problem.to_string()),
        }
    }

    /// The refusal's words when the value does not satisfy the schema: the keyword, never the value.
    pub(crate) fn refuse(&self, value: &Value) -> Option<String> {
        if self.validator.is_valid(value) {
            return None;
        }
        let keyword = self.validator.iter_errors(value).next().map(|error| {
            let path = error.schema_path().to_string();
            path.rsplit('/')
                .find(|part| !part.is_empty() && part.parse::<u32>().is_err())
                .unwrap_or("schema")
                .to_owned()
        });
        if keyword.as_deref() == Some("additionalProperties") && !self.known.is_empty() {
            return Some(format!("an argument is none of {}", self.known));
        }
        Some(format!(
            "the arguments do not satisfy {}",
            keyword.as_deref().unwrap_or("the schema")
        ))
    }
}
