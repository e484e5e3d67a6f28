//! Where lines end: the systemd journal, or standard error.

use std::io::{self, IsTerminal as _, Write};

use log::Level;
use systemd_journal_logger::{JournalLog, connected_to_journal};

use crate::queue::Line;

/// Where to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// The journal when standard error is connected to it, else standard error.
    Auto,
    /// Standard error, plain.
    Stderr,
}

/// An open sink.
pub(crate) enum Open {
    Journal(Box<JournalLog>),
    /// Lines carry `<N>` before the text, for a service manager that reads standard error.
    Prefixed,
    /// For a person.
    Plain,
    /// Never takes a line.
    #[cfg(test)]
    Stuck,
}

impl Sink {
    pub(crate) fn open(self) -> Open {
        if self == Self::Auto {
            if connected_to_journal() {
                // Without the journal's socket, its standard error stream still understands prefixes.
                return JournalLog::new()
                    .map_or(Open::Prefixed, |log| Open::Journal(Box::new(log)));
            }
            if !io::stderr().is_terminal() && std::env::var_os("JOURNAL_STREAM").is_some() {
                return Open::Prefixed;
            }
        }
        Open::Plain
    }
}

impl Open {
    /// Writes one line. A sink that fails loses the line: there is nobody left to tell.
    pub(crate) fn write(&mut self, line: &Line) {
        let _ = match self {
            Self::Journal(log) => log.journal_send(
                &log::Record::builder()
                    .level(line.level)
                    .target("fakd")
                    .key_values(&line.fields.as_slice())
                    .args(format_args!("{}", line.message))
                    .build(),
            ),
            Self::Prefixed => render(&mut io::stderr().lock(), Some(priority(line.level)), line),
            Self::Plain => render(&mut io::stderr().lock(), None, line),
            #[cfg(test)]
            Self::Stuck => loop {
                std::thread::park();
            },
        };
    }
}

const fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 5,
        Level::Debug => 6,
        Level::Trace => 7,
    }
}

/// Writes a line as text in one write: `fakd: warn: message (reason=X tool=Y)`.
pub(crate) fn render(out: &mut dyn Write, priority: Option<u8>, line: &Line) -> io::Result<()> {
    let mut text = priority.map_or_else(String::new, |number| format!("<{number}>"));
    text.push_str("fakd: ");
    if line.level <= Level::Warn {
        text.push_str(if line.level == Level::Error {
            "error: "
        } else {
            "warning: "
        });
    }
    text.push_str(&line.message);
    let mut separator = " (";
    for (name, value) in &line.fields {
        let Some(short) = name.strip_prefix("FAK_").filter(|short| *short != "EVENT") else {
            continue;
        };
        text.push_str(separator);
        text.push_str(&short.to_ascii_lowercase());
        text.push('=');
        text.push_str(value);
        separator = " ";
    }
    text.push_str(if separator == " " { ")\n" } else { "\n" });
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(priority: Option<u8>, level: Level, fields: Vec<(&'static str, String)>) -> String {
        let mut out = Vec::new();
        let line = Line {
            level,
            message: "something".to_owned(),
            fields,
        };
        render(&mut out, priority, &line).expect("a buffer takes every write");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lines_for_people_and_for_the_service_manager() {
        assert_eq!(rendered(None, Level::Info, vec![]), "fakd: something\n");
        let fields = vec![
            ("FAK_EVENT", "X".to_owned()),
            ("MESSAGE_ID", "0".to_owned()),
            ("FAK_TOOL", "Bash".to_owned()),
            ("FAK_SEQ", "3".to_owned()),
        ];
        assert_eq!(
            rendered(Some(4), Level::Warn, fields),
            "<4>fakd: warning: something (tool=Bash seq=3)\n"
        );
    }
}
