//! What an admitted result adds to the ledger.

use base64::{Engine, prelude::BASE64_STANDARD};
use fak_args::{Args, Kind, Limits, Value};
use foldhash::HashMap;

use crate::{
    forms::{self, Shape, VALUE_BYTES_MAX},
    ledger::{CARRIED, CONFIDENTIAL, ENDORSED, Ledger, TAINTED, TRUSTED, USER},
    rules::{Rules, SourceRule, Trust},
    words,
};

/// The member under which a result is read, because the reader takes objects only.
pub(crate) const RESULT: &str = "result";

/// Longest result that is read, in bytes. LIMIT: of a longer one the rest is not labelled, and the ledger counts as full.
pub const RESULT_BYTES_MAX: usize = 8 << 20;

/// How often texts inside texts are read: JSON in a string, and base64 in that. LIMIT: deeper ones are one value.
const NESTED_MAX: u8 = 2;

/// Arguments of one call that are held against its result. LIMIT: of a call with more, the result earns no trust.
pub(crate) const ECHO_VALUES_MAX: usize = 64;

/// Shortest word that is looked at as base64, in bytes.
const BASE64_BYTES_MIN: usize = 16;

/// Bounds on JSON read here.
pub(crate) const LIMITS: Limits = Limits {
    bytes_max: RESULT_BYTES_MAX + 64,
    depth_max: 64,
    values_max: 1 << 18,
};

impl Ledger {
    /// Takes what a call brought back, after it was admitted, into the ledger. `row` names the result in the journal.
    pub fn admit(&mut self, rules: &Rules, tool: &str, args: &Args<'_>, result: &[u8], row: u64) {
        let source = rules.sources.get(tool);
        let text = String::from_utf8_lossy(result);
        let text = if text.len() > RESULT_BYTES_MAX {
            self.full = true;
            let end = (0..=RESULT_BYTES_MAX)
                .rev()
                .find(|end| text.is_char_boundary(*end));
            text.get(..end.unwrap_or_default()).unwrap_or_default()
        } else {
            &text
        };
        let mut intake = Intake {
            echo: Echo::of(args),
            said: Said::default(),
            seen: Vec::new(),
            ledger: self,
            source,
            tool,
            row,
        };
        intake.carry(args);
        let looks_json = text.trim_start().starts_with(['{', '[', '"']);
        let wrapped = format!("{{\"{RESULT}\":{text}}}");
        match read_one(&wrapped) {
            Some(read) => {
                intake.say(&read);
                let root = read.root();
                if let Some(value) = root.get(RESULT) {
                    let mark = intake.mark_of(value, intake.otherwise(false));
                    intake.value(value, mark, &mut String::new(), 0);
                }
            }
            // A result that is almost JSON is read differently by different programs: no field of it can be trusted.
            None => {
                let mark = intake.otherwise(looks_json);
                intake.text(text, mark, "", 0);
            }
        }
    }
}

/// Reads a text that must be an object of exactly one member.
fn read_one(text: &str) -> Option<Args<'_>> {
    let read = Args::parse(text, &LIMITS).ok()?;
    (read.root().items().count() == 1).then_some(read)
}

/// What the rules say of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    trust: Trust,
    class: u32,
    confidential: bool,
    attested: bool,
    pointed: bool,
    /// Fields that were said to be tainted stay so below.
    settled: bool,
}

/// What a call said itself.
struct Echo {
    lines: String,
    values: Vec<String>,
    too_many: bool,
}

impl Echo {
    fn of(args: &Args<'_>) -> Self {
        let mut echo = Self {
            lines: String::new(),
            values: Vec::new(),
            too_many: false,
        };
        for value in args.values() {
            let form = match value.kind() {
                Kind::String => forms::narrow(&value.as_str().unwrap_or_default()),
                Kind::Number => value.raw().to_owned(),
                _ => continue,
            };
            if form.is_empty() {
                continue;
            }
            if echo.values.len() == ECHO_VALUES_MAX {
                echo.too_many = true;
                break;
            }
            echo.lines.push_str(&form);
            echo.lines.push('\n');
            echo.values.push(form);
        }
        echo
    }

    /// Whether the form repeats what the call said, as a part of it or around it.
    fn covers(&self, form: &str) -> bool {
        let bare = form.split_once(':').map_or(form, |(kind, rest)| {
            if matches!(kind, "n" | "a" | "date") {
                rest
            } else {
                form
            }
        });
        if self.values.is_empty() {
            return self.too_many;
        }
        self.too_many
            || words::holds(&self.lines, bare)
            || self.values.iter().any(|value| words::holds(form, value))
    }
}

struct Intake<'l, 'r> {
    ledger: &'l mut Ledger,
    source: Option<&'r SourceRule>,
    tool: &'r str,
    row: u64,
    echo: Echo,
    /// Where a selected value begins, and the rules that select it.
    said: Said,
    /// The names of members met last, with the place they stood in: in a list of records they say nothing new.
    seen: Vec<(Box<str>, u32, Mark)>,
}

/// Where a selected value begins, and the rules that select it.
type Said = HashMap<usize, Vec<usize>>;

/// LIMIT: names of members remembered while a result is read; one that was forgotten is only read again.
const SEEN_MAX: usize = 16;

impl Intake<'_, '_> {
    /// A value the model took from tainted data into this call stays tainted when this or a later result repeats it.
    fn carry(&mut self, args: &Args<'_>) {
        for value in args.values() {
            let text = match value.kind() {
                Kind::String => value.as_str().unwrap_or_default(),
                Kind::Number => value.raw().into(),
                _ => continue,
            };
            forms::extract(&text, &mut |form, _| {
                let known = self.ledger.known(form).copied();
                if known.is_some_and(|entry| {
                    entry.has(TAINTED) && !entry.has(USER | TRUSTED | ENDORSED)
                }) && let Some(entry) = self.ledger.entry(form)
                {
                    entry.flags |= CARRIED;
                }
            });
        }
    }

    fn otherwise(&self, broken: bool) -> Mark {
        let trust = self
            .source
            .map_or(Trust::Tainted, |source| source.otherwise);
        Mark {
            trust: if broken { Trust::Tainted } else { trust },
            class: 0,
            confidential: false,
            attested: false,
            pointed: false,
            settled: broken,
        }
    }

    fn say(&mut self, read: &Args<'_>) {
        for (index, field) in self
            .source
            .iter()
            .flat_map(|source| &source.fields)
            .enumerate()
        {
            for value in read.select(&field.at) {
                self.said.entry(value.span().start).or_default().push(index);
            }
        }
    }

    /// The mark of a value below something marked `above`.
    fn mark_of(&self, value: Value<'_, '_>, above: Mark) -> Mark {
        let mut mark = above;
        if self.said.is_empty() {
            return mark;
        }
        let said = self.said.get(&value.span().start);
        for index in said.into_iter().flatten() {
            let Some(field) = self.source.and_then(|source| source.fields.get(*index)) else {
                continue;
            };
            match field.trust {
                Trust::Tainted => {
                    mark.trust = Trust::Tainted;
                    mark.settled = true;
                }
                Trust::Trusted if !mark.settled => mark.trust = Trust::Trusted,
                Trust::Trusted => {}
            }
            mark.class |= field.class;
            mark.confidential |= field.confidential;
            mark.attested |= field.attested;
        }
        mark
    }

    /// Whether the user's words name the record by one of its naming fields.
    fn names(&self, value: Value<'_, '_>) -> bool {
        let fields = self.source.map(|source| source.fields.as_slice());
        if !fields.unwrap_or_default().iter().any(|field| field.naming) {
            return false;
        }
        let naming = |item: &Value<'_, '_>| {
            let said = self.said.get(&item.span().start);
            said.into_iter().flatten().any(|index| {
                let field = self.source.and_then(|source| source.fields.get(*index));
                field.is_some_and(|field| field.naming)
            })
        };
        value.items().filter(naming).any(|item| {
            let name = forms::narrow(&item.as_str().unwrap_or_default());
            name.len() >= 4 && self.ledger.words.hold(&name)
        })
    }

    fn value(&mut self, value: Value<'_, '_>, mark: Mark, path: &mut String, nested: u8) {
        match value.kind() {
            Kind::Null | Kind::Bool => {}
            Kind::Number => {
                let mark = self.mark_of(value, mark);
                let origin = self.origin(mark, path);
                self.record(value.raw(), Shape::Whole, mark, origin);
                if let Some(form) = forms::number(value.raw()) {
                    self.record(&form, Shape::Whole, mark, origin);
                }
            }
            Kind::String => {
                let mark = self.mark_of(value, mark);
                self.text(&value.as_str().unwrap_or_default(), mark, path, nested);
            }
            Kind::Array | Kind::Object => {
                let mut mark = self.mark_of(value, mark);
                let array = value.kind() == Kind::Array;
                mark.pointed |= !array && self.names(value);
                for item in value.items() {
                    let length = path.len();
                    if let Some(key) = item.key() {
                        self.name(&key, mark, path);
                        if !path.is_empty() {
                            path.push('.');
                        }
                        path.push_str(&key);
                    } else {
                        path.push_str("[]");
                    }
                    self.value(item, mark, path, nested);
                    path.truncate(length);
                }
            }
        }
    }

    /// The name of a member, which holds values as a text does.
    fn name(&mut self, name: &str, mark: Mark, path: &str) {
        let origin = self.origin(mark, path);
        let known = |(known, at, of): &(Box<str>, u32, Mark)| {
            *at == origin && *of == mark && **known == *name
        };
        if self.seen.iter().any(known) {
            return;
        }
        if self.seen.len() == SEEN_MAX {
            self.seen.remove(0);
        }
        self.seen.push((name.into(), origin, mark));
        self.text(name, mark, path, NESTED_MAX);
    }

    fn text(&mut self, text: &str, mark: Mark, path: &str, nested: u8) {
        if nested < NESTED_MAX && text.trim_start().starts_with(['{', '[']) {
            let wrapped = format!("{{\"{RESULT}\":{text}}}");
            if let Some(read) = read_one(&wrapped)
                && let Some(inner) = read.root().get(RESULT)
            {
                // No rule's field reaches inside: the text's mark holds for all of it.
                let said = std::mem::take(&mut self.said);
                self.value(inner, mark, &mut format!("{path}!"), nested + 1);
                self.said = said;
            }
        }
        let origin = self.origin(mark, path);
        forms::extract(text, &mut |form, shape| {
            self.record(form, shape, mark, origin)
        });
        if nested < NESTED_MAX {
            let long = |word: &&str| word.len() >= BASE64_BYTES_MIN;
            for word in text.split_whitespace().filter(long) {
                if let Some(inner) = decoded(word) {
                    self.text(&inner, mark, path, NESTED_MAX);
                }
            }
        }
    }

    fn origin(&mut self, mark: Mark, path: &str) -> u32 {
        self.ledger.origin(self.tool, path, self.row, mark.pointed)
    }

    fn record(&mut self, form: &str, shape: Shape, mark: Mark, origin: u32) {
        if form.is_empty() || form.len() > VALUE_BYTES_MAX {
            return;
        }
        let secret = if mark.confidential && shape != Shape::Word {
            CONFIDENTIAL
        } else {
            0
        };
        if mark.trust == Trust::Tainted {
            let wide = forms::wide(form);
            for form in std::iter::once(form).chain(wide.as_deref()) {
                if let Some(entry) = self.ledger.entry(form) {
                    entry.taint(origin);
                    entry.flags |= secret;
                }
            }
            return;
        }
        // A trusted text vouches for what it lists, not for each of its words.
        if shape == Shape::Word {
            return;
        }
        if secret != 0
            && let Some(entry) = self.ledger.entry(form)
        {
            entry.flags |= secret;
        }
        if !mark.attested && self.echo.covers(form) {
            return;
        }
        if let Some(entry) = self.ledger.trusted_entry(form)
            && (mark.attested || !entry.has(CARRIED))
        {
            if !entry.has(TRUSTED) {
                entry.trusted = origin;
            }
            entry.flags |= TRUSTED;
            entry.classes |= mark.class;
        }
    }
}

/// What a word says in base64, when it is one and says text.
pub(crate) fn decoded(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| matches!(c, '"' | '\'' | '`' | '(' | ')' | ',' | '.'));
    if word.len() < BASE64_BYTES_MIN || word.len() > 4 * RESULT_BYTES_MAX {
        return None;
    }
    let member = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    if !word.trim_end_matches('=').bytes().all(member) {
        return None;
    }
    let standard: String = word
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let padding = "=".repeat((4 - standard.len() % 4) % 4);
    let bytes = BASE64_STANDARD.decode(standard + &padding).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let printable = text.chars().all(|c| !c.is_control() || c.is_whitespace());
    printable.then_some(text)
}
