//! Programs that run another program given in their arguments.

use super::index;
use crate::command::Word;

/// What a wrapper does with what follows its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// The rest is a command.
    Command,
    /// The rest, joined by blanks, is shell text.
    Text,
    /// The rest is a command, or shell text after `-c`.
    CommandOrText,
    /// Only what follows `-c` is shell text.
    TextOption,
}

/// Where a wrapper runs its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Here,
    Contained,
    Remote,
}

/// A program that runs another.
#[derive(Debug)]
pub(crate) struct Wrapper {
    pub(crate) name: &'static str,
    /// The first word after the program that makes it a wrapper (`uv run`); empty for none.
    pub(crate) sub: &'static str,
    pub(crate) short_values: &'static str,
    pub(crate) long_values: &'static [&'static str],
    /// Operands before the command.
    pub(crate) operands: usize,
    pub(crate) runs: Runs,
    pub(crate) place: Place,
    /// `NAME=value` before the command is an assignment.
    pub(crate) assigns: bool,
    /// Runs the command in the same shell (`command cd x`).
    pub(crate) same_shell: bool,
}

const fn wrapper(name: &'static str, short_values: &'static str) -> Wrapper {
    Wrapper {
        name,
        sub: "",
        short_values,
        long_values: &[],
        operands: 0,
        runs: Runs::Command,
        place: Place::Here,
        assigns: false,
        same_shell: false,
    }
}

impl Wrapper {
    const fn after(mut self, operands: usize) -> Self {
        self.operands = operands;
        self
    }

    const fn sub(mut self, sub: &'static str) -> Self {
        self.sub = sub;
        self
    }

    const fn long(mut self, names: &'static [&'static str]) -> Self {
        self.long_values = names;
        self
    }

    const fn runs(mut self, runs: Runs) -> Self {
        self.runs = runs;
        self
    }

    const fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    const fn assigns(mut self) -> Self {
        self.assigns = true;
        self
    }

    const fn same_shell(mut self) -> Self {
        self.same_shell = true;
        self
    }
}

const CONTAINER_LONG: &[&str] = &[
    "add-host",
    "annotation",
    "attach",
    "blkio-weight",
    "cap-add",
    "cap-drop",
    "cgroup-parent",
    "cgroupns",
    "cidfile",
    "container",
    "context",
    "cpu-period",
    "cpu-quota",
    "cpu-shares",
    "cpus",
    "cpuset-cpus",
    "detach-keys",
    "device",
    "dns",
    "entrypoint",
    "env",
    "env-file",
    "expose",
    "file",
    "gpus",
    "group-add",
    "health-cmd",
    "hostname",
    "index",
    "ip",
    "ipc",
    "isolation",
    "label",
    "link",
    "log-driver",
    "log-opt",
    "memory",
    "memory-swap",
    "mount",
    "name",
    "namespace",
    "net",
    "network",
    "oom-score-adj",
    "pid",
    "pids-limit",
    "platform",
    "profile",
    "project-directory",
    "project-name",
    "publish",
    "pull",
    "restart",
    "runtime",
    "security-opt",
    "shm-size",
    "stop-signal",
    "storage-opt",
    "sysctl",
    "tmpfs",
    "ulimit",
    "user",
    "userns",
    "uts",
    "volume",
    "volumes-from",
    "workdir",
];

const fn container(name: &'static str, sub: &'static str) -> Wrapper {
    wrapper(name, "acefhlmnpuvw")
        .sub(sub)
        .long(CONTAINER_LONG)
        .after(1)
        .at(Place::Contained)
}

/// Sorted by name; several entries may share one.
static WRAPPERS: &[Wrapper] = &[
    wrapper("builtin", "").same_shell(),
    wrapper("bundle", "").sub("exec"),
    wrapper("busybox", ""),
    wrapper("bwrap", "").after(0).at(Place::Contained),
    wrapper("caffeinate", "tw"),
    wrapper("catchsegv", ""),
    wrapper("chpst", "bcdefilmnoprtuU/"),
    wrapper("chroot", "")
        .long(&["groups", "userspec"])
        .after(1)
        .at(Place::Contained),
    wrapper("chrt", "DPT")
        .long(&["sched-deadline", "sched-period", "sched-runtime"])
        .after(1),
    wrapper("command", "").same_shell(),
    wrapper("conda", "np")
        .sub("run")
        .long(&["cwd", "name", "prefix"]),
    wrapper("cpulimit", "lpPe").long(&["limit", "pid"]),
    wrapper("dbus-run-session", "").long(&["config-file", "dbus-daemon"]),
    wrapper("direnv", "").sub("exec").after(1),
    wrapper("doas", "Cu").assigns(),
    container("docker", "exec"),
    container("docker", "run"),
    wrapper("dotenv", "fe").long(&["file"]),
    wrapper("entr", ""),
    wrapper("env", "uCS")
        .long(&["block-signal", "chdir", "split-string", "unset"])
        .assigns(),
    wrapper("eval", "").runs(Runs::Text).same_shell(),
    wrapper("exec", "a").same_shell(),
    wrapper("faketime", "f").after(1),
    wrapper("firejail", "").at(Place::Contained),
    wrapper("flock", "wE")
        .long(&["conflict-exit-code", "timeout", "wait"])
        .after(1)
        .runs(Runs::CommandOrText),
    wrapper("gosu", "").after(1),
    wrapper("ionice", "cnpPu").long(&["class", "classdata", "pgid", "pid", "uid"]),
    wrapper("kubectl", "cfn")
        .sub("exec")
        .long(&["container", "context", "filename", "namespace"])
        .after(1)
        .at(Place::Remote),
    wrapper("ltrace", "AaDeFlnopsuwx").long(&["output"]),
    wrapper("lxc", "").sub("exec").after(1).at(Place::Contained),
    wrapper("mise", "").sub("exec"),
    wrapper("nerdctl", "")
        .sub("exec")
        .after(1)
        .at(Place::Contained),
    wrapper("nice", "n").long(&["adjustment"]),
    wrapper("nocache", ""),
    wrapper("noglob", "").same_shell(),
    wrapper("nohup", ""),
    wrapper("npm", "c")
        .sub("exec")
        .long(&["call", "package"])
        .runs(Runs::CommandOrText),
    wrapper("npx", "cp")
        .long(&["call", "package"])
        .runs(Runs::CommandOrText),
    wrapper("nsenter", "GSt").long(&["setgid", "setuid", "target"]),
    wrapper("numactl", "CNimp").long(&[
        "cpunodebind",
        "interleave",
        "membind",
        "physcpubind",
        "preferred",
    ]),
    wrapper("perf", "aCeFgop").sub("record"),
    wrapper("perf", "Ceopr").sub("stat"),
    wrapper("pipenv", "").sub("run"),
    wrapper("pkexec", "u").long(&["user"]),
    wrapper("pnpm", "").sub("exec"),
    container("podman", "exec"),
    container("podman", "run"),
    wrapper("poetry", "CP")
        .sub("run")
        .long(&["directory", "project"]),
    wrapper("prlimit", "o").long(&["output", "pid"]),
    wrapper("proot", "bmqrwk").at(Place::Contained),
    wrapper("proxychains", "f"),
    wrapper("proxychains4", "f"),
    wrapper("pyenv", "").sub("exec"),
    wrapper("rbenv", "").sub("exec"),
    wrapper("rlwrap", "bCDfHlPqsS"),
    wrapper("runuser", "Ggu")
        .long(&["group", "supp-group", "user"])
        .runs(Runs::CommandOrText),
    wrapper("script", "BEIImOoT").runs(Runs::TextOption),
    wrapper("setarch", "").after(1),
    wrapper("setpriv", "").long(&[
        "ambient-caps",
        "apparmor-profile",
        "bounding-set",
        "egid",
        "euid",
        "groups",
        "inh-caps",
        "regid",
        "reuid",
        "rgid",
        "ruid",
        "securebits",
        "selinux-label",
    ]),
    wrapper("setsid", ""),
    wrapper("sg", "").after(1).runs(Runs::CommandOrText),
    wrapper("softlimit", "acdflmoprst"),
    wrapper("ssh", "BbcDEeFIiJLlmOopPQRSWw")
        .after(1)
        .runs(Runs::Text)
        .at(Place::Remote),
    wrapper("sshpass", "dfpP"),
    wrapper("stdbuf", "eio").long(&["error", "input", "output"]),
    wrapper("strace", "abEeIOopPsSuUX").long(&["output", "trace"]),
    wrapper("su", "gGsw")
        .long(&["group", "shell", "supp-group", "whitelist-environment"])
        .runs(Runs::TextOption),
    wrapper("sudo", "aCcDghpRrTtUu")
        .long(&[
            "chdir",
            "chroot",
            "close-from",
            "command-timeout",
            "group",
            "host",
            "other-user",
            "prompt",
            "role",
            "type",
            "user",
        ])
        .assigns(),
    wrapper("systemd-run", "EGHMPptu").long(&[
        "description",
        "gid",
        "machine",
        "nice",
        "on-active",
        "on-boot",
        "on-calendar",
        "property",
        "service-type",
        "setenv",
        "slice",
        "uid",
        "unit",
        "working-directory",
    ]),
    wrapper("taskset", "").after(1),
    wrapper("time", "fo").long(&["format", "output"]),
    wrapper("timeout", "ks")
        .long(&["kill-after", "signal"])
        .after(1),
    wrapper("torify", ""),
    wrapper("torsocks", "aPpu"),
    wrapper("toybox", ""),
    wrapper("tsocks", ""),
    wrapper("unbuffer", ""),
    wrapper("unshare", "GRSlw").long(&[
        "map-group",
        "map-user",
        "propagation",
        "root",
        "setgid",
        "setgroups",
        "setuid",
        "wd",
    ]),
    wrapper("uv", "pw").sub("run").long(&[
        "directory",
        "env-file",
        "extra",
        "group",
        "index",
        "index-url",
        "package",
        "project",
        "python",
        "with",
        "with-editable",
        "with-requirements",
    ]),
    wrapper("valgrind", ""),
    wrapper("watch", "nq")
        .long(&["equexit", "interval"])
        .runs(Runs::Text),
    wrapper("winpty", ""),
    wrapper("wsl", "du").long(&["cd", "distribution", "user"]),
    wrapper("xvfb-run", "efnpsw").long(&["auth-file", "error-file", "server-args", "server-num"]),
    wrapper("yarn", "").sub("exec"),
];

static KEYS: [u64; WRAPPERS.len()] = {
    let mut keys = [0; WRAPPERS.len()];
    let mut at = 0;
    while at < WRAPPERS.len() {
        keys[at] = index::key(WRAPPERS[at].name);
        at += 1;
    }
    keys
};

/// The wrapper that a command is; `argv[0]` is the program.
pub(crate) fn wrapper_of(program: &str, argv: &[Word]) -> Option<&'static Wrapper> {
    if program.starts_with("ld-linux") || program.starts_with("ld-musl") {
        return Some(&LOADER);
    }
    let start = index::position(&KEYS, program, |at| WRAPPERS.get(at).map(|row| row.name))?;
    let named = WRAPPERS
        .get(start..)?
        .iter()
        .take_while(|w| w.name == program);
    for wrapper in named {
        if wrapper.sub.is_empty() {
            return Some(wrapper);
        }
        let second = argv.iter().skip(1).position(|w| w.text == wrapper.sub);
        // LIMIT: a subcommand stands among the first words.
        if second.is_some_and(|index| index < 6) {
            return Some(wrapper);
        }
    }
    None
}

/// The dynamic loader started by hand: `/lib64/ld-linux-x86-64.so.2 /bin/rm`.
static LOADER: Wrapper =
    wrapper("ld.so", "").long(&["argv0", "audit", "library-path", "preload", "inhibit-rpath"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted() {
        for pair in WRAPPERS.windows(2) {
            assert!(
                pair[0].name <= pair[1].name,
                "{} {}",
                pair[0].name,
                pair[1].name
            );
        }
    }
}
