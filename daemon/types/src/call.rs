//! One tool request, borrowed from whoever received it.

/// Longest tool name, in bytes. LIMIT: names longer than this are `MALFORMED`.
pub const TOOL_NAME_BYTES_MAX: usize = 256;

/// Longest trace id, in bytes. LIMIT: ids longer than this are refused at the edge.
pub const TRACE_ID_BYTES_MAX: usize = 128;

/// Bounds on the arguments of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Longest argument text, in bytes.
    pub args_bytes_max: usize,
    /// Deepest nesting of arrays and objects.
    pub depth_max: usize,
    /// Most values (leaves, arrays and objects together).
    pub values_max: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            args_bytes_max: 4 << 20,
            depth_max: 64,
            values_max: 1 << 18,
        }
    }
}

/// One tool request.
#[derive(Clone, Copy, Debug)]
pub struct ToolCall<'a> {
    /// The tool's name as the caller spells it.
    pub tool: &'a str,
    /// The raw JSON object of arguments, byte for byte as the caller sent it; empty means `{}`.
    pub args: &'a str,
    /// The session this call belongs to.
    pub trace: &'a str,
    /// The directory relative paths start from, as the caller claims; `None` when it did not say.
    pub cwd: Option<&'a str>,
    /// The home directory `~` stands for, as the caller claims; `None` when it did not say.
    pub home: Option<&'a str>,
}
