//! The answer to a result: its rung, what was found, what it is.

use std::ops::Range;

use fak_types::{Digest, Reason};

use crate::{durability::Durability, media::Media};

/// What came back from a tool.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The tool that answered.
    pub tool: &'a str,
    /// Its answer.
    pub bytes: &'a [u8],
    /// Who may have written it.
    pub trust: Trust,
}

/// Who may have written a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// Read from the user's own machine: text about attacks is data.
    Local,
    /// Anybody may have written it.
    Untrusted,
}

/// The answer to a result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Admission {
    /// The rung.
    pub verdict: Outcome,
    /// Why it is no milder one; `NONE` where it is the mildest.
    pub reason: Reason,
    /// What the bytes are, by content.
    pub media: Media,
    /// How long what they say may be believed.
    pub durability: Durability,
    /// What was found, in order of layer and position; never the matched text.
    pub findings: Vec<Finding>,
}

/// The rungs, mildest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The bytes pass as they are.
    Allow,
    /// The bytes pass with these spans replaced.
    Redact(Vec<Edit>),
    /// The model sees a stub; the bytes wait in the store.
    PageOut(Page),
    /// The model sees that something was kept back, and nothing of it.
    Quarantine,
}

/// A span of the raw bytes and what stands in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// Where; on char boundaries where the bytes are UTF-8.
    pub span: Range<usize>,
    /// `[REDACTED:<kind>]`.
    pub with: String,
}

/// What a stub for a long result says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The first words, with the edits applied.
    pub head: String,
    /// The last words, with the edits applied.
    pub tail: String,
    /// The length of the raw bytes.
    pub len: usize,
    /// Of the raw bytes.
    pub digest: Digest,
    /// What a page of it must not show.
    pub edits: Vec<Edit>,
}

/// One thing found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Who found it: `secrets`, `injection`, `pollution` or `oversize`.
    pub screen: &'static str,
    /// Which rule.
    pub rule: String,
    /// Why it matters.
    pub reason: Reason,
    /// Where in the raw bytes; the whole run where it was encoded.
    pub span: Range<usize>,
    /// What was undone to see it, outermost first, such as `base64>html`; empty for the text as it stands.
    pub layer: String,
}
