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

/// One thing fakd may be asked for. The spelling is that of the list that grants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// The status and own sessions.
    Observe,
    /// Verdicts.
    Submit,
    /// Every session, the journal, the policy's text; nothing of it changed.
    Audit,
    /// Changes of what is in force.
    Admin,
}

impl Right {
    /// Every right, the weakest first.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Submit, Self::Audit, Self::Admin];

    /// The spelling in configuration and refusals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Submit => "submit",
            Self::Audit => "audit",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Observe => 1,
            Self::Submit => 2,
            Self::Audit => 4,
            Self::Admin => 8,
        }
    }
}

/// What a principal may ask fakd for.
///
/// A set and no rank: who may read everything need not be allowed to ask for a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights(u8);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self::of(Right::Admin);

    /// What comes with a place on a right's list: an administrator may do everything, and everyone else
    /// may at least look at the status.
    #[must_use]
    pub const fn of(right: Right) -> Self {
        match right {
            Right::Admin => Self(
                Right::Observe.bit()
                    | Right::Submit.bit()
                    | Right::Audit.bit()
                    | Right::Admin.bit(),
            ),
            other => Self(Right::Observe.bit() | other.bit()),
        }
    }

    /// What either set holds.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both sets hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set holds this right.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// The set in one phrase: the lists that make it up, such as `admin`, `submit and audit`, `none`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (
            self.has(Right::Admin),
            self.has(Right::Audit),
            self.has(Right::Submit),
            self.has(Right::Observe),
        ) {
            (true, ..) => "admin",
            (_, true, true, _) => "submit and audit",
            (_, true, ..) => "audit",
            (_, _, true, _) => "submit",
            (_, _, _, true) => "observe",
            _ => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_brings_its_right_and_the_status() {
        use Right::{Admin, Audit, Observe, Submit};
        for (right, held) in [
            (Observe, &[Observe][..]),
            (Submit, &[Observe, Submit]),
            (Audit, &[Observe, Audit]),
            (Admin, &Right::ALL),
        ] {
            let rights = Rights::of(right);
            for asked in Right::ALL {
                assert_eq!(
                    rights.has(asked),
                    held.contains(&asked),
                    "{right:?} {asked:?}"
                );
            }
            assert_eq!(rights.as_str(), right.as_str());
        }
        assert!(Right::ALL.iter().all(|right| !Rights::NONE.has(*right)));
    }

    #[test]
    fn sets_meet_and_join() {
        let (submit, audit) = (Rights::of(Right::Submit), Rights::of(Right::Audit));
        assert_eq!(submit.or(audit).as_str(), "submit and audit");
        assert_eq!(submit.and(audit), Rights::of(Right::Observe));
        assert_eq!(Rights::ALL.and(audit), audit);
        assert_eq!(Rights::NONE.as_str(), "none");
    }
}
