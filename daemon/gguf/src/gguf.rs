//! A GGUF file: header, metadata, tensor table, tensors.
//!
//! The layout is that of `docs/gguf.md` in ggml, versions 2 and 3 (which are the same bytes):
//!
//! | field | bytes |
//! |---|---|
//! | magic | `GGUF` |
//! | version | u32 |
//! | tensor count | u64 |
//! | metadata count | u64 |
//! | metadata | per entry: key (text), value type u32, value |
//! | tensor table | per tensor: name (text), dimension count u32, dimensions u64 each, type u32, offset u64 |
//! | padding | up to a multiple of `general.alignment` (32 where it is not said) |
//! | data | the tensors at their offsets, which count from here and are multiples of the alignment |
//!
//! Text is a length u64 and that many bytes of UTF-8.

use foldhash::{HashMap, HashMapExt as _};

use crate::{
    cursor::{Cursor, wide},
    error::{Fault, ParseError, shown},
    tensor::{DIMS_MAX, Tensor, TensorType},
    value::{Value, ValueType},
};

/// LIMIT: Metadata entries of a file. Known files have fewer than a hundred.
pub const KEYS_MAX: u64 = 4096;
/// LIMIT: Bytes of a metadata key, as the format says.
pub const KEY_BYTES_MAX: u64 = 65535;
/// LIMIT: Tensors of a file. The largest known models have some ten thousand.
pub const TENSORS_MAX: u64 = 1 << 17;
/// LIMIT: Bytes of a tensor's name. The format says 64; files with longer ones exist.
pub const TENSOR_NAME_BYTES_MAX: u64 = 256;
/// LIMIT: The alignment a file may ask for, in bytes.
pub const ALIGNMENT_MAX: u64 = 65536;

/// The alignment of a file that does not say one.
pub(crate) const ALIGNMENT_DEFAULT: u64 = 32;
/// The key that says it.
pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";
/// The first four bytes.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";

/// The fewest bytes a metadata entry takes: a key's length, a type, a value.
const ENTRY_BYTES_MIN: usize = 8 + 4 + 1;
/// The fewest bytes a line of the tensor table takes.
const LINE_BYTES_MIN: usize = 8 + 4 + 8 + 4 + 8;

/// A parsed file. It borrows the bytes it was parsed from.
#[derive(Clone, Debug)]
pub struct Gguf<'a> {
    version: u32,
    alignment: u64,
    data_begin: usize,
    entries: Vec<(&'a str, Value<'a>)>,
    keys: HashMap<&'a str, usize>,
    tensors: Vec<Tensor<'a>>,
    names: HashMap<&'a str, usize>,
}

impl<'a> Gguf<'a> {
    /// Reads everything but the weights and checks where these lie.
    ///
    /// Guarantees of a parsed file: keys and tensor names stand once; every array was read to its last item; every tensor
    /// lies inside the file, at its alignment, in whole blocks, and overlaps no other.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::new(bytes);
        let version = header(&mut cursor)?;
        let tensor_count = cursor.count(TENSORS_MAX, &|| "tensor count".to_owned())?;
        let key_count = cursor.count(KEYS_MAX, &|| "metadata count".to_owned())?;
        let (entries, keys, alignment) = metadata(&mut cursor, key_count)?;
        let lines = table(&mut cursor, tensor_count)?;
        let begin = wide(cursor.at()).next_multiple_of(alignment);
        let data_begin = usize::try_from(begin).unwrap_or(usize::MAX);
        // A file without tensors may end before the padding.
        let data = bytes.get(data_begin..).unwrap_or_default();
        let tensors = place(&lines, data, alignment)?;
        let names = tensors
            .iter()
            .enumerate()
            .map(|(at, tensor)| (tensor.name, at))
            .collect();
        Ok(Self {
            version,
            alignment,
            data_begin,
            entries,
            keys,
            tensors,
            names,
        })
    }

    /// The version of the format, 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What tensors are aligned to, in bytes.
    #[must_use]
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// The byte of the file at which the data section begins.
    #[must_use]
    pub fn data_begin(&self) -> usize {
        self.data_begin
    }

    /// The metadata in the order of the file.
    #[must_use]
    pub fn metadata(&self) -> &[(&'a str, Value<'a>)] {
        &self.entries
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        let at = *self.keys.get(key)?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// The tensors in the order of the file's table.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor<'a>] {
        &self.tensors
    }

    /// The tensor of that name.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.get(*self.names.get(name)?)
    }
}

fn header(cursor: &mut Cursor<'_>) -> Result<u32, ParseError> {
    let magic = || "magic".to_owned();
    if cursor.take(4, &magic)? != MAGIC {
        return Err(cursor.fault_back(4, &magic, Fault::Magic));
    }
    let field = || "version".to_owned();
    let version = cursor.u32(&field)?;
    match version {
        2 | 3 => Ok(version),
        // No version is this large: the bytes stand the other way round.
        other if other != 0 && other.trailing_zeros() >= 16 => {
            Err(cursor.fault_back(4, &field, Fault::BigEndian))
        }
        other => Err(cursor.fault_back(4, &field, Fault::Version(other))),
    }
}

type Entries<'a> = (Vec<(&'a str, Value<'a>)>, HashMap<&'a str, usize>, u64);

fn metadata<'a>(cursor: &mut Cursor<'a>, count: u64) -> Result<Entries<'a>, ParseError> {
    let capacity = capacity(cursor, count, ENTRY_BYTES_MIN);
    let mut entries = Vec::with_capacity(capacity);
    let mut keys = HashMap::with_capacity(capacity);
    let mut aligned = ALIGNMENT_DEFAULT;
    for at in 0..count {
        let begin = cursor.at();
        let key = name(cursor, KEY_BYTES_MAX, &|| format!("metadata key {at}"))?;
        let field = || format!("metadata {:?}", shown(key));
        if keys.insert(key, entries.len()).is_some() {
            let back = cursor.at() - begin;
            return Err(cursor.fault_back(back, &field, Fault::Duplicate));
        }
        let number = cursor.u32(&field)?;
        let Some(ty) = ValueType::of(number) else {
            return Err(cursor.fault_back(4, &field, Fault::ValueType(number)));
        };
        let begin = cursor.at();
        let value = Value::read(cursor, ty, 0, &field)?;
        if key == ALIGNMENT_KEY {
            let back = cursor.at() - begin;
            aligned = alignment(&value).map_err(|fault| cursor.fault_back(back, &field, fault))?;
        }
        entries.push((key, value));
    }
    Ok((entries, keys, aligned))
}

/// What `count` entries may reserve: no more than the rest of the file could hold.
fn capacity(cursor: &Cursor<'_>, count: u64, bytes_min: usize) -> usize {
    usize::try_from(count)
        .unwrap_or(usize::MAX)
        .min(cursor.left() / bytes_min)
}

fn name<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    field: &dyn Fn() -> String,
) -> Result<&'a str, ParseError> {
    let name = cursor.string(limit, field)?;
    if name.is_empty() {
        return Err(cursor.fault_back(8, field, Fault::Empty));
    }
    Ok(name)
}

fn alignment(value: &Value<'_>) -> Result<u64, Fault> {
    let Value::U32(alignment) = *value else {
        return Err(Fault::WrongType("a u32"));
    };
    let alignment = u64::from(alignment);
    if !alignment.is_power_of_two() || !(8..=ALIGNMENT_MAX).contains(&alignment) {
        return Err(Fault::Alignment(alignment));
    }
    Ok(alignment)
}

/// A line of the tensor table, whose data has not been looked for yet.
struct Line<'a> {
    tensor: Tensor<'a>,
    bytes: u64,
    /// Where the line's offset stands in the file.
    at: usize,
}

fn table<'a>(cursor: &mut Cursor<'a>, count: u64) -> Result<Vec<Line<'a>>, ParseError> {
    let mut lines = Vec::with_capacity(capacity(cursor, count, LINE_BYTES_MIN));
    for at in 0..count {
        lines.push(line(cursor, at)?);
    }
    Ok(lines)
}

fn line<'a>(cursor: &mut Cursor<'a>, index: u64) -> Result<Line<'a>, ParseError> {
    let name = name(cursor, TENSOR_NAME_BYTES_MAX, &|| {
        format!("name of tensor {index}")
    })?;
    let of = |what: &str| format!("{what} of tensor {:?}", shown(name));
    let count = || of("dimension count");
    let found = cursor.u32(&count)?;
    let dims_len = usize::try_from(found).unwrap_or(usize::MAX);
    if dims_len > DIMS_MAX {
        let fault = Fault::TooMany {
            found: found.into(),
            limit: wide(DIMS_MAX),
        };
        return Err(cursor.fault_back(4, &count, fault));
    }
    if dims_len == 0 {
        return Err(cursor.fault_back(4, &count, Fault::Zero));
    }
    let mut dims = [1; DIMS_MAX];
    let shape = || of("shape");
    for dim in dims.iter_mut().take(dims_len) {
        *dim = cursor.u64(&shape)?;
        if *dim == 0 {
            return Err(cursor.fault_back(8, &shape, Fault::Zero));
        }
    }
    let field = || of("type");
    let number = cursor.u32(&field)?;
    let Some(ty) = TensorType::of(number) else {
        let fault = TensorType::unread(number).map_or(
            Fault::UnknownTensorType(number),
            Fault::UnsupportedTensorType,
        );
        return Err(cursor.fault_back(4, &field, fault));
    };
    let bytes =
        bytes_of(ty, &dims).map_err(|fault| cursor.fault_back(4 + 8 * dims_len, &shape, fault))?;
    let offset = cursor.u64(&|| of("offset"))?;
    Ok(Line {
        tensor: Tensor {
            name,
            ty,
            dims,
            dims_len,
            offset,
            data: &[],
        },
        bytes,
        at: cursor.at().saturating_sub(8),
    })
}

/// Bytes of a tensor of that shape, which fit into this machine's memory.
pub(crate) fn bytes_of(ty: TensorType, dims: &[u64]) -> Result<u64, Fault> {
    let block = wide(ty.block_len());
    let row = dims.first().copied().unwrap_or(1);
    if !row.is_multiple_of(block) {
        return Err(Fault::Block { row, block });
    }
    let elements = dims
        .iter()
        .try_fold(1_u64, |product, &dim| product.checked_mul(dim));
    let bytes = elements
        .filter(|&elements| usize::try_from(elements).is_ok())
        .and_then(|elements| (elements / block).checked_mul(wide(ty.block_bytes())))
        .filter(|&bytes| isize::try_from(bytes).is_ok());
    bytes.ok_or(Fault::Overflow)
}

/// Gives every line its bytes.
fn place<'a>(
    lines: &[Line<'a>],
    data: &'a [u8],
    alignment: u64,
) -> Result<Vec<Tensor<'a>>, ParseError> {
    let mut tensors = Vec::with_capacity(lines.len());
    let wrong = |line: &Line<'_>, fault| ParseError {
        offset: wide(line.at),
        field: format!("offset of tensor {:?}", shown(line.tensor.name)),
        fault,
    };
    for line in lines {
        let offset = line.tensor.offset;
        if !offset.is_multiple_of(alignment) {
            return Err(wrong(line, Fault::Misaligned { offset, alignment }));
        }
        let end = offset.saturating_add(line.bytes);
        let span = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
        let Some(found) = span.and_then(|(begin, end)| data.get(begin..end)) else {
            let len = wide(data.len());
            return Err(wrong(line, Fault::OutsideFile { end, len }));
        };
        tensors.push(Tensor {
            data: found,
            ..line.tensor
        });
    }
    apart(lines).map_err(|(line, other)| wrong(line, Fault::Overlap(shown(other))))?;
    once(lines).map_err(|line| wrong(line, Fault::Duplicate))?;
    Ok(tensors)
}

/// Refuses two tensors of which one begins before the other has ended.
fn apart<'l, 'a>(lines: &'l [Line<'a>]) -> Result<(), (&'l Line<'a>, &'a str)> {
    let mut order: Vec<&Line<'a>> = lines.iter().collect();
    order.sort_by_key(|line| line.tensor.offset);
    for (before, line) in order.iter().zip(order.iter().skip(1)) {
        // Neither sum overflows: both tensors were found inside the file.
        if before.tensor.offset.saturating_add(before.bytes) > line.tensor.offset {
            return Err((line, before.tensor.name));
        }
    }
    Ok(())
}

/// Refuses a name that stands twice.
fn once<'l, 'a>(lines: &'l [Line<'a>]) -> Result<(), &'l Line<'a>> {
    let mut names = HashMap::with_capacity(lines.len());
    for line in lines {
        if names.insert(line.tensor.name, ()).is_some() {
            return Err(line);
        }
    }
    Ok(())
}
