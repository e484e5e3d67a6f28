//! The rules of one suite of tools, as a file a person can review.

use std::collections::BTreeMap;

use fak_flow::{Allow, Answer, Control, Endorse, Field, Rules, Sink, Source, Text, Trust};
use serde::Deserialize;

/// The suites whose rules are here.
pub const SUITES: [(&str, &str); 2] = [
    ("workspace", include_str!("../suites/workspace.toml")),
    ("travel", include_str!("../suites/travel.toml")),
];

/// The rules of every suite.
///
/// # Panics
/// When a file is not in order; the message names it.
#[must_use]
pub fn all() -> BTreeMap<&'static str, Rules> {
    let read = |(name, text)| {
        let rules = rules(text).unwrap_or_else(|problem| panic!("suites/{name}.toml: {problem}"));
        (name, rules)
    };
    SUITES.into_iter().map(read).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    source: Vec<SourceText>,
    #[serde(default)]
    sink: Vec<SinkText>,
    #[serde(default)]
    endorse: Vec<EndorseText>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TrustText {
    Trusted,
    Tainted,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnswerText {
    Allow,
    Ask,
    Deny,
}

impl From<AnswerText> for Answer {
    fn from(text: AnswerText) -> Self {
        match text {
            AnswerText::Allow => Self::Allow,
            AnswerText::Ask => Self::Ask,
            AnswerText::Deny => Self::Deny,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceText {
    tools: Vec<String>,
    otherwise: TrustText,
    #[serde(default)]
    trusted: Vec<FieldText>,
    #[serde(default)]
    tainted: Vec<String>,
    #[serde(default)]
    confidential: Vec<String>,
    #[serde(default)]
    naming: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    at: String,
    class: Option<String>,
    #[serde(default)]
    attested: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SinkText {
    tool: String,
    #[serde(default)]
    asked_by: Vec<Vec<String>>,
    unasked: Option<AnswerText>,
    count_max: Option<u32>,
    #[serde(default)]
    control: Vec<ControlText>,
    #[serde(default)]
    text: Vec<FreeText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlText {
    at: String,
    #[serde(default)]
    class: Vec<String>,
    own: Option<AnswerText>,
    tainted: Option<AnswerText>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    taint_wins: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FreeText {
    at: String,
    links: Option<AnswerText>,
    confidential: Option<AnswerText>,
    copied: Option<AnswerText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndorseText {
    tools: Vec<String>,
    fields: Vec<String>,
    class: String,
    #[serde(default)]
    pointed: bool,
    answer: AnswerText,
    uses: Option<u32>,
}

/// Reads the rules of one suite.
///
/// # Errors
/// The first thing that is not in order, in words.
pub fn rules(text: &str) -> Result<Rules, String> {
    let file: File = toml::from_str(text).map_err(|problem| problem.to_string())?;
    let mut rules = Rules::builder();
    for text in &file.source {
        for tool in &text.tools {
            rules = rules.source(source(tool, text));
        }
    }
    for text in &file.sink {
        rules = rules.sink(sink(text));
    }
    for text in &file.endorse {
        for (tool, field) in text
            .tools
            .iter()
            .flat_map(|tool| text.fields.iter().map(move |field| (tool, field)))
        {
            let mut endorse = Endorse::new(tool, field, &text.class).uses(text.uses.unwrap_or(1));
            if text.pointed {
                endorse = endorse.pointed();
            }
            if matches!(text.answer, AnswerText::Ask) {
                endorse = endorse.ask();
            }
            rules = rules.endorse(endorse);
        }
    }
    rules.build().map_err(|problem| problem.to_string())
}

fn source(tool: &str, text: &SourceText) -> Source {
    let otherwise = match text.otherwise {
        TrustText::Trusted => Trust::Trusted,
        TrustText::Tainted => Trust::Tainted,
    };
    let mut source = Source::new(tool, otherwise);
    for at in &text.trusted {
        let mut field = Field::trusted(&at.at);
        if let Some(class) = &at.class {
            field = field.class(class);
        }
        source = source.field(if at.attested { field.attested() } else { field });
    }
    for at in &text.tainted {
        source = source.field(Field::tainted(at));
    }
    for at in &text.confidential {
        source = source.field(Field::trusted(at).confidential());
    }
    for at in &text.naming {
        source = source.field(Field::tainted(at).naming());
    }
    source
}

fn sink(text: &SinkText) -> Sink {
    let mut sink = Sink::new(&text.tool);
    for words in &text.asked_by {
        sink = sink.asked_by(words.iter().map(String::as_str));
    }
    if let Some(answer) = text.unasked {
        sink = sink.unasked(answer.into());
    }
    if let Some(count) = text.count_max {
        sink = sink.count_max(count);
    }
    for at in &text.control {
        let mut control = Control::new(&at.at);
        for class in &at.class {
            control = control.class(class);
        }
        for allow in &at.allow {
            control = control.allow(match allow.strip_prefix('*') {
                Some(suffix) => Allow::Suffix(suffix.into()),
                None => Allow::Exact(allow.clone()),
            });
        }
        if let Some(answer) = at.own {
            control = control.own(answer.into());
        }
        if let Some(answer) = at.tainted {
            control = control.tainted(answer.into());
        }
        sink = sink.control(if at.taint_wins {
            control.taint_wins()
        } else {
            control
        });
    }
    for at in &text.text {
        let answer = |answer: Option<AnswerText>| answer.map_or(Answer::Allow, Into::into);
        let free = Text::new(&at.at)
            .links(answer(at.links))
            .confidential(answer(at.confidential))
            .copied(answer(at.copied));
        sink = sink.text(free);
    }
    sink
}
