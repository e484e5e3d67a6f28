//! What the ledger tells its caller to do.

use crate::words::{PageId, SpanId};

/// Something to do with the arena's bytes, in the order given.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Copy rows between pages.
    Copy(Copy),
    /// Zero a whole page, then hand the request back to [`crate::Ledger::zeroed`].
    Zero(Wipe),
}

/// Rows to copy, all layers and heads of them.
///
/// Source and destination may be one page; then the rows move as if they were read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where the rows are.
    pub from: PageId,
    /// The first row there.
    pub from_row: u32,
    /// Where they go.
    pub to: PageId,
    /// The first row there.
    pub to_row: u32,
    /// How many.
    pub rows: u32,
    /// How far their positions move down: keys are rotated back by as much. Only approximate evictions move rows.
    pub shift: u32,
}

/// A page that must be zeroed before it can be used again.
///
/// There is one for each such page and it cannot be copied: the page is free when this came back, and never otherwise.
/// One that was lost is issued anew by [`crate::Ledger::owed`].
#[must_use = "the page stays out of use until it is handed back to `Ledger::zeroed`"]
#[derive(Debug, PartialEq, Eq)]
pub struct Wipe {
    pub(crate) page: PageId,
    pub(crate) nonce: u64,
}

impl Wipe {
    /// The page to zero.
    #[must_use]
    pub const fn page(&self) -> PageId {
        self.page
    }
}

/// Rows of one segment that are to be computed, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The segment they belong to: what they see is [`crate::Ledger::view`] of it.
    pub segment: u32,
    /// The first row, counted in the segment.
    pub row: u32,
    /// The first row's position.
    pub position: u32,
    /// How many rows.
    pub tokens: u32,
    /// Which layout of the sequence it is of: one from before an eviction no longer counts.
    pub epoch: u64,
}

/// Rows of a run that lie in one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The page to write.
    pub page: PageId,
    /// The first row in it.
    pub row: u32,
    /// How many rows.
    pub rows: u32,
    /// The first row's position.
    pub position: u32,
}

/// Visible rows of one page: the first `rows` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The page.
    pub page: PageId,
    /// How many of its rows are visible.
    pub rows: u32,
    /// The position of its first row.
    pub position: u32,
}

/// Where new tokens went.
#[must_use = "the commands come before the rows"]
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    /// The span they belong to.
    pub span: SpanId,
    /// To do first.
    pub commands: Vec<Command>,
    /// The rows to compute.
    pub run: Run,
    /// The same rows, page by page.
    pub writes: Vec<Write>,
}
