//! Changes of a text before it is cut into words.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// What SentencePiece writes for a space.
pub(crate) const SPACE: &str = "\u{2581}";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Normal {
    /// Canonical composition.
    Nfc,
    /// Canonical decomposition.
    Nfd,
    /// Compatibility composition.
    Nfkc,
    /// Compatibility decomposition.
    Nfkd,
    /// Small letters.
    Lowercase,
    /// A text in front, unless there is nothing.
    Prepend(String),
    /// A text for another.
    Replace(String, String),
    /// A space in front, unless one is there or this is not where `When` says.
    Space(String, When),
}

/// Which sections of a text get a space in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Every section between control tokens.
    Always,
    /// Only the one the text begins with.
    First,
}

/// The text with all changes made to it; `first` says whether the text begins here.
pub(crate) fn normal<'t>(changes: &[Normal], text: &'t str, first: bool) -> Cow<'t, str> {
    let mut text = Cow::Borrowed(text);
    for change in changes {
        if text.is_empty() {
            break;
        }
        let changed = match change {
            // Most text is ASCII, which composes and decomposes to itself.
            Normal::Nfc | Normal::Nfd | Normal::Nfkc | Normal::Nfkd if text.is_ascii() => None,
            Normal::Nfc => Some(text.nfc().collect()),
            Normal::Nfd => Some(text.nfd().collect()),
            Normal::Nfkc => Some(text.nfkc().collect()),
            Normal::Nfkd => Some(text.nfkd().collect()),
            Normal::Lowercase => Some(text.chars().flat_map(char::to_lowercase).collect()),
            Normal::Prepend(front) => Some(format!("{front}{text}")),
            Normal::Replace(from, to) => text
                .contains(from.as_str())
                .then(|| text.replace(from.as_str(), to)),
            Normal::Space(space, when) => {
                let here = first || *when == When::Always;
                (here && !text.starts_with(space.as_str())).then(|| format!("{space}{text}"))
            }
        };
        if let Some(changed) = changed {
            text = Cow::Owned(changed);
        }
    }
    text
}
