//! Manifest text to compiled policy; a call to a verdict.
