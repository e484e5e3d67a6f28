//! Conversations to prompts, by the model's own template.
//!
//! Templates are Jinja as transformers renders it: blocks trimmed and stripped, values written as Python writes them,
//! Python's methods on texts, lists and maps, `raise_exception`, `strftime_now`, `tojson` with Python's separators.

use std::{collections::BTreeMap, error, fmt, io, sync::Arc};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Value, syntax::SyntaxConfig, value::ValueKind,
};
use thiserror::Error as ThisError;

use crate::{error::short, python, strftime::strftime};

/// LIMIT: Bytes of a template. The longest known have about 30 KiB.
pub const TEMPLATE_BYTES_MAX: usize = 256 << 10;
/// LIMIT: Bytes of the messages, of the tools, and of the other values of a chat, each.
pub const CHAT_JSON_BYTES_MAX: usize = 32 << 20;
/// LIMIT: Bytes of a prompt.
pub const PROMPT_BYTES_MAX: usize = 64 << 20;
/// LIMIT: Steps a template may take; a message takes a few hundred.
pub const FUEL_MAX: u64 = 20_000_000;
/// LIMIT: How deep a template may nest: a block counts one, a call of a macro about ten.
const NESTED_MAX: usize = 200;

const NAME: &str = "chat";

/// A chat template, compiled.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
}

/// What a template is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chat<'c> {
    /// The messages: a JSON list of objects, in order. A key whose value is `null` counts as not there.
    pub messages: &'c str,
    /// The tools on offer: a JSON list. `None` is Python's `None`.
    pub tools: Option<&'c str>,
    /// Whether the prompt shall end where the assistant's answer begins.
    pub generation_prompt: bool,
    /// The text of the token a prompt begins with.
    pub bos_token: Option<&'c str>,
    /// The text of the token an answer ends with.
    pub eos_token: Option<&'c str>,
    /// Seconds since 1970 on the clock of the place; a template that asks for the date is told this one. `None` = there
    /// is no `strftime_now`.
    pub now_unix_s: Option<i64>,
    /// Other values the template knows: a JSON object, such as `{"enable_thinking":false}`. It cannot replace the above.
    pub other: Option<&'c str>,
}

/// A template that cannot be compiled, or a chat it does not render.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChatError {
    /// Something is longer than is taken.
    #[error("{what} of {found} bytes, at most {limit} are taken")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// The bytes that are taken.
        limit: usize,
    },
    /// The template is not one.
    #[error("chat template: {0}")]
    Template(String),
    /// Messages, tools or other values are no JSON of the right shape.
    #[error("{what} must be {must}")]
    Json {
        /// Which of them.
        what: &'static str,
        /// What it must be.
        must: &'static str,
    },
    /// The template itself refuses the chat, by `raise_exception`.
    #[error("the chat template refuses: {0}")]
    Refused(String),
    /// The template fails on the chat.
    #[error("chat template: {0}")]
    Render(String),
    /// The template took too many steps.
    #[error("the chat template takes more than {FUEL_MAX} steps")]
    Fuel,
    /// The prompt grew too long.
    #[error("the chat template writes more than {PROMPT_BYTES_MAX} bytes")]
    PromptTooLong,
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// When it is too long or no template.
    pub fn compile(source: &str) -> Result<Self, ChatError> {
        bounded("template", source, TEMPLATE_BYTES_MAX)?;
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| ChatError::Template(told(&error)))?;
        environment.set_syntax(syntax);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL_MAX));
        environment.set_recursion_limit(NESTED_MAX);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(|out, _, value| {
            out.write_str(&python::text(value)?).map_err(Error::from)
        });
        environment.add_filter("tojson", python::tojson);
        environment.add_filter("string", |value: Value| python::text(&value));
        environment.add_function("raise_exception", raise);
        environment
            .add_template_owned(NAME, without_generation(source))
            .map_err(|error| ChatError::Template(told(&error)))?;
        Ok(Self {
            environment: Arc::new(environment),
        })
    }

    /// The prompt of a chat.
    ///
    /// # Errors
    /// When the chat is no JSON of the right shape, or the template refuses it, fails on it, or exceeds its bounds.
    pub fn render(&self, chat: &Chat<'_>) -> Result<String, ChatError> {
        let context = context(chat)?;
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| ChatError::Template(told(&error)))?;
        let mut out = Bounded::default();
        let rendered = template.render_captured_to(context, &mut out).map(drop);
        if out.full {
            return Err(ChatError::PromptTooLong);
        }
        rendered.map_err(|error| fault(&error))?;
        String::from_utf8(out.bytes).map_err(|_| ChatError::Render("writes no UTF-8".to_owned()))
    }
}

fn bounded(what: &'static str, text: &str, limit: usize) -> Result<(), ChatError> {
    let found = text.len();
    if found > limit {
        return Err(ChatError::TooLong { what, found, limit });
    }
    Ok(())
}

fn parsed(
    what: &'static str,
    text: &str,
    kind: ValueKind,
    must: &'static str,
) -> Result<Value, ChatError> {
    bounded(what, text, CHAT_JSON_BYTES_MAX)?;
    let wrong = ChatError::Json { what, must };
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.kind() == kind => Ok(value),
        _ => Err(wrong),
    }
}

/// The messages. What is `null` in one is left out, as transformers does: templates handle what is not there, and many
/// would write `None` otherwise.
fn messages(text: &str) -> Result<Value, ChatError> {
    const WHAT: &str = "messages";
    const MUST: &str = "a JSON list of objects";
    let wrong = || ChatError::Json {
        what: WHAT,
        must: MUST,
    };
    let list = parsed(WHAT, text, ValueKind::Seq, MUST)?;
    let mut messages = Vec::with_capacity(list.len().unwrap_or(0));
    for message in list.try_iter().map_err(|_| wrong())? {
        if message.kind() != ValueKind::Map {
            return Err(wrong());
        }
        let mut pairs = Vec::new();
        for key in message.try_iter().map_err(|_| wrong())? {
            let value = message.get_item(&key).map_err(|_| wrong())?;
            if !value.is_none() {
                pairs.push((key, value));
            }
        }
        messages.push(Value::from_pairs(pairs));
    }
    Ok(Value::from(messages))
}

fn context(chat: &Chat<'_>) -> Result<Value, ChatError> {
    let messages = messages(chat.messages)?;
    let tools = match chat.tools {
        Some(tools) => parsed("tools", tools, ValueKind::Seq, "a JSON list")?,
        None => Value::from(()),
    };
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    if let Some(other) = chat.other {
        let other = parsed("other values", other, ValueKind::Map, "a JSON object")?;
        for key in other.try_iter().into_iter().flatten() {
            let value = other.get_item(&key).unwrap_or_default();
            values.extend(key.as_str().map(|key| (key.to_owned(), value)));
        }
    }
    let mut set = |name: &str, value: Value| drop(values.insert(name.to_owned(), value));
    set("messages", messages);
    set("tools", tools);
    set("documents", Value::from(()));
    set("add_generation_prompt", Value::from(chat.generation_prompt));
    if let Some(bos) = chat.bos_token {
        set("bos_token", Value::from(bos));
    }
    if let Some(eos) = chat.eos_token {
        set("eos_token", Value::from(eos));
    }
    if let Some(now) = chat.now_unix_s {
        let function = move |format: &str| {
            strftime(format, now).ok_or_else(|| {
                Error::new(ErrorKind::InvalidOperation, "strftime_now: unknown format")
            })
        };
        set("strftime_now", Value::from_function(function));
    }
    Ok(Value::from(values))
}

/// What `raise_exception` was called with.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Raised {}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a function")]
fn raise(message: Value) -> Result<Value, Error> {
    let text = python::text(&message)?;
    Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(text)))
}

/// What went wrong in rendering.
fn fault(error: &Error) -> ChatError {
    let mut source: Option<&(dyn error::Error + 'static)> = Some(error);
    while let Some(one) = source {
        if let Some(Raised(text)) = one.downcast_ref::<Raised>() {
            return ChatError::Refused(short(text));
        }
        let out_of_fuel =
            one.downcast_ref::<Error>().map(Error::kind) == Some(ErrorKind::OutOfFuel);
        if out_of_fuel {
            return ChatError::Fuel;
        }
        source = one.source();
    }
    ChatError::Render(told(error))
}

/// An error of the template engine with its line. It names the template's own text, never the chat's.
fn told(error: &Error) -> String {
    let line = error
        .line()
        .map_or_else(String::new, |line| format!(" in line {line}"));
    short(&format!("{}{line}", error.kind()))
}

/// A buffer with an end.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > PROMPT_BYTES_MAX {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The template without the marks of what the assistant says. They write nothing; only training asks for them. Each
/// becomes a condition that holds, so that white space around it is treated as before.
fn without_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        out.push_str(before);
        out.push_str("{%");
        let Some((inside, after)) = tag.split_once("%}") else {
            rest = tag;
            continue;
        };
        let word = inside.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+'));
        match word {
            "generation" => out.push_str(&inside.replacen(word, "if true", 1)),
            "endgeneration" => out.push_str(&inside.replacen(word, "endif", 1)),
            _ => out.push_str(inside),
        }
        out.push_str("%}");
        rest = after;
    }
    out.push_str(rest);
    out
}
