//! Values that must not reach a tool.

use fak_args::{Kind, Value};
use fak_types::Edit;

use crate::names;

/// What takes a redacted value's place, as JSON.
const REDACTED: &str = "\"[REDACTED]\"";

/// The edits that replace the value of every member with one of the keys, at any depth. A value that
/// is already replaced is left alone, so that judging the edited call again changes nothing.
pub(crate) fn edits(root: Value<'_, '_>, folded_keys: &[String]) -> Vec<Edit> {
    let mut edits = Vec::new();
    if !folded_keys.is_empty() {
        collect(root, folded_keys, &mut edits);
    }
    edits
}

fn collect(value: Value<'_, '_>, keys: &[String], edits: &mut Vec<Edit>) {
    for item in value.items() {
        let redacted = item
            .key()
            .is_some_and(|name| keys.iter().any(|key| names::key_is(&name, key)));
        if redacted {
            if item.raw() != REDACTED {
                edits.push(Edit {
                    span: item.span(),
                    with: REDACTED.into(),
                });
            }
        } else if matches!(item.kind(), Kind::Object | Kind::Array) {
            collect(item, keys, edits);
        }
    }
}
