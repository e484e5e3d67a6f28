//! One thing worth telling.

use std::fmt::Write as _;

use crate::Event;

/// Longest value of a field, in bytes. LIMIT: a longer one is cut.
pub const FIELD_BYTES_MAX: usize = 256;

/// An event and its fields, on its way to the log.
#[derive(Clone, Debug)]
#[must_use = "a notice is told only by `say`"]
pub struct Notice {
    event: Event,
    fields: Vec<(&'static str, String)>,
}

impl Notice {
    /// Starts a notice.
    pub fn of(event: Event) -> Self {
        let fields = vec![
            ("FAK_EVENT", event.as_str().to_owned()),
            ("MESSAGE_ID", event.message_id().to_owned()),
        ];
        Self { event, fields }
    }

    /// The verdict's kind.
    pub fn verdict(self, kind: &str) -> Self {
        self.field("FAK_VERDICT", kind)
    }

    /// The verdict's reason.
    pub fn reason(self, reason: &str) -> Self {
        self.field("FAK_REASON", reason)
    }

    /// The tool's name.
    pub fn tool(self, tool: &str) -> Self {
        self.field("FAK_TOOL", tool)
    }

    /// The session.
    pub fn trace(self, trace: &str) -> Self {
        self.field("FAK_TRACE", trace)
    }

    /// The principal.
    pub fn principal(self, name: &str) -> Self {
        self.field("FAK_PRINCIPAL", name)
    }

    /// The journal row.
    pub fn seq(self, seq: u64) -> Self {
        self.field("FAK_SEQ", &seq.to_string())
    }

    /// The policy generation.
    pub fn generation(self, generation: u64) -> Self {
        self.field("FAK_GENERATION", &generation.to_string())
    }

    fn field(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.fields.push((name, plain(value, FIELD_BYTES_MAX)));
        }
        self
    }

    /// Puts the notice into the log's queue. Never blocks.
    pub fn say(self, message: &str) {
        let level = self.event.level();
        if level <= log::max_level() {
            crate::queue::offer(crate::queue::Line {
                level,
                message: plain(message, 8 * FIELD_BYTES_MAX),
                fields: self.fields,
            });
        }
    }
}

/// `text` with control characters escaped, cut to about `bytes_max`: a caller's text stays on its line.
pub(crate) fn plain(text: &str, bytes_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(bytes_max));
    for c in text.chars() {
        if out.len() >= bytes_max {
            out.push('…');
            break;
        }
        if c.is_control() || is_deceptive(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that reorder or hide text on a terminal.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        assert_eq!(
            plain("a\nb\u{1b}[2J\u{202e}c", 100),
            "a\\u{a}b\\u{1b}[2J\\u{202e}c"
        );
    }

    #[test]
    fn long_values_are_cut() {
        let notice = Notice::of(Event::Refused).tool(&"x".repeat(1000));
        let (_, value) = notice.fields.last().expect("a field");
        assert!(value.len() <= FIELD_BYTES_MAX + 4, "{}", value.len());
    }

    #[test]
    fn empty_fields_are_absent() {
        assert_eq!(Notice::of(Event::Started).tool("").fields.len(), 2);
    }
}
