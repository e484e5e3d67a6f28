//! The words of the ledger: ids, tags, kinds and modes.

use std::{fmt, sync::Arc};

/// Tokens of a page. The numeric contract splits attention at pages, so this is part of every result's bits.
pub const PAGE_TOKENS: u32 = 64;

/// A token id.
pub type Token = u32;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty), $text:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $text, self.0)
            }
        }
    };
}

id! {
    /// A page of the arena, by its number from 0.
    PageId(u32), "page {}"
}
id! {
    /// A sequence. Never used twice.
    SeqId(u64), "sequence {}"
}
id! {
    /// A span of one sequence and its forks, in the order they were begun. Never used twice in a sequence.
    SpanId(u32), "span {}"
}
id! {
    /// A held prefix. Never used twice.
    PinId(u64), "pin {}"
}

/// Keeps tenants apart: whoever has another salt finds nothing and can tell nothing from timing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Salt(pub [u8; 16]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The spelling in tables, certificates and images.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads the spelling; `None` for a word this build does not know.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// How keys and values are kept.
    KvType {
        /// 32-bit floats: the oracle's.
        F32 => "f32",
        /// 16-bit floats, rounded once.
        F16 => "f16",
        /// 8-bit integers with a scale for each token and head.
        Q8 => "q8",
    }
}

words! {
    /// Whose words a span holds.
    Kind {
        /// The operator's.
        System => "system",
        /// A person's.
        User => "user",
        /// The model's own: generated, so its text may repeat what was visible.
        Assistant => "assistant",
        /// What a tool brought back.
        ToolResult => "tool_result",
        /// A file or a page that was attached.
        Document => "document",
    }
}

words! {
    /// How a span stands with whoever admits it.
    Standing {
        /// Not judged yet: computed, but neither committed nor shared.
        Probation => "probation",
        /// It may stay.
        Admitted => "admitted",
        /// It must go, and its pages are zeroed.
        Quarantined => "quarantined",
    }
}

words! {
    /// Where a span's rows go.
    Place {
        /// After the last span, where that one is.
        Next => "next",
        /// Into a sibling of its own: opens an isolated group, or adds to the open one.
        Isolated => "isolated",
        /// Behind the open group, which ends: sees all of it.
        Join => "join",
    }
}

words! {
    /// What a published prefix is worth when room is needed; the lowest goes first.
    Priority {
        /// Goes first.
        Low => "low",
        /// The default.
        Normal => "normal",
        /// Goes last.
        High => "high",
    }
}

words! {
    /// How a span leaves, when nothing of it may be left.
    ExactMode {
        /// It is the last; nothing was computed after it.
        WriteTime => "write-time",
        /// What attended it is run again.
        Recompute => "recompute",
        /// It is in an isolated group; its siblings stay as they are and what came behind the group is run again.
        Isolated => "isolated",
        /// What attended it goes too, text included.
        Lineage => "lineage",
    }
}

/// How a span leaves.
///
/// The approximate one stands apart: what is built from an [`ExactMode`], above all [`crate::NeverSaw`], has no way to
/// say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The rows left are those of a sequence that never saw the span.
    Exact(ExactMode),
    /// Later rows are kept and moved. They still carry the span's influence at every layer but the first.
    Approximate,
}

impl Mode {
    /// The spelling in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact(mode) => mode.as_str(),
            Self::Approximate => "approximate",
        }
    }

    /// Reads the spelling; `None` for a word this build does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "approximate" {
            return Some(Self::Approximate);
        }
        ExactMode::parse(text).map(Self::Exact)
    }

    /// Whether the result is that of never having seen the span.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        matches!(self, Self::Exact(_))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What made the rows of a page. Rows of different tags never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    /// The model: an id of its weights.
    pub model: Arc<str>,
    /// The kernel family: `v1`, `cuda-v1`.
    pub family: Arc<str>,
    /// How keys and values are kept.
    pub kv: KvType,
}

impl Tag {
    /// A tag of these parts.
    #[must_use]
    pub fn new(model: &str, family: &str, kv: KvType) -> Self {
        Self {
            model: model.into(),
            family: family.into(),
            kv,
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family, self.kv, self.model)
    }
}

/// Longest name of a span, model, family or principal, in bytes.
///
/// LIMIT: names stand in certificates and tables, one to a line.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Whether a text may be a name: something, short, on one line.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}
