//! String literals of code in any language, as far as languages agree on them.

/// A string literal.
#[derive(Debug)]
pub(super) struct Literal {
    /// Its text, simple escapes decoded.
    pub(super) text: String,
    /// Only a comma and blanks stand between it and the literal before.
    listed: bool,
}

/// The literals of code; neighbours joined by `+` or nothing are one more literal together.
pub(super) fn literals(code: &str) -> Vec<Literal> {
    let bytes = code.as_bytes();
    let mut found: Vec<Literal> = Vec::new();
    let mut joined: Vec<Literal> = Vec::new();
    let mut chain = String::new();
    let mut at = 0;
    let mut end_of_last = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' {
            at += 2;
            continue;
        }
        if !matches!(byte, b'\'' | b'"' | b'`') {
            at += 1;
            continue;
        }
        let between = code.get(end_of_last..at).unwrap_or("").trim();
        let (text, next) = literal(code, at, byte);
        let first = found.is_empty();
        let listed = !first && between == ",";
        if !first && matches!(between, "" | "+" | "." | "..") {
            if chain.is_empty() {
                chain.push_str(found.last().map_or("", |l| l.text.as_str()));
            }
            chain.push_str(&text);
        } else if !chain.is_empty() {
            joined.push(Literal {
                text: std::mem::take(&mut chain),
                listed: false,
            });
        }
        found.push(Literal { text, listed });
        at = next;
        end_of_last = next;
    }
    if !chain.is_empty() {
        joined.push(Literal {
            text: chain,
            listed: false,
        });
    }
    found.extend(joined);
    found
}

/// One literal and the position behind it.
fn literal(code: &str, start: usize, quote: u8) -> (String, usize) {
    let bytes = code.as_bytes();
    let triple = bytes
        .get(start..start + 3)
        .is_some_and(|three| three.iter().all(|b| *b == quote));
    let width = if triple { 3 } else { 1 };
    let mut text = String::new();
    let mut chars = code
        .get(start + width..)
        .unwrap_or("")
        .char_indices()
        .peekable();
    let base = start + width;
    while let Some((offset, c)) = chars.next() {
        let at = base + offset;
        if c == char::from(quote) {
            if !triple {
                return (text, at + 1);
            }
            if bytes
                .get(at..at + 3)
                .is_some_and(|three| three.iter().all(|b| *b == quote))
            {
                return (text, at + 3);
            }
        }
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some((_, 'n')) => text.push('\n'),
            Some((_, 't')) => text.push('\t'),
            Some((_, kind @ ('x' | 'u'))) => {
                let mut value = 0_u32;
                let count = if kind == 'x' { 2 } else { 4 };
                for _ in 0..count {
                    let Some((_, digit)) = chars.next_if(|(_, c)| c.is_ascii_hexdigit()) else {
                        break;
                    };
                    value = value * 16 + digit.to_digit(16).unwrap_or(0);
                }
                text.extend(char::from_u32(value));
            }
            Some((_, other)) => text.push(other),
            None => {}
        }
    }
    (text, code.len())
}

/// What may be command lines: every literal, every list of literals, and all of them in a row.
pub(super) fn command_lines(found: &[Literal]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut list = String::new();
    let mut all = String::new();
    for literal in found {
        if literal.listed {
            list.push(' ');
        } else if list.contains(' ') {
            lines.push(std::mem::take(&mut list));
        } else {
            list.clear();
        }
        list.push_str(&literal.text);
        all.push_str(&literal.text);
        all.push(' ');
        if literal.text.contains(' ') {
            lines.push(literal.text.clone());
        }
    }
    lines.push(list);
    lines.push(all);
    lines
}
