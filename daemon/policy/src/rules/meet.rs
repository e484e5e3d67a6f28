//! Whether two globs can name the same path.
//!
//! A shell expands `~/.s*/id_*` after the verdict, so a denied glob must be compared with the shell's
//! glob, not with its text. Bracket expressions and alternatives count as "anything": the answer may
//! be yes too often, never no too often.

/// Whether `word` (a shell word with `*`, `?`, `[`) and `pattern` (a policy glob with `**`) can name
/// the same path, or `pattern` a directory above it. Both are split at `/`.
pub(crate) fn globs_meet(word: &str, pattern: &str) -> bool {
    let word: Vec<Vec<Piece>> = components(word).map(pieces).collect();
    let pattern: Vec<Option<Vec<Piece>>> = components(pattern)
        .map(|part| (part != "**").then(|| pieces(part)))
        .collect();
    // `reach[j]`: the components seen so far can be consumed by the first `j` of the pattern.
    let mut reach = vec![false; pattern.len() + 1];
    mark(&mut reach, 0, &pattern);
    for part in &word {
        if reach.last() == Some(&true) {
            return true;
        }
        let mut next = vec![false; pattern.len() + 1];
        for (place, matcher) in pattern.iter().enumerate() {
            if reach.get(place) != Some(&true) {
                continue;
            }
            match matcher {
                None => mark(&mut next, place, &pattern),
                Some(matcher) if pieces_meet(part, matcher) => mark(&mut next, place + 1, &pattern),
                Some(_) => {}
            }
        }
        reach = next;
    }
    reach.last() == Some(&true)
}

/// Sets a state and the states a `**` reaches from it without a component.
fn mark(states: &mut [bool], place: usize, pattern: &[Option<Vec<Piece>>]) {
    let mut place = place;
    loop {
        if let Some(state) = states.get_mut(place) {
            *state = true;
        }
        match pattern.get(place) {
            Some(None) => place += 1,
            _ => return,
        }
    }
}

fn components(text: &str) -> impl Iterator<Item = &str> {
    text.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Literal(char),
    One,
    Many,
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push(Piece::Many),
            '?' => out.push(Piece::One),
            '[' | '{' => {
                let close = if c == '[' { ']' } else { '}' };
                for skipped in chars.by_ref() {
                    if skipped == close {
                        break;
                    }
                }
                out.push(if c == '[' { Piece::One } else { Piece::Many });
            }
            c => out.extend(c.to_lowercase().map(Piece::Literal)),
        }
    }
    out
}

/// Whether some text matches both. A `*` or `?` at the start of the word does not stand for a dot.
fn pieces_meet(word: &[Piece], pattern: &[Piece]) -> bool {
    if pattern.first() == Some(&Piece::Literal('.'))
        && matches!(word.first(), Some(Piece::One | Piece::Many))
    {
        // A bracket at the start could hold the dot, but shells ignore it there as well.
        return false;
    }
    let width = pattern.len() + 1;
    let mut row = vec![false; width];
    start_row(&mut row, pattern);
    for piece in word {
        let mut next = vec![false; width];
        for place in 0..width {
            let here = row.get(place) == Some(&true);
            let at_word_many = *piece == Piece::Many;
            let mut set = |place: usize| {
                if let Some(cell) = next.get_mut(place) {
                    *cell = true;
                }
            };
            if here && at_word_many {
                set(place);
            }
            if !here {
                continue;
            }
            match (piece, pattern.get(place)) {
                (_, None) => {}
                (_, Some(Piece::Many)) => {
                    set(place);
                    set(place + 1);
                }
                (Piece::Literal(left), Some(Piece::Literal(right))) if left != right => {}
                (Piece::Many, Some(_)) => {}
                (_, Some(_)) => set(place + 1),
            }
        }
        close_row(&mut next, *piece == Piece::Many, pattern);
        row = next;
    }
    row.last() == Some(&true)
}

fn start_row(row: &mut [bool], pattern: &[Piece]) {
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    close_row(row, false, pattern);
}

/// A `*` of the pattern may stand for nothing; a `*` of the word may stand for the rest of the pattern.
fn close_row(row: &mut [bool], word_many: bool, pattern: &[Piece]) {
    for (place, piece) in pattern.iter().enumerate() {
        if row.get(place) == Some(&true)
            && (word_many || *piece == Piece::Many)
            && let Some(cell) = row.get_mut(place + 1)
        {
            *cell = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::globs_meet;

    #[test]
    fn shell_globs_meet_what_they_could_expand_to() {
        for (word, pattern) in [
            ("/home/u/.ss?/id_rsa", "/home/*/.ssh"),
            (".g*/hooks/x", ".git/hooks"),
            ("/etc/sh[a]dow", "/etc/shadow"),
            ("/e*/sha*", "/etc/shadow"),
            ("src/.en*", "**/.env"),
            ("src/.e?v", "**/.env*"),
            ("/e{tc,x}/shadow", "/etc/shadow"),
            ("a*c", "*b*"),
            ("*", "Makefile"),
        ] {
            assert!(globs_meet(word, pattern), "{word} {pattern}");
        }
        for (word, pattern) in [
            ("*", ".env"),
            ("build/*", "**/.env"),
            ("src/*.rs", "/etc/shadow"),
            ("?env", ".env"),
            ("/etc/*.conf", "/etc/shadow"),
            ("/etc", "/etc/shadow"),
            ("a*", "b*"),
        ] {
            assert!(!globs_meet(word, pattern), "{word} {pattern}");
        }
    }
}
