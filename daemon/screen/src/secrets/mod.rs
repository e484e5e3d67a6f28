//! Credentials in text: rules, a keyword prefilter, validators.
//!
//! The keywords of all rules are looked for at once, together with the words of other screens. Where one is met, the
//! expressions of that keyword are run on a bounded window, and what they find is measured and validated. Clean text
//! costs the search for keywords and no more.
//! Nothing found leaves this room but its place and the names of its rule.

mod block;
mod checks;
mod numbers;
mod rules;
#[cfg(test)]
mod template;
#[cfg(test)]
mod tests;

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::{Anchored, Input, util::primitives::NonMaxUsize};

use checks::Found;
use rules::{Case, Edges, Rule};

pub(crate) use rules::RULES;

use crate::{
    needles::{NEEDLE_BYTES_MIN, Needle},
    settings::Wanted,
};

/// LIMIT: passes over a text with findings. What was found becomes an edge for its neighbours, so that nothing appears
/// only after the redaction; text without findings is read once.
const ROUNDS_MAX: usize = 3;

/// LIMIT: findings in one text. A text with more is credentials from there on: the last finding takes the rest.
const HITS_MAX: usize = 4096;

/// A credential found in one view of the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hit {
    /// The name of the rule, such as `github-fine-grained-token`.
    pub(crate) rule: &'static str,
    /// What `[REDACTED:<kind>]` will say, such as `github_token`.
    pub(crate) kind: &'static str,
    /// Where in the view; on char boundaries, never empty.
    pub(crate) span: Range<usize>,
    /// Weak evidence (a card number, entropy beside a keyword) counts in the text as it stands and in its folded forms;
    /// two unrelated fields joined make it too easily.
    pub(crate) weak: bool,
}

/// The compiled rules; built once, shared by every thread.
pub(crate) struct Secrets {
    /// Nothing where the rule file is broken: then every text is held for a secret.
    engine: Option<Engine>,
}

impl Secrets {
    /// Compiles the rules.
    pub(crate) fn new() -> Self {
        Self::of(RULES)
    }

    pub(crate) fn of(rules: &'static str) -> Self {
        Self {
            engine: Engine::new(rules).ok(),
        }
    }

    /// The keywords; [`Scan`] calls back with their numbers.
    pub(crate) fn needles(&self) -> Vec<Needle> {
        self.engine
            .as_ref()
            .map(|engine| engine.keywords.clone())
            .unwrap_or_default()
    }

    /// Adds every credential in `text`, and of people what is wanted, to `out`, in order of position. `scan` looks for the
    /// keywords: it is called once for a text without findings, and at least once for any.
    pub(crate) fn find(
        &self,
        text: Joined<'_>,
        wanted: Wanted,
        scan: Scan<'_>,
        out: &mut Vec<Hit>,
    ) {
        match &self.engine {
            Some(engine) => out.extend(engine.find(text, wanted, scan)),
            None => {
                scan(&mut |_, _| {});
                let text = text.text;
                if !text.is_empty() {
                    out.push(Hit {
                        rule: "rules-broken",
                        kind: "unscreened",
                        span: 0..text.len(),
                        weak: false,
                    });
                }
            }
        }
    }
}

/// A text, and where fields meet in it that were apart.
#[derive(Clone, Copy)]
pub(crate) struct Joined<'a> {
    pub(crate) text: &'a str,
    /// In order. What touches a secret there is another field.
    pub(crate) edges: &'a [u32],
}

/// LIMIT: fields one secret may be put together from where only their ends set it apart; among more, short codes side by
/// side would spell too much.
const FIELDS_MAX: usize = 8;

/// Goes through the text and says which keyword stands where, in order of position.
pub(crate) type Scan<'a> = &'a mut dyn FnMut(&mut dyn FnMut(usize, usize));

/// What all rules compile to.
struct Engine {
    keywords: Vec<Needle>,
    /// For each keyword, the rules that wait for it.
    leads: Vec<Vec<usize>>,
    /// Keywords of a single byte, and the rule that waits for each: what so often stands in a text is not hashed.
    singles: Vec<(u8, usize)>,
    rules: Vec<Rule>,
    stopwords: AhoCorasick,
}

impl Engine {
    fn new(text: &'static str) -> Result<Self, String> {
        let file = rules::parse(text)?;
        let mut engine = Self {
            keywords: Vec::new(),
            leads: Vec::new(),
            singles: Vec::new(),
            rules: Vec::new(),
            stopwords: AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .build(&file.stopwords)
                .map_err(|error| error.to_string())?,
        };
        for row in &file.rules {
            for word in &row.form.keywords {
                engine.keyword(word, row.form.case == Case::Any)?;
            }
            engine.rules.push(Rule::new(row, text)?);
        }
        Ok(engine)
    }

    /// Has the next rule wait for `word`.
    fn keyword(&mut self, word: &str, folded: bool) -> Result<(), String> {
        let rule = self.rules.len();
        if let &[byte] = word.as_bytes() {
            self.singles.push((byte, rule));
            return Ok(());
        }
        if word.len() < NEEDLE_BYTES_MIN {
            return Err(format!("the keyword `{word}` has two bytes"));
        }
        let needle = Needle {
            text: word.as_bytes().into(),
            folded,
            whole: false,
        };
        let same = |known: &Needle| known.folded == needle.folded && known.text == needle.text;
        let at = self.keywords.iter().position(same);
        match at.and_then(|at| self.leads.get_mut(at)) {
            Some(waiting) => waiting.push(rule),
            None => {
                self.keywords.push(needle);
                self.leads.push(vec![rule]);
            }
        }
        Ok(())
    }

    /// Every finding, merged and in order.
    fn find(&self, text: Joined<'_>, wanted: Wanted, scan: Scan<'_>) -> Vec<Hit> {
        let mut hits = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let known = hits.len();
            let mut sweep = Sweep::new(self, text, wanted, &hits);
            sweep.run(scan);
            hits.append(&mut sweep.found);
            hits = self.merged(hits, text.text.len());
            if hits.len() == known {
                break;
            }
        }
        hits
    }

    fn rank(&self, hit: &Hit) -> usize {
        self.rules
            .iter()
            .position(|rule| rule.id == hit.rule)
            .unwrap_or(self.rules.len())
    }

    /// Findings that overlap become one, named by the rule of the higher rank.
    fn merged(&self, mut hits: Vec<Hit>, len: usize) -> Vec<Hit> {
        hits.sort_by_key(|hit| (hit.span.start, hit.span.end));
        let mut merged: Vec<Hit> = Vec::with_capacity(hits.len());
        for hit in hits {
            match merged.last_mut() {
                Some(last) if hit.span.start < last.span.end => {
                    let end = last.span.end.max(hit.span.end);
                    let weak = last.weak && hit.weak;
                    if self.rank(&hit) < self.rank(last) {
                        (last.rule, last.kind) = (hit.rule, hit.kind);
                    }
                    (last.span.end, last.weak) = (end, weak);
                }
                Some(last) if merged_full(last, len) => {}
                _ => merged.push(hit),
            }
            if merged.len() == HITS_MAX
                && let Some(last) = merged.last_mut()
            {
                last.span.end = len;
            }
        }
        merged
    }
}

/// Whether the finding takes all that is left.
fn merged_full(last: &Hit, len: usize) -> bool {
    last.span.end >= len
}

/// One pass over one text.
struct Sweep<'a> {
    engine: &'a Engine,
    text: &'a str,
    /// Where fields meet.
    edges: &'a [u32],
    wanted: Wanted,
    /// Where earlier findings begin and end; they count as edges.
    starts: Vec<usize>,
    ends: Vec<usize>,
    /// For each rule, up to where its windows were read.
    done: Vec<usize>,
    found: Vec<Hit>,
}

impl<'a> Sweep<'a> {
    fn new(engine: &'a Engine, text: Joined<'a>, wanted: Wanted, known: &[Hit]) -> Self {
        Self {
            engine,
            text: text.text,
            edges: text.edges,
            wanted,
            starts: known.iter().map(|hit| hit.span.start).collect(),
            ends: known.iter().map(|hit| hit.span.end).collect(),
            done: vec![0; engine.rules.len()],
            found: Vec::new(),
        }
    }

    fn run(&mut self, scan: Scan<'_>) {
        let engine = self.engine;
        scan(&mut |keyword, at| {
            let waiting = engine.leads.get(keyword);
            for &rule in waiting.into_iter().flatten() {
                if self.found.len() <= HITS_MAX {
                    self.consider(rule, at);
                }
            }
        });
        for &(byte, rule) in &engine.singles {
            if engine
                .rules
                .get(rule)
                .is_some_and(|rule| rule.class.wanted(self.wanted))
            {
                for at in memchr::memchr_iter(byte, self.text.as_bytes()) {
                    if self.found.len() <= HITS_MAX {
                        self.consider(rule, at);
                    }
                }
            }
        }
        let found = &mut self.found;
        if found.len() > HITS_MAX {
            return;
        }
        if self.wanted.cards {
            numbers::cards(self.text, |span| {
                found.push(number("payment-card", "credit_card", span));
            });
        }
        if self.wanted.ibans {
            numbers::accounts(self.text, |span| found.push(number("iban", "iban", span)));
        }
    }

    /// Runs a rule on the window around its keyword.
    fn consider(&mut self, index: usize, at: usize) {
        let rule = self.engine.rules.get(index);
        let Some(rule) = rule.filter(|rule| rule.class.wanted(self.wanted)) else {
            return;
        };
        let done = self.done.get(index).copied().unwrap_or_default();
        let place = rule.place;
        let end = at.saturating_add(place.reach).min(self.text.len());
        let mut from = if place.near {
            // Windows overlap by half at most, or a run of keywords would cost the square of its length.
            if at.saturating_add(place.reach / 2) < done {
                return;
            }
            at
        } else if place.lead == 0 {
            if at < done || !self.begins(rule, at) {
                return;
            }
            at
        } else {
            let begin = self.token_start(at, place.lead).max(done);
            if !self.begins(rule, begin) {
                return;
            }
            begin
        };
        let mut read = if place.near { end } else { done };
        while from < end {
            let Some((whole, first)) = search(rule, self.text, from..end) else {
                break;
            };
            from = whole.end.max(from.saturating_add(1));
            let stretched = self.stretched(whole.end, end);
            if let Some(span) = self.weigh(rule, &whole, first, stretched) {
                read = read.max(span.end);
                self.found.push(Hit {
                    rule: rule.id,
                    kind: rule.kind,
                    span,
                    weak: rule.weak,
                });
            }
            if !place.near {
                read = read.max(whole.end).max(stretched.unwrap_or_default());
                break;
            }
        }
        if let Some(done) = self.done.get_mut(index) {
            *done = read;
        }
    }

    /// Where the token around `at` begins, at most `lead` bytes before it.
    fn token_start(&self, at: usize, lead: usize) -> usize {
        let before = self.text.as_bytes().get(at.saturating_sub(lead)..at);
        let token = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_~.+/%-".contains(byte);
        let run = before.unwrap_or_default().iter().rev().take_while(token);
        at.saturating_sub(run.count())
    }

    /// Where a token that fills its window really ends.
    fn stretched(&self, end: usize, window: usize) -> Option<usize> {
        if end != window {
            return None;
        }
        let behind = self.text.as_bytes().get(end..)?;
        let more = behind
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-+/=.%".contains(byte))
            .count();
        (more > 0).then(|| end.saturating_add(more))
    }

    /// Whether a match of `rule` may begin at `at`.
    fn begins(&self, rule: &Rule, at: usize) -> bool {
        if matches!(rule.edges, Edges::Both | Edges::Left) && !self.edge_before(at) {
            return false;
        }
        if rule.not_after.is_empty() {
            return true;
        }
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let before = before
            .strip_suffix(b"_")
            .or_else(|| before.strip_suffix(b"-"))
            .unwrap_or(before);
        !rule.not_after.iter().any(|word| {
            before
                .len()
                .checked_sub(word.len())
                .and_then(|from| before.get(from..))
                .is_some_and(|tail| tail.eq_ignore_ascii_case(word.as_bytes()))
        })
    }

    /// Whether no letter or digit stands right before `at`, the last one of an escape not counted.
    fn edge_before(&self, at: usize) -> bool {
        let byte = |back: usize| {
            at.checked_sub(back)
                .and_then(|at| self.text.as_bytes().get(at))
                .copied()
                .unwrap_or(b' ')
        };
        !byte(1).is_ascii_alphanumeric()
            || byte(2) == b'\\'
            || byte(3) == b'%'
            || byte(4) == b'\\' && byte(3) == b'x'
            || byte(6) == b'\\' && byte(5) == b'u'
            || self.ends.binary_search(&at).is_ok()
            || self.meets(at)
    }

    fn edge_behind(&self, at: usize) -> bool {
        !self
            .text
            .as_bytes()
            .get(at)
            .is_some_and(u8::is_ascii_alphanumeric)
            || self.starts.binary_search(&at).is_ok()
            || self.meets(at)
    }

    /// Whether fields meet at `at`.
    fn meets(&self, at: usize) -> bool {
        u32::try_from(at).is_ok_and(|at| self.edges.binary_search(&at).is_ok())
    }

    /// Whether too many fields would make up the secret, and none but their ends set it apart.
    fn patched(&self, span: &Range<usize>) -> bool {
        let inside = |at: usize| {
            self.edges
                .partition_point(|&edge| usize::try_from(edge).is_ok_and(|edge| edge < at))
        };
        let fields = inside(span.end).saturating_sub(inside(span.start + 1)) + 1;
        let touches = |at: Option<usize>| {
            at.and_then(|at| self.text.as_bytes().get(at))
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        fields > FIELDS_MAX && (touches(span.start.checked_sub(1)) || touches(Some(span.end)))
    }

    /// The span of the secret in a match, where it is one.
    fn weigh(
        &self,
        rule: &Rule,
        whole: &Range<usize>,
        first: Option<Range<usize>>,
        stretched: Option<usize>,
    ) -> Option<Range<usize>> {
        let secret = if rule.group == 0 {
            whole.clone()
        } else {
            first.clone()?
        };
        let left = matches!(rule.edges, Edges::Both | Edges::Left);
        if left && rule.place.near && !self.edge_before(whole.start) {
            return None;
        }
        let right = matches!(rule.edges, Edges::Both | Edges::Right);
        let runs_on = secret.end == whole.end && stretched.is_some();
        if right && !runs_on && !self.edge_behind(secret.end) {
            return None;
        }
        let bytes = self.text.as_bytes().get(secret.clone())?;
        if !self.edges.is_empty() && self.patched(&secret) {
            return None;
        }
        if bytes.is_empty() || checks::entropy(bytes) < rule.entropy || redacted(bytes) {
            return None;
        }
        let secret = snapped(self.text, secret);
        let mut span = match rule.check {
            None => secret,
            Some(check) => check.run(&Found {
                text: self.text,
                whole: whole.clone(),
                secret,
                first,
                stopwords: &self.engine.stopwords,
            })?,
        };
        if runs_on {
            span.end = span.end.max(stretched.unwrap_or_default());
        }
        Some(snapped(self.text, span))
    }
}

/// The first match in the window, and its first group.
fn search(
    rule: &Rule,
    text: &str,
    window: Range<usize>,
) -> Option<(Range<usize>, Option<Range<usize>>)> {
    let anchored = if rule.place.near {
        Anchored::No
    } else {
        Anchored::Yes
    };
    let input = Input::new(text).span(window).anchored(anchored);
    let mut slots: [Option<NonMaxUsize>; 4] = [None; 4];
    rule.regex.search_slots(&input, &mut slots)?;
    let [Some(start), Some(end), first_start, first_end] = slots else {
        return None;
    };
    let first = first_start
        .zip(first_end)
        .map(|(start, end)| start.get()..end.get());
    Some((start.get()..end.get(), first))
}

fn number(rule: &'static str, kind: &'static str, span: Range<usize>) -> Hit {
    Hit {
        rule,
        kind,
        span,
        weak: true,
    }
}

/// Whether something was cut out here before.
fn redacted(secret: &[u8]) -> bool {
    memchr::memmem::find(secret, b"[REDACTED").is_some()
}

/// The span widened to char boundaries.
fn snapped(text: &str, span: Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
