//! Regular expressions that do not do what they look like.

use regex_syntax::{
    Parser,
    hir::{Hir, HirKind, Look},
};

/// Largest program a pattern should need, in bytes. LIMIT: above it a warning, far below what compiling allows.
const PROGRAM_BYTES_MAX: usize = 256 << 10;

/// What is wrong with a pattern: messages with help. A pattern that does not parse has no problem here;
/// compiling reports it.
pub(super) fn problems(pattern: &str) -> Vec<(String, &'static str)> {
    let Ok(hir) = Parser::new().parse(pattern) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if never(&hir) {
        found.push((
            "this pattern can never match".to_owned(),
            "look at its anchors and classes",
        ));
    } else if always(&hir) {
        let help = "deny the tool, or say what is refused";
        found.push((
            "this pattern matches every string, even the empty one".to_owned(),
            help,
        ));
    }
    let depth = repetitions(&hir);
    if regex::RegexBuilder::new(pattern)
        .size_limit(PROGRAM_BYTES_MAX)
        .build()
        .is_err()
    {
        let message = format!(
            "this pattern needs a program of more than {} KiB",
            PROGRAM_BYTES_MAX >> 10
        );
        found.push((message, "bound counted repetitions such as `{1,1000}`"));
    } else if depth > 2 {
        found.push((
            format!("repetitions nested {depth} deep"),
            "matching stays linear, but readers do not",
        ));
    }
    found
}

/// Deepest nesting of repetitions.
fn repetitions(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Repetition(repetition) => 1 + repetitions(&repetition.sub),
        HirKind::Capture(capture) => repetitions(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(repetitions).max().unwrap_or_default()
        }
        _ => 0,
    }
}

/// Whether the pattern matches the empty string wherever it looks.
fn always(hir: &Hir) -> bool {
    hir.properties().minimum_len() == Some(0) && free(hir)
}

/// Whether a match of the empty string needs no particular place.
fn free(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty => true,
        HirKind::Look(_) | HirKind::Class(_) | HirKind::Literal(_) => false,
        HirKind::Repetition(repetition) => repetition.min == 0 || free(&repetition.sub),
        HirKind::Capture(capture) => free(&capture.sub),
        HirKind::Concat(parts) => parts.iter().all(free),
        HirKind::Alternation(parts) => parts.iter().any(free),
    }
}

/// One step of a concatenation, as far as places matter.
enum Step {
    Look(Look),
    /// At least one character.
    Consumes,
    /// Perhaps nothing.
    Maybe,
}

/// Whether no string matches: an empty class, or anchors that contradict what stands around them.
fn never(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(class) => class.is_empty(),
        HirKind::Repetition(repetition) => repetition.min > 0 && never(&repetition.sub),
        HirKind::Capture(capture) => never(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().all(never),
        HirKind::Concat(parts) => parts.iter().any(never) || contradicts(parts),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => false,
    }
}

fn steps(hir: &Hir, out: &mut Vec<Step>) {
    match hir.kind() {
        HirKind::Look(look) => out.push(Step::Look(*look)),
        HirKind::Capture(capture) => steps(&capture.sub, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| steps(part, out)),
        HirKind::Empty => {}
        _ if hir
            .properties()
            .minimum_len()
            .is_some_and(|length| length > 0) =>
        {
            out.push(Step::Consumes)
        }
        _ => out.push(Step::Maybe),
    }
}

fn contradicts(parts: &[Hir]) -> bool {
    let mut list = Vec::new();
    parts.iter().for_each(|part| steps(part, &mut list));
    let (mut consumed, mut ended) = (false, false);
    let mut here: Vec<Look> = Vec::new();
    for step in list {
        match step {
            Step::Look(Look::Start) if consumed => return true,
            Step::Look(look) => {
                ended |= look == Look::End;
                if here.iter().any(|other| opposite(*other) == Some(look)) {
                    return true;
                }
                here.push(look);
            }
            Step::Consumes => {
                if ended {
                    return true;
                }
                consumed = true;
                here.clear();
            }
            Step::Maybe => here.clear(),
        }
    }
    false
}

const fn opposite(look: Look) -> Option<Look> {
    Some(match look {
        Look::WordAscii => Look::WordAsciiNegate,
        Look::WordAsciiNegate => Look::WordAscii,
        Look::WordUnicode => Look::WordUnicodeNegate,
        Look::WordUnicodeNegate => Look::WordUnicode,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(pattern: &str) -> (bool, bool) {
        let hir = Parser::new().parse(pattern).expect(pattern);
        (never(&hir), always(&hir))
    }

    #[test]
    fn patterns_that_never_match_are_told_from_those_that_do() {
        for pattern in [
            "a^",
            "$a",
            r"\b\B",
            "[^\\s\\S]",
            "(a)(^b)",
            "x(?:$)y",
            "a^|$b",
            "[a&&b]",
            "(?:[^\\s\\S])+",
        ] {
            assert_eq!(verdict(pattern), (true, false), "{pattern}");
        }
        for pattern in [
            "^a",
            "a$",
            r"\ba\B",
            "a*^b",
            "$|a",
            "(?m)a\\n^b",
            "(?m)$\\na",
            "[^\\s\\S]*a",
            "(^)a",
            "^$",
        ] {
            assert!(!verdict(pattern).0, "{pattern}");
            assert!(regex::Regex::new(pattern).is_ok());
        }
    }

    #[test]
    fn patterns_that_match_everything_are_told() {
        for pattern in ["", ".*", "a?", "(x|)", "a*b*"] {
            assert_eq!(verdict(pattern), (false, true), "{pattern}");
        }
        for pattern in ["a", "^$", "a+", r"\b", "^a*$"] {
            assert_eq!(verdict(pattern), (false, false), "{pattern}");
        }
    }

    #[test]
    fn large_programs_and_deep_nesting_are_told() {
        assert!(
            problems("(a{1,200}){1,200}")
                .iter()
                .any(|p| p.0.contains("KiB"))
        );
        assert!(
            problems("((a+)+)+b")
                .iter()
                .any(|p| p.0.contains("nested 3 deep"))
        );
        assert!(problems("(?i)\\brm\\s+-rf\\b").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn what_never_matches_does_not_match(pattern in "[ab^$|()*?\\[\\]\\\\bB.]{1,8}", text in "[ab ]{0,6}") {
            if let (Ok(hir), Ok(regex)) = (Parser::new().parse(&pattern), regex::Regex::new(&pattern)) {
                proptest::prop_assert!(!(never(&hir) && regex.is_match(&text)), "{pattern}");
                proptest::prop_assert!(!always(&hir) || regex.is_match(&text), "{pattern}");
            }
        }
    }
}
