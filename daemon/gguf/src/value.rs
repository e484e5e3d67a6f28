//! Metadata values: scalars, text, and arrays that stay where they lie.
//!
//! The layout is that of `docs/gguf.md` in ggml: a value is a type of 4 bytes and its bytes, little-endian. Text is a
//! length of 8 bytes and UTF-8. An array is the type of its items, a count of 8 bytes, and the items one behind the
//! other without types of their own.

use crate::{
    cursor::{Cursor, wide},
    error::{Fault, ParseError},
};

/// LIMIT: Bytes of one text in the metadata. Chat templates are the longest and stay below 100 KiB.
pub const STRING_BYTES_MAX: u64 = 4 << 20;
/// LIMIT: Items of one array. The largest vocabularies have a few hundred thousand tokens and a million merges.
pub const ARRAY_LEN_MAX: u64 = 1 << 24;
/// LIMIT: Arrays within arrays. Nothing known nests them more than twice; reading is recursive.
pub const ARRAY_DEPTH_MAX: usize = 4;

/// The type of a value, with the format's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// 0: an unsigned byte.
    U8,
    /// 1: a signed byte.
    I8,
    /// 2: an unsigned integer of 16 bits.
    U16,
    /// 3: a signed integer of 16 bits.
    I16,
    /// 4: an unsigned integer of 32 bits.
    U32,
    /// 5: a signed integer of 32 bits.
    I32,
    /// 6: a float of 32 bits.
    F32,
    /// 7: one byte, 0 or 1.
    Bool,
    /// 8: text.
    String,
    /// 9: an array.
    Array,
    /// 10: an unsigned integer of 64 bits.
    U64,
    /// 11: a signed integer of 64 bits.
    I64,
    /// 12: a float of 64 bits.
    F64,
}

impl ValueType {
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    pub(crate) fn of(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    pub(crate) fn number(self) -> u32 {
        let place = Self::ALL.iter().position(|&ty| ty == self);
        place.and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
    }

    /// Bytes of one such value; `None` for text and arrays, whose values say it themselves.
    pub(crate) fn width(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }

    /// The fewest bytes an item of this type takes.
    fn width_min(self) -> usize {
        match self {
            Self::Array => 12,
            Self::String => 8,
            other => other.width().unwrap_or(1),
        }
    }
}

/// A metadata value. Text and arrays point into the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An unsigned byte.
    U8(u8),
    /// A signed byte.
    I8(i8),
    /// An unsigned integer of 16 bits.
    U16(u16),
    /// A signed integer of 16 bits.
    I16(i16),
    /// An unsigned integer of 32 bits.
    U32(u32),
    /// A signed integer of 32 bits.
    I32(i32),
    /// A float of 32 bits.
    F32(f32),
    /// A truth value.
    Bool(bool),
    /// Text.
    String(&'a str),
    /// An array.
    Array(Array<'a>),
    /// An unsigned integer of 64 bits.
    U64(u64),
    /// A signed integer of 64 bits.
    I64(i64),
    /// A float of 64 bits.
    F64(f64),
}

impl<'a> Value<'a> {
    /// The value's type.
    #[must_use]
    pub fn ty(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The value as an unsigned integer, if it is an integer of any width and not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::U64(n) => Some(n),
            Self::I8(n) => n.try_into().ok(),
            Self::I16(n) => n.try_into().ok(),
            Self::I32(n) => n.try_into().ok(),
            Self::I64(n) => n.try_into().ok(),
            _ => None,
        }
    }

    /// The value as a float, if it is a float of either width.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(n) => Some(n.into()),
            Self::F64(n) => Some(n),
            _ => None,
        }
    }

    /// The value, if it is a truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(is) => Some(is),
            _ => None,
        }
    }

    /// The value, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        match *self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<Array<'a>> {
        match *self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// One value of type `ty`; arrays are checked to their last item.
    pub(crate) fn read(
        cursor: &mut Cursor<'a>,
        ty: ValueType,
        depth: usize,
        field: &dyn Fn() -> String,
    ) -> Result<Self, ParseError> {
        Ok(match ty {
            ValueType::String => Self::String(cursor.string(STRING_BYTES_MAX, field)?),
            ValueType::Array => Self::Array(Array::read(cursor, depth, field)?),
            ValueType::Bool => match cursor.u8(field)? {
                0 => Self::Bool(false),
                1 => Self::Bool(true),
                other => return Err(cursor.fault_back(1, field, Fault::Bool(other))),
            },
            ValueType::U8 => Self::U8(cursor.u8(field)?),
            ValueType::I8 => Self::I8(cursor.u8(field)?.cast_signed()),
            ValueType::U16 | ValueType::I16 => {
                let low = u16::from(cursor.u8(field)?);
                let high = u16::from(cursor.u8(field)?);
                let bits = low | (high << 8);
                if ty == ValueType::U16 {
                    Self::U16(bits)
                } else {
                    Self::I16(bits.cast_signed())
                }
            }
            ValueType::U32 => Self::U32(cursor.u32(field)?),
            ValueType::I32 => Self::I32(cursor.u32(field)?.cast_signed()),
            ValueType::F32 => Self::F32(f32::from_bits(cursor.u32(field)?)),
            ValueType::U64 => Self::U64(cursor.u64(field)?),
            ValueType::I64 => Self::I64(cursor.u64(field)?.cast_signed()),
            ValueType::F64 => Self::F64(f64::from_bits(cursor.u64(field)?)),
        })
    }

    /// Appends the value's bytes, without its type.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::U8(n) => out.push(n),
            Self::I8(n) => out.push(n.cast_unsigned()),
            Self::U16(n) => out.extend(n.to_le_bytes()),
            Self::I16(n) => out.extend(n.to_le_bytes()),
            Self::U32(n) => out.extend(n.to_le_bytes()),
            Self::I32(n) => out.extend(n.to_le_bytes()),
            Self::F32(n) => out.extend(n.to_bits().to_le_bytes()),
            Self::Bool(is) => out.push(u8::from(is)),
            Self::String(text) => write_string(out, text),
            Self::Array(array) => {
                out.extend(array.ty.number().to_le_bytes());
                out.extend(wide(array.len).to_le_bytes());
                out.extend(array.bytes);
            }
            Self::U64(n) => out.extend(n.to_le_bytes()),
            Self::I64(n) => out.extend(n.to_le_bytes()),
            Self::F64(n) => out.extend(n.to_bits().to_le_bytes()),
        }
    }
}

pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.extend(wide(text.len()).to_le_bytes());
    out.extend(text.as_bytes());
}

/// An array of the file: the bytes of its items, all of them checked, none of them copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array<'a> {
    ty: ValueType,
    len: usize,
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// The type of the items.
    #[must_use]
    pub fn item_type(&self) -> ValueType {
        self.ty
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The items in order, each decoded when it is asked for.
    #[must_use]
    pub fn items(&self) -> Items<'a> {
        Items {
            cursor: Cursor::new(self.bytes),
            ty: self.ty,
            left: self.len,
        }
    }

    /// The texts in order, if the items are texts.
    #[must_use]
    pub fn strings(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        (self.ty == ValueType::String).then(|| self.items().filter_map(|item| item.as_str()))
    }

    /// The floats in order, if the items are floats of 32 bits.
    #[must_use]
    pub fn f32s(&self) -> Option<impl Iterator<Item = f32> + use<'a>> {
        (self.ty == ValueType::F32).then(|| {
            self.items().filter_map(|item| match item {
                Value::F32(n) => Some(n),
                _ => None,
            })
        })
    }

    /// The integers in order, if the items are integers; `None` for one that is negative.
    #[must_use]
    pub fn u64s(&self) -> Option<impl Iterator<Item = Option<u64>> + use<'a>> {
        let whole = !matches!(
            self.ty,
            ValueType::F32
                | ValueType::F64
                | ValueType::Bool
                | ValueType::String
                | ValueType::Array
        );
        whole.then(|| self.items().map(|item| item.as_u64()))
    }

    fn read(
        cursor: &mut Cursor<'a>,
        depth: usize,
        field: &dyn Fn() -> String,
    ) -> Result<Self, ParseError> {
        if depth >= ARRAY_DEPTH_MAX {
            return Err(cursor.fault_back(0, field, Fault::Depth(ARRAY_DEPTH_MAX)));
        }
        let number = cursor.u32(field)?;
        let Some(ty) = ValueType::of(number) else {
            return Err(cursor.fault_back(4, field, Fault::ValueType(number)));
        };
        let len = cursor.count(ARRAY_LEN_MAX, field)?;
        let mut walk = cursor.clone();
        match ty.width() {
            Some(width) => {
                // The product fits: a length is at most ARRAY_LEN_MAX and a width at most 8.
                let bytes = walk.take(len.saturating_mul(wide(width)), field)?;
                let odd = (ty == ValueType::Bool)
                    .then(|| bytes.iter().position(|&byte| byte > 1))
                    .flatten();
                if let Some(at) = odd {
                    let byte = bytes.get(at).copied().unwrap_or(0);
                    return Err(walk.fault_back(bytes.len() - at, field, Fault::Bool(byte)));
                }
            }
            None => {
                let needed = len.saturating_mul(wide(ty.width_min()));
                let left = wide(walk.left());
                if needed > left {
                    return Err(walk.fault_back(0, field, Fault::Truncated { needed, left }));
                }
                for _ in 0..len {
                    Value::read(&mut walk, ty, depth + 1, field)?;
                }
            }
        }
        let taken = walk.at() - cursor.at();
        Ok(Self {
            ty,
            len: usize::try_from(len).unwrap_or(usize::MAX),
            bytes: cursor.take(wide(taken), field)?,
        })
    }
}

/// The items of an [`Array`].
#[derive(Clone)]
pub struct Items<'a> {
    cursor: Cursor<'a>,
    ty: ValueType,
    left: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        // The array was read to its end once, so that this cannot fail.
        Value::read(&mut self.cursor, self.ty, 0, &String::new).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// An array that is being built, for a [`crate::Writer`].
#[derive(Clone, Debug)]
pub struct ArrayBuf {
    ty: ValueType,
    len: usize,
    bytes: Vec<u8>,
}

impl ArrayBuf {
    /// An empty array of items of type `ty`.
    #[must_use]
    pub fn new(ty: ValueType) -> Self {
        Self {
            ty,
            len: 0,
            bytes: Vec::new(),
        }
    }

    /// An array of texts.
    #[must_use]
    pub fn strings<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut array = Self::new(ValueType::String);
        for text in texts {
            array.push(Value::String(text));
        }
        array
    }

    /// Appends an item; one of another type than the array's is left out and `false` returned.
    pub fn push(&mut self, item: Value<'_>) -> bool {
        let fits = item.ty() == self.ty;
        if fits {
            item.write(&mut self.bytes);
            self.len += 1;
        }
        fits
    }

    /// The array as a value.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        Value::Array(Array {
            ty: self.ty,
            len: self.len,
            bytes: &self.bytes,
        })
    }
}
