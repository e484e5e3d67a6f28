//! A safetensors file: a length of 8 bytes, a JSON header of that length, and the tensors.
//!
//! The format is that of the `safetensors` project. Its own crate reads it too; this reader is here because that one
//! lets the later of two tensors of one name win, names no place in its errors, and has a limit of its own that cannot
//! be set. The rules are the same: tensors cover the data without holes and without overlap.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed as _, Error as _, MapAccess, Visitor},
};

use crate::{
    cursor::{Cursor, wide},
    error::{Fault, ParseError, shown},
    gguf::{TENSOR_NAME_BYTES_MAX, TENSORS_MAX},
    tensor::TensorType,
};

/// LIMIT: Bytes of a header, about 200 for each of the tensors that are taken.
pub const HEADER_BYTES_MAX: u64 = 32 << 20;
/// LIMIT: Dimensions of a tensor.
const SHAPE_MAX: usize = 8;
/// LIMIT: Entries of a header's own metadata.
const NOTES_MAX: usize = 1024;
/// Where the header begins.
const HEADER_BEGIN: u64 = 8;

/// How the elements of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[expect(non_camel_case_types, reason = "these are the format's own names")]
#[expect(missing_docs, reason = "the names say it: kind and bits")]
pub enum Dtype {
    BOOL,
    U8,
    I8,
    F8_E4M3,
    F8_E5M2,
    U16,
    I16,
    F16,
    BF16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
}

impl Dtype {
    /// Bytes of an element.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::BOOL | Self::U8 | Self::I8 | Self::F8_E4M3 | Self::F8_E5M2 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The same elements as a tensor type, for those [`crate::dequantize_row`] knows.
    #[must_use]
    pub fn tensor_type(self) -> Option<TensorType> {
        match self {
            Self::F32 => Some(TensorType::F32),
            Self::F16 => Some(TensorType::F16),
            Self::BF16 => Some(TensorType::BF16),
            _ => None,
        }
    }
}

/// A tensor of a file: shape with the slowest dimension first, and its bytes where they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeTensor<'a> {
    /// How its elements are stored.
    pub dtype: Dtype,
    /// The shape, `[.., rows, row length]`; empty for a single element.
    pub shape: Vec<u64>,
    /// Its bytes.
    pub data: &'a [u8],
}

/// A parsed file. It borrows the bytes it was parsed from.
#[derive(Clone, Debug)]
pub struct Safetensors<'a> {
    tensors: BTreeMap<String, SafeTensor<'a>>,
    notes: BTreeMap<String, String>,
}

impl<'a> Safetensors<'a> {
    /// Reads the header and checks that the tensors cover the data exactly.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(bytes);
        let len = cursor.count(HEADER_BYTES_MAX, &|| "header length".to_owned())?;
        let header = cursor.take(len, &|| "header".to_owned())?;
        let data = bytes.get(cursor.at()..).unwrap_or_default();
        let header = read(header)?;
        let mut tensors = BTreeMap::new();
        let mut spans = Vec::with_capacity(header.lines.len());
        for (name, line) in header.lines {
            let wrong = |fault| ParseError {
                offset: HEADER_BEGIN,
                field: format!("tensor {:?}", shown(&name)),
                fault,
            };
            let data = line.data(data).map_err(wrong)?;
            spans.push((line.data_offsets, name.clone()));
            let tensor = SafeTensor {
                dtype: line.dtype,
                shape: line.shape,
                data,
            };
            tensors.insert(name, tensor);
        }
        cover(spans, wide(data.len()))?;
        Ok(Self {
            tensors,
            notes: header.notes,
        })
    }

    /// The tensors by name.
    #[must_use]
    pub fn tensors(&self) -> &BTreeMap<String, SafeTensor<'a>> {
        &self.tensors
    }

    /// The tensor of that name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&SafeTensor<'a>> {
        self.tensors.get(name)
    }

    /// What `__metadata__` says.
    #[must_use]
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Line {
    fn data<'a>(&self, data: &'a [u8]) -> Result<&'a [u8], Fault> {
        if self.shape.len() > SHAPE_MAX {
            return Err(Fault::TooMany {
                found: wide(self.shape.len()),
                limit: wide(SHAPE_MAX),
            });
        }
        let expected = self
            .shape
            .iter()
            .try_fold(self.dtype.bytes(), |bytes, &dim| bytes.checked_mul(dim))
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or(Fault::Overflow)?;
        let (begin, end) = self.data_offsets;
        let span = usize::try_from(begin).ok().zip(usize::try_from(end).ok());
        let Some(found) = span.and_then(|(begin, end)| data.get(begin..end)) else {
            let len = wide(data.len());
            return Err(Fault::OutsideFile { end, len });
        };
        if wide(found.len()) != expected {
            let found = wide(found.len());
            return Err(Fault::Size { found, expected });
        }
        Ok(found)
    }
}

/// Refuses data that belongs to no tensor or to two.
fn cover(mut spans: Vec<((u64, u64), String)>, len: u64) -> Result<(), ParseError> {
    spans.sort();
    let mut covered = 0;
    let mut last = String::new();
    for ((begin, end), name) in spans {
        let fault = match begin {
            begin if begin < covered => Some(Fault::Overlap(shown(&last))),
            begin if begin > covered => Some(Fault::Hole(begin - covered)),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(ParseError {
                offset: HEADER_BEGIN,
                field: format!("data_offsets of tensor {:?}", shown(&name)),
                fault,
            });
        }
        covered = end;
        last = name;
    }
    if covered < len {
        return Err(ParseError {
            offset: HEADER_BEGIN,
            field: "data".to_owned(),
            fault: Fault::Hole(len - covered),
        });
    }
    Ok(())
}

#[derive(Default)]
struct Header {
    lines: BTreeMap<String, Line>,
    notes: BTreeMap<String, String>,
}

fn read(bytes: &[u8]) -> Result<Header, ParseError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let header = HeaderSeed
        .deserialize(&mut json)
        .and_then(|header| json.end().map(|()| header));
    header.map_err(|error| {
        // Headers are one line, so that the column is the byte.
        let column = wide(error.column().saturating_sub(1));
        ParseError {
            offset: HEADER_BEGIN.saturating_add(column),
            field: "header".to_owned(),
            fault: Fault::Header(shown(&error.to_string())),
        }
    })
}

struct HeaderSeed;

impl<'de> serde::de::DeserializeSeed<'de> for HeaderSeed {
    type Value = Header;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Header, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderSeed {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut noted = false;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let long = wide(name.len()) > TENSOR_NAME_BYTES_MAX;
            let many = wide(header.lines.len()) >= TENSORS_MAX;
            if name.is_empty() || long || many {
                return Err(A::Error::custom(
                    "a name is empty or too long, or too many tensors",
                ));
            }
            if name == "__metadata__" {
                header.notes = map.next_value()?;
                if noted || header.notes.len() > NOTES_MAX {
                    return Err(A::Error::custom(
                        "__metadata__ stands twice or is too large",
                    ));
                }
                noted = true;
                continue;
            }
            let name = name.into_owned();
            let line = map.next_value()?;
            let shown = shown(&name);
            if header.lines.insert(name, line).is_some() {
                return Err(A::Error::custom(format_args!("{shown:?} stands twice")));
            }
        }
        Ok(header)
    }
}
