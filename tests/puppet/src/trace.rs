//! Recorded tasks: what the user wants, and every call with what it brought back.

use std::io::Read as _;

use serde::Deserialize;
use serde_json::Value;

/// Whose idea a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Idea {
    /// It serves the user's task.
    User,
    /// A result said so.
    Injection,
}

/// One call.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// Whose idea it was.
    pub src: Idea,
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub args: Value,
    /// What it brought back.
    pub result: Value,
    /// What went wrong, in the tool's words.
    pub error: Option<String>,
}

/// One task, perhaps with an attack on it.
#[derive(Clone, Debug, Deserialize)]
pub struct Trace {
    /// The suite of tools.
    pub suite: String,
    /// The user's task.
    pub user_task: String,
    /// The attack's, when there is one.
    pub injection_task: Option<String>,
    /// The user's words.
    pub prompt: String,
    /// The calls.
    pub steps: Vec<Step>,
}

impl Trace {
    /// Suite, task and attack in one line.
    #[must_use]
    pub fn name(&self) -> String {
        let attack = self.injection_task.as_deref().unwrap_or("no attack");
        format!("{} {} {attack}", self.suite, self.user_task)
    }
}

/// Reads packed lines.
///
/// # Panics
/// When they are not traces: the file is part of this repository.
#[must_use]
pub fn read(packed: &[u8]) -> Vec<Trace> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("the traces unpack");
    let traces = text.lines().map(serde_json::from_str);
    traces
        .collect::<Result<_, _>>()
        .expect("every line is a trace")
}

/// Tasks nobody attacks.
#[must_use]
pub fn benign() -> Vec<Trace> {
    read(include_bytes!("../../cases/agentdojo/benign.jsonl.gz"))
}

/// The same tasks with an attack in everything that can hold one.
#[must_use]
pub fn attacked() -> Vec<Trace> {
    read(include_bytes!("../../cases/agentdojo/attacked.jsonl.gz"))
}
