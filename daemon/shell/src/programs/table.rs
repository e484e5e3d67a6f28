//! Programs in general: options that take a value, and what is done with operands.

use super::{Operands, Spec, Style};
use crate::command::EffectKind::{Contact, Delete, Execute, Read, Write};

const fn program(name: &'static str) -> Spec {
    Spec::named(name)
}

/// Sorted by name.
pub(crate) static TABLE: &[Spec] = &[
    program("git").with_sub().short("Cc").long(&["attr-source", "config-env", "git-dir", "namespace", "super-prefix", "work-tree"]),
];
