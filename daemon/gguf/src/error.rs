//! What can be wrong with a model file.

use thiserror::Error;

/// A file that is not what it says: where, in which field, and how.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{field} at byte {offset}: {fault}")]
pub struct ParseError {
    /// The byte of the file at which the field begins.
    pub offset: u64,
    /// The field in the format's own words, with the key or tensor it belongs to. Names out of the file are cut short.
    pub field: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The ways in which a field can be wrong.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The file ends inside the field.
    #[error("needs {needed} bytes, the file has {left} more")]
    Truncated {
        /// Bytes the field asks for.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// The first four bytes are not `GGUF`.
    #[error("is not the magic of a GGUF file")]
    Magic,
    /// The file was written for the other byte order.
    #[error("is a big-endian file; only little-endian files are read")]
    BigEndian,
    /// A version this reader does not know.
    #[error("version {0} is not read; 2 and 3 are")]
    Version(u32),
    /// More of something than this reader takes.
    #[error("is {found}, at most {limit} are read")]
    TooMany {
        /// What the file says.
        found: u64,
        /// What is taken.
        limit: u64,
    },
    /// Text that is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// A name without a letter.
    #[error("is empty")]
    Empty,
    /// A name that stands twice.
    #[error("stands twice")]
    Duplicate,
    /// A metadata value type the format does not have.
    #[error("value type {0} does not exist")]
    ValueType(u32),
    /// A boolean that is neither 0 nor 1.
    #[error("{0} is no boolean")]
    Bool(u8),
    /// Arrays within arrays within arrays.
    #[error("is nested more than {0} deep")]
    Depth(usize),
    /// An alignment that is no power of two from 8 up to the limit.
    #[error("alignment {0} is no power of two from 8 to 65536")]
    Alignment(u64),
    /// A value of another type than the key must have.
    #[error("must be {0}")]
    WrongType(&'static str),
    /// A tensor type the format does not have.
    #[error("tensor type {0} does not exist")]
    UnknownTensorType(u32),
    /// A tensor type the format has and this reader does not.
    #[error("tensor type {0} is not supported")]
    UnsupportedTensorType(&'static str),
    /// A dimension that is zero.
    #[error("is zero")]
    Zero,
    /// A product of sizes that does not fit.
    #[error("is too large to be addressed")]
    Overflow,
    /// A row that does not fall into whole blocks.
    #[error("rows of {row} elements do not fall into blocks of {block}")]
    Block {
        /// Elements of a row.
        row: u64,
        /// Elements of a block.
        block: u64,
    },
    /// A position that is not a multiple of the alignment.
    #[error("{offset} is not a multiple of {alignment}")]
    Misaligned {
        /// The position.
        offset: u64,
        /// What it must be a multiple of.
        alignment: u64,
    },
    /// Data that would lie beyond the end of the file.
    #[error("ends at byte {end} of a data section of {len}")]
    OutsideFile {
        /// Where it would end, counted from the beginning of the data section.
        end: u64,
        /// The bytes the data section has.
        len: u64,
    },
    /// Data that lies in another tensor's.
    #[error("overlaps tensor {0:?}")]
    Overlap(String),
    /// A safetensors header that is not the JSON it must be.
    #[error("is not a valid header: {0}")]
    Header(String),
    /// A size in bytes that is not what shape and type give.
    #[error("is {found} bytes long, shape and type give {expected}")]
    Size {
        /// What the file says.
        found: u64,
        /// What shape and type give.
        expected: u64,
    },
    /// Bytes between or behind tensors that belong to none.
    #[error("{0} bytes belong to no tensor")]
    Hole(u64),
}

/// Characters of a name out of a file that an error repeats.
const NAME_CHARS_SHOWN: usize = 80;

/// A name out of a file, cut short and without control characters.
pub(crate) fn shown(name: &str) -> String {
    let mut short: String = name
        .chars()
        .take(NAME_CHARS_SHOWN)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if name.chars().nth(NAME_CHARS_SHOWN).is_some() {
        short.push_str("...");
    }
    short
}
