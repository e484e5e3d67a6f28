//! Tensor types, the shape of their blocks, and a tensor as a view.
//!
//! A row is stored as blocks of a fixed number of elements. The layouts are ggml's (`docs/gguf.md` names the types,
//! `ggml-common.h` the blocks); all integers are little-endian, `f16` is IEEE 754 binary16.
//!
//! | type | number | elements | bytes | bytes of a block, in order |
//! |---|---|---|---|---|
//! | F32 | 0 | 1 | 4 | binary32 |
//! | F16 | 1 | 1 | 2 | binary16 |
//! | BF16 | 30 | 1 | 2 | the upper half of a binary32 |
//! | Q4_0 | 2 | 32 | 18 | `d` f16; 16 x two nibbles: low = element i, high = element i + 16 |
//! | Q4_1 | 3 | 32 | 20 | `d` f16; `m` f16; 16 x two nibbles as in Q4_0 |
//! | Q5_0 | 6 | 32 | 22 | `d` f16; 4 bytes, bit i = fifth bit of element i; 16 x two nibbles as in Q4_0 |
//! | Q5_1 | 7 | 32 | 24 | `d` f16; `m` f16; 4 bytes of fifth bits; 16 x two nibbles |
//! | Q8_0 | 8 | 32 | 34 | `d` f16; 32 x i8 |
//! | Q4_K | 12 | 256 | 144 | `d` f16; `dmin` f16; 12 bytes of 8 scales and 8 minima, 6 bits each; 128 x two nibbles |
//! | Q5_K | 13 | 256 | 176 | `d` f16; `dmin` f16; 12 bytes as in Q4_K; 32 bytes of fifth bits; 128 x two nibbles |
//! | Q6_K | 14 | 256 | 210 | 128 x two nibbles; 64 x four pairs of upper bits; 16 x i8 scale; `d` f16 |

use thiserror::Error;

/// LIMIT: Dimensions of a tensor, which is what GGUF has room for.
pub const DIMS_MAX: usize = 4;

/// How the elements of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(non_camel_case_types, reason = "these are the format's own names")]
pub enum TensorType {
    /// Floats of 32 bits.
    F32,
    /// Floats of 16 bits.
    F16,
    /// The upper halves of floats of 32 bits.
    BF16,
    /// 4 bits and a scale per 32.
    Q4_0,
    /// 4 bits, a scale and a minimum per 32.
    Q4_1,
    /// 5 bits and a scale per 32.
    Q5_0,
    /// 5 bits, a scale and a minimum per 32.
    Q5_1,
    /// 8 bits and a scale per 32.
    Q8_0,
    /// 4 bits in blocks of 256, with scales and minima per 32.
    Q4_K,
    /// 5 bits in blocks of 256, with scales and minima per 32.
    Q5_K,
    /// 6 bits in blocks of 256, with scales per 16.
    Q6_K,
}

/// The numbers of the types this reader has no code for, and those the format once had.
const OTHER: &[(u32, &str)] = &[
    (4, "Q4_2"),
    (5, "Q4_3"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
    (39, "MXFP4"),
    (40, "NVFP4"),
];

impl TensorType {
    /// Every type that is read.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
    ];

    /// The type's number in a GGUF file.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q4_K => 12,
            Self::Q5_K => 13,
            Self::Q6_K => 14,
            Self::BF16 => 30,
        }
    }

    /// The type with that number, if it is one that is read.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.number() == number)
    }

    /// The name of a type of the format that is not read.
    pub(crate) fn unread(number: u32) -> Option<&'static str> {
        let (_, name) = OTHER.iter().find(|(other, _)| *other == number)?;
        Some(name)
    }

    /// The format's name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
        }
    }

    /// Elements of one block.
    #[must_use]
    pub fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of one block.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// Bytes of a row of `len` elements; `None` when it does not fall into whole blocks or does not fit.
    #[must_use]
    pub fn row_bytes(self, len: usize) -> Option<usize> {
        if !len.is_multiple_of(self.block_len()) {
            return None;
        }
        (len / self.block_len()).checked_mul(self.block_bytes())
    }
}

/// A row that cannot be converted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowError {
    /// The row does not fall into whole blocks.
    #[error("a row of {len} elements does not fall into whole blocks of {}", .ty.name())]
    Block {
        /// The type.
        ty: TensorType,
        /// Elements of the row.
        len: usize,
    },
    /// The bytes are not those of a row of that length.
    #[error("{found} bytes for a row of {expected}")]
    Bytes {
        /// Bytes that are there.
        found: usize,
        /// Bytes that must be there.
        expected: usize,
    },
    /// There is code to read this type and none to write it.
    #[error("{} is read and not written", .0.name())]
    ReadOnly(TensorType),
}

/// A tensor of a file: its name, its shape, and the bytes of its rows where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) ty: TensorType,
    pub(crate) dims: [u64; DIMS_MAX],
    pub(crate) dims_len: usize,
    pub(crate) offset: u64,
    pub(crate) data: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// The tensor's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// How its elements are stored.
    #[must_use]
    pub fn ty(&self) -> TensorType {
        self.ty
    }

    /// The shape, the dimension that varies fastest first: `[row length, rows, ..]`. None is zero, and their product and
    /// the bytes it takes fit into `usize`.
    #[must_use]
    pub fn dims(&self) -> &[u64] {
        self.dims.get(..self.dims_len).unwrap_or_default()
    }

    /// Where the tensor's bytes begin, counted from the beginning of the data section.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// All bytes of the tensor, rows one behind the other.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Elements of a row.
    #[must_use]
    pub fn row_len(&self) -> usize {
        let first = self.dims().first().copied().unwrap_or(1);
        usize::try_from(first).unwrap_or(usize::MAX)
    }

    /// How many rows there are, over all dimensions but the first.
    #[must_use]
    pub fn rows(&self) -> usize {
        let rest = self.dims().get(1..).unwrap_or_default();
        let rows: u64 = rest.iter().product();
        usize::try_from(rows).unwrap_or(usize::MAX)
    }

    /// The bytes of row `index`.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<&'a [u8]> {
        let bytes = self.ty.row_bytes(self.row_len())?;
        let begin = index.checked_mul(bytes)?;
        self.data.get(begin..begin.checked_add(bytes)?)
    }
}
