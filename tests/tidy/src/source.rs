//! Rust text, read just well enough.

/// The text with the inside of comments, strings and characters blanked; every line and column stays where it was.
#[must_use]
pub fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = literal(rest, out.chars().next_back()).unwrap_or(0);
        if skip == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (inside, after) = rest.split_at(skip);
            out.extend(inside.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// How many bytes of comment or literal begin here.
fn literal(text: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    if !in_word && let Some(length) = raw_string(text) {
        return Some(length);
    }
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    if let Some(after) = text.strip_prefix('\'') {
        let mut after = after.chars();
        let (first, second) = (after.next()?, after.next());
        // A lifetime has no closing quote after its first character.
        return (first == '\\' || second == Some('\'')).then(|| quoted(text, '\''));
    }
    None
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'/', b'*') => {
                depth += 1;
                at += 2;
            }
            (b'*', b'/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let body = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let close = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + close)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Where the inline test module begins: its line, counted from 0; the number of lines when there is none.
#[must_use]
pub fn tests_begin(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let attribute = |line: &str| {
        line.starts_with("#[cfg(") && line.contains("test") && !line.contains("not(test")
    };
    (0..lines.len())
        .find(|&at| {
            let next = lines[at + 1..].iter().find(|line| !line.starts_with("#["));
            attribute(lines[at])
                && next.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
        })
        .unwrap_or(lines.len())
}

/// One function: its name, the line it begins at (from 1), and how many lines it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first line.
    pub line: usize,
    /// From the line with `fn` to the line with the closing brace.
    pub lines: usize,
}

/// Every function with a body in a text.
#[must_use]
pub fn functions(text: &str) -> Vec<Function> {
    let clean = blanked(text);
    let mut found = Vec::new();
    for (at, _) in clean.match_indices("fn ") {
        let opens_word = clean[..at]
            .chars()
            .next_back()
            .is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let name: String = clean[at + 3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if !opens_word || name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(&clean[at..]) {
            let line = clean[..at].lines().count().max(1);
            let line = if clean[..at].ends_with('\n') {
                line + 1
            } else {
                line
            };
            found.push(Function {
                name,
                line,
                lines: clean[at..at + end].lines().count(),
            });
        }
    }
    found
}

/// The end of the braces that follow a signature; `None` for a signature without a body.
fn body_end(text: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut round = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            ';' if braces == 0 && round == 0 => return None,
            '(' | '[' => round += 1,
            ')' | ']' => round = round.saturating_sub(1),
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// One named bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The constant.
    pub name: String,
    /// Its value as written.
    pub value: String,
    /// Its doc comment in one line.
    pub doc: String,
}

/// The constants of a file that bound something: their name ends in `_MAX`, or their comment says `LIMIT:`.
#[must_use]
pub fn limits(text: &str) -> Vec<Limit> {
    let mut found = Vec::new();
    let mut doc = String::new();
    let lines: Vec<&str> = text.lines().take(tests_begin(text)).collect();
    for (at, line) in lines.iter().map(|line| line.trim()).enumerate() {
        if let Some(words) = line.strip_prefix("///") {
            doc.push(' ');
            doc.push_str(words.trim());
        } else if !line.starts_with("#[") {
            let declared = lines[at..].join(" ");
            let limit = constant(&declared, doc.trim());
            found.extend(limit.filter(|l| l.name.ends_with("_MAX") || l.doc.contains("LIMIT:")));
            doc.clear();
        }
    }
    found
}

fn constant(text: &str, doc: &str) -> Option<Limit> {
    let (declaration, _) = text.split_once(';')?;
    let (head, value) = declaration.split_once('=')?;
    let head = head.trim();
    let head = if head.starts_with("pub") {
        head.split_once(' ')?.1
    } else {
        head
    };
    let (name, _) = head.strip_prefix("const ")?.split_once(':')?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Limit {
        name: name.trim().to_owned(),
        value,
        doc: doc.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_blank() {
        let text = "a \"{\\\"}\" b // {\n'{' /* { /* } */ */ r#\"{\"# 'a x\n";
        let clean = blanked(text);
        assert!(!clean.contains(['{', '}']), "{clean}");
        assert!(clean.contains("'a x"));
        assert_eq!(clean.len(), text.len());
        assert_eq!(clean.lines().count(), text.lines().count());
    }

    #[test]
    fn functions_are_measured() {
        let text = "trait T {\n    fn without(&self) -> [u8; 2];\n}\npub const fn one() {}\n\nfn two(\n    a: u8,\n) {\n    let s = \"}\";\n    if a { x() }\n}\n";
        let found: Vec<_> = functions(text)
            .into_iter()
            .map(|f| (f.name, f.line, f.lines))
            .collect();
        assert_eq!(found, [("one".to_owned(), 4, 1), ("two".to_owned(), 6, 6)]);
    }

    #[test]
    fn limits_are_read_with_their_words() {
        let text = "/// Most. LIMIT: so many.\n#[rustfmt::skip]\npub(crate) const A_MAX: usize =\n    1 << 4;\nconst OTHER: u8 = 1;\nconst B_MAX: u8 = 2;\n#[cfg(test)]\nmod tests {\n    const C_MAX: u8 = 3;\n}\n";
        let found: Vec<_> = limits(text)
            .into_iter()
            .map(|l| (l.name, l.value, l.doc))
            .collect();
        let expected = [
            ("A_MAX", "1 << 4", "Most. LIMIT: so many."),
            ("B_MAX", "2", ""),
        ];
        assert_eq!(
            found,
            expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))
        );
    }

    #[test]
    fn inline_tests_begin_at_their_attribute() {
        assert_eq!(tests_begin("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
        assert_eq!(
            tests_begin("a\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n}\n"),
            1
        );
    }
}
