//! Which answers may be kept, and what makes them stale.

/// What a profile says about answers of tools that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Tools whose answers may be kept, in file order.
    pub reads: Vec<Read>,
    /// Tools that make kept answers stale, in file order. No tool is in both lists.
    pub writes: Vec<Write>,
}

/// A tool whose answers may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The tool's exact name.
    pub tool: String,
    /// What it reads from, such as `fs`; letters, digits, `-`, `_`, `.`, at most 64 bytes.
    pub namespace: String,
    /// Selectors of the arguments that say which resources it reads; empty: the namespace as a whole.
    pub resources: Vec<String>,
    /// How long an answer holds at most, in seconds; `None`: until something makes it stale.
    pub ttl_s: Option<u64>,
}

/// A tool that changes something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// The tool's name; like all restrictions it is compared without regard to ASCII case.
    pub tool: String,
    /// Where it changes something.
    pub namespace: String,
    /// Selectors of the arguments that say which resources it changes; empty: the namespace as a whole.
    pub resources: Vec<String>,
}

impl Cache {
    /// What is said of keeping this tool's answers.
    #[must_use]
    pub fn read(&self, tool: &str) -> Option<&Read> {
        self.reads.iter().find(|read| read.tool == tool)
    }

    /// What is said of changes by this tool.
    #[must_use]
    pub fn write(&self, tool: &str) -> Option<&Write> {
        let mut writes = self.writes.iter();
        writes.find(|write| write.tool.eq_ignore_ascii_case(tool))
    }
}
