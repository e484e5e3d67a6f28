//! The entries of `arg_rules`.

use super::{
    read::{COUNT_MAX, Object, Reader, Spot, Text},
    root::{required, tool_pattern},
    vocabulary as words,
};
use crate::{
    diagnostic::shown,
    manifest::{Access, AddressClass, ArgRule, ArgvRule, HostRule, Matcher, PathRule},
    node::Value,
};

/// Most rules of one manifest. LIMIT: far above any written by hand.
const RULES_MAX: usize = 10_000;

/// Reads the rules that can be read; `origin` gets the index of each in the file.
pub(super) fn read(
    reader: &mut Reader<'_>,
    object: &Object<'_>,
    origin: &mut Vec<usize>,
) -> Vec<ArgRule> {
    let Some(spot) = object.get("arg_rules") else {
        return Vec::new();
    };
    let items = reader.items(&spot, "a list of objects", false);
    if items.len() > RULES_MAX {
        reader.error(&spot, format!("more than {RULES_MAX} rules"), "");
        return Vec::new();
    }
    let mut rules = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let errors = reader.problems.len();
        if let Some(rule) = one(reader, &item) {
            // A rule with any problem is left out: half a rule would be judged as another rule.
            if reader.problems.len() == errors {
                rules.push(rule);
                origin.push(index);
            }
        }
    }
    rules
}

fn one(reader: &mut Reader<'_>, item: &Spot<'_>) -> Option<ArgRule> {
    let object = reader.object(item, &[words::RULE, words::MATCHERS])?;
    let name = object.get("name").and_then(|spot| name(reader, &spot));
    let tool = required(reader, item, &object, "tool").and_then(|spot| tool_pattern(reader, &spot));
    let arg =
        required(reader, item, &object, "arg").and_then(|spot| reader.text(&spot, Text::Plain));
    let reason = object
        .get("reason")
        .and_then(|spot| reader.word(&spot, "reason", &words::reasons(), words::reason));
    let witness = |text: &str| match text {
        "DENY" => Some(false),
        "REQUIRE_WITNESS" => Some(true),
        _ => None,
    };
    let verdict = object
        .get("verdict")
        .and_then(|spot| reader.word(&spot, "verdict", words::VERDICTS, witness));
    let claims = object.get("witness");
    if let Some(spot) = &claims
        && spot.node.value == Value::List(Vec::new())
    {
        let help = "leave the key out for a witness of nothing in particular";
        reader.error(spot, "`witness` is an empty list", help);
    }
    let witness = reader.texts(claims, Text::Plain, true);
    let hint = object
        .get("hint")
        .and_then(|spot| reader.text(&spot, Text::Plain));
    let must = object
        .get("required")
        .and_then(|spot| reader.boolean(&spot));
    let matcher = matcher(reader, item, &object);
    Some(ArgRule {
        name,
        tool: tool?,
        arg: arg?,
        matcher: matcher?,
        reason,
        require_witness: verdict.unwrap_or_default(),
        witness,
        hint,
        required: must.unwrap_or_default(),
    })
}

/// A rule's name ends up in `by`, where `/` and blanks would mislead.
fn name(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<String> {
    let text = reader.text(spot, Text::Plain)?;
    let fits = text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !fits || text.bytes().all(|byte| byte.is_ascii_digit()) {
        let help = "use letters, digits, `-`, `_` and `.`, at most 64, not digits alone";
        reader.error(
            spot,
            format!("`{}` is not a rule's name", shown(&text)),
            help,
        );
        return None;
    }
    Some(text)
}

fn matcher(reader: &mut Reader<'_>, item: &Spot<'_>, object: &Object<'_>) -> Option<Matcher> {
    let present = object.present(words::MATCHERS);
    let key = match present.as_slice() {
        [one] => *one,
        [] => {
            let help = format!("give one of {}", words::listed(words::MATCHERS));
            reader.error(item, "a rule without a matcher", help);
            return None;
        }
        [first, rest @ ..] => {
            let message = format!(
                "a rule with {} matchers: {}",
                present.len(),
                words::listed(&present).replace(" or ", " and ")
            );
            let second = rest.first().copied().unwrap_or(first);
            // The one that stands later in the file is the one too many.
            let place = object.key_place(first).max(object.key_place(second));
            reader.at(
                place,
                &item.field,
                message,
                "keep one here and give each other one a rule of its own",
            );
            return None;
        }
    };
    let spot = object.get(key)?;
    match key {
        "deny_regex" => reader.text(&spot, Text::Regex).map(Matcher::DenyRegex),
        "allow_glob" => reader.text(&spot, Text::Plain).map(Matcher::AllowGlob),
        "max_bytes" => reader.whole(&spot, 1, COUNT_MAX).map(Matcher::MaxBytes),
        "max_len" => reader.whole(&spot, 1, COUNT_MAX).map(Matcher::MaxLen),
        "range" => range(reader, &spot),
        "one_of" => one_of(reader, &spot).map(Matcher::OneOf),
        "path" => path(reader, &spot).map(Matcher::Path),
        "host" => host(reader, &spot).map(Matcher::Host),
        "url" => host(reader, &spot).map(Matcher::Url),
        "schema" => schema(reader, &spot).map(Matcher::Schema),
        _ => argv(reader, &spot).map(Matcher::Argv),
    }
}

fn range(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<Matcher> {
    let object = reader.object(spot, &[words::RANGE])?;
    let before = reader.problems.len();
    let min = object.get("min").and_then(|spot| reader.decimal(&spot));
    let max = object.get("max").and_then(|spot| reader.decimal(&spot));
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
    match (number(&min), number(&max)) {
        // Rounding keeps the order, so this never refuses bounds that are in order.
        (Some(low), Some(high)) if low > high => {
            reader.error(
                spot,
                "`min` is greater than `max`: no number is allowed",
                "exchange the bounds",
            );
        }
        (None, None) if reader.problems.len() == before => {
            reader.error(spot, "a range without bounds", "give `min`, `max` or both");
        }
        _ => {}
    }
    Some(Matcher::Range { min, max })
}

fn one_of(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<Vec<serde_json::Value>> {
    let items = reader.items(spot, "a list of values", false);
    if items.is_empty() && matches!(spot.node.value, Value::List(_)) {
        reader.error(
            spot,
            "an empty list: no value is allowed",
            "list the values that are, or deny the tool",
        );
    }
    let mut values = Vec::new();
    for item in items {
        if let Some(value) = reader.json(&item) {
            values.push((value, item));
        }
    }
    Some(reader.without_repetition(values))
}

fn schema(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<serde_json::Value> {
    match spot.node.value {
        Value::Map(_) => reader.json(spot),
        _ => {
            let message = format!(
                "`schema` must be a JSON Schema object, this is {}",
                spot.node.value.kind()
            );
            reader.error(spot, message, "");
            None
        }
    }
}

fn words_of<T: Copy>(
    reader: &mut Reader<'_>,
    spot: Option<Spot<'_>>,
    what: &str,
    all: &[&str],
    parse: impl Fn(&str) -> Option<T>,
    show: impl Fn(T) -> &'static str,
) -> Vec<T> {
    let Some(spot) = spot else { return Vec::new() };
    let mut values = Vec::new();
    for item in reader.items(&spot, "a list of words", true) {
        if let Some(value) = reader.word(&item, what, all, &parse) {
            values.push((show(value), item));
        }
    }
    reader
        .without_repetition(values)
        .into_iter()
        .filter_map(parse)
        .collect()
}

fn path(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<PathRule> {
    let object = reader.object(spot, &[words::PATH])?;
    if object.present(&["roots", "deny"]).is_empty() {
        reader.error(
            spot,
            "a path rule that refuses nothing",
            "give `roots`, `deny` or both",
        );
    }
    let accesses: Vec<&str> = Access::ALL.into_iter().map(Access::as_str).collect();
    let roots = reader.texts(object.get("roots"), Text::Plain, true);
    if let Some(spot) = object.get("roots") {
        for root in roots.iter().filter(|root| !is_root(root)) {
            let message = format!("`{}` is not a root", shown(root));
            reader.error(
                &spot,
                message,
                "a root is absolute, `~`, `~/...`, `.`, `./...` or `$`, without `..`",
            );
        }
        if roots.is_empty() && matches!(spot.node.value, Value::List(_)) {
            reader.error(
                &spot,
                "an empty list of roots",
                "leave the key out to govern by `deny` alone",
            );
        }
    }
    Some(PathRule {
        roots,
        deny: reader.texts(object.get("deny"), Text::Plain, true),
        access: words_of(
            reader,
            object.get("access"),
            "access",
            &accesses,
            Access::parse,
            Access::as_str,
        ),
    })
}

fn is_root(root: &str) -> bool {
    let based = root == "."
        || root == "$"
        || root == "~"
        || root.starts_with('/')
        || root.starts_with("~/")
        || root.starts_with("./");
    based && !root.split('/').any(|part| part == "..")
}

fn host(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<HostRule> {
    let object = reader.object(spot, &[words::HOST])?;
    if object.present(words::HOST).is_empty() {
        reader.error(
            spot,
            "a rule without conditions",
            format!("give {}", words::listed(words::HOST)),
        );
    }
    let mut ports = Vec::new();
    if let Some(spot) = object.get("ports") {
        for item in reader.items(&spot, "a list of ports", true) {
            let port = reader
                .whole(&item, 1, u64::from(u16::MAX))
                .and_then(|port| u16::try_from(port).ok());
            ports.extend(port.map(|port| (port, item)));
        }
    }
    let schemes = reader.texts(object.get("schemes"), Text::Plain, true);
    if let Some(spot) = object.get("schemes") {
        for scheme in schemes.iter().filter(|scheme| !is_scheme(scheme)) {
            let help = "write the scheme alone in lower case, for example `https`";
            reader.error(&spot, format!("`{}` is not a scheme", shown(scheme)), help);
        }
    }
    for key in ["allow", "schemes", "ports"] {
        if let Some(spot) = object
            .get(key)
            .filter(|spot| spot.node.value == Value::List(Vec::new()))
        {
            reader.error(
                &spot,
                format!("`{key}` is an empty list"),
                "leave the key out to allow any",
            );
        }
    }
    let classes = words::address_classes();
    let denied = object.get("deny_classes");
    Some(HostRule {
        allow: reader.texts(object.get("allow"), Text::Plain, true),
        deny: reader.texts(object.get("deny"), Text::Plain, true),
        deny_classes: words_of(
            reader,
            denied,
            "address class",
            &classes,
            AddressClass::parse,
            AddressClass::as_str,
        ),
        schemes,
        ports: reader.without_repetition(ports),
        userinfo: object
            .get("userinfo")
            .and_then(|spot| reader.boolean(&spot))
            .unwrap_or_default(),
    })
}

fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

fn argv(reader: &mut Reader<'_>, spot: &Spot<'_>) -> Option<ArgvRule> {
    let object = reader.object(spot, &[words::ARGV])?;
    if let Some(program) = required(reader, spot, &object, "program")
        && program.node.value == Value::List(Vec::new())
    {
        reader.error(
            &program,
            "`program` is an empty list",
            "name at least one program",
        );
    }
    let mut list = |key: &str| reader.texts(object.get(key), Text::Plain, true);
    let mut rule = ArgvRule {
        program: list("program"),
        sub: list("sub"),
        sub2: list("sub2"),
        any_flag: list("any_flag"),
        all_flags: list("all_flags"),
        unless_flag: list("unless_flag"),
        any_operand: list("any_operand"),
        unless_operand: list("unless_operand"),
        any_setting: list("any_setting"),
        unless_setting: list("unless_setting"),
        ..ArgvRule::default()
    };
    rule.min_operands = object
        .get("min_operands")
        .and_then(|spot| reader.whole_u32(&spot, u32::MAX));
    rule.max_operands = object
        .get("max_operands")
        .and_then(|spot| reader.whole_u32(&spot, u32::MAX));
    rule.foreground = object
        .get("foreground")
        .and_then(|spot| reader.boolean(&spot))
        .unwrap_or_default();
    argv_forms(reader, &object, &rule);
    if let (Some(min), Some(max)) = (rule.min_operands, rule.max_operands)
        && min > max
    {
        reader.error(
            spot,
            "`min_operands` is greater than `max_operands`: the rule never matches",
            "",
        );
    }
    Some(rule)
}

/// Words of an argv rule that could never match.
fn argv_forms(reader: &mut Reader<'_>, object: &Object<'_>, rule: &ArgvRule) {
    let mut each = |key: &str, words: &[String], fits: &dyn Fn(&str) -> bool, help: &str| {
        let Some(spot) = object.get(key) else { return };
        for item in reader.items(&spot, "a list of strings", true) {
            let Value::Text(text) = &item.node.value else {
                continue;
            };
            if words.contains(text) && !fits(text) {
                reader.error(
                    &item,
                    format!("`{}` in `{key}` can never match", shown(text)),
                    help,
                );
            }
        }
    };
    let program = |text: &str| !text.contains('/') && !text.contains(char::is_whitespace);
    each(
        "program",
        &rule.program,
        &program,
        "write the program's base name alone, for example `git`",
    );
    let flag =
        |text: &str| text.len() > 1 && text.starts_with(['-', '+']) && !text.contains(['=', ' ']);
    let help = "an option starts with `-` and is written without its value";
    each("any_flag", &rule.any_flag, &flag, help);
    each("all_flags", &rule.all_flags, &flag, help);
    each("unless_flag", &rule.unless_flag, &flag, help);
    let setting = |text: &str| text.find('=').is_some_and(|at| at > 0);
    each(
        "any_setting",
        &rule.any_setting,
        &setting,
        "write `NAME=glob`",
    );
    each(
        "unless_setting",
        &rule.unless_setting,
        &setting,
        "write `NAME=glob`",
    );
}
