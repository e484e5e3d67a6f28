//! Doors: a listener caps what whoever comes through it may ask for.
//!
//! The service manager makes one socket for everyone who asks for verdicts, one for auditors and one for
//! administrators, each with a group of its own. Whoever takes over a process that was given only the
//! first cannot do more with it than ask, whatever the lists say of its user.

use std::{path::PathBuf, sync::Arc};

use fak_types::{Right, Rights};
use tokio::net::UnixListener;

/// What a listener lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// Everything: the only listener there is.
    Any,
    /// Verdicts and what the asker did itself.
    Submit,
    /// Reading, no verdicts, no changes.
    Audit,
    /// Everything, for administrators.
    Admin,
}

impl Door {
    /// The doors a service manager may hand over, by the names of their file descriptors.
    pub const NAMED: [(&'static str, Self); 3] = [
        ("grpc", Self::Submit),
        ("audit", Self::Audit),
        ("admin", Self::Admin),
    ];

    /// The door behind a descriptor's name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::NAMED.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, door)| door)
    }

    /// The most anybody may do here.
    #[must_use]
    pub const fn cap(self) -> Rights {
        match self {
            Self::Any | Self::Admin => Rights::ALL,
            Self::Submit => Rights::of(Right::Submit),
            Self::Audit => Rights::of(Right::Audit),
        }
    }
}

/// A listening socket and what it lets through.
#[derive(Debug)]
pub struct Entrance {
    /// The socket.
    pub listener: UnixListener,
    /// What it lets through.
    pub door: Door,
}

/// Where the doors are, for who stands before the wrong one.
#[derive(Clone, Debug)]
pub(crate) struct Doors(Arc<[(Door, PathBuf)]>);

impl Doors {
    pub(crate) fn of(entrances: &[Entrance]) -> Self {
        let place = |entrance: &Entrance| {
            let address = entrance.listener.local_addr().ok()?;
            Some((entrance.door, address.as_pathname()?.to_owned()))
        };
        Self(entrances.iter().filter_map(place).collect())
    }

    /// The socket where somebody with these rights gets past: the one that lets the least through.
    pub(crate) fn towards(&self, passes: impl Fn(Door) -> bool) -> Option<String> {
        [Door::Submit, Door::Audit, Door::Admin, Door::Any]
            .into_iter()
            .filter(|door| passes(*door))
            .find_map(|door| self.0.iter().find(|(known, _)| *known == door))
            .map(|(_, path)| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_names_are_doors() {
        assert_eq!(Door::named("grpc"), Some(Door::Submit));
        assert_eq!(Door::named("audit"), Some(Door::Audit));
        assert_eq!(Door::named("admin"), Some(Door::Admin));
        for other in ["", "unknown", "fakd.socket", "GRPC", "any"] {
            assert_eq!(Door::named(other), None, "{other}");
        }
    }
}
