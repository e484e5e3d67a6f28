//! Editors, compilers, interpreters and programs with subcommands: options that take a value.

use super::{Operands::Each, Spec, Style, index};
use crate::command::EffectKind::{Execute, Read, Write};

const fn program(name: &'static str) -> Spec {
    Spec::named(name)
}

const fn reader(name: &'static str) -> Spec {
    Spec::named(name).does(Each(Read))
}

const fn editor(name: &'static str) -> Spec {
    Spec::named(name).does(Each(Write))
}

/// Sorted by name.
pub(super) static TABLE: &[Spec] = &[
    program("apt").with_sub(),
    program("apt-get").with_sub(),
    program("ash")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    program("awk")
        .short("Fefilv")
        .long(&["assign", "field-separator", "file", "include", "source"])
        .stops(),
    program("aws").with_sub(),
    program("az").with_sub(),
    program("bash")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    program("brew").with_sub(),
    program("bun").with_sub(),
    program("cargo").with_sub(),
    program("cc")
        .style(Style::SingleDash)
        .long(&["o", "I", "L", "D", "x", "MF", "MT", "include", "isystem"])
        .does(Each(Read))
        .with(&[("-o", Write)]),
    program("cd"),
    program("clang")
        .style(Style::SingleDash)
        .long(&["o", "I", "L", "D", "x", "MF", "MT", "include", "isystem"])
        .does(Each(Read))
        .with(&[("-o", Write)]),
    program("composer").with_sub(),
    program("crontab").short("u"),
    program("dash")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    reader("df").short("Bt"),
    program("dnf").with_sub(),
    program("docker").with_sub(),
    program("dpkg").short(""),
    program("echo").style(Style::Bare),
    editor("ed").short("p"),
    program("emacs")
        .short("fltu")
        .long(&["eval", "execute", "funcall", "insert", "load", "visit"])
        .does(Each(Write)),
    program("emacsclient")
        .short("acfFs")
        .long(&["eval", "socket-name"])
        .does(Each(Write)),
    editor("ex").short("cStTuUwW").long(&["cmd"]),
    program("g++")
        .style(Style::SingleDash)
        .long(&["o", "I", "L", "D", "x", "MF", "MT", "include", "isystem"])
        .does(Each(Read))
        .with(&[("-o", Write)]),
    program("gawk")
        .short("Fefilv")
        .long(&["assign", "field-separator", "file", "include", "source"])
        .stops(),
    program("gcc")
        .style(Style::SingleDash)
        .long(&["o", "I", "L", "D", "x", "MF", "MT", "include", "isystem"])
        .does(Each(Read))
        .with(&[("-o", Write)]),
    program("gcloud").with_sub(),
    program("gh").with_sub(),
    program("git").with_sub().short("Cc").long(&[
        "attr-source",
        "config-env",
        "git-dir",
        "namespace",
        "super-prefix",
        "work-tree",
    ]),
    program("glab").with_sub(),
    program("gmake")
        .short("CfIoW")
        .attached("jl")
        .long(&[
            "assume-old",
            "directory",
            "eval",
            "file",
            "include-dir",
            "makefile",
        ])
        .with(&[
            ("-f", Execute),
            ("--file", Execute),
            ("--makefile", Execute),
        ]),
    program("go").with_sub().style(Style::SingleDash).long(&[
        "C",
        "asmflags",
        "bench",
        "benchtime",
        "blockprofile",
        "buildmode",
        "compiler",
        "count",
        "covermode",
        "coverpkg",
        "coverprofile",
        "cpu",
        "cpuprofile",
        "exec",
        "gcflags",
        "installsuffix",
        "ldflags",
        "memprofile",
        "mod",
        "modfile",
        "mutexprofile",
        "o",
        "outputdir",
        "overlay",
        "p",
        "parallel",
        "pkgdir",
        "run",
        "skip",
        "tags",
        "timeout",
        "toolexec",
        "trace",
    ]),
    program("gsutil").with_sub(),
    program("helm").with_sub(),
    program("ksh")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    program("kubectl").with_sub().short("nfcl").long(&[
        "context",
        "kubeconfig",
        "namespace",
        "filename",
    ]),
    program("lua").short("el").stops(),
    program("make")
        .short("CfIoW")
        .attached("jl")
        .long(&[
            "assume-old",
            "directory",
            "eval",
            "file",
            "include-dir",
            "makefile",
        ])
        .with(&[
            ("-f", Execute),
            ("--file", Execute),
            ("--makefile", Execute),
        ]),
    program("mawk").short("Ffv").stops(),
    program("mktemp").short("p"),
    editor("nano").short("CorsTQXY"),
    program("nix-shell").short("pA").long(&["run", "command"]),
    program("node")
        .short("Cepr")
        .long(&["eval", "print", "require", "import", "loader"])
        .stops(),
    program("npm")
        .with_sub()
        .long(&["prefix", "registry", "workspace"])
        .short("w"),
    editor("nvim").short("cSu").long(&["cmd"]),
    program("parallel")
        .short("aCdDEIjLlnNPsS")
        .long(&[
            "arg-file",
            "colsep",
            "delay",
            "delimiter",
            "jobs",
            "joblog",
            "max-args",
            "max-procs",
            "results",
            "retries",
            "sshlogin",
            "tempdir",
            "timeout",
            "tmpdir",
            "wd",
            "workdir",
        ])
        .stops(),
    program("perl").short("EIe").attached("0CDFMTVimtx").stops(),
    program("php").short("BEFRSZcdfrtz").long(&["run"]).stops(),
    editor("pico").short("CorsTQXY"),
    program("pip").with_sub().long(&[
        "cache-dir",
        "extra-index-url",
        "find-links",
        "index-url",
        "proxy",
        "requirement",
        "target",
        "trusted-host",
    ]),
    program("pnpm").with_sub(),
    program("podman").with_sub(),
    program("printf").style(Style::Bare),
    program("python").short("QWXcm").stops(),
    program("ruby")
        .short("CEIer")
        .attached("0FKTWix")
        .long(&["eval"])
        .stops(),
    program("rustc")
        .short("CLlo")
        .long(&[
            "crate-name",
            "crate-type",
            "edition",
            "emit",
            "extern",
            "out-dir",
            "target",
        ])
        .does(Each(Read))
        .with(&[("-o", Write), ("--out-dir", Write)]),
    program("sed")
        .short("efl")
        .attached("i")
        .long(&["expression", "file", "line-length"]),
    program("sh")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    program("skopeo").with_sub(),
    program("sleep"),
    program("start-sleep").style(Style::SingleDash).long(&[
        "duration",
        "m",
        "milliseconds",
        "ms",
        "s",
        "seconds",
    ]),
    program("systemctl").with_sub().short("Hnopst"),
    program("terraform").with_sub().style(Style::SingleDash),
    program("test").style(Style::Bare),
    program("tr"),
    program("uv").with_sub(),
    editor("vi").short("cSTuUwW").long(&["cmd"]),
    editor("view").short("c"),
    editor("vim")
        .short("cSTuUwW")
        .long(&["cmd", "remote", "servername"]),
    program("visudo")
        .short("f")
        .long(&["file"])
        .with(&[("-f", Write), ("--file", Write)]),
    program("yarn").with_sub(),
    program("yum").with_sub(),
    program("zsh")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
];

static KEYS: [u64; TABLE.len()] = {
    let mut keys = [0; TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        keys[at] = index::key(TABLE[at].name);
        at += 1;
    }
    keys
};

/// The row of that name.
pub(super) fn find(name: &str) -> Option<&'static Spec> {
    let at = index::position(&KEYS, name, |at| TABLE.get(at).map(|row| row.name))?;
    TABLE.get(at)
}
