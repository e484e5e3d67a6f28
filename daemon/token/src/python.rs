//! Values as Python writes them, for templates that were written for Python.

use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, ValueKind},
};

/// LIMIT: How deep values may hold values when they are written out.
const DEPTH_MAX: usize = 128;

fn deep() -> Error {
    Error::new(ErrorKind::InvalidOperation, "a value is nested too deep")
}

/// `str(value)`.
pub(crate) fn text(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    if value.is_undefined() {
        return Ok(String::new());
    }
    let mut out = String::new();
    repr(value, 0, &mut out)?;
    Ok(out)
}

/// `repr(value)`, appended.
fn repr(value: &Value, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(deep());
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Map => {
            out.push('{');
            for (at, key) in value.try_iter()?.enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                repr(&key, depth + 1, out)?;
                out.push_str(": ");
                repr(&value.get_item(&key)?, depth + 1, out)?;
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, item) in value.try_iter()?.enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                repr(&item, depth + 1, out)?;
            }
            out.push(']');
        }
        _ => out.push_str(&value.to_string()),
    }
    Ok(())
}

/// A text between quotes: single ones unless that would need an escape and double ones would not.
fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// A number: integers as they are, floats with a point or an exponent, in the fewest digits that mean it.
fn number(value: &Value) -> String {
    let Ok(float) = f64::try_from(value.clone()) else {
        return value.to_string();
    };
    if value.is_integer() {
        return value.to_string();
    }
    if !float.is_finite() {
        let name = if float.is_nan() { "nan" } else { "inf" };
        return if float < 0.0 {
            format!("-{name}")
        } else {
            name.to_owned()
        };
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => {
            let plain = format!("{float}");
            if plain.contains('.') {
                plain
            } else {
                format!("{plain}.0")
            }
        }
    }
}

/// How `json.dumps` was asked to write.
struct Style {
    indent: Option<usize>,
    item: String,
    key: String,
    sorted: bool,
    ascii: bool,
}

/// LIMIT: Spaces a template may indent by.
const INDENT_MAX: usize = 32;

/// The filter `tojson`: `json.dumps(value, ensure_ascii=False, ..)`.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a filter")]
pub(crate) fn tojson(value: Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent = kwargs.get::<Option<usize>>("indent")?;
    if indent.is_some_and(|indent| indent > INDENT_MAX) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "tojson: indent is too large",
        ));
    }
    let separators = kwargs.get::<Option<Vec<String>>>("separators")?;
    let default_item = if indent.is_some() { "," } else { ", " };
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "tojson: separators are two",
            ));
        }
        None => (default_item.to_owned(), ": ".to_owned()),
    };
    let style = Style {
        indent,
        item,
        key,
        sorted: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
    };
    kwargs.assert_all_used()?;
    let mut out = String::new();
    json(&value, &style, 0, &mut out)?;
    Ok(out)
}

fn json(value: &Value, style: &Style, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(deep());
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(match number(value).as_str() {
            "nan" => "NaN",
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            plain => plain,
        }),
        ValueKind::String => json_text(value.as_str().unwrap_or_default(), style.ascii, out),
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter()?.collect();
            if style.sorted {
                keys.sort();
            }
            let count = keys.len();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                item(at, style, depth, out);
                // Keys are texts in JSON, whatever they were.
                let name = match key.as_str() {
                    Some(name) => name.to_owned(),
                    None => {
                        let mut name = String::new();
                        json(&key, style, depth + 1, &mut name)?;
                        name
                    }
                };
                json_text(&name, style.ascii, out);
                out.push_str(&style.key);
                json(&value.get_item(&key)?, style, depth + 1, out)?;
            }
            close(count, style, depth, out);
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut count = 0;
            out.push('[');
            for (at, one) in value.try_iter()?.enumerate() {
                item(at, style, depth, out);
                json(&one, style, depth + 1, out)?;
                count = at + 1;
            }
            close(count, style, depth, out);
            out.push(']');
        }
        kind => {
            let text = format!("tojson: {kind} is not JSON");
            return Err(Error::new(ErrorKind::BadSerialization, text));
        }
    }
    Ok(())
}

/// What stands before an item.
fn item(at: usize, style: &Style, depth: usize, out: &mut String) {
    if at > 0 {
        out.push_str(&style.item);
    }
    line(style, depth + 1, out);
}

/// What stands behind the last one.
fn close(count: usize, style: &Style, depth: usize, out: &mut String) {
    if count > 0 {
        line(style, depth, out);
    }
}

fn line(style: &Style, depth: usize, out: &mut String) {
    if let Some(indent) = style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * depth));
    }
}

fn json_text(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || (ascii && !c.is_ascii()) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
