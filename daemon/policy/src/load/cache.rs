//! The key `cache`.

use super::{
    read::{Key, Object, Reader, Spot, Text},
    root::required,
    vocabulary as words,
};
use crate::{
    diagnostic::shown,
    manifest::cache::{Cache, Read, Write},
    node::Value,
};

/// Most tools of one list. LIMIT: far above any written by hand; they are looked at one after the other.
const TOOLS_MAX: usize = 1_000;

/// Longest time an answer may be kept, in seconds. LIMIT: a week; what is older is asked for anew.
const TTL_S_MAX: u64 = 604_800;

/// Longest name of a namespace, in bytes. LIMIT: it stands in every change that is told.
const NAMESPACE_BYTES_MAX: usize = 64;

pub(super) fn read(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Cache> {
    let spot = object.get("cache")?;
    let errors = reader.problems.len();
    let inner = reader.object(&spot, &[words::CACHE])?;
    let mut cache = Cache::default();
    for (tool, spot) in rows(reader, &inner, "reads") {
        cache.reads.extend(one_read(reader, tool, &spot));
    }
    for (tool, spot) in rows(reader, &inner, "writes") {
        cache.writes.extend(one_write(reader, tool, &spot));
    }
    if cache == Cache::default() && reader.problems.len() == errors {
        let help = format!("give {}, or take the key away", words::listed(words::CACHE));
        reader.error(&spot, "`cache` says nothing", help);
    }
    Some(cache)
}

fn rows<'n>(reader: &mut Reader<'_>, object: &Object<'n>, key: &str) -> Vec<(String, Spot<'n>)> {
    let Some(spot) = object.get(key) else {
        return Vec::new();
    };
    let rows = reader.table(&spot, "an object from tool to what it touches", Key::Tool);
    if rows.len() > TOOLS_MAX {
        reader.error(&spot, format!("more than {TOOLS_MAX} tools"), "");
        return Vec::new();
    }
    rows
}

fn one_read(reader: &mut Reader<'_>, tool: String, spot: &Spot<'_>) -> Option<Read> {
    let object = reader.object(spot, &[words::CACHE_READ])?;
    let ttl_s = object.get("ttl_s");
    let ttl_s = ttl_s.and_then(|spot| reader.whole(&spot, 1, TTL_S_MAX));
    let resources = resources(reader, &object);
    Some(Read {
        tool,
        namespace: namespace(reader, spot, &object)?,
        resources,
        ttl_s,
    })
}

fn one_write(reader: &mut Reader<'_>, tool: String, spot: &Spot<'_>) -> Option<Write> {
    let object = reader.object(spot, &[words::CACHE_WRITE])?;
    let resources = resources(reader, &object);
    Some(Write {
        tool,
        namespace: namespace(reader, spot, &object)?,
        resources,
    })
}

fn namespace(reader: &mut Reader<'_>, owner: &Spot<'_>, object: &Object<'_>) -> Option<String> {
    let spot = required(reader, owner, object, "namespace")?;
    let text = reader.text(&spot, Text::Plain)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.len() > NAMESPACE_BYTES_MAX || !text.bytes().all(plain) {
        let message = format!("`{}` is not a namespace", shown(&text));
        let help = format!("use letters, digits, `-`, `_` and `.`, at most {NAMESPACE_BYTES_MAX}");
        reader.error(&spot, message, help);
        return None;
    }
    Some(text)
}

fn resources(reader: &mut Reader<'_>, object: &Object<'_>) -> Vec<String> {
    let spot = object.get("resources");
    if let Some(spot) = &spot
        && spot.node.value == Value::List(Vec::new())
    {
        let help = "leave the key out for the whole namespace";
        reader.error(spot, "`resources` is an empty list", help);
    }
    reader.texts(spot, Text::Plain, true)
}
