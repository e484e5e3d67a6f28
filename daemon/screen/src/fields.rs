//! The strings of a JSON text, one after the other.

use std::ops::Range;

use memchr::{memchr, memchr2};

use crate::{
    unfold::utf16,
    view::{Builder, Map},
};

/// Joins the string values, then the names that hold anything but plain ASCII; `None` for fewer than two strings.
///
/// No grammar is checked: whatever stands between quotes is a string, and a string before a colon is a name. The escapes
/// of JSON are undone; others stay for the next reading.
pub(crate) fn join(text: &str) -> Option<(String, Map)> {
    let bytes = text.as_bytes();
    let mut builder = Builder::new(text.len(), true);
    let mut names = Vec::new();
    let mut strings = 0_usize;
    let mut at = 0;
    while let Some(open) = bytes.get(at..).and_then(|rest| memchr(b'"', rest)) {
        let start = at + open + 1;
        let (end, escaped) = closing(bytes, start);
        at = end + 1;
        strings += 1;
        let after = bytes.get(at..).unwrap_or_default();
        if after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
            let name = bytes.get(start..end).unwrap_or_default();
            if escaped || !name.is_ascii() {
                names.push((start..end, escaped));
            }
        } else {
            builder.apart_here();
            write(text, start..end, escaped, &mut builder);
        }
    }
    for (name, escaped) in names {
        builder.apart_here();
        write(text, name, escaped, &mut builder);
    }
    (strings > 1 && builder.len() > 0).then(|| builder.finish())
}

/// Adds the string of `span`, without its escapes.
fn write(text: &str, span: Range<usize>, escaped: bool, builder: &mut Builder) {
    if !escaped {
        builder.copy(text, span);
        return;
    }
    let bytes = text.as_bytes();
    let mut copied = span.start;
    let mut at = span.start;
    while let Some(found) = bytes.get(at..span.end).and_then(|rest| memchr(b'\\', rest)) {
        at += found;
        let Some((ch, len)) = unescaped(bytes, at).filter(|(_, len)| at + len <= span.end) else {
            at += 1;
            continue;
        };
        builder.copy(text, copied..at);
        let mut buffer = [0; 4];
        builder.put(ch.encode_utf8(&mut buffer), at..at + len);
        at += len;
        copied = at;
    }
    builder.copy(text, copied..span.end);
}

/// What the escape at `at` stands for, and its length.
fn unescaped(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    Some(match bytes.get(at + 1)? {
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        &byte @ (b'"' | b'/' | b'\\') => (char::from(byte), 2),
        b'u' => utf16(bytes, at)?,
        _ => return None,
    })
}

/// Where the string that begins at `start` ends, and whether a backslash stands in it.
fn closing(bytes: &[u8], start: usize) -> (usize, bool) {
    let mut at = start;
    let mut escaped = false;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return (at, escaped);
        }
        at += 2;
        escaped = true;
    }
    (bytes.len(), escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_together() {
        let text = r#"{"a":"one ","b":["two\""," three"],"c":4,"d\u0041":null}"#;
        let (joined, _) = join(text).unwrap();
        assert_eq!(joined, r#"one two" threedA"#);
        let escaped = r#"["a\u00e9\ud83d\ude00\\n","\x41\q\ud83d"]"#;
        assert_eq!(join(escaped).unwrap().0, "aé😀\\n\\x41\\q\\ud83d");
        assert!(join(r#"["one"]"#).is_none());
        assert!(join("[1,2]").is_none());
        assert_eq!(join(r#"["one","tw\"#).unwrap().0, r"onetw\");
    }
}
