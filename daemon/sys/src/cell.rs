//! A process that computes and can do nothing else.
//!
//! A [`Cell`] is shut in two steps: files before the process starts its threads, calls when they run. From then on no thread
//! of it opens a file, a socket or a program, signals another process, or makes memory executable, whatever it is led to do. Landlock
//! and seccomp each hold files by themselves; what either forbids is tried before the cell counts as closed.

use std::{collections::BTreeMap, fs, io, net::TcpStream, os::unix::net::UnixStream};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetStatus, Scope,
};
use nix::sys::{
    prctl,
    resource::{Resource, setrlimit},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Files a process in a cell may have open. LIMIT: its descriptors are open before; nothing may be added.
const OPEN_FILES_MAX: u64 = 16;

/// Why a cell was not closed; the process must end.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// A limit or a switch of the process cannot be set.
    #[error("the process cannot be limited: {0}")]
    Limits(io::Error),
    /// Landlock is not there or does nothing.
    #[error("Landlock cannot be used: {0}")]
    Landlock(String),
    /// A filter of system calls cannot be installed.
    #[error("seccomp cannot be used: {0}")]
    Seccomp(String),
    /// Something that must be refused was not.
    #[error("the cell does not hold: {0} was possible")]
    Open(&'static str),
}

/// Calls a process in a cell needs: its open descriptors, memory, its threads, time.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // A thread that was started just before registers itself.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// A process that is being closed in. There is no way back.
#[derive(Debug)]
#[must_use = "the process is open until its calls are shut"]
pub struct Cell(());

impl Cell {
    /// Shuts every path for this thread and those it starts from now on: before any is started, for a rule set does not
    /// reach threads that run already.
    ///
    /// # Errors
    /// [`CellError`]: the process must end.
    pub fn shut_files() -> Result<Self, CellError> {
        limit()?;
        restrict_files()?;
        Ok(Self(()))
    }

    /// Shuts every call that is not needed to compute, for all threads, and tries what must be refused now.
    ///
    /// # Errors
    /// [`CellError`]: the process is not, or not wholly, closed in and must end.
    pub fn shut_calls(self) -> Result<(), CellError> {
        restrict_calls()?;
        prove()
    }
}

fn limit() -> Result<(), CellError> {
    let failed = |error: nix::Error| CellError::Limits(error.into());
    prctl::set_dumpable(false).map_err(failed)?;
    prctl::set_no_new_privs().map_err(failed)?;
    for (what, most) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NOFILE, OPEN_FILES_MAX),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ] {
        setrlimit(what, most, most).map_err(failed)?;
    }
    Ok(())
}

/// No path leads anywhere: the rule set handles every access and allows none. What this kernel has of TCP, signals and
/// abstract sockets is shut as well.
fn restrict_files() -> Result<(), CellError> {
    let failed = |error: landlock::RulesetError| CellError::Landlock(error.to_string());
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(failed)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(failed)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(CellError::Landlock("it enforces nothing".to_owned()));
    }
    Ok(())
}

/// Lets through what [`CALLS`] names, and memory that is not executable. The filter holds for every thread.
fn restrict_calls() -> Result<(), CellError> {
    let failed = |error: &dyn std::fmt::Display| CellError::Seccomp(error.to_string());
    let target = std::env::consts::ARCH
        .try_into()
        .map_err(|error| failed(&error))?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let exec = u64::from(libc::PROT_EXEC.unsigned_abs());
        let not_executable =
            SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(exec), 0)
                .and_then(|condition| SeccompRule::new(vec![condition]))
                .map_err(|error| failed(&error))?;
        rules.insert(call, vec![not_executable]);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let program: BpfProgram = SeccompFilter::new(rules, refuse, SeccompAction::Allow, target)
        .and_then(TryInto::try_into)
        .map_err(|error| failed(&error))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| failed(&error))
}

/// Tries what must be refused now.
fn prove() -> Result<(), CellError> {
    if fs::File::open("/proc/self/status").is_ok() || fs::read_dir("/").is_ok() {
        return Err(CellError::Open("opening a file"));
    }
    if fs::write("/tmp/fak-worker", b"").is_ok() {
        return Err(CellError::Open("writing a file"));
    }
    if UnixStream::pair().is_ok() || TcpStream::connect("127.0.0.1:9").is_ok() {
        return Err(CellError::Open("making a socket"));
    }
    if std::process::Command::new("/bin/true").spawn().is_ok() {
        return Err(CellError::Open("running a program"));
    }
    if std::thread::Builder::new().spawn(|| ()).is_ok() {
        return Err(CellError::Open("starting a thread"));
    }
    Ok(())
}
