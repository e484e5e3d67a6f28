//! The same thing over and over.

use std::hash::{BuildHasher, Hasher};

use foldhash::{HashSet, HashSetExt, fast::FixedState};

/// A shorter text fills nobody's context.
const BYTES_MIN: usize = 512;
/// A chunk that follows itself so often is no text.
const CHUNK_REPEATS: usize = 50;
/// The size of such a chunk.
const CHUNK: usize = 16;
/// How far apart a search for such chunks looks.
const STEP: usize = 256;
/// From here on the share of different windows is measured.
const WINDOWS_FROM: usize = 8 * 1024;
/// How much of each end of a longer text is measured.
const MEASURED: usize = 64 * 1024;
/// The bytes of a window.
const WINDOW: usize = 32;
/// One window in so many is kept, chosen by its content so that every repeat of it is.
const KEEP_ONE_IN: u64 = 16;
/// The text says one new thing in so many.
const SAME_ONE_IN: usize = 20;

/// Which rule finds `text` polluted.
pub(crate) fn pollution(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    if bytes.len() < BYTES_MIN {
        return None;
    }
    if repeated_chunk(bytes) {
        return Some("repeated-chunk");
    }
    let head = bytes.get(..MEASURED.min(bytes.len())).unwrap_or_default();
    let tail = bytes
        .get(bytes.len() - MEASURED.min(bytes.len())..)
        .unwrap_or_default();
    (bytes.len() >= WINDOWS_FROM && monotone(head) && monotone(tail)).then_some("monotone")
}

/// Whether bytes equal those one chunk earlier for long enough, wherever that begins: this also finds every shorter
/// period that divides the chunk.
fn repeated_chunk(bytes: &[u8]) -> bool {
    let same = |at: usize| {
        bytes
            .get(at)
            .zip(bytes.get(at + CHUNK))
            .is_some_and(|(left, right)| left == right)
    };
    let mut at = 0;
    // So long a run holds one of these steps and the bytes after it; the others need no look.
    while at < bytes.len() {
        if !(at..at + CHUNK).all(same) {
            at += STEP;
            continue;
        }
        let floor = at.saturating_sub(STEP);
        let before = (floor..at).rev().take_while(|&at| same(at)).count();
        let end = at + (at..bytes.len()).take_while(|&at| same(at)).count();
        if end - at + before >= CHUNK * CHUNK_REPEATS {
            return true;
        }
        at = end + STEP;
    }
    false
}

/// Whether few of the windows differ.
fn monotone(bytes: &[u8]) -> bool {
    let state = FixedState::with_seed(0);
    let mut seen = HashSet::new();
    let mut kept = 0_usize;
    // A window is chosen by the hash of its first bytes, which costs less than that of the whole.
    for window in bytes.windows(WINDOW) {
        let first = window
            .first_chunk::<8>()
            .map_or(0, |first| u64::from_le_bytes(*first));
        if first.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60 >= 16 / KEEP_ONE_IN {
            continue;
        }
        let mut hasher = state.build_hasher();
        hasher.write(window);
        kept += 1;
        seen.insert(hasher.finish());
    }
    seen.len().saturating_mul(SAME_ONE_IN) <= kept || kept == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_found_wherever_they_begin() {
        let prose: String = (0..4000)
            .map(|n| format!("line {n} says {}. ", n * 7919 % 1013))
            .collect();
        for (text, want) in [
            ("0123456789abcdef".repeat(60), Some("repeated-chunk")),
            (
                format!("xyz{}", "0123456789abcdef".repeat(60)),
                Some("repeated-chunk"),
            ),
            ("a".repeat(2000), Some("repeated-chunk")),
            ("0123456789abcdef".repeat(40), None),
            (
                "buy now at our shop, today only! ".repeat(500),
                Some("monotone"),
            ),
            (prose, None),
            ("short ".repeat(10), None),
        ] {
            assert_eq!(pollution(&text), want, "{:.40}", text);
        }
    }
}
