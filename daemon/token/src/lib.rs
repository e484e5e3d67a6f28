//! Text to tokens and back, and conversations to prompts, as a model's own files say.
//!
//! A [`Tokenizer`] is made from the metadata of a GGUF file or from a `tokenizer.json`. It encodes text, decodes tokens,
//! and decodes a stream of them without ever showing half a character ([`Detokenizer`]). A [`ChatTemplate`] turns a
//! conversation and its tools into the text of a prompt.
//!
//! - Only who builds a prompt may write control tokens. [`Specials::Text`] takes `<|im_end|>` for the eight characters
//!   it is, so that what a tool returned can never end a turn; [`Specials::Parse`] is for templates.
//! - Decoding what was encoded gives the text back, byte for byte, for byte-level vocabularies.
//! - Files are hostile until read: what is not understood is refused by name, everything is bounded, no pattern of a
//!   file can take more than linear time, and a template runs on fuel into a buffer with an end.
//! - Time is an argument: a template that asks for the date is told the one it was given.
//!
//! What this crate does *not* do: read files, know a clock, or decide what goes into a conversation.

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

mod added;
mod chat;
mod decode;
mod error;
mod from_gguf;
mod from_json;
mod merge;
mod normal;
mod python;
mod split;
mod strftime;
mod tokenizer;
mod vocab;

pub use chat::{
    CHAT_JSON_BYTES_MAX, Chat, ChatError, ChatTemplate, FUEL_MAX, PROMPT_BYTES_MAX,
    TEMPLATE_BYTES_MAX,
};
pub use decode::{Detokenizer, Start};
pub use error::{EncodeError, TokenizerError, UnknownToken};
pub use from_json::{TOKENIZER_JSON_BYTES_MAX, TokenizerNotes};
pub use tokenizer::{Specials, TEXT_BYTES_MAX, Tokenizer};
pub use vocab::{Kind, TOKENS_MAX, Token};
