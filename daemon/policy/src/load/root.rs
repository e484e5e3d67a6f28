//! The fields of a manifest outside `arg_rules`.

use std::collections::HashSet;

use fak_types::{Posture, Reason, SourceClass};

use super::{
    Origin, cache, flow,
    read::{COUNT_MAX, Key, Object, Reader, Spot, Text},
    rule, session, vocabulary as words,
};
use crate::{
    diagnostic::{Diagnostic, shown},
    manifest::{Bind, Manifest, RateKey, RateLimit, ShellArg},
    node::{Node, Value},
};

/// The version this build writes.
pub(crate) const VERSION: &str = "fak-policy/v1";

/// Longest name of a profile, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Reads what can be read of a manifest; everything else is a problem.
pub(super) fn read(tree: &Node, problems: &mut Vec<Diagnostic>) -> (Manifest, Origin) {
    let mut reader = Reader { problems };
    let mut origin = Origin::default();
    let root = Spot {
        node: tree,
        field: String::new(),
    };
    let Some(object) = reader.object(&root, &[words::MANIFEST]) else {
        return (Manifest::default(), origin);
    };
    version(&mut reader, &object);
    let manifest = Manifest {
        name: name(&mut reader, &object),
        bind: bind(&mut reader, &object),
        posture: posture(&mut reader, &object),
        allow: reader.texts(object.get("allow"), Text::Tool, false),
        allow_prefix: prefixes(&mut reader, &object),
        deny: deny(&mut reader, &object),
        self_modify_globs: reader.texts(object.get("self_modify_globs"), Text::Plain, false),
        redact_fields: reader.texts(object.get("redact_fields"), Text::Plain, false),
        shell: shell(&mut reader, &object, &mut origin.shell),
        arg_rules: rule::read(&mut reader, &object, &mut origin.arg_rules),
        rate_limit: rate_limit(&mut reader, &object, &mut origin.rate_limit),
        safe_sinks: reader.texts(object.get("safe_sinks"), Text::Tool, false),
        sources: sources(&mut reader, &object),
        lint_writes: object
            .get("lint_writes")
            .and_then(|spot| reader.boolean(&spot))
            .unwrap_or_default(),
        flow: flow::read(&mut reader, &object, &mut origin.endorse),
        approval: session::approval(&mut reader, &object),
        budget: session::budget(&mut reader, &object),
        cache: cache::read(&mut reader, &object),
    };
    warn_of_nothing(&mut reader, &root, &manifest);
    (manifest, origin)
}

fn warn_of_nothing(reader: &mut Reader<'_>, root: &Spot<'_>, manifest: &Manifest) {
    let grants = !manifest.allow.is_empty() || !manifest.allow_prefix.is_empty();
    if grants || manifest.posture == Some(Posture::Observe) {
        return;
    }
    let help = "name tools in `allow`, or beginnings of names in `allow_prefix`";
    let message = match manifest.posture {
        Some(Posture::AdmitAndLog) => "nothing is allowed: only read-shaped calls pass, by posture",
        _ => "nothing is allowed: this policy denies every call",
    };
    reader.warning(root, message, help);
}

fn version(reader: &mut Reader<'_>, object: &Object<'_>) {
    let Some(spot) = object.get("version") else {
        return;
    };
    let Some(text) = reader.text(&spot, Text::Plain) else {
        return;
    };
    let minor_ok = |minor: &str| {
        !minor.is_empty() && minor.len() <= 9 && minor.bytes().all(|byte| byte.is_ascii_digit())
    };
    let known = match text.strip_prefix(VERSION) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(minor_ok),
        None => false,
    };
    if !known {
        let message = format!(
            "a policy of version `{}`, which this build does not read",
            shown(&text)
        );
        reader.error(
            &spot,
            message,
            format!("this build reads `{VERSION}` and later minors, `{VERSION}.1`"),
        );
    }
}

fn name(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<String> {
    let spot = object.get("name")?;
    let text = reader.text(&spot, Text::Plain)?;
    let fits = text.len() <= NAME_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !fits {
        let help = format!("use letters, digits, `-` and `_`, at most {NAME_BYTES_MAX}");
        reader.error(
            &spot,
            format!("`{}` is not a profile's name", shown(&text)),
            help,
        );
        return None;
    }
    Some(text)
}

fn bind(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Bind> {
    let spot = object.get("bind")?;
    let inner = reader.object(&spot, &[words::BIND])?;
    if inner.present(words::BIND).is_empty() {
        reader.error(
            &spot,
            "`bind` binds nobody",
            format!("give {}", words::listed(words::BIND)),
        );
    }
    let mut ids = |key: &str| {
        let Some(spot) = inner.get(key) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        for item in reader.items(&spot, "a list of numbers", false) {
            // The largest id is the system calls' word for "no id".
            if let Some(id) = reader.whole_u32(&item, u32::MAX - 1) {
                values.push((id, item));
            }
        }
        if values.is_empty() {
            reader.error(
                &spot,
                format!("`{key}` is an empty list"),
                "take the key away",
            );
        }
        reader.without_repetition(values)
    };
    let (uids, gids) = (ids("uids"), ids("gids"));
    Some(Bind {
        uids,
        gids,
        keys: reader.texts(inner.get("keys"), Text::Plain, false),
    })
}

fn posture(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<Posture> {
    let spot = object.get("posture")?;
    reader.word(&spot, "posture", &words::postures(), Posture::parse)
}

/// Prefixes; the empty one, which allows everything, must be meant.
fn prefixes(reader: &mut Reader<'_>, object: &Object<'_>) -> Vec<String> {
    let Some(spot) = object.get("allow_prefix") else {
        return Vec::new();
    };
    let mut values = Vec::new();
    for item in reader.items(&spot, "a list of strings", false) {
        if item.node.value == Value::Text(String::new()) {
            values.push((String::new(), item));
        } else if let Some(text) = reader.text(&item, Text::Tool) {
            if text.ends_with('*') {
                let help = format!(
                    "write `{}`: every entry is a beginning",
                    shown(text.trim_end_matches('*'))
                );
                reader.error(&item, "a `*` in a prefix stands for itself", help);
                continue;
            }
            values.push((text, item));
        }
    }
    reader.without_repetition(values)
}

fn deny(reader: &mut Reader<'_>, object: &Object<'_>) -> Vec<(String, Reason)> {
    let Some(spot) = object.get("deny") else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (tool, reason) in reader.table(&spot, "an object from tool to word", Key::Tool) {
        if let Some(reason) = reader.word(&reason, "reason", &words::reasons(), words::reason) {
            rows.push((tool, reason));
        }
    }
    rows
}

fn sources(reader: &mut Reader<'_>, object: &Object<'_>) -> Vec<(String, SourceClass)> {
    let Some(spot) = object.get("sources") else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (tool, class) in reader.table(&spot, "an object from tool to word", Key::Tool) {
        if let Some(class) = reader.word(
            &class,
            "source class",
            &words::sources(),
            SourceClass::parse,
        ) {
            rows.push((tool, class));
        }
    }
    rows
}

/// A pattern for tools: exact, a prefix and `*`, or `*`.
pub(super) fn tool_pattern(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<String> {
    let text = reader.text(spot, Text::Tool)?;
    if text.strip_suffix('*').unwrap_or(&text).contains('*') {
        reader.error(
            spot,
            "a `*` stands only at the end of a tool pattern",
            "write `prefix*`, or `*` for every tool",
        );
        return None;
    }
    Some(text)
}

fn shell(reader: &mut Reader<'_>, object: &Object<'_>, origin: &mut Vec<usize>) -> Vec<ShellArg> {
    let Some(spot) = object.get("shell") else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for (index, item) in reader
        .items(&spot, "a list of objects", false)
        .into_iter()
        .enumerate()
    {
        let Some(inner) = reader.object(&item, &[words::SHELL]) else {
            continue;
        };
        let tool =
            required(reader, &item, &inner, "tool").and_then(|spot| tool_pattern(reader, &spot));
        let arg =
            required(reader, &item, &inner, "arg").and_then(|spot| reader.text(&spot, Text::Plain));
        let (Some(tool), Some(arg)) = (tool, arg) else {
            continue;
        };
        if !seen.insert((tool.to_ascii_lowercase(), arg.clone())) {
            reader.error(
                &item,
                "duplicate entry: this argument is shell text already",
                "take one away",
            );
            continue;
        }
        rows.push(ShellArg { tool, arg });
        origin.push(index);
    }
    rows
}

/// The value of a key that must be there.
pub(super) fn required<'n>(
    reader: &mut Reader<'_>,
    owner: &Spot<'_>,
    object: &Object<'n>,
    key: &str,
) -> Option<Spot<'n>> {
    let found = object.get(key);
    if found.is_none() {
        reader.error(
            owner,
            format!("`{key}` is missing"),
            format!("add the key `{key}`"),
        );
    }
    found
}

fn rate_limit(
    reader: &mut Reader<'_>,
    object: &Object<'_>,
    origin: &mut Vec<usize>,
) -> Vec<RateLimit> {
    let Some(spot) = object.get("rate_limit") else {
        return Vec::new();
    };
    let mut limits = Vec::new();
    for (index, item) in reader
        .items(&spot, "an object or a list of objects", true)
        .into_iter()
        .enumerate()
    {
        let Some(inner) = reader.object(&item, &[words::RATE]) else {
            continue;
        };
        let before = reader.problems.len();
        let limit = one_limit(reader, &inner);
        if limit.max_calls.is_none() && limit.max_cost.is_none() {
            if reader.problems.len() == before {
                reader.error(
                    &item,
                    "a quota that limits nothing",
                    "give `max_calls` or `max_cost`",
                );
            }
            continue;
        }
        if limits.contains(&limit) {
            reader.error(
                &item,
                "duplicate entry: this quota is declared already",
                "take one away",
            );
            continue;
        }
        limits.push(limit);
        origin.push(index);
    }
    limits
}

fn one_limit(reader: &mut Reader<'_>, inner: &Object<'_>) -> RateLimit {
    let mut cap = |key: &str, other: &str| {
        let spot = inner.get(key)?;
        // A zero beside a cap is how the first manifests spelled "no such cap".
        let zero = matches!(&spot.node.value, Value::Number(text) if text == "0");
        if zero && inner.get(other).is_some_and(|other| is_positive(&other)) {
            reader.warning(
                &spot,
                format!("`{key}` of 0 means no such cap"),
                "take the key away",
            );
            return None;
        }
        reader.whole(&spot, 1, COUNT_MAX)
    };
    let max_calls = cap("max_calls", "max_cost");
    let max_cost = cap("max_cost", "max_calls");
    let mut count = |key: &str| {
        inner
            .get(key)
            .and_then(|spot| reader.whole(&spot, 1, COUNT_MAX))
    };
    let (retry_after_ms, window_ms) = (count("retry_after_ms"), count("window_ms"));
    let keys: Vec<&str> = RateKey::ALL.into_iter().map(RateKey::as_str).collect();
    let key = inner
        .get("key")
        .and_then(|spot| reader.word(&spot, "quota key", &keys, RateKey::parse));
    RateLimit {
        max_calls,
        max_cost,
        key,
        retry_after_ms,
        window_ms,
    }
}

fn is_positive(spot: &Spot<'_>) -> bool {
    matches!(&spot.node.value, Value::Number(text) if text.parse::<u64>().is_ok_and(|value| value > 0))
}
