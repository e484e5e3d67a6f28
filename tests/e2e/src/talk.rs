//! Talking to fakd through fakctl as a caller does, and reading what it says.

use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
};

use fak_support::Place;
use serde_json::Value;

use crate::said;

/// Writes the one policy of a place, before fakd starts or reloads.
///
/// # Panics
/// When it cannot be written.
pub fn policy(place: &Place, text: &str) {
    fs::write(place.policy_dir().join("p.yaml"), text).expect("written");
}

/// What fakctl answered as JSON, whatever its exit code.
///
/// # Panics
/// When it is no JSON.
#[must_use]
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("json: {}", said(output)))
}

/// Runs fakctl with `--json`; its exit code and its answer.
///
/// # Panics
/// When it answers no JSON.
#[must_use]
pub fn told(place: &Place, args: &[&str]) -> (i32, Value) {
    let output = place.fakctl(&[args, &["--json"]].concat());
    (output.status.code().unwrap_or(-1), json(&output))
}

/// Runs fakctl with something on its standard input.
///
/// # Panics
/// When it cannot be run.
#[must_use]
pub fn fed(place: &Place, args: &[&str], input: &[u8]) -> Output {
    let mut child = place
        .command("fakctl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input)
        .expect("written");
    child.wait_with_output().expect("ended")
}

/// Has a call of a session judged.
#[must_use]
pub fn call(place: &Place, trace: &str, tool: &str, args: &str) -> Value {
    told(
        place,
        &["adjudicate", tool, "--args", args, "--trace", trace],
    )
    .1
}

/// Kind, reason and rule of an answer's verdict.
#[must_use]
pub fn verdict(answer: &Value) -> [&str; 3] {
    ["kind", "reason", "by"].map(|name| answer["verdict"][name].as_str().unwrap_or(""))
}

/// A session as fakd tells it.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn session(place: &Place, trace: &str) -> Value {
    let (code, mut answer) = told(place, &["session", "get", trace]);
    assert_eq!(code, 0, "{answer}");
    answer["session"].take()
}
