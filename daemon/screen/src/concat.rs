//! Strings of a program that are put together: `"AB" + "CD"`.

use memchr::memchr2;

use crate::view::{Builder, Map};

/// LIMIT: white space between two strings of one: a line break and the next line's indent. What lies further apart is
/// read as it stands.
const GAP_MAX: usize = 80;
/// What puts strings together, in one language or another; nothing at all does in some.
const OPERATORS: [&str; 9] = ["++", "+", "..", ".", "&", "||", "<>", "\\", "~"];

/// Reads strings that are put together as one; `None` where there are none.
pub(crate) fn join(text: &str) -> Option<(String, Map)> {
    let bytes = text.as_bytes();
    let mut builder = Builder::default();
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\'', rest)) {
        let close = at + found;
        at = close + 1;
        if let Some(open) = joint(text, close) {
            builder.copy(text, copied..close);
            (copied, at) = (open + 1, open + 1);
        }
    }
    if builder.len() == 0 {
        return None;
    }
    builder.copy(text, copied..bytes.len());
    Some(builder.finish())
}

/// Where the string opens that is put behind the one that closes at `close`. Both must hold something.
fn joint(text: &str, close: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = bytes.get(close)?;
    let alphanumeric = |at: usize| {
        bytes
            .get(at)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-+/=.".contains(byte))
    };
    // Most quotes end a word of prose or a string that nothing follows.
    let next = bytes.get(close + 1)?;
    if next.is_ascii_alphanumeric() || !alphanumeric(close.checked_sub(1)?) {
        return None;
    }
    let mut rest = skip_white(text.get(close + 1..)?);
    if let Some(behind) = OPERATORS
        .iter()
        .find_map(|operator| rest.strip_prefix(operator))
    {
        rest = skip_white(behind);
    }
    let open = text.len() - rest.len();
    // Two quotes side by side are an escaped one or an empty string.
    (bytes.get(open) == Some(quote) && open > close + 1 && alphanumeric(open + 1)).then_some(open)
}

fn skip_white(text: &str) -> &str {
    let white = text
        .bytes()
        .take(GAP_MAX)
        .take_while(u8::is_ascii_whitespace)
        .count();
    text.get(white..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_put_together() {
        for (text, want) in [
            (r#"key = "AK" + "IA" + 'x';"#, r#"key = "AKIA" + 'x';"#),
            ("a = 'one'\n    'two'", "a = 'onetwo'"),
            ("\"one\" \\\n  \"two\"", "\"onetwo\""),
            ("'a' .. 'b' . 'c' || 'd' & 'e' ++ 'f'", "'abcdef'"),
        ] {
            assert_eq!(join(text).unwrap().0, want, "{text}");
        }
        for text in [
            r#"["one", "two"]"#,
            r#"{"a":"b"}"#,
            "don't say 'no' or 'yes'",
            "say \"\"no\"\"",
            "x = \"a\" - \"b\"",
            "\"",
        ] {
            assert!(join(text).is_none(), "{text}");
        }
    }
}
