//! Drives a parse.

use crate::{
    command::{Opaque, Script, Unresolved},
    Limits,
};

pub(crate) fn run(text: &str, limits: &Limits) -> Script {
    let mut script = Script::default();
    if text.len() > limits.bytes_max {
        script.unresolved.push(Unresolved { at: limits.bytes_max, what: Opaque::TooLong });
    } else if !text.is_empty() {
        script.unresolved.push(Unresolved { at: 0, what: Opaque::Syntax });
    }
    script
}
