//! Calls as the cache sees them: what one reads, what another changes.

use fak_types::Digest;
use serde::{Deserialize, Serialize};

use crate::resource::Resources;

/// Longest name of a namespace. LIMIT: the answer of a call with a longer one is not kept.
pub const NAMESPACE_BYTES_MAX: usize = 64;

/// Longest witness. LIMIT: the answer of a call with a longer one is not kept, and it cannot be revoked.
pub const WITNESS_BYTES_MAX: usize = 256;

/// Where a call is made from, which relative names depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The working directory.
    pub cwd: Option<&'a str>,
    /// The home directory.
    pub home: Option<&'a str>,
}

/// A call that changes nothing, by the word of the policy.
#[derive(Clone, Debug)]
pub struct Read<'a> {
    /// Whose call it is.
    pub who: &'a str,
    /// The digest of the profile that judged it.
    pub profile: Digest,
    /// The tool.
    pub tool: &'a str,
    /// Its arguments, a JSON object; empty means `{}`.
    pub args: &'a str,
    /// Where it is made from.
    pub place: Place<'a>,
    /// The part of the world it reads.
    pub namespace: &'a str,
    /// What of it.
    pub resources: &'a Resources,
    /// A token for the state of the world, or nothing.
    pub witness: &'a str,
    /// How long its answer may be believed, in microseconds.
    pub ttl_us: u64,
}

/// What a call changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Nobody says what, so everything its principal has read.
    Unknown,
    /// These resources.
    Of {
        /// The part of the world.
        namespace: String,
        /// What of it.
        resources: Resources,
    },
}

impl Effect {
    /// Whether it changes what a call read.
    #[must_use]
    pub fn touches(&self, namespace: &str, resources: &Resources) -> bool {
        match self {
            Self::Unknown => true,
            Self::Of {
                namespace: changed,
                resources: what,
            } => changed == namespace && what.meet(resources),
        }
    }
}
