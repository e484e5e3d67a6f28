//! What bytes are, by content.

/// What bytes are, by content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// Nothing at all.
    Empty,
    /// Text in UTF-8, or in UTF-16 with its mark.
    Text,
    /// Text that begins and ends as a JSON object or array.
    Json,
    /// Source code.
    Code,
    /// Lines of a log.
    Log,
    /// A picture of this format.
    Image(&'static str),
    /// A packed or compressed file of this format.
    Archive(&'static str),
    /// Sound, video, a program, a database: bytes nobody reads as text.
    Binary,
}
