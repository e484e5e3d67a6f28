//! Brace expansion: `{a,b}` and `{1..5}`.

/// LIMIT: a word that expands to more is not known.
const WORDS_MAX: usize = 512;
/// LIMIT: bytes of all words that one expands to.
const BYTES_MAX: usize = 64 * 1024;
/// LIMIT: braces inside braces.
const DEPTH_MAX: usize = 16;

/// A pair of braces.
#[derive(Debug)]
struct Pair {
    open: usize,
    close: usize,
    commas: Vec<usize>,
}

/// The words a text expands to; `None` when it holds nothing to expand or too much.
///
/// `marks` are the unquoted braces and commas, in order.
pub(super) fn expand(text: &str, marks: &[(usize, u8)]) -> Option<Vec<String>> {
    let pairs = pairs(text, marks);
    if pairs.is_empty() {
        return None;
    }
    Expander {
        text,
        pairs: &pairs,
    }
    .expand(0, text.len(), 0)
}

/// Whether a text that did not expand holds something to expand.
pub(super) fn too_many(text: &str, marks: &[(usize, u8)]) -> bool {
    !pairs(text, marks).is_empty()
}

/// The pairs that expand, ordered by their opening brace.
fn pairs(text: &str, marks: &[(usize, u8)]) -> Vec<Pair> {
    let mut open: Vec<Pair> = Vec::new();
    let mut found = Vec::new();
    for &(at, kind) in marks {
        match kind {
            b'{' => open.push(Pair {
                open: at,
                close: at,
                commas: Vec::new(),
            }),
            b',' => {
                if let Some(pair) = open.last_mut() {
                    pair.commas.push(at);
                }
            }
            _ => {
                if let Some(mut pair) = open.pop() {
                    pair.close = at;
                    let body = text.get(pair.open + 1..at).unwrap_or("");
                    if !pair.commas.is_empty() || sequence(body).is_some() {
                        found.push(pair);
                    }
                }
            }
        }
    }
    found.sort_by_key(|pair| pair.open);
    found
}

struct Expander<'x> {
    text: &'x str,
    pairs: &'x [Pair],
}

impl Expander<'_> {
    fn expand(&self, start: usize, end: usize, depth: usize) -> Option<Vec<String>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let mut words = vec![String::new()];
        let mut cursor = start;
        let mut index = self.pairs.partition_point(|pair| pair.open < start);
        while let Some(pair) = self.pairs.get(index).filter(|pair| pair.open < end) {
            index += 1;
            if pair.open < cursor || pair.close >= end {
                continue;
            }
            let literal = self.text.get(cursor..pair.open).unwrap_or("");
            let choices = self.choices(pair, depth)?;
            words = product(&words, literal, &choices)?;
            cursor = pair.close + 1;
        }
        let literal = self.text.get(cursor..end).unwrap_or("");
        for word in &mut words {
            word.push_str(literal);
        }
        Some(words)
    }

    fn choices(&self, pair: &Pair, depth: usize) -> Option<Vec<String>> {
        if pair.commas.is_empty() {
            let body = self.text.get(pair.open + 1..pair.close).unwrap_or("");
            return sequence(body)?.words();
        }
        let mut choices = Vec::new();
        let mut from = pair.open + 1;
        for &to in pair.commas.iter().chain([&pair.close]) {
            choices.extend(self.expand(from, to, depth + 1)?);
            if choices.len() > WORDS_MAX {
                return None;
            }
            from = to + 1;
        }
        Some(choices)
    }
}

fn product(words: &[String], literal: &str, choices: &[String]) -> Option<Vec<String>> {
    let count = words.len().saturating_mul(choices.len());
    let bytes: usize = words.iter().map(String::len).sum::<usize>() * choices.len()
        + choices.iter().map(String::len).sum::<usize>() * words.len()
        + literal.len() * count;
    if count > WORDS_MAX || bytes > BYTES_MAX {
        return None;
    }
    let mut all = Vec::with_capacity(count);
    for word in words {
        for choice in choices {
            let mut next = String::with_capacity(word.len() + literal.len() + choice.len());
            next.push_str(word);
            next.push_str(literal);
            next.push_str(choice);
            all.push(next);
        }
    }
    Some(all)
}

/// `a..e`, `1..10..2`.
#[derive(Debug)]
struct Sequence {
    from: i64,
    to: i64,
    step: i64,
    letters: bool,
}

fn sequence(body: &str) -> Option<Sequence> {
    let mut parts = body.split("..");
    let (first, last, step) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let step = match step {
        Some(step) => step.parse::<i32>().ok()?,
        None => 1,
    };
    let step = i64::from(step).abs().max(1);
    if let (Ok(from), Ok(to)) = (first.parse::<i32>(), last.parse::<i32>()) {
        return Some(Sequence {
            from: from.into(),
            to: to.into(),
            step,
            letters: false,
        });
    }
    match (first.as_bytes(), last.as_bytes()) {
        ([a], [b]) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => Some(Sequence {
            from: (*a).into(),
            to: (*b).into(),
            step,
            letters: true,
        }),
        _ => None,
    }
}

impl Sequence {
    fn words(&self) -> Option<Vec<String>> {
        let count = usize::try_from((self.to - self.from).abs() / self.step + 1).ok()?;
        if count > WORDS_MAX {
            return None;
        }
        let step = if self.to < self.from {
            -self.step
        } else {
            self.step
        };
        let mut words = Vec::with_capacity(count);
        let mut value = self.from;
        for _ in 0..count {
            words.push(match u8::try_from(value) {
                Ok(letter) if self.letters => char::from(letter).to_string(),
                _ => value.to_string(),
            });
            value += step;
        }
        Some(words)
    }
}
