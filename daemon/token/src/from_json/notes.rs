//! What a `tokenizer_config.json` adds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TOKENIZER_JSON_BYTES_MAX;
use crate::error::{TokenizerError, short};

/// What a `tokenizer_config.json` says that templates need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizerNotes {
    /// The main chat template.
    pub chat_template: Option<String>,
    /// Other chat templates by name, such as `tool_use`.
    pub named_templates: BTreeMap<String, String>,
    /// The name of the token a text begins with.
    pub bos_token: Option<String>,
    /// The name of the token an answer ends with.
    pub eos_token: Option<String>,
}

impl TokenizerNotes {
    /// Reads a `tokenizer_config.json`.
    ///
    /// # Errors
    /// When it is too large, no JSON object, or a template is no text.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        if bytes.len() > TOKENIZER_JSON_BYTES_MAX {
            return Err(TokenizerError::Json("is too large".to_owned()));
        }
        let map: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|error| TokenizerError::Json(short(&error.to_string())))?;
        let name = |key: &str| {
            let value = map.get(key)?;
            let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some(text.to_owned())
        };
        let mut notes = Self {
            bos_token: name("bos_token"),
            eos_token: name("eos_token"),
            ..Self::default()
        };
        let wrong = || TokenizerError::wrong("chat_template", "a text, or a list of named texts");
        match map.get("chat_template") {
            None | Some(Value::Null) => {}
            Some(Value::String(template)) => notes.chat_template = Some(template.clone()),
            Some(Value::Array(list)) => {
                for entry in list {
                    let text = |key| entry.get(key).and_then(Value::as_str);
                    let (name, template) = text("name").zip(text("template")).ok_or_else(wrong)?;
                    if name == "default" {
                        notes.chat_template = Some(template.to_owned());
                    } else {
                        let named = (name.to_owned(), template.to_owned());
                        notes.named_templates.extend([named]);
                    }
                }
            }
            Some(_) => return Err(wrong()),
        }
        Ok(notes)
    }
}
