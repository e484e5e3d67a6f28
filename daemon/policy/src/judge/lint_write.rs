//! A whole-file write of a structured file that does not parse.

use std::borrow::Cow;

use fak_args::{Kind, Value};
use saphyr_parser::{Parser, StrInput};

use crate::names;

/// Tools that write a whole file at once, folded.
const WHOLE_FILE_TOOLS: [&str; 9] = [
    "write",
    "writefile",
    "createfile",
    "filewrite",
    "writetofile",
    "createtextfile",
    "savefile",
    "putfile",
    "create",
];

/// Files that end in `.json` and may hold comments.
const COMMENTED: [&str; 6] = [
    "tsconfig",
    "jsconfig",
    ".eslintrc",
    "devcontainer",
    ".swcrc",
    "settings.json",
];

/// Whether a tool writes a whole file at once.
pub(crate) fn writes_whole_files(tool: &str) -> bool {
    let last = tool.rsplit("__").next().unwrap_or(tool);
    WHOLE_FILE_TOOLS
        .iter()
        .any(|known| names::key_is(last, known))
}

/// The refusal's words when the call writes JSON, YAML or TOML that does not parse.
pub(crate) fn problem(root: Value<'_, '_>) -> Option<String> {
    let path = text_under(
        root,
        &["filepath", "path", "file", "filename", "targetfile"],
    )?;
    let content = text_under(root, &["content", "contents", "filetext", "text", "data"])?;
    let name = path
        .rsplit('/')
        .next()
        .unwrap_or(&path)
        .to_ascii_lowercase();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension)?;
    match extension {
        "json" if !COMMENTED.iter().any(|known| name.starts_with(known)) => json(&content),
        "yaml" | "yml" if !content.contains("{{") => yaml(&content),
        "toml" => toml(&content),
        _ => None,
    }
}

fn text_under<'a>(root: Value<'_, 'a>, keys: &[&str]) -> Option<Cow<'a, str>> {
    let found = root.items().find(|item| {
        item.kind() == Kind::String
            && item
                .key()
                .is_some_and(|name| keys.iter().any(|key| names::key_is(&name, key)))
    })?;
    found.as_str()
}

fn json(text: &str) -> Option<String> {
    let problem = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    Some(format!(
        "the content is not JSON: line {} column {}",
        problem.line(),
        problem.column()
    ))
}

fn yaml(text: &str) -> Option<String> {
    let problem = Parser::new(StrInput::new(text)).find_map(Result::err)?;
    let mark = problem.marker();
    Some(format!(
        "the content is not YAML: line {} column {}",
        mark.line(),
        mark.col() + 1
    ))
}

fn toml(text: &str) -> Option<String> {
    let problem = text.parse::<toml::Table>().err()?;
    let at = problem.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Some(format!(
        "the content is not TOML: line {line} column {column}"
    ))
}
