//! Tensors of either kind of file, by name, in one form; and the orders in which their rows may lie.

use std::{borrow::Cow, collections::BTreeSet};

use fak_gguf::{Gguf, Safetensors};
use fak_simd::{Matrix, Pool, WeightKind, read_tensor_row};

use crate::error::LoadError;

/// Where a model's tensors are.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// In one GGUF file.
    Gguf(&'a Gguf<'a>),
    /// In the safetensors files of one model.
    Safetensors(&'a [Safetensors<'a>]),
}

impl Source<'_> {
    pub(crate) fn is_gguf(&self) -> bool {
        matches!(self, Source::Gguf(_))
    }
}

/// How the rows of a tensor become the rows of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they lie.
    AsIs,
    /// Heads of so many rows whose two halves lie interleaved: they are put one behind the other.
    Interleaved(usize),
    /// Inputs and outputs change places; of the outputs every `step`-th is taken, from `first` on.
    Turned { first: usize, step: usize },
}

/// A matrix where it lies in a file.
#[derive(Clone, Debug)]
pub(crate) struct Weight<'a> {
    pub(crate) name: String,
    pub(crate) kind: WeightKind,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) raw: &'a [u8],
    pub(crate) order: Order,
}

impl<'a> Weight<'a> {
    /// An upper bound of the bytes it takes when packed: panels of sixteen rows, up to one part in 32 larger.
    pub(crate) fn packed_bytes(&self) -> u64 {
        let row = self.kind.row_bytes(self.columns).unwrap_or(0) as u64;
        let bytes = row.saturating_mul(self.rows.next_multiple_of(16) as u64);
        bytes.saturating_add(bytes / 32).saturating_add(64)
    }

    /// Some of the rows, as a matrix of its own.
    pub(crate) fn part(&self, first: usize, rows: usize) -> Option<Weight<'a>> {
        let row = self.kind.row_bytes(self.columns)?;
        Some(Weight {
            rows,
            raw: self.raw.get(first * row..(first + rows) * row)?,
            ..self.clone()
        })
    }

    /// The rows in the matrix's order.
    fn ordered(&self) -> Option<Cow<'a, [u8]>> {
        let row = self.kind.row_bytes(self.columns)?;
        match self.order {
            Order::AsIs => Some(Cow::Borrowed(self.raw)),
            Order::Interleaved(head) => {
                let mut out = Vec::with_capacity(self.raw.len());
                for head in self.raw.chunks(head * row) {
                    for half in 0..2 {
                        let rows = head.chunks(row).skip(half).step_by(2);
                        rows.for_each(|row| out.extend_from_slice(row));
                    }
                }
                Some(Cow::Owned(out))
            }
            Order::Turned { first, step } => {
                let number = self.kind.row_bytes(1)?;
                let mut out = Vec::with_capacity(self.rows * row);
                for output in 0..self.rows {
                    let at = first + output * step;
                    for input in self.raw.chunks(self.rows * step * number) {
                        out.extend_from_slice(input.get(at * number..(at + 1) * number)?);
                    }
                }
                Some(Cow::Owned(out))
            }
        }
    }

    pub(crate) fn pack(&self, pool: &mut Pool) -> Result<Matrix, LoadError> {
        let raw = self.ordered().unwrap_or_default();
        Matrix::pack(self.kind, self.rows, self.columns, &raw, pool).map_err(|error| {
            LoadError::Pack {
                name: self.name.clone(),
                error,
            }
        })
    }
}

/// A tensor as it was found.
struct Found<'a> {
    kind: WeightKind,
    /// Row length first.
    dims: Vec<u64>,
    raw: &'a [u8],
}

/// Looks tensors up and remembers which were.
pub(crate) struct Tensors<'a> {
    source: Source<'a>,
    used: BTreeSet<String>,
    /// Packed bytes of all matrices handed out.
    pub(crate) bytes: u64,
}

impl<'a> Tensors<'a> {
    pub(crate) fn new(source: Source<'a>) -> Tensors<'a> {
        Tensors {
            source,
            used: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// The name both kinds of file give a role, GGUF's first, where they say `.weight` or `.bias` behind it.
    pub(crate) fn name(&self, gguf: &str, safetensors: &str, end: &str) -> String {
        let name = if self.source.is_gguf() {
            gguf
        } else {
            safetensors
        };
        format!("{name}{end}")
    }

    pub(crate) fn is_gguf(&self) -> bool {
        self.source.is_gguf()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match self.source {
            Source::Gguf(file) => file.tensor(name).is_some(),
            Source::Safetensors(files) => files.iter().any(|file| file.tensor(name).is_some()),
        }
    }

    fn find(&mut self, name: &str) -> Result<Found<'a>, LoadError> {
        let missing = || LoadError::Missing(name.to_owned());
        let kind_of = |kind: Option<WeightKind>, stored: String| {
            kind.ok_or_else(|| LoadError::Kind {
                name: name.to_owned(),
                kind: stored,
            })
        };
        let found = match self.source {
            Source::Gguf(file) => {
                let tensor = file.tensor(name).ok_or_else(missing)?;
                Found {
                    kind: kind_of(
                        WeightKind::from_ggml(tensor.ty().number()),
                        tensor.ty().name().to_owned(),
                    )?,
                    dims: tensor.dims().to_vec(),
                    raw: tensor.data(),
                }
            }
            Source::Safetensors(files) => {
                let tensor = files
                    .iter()
                    .find_map(|file| file.tensor(name))
                    .ok_or_else(missing)?;
                let kind = tensor.dtype.tensor_type().map(fak_gguf::TensorType::number);
                Found {
                    kind: kind_of(
                        kind.and_then(WeightKind::from_ggml),
                        format!("{:?}", tensor.dtype),
                    )?,
                    dims: tensor.shape.iter().rev().copied().collect(),
                    raw: tensor.data,
                }
            }
        };
        self.used.insert(name.to_owned());
        Ok(found)
    }

    /// A tensor of exactly these dimensions, row length first, as one matrix of all its rows.
    pub(crate) fn weight(&mut self, name: String, dims: &[usize]) -> Result<Weight<'a>, LoadError> {
        let found = self.find(&name)?;
        let expected: Vec<u64> = dims.iter().map(|&dim| dim as u64).collect();
        if found.dims != expected {
            return Err(LoadError::Shape {
                name,
                expected,
                found: found.dims,
            });
        }
        let weight = Weight {
            name,
            kind: found.kind,
            rows: dims.iter().skip(1).product(),
            columns: dims.first().copied().unwrap_or(0),
            raw: found.raw,
            order: Order::AsIs,
        };
        self.bytes = self.bytes.saturating_add(weight.packed_bytes());
        Ok(weight)
    }

    /// The numbers of a small tensor, `len` in each of its rows.
    pub(crate) fn numbers(&mut self, name: String, dims: &[usize]) -> Result<Vec<f32>, LoadError> {
        let before = self.bytes;
        let weight = self.weight(name, dims)?;
        self.bytes = before.saturating_add(4 * (weight.rows * weight.columns) as u64);
        let row = weight.kind.row_bytes(weight.columns).unwrap_or(0).max(1);
        let mut out = vec![0.0; weight.rows * weight.columns];
        let rows = out.chunks_mut(weight.columns.max(1));
        for (to, raw) in rows.zip(weight.raw.chunks(row)) {
            if !read_tensor_row(weight.kind, raw, to) {
                return Err(LoadError::Kind {
                    name: weight.name,
                    kind: format!("{:?} of that length", weight.kind),
                });
            }
        }
        Ok(out)
    }

    /// As [`Tensors::numbers`], when the file has it.
    pub(crate) fn maybe_numbers(
        &mut self,
        name: String,
        dims: &[usize],
    ) -> Result<Option<Vec<f32>>, LoadError> {
        self.has(&name)
            .then(|| self.numbers(name, dims))
            .transpose()
    }

    /// Counts a tensor as looked at.
    pub(crate) fn skip(&mut self, name: &str) {
        self.used.insert(name.to_owned());
    }

    /// Refuses a file with a tensor nobody asked for.
    pub(crate) fn all_used(&self) -> Result<(), LoadError> {
        // Constants older exporters wrote beside the weights; the configuration says the same.
        let known = |name: &str| name.ends_with("rotary_emb.inv_freq");
        let left = |name: &str| !self.used.contains(name) && !known(name);
        let extra = match self.source {
            Source::Gguf(file) => file
                .tensors()
                .iter()
                .map(fak_gguf::Tensor::name)
                .find(|name| left(name)),
            Source::Safetensors(files) => files
                .iter()
                .flat_map(|file| file.tensors().keys())
                .map(String::as_str)
                .find(|name| left(name)),
        };
        match extra {
            Some(name) => Err(LoadError::Unexpected(name.chars().take(80).collect())),
            None => Ok(()),
        }
    }
}
