//! Which rights a peer has.

use fak_types::{Principal, Right, Rights};

use crate::door::Door;

/// Whom a right is given to.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// User ids.
    pub uids: Vec<u32>,
    /// Group ids, primary or supplementary.
    pub gids: Vec<u32>,
}

/// Who may do what. Root and the daemon's own user are always admins, so that a mistake in the lists
/// can be mended; empty lists mean nobody else may do anything.
#[derive(Clone, Debug)]
pub struct Acl {
    /// The daemon's own user.
    pub own_uid: u32,
    /// Status and own sessions.
    pub observe: Grant,
    /// Verdicts.
    pub submit: Grant,
    /// Every session, the journal, the policy's text.
    pub audit: Grant,
    /// All of that, and changes.
    pub admin: Grant,
}

impl Grant {
    fn names(&self, uid: u32, gid: u32, groups: &[u32]) -> bool {
        self.uids.contains(&uid)
            || self.gids.contains(&gid)
            || groups.iter().any(|group| self.gids.contains(group))
    }
}

impl Acl {
    /// Lists with nobody on them.
    #[must_use]
    pub fn closed(own_uid: u32) -> Self {
        let nobody = Grant::default();
        Self {
            own_uid,
            observe: nobody.clone(),
            submit: nobody.clone(),
            audit: nobody.clone(),
            admin: nobody,
        }
    }

    /// What a principal may ask for, by the lists alone. Only peers of the Unix socket are known here;
    /// others may do nothing.
    #[must_use]
    pub fn rights(&self, who: &Principal) -> Rights {
        let Principal::Local {
            uid, gid, groups, ..
        } = who
        else {
            return Rights::NONE;
        };
        if *uid == 0 || self.is_own(who) {
            return Rights::ALL;
        }
        [
            (&self.observe, Right::Observe),
            (&self.submit, Right::Submit),
            (&self.audit, Right::Audit),
            (&self.admin, Right::Admin),
        ]
        .into_iter()
        .filter(|(grant, _)| grant.names(*uid, *gid, groups))
        .fold(Rights::NONE, |rights, (_, right)| {
            rights.or(Rights::of(right))
        })
    }

    /// What a principal may ask for at this door.
    #[must_use]
    pub fn rights_at(&self, door: Door, who: &Principal) -> Rights {
        let rights = self.rights(who);
        // fakd reloads itself through the socket everyone uses.
        if door == Door::Submit && self.is_own(who) {
            return rights;
        }
        rights.and(door.cap())
    }

    fn is_own(&self, who: &Principal) -> bool {
        matches!(who, Principal::Local { uid, .. } if *uid == self.own_uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 500;

    fn peer(uid: u32, gid: u32, groups: &[u32]) -> Principal {
        Principal::Local {
            uid,
            gid,
            groups: groups.into(),
            pid: 1,
        }
    }

    #[test]
    fn an_empty_list_admits_root_and_the_own_user_only() {
        let acl = Acl::closed(OWN);
        assert_eq!(acl.rights(&peer(0, 0, &[])), Rights::ALL);
        assert_eq!(acl.rights(&peer(OWN, OWN, &[])), Rights::ALL);
        assert_eq!(acl.rights(&peer(1000, 0, &[0])), Rights::NONE);
        assert_eq!(acl.rights(&Principal::Key("ci".into())), Rights::NONE);
    }

    /// Groups 10 to 40 are on one list each.
    fn lists() -> Acl {
        let members = |gid| Grant {
            uids: vec![],
            gids: vec![gid],
        };
        Acl {
            observe: members(10),
            submit: members(20),
            audit: members(30),
            admin: Grant {
                uids: vec![7],
                gids: vec![40],
            },
            ..Acl::closed(OWN)
        }
    }

    #[test]
    fn who_may_do_what_at_which_door() {
        // Who; then what is left at no cap, the submit, the audit and the admin door.
        let matrix = [
            (peer(9, 1, &[]), ["none", "none", "none", "none"]),
            (
                peer(9, 10, &[]),
                ["observe", "observe", "observe", "observe"],
            ),
            (peer(9, 1, &[20]), ["submit", "submit", "observe", "submit"]),
            (peer(9, 1, &[30]), ["audit", "observe", "audit", "audit"]),
            (
                peer(9, 20, &[4, 30]),
                ["submit and audit", "submit", "audit", "submit and audit"],
            ),
            (peer(9, 1, &[40]), ["admin", "submit", "audit", "admin"]),
            (peer(7, 1, &[]), ["admin", "submit", "audit", "admin"]),
            (peer(0, 0, &[]), ["admin", "submit", "audit", "admin"]),
            // The daemon's own user is not capped where everyone asks.
            (peer(OWN, OWN, &[]), ["admin", "admin", "audit", "admin"]),
            (Principal::Key("ci".into()), ["none"; 4]),
        ];
        let doors = [Door::Any, Door::Submit, Door::Audit, Door::Admin];
        for (who, wanted) in matrix {
            let found = doors.map(|door| lists().rights_at(door, &who).as_str());
            assert_eq!(found, wanted, "{who:?}");
        }
    }
}
