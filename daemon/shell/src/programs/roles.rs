//! Programs that the parse itself acts on, beside those that simply run the command behind their
//! options (`wrappers`) or the code they are given (`interpreters`).

use super::index;

/// What the parse does with a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    #[default]
    None,
    /// Changes the shell's directory.
    Directory,
    /// Assigns variables by its arguments.
    Declare,
    /// May assign the variables it names.
    Assigns,
    /// Defines aliases.
    Alias,
    /// Sets shell options.
    Set,
    /// May give a name another program.
    Shadow,
    /// `find -exec`.
    Find,
    Xargs,
    Parallel,
    Git,
    /// Runs in the directory given by `-C`.
    Make,
    /// Runs a file in the same shell.
    Source,
    Trap,
    /// `cmd /c`.
    Dos,
    /// Some option's value is a command.
    OptionCommands,
    /// The same, and a wrapper.
    Ssh,
    /// A wrapper with subcommands of subcommands.
    Docker,
}

/// A program's role, and whether it prints what it got from the network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    pub(crate) role: Role,
    pub(crate) fetches: bool,
}

const fn row(name: &'static str, role: Role) -> (&'static str, Known) {
    (
        name,
        Known {
            role,
            fetches: false,
        },
    )
}

const fn fetch(name: &'static str, role: Role) -> (&'static str, Known) {
    (
        name,
        Known {
            role,
            fetches: true,
        },
    )
}

/// Sorted by name.
static ROLES: &[(&str, Known)] = &[
    row(".", Role::Source),
    row("alias", Role::Alias),
    fetch("aria2c", Role::None),
    fetch("axel", Role::None),
    row("bsdtar", Role::OptionCommands),
    row("cd", Role::Directory),
    row("chdir", Role::Directory),
    row("cmd", Role::Dos),
    fetch("curl", Role::None),
    row("declare", Role::Declare),
    fetch("dig", Role::None),
    row("docker", Role::Docker),
    fetch("elinks", Role::None),
    row("enable", Role::Shadow),
    row("ex", Role::OptionCommands),
    row("export", Role::Declare),
    row("fd", Role::Find),
    row("fdfind", Role::Find),
    fetch("fetch", Role::None),
    row("find", Role::Find),
    fetch("ftp", Role::None),
    fetch("get", Role::None),
    row("getopts", Role::Assigns),
    row("git", Role::Git),
    row("gmake", Role::Make),
    fetch("gsutil", Role::None),
    row("gtar", Role::OptionCommands),
    row("gxargs", Role::Xargs),
    row("hash", Role::Shadow),
    fetch("http", Role::None),
    fetch("httpie", Role::None),
    fetch("https", Role::None),
    fetch("invoke-restmethod", Role::None),
    fetch("invoke-webrequest", Role::None),
    fetch("irm", Role::None),
    fetch("iwr", Role::None),
    row("let", Role::Assigns),
    fetch("links", Role::None),
    row("local", Role::Declare),
    fetch("lwp-download", Role::None),
    fetch("lwp-request", Role::None),
    fetch("lynx", Role::None),
    row("make", Role::Make),
    row("man", Role::OptionCommands),
    row("mapfile", Role::Assigns),
    fetch("nc", Role::OptionCommands),
    fetch("ncat", Role::OptionCommands),
    fetch("netcat", Role::OptionCommands),
    row("ninja", Role::Make),
    row("nix-shell", Role::OptionCommands),
    fetch("nslookup", Role::None),
    row("nvim", Role::OptionCommands),
    fetch("openssl", Role::None),
    row("parallel", Role::Parallel),
    row("podman", Role::Docker),
    row("popd", Role::Directory),
    row("printf", Role::Assigns),
    row("pushd", Role::Directory),
    row("read", Role::Assigns),
    row("readarray", Role::Assigns),
    row("readonly", Role::Declare),
    row("rsync", Role::OptionCommands),
    row("scp", Role::OptionCommands),
    row("set", Role::Set),
    row("set-location", Role::Directory),
    row("sftp", Role::OptionCommands),
    row("sl", Role::Directory),
    fetch("socat", Role::None),
    row("source", Role::Source),
    row("ssh", Role::Ssh),
    row("tar", Role::OptionCommands),
    fetch("telnet", Role::None),
    fetch("tftp", Role::None),
    row("trap", Role::Trap),
    row("typeset", Role::Declare),
    row("unset", Role::Assigns),
    row("vi", Role::OptionCommands),
    row("vim", Role::OptionCommands),
    fetch("w3m", Role::None),
    row("wait", Role::Assigns),
    fetch("wget", Role::None),
    fetch("wget2", Role::None),
    row("xargs", Role::Xargs),
    fetch("xh", Role::None),
];

static KEYS: [u64; ROLES.len()] = {
    let mut keys = [0; ROLES.len()];
    let mut at = 0;
    while at < ROLES.len() {
        keys[at] = index::key(ROLES[at].0);
        at += 1;
    }
    keys
};

/// What is known of a program.
pub(crate) fn known(program: &str) -> Known {
    index::position(&KEYS, program, |at| ROLES.get(at).map(|row| row.0))
        .and_then(|at| ROLES.get(at))
        .map_or_else(Known::default, |row| row.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted() {
        for pair in ROLES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
        }
    }
}
