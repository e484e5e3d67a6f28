//! How far a private key reaches behind its first line.

use std::ops::Range;

use memchr::memmem;

/// LIMIT: the longest block that is taken whole, 64 KiB; the largest keys in use have a tenth of it. What lies behind
/// is judged as text.
const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// Base64 in one piece that makes a body; the shortest keys have 64, what is cut off in a listing may have less.
const BODY_BYTES: usize = 16;

/// Base64 in one piece that makes a body whatever else stands before the last line.
const LINE_BYTES: usize = 40;

/// The whole block whose first line is `head`, or nothing where no body follows, as in a text about keys.
pub(super) fn end(text: &str, head: &Range<usize>) -> Option<Range<usize>> {
    let behind = text.as_bytes().get(head.end..)?;
    let behind = behind
        .get(..behind.len().min(BLOCK_BYTES_MAX))
        .unwrap_or_default();
    // No body holds dashes: what the next ones do not end is cut off there.
    let dashes = memmem::find(behind, b"-----");
    let behind = match dashes {
        Some(at) if !behind.get(at..)?.starts_with(b"-----END ") => behind.get(..at)?,
        _ => behind,
    };
    let last = dashes.filter(|&at| at < behind.len());
    let loose = behind.iter().take_while(|&&byte| loose(byte)).count();
    let (body, tail) = match last {
        Some(at) if at <= loose => (at, last_line(behind, at)),
        Some(at) if longest(behind.get(..at)?) >= LINE_BYTES => (at, last_line(behind, at)),
        _ => (loose, loose),
    };
    let body = behind.get(..body)?;
    if longest(body) < BODY_BYTES {
        return None;
    }
    Some(head.start..head.end.saturating_add(tail))
}

/// What may stand between the lines of a key, in a file or in a string of some language.
fn loose(byte: u8) -> bool {
    base64(byte) || byte.is_ascii_whitespace() || b"\\\"',-:.".contains(&byte)
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Where the last line, which begins at `at`, ends.
fn last_line(behind: &[u8], at: usize) -> usize {
    const MARK: usize = "-----END ".len();
    let from = at.saturating_add(MARK);
    let line = behind.get(from..).unwrap_or_default();
    let line = line.get(..line.len().min(64)).unwrap_or_default();
    memmem::find(line, b"-----").map_or(from, |dashes| from.saturating_add(dashes + 5))
}

/// The length of the longest piece of base64. An escaped line feed parts two pieces.
fn longest(body: &[u8]) -> usize {
    let mut best = 0;
    let mut run = 0_usize;
    let mut escaped = false;
    for &byte in body {
        run = if base64(byte) && !escaped { run + 1 } else { 0 };
        escaped = byte == b'\\';
        best = best.max(run);
    }
    best
}
