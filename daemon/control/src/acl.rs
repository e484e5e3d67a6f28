//! Which role a peer has.

use fak_types::{Principal, Role};

/// Whom a role is given to.
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
    /// The policy, every session, the journal.
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
            admin: nobody,
        }
    }

    /// The highest role of a principal. Only peers of the Unix socket are known here; others have none.
    #[must_use]
    pub fn role(&self, who: &Principal) -> Role {
        let Principal::Local {
            uid, gid, groups, ..
        } = who
        else {
            return Role::None;
        };
        let named = |grant: &Grant| grant.names(*uid, *gid, groups);
        if *uid == 0 || *uid == self.own_uid || named(&self.admin) {
            Role::Admin
        } else if named(&self.submit) {
            Role::Submit
        } else if named(&self.observe) {
            Role::Observe
        } else {
            Role::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let acl = Acl::closed(500);
        assert_eq!(acl.role(&peer(0, 0, &[])), Role::Admin);
        assert_eq!(acl.role(&peer(500, 500, &[])), Role::Admin);
        assert_eq!(acl.role(&peer(1000, 0, &[0])), Role::None);
        assert_eq!(acl.role(&Principal::Key("ci".into())), Role::None);
    }

    #[test]
    fn the_highest_role_wins_by_user_and_by_any_group() {
        let acl = Acl {
            observe: Grant {
                uids: vec![1, 2, 3],
                gids: vec![],
            },
            submit: Grant {
                uids: vec![2],
                gids: vec![20],
            },
            admin: Grant {
                uids: vec![],
                gids: vec![30],
            },
            ..Acl::closed(500)
        };
        assert_eq!(acl.role(&peer(1, 1, &[])), Role::Observe);
        assert_eq!(acl.role(&peer(2, 1, &[])), Role::Submit);
        assert_eq!(acl.role(&peer(3, 20, &[])), Role::Submit);
        assert_eq!(acl.role(&peer(9, 1, &[4, 20])), Role::Submit);
        assert_eq!(acl.role(&peer(9, 1, &[20, 30])), Role::Admin);
        assert_eq!(acl.role(&peer(9, 1, &[])), Role::None);
    }
}
