//! What the kernel can confine.

/// `LANDLOCK_CREATE_RULESET_VERSION`: ask for the version, create nothing.
const VERSION_FLAG: libc::c_uint = 1;

/// The version of Landlock's interface in the running kernel; `None` when there is none or it is off.
#[must_use]
pub fn landlock_version() -> Option<u32> {
    // SAFETY: with a null attribute of size 0 and the version flag the call reads no memory, creates no
    // object and only returns a number; the three arguments have the types the kernel declares.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            VERSION_FLAG,
        )
    };
    u32::try_from(answer).ok().filter(|version| *version > 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_small_or_absent() {
        assert!(super::landlock_version().is_none_or(|version| version < 1000));
    }
}
