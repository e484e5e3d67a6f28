//! The strings of a JSON text, one after the other.

use memchr::{memchr, memchr2};

use crate::view::{Builder, Map};

/// Joins the string values, then the names that hold anything but plain ASCII; `None` for fewer than two strings.
///
/// No grammar is checked: whatever stands between quotes is a string, and a string before a colon is a name. Escapes
/// stay, the next reading undoes them.
pub(crate) fn join(text: &str) -> Option<(String, Map)> {
    let bytes = text.as_bytes();
    let mut builder = Builder::new(text.len(), true);
    let mut names = Vec::new();
    let mut strings = 0_usize;
    let mut at = 0;
    while let Some(open) = bytes.get(at..).and_then(|rest| memchr(b'"', rest)) {
        let start = at + open + 1;
        let end = closing(bytes, start);
        at = end + 1;
        strings += 1;
        let after = bytes.get(at..).unwrap_or_default();
        if after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
            let name = bytes.get(start..end).unwrap_or_default();
            if !name.is_ascii() || memchr(b'\\', name).is_some() {
                names.push(start..end);
            }
        } else {
            builder.copy(text, start..end);
        }
    }
    for name in names {
        builder.copy(text, name);
    }
    (strings > 1 && builder.len() > 0).then(|| builder.finish())
}

/// Where the string that begins at `start` ends.
fn closing(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_together() {
        let text = r#"{"a":"one ","b":["two\""," three"],"c":4,"d\u0041":null}"#;
        let (joined, _) = join(text).unwrap();
        assert_eq!(joined, r#"one two\" threed\u0041"#);
        assert!(join(r#"["one"]"#).is_none());
        assert!(join("[1,2]").is_none());
        assert_eq!(join(r#"["one","tw\"#).unwrap().0, r"onetw\");
    }
}
