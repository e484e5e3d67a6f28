//! The first rung: is this a call at all?

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use fak_types::{CallLimits, Reason, TOOL_NAME_BYTES_MAX, TRACE_ID_BYTES_MAX, ToolCall, Verdict};

/// Reported in `by`: the same word the policy's argument reader uses, for both say "not well-formed".
pub const BY_PARSE: &str = "parse";

static PARSE: LazyLock<Arc<str>> = LazyLock::new(|| BY_PARSE.into());

/// The opinion on the call's outer form: names, sizes. Defers when there is nothing to object to.
pub(crate) fn opinion(call: &ToolCall<'_>, limits: &CallLimits) -> Verdict {
    match objection(call, limits) {
        None => Verdict::defer(Arc::clone(&PARSE)),
        Some(detail) => Verdict::deny(Reason::Malformed, BY_PARSE, &detail),
    }
}

fn objection(call: &ToolCall<'_>, limits: &CallLimits) -> Option<String> {
    name("the tool's name", call.tool, TOOL_NAME_BYTES_MAX)
        .or_else(|| name("the trace id", call.trace, TRACE_ID_BYTES_MAX))
        .or_else(|| too_long("the arguments", call.args.len(), limits.args_bytes_max))
}

/// Whether `trace` can name a session: not empty, not too long, every character visible.
#[must_use]
pub fn trace_is_sound(trace: &str) -> bool {
    name("", trace, TRACE_ID_BYTES_MAX).is_none()
}

fn name(what: &str, text: &str, bytes_max: usize) -> Option<String> {
    if text.is_empty() {
        return Some(format!("{what} is empty"));
    }
    too_long(what, text.len(), bytes_max).or_else(|| {
        let (at, _) = text.char_indices().find(|&(_, c)| invisible(c))?;
        Some(format!(
            "{what} holds a control or invisible character at byte {at}"
        ))
    })
}

fn too_long(what: &str, bytes: usize, bytes_max: usize) -> Option<String> {
    (bytes > bytes_max).then(|| format!("{what}: {bytes} bytes, at most {bytes_max} are read"))
}

/// Characters that make two names look alike: controls, zero-width marks, direction overrides.
fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A name as a record keeps it: bounded, every invisible character replaced.
pub(crate) fn recordable(text: &str, bytes_max: usize) -> Cow<'_, str> {
    let text = cut(text, bytes_max);
    if text.chars().any(invisible) {
        // A replacement takes at most three bytes; what it replaces takes at least one.
        let visible = |c| {
            if invisible(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        let clean: String = text.chars().map(visible).collect();
        cut(&clean, bytes_max).to_owned().into()
    } else {
        text.into()
    }
}

/// The text's beginning of at most this many bytes, whole characters only.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use fak_types::VerdictKind;

    use super::*;

    fn call<'a>(tool: &'a str, args: &'a str, trace: &'a str) -> ToolCall<'a> {
        ToolCall {
            tool,
            args,
            trace,
            cwd: None,
            home: None,
        }
    }

    #[test]
    fn a_call_without_a_proper_name_is_malformed() {
        let limits = CallLimits {
            args_bytes_max: 10,
            ..CallLimits::default()
        };
        let long = "x".repeat(TOOL_NAME_BYTES_MAX + 1);
        let long_trace = "x".repeat(TRACE_ID_BYTES_MAX + 1);
        for (tool, args, trace, says) in [
            ("", "{}", "t", "the tool's name is empty"),
            (
                long.as_str(),
                "{}",
                "t",
                "the tool's name: 257 bytes, at most 256 are read",
            ),
            (
                "Ba\nsh",
                "{}",
                "t",
                "the tool's name holds a control or invisible character at byte 2",
            ),
            (
                "Ba\u{200b}sh",
                "{}",
                "t",
                "the tool's name holds a control or invisible character at byte 2",
            ),
            ("Bash", "{}", "", "the trace id is empty"),
            (
                "Bash",
                "{}",
                long_trace.as_str(),
                "the trace id: 129 bytes, at most 128 are read",
            ),
            (
                "Bash",
                "{}",
                "a\0",
                "the trace id holds a control or invisible character at byte 1",
            ),
            (
                "Bash",
                "{\"a\":\"secret\"}",
                "t",
                "the arguments: 14 bytes, at most 10 are read",
            ),
        ] {
            let verdict = opinion(&call(tool, args, trace), &limits);
            assert_eq!(
                (
                    verdict.kind,
                    verdict.reason,
                    &*verdict.by,
                    verdict.detail.as_str()
                ),
                (VerdictKind::Deny, Reason::Malformed, BY_PARSE, says)
            );
        }
        assert_eq!(
            opinion(&call("Bash", "{}", "t-1"), &limits).kind,
            VerdictKind::Defer
        );
        assert_eq!(
            opinion(&call("mcp__bücher", "", "t 1"), &limits).kind,
            VerdictKind::Defer
        );
    }

    #[test]
    fn recorded_names_are_bounded_and_visible() {
        assert_eq!(recordable("Bash", 256), "Bash");
        assert_eq!(recordable("a\u{1b}[2Jb", 256), "a\u{fffd}[2Jb");
        assert_eq!(recordable("ééé", 3), "é");
        assert!(recordable(&"\n".repeat(300), 256).len() <= 256);
    }
}
