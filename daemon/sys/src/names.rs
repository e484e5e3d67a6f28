//! Names of users and groups, as the name service knows them.

use std::io;

use nix::unistd::{Group, Uid, User};

/// The id of the user called `name`; `None` when there is none.
///
/// # Errors
/// When the name service cannot be asked.
pub fn user_id(name: &str) -> io::Result<Option<u32>> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

/// The id of the group called `name`; `None` when there is none.
///
/// # Errors
/// When the name service cannot be asked.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

/// The name of the user with this id; `None` when it has none or cannot be told.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid))
        .ok()
        .flatten()
        .map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name_and_an_id() {
        assert_eq!(user_id("root").expect("asked"), Some(0));
        assert_eq!(group_id("root").expect("asked"), Some(0));
        assert_eq!(user_name(0).as_deref(), Some("root"));
    }

    #[test]
    fn a_stranger_has_none() {
        assert_eq!(user_id("no-such-user-here").expect("asked"), None);
        assert_eq!(group_id("no-such-group-here").expect("asked"), None);
    }
}
