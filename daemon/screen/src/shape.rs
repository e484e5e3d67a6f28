//! Whether an answer of a model has fallen apart: the same word, phrase, line or letter over and over.
//!
//! This judges form only, and only what no reader would call an answer. It asks nothing of a short text: "no no no" may be
//! meant. Rows of figures, rules of dashes and long numbers repeat for good reasons, so a unit without a letter must fill
//! nearly everything before it counts.

use std::collections::BTreeSet;

/// LIMIT: how much of each end of an answer is looked at; a loop, once begun, does not end by itself.
pub const SHAPE_BYTES_MAX: usize = 16 * 1024;

/// LIMIT: the longest unit that is followed, in bytes or in words; a longer one is no loop but a text said twice.
const UNIT_MAX: usize = 48;
/// A unit that follows itself so often is a loop.
const REPEATS_MIN: usize = 8;
/// The shortest loop of bytes.
const LOOP_BYTES_MIN: usize = 40;
/// The shortest run of one character: ten to the hundredth power has fewer.
const RUN_BYTES_MIN: usize = 128;
/// The shortest loop of units without a letter.
const LETTERLESS_BYTES_MIN: usize = 512;
/// The fewest lines of which the different ones are counted.
const LINES_MIN: usize = 16;
/// Lines that say one new thing in so many.
const LINES_SAME_ONE_IN: usize = 8;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    /// It says the same over and over.
    pub degenerate: bool,
    /// What repeats: `repeated-lines`, `word-loop`, `phrase-loop`, `single-character` or `tiled-unit`; empty where nothing
    /// does.
    pub why: &'static str,
}

impl Shape {
    const SOUND: Self = Self {
        degenerate: false,
        why: "",
    };

    const fn broken(why: &'static str) -> Self {
        Self {
            degenerate: true,
            why,
        }
    }
}

/// The form of an answer. The same text gets the same answer; time is linear in its length, and of a long one only the
/// ends are read.
#[must_use]
pub fn answer_shape(text: &str) -> Shape {
    let text = text.trim();
    let mut cut = text.len().saturating_sub(SHAPE_BYTES_MAX);
    while !text.is_char_boundary(cut) {
        cut += 1;
    }
    let mut end = text.len().min(SHAPE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let ends = [text.get(cut..), text.get(..end)];
    // The end first: there a loop is found that began late.
    for part in ends
        .into_iter()
        .flatten()
        .take(if cut == 0 { 1 } else { 2 })
    {
        let found = repeated_lines(part)
            .or_else(|| looped_words(part))
            .or_else(|| tiled(part.as_bytes()));
        if let Some(why) = found {
            return Shape::broken(why);
        }
    }
    Shape::SOUND
}

fn repeated_lines(text: &str) -> Option<&'static str> {
    let lines = || {
        let lines = text.lines().map(str::trim);
        lines.filter(|line| line.contains(char::is_alphabetic))
    };
    let count = lines().count();
    let different: BTreeSet<&str> = lines().collect();
    (count >= LINES_MIN && different.len() * LINES_SAME_ONE_IN <= count).then_some("repeated-lines")
}

/// Words that repeat, whatever marks and capitals stand between and in them.
fn looped_words(text: &str) -> Option<&'static str> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    for unit in 1..=UNIT_MAX {
        let (start, len) = longest_period(&words, unit);
        let said = words.get(start..start + unit.min(len)).unwrap_or_default();
        let letters = said.iter().any(|word| word.contains(char::is_alphabetic));
        if letters && len >= unit * REPEATS_MIN && len * 2 > words.len() && len >= 8 {
            return Some(if unit == 1 {
                "word-loop"
            } else {
                "phrase-loop"
            });
        }
    }
    None
}

/// Bytes that repeat without a word's end.
fn tiled(bytes: &[u8]) -> Option<&'static str> {
    for unit in 1..=UNIT_MAX {
        let (start, len) = longest_period(bytes, unit);
        let said = bytes.get(start..start + unit.min(len)).unwrap_or_default();
        let letters = said
            .iter()
            .any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
        let (least, share) = match (letters, unit) {
            (false, _) => (LETTERLESS_BYTES_MIN, 9),
            (true, 1) => (RUN_BYTES_MIN, 5),
            (true, _) => (LOOP_BYTES_MIN, 5),
        };
        if len >= least && len >= unit * REPEATS_MIN && len * 10 > bytes.len() * share {
            let one = unit == 1 || bytes.get(start..start + len).is_some_and(one_character);
            return Some(if one {
                "single-character"
            } else {
                "tiled-unit"
            });
        }
    }
    None
}

/// Whether the bytes are one character of several bytes, again and again.
fn one_character(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut chars = text.chars().filter(|c| *c != char::REPLACEMENT_CHARACTER);
    let first = chars.next();
    chars.all(|c| Some(c) == first)
}

/// The longest stretch in which everything equals what stands `unit` before it: where it begins, and its length.
fn longest_period<T: PartialEq>(items: &[T], unit: usize) -> (usize, usize) {
    let mut best = (0, 0);
    let mut run = 0;
    let later = items.get(unit..).unwrap_or_default();
    for (at, (left, right)) in items.iter().zip(later).enumerate() {
        run = if left == right { run + 1 } else { 0 };
        if run > 0 && run + unit > best.1 {
            best = (at + 1 - run, run + unit);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_named() {
        let lines = "ok then\nnot so\n".repeat(12);
        for (text, why) in [
            ("yes ".repeat(40), "word-loop"),
            (
                "Yes, yes. YES! yes - yes; yes (yes) yes? yes".into(),
                "word-loop",
            ),
            ("the system is fine. ".repeat(12), "phrase-loop"),
            ("ALERT: disk full\n".repeat(20), "repeated-lines"),
            (lines, "repeated-lines"),
            ("A".repeat(240), "single-character"),
            ("ж".repeat(200), "single-character"),
            ("abc".repeat(80), "tiled-unit"),
            (
                format!("A sound beginning of an answer. {}", "ha".repeat(60)),
                "tiled-unit",
            ),
            (
                format!("{} {}", "It began well.", "and on ".repeat(9000)),
                "phrase-loop",
            ),
            ("0".repeat(2000), "single-character"),
        ] {
            assert_eq!(answer_shape(&text), Shape::broken(why), "{text:.60}");
        }
    }

    #[test]
    fn what_an_answer_may_look_like() {
        let table: String = (0..40)
            .map(|n| format!("| {n} | yes | yes | {} |\n", n * n))
            .collect();
        let code: String = (0..40)
            .map(|n| format!("    {{\n        call({n});\n    }}\n"))
            .collect();
        let zeros = format!("The matrix is\n{}", "0 0 0 0 0 0 0 0\n".repeat(8));
        for text in [
            "",
            "no no no",
            "Yes, that works.",
            "very, very, very good",
            "1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
            &"-".repeat(80),
            &table,
            &code,
            &zeros,
            "ha ha ha ha! That is a good one; but let us go on with the report you asked me for, shall we?",
        ] {
            assert_eq!(answer_shape(text), Shape::SOUND, "{text:.60}");
        }
    }
}
