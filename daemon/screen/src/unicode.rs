//! What a character looks like to a reader who knows ASCII only.

use std::sync::LazyLock;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::confusable_detection::skeleton;

/// The planes with letters in them; what lies above is ideographs, tags and variation selectors.
const TABLE_LEN: usize = 0x2_0000;
const KEEP: u8 = 0;
const DROP: u8 = 1;
const SPELL: u8 = 2;

/// One byte per character: kept, dropped, spelled with several characters, or the ASCII character it looks like.
static TABLE: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    (0..TABLE_LEN)
        .map(|code| u32::try_from(code).ok().and_then(char::from_u32))
        .map(|ch| ch.map_or(KEEP, class))
        .collect()
});

/// What becomes of a character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// It stays.
    Keep,
    /// Nobody sees it.
    Drop,
    /// It looks like this ASCII character.
    Ascii(u8),
    /// It stands for several; ask [`spelled`].
    Spell,
}

/// Fills the table before the first result comes.
pub(crate) fn prepare() {
    LazyLock::force(&TABLE);
}

/// What becomes of `ch`.
pub(crate) fn look(ch: char) -> Look {
    let code = u32::from(ch);
    if code < 0x80 {
        return Look::Keep;
    }
    if let Some(tag) = tag(ch) {
        return Look::Ascii(tag);
    }
    match usize::try_from(code).ok().and_then(|code| TABLE.get(code)) {
        Some(&KEEP) => Look::Keep,
        Some(&DROP) => Look::Drop,
        Some(&SPELL) => Look::Spell,
        Some(&byte) => Look::Ascii(byte),
        None if invisible(ch) => Look::Drop,
        None => Look::Keep,
    }
}

/// The ASCII spelling of a character that stands for several.
pub(crate) fn spelled(ch: char) -> String {
    std::iter::once(ch)
        .nfkd()
        .filter(|&part| !is_combining_mark(part))
        .map(|part| match look(part) {
            Look::Ascii(byte) => char::from(byte),
            _ => part,
        })
        .collect()
}

/// The ASCII character a tag character carries.
pub(crate) fn tag(ch: char) -> Option<u8> {
    u32::from(ch)
        .checked_sub(0xE_0000)
        .filter(|code| (0x20..0x7F).contains(code))
        .and_then(|code| u8::try_from(code).ok())
}

/// Characters that leave no mark on a page.
pub(crate) fn invisible(ch: char) -> bool {
    matches!(
        u32::from(ch),
        0xAD | 0x34F
            | 0x61C
            | 0x115F..=0x1160
            | 0x17B4..=0x17B5
            | 0x180B..=0x180F
            | 0x200B..=0x200F
            | 0x202A..=0x202E
            | 0x2060..=0x206F
            | 0x3164
            | 0xFE00..=0xFE0F
            | 0xFEFF
            | 0xFFA0
            | 0x1_BCA0..=0x1_BCA3
            | 0x1_D173..=0x1_D17A
            | 0xE_0000..=0xE_0FFF
    )
}

/// Letters in boxes and flags, which no table of Unicode counts as letters, and lowercase Cyrillic whose capitals are
/// the twins of Latin ones.
fn picture(ch: char) -> Option<u8> {
    let letter = match u32::from(ch) {
        code @ 0x1_F1E6..=0x1_F1FF => code - 0x1_F1E6,
        code @ 0x1_F150..=0x1_F169 => code - 0x1_F150,
        code @ 0x1_F170..=0x1_F189 => code - 0x1_F170,
        0x432 => 1,
        0x43A => 10,
        0x43C => 12,
        0x43D => 7,
        0x442 => 19,
        _ => return None,
    };
    u8::try_from(letter).ok().map(|letter| b'a' + letter)
}

fn class(ch: char) -> u8 {
    if ch.is_ascii() || ('\u{AC00}'..='\u{D7A3}').contains(&ch) {
        return KEEP;
    }
    if invisible(ch) || is_combining_mark(ch) {
        return DROP;
    }
    if let Some(letter) = picture(ch) {
        return letter;
    }
    let plain: String = std::iter::once(ch)
        .nfkd()
        .filter(|&part| !is_combining_mark(part))
        .collect();
    if let Some(found) = ascii(&plain) {
        return found;
    }
    // Ideographs have no twin among the letters, and there are many of them.
    if ('\u{2E80}'..='\u{D7FF}').contains(&ch) {
        return KEEP;
    }
    let twin: String = skeleton(&plain)
        .filter(|&part| !is_combining_mark(part))
        .collect();
    ascii(&twin).filter(|&found| found != SPELL).unwrap_or(KEEP)
}

/// The one ASCII character `text` is, or that it is several.
fn ascii(text: &str) -> Option<u8> {
    if !text.is_ascii() {
        return None;
    }
    match text.as_bytes() {
        [] => Some(DROP),
        &[byte] if byte > SPELL => Some(byte),
        _ => Some(SPELL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let mut out = String::new();
        for ch in text.chars() {
            match look(ch) {
                Look::Keep => out.push(ch),
                Look::Drop => {}
                Look::Ascii(byte) => out.push(char::from(byte)),
                Look::Spell => out.push_str(&spelled(ch)),
            }
        }
        out
    }

    #[test]
    fn disguises_come_off() {
        for (disguised, plain) in [
            ("Ignоrе рrеvіоuѕ", "Ignore previous"),
            ("ｉｇｎｏｒｅ＠", "ignore@"),
            ("𝐢𝐠𝐧𝐨𝐫𝐞 𝕚𝕘𝕟𝕠𝕣𝕖 𝓲𝓰𝓷𝓸𝓻𝓮", "ignore ignore ignore"),
            ("i\u{200b}g\u{2060}n\u{fe0f}ore", "ignore"),
            ("i\u{301}g\u{336}nor\u{e9}", "ignore"),
            ("\u{e0069}\u{e0067}\u{e006e}", "ign"),
            ("🇮🇬🇳 🅘🅖🅝", "ign ign"),
            ("ｱ漢字한글", "ア漢字한글"),
            ("ﬁle ㎏", "file kg"),
            ("plain", "plain"),
            ("\u{a0}\u{2003}", "  "),
        ] {
            assert_eq!(read(disguised).replace('ｱ', "ア"), plain, "{disguised}");
        }
    }
}
