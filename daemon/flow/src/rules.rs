//! What the operator says about tools before any of them is called.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use fak_args::{Selector, SelectorError};

/// Most classes of values the rules may name. LIMIT: a value's classes are the bits of one word; a 33rd is refused.
pub const CLASSES_MAX: usize = 32;

/// Whose words a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The tool's own: nobody outside can choose what stands there.
    Trusted,
    /// Anybody's.
    Tainted,
}

/// What a rule answers. Ordered: the worst of several wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It may pass.
    Allow,
    /// A person must say.
    Ask,
    /// It may not.
    Deny,
}

/// One field of a tool's results: the selected values and everything below them.
#[derive(Clone, Debug)]
pub struct Field {
    pub(crate) at: String,
    pub(crate) trust: Trust,
    pub(crate) class: Option<String>,
    pub(crate) confidential: bool,
    pub(crate) attested: bool,
    pub(crate) naming: bool,
}

impl Field {
    /// Values the tool itself vouches for. `at` is a selector below the result, such as `[].id_`; empty means all of it.
    #[must_use]
    pub fn trusted(at: &str) -> Self {
        Self::new(at, Trust::Trusted)
    }

    /// Values anybody may have written. Where a tainted and a trusted field overlap, tainted holds.
    #[must_use]
    pub fn tainted(at: &str) -> Self {
        Self::new(at, Trust::Tainted)
    }

    fn new(at: &str, trust: Trust) -> Self {
        Self {
            at: at.into(),
            trust,
            class: None,
            confidential: false,
            attested: false,
            naming: false,
        }
    }

    /// What the values are, so that the id of one kind of thing is not taken for another's.
    #[must_use]
    pub fn class(mut self, class: &str) -> Self {
        self.class = Some(class.into());
        self
    }

    /// The values are not for outsiders: a [`Text`] may refuse to carry them.
    #[must_use]
    pub fn confidential(mut self) -> Self {
        self.confidential = true;
        self
    }

    /// The tool answers with these values only when it holds them itself, so that one which the call asked for is proven
    /// by coming back. Without this, what a call said does not become trusted by being repeated.
    #[must_use]
    pub fn attested(mut self) -> Self {
        self.attested = true;
        self
    }

    /// The values are names people use for the record they stand in, such as a file's name. When the user's words hold
    /// one, the record counts as pointed at; see [`Endorse`].
    #[must_use]
    pub fn naming(mut self) -> Self {
        self.naming = true;
        self
    }
}

/// Whose words a tool's results hold. A tool without a source is tainted throughout.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) tool: String,
    pub(crate) otherwise: Trust,
    pub(crate) fields: Vec<Field>,
}

impl Source {
    /// The source `tool`; `otherwise` holds for what no field names. A name that ends in `*` is a prefix.
    #[must_use]
    pub fn new(tool: &str, otherwise: Trust) -> Self {
        Self {
            tool: tool.into(),
            otherwise,
            fields: Vec::new(),
        }
    }

    /// Says something about one field.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }
}

/// A value that passes by rule, wherever it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Exactly this text, ASCII case aside.
    Exact(String),
    /// Texts that end so, ASCII case aside: `@example.com`.
    Suffix(String),
}

/// An argument that steers a sink.
#[derive(Clone, Debug)]
pub struct Control {
    pub(crate) at: String,
    pub(crate) classes: Vec<String>,
    pub(crate) tainted: Answer,
    pub(crate) own: Answer,
    pub(crate) allow: Vec<Allow>,
    pub(crate) taint_wins: bool,
}

impl Control {
    /// The argument selected by `at` and all below it. Values that only a stranger supplied are refused, and so are those
    /// nobody supplied.
    #[must_use]
    pub fn new(at: &str) -> Self {
        Self {
            at: at.into(),
            classes: Vec::new(),
            tainted: Answer::Deny,
            own: Answer::Deny,
            allow: Vec::new(),
            taint_wins: false,
        }
    }

    /// Trusted fields must be of this class; said several times, of one of them.
    #[must_use]
    pub fn class(mut self, class: &str) -> Self {
        self.classes.push(class.into());
        self
    }

    /// The answer to a value that stands in tainted data only.
    #[must_use]
    pub fn tainted(mut self, answer: Answer) -> Self {
        self.tainted = answer;
        self
    }

    /// The answer to a value that stands nowhere: the model made it.
    #[must_use]
    pub fn own(mut self, answer: Answer) -> Self {
        self.own = answer;
        self
    }

    /// Lets values through by rule.
    #[must_use]
    pub fn allow(mut self, allow: Allow) -> Self {
        self.allow.push(allow);
        self
    }

    /// A value that stands in tainted data as well as in a trusted field counts as tainted. The user's words still win.
    #[must_use]
    pub fn taint_wins(mut self) -> Self {
        self.taint_wins = true;
        self
    }
}

/// An argument that holds free text.
#[derive(Clone, Debug)]
pub struct Text {
    pub(crate) at: String,
    pub(crate) links: Answer,
    pub(crate) confidential: Answer,
    pub(crate) copied: Answer,
}

impl Text {
    /// The argument selected by `at` and all below it. Anything may stand in it.
    #[must_use]
    pub fn new(at: &str) -> Self {
        Self {
            at: at.into(),
            links: Answer::Allow,
            confidential: Answer::Allow,
            copied: Answer::Allow,
        }
    }

    /// The answer to links and account numbers inside the text that only a stranger supplied.
    #[must_use]
    pub fn links(mut self, answer: Answer) -> Self {
        self.links = answer;
        self
    }

    /// The answer to confidential values inside the text.
    #[must_use]
    pub fn confidential(mut self, answer: Answer) -> Self {
        self.confidential = answer;
        self
    }

    /// The answer to a text that as a whole stands in tainted data only.
    #[must_use]
    pub fn copied(mut self, answer: Answer) -> Self {
        self.copied = answer;
        self
    }
}

/// A tool whose calls are gated.
#[derive(Clone, Debug)]
pub struct Sink {
    pub(crate) tool: String,
    pub(crate) controls: Vec<Control>,
    pub(crate) texts: Vec<Text>,
    pub(crate) asked_by: Vec<Vec<String>>,
    pub(crate) unasked: Answer,
    pub(crate) count_max: Option<u32>,
}

impl Sink {
    /// The sink `tool`; a name that ends in `*` is a prefix. Arguments neither controls nor texts name are taken for
    /// controls of any class.
    #[must_use]
    pub fn new(tool: &str) -> Self {
        Self {
            tool: tool.into(),
            controls: Vec::new(),
            texts: Vec::new(),
            asked_by: Vec::new(),
            unasked: Answer::Deny,
            count_max: None,
        }
    }

    /// Adds an argument that steers.
    #[must_use]
    pub fn control(mut self, control: Control) -> Self {
        self.controls.push(control);
        self
    }

    /// Adds an argument that is free text.
    #[must_use]
    pub fn text(mut self, text: Text) -> Self {
        self.texts.push(text);
        self
    }

    /// The sink is in scope when the user's words hold a word that begins with one of these. Said several times, one of
    /// each group must be there. It narrows: a word in scope permits nothing by itself.
    #[must_use]
    pub fn asked_by<'w>(mut self, words: impl IntoIterator<Item = &'w str>) -> Self {
        self.asked_by
            .push(words.into_iter().map(str::to_lowercase).collect());
        self
    }

    /// The answer to a call the user's words did not ask for.
    #[must_use]
    pub fn unasked(mut self, answer: Answer) -> Self {
        self.unasked = answer;
        self
    }

    /// Most calls of the sink in one session.
    #[must_use]
    pub fn count_max(mut self, count: u32) -> Self {
        self.count_max = Some(count);
        self
    }
}

/// Lets a tainted value cross from one source into controls of one class.
#[derive(Clone, Debug)]
pub struct Endorse {
    pub(crate) tool: String,
    pub(crate) field: String,
    pub(crate) class: String,
    pub(crate) uses_max: u32,
    pub(crate) pointed: bool,
    pub(crate) answer: Answer,
}

impl Endorse {
    /// Values that stand in `field` of `tool`'s results, written as labels show it (`[].content`), may reach controls of
    /// `class`, by one call. An empty field means any.
    #[must_use]
    pub fn new(tool: &str, field: &str, class: &str) -> Self {
        Self {
            tool: tool.into(),
            field: field.into(),
            class: class.into(),
            uses_max: 1,
            pointed: false,
            answer: Answer::Allow,
        }
    }

    /// How many calls of a session may use the rule.
    #[must_use]
    pub fn uses(mut self, uses: u32) -> Self {
        self.uses_max = uses;
        self
    }

    /// Only from records the user's words name; see [`Field::naming`].
    #[must_use]
    pub fn pointed(mut self) -> Self {
        self.pointed = true;
        self
    }

    /// A person must say, instead of a refusal.
    #[must_use]
    pub fn ask(mut self) -> Self {
        self.answer = Answer::Ask;
        self
    }
}

/// The tools one session may call, and how often each. Only ever narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub(crate) tools: BTreeMap<String, Option<u32>>,
}

impl Scope {
    /// No tools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool; `None` sets no bound on its calls.
    #[must_use]
    pub fn tool(mut self, tool: &str, count_max: Option<u32>) -> Self {
        self.tools.insert(tool.into(), count_max);
        self
    }
}

/// Why rules were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesError {
    /// A selector has another form.
    Selector {
        /// The tool whose rule it stands in.
        tool: String,
        /// The selector.
        at: String,
        /// What is wrong with it.
        problem: SelectorError,
    },
    /// More than [`CLASSES_MAX`] classes.
    Classes,
    /// Two rules of one kind for one tool.
    Twice(String),
    /// A class that no control has: the rule of endorsement could never be used.
    UnknownClass(String),
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selector { tool, at, problem } => {
                write!(f, "{tool}: selector `{at}`: {problem}")
            }
            Self::Classes => write!(f, "more than {CLASSES_MAX} classes; name fewer"),
            Self::Twice(tool) => write!(f, "{tool}: named twice; say it in one rule"),
            Self::UnknownClass(class) => {
                write!(f, "class `{class}`: no control has it; name one that has")
            }
        }
    }
}

impl std::error::Error for RulesError {}

/// Collects rules and makes them ready.
#[derive(Clone, Debug, Default)]
pub struct RulesBuilder {
    sources: Vec<Source>,
    sinks: Vec<Sink>,
    endorse: Vec<Endorse>,
}

impl RulesBuilder {
    /// Adds a source.
    #[must_use]
    pub fn source(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// Adds a sink.
    #[must_use]
    pub fn sink(mut self, sink: Sink) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Adds a rule of endorsement.
    #[must_use]
    pub fn endorse(mut self, endorse: Endorse) -> Self {
        self.endorse.push(endorse);
        self
    }

    /// Compiles.
    ///
    /// # Errors
    /// [`RulesError`] names the first rule that cannot be used and why.
    pub fn build(self) -> Result<Rules, RulesError> {
        let mut classes = Classes::default();
        let mut rules = Rules::default();
        for source in &self.sources {
            let compiled = compile_source(source, &mut classes)?;
            if rules.sources.insert(&source.tool, compiled) {
                return Err(RulesError::Twice(source.tool.clone()));
            }
        }
        for sink in &self.sinks {
            let compiled = compile_sink(sink, &mut classes)?;
            if rules.sinks.insert(&folded(&sink.tool), compiled) {
                return Err(RulesError::Twice(sink.tool.clone()));
            }
        }
        for endorse in self.endorse {
            let known = classes.bit(&endorse.class)?;
            let used = self.sinks.iter().any(|sink| {
                let mut controls = sink.controls.iter();
                controls.any(|control| control.classes.contains(&endorse.class))
            });
            if !used {
                return Err(RulesError::UnknownClass(endorse.class));
            }
            rules.endorse.push((known, endorse));
        }
        Ok(rules)
    }
}

/// The operator's rules, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub(crate) sources: ByTool<SourceRule>,
    pub(crate) sinks: ByTool<SinkRule>,
    pub(crate) endorse: Vec<(u32, Endorse)>,
}

impl Rules {
    /// Begins a set of rules.
    #[must_use]
    pub fn builder() -> RulesBuilder {
        RulesBuilder::default()
    }

    pub(crate) fn sink(&self, tool: &str) -> Option<&SinkRule> {
        self.sinks.get(&folded(tool))
    }

    /// Whether calls of this tool are gated; ASCII case makes no difference.
    #[must_use]
    pub fn is_sink(&self, tool: &str) -> bool {
        self.sink(tool).is_some()
    }
}

/// A sink's name as it is looked up and counted, ASCII case aside: what is gated is gated however it is spelled.
pub(crate) fn folded(tool: &str) -> Cow<'_, str> {
    if tool.bytes().any(|byte| byte.is_ascii_uppercase()) {
        tool.to_ascii_lowercase().into()
    } else {
        tool.into()
    }
}

/// Rules by the name of the tool: exact names first, then the longest prefix.
#[derive(Clone, Debug)]
pub(crate) struct ByTool<T> {
    exact: BTreeMap<String, T>,
    prefix: BTreeMap<String, T>,
}

impl<T> Default for ByTool<T> {
    fn default() -> Self {
        Self {
            exact: BTreeMap::new(),
            prefix: BTreeMap::new(),
        }
    }
}

impl<T> ByTool<T> {
    fn insert(&mut self, tool: &str, rule: T) -> bool {
        match tool.strip_suffix('*') {
            Some(prefix) => self.prefix.insert(prefix.into(), rule).is_some(),
            None => self.exact.insert(tool.into(), rule).is_some(),
        }
    }

    pub(crate) fn get(&self, tool: &str) -> Option<&T> {
        self.exact.get(tool).or_else(|| {
            let mut longest_first = self.prefix.iter().rev();
            longest_first
                .find(|(prefix, _)| tool.starts_with(prefix.as_str()))
                .map(|(_, rule)| rule)
        })
    }
}

/// A source, compiled.
#[derive(Clone, Debug)]
pub(crate) struct SourceRule {
    pub(crate) otherwise: Trust,
    pub(crate) fields: Vec<FieldRule>,
}

#[derive(Clone, Debug)]
pub(crate) struct FieldRule {
    pub(crate) at: Selector,
    pub(crate) trust: Trust,
    pub(crate) class: u32,
    pub(crate) confidential: bool,
    pub(crate) attested: bool,
    pub(crate) naming: bool,
}

/// A sink, compiled.
#[derive(Clone, Debug)]
pub(crate) struct SinkRule {
    pub(crate) controls: Vec<(Selector, ControlRule)>,
    pub(crate) texts: Vec<(Selector, Text)>,
    pub(crate) asked_by: Vec<Vec<String>>,
    pub(crate) unasked: Answer,
    pub(crate) count_max: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct ControlRule {
    /// Zero means any class.
    pub(crate) classes: u32,
    pub(crate) said: Control,
}

#[derive(Default)]
struct Classes {
    names: Vec<String>,
}

impl Classes {
    fn bit(&mut self, name: &str) -> Result<u32, RulesError> {
        let known = self.names.iter().position(|class| class == name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        });
        if index >= CLASSES_MAX {
            return Err(RulesError::Classes);
        }
        Ok(1 << index)
    }
}

fn selector(tool: &str, at: &str) -> Result<Selector, RulesError> {
    Selector::parse(at).map_err(|problem| RulesError::Selector {
        tool: tool.into(),
        at: at.into(),
        problem,
    })
}

/// The selector for a field of a result, which is read as the member [`crate::admit::RESULT`] of an object.
fn field_selector(tool: &str, at: &str) -> Result<Selector, RulesError> {
    let root = crate::admit::RESULT;
    let whole = match at {
        "" => root.to_owned(),
        at if at.starts_with('[') => format!("{root}{at}"),
        at => format!("{root}.{at}"),
    };
    selector(tool, &whole)
}

fn compile_source(source: &Source, classes: &mut Classes) -> Result<SourceRule, RulesError> {
    let fields = source.fields.iter().map(|field| {
        Ok(FieldRule {
            at: field_selector(&source.tool, &field.at)?,
            trust: field.trust,
            class: match &field.class {
                Some(class) => classes.bit(class)?,
                None => 0,
            },
            confidential: field.confidential,
            attested: field.attested,
            naming: field.naming,
        })
    });
    Ok(SourceRule {
        otherwise: source.otherwise,
        fields: fields.collect::<Result<_, _>>()?,
    })
}

fn compile_sink(sink: &Sink, classes: &mut Classes) -> Result<SinkRule, RulesError> {
    let controls = sink.controls.iter().map(|control| {
        let mut bits = 0;
        for class in &control.classes {
            bits |= classes.bit(class)?;
        }
        let at = selector(&sink.tool, &control.at)?;
        let rule = ControlRule {
            classes: bits,
            said: control.clone(),
        };
        Ok((at, rule))
    });
    let texts = sink.texts.iter().map(|text| {
        let at = selector(&sink.tool, &text.at)?;
        Ok((at, text.clone()))
    });
    Ok(SinkRule {
        controls: controls.collect::<Result<_, _>>()?,
        texts: texts.collect::<Result<_, _>>()?,
        asked_by: sink.asked_by.clone(),
        unasked: sink.unasked,
        count_max: sink.count_max,
    })
}
