//! Records to canonical bytes.
//!
//! The form is the RFC 8785 subset that needs no floating point: one object, keys in ascending order,
//! no white space, text escaped only where JSON demands it, whole numbers below 2^53. `kind`, `seq` and
//! `ts_us` are always there; any other field is absent when it is empty.

use fak_types::Digest;

use crate::record::{Draft, NUMBER_MAX, TEXT_BYTES_MAX};

/// What most bodies need, so that encoding allocates once.
const BODY_BYTES_USUAL: usize = 512;

/// The canonical bytes of `draft` at place `seq`.
///
/// Never fails: text beyond [`TEXT_BYTES_MAX`] is cut at a character boundary and numbers beyond
/// [`NUMBER_MAX`] are written as that maximum. What is within those limits is read back unchanged by
/// [`crate::decode`].
#[must_use]
pub fn encode(draft: &Draft, seq: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(BODY_BYTES_USUAL);
    encode_into(&mut body, draft, seq);
    body
}

/// Appends the canonical bytes of `draft` at place `seq` to `out`; as [`encode`], for a reused buffer.
pub fn encode_into(out: &mut Vec<u8>, draft: &Draft, seq: u64) {
    // INVARIANT: ascending key order, the same order as in `decode::FIELDS`.
    let mut object = Object {
        out,
        separator: b'{',
    };
    object.number("args_bytes", draft.args_bytes);
    object.digest("args_digest", draft.args_digest.as_ref());
    object.text("by", &draft.by);
    object.text("call", &draft.call);
    object.number("count", draft.count);
    object.text("disposition", &draft.disposition);
    object.number("generation", draft.generation);
    object.text("kind", draft.kind.as_str());
    object.text("note", &draft.note);
    object.number("pid", u64::from(draft.pid));
    object.digest("policy", draft.policy.as_ref());
    object.text("profile", &draft.profile);
    object.text("reason", &draft.reason);
    object.number("result_bytes", draft.result_bytes);
    object.digest("result_digest", draft.result_digest.as_ref());
    object.digest("root", draft.root.as_ref());
    object.number_always("seq", seq);
    object.text("subject", &draft.subject);
    object.text("taint", &draft.taint);
    object.number("took_us", draft.took_us);
    object.text("tool", &draft.tool);
    object.text("trace", &draft.trace);
    object.number_always("ts_us", draft.ts_us);
    object.number("until_us", draft.until_us);
    object.text("verdict", &draft.verdict);
    object.text("who", &draft.who);
    object.text("would_deny", &draft.would_deny);
    object.close();
}

struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl Object<'_> {
    fn key(&mut self, key: &str) {
        self.out.push(self.separator);
        self.separator = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn number(&mut self, key: &str, value: u64) {
        if value != 0 {
            self.number_always(key, value);
        }
    }

    fn number_always(&mut self, key: &str, value: u64) {
        self.key(key);
        push_decimal(self.out, value.min(NUMBER_MAX));
    }

    fn digest(&mut self, key: &str, value: Option<&Digest>) {
        if let Some(digest) = value {
            self.key(key);
            self.out.extend_from_slice(b"\"sha256:");
            self.out.extend(
                digest
                    .0
                    .iter()
                    .flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]),
            );
            self.out.push(b'"');
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        let value = bounded(value);
        if !value.is_empty() {
            self.key(key);
            push_text(self.out, value);
        }
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(plain) = rest.iter().position(|&byte| must_escape(byte)) {
        let (before, after) = rest.split_at(plain);
        out.extend_from_slice(before);
        if let Some((&byte, after)) = after.split_first() {
            push_escape(out, byte);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Whether JSON demands an escape for this byte inside a string.
pub(crate) const fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

const fn hex(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

fn push_decimal(out: &mut Vec<u8>, value: u64) {
    let start = out.len();
    let mut rest = value;
    loop {
        out.push(b'0' + u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}
