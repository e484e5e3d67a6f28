//! The key `flow`: sources, sinks, endorsement.

use super::{
    read::{Key, Object, Reader, Spot, Text},
    root::required,
    vocabulary as words,
};
use crate::manifest::flow::{
    Allow, Answer, Control, Endorse, Field, Flow, Sink, Source, Text as Free, Trust,
};
use crate::node::Value;

/// Most entries of one list of `flow`. LIMIT: far above any written by hand; prefixes are tried one after the other.
const ENTRIES_MAX: usize = 1_000;

/// Reads what can be read; `origin` gets the index of each entry of `endorse` in the file.
pub(super) fn read(
    reader: &mut Reader<'_>,
    object: &Object<'_>,
    origin: &mut Vec<usize>,
) -> Option<Flow> {
    let spot = object.get("flow")?;
    let errors = reader.problems.len();
    let inner = reader.object(&spot, &[words::FLOW])?;
    let flow = Flow {
        sources: entries(reader, &inner, "sources", source),
        sinks: entries(reader, &inner, "sinks", sink),
        endorse: endorse(reader, &inner, origin),
    };
    if flow == Flow::default() && reader.problems.len() == errors {
        let help = format!("give {}, or take the key away", words::listed(words::FLOW));
        reader.error(&spot, "`flow` says nothing", help);
    }
    Some(flow)
}

/// The entries of an object from tool to what is said of it.
fn entries<T>(
    reader: &mut Reader<'_>,
    object: &Object<'_>,
    key: &str,
    one: fn(&mut Reader<'_>, String, &Spot<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(spot) = object.get(key) else {
        return Vec::new();
    };
    let rows = reader.table(&spot, "an object from tool to rule", Key::Pattern);
    if rows.len() > ENTRIES_MAX {
        reader.error(&spot, format!("more than {ENTRIES_MAX} entries"), "");
        return Vec::new();
    }
    let mut read = Vec::new();
    for (tool, spot) in rows {
        read.extend(one(reader, tool, &spot));
    }
    read
}

fn source(reader: &mut Reader<'_>, tool: String, spot: &Spot<'_>) -> Option<Source> {
    let errors = reader.problems.len();
    let object = reader.object(spot, &[words::FLOW_SOURCE])?;
    if object.present(words::FLOW_SOURCE).is_empty() && reader.problems.len() == errors {
        let help = format!("give {}", words::listed(words::FLOW_SOURCE));
        reader.error(spot, "a source of which nothing is said", help);
    }
    let otherwise = object.get("otherwise");
    let mut fields = Vec::new();
    if let Some(spot) = object.get("fields") {
        for (at, spot) in reader.table(&spot, "an object from selector to field", Key::Field) {
            fields.extend(field(reader, at, &spot));
        }
    }
    Some(Source {
        tool,
        otherwise: otherwise.and_then(|spot| trust(reader, &spot)),
        fields,
    })
}

fn trust(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<Trust> {
    reader.word(spot, "trust", &words::trusts(), Trust::parse)
}

/// A field; the word alone stands for the object with nothing but `trust`.
fn field(reader: &mut Reader<'_>, at: String, spot: &Spot<'_>) -> Option<Field> {
    if let Value::Text(_) = spot.node.value {
        let trust = Some(trust(reader, spot)?);
        return Some(Field {
            at,
            trust,
            ..Field::default()
        });
    }
    let errors = reader.problems.len();
    let object = reader.object(spot, &[words::FLOW_FIELD])?;
    let mut flag = |key: &str| {
        let spot = object.get(key);
        spot.and_then(|spot| reader.boolean(&spot))
            .unwrap_or_default()
    };
    let (confidential, attested, naming) = (flag("confidential"), flag("attested"), flag("naming"));
    let field = Field {
        at,
        trust: object.get("trust").and_then(|spot| trust(reader, &spot)),
        class: object
            .get("class")
            .and_then(|spot| reader.text(&spot, Text::Plain)),
        confidential,
        attested,
        naming,
    };
    let silent = Field {
        at: field.at.clone(),
        ..Field::default()
    };
    if field == silent && reader.problems.len() == errors {
        let help = format!("give {}", words::listed(words::FLOW_FIELD));
        reader.error(spot, "a field of which nothing is said", help);
    }
    Some(field)
}

fn sink(reader: &mut Reader<'_>, tool: String, spot: &Spot<'_>) -> Option<Sink> {
    let object = reader.object(spot, &[words::FLOW_SINK])?;
    let asked_by = asked_by(reader, &object);
    if let Some(spot) = object.get("unasked").filter(|_| asked_by.is_empty()) {
        reader.error(
            &spot,
            "an answer to what cannot be: every call counts as asked for",
            "say in `asked_by` by which words a user asks for the tool",
        );
    }
    let mut controls = Vec::new();
    let mut texts = Vec::new();
    if let Some(spot) = object.get("controls") {
        for (at, spot) in reader.table(&spot, "an object from selector to rule", Key::Selector) {
            controls.extend(control(reader, at, &spot));
        }
    }
    if let Some(spot) = object.get("texts") {
        for (at, spot) in reader.table(&spot, "an object from selector to rule", Key::Selector) {
            texts.extend(text(reader, at, &spot));
        }
    }
    Some(Sink {
        tool,
        controls,
        texts,
        asked_by,
        unasked: answer(reader, &object, "unasked", Answer::Deny),
        count_max: count(reader, &object, "count_max"),
    })
}

fn answer(reader: &mut Reader<'_>, object: &Object<'_>, key: &str, absent: Answer) -> Answer {
    let spot = object.get(key);
    let read = spot.and_then(|spot| reader.word(&spot, "answer", &words::answers(), Answer::parse));
    read.unwrap_or(absent)
}

fn count(reader: &mut Reader<'_>, object: &Object<'_>, key: &str) -> Option<u32> {
    let read = reader.whole(&object.get(key)?, 1, u64::from(u32::MAX))?;
    u32::try_from(read).ok()
}

/// One group of words, or a list of groups.
fn asked_by(reader: &mut Reader<'_>, object: &Object<'_>) -> Vec<Vec<String>> {
    let Some(spot) = object.get("asked_by") else {
        return Vec::new();
    };
    let items = reader.items(&spot, "a list of words", true);
    if items.is_empty() {
        reader.error(&spot, "`asked_by` is an empty list", "take the key away");
    }
    let grouped = |item: &Spot<'_>| matches!(item.node.value, Value::List(_));
    if !items.iter().any(grouped) {
        return vec![reader.texts(Some(spot), Text::Plain, true)];
    }
    let mut groups = Vec::new();
    for item in items {
        if !grouped(&item) {
            let help = "write a list of words, or a list of lists of words";
            reader.error(&item, "a word beside groups of words", help);
            continue;
        }
        if item.node.value == Value::List(Vec::new()) {
            reader.error(&item, "no word asks for the tool", "list at least one");
        }
        groups.push(reader.texts(Some(item), Text::Plain, false));
    }
    groups
}

fn control(reader: &mut Reader<'_>, at: String, spot: &Spot<'_>) -> Option<Control> {
    let object = reader.object(spot, &[words::FLOW_CONTROL])?;
    let class = reader.texts(object.get("class"), Text::Plain, true);
    if let Some(spot) = object.get("class")
        && spot.node.value == Value::List(Vec::new())
    {
        let help = "leave the key out for values of any class";
        reader.error(&spot, "`class` is an empty list", help);
    }
    let taint_wins = object.get("taint_wins");
    Some(Control {
        at,
        class,
        tainted: answer(reader, &object, "tainted", Answer::Deny),
        own: answer(reader, &object, "own", Answer::Deny),
        allow: allow(reader, &object),
        taint_wins: taint_wins
            .and_then(|spot| reader.boolean(&spot))
            .unwrap_or_default(),
    })
}

/// Exact values, and objects that name how a value ends.
fn allow(reader: &mut Reader<'_>, object: &Object<'_>) -> Vec<Allow> {
    let Some(spot) = object.get("allow") else {
        return Vec::new();
    };
    let mut values: Vec<Allow> = Vec::new();
    for item in reader.items(&spot, "a list of values", true) {
        let read = if let Value::Map(_) = item.node.value {
            let Some(object) = reader.object(&item, &[words::FLOW_ALLOW]) else {
                continue;
            };
            required(reader, &item, &object, "suffix")
                .and_then(|spot| reader.text(&spot, Text::Plain))
                .map(Allow::Suffix)
        } else {
            reader.text(&item, Text::Plain).map(Allow::Exact)
        };
        let Some(read) = read else { continue };
        if values.contains(&read) {
            let message = "duplicate entry: this value is allowed already";
            reader.error(&item, message, "take one away");
        } else {
            values.push(read);
        }
    }
    values
}

fn text(reader: &mut Reader<'_>, at: String, spot: &Spot<'_>) -> Option<Free> {
    let object = reader.object(spot, &[words::FLOW_TEXT])?;
    Some(Free {
        at,
        links: answer(reader, &object, "links", Answer::Allow),
        confidential: answer(reader, &object, "confidential", Answer::Allow),
        copied: answer(reader, &object, "copied", Answer::Allow),
    })
}

fn endorse(reader: &mut Reader<'_>, object: &Object<'_>, origin: &mut Vec<usize>) -> Vec<Endorse> {
    let Some(spot) = object.get("endorse") else {
        return Vec::new();
    };
    let items = reader.items(&spot, "a list of objects", false);
    if items.len() > ENTRIES_MAX {
        reader.error(&spot, format!("more than {ENTRIES_MAX} entries"), "");
        return Vec::new();
    }
    let mut rules = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let Some(rule) = one_endorse(reader, &item) else {
            continue;
        };
        let same = |other: &Endorse| {
            (&other.tool, &other.field, &other.class) == (&rule.tool, &rule.field, &rule.class)
        };
        if rules.iter().any(same) {
            let message = "duplicate entry: a rule for this tool, field and class stands before";
            reader.error(&item, message, "keep one of the two");
            continue;
        }
        rules.push(rule);
        origin.push(index);
    }
    rules
}

fn one_endorse(reader: &mut Reader<'_>, item: &Spot<'_>) -> Option<Endorse> {
    let object = reader.object(item, &[words::FLOW_ENDORSE])?;
    let tool =
        required(reader, item, &object, "tool").and_then(|spot| reader.text(&spot, Text::Tool));
    let class =
        required(reader, item, &object, "class").and_then(|spot| reader.text(&spot, Text::Plain));
    // Any field must be meant, so it is written as the empty one.
    let field = required(reader, item, &object, "field").and_then(|spot| match &spot.node.value {
        Value::Text(text) if text.is_empty() => Some(String::new()),
        _ => reader.text(&spot, Text::Plain),
    });
    let mut flag = |key: &str| {
        let spot = object.get(key);
        spot.and_then(|spot| reader.boolean(&spot))
            .unwrap_or_default()
    };
    let (pointed, ask) = (flag("pointed"), flag("ask"));
    Some(Endorse {
        tool: tool?,
        field: field?,
        class: class?,
        uses: count(reader, &object, "uses"),
        pointed,
        ask,
    })
}

#[cfg(test)]
mod tests;
