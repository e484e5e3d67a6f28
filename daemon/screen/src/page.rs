//! The stub that stands for a long result.

use std::{fmt::Write as _, ops::Range};

use fak_types::Digest;
use sha2::{Digest as _, Sha256};

use crate::admission::{Edit, Page};

/// LIMIT: the length of a stub with everything in it; the point of paging out is that the stub costs nothing.
pub const STUB_BYTES_MAX: usize = 2047;

/// How many bytes of each end a stub shows.
const END_BYTES: usize = 480;

impl Page {
    /// The page for `bytes`; `shown` is the text in them where its offsets are theirs, `edits` what it must not show.
    pub(crate) fn of(bytes: &[u8], shown: Option<&str>, edits: Vec<Edit>) -> Self {
        let text = shown.unwrap_or_default();
        let mut head = text.len().min(END_BYTES);
        while !text.is_char_boundary(head) {
            head -= 1;
        }
        let mut tail = text.len() - text.len().min(END_BYTES);
        while !text.is_char_boundary(tail) {
            tail += 1;
        }
        Self {
            head: clip(&edited(text, 0..head, &edits), true),
            tail: clip(&edited(text, tail.max(head)..text.len(), &edits), false),
            len: bytes.len(),
            digest: Digest(Sha256::digest(bytes).into()),
            edits,
        }
    }

    /// The stub a model sees: one JSON object of less than 2 KiB. `id` is what to ask for, `how` says where.
    #[must_use]
    pub fn stub(&self, id: &str, how: &str) -> String {
        let mut stub = String::with_capacity(STUB_BYTES_MAX);
        stub.push_str("{\"_paged\":true,\"id\":");
        quote(&mut stub, id, 128);
        // Writing to a string cannot fail.
        let _ = write!(
            stub,
            ",\"len\":{},\"sha256\":\"{}\",\"how\":",
            self.len, self.digest
        );
        quote(&mut stub, how, 256);
        stub.push_str(",\"head\":");
        // What two quoted ends may take: the rest, half each, after the names, quotes and brackets around them.
        let room = STUB_BYTES_MAX.saturating_sub(stub.len() + 16) / 2;
        quote(&mut stub, &self.head, room);
        stub.push_str(",\"tail\":");
        quote(&mut stub, &self.tail, room);
        stub.push('}');
        stub
    }
}

/// `text[span]` with the edits that touch it applied; one that crosses an end is applied whole.
fn edited(text: &str, span: Range<usize>, edits: &[Edit]) -> String {
    let mut out = String::new();
    let mut at = span.start;
    for edit in edits {
        if edit.span.end <= at || edit.span.start >= span.end {
            continue;
        }
        out.push_str(text.get(at..edit.span.start).unwrap_or_default());
        out.push_str(&edit.with);
        at = edit.span.end;
    }
    out.push_str(text.get(at..span.end).unwrap_or_default());
    out
}

/// At most [`END_BYTES`] of `text`, from its front or its back.
fn clip(text: &str, front: bool) -> String {
    let mut cut = text.len().min(END_BYTES);
    if front {
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        return text.get(..cut).unwrap_or_default().to_owned();
    }
    cut = text.len() - cut;
    while !text.is_char_boundary(cut) {
        cut += 1;
    }
    text.get(cut..).unwrap_or_default().to_owned()
}

/// Writes `text` as a JSON string of at most `room` bytes between its quotes.
fn quote(out: &mut String, text: &str, room: usize) {
    out.push('"');
    let end = out.len() + room;
    for ch in text.chars() {
        let before = out.len();
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ch if u32::from(ch) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(ch));
            }
            ch => out.push(ch),
        }
        if out.len() > end {
            out.truncate(before);
            break;
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_is_json_below_its_limit_whatever_it_shows() {
        for text in [
            "x".repeat(5000),
            "\u{1}".repeat(5000),
            "\"\\".repeat(5000),
            "\u{1f600}".repeat(5000),
            String::new(),
        ] {
            let page = Page::of(text.as_bytes(), Some(&text), Vec::new());
            let stub = page.stub(&"i".repeat(500), &"\u{2}".repeat(500));
            assert!(stub.len() <= STUB_BYTES_MAX, "{}", stub.len());
            let value: serde_json::Value = serde_json::from_str(&stub).unwrap();
            assert_eq!(value["len"], text.len());
            assert!(text.starts_with(value["head"].as_str().unwrap()));
        }
    }

    #[test]
    fn a_page_shows_nothing_that_was_cut_out() {
        let text = format!(
            "{}SECRET{}HIDDEN!",
            "a".repeat(END_BYTES - 3),
            "b".repeat(4000)
        );
        let start = text.len() - 7;
        let edits = vec![
            Edit {
                span: END_BYTES - 3..END_BYTES + 3,
                with: "[REDACTED:x]".into(),
            },
            Edit {
                span: start..text.len(),
                with: "[REDACTED:y]".into(),
            },
        ];
        let page = Page::of(text.as_bytes(), Some(&text), edits);
        assert!(
            !page.head.contains("SEC") && !page.tail.contains("HID"),
            "{page:?}"
        );
        assert!(page.tail.ends_with("[REDACTED:y]"));
    }
}
