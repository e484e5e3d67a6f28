//! What a model is shown in the place of bytes it may not read, and the words of an answer.
//!
//! A stub is one JSON object, so that an agent's own tools can tell it from a result.

use fak_screen::{Edit, Media, Page};
use fak_types::Reason;
use serde_json::json;

/// In the place of bytes that were sealed.
pub(crate) fn sealed(seal: &str, reason: Reason, len: usize) -> String {
    json!({"_quarantined": true, "id": seal, "reason": reason.as_str(), "len": len}).to_string()
}

/// In the place of bytes that were too many.
pub(crate) fn paged_out(seal: &str, page: &Page) -> String {
    page.stub(seal, &format!("fakctl page-in {seal}"))
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
    use super::*;

    #[test]
    fn a_sealed_result_is_one_object() {
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
