//! Model files, read where they lie: GGUF, safetensors and `config.json`.
//!
//! A file comes in as one `&[u8]`, a mapping somebody else made. [`Gguf::parse`] and [`Safetensors::parse`] check all of it
//! that is not weights and hand out views: text, arrays and tensors point into the mapping and are never copied.
//! [`ModelConfig`] is what either kind of file says of the model, in one plain form. [`dequantize_row`] is the scalar
//! meaning of every tensor type; faster code elsewhere is held to its bits.
//!
//! - A file is hostile until read. Every count, length, offset and product is checked before it is used; what does not
//!   fit is a [`ParseError`] with the offset, the field and the fault. Nothing panics, and no allocation is larger than
//!   the bytes that are really there justify.
//! - What is understood is understood whole: an unknown tensor type or architecture is refused by name, never guessed.
//! - [`Writer`] builds such files, and rebuilds a parsed one to the byte.
//!
//! What this crate does *not* do: open files, map them, multiply anything, or turn text into tokens.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic
    )
)]

mod config;
mod cursor;
mod dequant;
mod error;
mod gguf;
mod quant;
mod safetensors;
mod tensor;
mod value;
mod write;

pub use config::{
    Architecture, CONFIG_BYTES_MAX, ConfigError, Experts, Heads, LAYERS_MAX, ModelConfig, Norm,
    Rope, RopeScaling, Scales, Sliding, SpecialTokens, Yarn,
};
pub use dequant::dequantize_row;
pub use error::{Fault, ParseError};
pub use gguf::{ALIGNMENT_MAX, Gguf, KEY_BYTES_MAX, KEYS_MAX, TENSOR_NAME_BYTES_MAX, TENSORS_MAX};
pub use quant::{f16_from_f32, quantize_row};
pub use safetensors::{Dtype, HEADER_BYTES_MAX, SafeTensor, Safetensors};
pub use tensor::{DIMS_MAX, RowError, Tensor, TensorType};
pub use value::{
    ARRAY_DEPTH_MAX, ARRAY_LEN_MAX, Array, ArrayBuf, Items, STRING_BYTES_MAX, Value, ValueType,
};
pub use write::{WriteError, Writer};
