//! Globs on one word: `*` and `?` match any character, `/` included.

/// A compiled glob.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    pieces: Vec<Piece>,
    fold: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Literal(char),
    One,
    Many,
}

impl Glob {
    /// Compiles a glob; every text is one. A backslash takes the next character literally.
    pub(crate) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Many,
                '?' => Piece::One,
                '\\' => Piece::Literal(chars.next().unwrap_or('\\')),
                c => Piece::Literal(c),
            });
        }
        pieces.dedup_by(|a, b| *a == Piece::Many && *b == Piece::Many);
        Self {
            pieces,
            fold: false,
        }
    }

    /// Compiles a glob that does not regard ASCII case.
    pub(crate) fn folding(text: &str) -> Self {
        Self {
            fold: true,
            ..Self::new(text)
        }
    }

    /// Whether the whole text matches. Time is at most linear in text times glob.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.walk(text)
    }

    /// Whether a text that begins with `prefix` is likely meant: the glob's own beginning is in it. A
    /// glob that begins with `*` fits every beginning, so it says nothing about one.
    pub(crate) fn matches_beginning(&self, prefix: &str) -> bool {
        self.pieces.first() != Some(&Piece::Many)
            && (1..=self.pieces.len()).any(|end| {
                let pieces = self.pieces.get(..end).unwrap_or_default().to_vec();
                Self {
                    pieces,
                    fold: self.fold,
                }
                .matches(prefix)
            })
    }

    fn walk(&self, text: &str) -> bool {
        let mut place = 0;
        let mut rest = text.chars();
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            match (self.pieces.get(place), ahead.next()) {
                (None, None) => return true,
                (Some(Piece::Many), _) => {
                    retry = Some((place + 1, rest.clone()));
                    place += 1;
                    continue;
                }
                (Some(Piece::One), Some(_)) => {
                    place += 1;
                    rest = ahead;
                    continue;
                }
                (Some(Piece::Literal(wanted)), Some(c))
                    if *wanted == c || (self.fold && wanted.eq_ignore_ascii_case(&c)) =>
                {
                    place += 1;
                    rest = ahead;
                    continue;
                }
                _ => {}
            }
            let Some((after, mut from)) = retry.take() else {
                return false;
            };
            if from.next().is_none() {
                return false;
            }
            rest = from.clone();
            place = after;
            retry = Some((after, from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn globs_match_whole_words() {
        for (glob, text) in [
            ("+*", "+main"),
            (".", "."),
            ("*:*", "a:b"),
            ("a?c", "abc"),
            ("*x*y", "1x2y"),
            ("\\*", "*"),
            ("", ""),
        ] {
            assert!(Glob::new(glob).matches(text), "{glob} {text}");
        }
        for (glob, text) in [
            ("+*", "main"),
            (".", ".."),
            ("a?c", "ac"),
            ("*x*y", "1x2"),
            ("\\*", "a"),
        ] {
            assert!(!Glob::new(glob).matches(text), "{glob} {text}");
        }
        assert!(Glob::new("+*").matches_beginning("+ma"));
        assert!(Glob::new("refs/*").matches_beginning("re"));
        assert!(!Glob::new("+*").matches_beginning("ma"));
    }
}
