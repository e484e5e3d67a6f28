//! awk programs: which files they write, and whether they run commands.

/// What a program does beside printing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Files named literally behind `print >`.
    pub(super) writes: Vec<String>,
    /// Runs commands, or writes where a computed name says.
    pub(super) acts: bool,
}

pub(super) fn facts(program: &str) -> Facts {
    let mut facts = Facts::default();
    let bytes = program.as_bytes();
    let mut at = 0;
    let mut print_depth: Option<usize> = None;
    let mut depth = 0_usize;
    // Whether a `/` here starts a regular expression.
    let mut operand = false;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b' ' | b'\t' | b'\r' => continue,
            b'#' => {
                at += line_length(bytes, at);
                continue;
            }
            b'"' => {
                at = string_end(bytes, at, b'"');
                operand = true;
                continue;
            }
            b'/' if !operand => {
                at = string_end(bytes, at, b'/');
                operand = true;
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let start = at - 1;
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
                {
                    at += 1;
                }
                match program.get(start..at).unwrap_or("") {
                    "print" | "printf" => print_depth = Some(depth),
                    "system" => facts.acts = true,
                    _ => {}
                }
                operand = true;
                continue;
            }
            b'@' => facts.acts = true,
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' | b'}' | b'\n' => print_depth = None,
            b'|' if bytes.get(at) == Some(&b'|') => at += 1,
            b'|' => facts.acts = true,
            b'>' if print_depth == Some(depth) => {
                at += usize::from(bytes.get(at) == Some(&b'>'));
                match target(program, at) {
                    Some(name) => facts.writes.extend(name),
                    None => facts.acts = true,
                }
            }
            _ => {}
        }
        operand = matches!(byte, b')' | b']' | b'0'..=b'9' | b'$');
    }
    facts
}

/// The literal name behind `>`; `None` when it is computed, `Some(None)` for a standard stream.
fn target(program: &str, at: usize) -> Option<Option<String>> {
    let rest = program.get(at..)?.trim_start();
    let body = rest.strip_prefix('"')?;
    let end = body.find('"')?;
    let name = body.get(..end)?;
    let after = body.get(end + 1..)?.trim_start_matches([' ', '\t']);
    let alone = after.is_empty() || after.starts_with([';', '}', '\n']);
    if !alone || name.contains('\\') {
        return None;
    }
    let stream = matches!(name, "/dev/stdout" | "/dev/stderr" | "/dev/null" | "-");
    Some((!stream).then(|| name.to_owned()))
}

fn line_length(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
}

fn string_end(bytes: &[u8], mut at: usize, close: u8) -> usize {
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == b'\\' {
            at += 1;
        } else if byte == close {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_only_print() {
        for program in [
            "{print $1}",
            "$3 > 5 {print $1}",
            "{ if ($3 > 5) print $1 }",
            "/a|b/ {print}",
            "a || b",
            "{print ($1 > 2)}",
            "{print \"a | b > c\"}",
            "BEGIN{x=\"system\"} # system(\"x\")",
            "{print $1 > \"/dev/stderr\"}",
        ] {
            assert_eq!(facts(program), Facts::default(), "{program}");
        }
    }

    #[test]
    fn programs_that_act() {
        for program in [
            "BEGIN{system(\"id\")}",
            "{print | \"sh\"}",
            "{\"id\" | getline x}",
            "{print > $1}",
            "{print > \"a\" b}",
        ] {
            assert!(facts(program).acts, "{program}");
        }
        assert_eq!(facts("{print > \"out\"}").writes, ["out"]);
        assert_eq!(facts("{printf \"%s\", $1 >> \"out\"; x}").writes, ["out"]);
    }
}
