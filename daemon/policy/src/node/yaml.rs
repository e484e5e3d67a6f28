//! YAML events to the tree.
//!
//! A manifest uses the part of YAML that means the same to every reader: block and flow collections,
//! plain, quoted and block scalars, comments. Anchors, aliases, merge keys, tags and further documents are
//! refused where they stand: they make a file say something else than it shows.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::{
    DEPTH_MAX, Member, Node, Place, Seen, VALUES_MAX, Value, add_member, fault, is_json_number,
};
use crate::diagnostic::{Diagnostic, shown};

/// Reads the one document of a YAML text.
pub(super) fn read(text: &str, problems: &mut Vec<Diagnostic>) -> Result<Node, Diagnostic> {
    if text.starts_with('\u{feff}') {
        let help = "save the file as UTF-8 without a byte order mark";
        return Err(fault(
            Place { line: 1, column: 1 },
            "not YAML: starts with a byte order mark",
            help,
        ));
    }
    let mut builder = Builder {
        open: Vec::new(),
        root: None,
        values: 0,
        documents: 0,
        problems,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| scan_fault(&error))?;
        if matches!(event, Event::StreamEnd) {
            break;
        }
        builder.event(event, place(&span.start))?;
    }
    Ok(builder.root.unwrap_or(Node {
        place: Place { line: 1, column: 1 },
        value: Value::Null,
    }))
}

fn scan_fault(error: &ScanError) -> Diagnostic {
    fault(
        place(error.marker()),
        format!("not YAML: {}", shown(error.info())),
        "",
    )
}

fn place(marker: &Marker) -> Place {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Place {
        line: count(marker.line()),
        column: count(marker.col()).saturating_add(1),
    }
}

/// A collection whose end has not been seen.
enum Open {
    List {
        place: Place,
        items: Vec<Node>,
    },
    Map {
        place: Place,
        members: Vec<Member>,
        seen: Seen,
        key: Option<(String, Place)>,
    },
}

struct Builder<'p> {
    open: Vec<Open>,
    root: Option<Node>,
    values: usize,
    documents: usize,
    problems: &'p mut Vec<Diagnostic>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Diagnostic> {
        match event {
            Event::Alias(_) => Err(fault(
                place,
                "a policy holds no YAML aliases",
                "write the value again in full",
            )),
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_node(place, anchor, tag.is_some())?;
                self.scalar(&text, style, place)
            }
            Event::SequenceStart(anchor, tag) => {
                self.plain_node(place, anchor, tag.is_some())?;
                self.start(
                    Open::List {
                        place,
                        items: Vec::new(),
                    },
                    place,
                )
            }
            Event::MappingStart(anchor, tag) => {
                self.plain_node(place, anchor, tag.is_some())?;
                self.start(
                    Open::Map {
                        place,
                        members: Vec::new(),
                        seen: Seen::new(),
                        key: None,
                    },
                    place,
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(fault(
                        place,
                        "a second YAML document starts here",
                        "one file holds one policy",
                    ));
                }
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn plain_node(&mut self, place: Place, anchor: usize, tagged: bool) -> Result<(), Diagnostic> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(fault(place, format!("more than {VALUES_MAX} values"), ""));
        }
        if anchor != 0 {
            return Err(fault(
                place,
                "a policy holds no YAML anchors",
                "write the value in full where it is used",
            ));
        }
        if tagged {
            return Err(fault(
                place,
                "a policy holds no YAML tags",
                "take the tag away; quotes make a string",
            ));
        }
        Ok(())
    }

    fn start(&mut self, open: Open, place: Place) -> Result<(), Diagnostic> {
        if matches!(self.open.last(), Some(Open::Map { key: None, .. })) {
            return Err(fault(
                place,
                "a list or an object stands as a key",
                "keys are strings",
            ));
        }
        if self.open.len() > DEPTH_MAX {
            return Err(fault(
                place,
                format!("nested deeper than {DEPTH_MAX} levels"),
                "",
            ));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        let node = match self.open.pop() {
            Some(Open::List { place, items }) => Node {
                place,
                value: Value::List(items),
            },
            Some(Open::Map { place, members, .. }) => Node {
                place,
                value: Value::Map(members),
            },
            None => return Ok(()),
        };
        self.put(node);
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, place: Place) -> Result<(), Diagnostic> {
        let plain = style == ScalarStyle::Plain;
        if let Some(Open::Map {
            key: key @ None, ..
        }) = self.open.last_mut()
        {
            if plain && text == "<<" {
                return Err(fault(
                    place,
                    "a policy holds no YAML merge keys",
                    "write the keys in full",
                ));
            }
            if plain && !matches!(resolve(text, place)?, Value::Text(_)) {
                let message = format!("the key `{}` is not a string", shown(text));
                return Err(fault(place, message, "put it in quotes"));
            }
            *key = Some((text.to_owned(), place));
            return Ok(());
        }
        let value = if plain {
            resolve(text, place)?
        } else {
            Value::Text(text.to_owned())
        };
        self.put(Node { place, value });
        Ok(())
    }

    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map {
                members, seen, key, ..
            }) => {
                if let Some((key, place)) = key.take() {
                    add_member(members, seen, Member { key, place, node }, self.problems);
                }
            }
            None => self.root = Some(node),
        }
    }
}

/// What a plain scalar is in the core schema. Numbers must be written as JSON writes them.
fn resolve(text: &str, place: Place) -> Result<Value, Diagnostic> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    if is_json_number(text) {
        return Ok(Value::Number(text.to_owned()));
    }
    if is_other_number(text) {
        let message = format!(
            "`{}` is a number in a form that readers disagree about",
            shown(text)
        );
        return Err(fault(
            place,
            message,
            "write it in plain decimal, or in quotes when it is a string",
        ));
    }
    Ok(Value::Text(text.to_owned()))
}

/// Whether YAML readers may take this for a number although JSON would not.
fn is_other_number(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = rest.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan") {
        return true;
    }
    let digits = |text: &str, radix: u32| {
        text.chars().any(|c| c.is_digit(radix))
            && text.chars().all(|c| c.is_digit(radix) || c == '_')
    };
    if let Some((prefix, radix)) = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find(|p| lower.starts_with(p.0))
    {
        return lower
            .strip_prefix(prefix)
            .is_some_and(|tail| digits(tail, radix));
    }
    // `007`, `+1`, `1_000`, `.5`, `1.`, `1e5` with odd signs.
    let starts_like_one = rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let mantissa = lower.split(['e']).next().unwrap_or_default();
    starts_like_one
        && mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().filter(|b| *b == b'.').count() <= 1
        && lower.bytes().filter(|b| *b == b'e').count() <= 1
        && lower
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'_' | b'+' | b'-' | b'e'))
        && !rest.get(1..).is_some_and(is_dash_separated)
}

/// Whether a sign stands somewhere else than after an `e`: `2024-01-02` is a string.
fn is_dash_separated(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let separated = matches!(c, '-' | '+') && !matches!(before, 'e' | 'E');
        before = c;
        separated
    })
}
