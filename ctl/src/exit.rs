//! Exit codes, and the one error type that carries them to the end of `main`.

use std::fmt;

/// Every way `fakctl` ends. The numbers are the interface: 0 is the only one that means "go ahead".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Allowed, or done.
    Ok,
    /// The question was answered and the answer is no: an unsound journal, a failed comparison.
    No,
    /// A hook's "block this call" in the protocols of the harnesses.
    Block,
    /// Refused.
    Deny,
    /// Waits for a person's or a witness's approval.
    Approval,
    /// The command line is wrong.
    Usage,
    /// Input that cannot be read as what it should be.
    Data,
    /// No such file, session or row.
    Missing,
    /// fakd does not answer.
    Unreachable,
    /// A fault in fakctl or fakd.
    Internal,
    /// Reading or writing failed.
    Io,
    /// No answer in time, or too busy; the same question may be answered later.
    TryAgain,
    /// Whoever answered does not speak this protocol.
    Protocol,
    /// The caller's role does not allow it.
    NotPermitted,
    /// A policy or configuration was refused.
    Config,
    /// Whoever read our output went away.
    Closed,
}

impl Exit {
    /// The process exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Block => 2,
            Self::Deny => 3,
            Self::Approval => 4,
            Self::Usage => 64,
            Self::Data => 65,
            Self::Missing => 66,
            Self::Unreachable => 69,
            Self::Internal => 70,
            Self::Io => 74,
            Self::TryAgain => 75,
            Self::Protocol => 76,
            Self::NotPermitted => 77,
            Self::Config => 78,
            Self::Closed => 141,
        }
    }

    /// The word in JSON error objects.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::No => "no",
            Self::Block => "block",
            Self::Deny => "deny",
            Self::Approval => "needs_approval",
            Self::Usage => "usage",
            Self::Data => "bad_input",
            Self::Missing => "missing",
            Self::Unreachable => "unreachable",
            Self::Internal => "internal",
            Self::Io => "io",
            Self::TryAgain => "try_again",
            Self::Protocol => "protocol",
            Self::NotPermitted => "not_permitted",
            Self::Config => "config",
            Self::Closed => "closed",
        }
    }
}

/// Why there is no answer: which exit, what happened, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What happened, one sentence.
    pub(crate) message: String,
    /// What to do; may be empty.
    pub(crate) fix: String,
}

/// The result of every verb.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            fix: String::new(),
        }
    }

    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self::new(Exit::Data, message)
    }

    /// Adds what to do about it.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// A file could not be read: missing, not permitted, or an I/O error.
    pub(crate) fn reading(path: &str, error: &std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::Missing,
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Io,
        };
        let what = if exit == Exit::Missing {
            "missing".to_owned()
        } else {
            error.to_string()
        };
        Self::new(exit, format!("{path}: {what}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.fix.is_empty() {
            write!(f, "\n  fix: {}", self.fix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ok_means_go_ahead() {
        let every = [
            (Exit::No, 1),
            (Exit::Block, 2),
            (Exit::Deny, 3),
            (Exit::Approval, 4),
            (Exit::Usage, 64),
            (Exit::Data, 65),
            (Exit::Missing, 66),
            (Exit::Unreachable, 69),
            (Exit::Internal, 70),
            (Exit::Io, 74),
            (Exit::TryAgain, 75),
            (Exit::Protocol, 76),
            (Exit::NotPermitted, 77),
            (Exit::Config, 78),
            (Exit::Closed, 141),
        ];
        assert_eq!(Exit::Ok.code(), 0);
        for (exit, code) in every {
            assert_eq!(exit.code(), code, "{}", exit.name());
        }
    }
}
