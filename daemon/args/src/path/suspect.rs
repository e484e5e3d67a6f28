//! What makes programs read one path differently.

const EMPTY: &str = "an empty path";
const NUL: &str = "a NUL byte, where C programs stop reading";
const CONTROL: &str = "a control character in a path";
const BLANK_ENDS: &str = "white space at an end of the path";
const BACKSLASH: &str = "a backslash, which some programs read as a separator";
const PERCENT: &str = "a percent-encoded dot, separator or NUL";
const TRAILING: &str = "a name that ends in a dot or a space, which some systems drop";
const LOOKALIKE: &str = "a character that looks like a dot or a separator";
const INVISIBLE: &str = "an invisible character in a path";
const URL: &str = "a URL in place of a path";
const VARIABLE: &str = "a variable in place of a path";
const PROC_LINK: &str = "a path through a link of /proc, which leads elsewhere";

/// Looks at a path as it was written.
pub(super) fn in_text(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some(EMPTY);
    }
    let (mut percent, mut colon, mut ascii) = (false, false, true);
    for byte in path.bytes() {
        match byte {
            0 => return Some(NUL),
            1..0x20 | 0x7f => return Some(CONTROL),
            b'\\' => return Some(BACKSLASH),
            b'%' => percent = true,
            b':' => colon = true,
            0x80.. => ascii = false,
            _ => {}
        }
    }
    if percent && has_encoded_syntax(path) {
        return Some(PERCENT);
    }
    if path.trim() != path {
        return Some(BLANK_ENDS);
    }
    if colon && (path.contains("://") || is_file_url(path)) {
        return Some(URL);
    }
    if is_variable(path) {
        return Some(VARIABLE);
    }
    if ascii {
        return None;
    }
    path.chars().find_map(|character| match character {
        // Full-width, small, raised and mathematical forms of `.`, `/` and `\`.
        '\u{2024}' | '\u{2025}' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}'
        | '\u{29f8}' | '\u{29f9}' | '\u{fe52}' | '\u{fe68}' | '\u{ff0e}' | '\u{ff0f}'
        | '\u{ff3c}' | '\u{ff61}' => Some(LOOKALIKE),
        // Zero width, direction marks, variation selectors, tags and fillers.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}'
        | '\u{80}'..='\u{9f}' => Some(INVISIBLE),
        _ => None,
    })
}

/// Looks at the steps of a resolved path.
pub(super) fn in_steps(absolute: bool, steps: &[&str]) -> Option<&'static str> {
    let trailing = |step: &&str| step.ends_with(['.', ' ']) && !matches!(*step, ".." | "...");
    if steps.iter().any(trailing) {
        return Some(TRAILING);
    }
    let in_proc = absolute && steps.first() == Some(&"proc");
    let link = |step: &&str| matches!(*step, "root" | "cwd" | "fd" | "map_files");
    (in_proc && steps.iter().skip(2).any(link)).then_some(PROC_LINK)
}

/// `%2e`, `%2f`, `%5c`, `%00`, and `%25`, which hides them from one round of decoding.
fn has_encoded_syntax(path: &str) -> bool {
    path.as_bytes().windows(3).any(|window| {
        matches!(
            window,
            [b'%', b'2', b'e' | b'E' | b'f' | b'F' | b'5']
                | [b'%', b'5', b'c' | b'C']
                | [b'%', b'0', b'0']
        )
    })
}

fn is_file_url(path: &str) -> bool {
    path.get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
}

fn is_variable(path: &str) -> bool {
    path.strip_prefix('$').is_some_and(|rest| {
        rest.starts_with(|c: char| matches!(c, '{' | '(' | '_') || c.is_ascii_uppercase())
    })
}

/// The path a `file:` URL names; `None` when the text is no such URL.
pub(super) fn file_url_path(path: &str) -> Option<String> {
    if !is_file_url(path) {
        return None;
    }
    let rest = path.get(5..)?;
    let rest = match rest.strip_prefix("//") {
        // The host between the slashes and the path is this machine's or nobody's.
        Some(place) => place.get(place.find('/')?..)?,
        None => rest,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(rest.len());
    let mut parts = rest.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        match part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.get(2..)?.as_bytes());
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
