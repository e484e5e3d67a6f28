//! Who asks.

use std::sync::Arc;

/// Who asks, as the kernel or an authenticated key says; never as the caller says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The peer of a Unix socket, from `SO_PEERCRED` and `SO_PEERGROUPS` at accept.
    Local {
        /// User id.
        uid: u32,
        /// Primary group id.
        gid: u32,
        /// Supplementary group ids.
        groups: Arc<[u32]>,
        /// Process id: a label only, never an authority.
        pid: u32,
    },
    /// A named key of the HTTP heads.
    Key(Arc<str>),
    /// A node of the fleet.
    Node(Arc<str>),
}

impl Principal {
    /// The stable name quotas and journal rows use: `uid:1000`, `key:ci`, `node:edge-3`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Local { uid, .. } => format!("uid:{uid}"),
            Self::Key(name) => format!("key:{name}"),
            Self::Node(name) => format!("node:{name}"),
        }
    }
}

/// What a principal may ask fakd to do; each role holds the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Nothing.
    None,
    /// Status, own sessions, version.
    Observe,
    /// Ask for verdicts.
    Submit,
    /// Change policy, read every session and the journal.
    Admin,
}

impl Role {
    /// The spelling in configuration and refusals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Observe => "observe",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }

    /// Reads the configuration spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Observe, Self::Submit, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}
