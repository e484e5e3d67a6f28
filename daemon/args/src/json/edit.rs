//! Edits in place.

use std::ops::Range;

/// Replaces each span by its text; bytes outside the spans stay as they are.
///
/// Spans are meant to be ascending, not overlapping, and to lie on character boundaries. Whatever they
/// are, no byte named by a span survives: spans are taken in order of their start, widened to whole
/// characters, cut at the end of the text, and where two overlap the later one starts after the earlier.
#[must_use]
pub fn apply_edits(text: &str, edits: &[(Range<usize>, &str)]) -> String {
    if !edits.is_sorted_by_key(|(span, _)| span.start) {
        let mut sorted = edits.to_vec();
        sorted.sort_by_key(|(span, _)| span.start);
        return splice(text, &sorted);
    }
    splice(text, edits)
}

fn splice(text: &str, edits: &[(Range<usize>, &str)]) -> String {
    let added: usize = edits.iter().map(|(_, with)| with.len()).sum();
    let mut edited = String::with_capacity(text.len() + added);
    let mut done = 0;
    for (span, with) in edits {
        let start = boundary(text, span.start, |at| at - 1).max(done);
        let end = boundary(text, span.end, |at| at + 1).max(start);
        edited.push_str(text.get(done..start).unwrap_or_default());
        edited.push_str(with);
        done = end;
    }
    edited.push_str(text.get(done..).unwrap_or_default());
    edited
}

/// The nearest character boundary in the direction of `step`; both ends of the text are boundaries.
fn boundary(text: &str, at: usize, step: impl Fn(usize) -> usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = step(at);
    }
    at
}
