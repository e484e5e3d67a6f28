//! One file's text laid over a configuration.

use std::{ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use crate::{
    Config, Problem,
    keys::{KEYS, Key, Kind, Value},
};

/// Longest name. LIMIT: a longer one is refused; a signed note would not take it.
const NAME_BYTES_MAX: usize = 200;

/// Reads `text` and applies each sound key to `config`; each unsound one becomes a problem.
pub(crate) fn apply(config: &mut Config, file: &Path, text: &str, problems: &mut Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        problems.push(Problem::at(
            file,
            text,
            span,
            error.message().to_owned(),
            String::new(),
        ));
    }
    if !errors.is_empty() {
        return;
    }
    forget_grants(config, table.get_ref());
    let mut reader = Reader {
        config,
        file,
        text,
        problems,
    };
    reader.table("", table.get_ref());
}

/// A later file's list of a role replaces the earlier one: a role the file names starts empty.
fn forget_grants(config: &mut Config, table: &DeTable<'_>) {
    let acl = table.iter().find(|(name, _)| name.get_ref() == "acl");
    let Some(roles) = acl.and_then(|(_, value)| value.get_ref().as_table()) else {
        return;
    };
    for (role, _) in roles {
        match role.get_ref().as_ref() {
            "observe" => config.acl.observe = crate::Grant::default(),
            "submit" => config.acl.submit = crate::Grant::default(),
            "audit" => config.acl.audit = crate::Grant::default(),
            "admin" => config.acl.admin = crate::Grant::default(),
            _ => {}
        }
    }
}

struct Reader<'a> {
    config: &'a mut Config,
    file: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let full = format!("{prefix}{}", name.get_ref());
            let below = format!("{full}.");
            if let Some(key) = KEYS.iter().find(|key| key.name == full) {
                self.key(key, value);
            } else if !KEYS.iter().any(|key| key.name.starts_with(&below)) {
                let message = format!("unknown key `{full}`");
                self.problem(name.span(), message, nearest(&full));
            } else if let Some(inner) = value.get_ref().as_table() {
                self.table(&below, inner);
            } else {
                let message = format!("`{full}` is a section, not a value");
                self.problem(
                    value.span(),
                    message,
                    format!("write [{full}] and its keys below"),
                );
            }
        }
    }

    fn key(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        match accept(key.kind, value) {
            Ok(accepted) => (key.set)(self.config, accepted),
            Err((span, message)) => {
                let message = format!("`{}` {message}", key.name);
                self.problem(span, message, format!("it takes {}", key.kind.wants()));
            }
        }
    }

    fn problem(&mut self, span: Range<usize>, message: String, help: String) {
        self.problems
            .push(Problem::at(self.file, self.text, span, message, help));
    }
}

type Refused = (Range<usize>, String);

fn accept(kind: Kind, value: &Spanned<DeValue<'_>>) -> Result<Value, Refused> {
    let refuse = |what: &str| (value.span(), what.to_owned());
    let wrong_kind = || refuse(&format!("is {}", kind_of(value.get_ref())));
    match kind {
        Kind::Path => match value.get_ref().as_str() {
            Some(path) if path.starts_with('/') => Ok(Value::Path(path.into())),
            Some(_) => Err(refuse("is not an absolute path")),
            None => Err(wrong_kind()),
        },
        Kind::Word(words) => match value.get_ref().as_str() {
            Some(word) if words.contains(&word) => Ok(Value::Word(word.to_owned())),
            Some(_) => Err(refuse("is not a known word")),
            None => Err(wrong_kind()),
        },
        Kind::Count(least, most) => match whole(value.get_ref()) {
            Some(count) if (least..=most).contains(&count) => usize::try_from(count)
                .map(Value::Count)
                .map_err(|_| refuse("is too large")),
            Some(_) => Err(refuse("is out of bounds")),
            None => Err(wrong_kind()),
        },
        Kind::Mode => match value
            .get_ref()
            .as_str()
            .map(|text| u32::from_str_radix(text, 8))
        {
            Some(Ok(mode)) if mode & !0o770 == 0 && mode & 0o600 == 0o600 => Ok(Value::Mode(mode)),
            Some(_) => Err(refuse("is not such a mode")),
            None => Err(wrong_kind()),
        },
        Kind::Flag => value
            .get_ref()
            .as_bool()
            .map(Value::Flag)
            .ok_or_else(wrong_kind),
        Kind::Name => match value.get_ref().as_str() {
            Some(name) if is_name(name) => Ok(Value::Name(name.to_owned())),
            Some(_) => Err(refuse("is not such a name")),
            None => Err(wrong_kind()),
        },
        Kind::Users => ids(value, &|item| named(item, "user", fak_sys::user_id)).map(Value::Ids),
        Kind::Groups => ids(value, &|item| named(item, "group", fak_sys::group_id)).map(Value::Ids),
        Kind::Ids => ids(value, &numbered).map(Value::Ids),
    }
}

/// A key's name in signed notes must not hold what separates its parts.
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

fn ids(
    value: &Spanned<DeValue<'_>>,
    one: &dyn Fn(&DeValue<'_>) -> Result<u32, String>,
) -> Result<Vec<u32>, Refused> {
    let Some(items) = value.get_ref().as_array() else {
        return Err((value.span(), format!("is {}", kind_of(value.get_ref()))));
    };
    items
        .iter()
        .map(|item| one(item.get_ref()).map_err(|why| (item.span(), why)))
        .collect()
}

fn named(
    item: &DeValue<'_>,
    what: &str,
    lookup: fn(&str) -> std::io::Result<Option<u32>>,
) -> Result<u32, String> {
    let name = item
        .as_str()
        .ok_or_else(|| format!("holds {}", kind_of(item)))?;
    match lookup(name) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(format!("names the {what} `{name}`, which does not exist")),
        Err(error) => Err(format!(
            "names the {what} `{name}`, which cannot be looked up: {error}"
        )),
    }
}

fn numbered(item: &DeValue<'_>) -> Result<u32, String> {
    let number = whole(item).ok_or_else(|| format!("holds {}", kind_of(item)))?;
    // The highest id means "no id" to the kernel.
    u32::try_from(number)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| "holds no valid id".to_owned())
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number: &DeInteger<'_> = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "not a whole number from 0 up that fits",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// Names the key most like `wrong`, or all of them.
fn nearest(wrong: &str) -> String {
    let closest = KEYS
        .iter()
        .map(|key| (distance(wrong, key.name), key.name))
        .min();
    match closest {
        Some((steps, name)) if steps <= 3 => format!("did you mean `{name}`?"),
        _ => {
            let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
            format!("the keys are: {}", names.join(", "))
        }
    }
}

/// Edit distance, for texts a person typed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(128).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
