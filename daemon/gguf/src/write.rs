//! Building a GGUF file.

use thiserror::Error;

use crate::{
    cursor::wide,
    error::ParseError,
    gguf::{ALIGNMENT_DEFAULT, ALIGNMENT_KEY, Gguf, MAGIC},
    tensor::TensorType,
    value::{Value, write_string},
};

/// A file that cannot be built.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum WriteError {
    /// What was put together would not be read back.
    #[error("the file would not be read back: {0}")]
    Unreadable(ParseError),
}

struct Part<'a> {
    name: &'a str,
    ty: TensorType,
    dims: Vec<u64>,
    data: &'a [u8],
}

/// A GGUF file being put together, version 3: metadata and tensors in the order they are added.
///
/// Tensors lie one behind the other, each padded with zeros to the alignment (`general.alignment`, 32 where it is not
/// added), the last one too. A file laid out like that is rebuilt to the byte by [`Writer::copy_of`].
#[derive(Default)]
pub struct Writer<'a> {
    version: Option<u32>,
    entries: Vec<(&'a str, Value<'a>)>,
    parts: Vec<Part<'a>>,
}

impl<'a> Writer<'a> {
    /// A file with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that is in `file`.
    #[must_use]
    pub fn copy_of(file: &Gguf<'a>) -> Self {
        let mut writer = Self {
            version: Some(file.version()),
            entries: file.metadata().to_vec(),
            parts: Vec::new(),
        };
        for tensor in file.tensors() {
            writer.tensor(tensor.name(), tensor.ty(), tensor.dims(), tensor.data());
        }
        writer
    }

    /// Adds a metadata entry.
    pub fn entry(&mut self, key: &'a str, value: Value<'a>) -> &mut Self {
        self.entries.push((key, value));
        self
    }

    /// Adds a tensor; `dims` begin with the row length, `data` are its rows.
    pub fn tensor(
        &mut self,
        name: &'a str,
        ty: TensorType,
        dims: &[u64],
        data: &'a [u8],
    ) -> &mut Self {
        self.parts.push(Part {
            name,
            ty,
            dims: dims.to_vec(),
            data,
        });
        self
    }

    /// The file's bytes, which [`Gguf::parse`] reads.
    ///
    /// # Errors
    /// When they would not be read: a key or name twice or too long, a shape that does not fit the type or the data.
    pub fn finish(&self) -> Result<Vec<u8>, WriteError> {
        let said = self.entries.iter().find(|(key, _)| *key == ALIGNMENT_KEY);
        let alignment = said
            .and_then(|(_, value)| value.as_u64())
            .and_then(|alignment| usize::try_from(alignment).ok())
            .filter(|&alignment| alignment > 0)
            .unwrap_or(32);
        debug_assert!(said.is_some() || wide(alignment) == ALIGNMENT_DEFAULT);
        let mut out = Vec::from(MAGIC);
        out.extend(self.version.unwrap_or(3).to_le_bytes());
        out.extend(wide(self.parts.len()).to_le_bytes());
        out.extend(wide(self.entries.len()).to_le_bytes());
        for (key, value) in &self.entries {
            write_string(&mut out, key);
            out.extend(value.ty().number().to_le_bytes());
            value.write(&mut out);
        }
        let mut offset = 0_usize;
        for part in &self.parts {
            write_string(&mut out, part.name);
            // A shape of more than four dimensions is refused when the bytes are read back.
            out.extend(
                u32::try_from(part.dims.len())
                    .unwrap_or(u32::MAX)
                    .to_le_bytes(),
            );
            for dim in &part.dims {
                out.extend(dim.to_le_bytes());
            }
            out.extend(part.ty.number().to_le_bytes());
            out.extend(wide(offset).to_le_bytes());
            offset = (offset + part.data.len()).next_multiple_of(alignment);
        }
        if !self.parts.is_empty() {
            pad(&mut out, alignment);
        }
        for part in &self.parts {
            out.extend(part.data);
            pad(&mut out, alignment);
        }
        self.checked(out)
    }

    /// The bytes, if they say what was put in.
    fn checked(&self, out: Vec<u8>) -> Result<Vec<u8>, WriteError> {
        let file = Gguf::parse(&out).map_err(WriteError::Unreadable)?;
        let wrong = file
            .tensors()
            .iter()
            .zip(&self.parts)
            .find(|(tensor, part)| tensor.data() != part.data);
        if let Some((tensor, part)) = wrong {
            return Err(WriteError::Unreadable(ParseError {
                offset: tensor.offset(),
                field: format!("data of tensor {:?}", crate::error::shown(part.name)),
                fault: crate::Fault::Size {
                    found: wide(part.data.len()),
                    expected: wide(tensor.data().len()),
                },
            }));
        }
        Ok(out)
    }
}

fn pad(out: &mut Vec<u8>, alignment: usize) {
    out.resize(out.len().next_multiple_of(alignment), 0);
}
