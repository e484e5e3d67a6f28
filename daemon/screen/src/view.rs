//! One reading of a result: text, and where each byte of it came from.

use std::{borrow::Cow, ops::Range};

/// How offsets of a view lead back to the text it was made from.
#[derive(Debug)]
pub(crate) enum Map {
    /// Byte by byte.
    Same,
    /// Everything comes from these spans, and no part of it can be told from another.
    Whole(Range<usize>),
    /// Piece by piece.
    Pieces(Pieces),
}

/// Steps of equal ratio, in order of the view.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    steps: Vec<Step>,
    /// Where the source of the last step ends.
    end: usize,
    /// The length of the view.
    len: usize,
    /// The pieces are parts of different fields: what lies between them belongs to nobody's match.
    apart: bool,
    /// Where those fields meet in the view.
    meets: Vec<u32>,
}

/// From `at` in the view on, every `out` bytes stand for `src` bytes, the first of them at `from`.
#[derive(Clone, Copy, Debug)]
struct Step {
    at: u32,
    from: u32,
    out: u8,
    src: u8,
}

impl Step {
    /// Where the unit that holds view offset `at` begins in the source.
    fn start(self, at: usize) -> usize {
        let units = at.saturating_sub(wide(self.at)) / usize::from(self.out.max(1));
        wide(self.from).saturating_add(units.saturating_mul(usize::from(self.src)))
    }
}

/// No text that is searched, nor what is unpacked from it, has more bytes than the number holds.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn wide(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// Writes a view and its map together.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    text: String,
    pieces: Pieces,
}

impl Builder {
    /// Room for a view of about `capacity` bytes.
    pub(crate) fn new(capacity: usize, apart: bool) -> Self {
        Self {
            text: String::with_capacity(capacity),
            pieces: Pieces {
                apart,
                ..Pieces::default()
            },
        }
    }

    /// What comes next is of another field.
    pub(crate) fn apart_here(&mut self) {
        self.pieces.meets.push(narrow(self.text.len()));
    }

    /// Copies `source[span]` as it is.
    pub(crate) fn copy(&mut self, source: &str, span: Range<usize>) {
        self.append(source.get(span.clone()).unwrap_or_default(), span.start);
    }

    /// Adds `piece`, which stands at `from` in the source.
    pub(crate) fn append(&mut self, piece: &str, from: usize) {
        if piece.is_empty() {
            return;
        }
        self.step(from, 1, 1);
        self.text.push_str(piece);
        self.pieces.end = from + piece.len();
        self.pieces.len = self.text.len();
    }

    /// Puts `with` in the place of the source bytes `span`.
    pub(crate) fn put(&mut self, with: &str, span: Range<usize>) {
        let (Ok(out), Ok(src)) = (u8::try_from(with.len()), u8::try_from(span.len())) else {
            return;
        };
        if out == 0 {
            return;
        }
        self.step(span.start, out, src);
        self.text.push_str(with);
        self.pieces.end = span.end;
        self.pieces.len = self.text.len();
    }

    fn step(&mut self, from: usize, out: u8, src: u8) {
        let goes_on = self
            .pieces
            .steps
            .last()
            .is_some_and(|last| last.out == out && last.src == src && self.pieces.end == from);
        if !goes_on {
            self.pieces.steps.push(Step {
                at: narrow(self.text.len()),
                from: narrow(from),
                out,
                src,
            });
        }
    }

    /// How long the view is so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The view's text and map.
    pub(crate) fn finish(self) -> (String, Map) {
        (self.text, Map::Pieces(self.pieces))
    }
}

impl Pieces {
    /// Where fields meet in the view: where its own pieces do, or where the places `below` of its source lie in it.
    pub(crate) fn edges(&self, below: &[u32]) -> Vec<u32> {
        if self.apart {
            return self.meets.clone();
        }
        let mut edges = Vec::with_capacity(below.len());
        let mut steps = self.steps.iter().peekable();
        let mut held: Option<&Step> = None;
        for &edge in below {
            while let Some(step) = steps.next_if(|step| step.from <= edge) {
                held = Some(step);
            }
            if let Some(step) = held {
                let units = (edge - step.from) / u32::from(step.src.max(1));
                edges.push(
                    step.at
                        .saturating_add(units.saturating_mul(u32::from(step.out))),
                );
            }
        }
        edges
    }

    /// The source spans behind view span `span`.
    fn sources(&self, span: &Range<usize>, out: &mut Vec<Range<usize>>) {
        let first = self
            .steps
            .partition_point(|step| wide(step.at) <= span.start)
            .saturating_sub(1);
        let mut hull: Option<Range<usize>> = None;
        for (index, step) in self.steps.iter().enumerate().skip(first) {
            if wide(step.at) >= span.end {
                break;
            }
            let next = self
                .steps
                .get(index + 1)
                .map_or(self.len, |next| wide(next.at));
            let last = span.end.min(next).saturating_sub(1);
            let piece = step.start(span.start.max(wide(step.at)))
                ..step.start(last).saturating_add(usize::from(step.src));
            match &mut hull {
                Some(hull) if !self.apart || hull.end == piece.start => hull.end = piece.end,
                _ => out.extend(hull.replace(piece)),
            }
        }
        out.extend(hull);
    }
}

/// One reading of a result.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// What it says.
    pub(crate) text: Cow<'a, str>,
    /// How its offsets lead back to `parent`, or to the raw bytes.
    pub(crate) map: Map,
    /// The view this one was made from.
    pub(crate) parent: Option<usize>,
    /// What was undone, outermost first.
    pub(crate) path: String,
    /// How many readings lie above.
    pub(crate) depth: usize,
    /// Fields that were apart stand together here: weak evidence does not count.
    pub(crate) joined: bool,
    /// Where those fields meet, in order. What ends there may be followed by anything.
    pub(crate) edges: Vec<u32>,
}

/// The raw spans behind `span` of view `index`, none empty.
pub(crate) fn raw_spans(views: &[View<'_>], index: usize, span: Range<usize>) -> Vec<Range<usize>> {
    let mut spans = vec![span];
    let mut at = Some(index);
    while let Some(view) = at.and_then(|index| views.get(index)) {
        spans = match &view.map {
            Map::Same => spans,
            Map::Whole(whole) => vec![whole.clone()],
            Map::Pieces(pieces) => {
                let mut below = Vec::with_capacity(spans.len());
                for span in &spans {
                    pieces.sources(span, &mut below);
                }
                below
            }
        };
        at = view.parent;
    }
    spans.retain(|span| !span.is_empty());
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one span behind a span.
    fn source(views: &[View<'_>], index: usize, span: Range<usize>) -> Range<usize> {
        let mut spans = raw_spans(views, index, span);
        assert_eq!(spans.len(), 1);
        spans.remove(0)
    }

    fn view(text: String, map: Map, parent: Option<usize>) -> View<'static> {
        View {
            text: Cow::Owned(text),
            map,
            parent,
            path: String::new(),
            depth: 0,
            joined: false,
            edges: Vec::new(),
        }
    }

    #[test]
    fn offsets_lead_back_through_every_step() {
        let raw = "ab%20cd\u{e9}\u{e9}x";
        let mut builder = Builder::new(8, false);
        builder.copy(raw, 0..2);
        builder.put(" ", 2..5);
        builder.copy(raw, 5..7);
        builder.put("e", 7..9);
        builder.put("e", 9..11);
        builder.copy(raw, 11..12);
        let (text, map) = builder.finish();
        assert_eq!(text, "ab cdeex");
        let views = [view(text, map, None)];
        assert_eq!(source(&views, 0, 0..2), 0..2);
        assert_eq!(source(&views, 0, 1..4), 1..6);
        assert_eq!(source(&views, 0, 6..7), 9..11);
        assert_eq!(source(&views, 0, 5..8), 7..12);
        assert_eq!(source(&views, 0, 0..8), 0..12);
    }

    #[test]
    fn joined_fields_stay_apart_in_the_raw_bytes() {
        let raw = r#"{"a":"one","b":"two"}"#;
        let mut builder = Builder::new(8, true);
        builder.copy(raw, 6..9);
        builder.copy(raw, 16..19);
        let (text, map) = builder.finish();
        assert_eq!(text, "onetwo");
        let views = [view(text, map, None)];
        assert_eq!(raw_spans(&views, 0, 2..5), [8..9, 16..18]);
    }

    #[test]
    fn a_whole_map_knows_only_the_run() {
        let views = [
            view("abc".into(), Map::Whole(4..8), None),
            view("b".into(), Map::Whole(1..2), Some(0)),
        ];
        assert_eq!(source(&views, 1, 0..1), 4..8);
    }
}
