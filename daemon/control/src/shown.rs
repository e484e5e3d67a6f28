//! What a model is shown in the place of bytes it may not read, and the words of an answer.
//!
//! A stub is one JSON object, so that an agent's own tools can tell it from a result.

use fak_screen::{Durability, Edit, Media, Page};
use fak_types::Reason;
use serde_json::json;

/// Longest beginning and end of a long result that its stub shows, each. LIMIT: with its frame a stub stays
/// below 2 KiB, however many characters have to be escaped.
const EXCERPT_BYTES_MAX: usize = 700;

/// In the place of bytes that were sealed.
pub(crate) fn sealed(seal: &str, reason: Reason, len: usize) -> String {
    json!({"_quarantined": true, "id": seal, "reason": reason.as_str(), "len": len}).to_string()
}

/// In the place of bytes that were too many.
pub(crate) fn paged_out(seal: &str, page: &Page) -> String {
    json!({
        "_paged_out": true,
        "id": seal,
        "len": page.len,
        "digest": page.digest.to_string(),
        "head": excerpt(page.head.chars()),
        "tail": excerpt(page.tail.chars().rev()).chars().rev().collect::<String>(),
        "more": "page it in by its id: fakctl page-in ID",
    })
    .to_string()
}

/// As many characters as fit the bound once they are escaped.
fn excerpt(chars: impl Iterator<Item = char>) -> String {
    let mut left = EXCERPT_BYTES_MAX;
    let fits = |c: &char| {
        let cost = match c {
            '"' | '\\' => 2,
            c if *c < ' ' => 6,
            c => c.len_utf8(),
        };
        left = left.saturating_sub(cost);
        left > 0
    };
    chars.take_while(fits).collect()
}

/// The bytes with these spans replaced; spans are in order and lie inside.
pub(crate) fn apply(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for edit in edits {
        out.extend_from_slice(bytes.get(from..edit.span.start).unwrap_or_default());
        out.extend_from_slice(edit.with.as_bytes());
        from = edit.span.end.max(from);
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    out
}

pub(crate) const fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Turn => "turn",
        Durability::Session => "session",
        Durability::Bounded => "bounded",
        Durability::Durable => "durable",
    }
}

pub(crate) const fn media(media: Media) -> &'static str {
    match media {
        Media::Empty => "empty",
        Media::Text => "text",
        Media::Json => "json",
        Media::Code => "code",
        Media::Log => "log",
        Media::Image(_) => "image",
        Media::Archive(_) => "archive",
        Media::Binary => "binary",
    }
}

#[cfg(test)]
mod tests {
    use fak_types::Digest;

    use super::*;

    #[test]
    fn a_stub_of_anything_stays_small_and_is_json() {
        for text in ["\u{1}", "\"", "\u{1f600}", "a", "\\"] {
            let page = Page {
                head: text.repeat(5000),
                tail: text.repeat(5000),
                len: 1 << 40,
                digest: Digest::ZERO,
                edits: Vec::new(),
            };
            let stub = paged_out("q-0123456789abcdef0123456789abcdef", &page);
            assert!(stub.len() < 2048, "{}", stub.len());
            let read: serde_json::Value = serde_json::from_str(&stub).expect("json");
            assert!(read["head"].as_str().is_some_and(|head| !head.is_empty()));
            assert_eq!(read["_paged_out"], true);
        }
        assert_eq!(
            sealed("q-1", Reason::SecretExfil, 7),
            r#"{"_quarantined":true,"id":"q-1","len":7,"reason":"SECRET_EXFIL"}"#
        );
    }

    #[test]
    fn edits_touch_nothing_else() {
        let edit = |span: std::ops::Range<usize>, with: &str| Edit {
            span,
            with: with.to_owned(),
        };
        let edits = [edit(1..3, "[x]"), edit(5..5, "+")];
        assert_eq!(apply(b"abcdef", &edits), b"a[x]de+f");
        assert_eq!(apply(b"ab", &[edit(0..2, "")]), b"");
    }
}
