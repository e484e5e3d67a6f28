//! Proof that this process can confine what it runs.
//!
//! A sandbox that silently does nothing is worse than none. Landlock calls that a service manager's or a
//! container's filter answers with an error look, to a library that does its best, like an old kernel. So
//! the primitives are tried on a thread of their own, which is confined, does what it must no longer be
//! able to do, and ends.

use std::{collections::BTreeMap, fs, io, thread};

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetStatus,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::landlock_version;

/// What the kernel enforced on the thread that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// The version of Landlock's interface: files from 1, TCP from 4, signals and abstract sockets from 6.
    pub landlock: u32,
}

/// Which primitive does not work.
#[derive(Debug, thiserror::Error)]
pub enum Unconfined {
    /// Landlock is not there, or a filter keeps it away.
    #[error("Landlock cannot be used: {0}")]
    NoLandlock(String),
    /// Landlock said yes and files could be read all the same.
    #[error("Landlock accepted a rule set and enforces nothing")]
    LandlockIdle,
    /// A filter of system calls cannot be installed.
    #[error("seccomp cannot be used: {0}")]
    NoSeccomp(String),
    /// A filter was installed and the call went through.
    #[error("seccomp accepted a filter and enforces nothing")]
    SeccompIdle,
    /// The thread that was to be confined could not be run.
    #[error("the thread to be confined did not answer: {0}")]
    NoThread(String),
}

/// Tries Landlock and seccomp on a thread made for it. The calling thread stays as it is.
///
/// # Errors
/// [`Unconfined`] names the primitive that is missing or does nothing.
pub fn prove_confinement() -> Result<Confinement, Unconfined> {
    let failed = |error: &io::Error| Unconfined::NoThread(error.to_string());
    let tried = thread::Builder::new()
        .name("fakd-selftest".to_owned())
        .spawn(|| {
            let landlock = try_landlock()?;
            try_seccomp()?;
            Ok(Confinement { landlock })
        })
        .map_err(|error| failed(&error))?;
    tried
        .join()
        .unwrap_or_else(|_| Err(Unconfined::NoThread("it panicked".to_owned())))
}

fn try_landlock() -> Result<u32, Unconfined> {
    let missing = |error: &dyn std::fmt::Display| Unconfined::NoLandlock(error.to_string());
    let version = landlock_version()
        .ok_or_else(|| missing(&"the kernel has none, or a filter keeps it away"))?;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| missing(&error))?;
    let denied = fs::read_dir("/").is_err_and(|error| error.raw_os_error() == Some(libc::EACCES));
    if status.ruleset == RulesetStatus::FullyEnforced && denied {
        Ok(version)
    } else {
        Err(Unconfined::LandlockIdle)
    }
}

fn try_seccomp() -> Result<(), Unconfined> {
    let missing = |error: &dyn std::fmt::Display| Unconfined::NoSeccomp(error.to_string());
    let target = std::env::consts::ARCH
        .try_into()
        .map_err(|error| missing(&error))?;
    // A call that nothing needs and that never fails by itself.
    let rules = BTreeMap::from([(libc::SYS_sched_yield, Vec::new())]);
    let refuse = SeccompAction::Errno(libc::ECANCELED.unsigned_abs());
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, target)
        .and_then(TryInto::try_into)
        .map_err(|error| missing(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| missing(&error))?;
    // SAFETY: the call takes no argument and touches no memory.
    let answer = unsafe { libc::sched_yield() };
    let refused = io::Error::last_os_error().raw_os_error() == Some(libc::ECANCELED);
    if answer == -1 && refused {
        Ok(())
    } else {
        Err(Unconfined::SeccompIdle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proven_holds_for_that_thread_alone() {
        match prove_confinement() {
            Ok(found) => assert!(found.landlock >= 1),
            // A kernel without Landlock is told apart from one that has it.
            Err(error) => assert_eq!(landlock_version(), None, "{error}"),
        }
        assert!(fs::read_dir("/").is_ok());
        // SAFETY: the call takes no argument and touches no memory.
        assert_eq!(unsafe { libc::sched_yield() }, 0);
    }

    #[test]
    fn a_filter_that_keeps_landlock_away_is_told() {
        let tried = thread::spawn(|| {
            let rules = BTreeMap::from([(libc::SYS_landlock_create_ruleset, Vec::new())]);
            let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
            let target = std::env::consts::ARCH.try_into().expect("a target");
            let program: BpfProgram =
                SeccompFilter::new(rules, SeccompAction::Allow, refuse, target)
                    .and_then(TryInto::try_into)
                    .expect("a filter");
            seccompiler::apply_filter(&program).expect("installed");
            // The new thread inherits the filter.
            prove_confinement()
        });
        let error = tried.join().expect("an answer").expect_err("no landlock");
        assert!(matches!(error, Unconfined::NoLandlock(_)), "{error}");
    }
}
