//! The types a weight may have in a file, and the sizes of their blocks.

/// How a weight tensor is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeightKind {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// 32 signed bytes and a binary16 scale.
    Q8_0,
    /// 32 nibbles about 8 and a scale.
    Q4_0,
    /// 32 nibbles, a scale and a minimum.
    Q4_1,
    /// 32 five-bit numbers about 16 and a scale.
    Q5_0,
    /// 32 five-bit numbers, a scale and a minimum.
    Q5_1,
    /// 256 nibbles in eight sub-blocks with six-bit scales and minimums.
    Q4K,
    /// As `Q4K`, with five bits.
    Q5K,
    /// 256 six-bit numbers about 32, in sixteen sub-blocks with signed byte scales.
    Q6K,
}

impl WeightKind {
    /// Every kind.
    pub const ALL: [WeightKind; 11] = [
        WeightKind::F32,
        WeightKind::F16,
        WeightKind::Bf16,
        WeightKind::Q8_0,
        WeightKind::Q4_0,
        WeightKind::Q4_1,
        WeightKind::Q5_0,
        WeightKind::Q5_1,
        WeightKind::Q4K,
        WeightKind::Q5K,
        WeightKind::Q6K,
    ];

    /// The kind GGUF files number `id`; `None` for types without a kernel.
    #[must_use]
    pub fn from_ggml(id: u32) -> Option<WeightKind> {
        Some(match id {
            0 => WeightKind::F32,
            1 => WeightKind::F16,
            2 => WeightKind::Q4_0,
            3 => WeightKind::Q4_1,
            6 => WeightKind::Q5_0,
            7 => WeightKind::Q5_1,
            8 => WeightKind::Q8_0,
            12 => WeightKind::Q4K,
            13 => WeightKind::Q5K,
            14 => WeightKind::Q6K,
            30 => WeightKind::Bf16,
            _ => return None,
        })
    }

    /// Columns in one block of a file: 1, 32 or 256. A row is a whole number of blocks.
    #[must_use]
    pub fn block_columns(self) -> usize {
        match self {
            WeightKind::F32 | WeightKind::F16 | WeightKind::Bf16 => 1,
            WeightKind::Q4K | WeightKind::Q5K | WeightKind::Q6K => 256,
            _ => 32,
        }
    }

    /// Bytes of one block of a file.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        match self {
            WeightKind::F32 => 4,
            WeightKind::F16 | WeightKind::Bf16 => 2,
            WeightKind::Q8_0 => 34,
            WeightKind::Q4_0 => 18,
            WeightKind::Q4_1 => 20,
            WeightKind::Q5_0 => 22,
            WeightKind::Q5_1 => 24,
            WeightKind::Q4K => 144,
            WeightKind::Q5K => 176,
            WeightKind::Q6K => 210,
        }
    }

    /// Where the parts of one block lie in a panel.
    #[must_use]
    pub(crate) const fn layout(self) -> Layout {
        let (head, scale, chunk, above, subs) = match self {
            WeightKind::F32 => (0, 0, 64, 0, 1),
            WeightKind::F16 | WeightKind::Bf16 => (0, 0, 32, 0, 1),
            WeightKind::Q8_0 => (0, 32, 128, 0, 1),
            WeightKind::Q4_0 => (0, 32, 64, 0, 1),
            WeightKind::Q4_1 => (0, 64, 64, 0, 1),
            WeightKind::Q5_0 => (0, 32, 64, 64, 1),
            WeightKind::Q5_1 => (0, 64, 64, 64, 1),
            WeightKind::Q4K => (64, 32, 64, 0, 8),
            WeightKind::Q5K => (64, 32, 64, 64, 8),
            WeightKind::Q6K => (32, 32, 64, 128, 8),
        };
        Layout {
            head,
            scale,
            chunk,
            above,
            subs,
        }
    }

    /// Whether activations meet this kind as int8 blocks; else as `f32`.
    #[must_use]
    pub fn is_quantized(self) -> bool {
        !matches!(self, WeightKind::F32 | WeightKind::F16 | WeightKind::Bf16)
    }

    /// Bytes of a row of `columns` in a file; `None` when it is no whole number of blocks.
    #[must_use]
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        let block = self.block_columns();
        columns
            .is_multiple_of(block)
            .then(|| (columns / block).checked_mul(self.block_bytes()))
            .flatten()
    }
}

/// The parts of one block of a panel, in bytes for sixteen rows. Panels stand in groups of up to four; of each part, those
/// of all panels of the group lie together in the order in which they are used, so that a group is read as one stream:
///
/// ```text
/// heads | scales, chunks 0, chunks 1, chunks 2, chunks 3, bits above | scales, chunks 0, ...
/// ```
///
/// Of plain numbers, a block is one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What the whole block shares.
    pub head: usize,
    /// What 32 columns share; for plain numbers nothing.
    pub scale: usize,
    /// A quarter of the numbers of 32 columns, or one plain column.
    pub chunk: usize,
    /// What the numbers have beside their nibbles.
    pub above: usize,
    /// How many times 32 columns follow a head.
    pub subs: usize,
}

/// Where the parts of 32 columns of one panel lie in a block of its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub head: usize,
    pub scale: usize,
    pub chunks: usize,
    /// From one chunk of the panel to the next.
    pub step: usize,
    pub above: usize,
}

impl Layout {
    const fn is_plain(&self) -> bool {
        self.scale == 0
    }

    /// Bytes of 32 columns of one panel.
    pub(crate) const fn sub_bytes(&self) -> usize {
        let chunks = if self.is_plain() { 1 } else { 4 };
        self.scale + chunks * self.chunk + self.above
    }

    /// Bytes of one panel's block.
    pub(crate) const fn bytes(&self) -> usize {
        self.head + self.subs * self.sub_bytes()
    }

    /// Columns in one block.
    pub(crate) const fn columns(&self) -> usize {
        if self.is_plain() { 1 } else { 32 * self.subs }
    }

    /// The places of panel `p` and 32 columns `sub` in a block of `group` panels.
    #[inline(always)]
    pub(crate) const fn places(&self, group: usize, p: usize, sub: usize) -> Places {
        let part = group * self.head + sub * group * self.sub_bytes();
        let chunks = part + group * self.scale;
        Places {
            head: p * self.head,
            scale: part + p * self.scale,
            chunks: chunks + p * self.chunk,
            step: group * self.chunk,
            above: chunks + 4 * group * self.chunk + p * self.above,
        }
    }
}
