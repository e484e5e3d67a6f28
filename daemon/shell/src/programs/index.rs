//! Search in tables sorted by name.
//!
//! The first eight bytes of a name, read as one number, sort as the name does; comparing those finds
//! the place without touching the names.

/// The first eight bytes of a name as a number, zero where the name is shorter.
pub(super) const fn key(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut key = 0;
    let mut at = 0;
    while at < 8 {
        key <<= 8;
        if at < bytes.len() {
            key |= bytes[at] as u64;
        }
        at += 1;
    }
    key
}

/// Where the first row of that name is. `keys` belong to the rows whose names `name_of` tells.
pub(super) fn position(
    keys: &[u64],
    name: &str,
    name_of: impl Fn(usize) -> Option<&'static str>,
) -> Option<usize> {
    let wanted = key(name);
    let mut at = keys.partition_point(|key| *key < wanted);
    while keys.get(at) == Some(&wanted) {
        if name_of(at)? == name {
            return Some(at);
        }
        at += 1;
    }
    None
}
