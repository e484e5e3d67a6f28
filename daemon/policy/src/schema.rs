//! The published JSON Schema of manifests, for editors and other programs.
//!
//! The loader does not use it: its messages are better. Tests hold the two together: every key and word the
//! loader knows is in the schema and the other way round, and what ships validates.

/// The JSON Schema (draft 2020-12) of `fak-policy/v1`.
#[must_use]
pub const fn json_schema() -> &'static str {
    include_str!("../fak-policy.schema.json")
}

#[cfg(test)]
mod tests;
