//! Programs in general: options that take a value, and what is done with operands.

use super::{
    Operands::{Each, InOut, LastMoved, LastWritten, Later},
    Spec, Style,
};
use crate::command::EffectKind::{Contact, Delete, Execute, Read, Write};

const fn program(name: &'static str) -> Spec {
    Spec::named(name)
}

const fn reader(name: &'static str) -> Spec {
    Spec::named(name).does(Each(Read))
}

const fn editor(name: &'static str) -> Spec {
    Spec::named(name).does(Each(Write))
}

const CURL: Spec = program("curl")
    .short("AbcCdDeEFhHKmoPQrtTuUwxXyYz")
    .long(&[
        "cacert",
        "cert",
        "config",
        "connect-timeout",
        "connect-to",
        "continue-at",
        "cookie",
        "cookie-jar",
        "data",
        "data-ascii",
        "data-binary",
        "data-raw",
        "data-urlencode",
        "dns-servers",
        "dump-header",
        "form",
        "form-string",
        "header",
        "interface",
        "json",
        "key",
        "limit-rate",
        "max-redirs",
        "max-time",
        "netrc-file",
        "noproxy",
        "oauth2-bearer",
        "output",
        "output-dir",
        "pinnedpubkey",
        "preproxy",
        "proxy",
        "proxy-header",
        "proxy-user",
        "quote",
        "range",
        "referer",
        "request",
        "resolve",
        "retry",
        "retry-delay",
        "retry-max-time",
        "socks5",
        "socks5-hostname",
        "stderr",
        "time-cond",
        "trace",
        "trace-ascii",
        "unix-socket",
        "upload-file",
        "url",
        "url-query",
        "user",
        "user-agent",
        "write-out",
    ])
    .does(Each(Contact))
    .with(&[
        ("-o", Write),
        ("--output", Write),
        ("-c", Write),
        ("--cookie-jar", Write),
        ("-D", Write),
        ("--dump-header", Write),
        ("--trace", Write),
        ("--trace-ascii", Write),
        ("--stderr", Write),
        ("-T", Read),
        ("--upload-file", Read),
        ("-K", Read),
        ("--config", Read),
        ("--netrc-file", Read),
        ("--url", Contact),
        ("-x", Contact),
        ("--proxy", Contact),
        ("--preproxy", Contact),
        ("--socks5", Contact),
        ("--socks5-hostname", Contact),
    ]);

const WGET: Spec = program("wget")
    .short("aABDeiIlmoOPQRtTUwX")
    .long(&[
        "append-output",
        "body-data",
        "body-file",
        "config",
        "directory-prefix",
        "execute",
        "header",
        "input-file",
        "load-cookies",
        "method",
        "output-document",
        "output-file",
        "password",
        "post-data",
        "post-file",
        "proxy-password",
        "proxy-user",
        "quota",
        "referer",
        "save-cookies",
        "timeout",
        "tries",
        "user",
        "user-agent",
        "wait",
    ])
    .does(Each(Contact))
    .with(&[
        ("-O", Write),
        ("--output-document", Write),
        ("-o", Write),
        ("--output-file", Write),
        ("-a", Write),
        ("--append-output", Write),
        ("-P", Write),
        ("--directory-prefix", Write),
        ("--save-cookies", Write),
        ("--post-file", Read),
        ("--body-file", Read),
        ("-i", Read),
        ("--input-file", Read),
    ]);

const WEB_REQUEST: Spec = program("invoke-webrequest")
    .style(Style::SingleDash)
    .long(&[
        "body",
        "contenttype",
        "credential",
        "headers",
        "infile",
        "method",
        "outfile",
        "proxy",
        "sessionvariable",
        "timeoutsec",
        "uri",
        "useragent",
        "websession",
        "u",
        "o",
    ])
    .does(Each(Contact))
    .with(&[
        ("-uri", Contact),
        ("-u", Contact),
        ("-outfile", Write),
        ("-o", Write),
        ("-infile", Read),
    ]);

const NC: Spec = program("nc")
    .short("bceGgiIKlmMNoOPpqsTVWwXx")
    .long(&["exec", "sh-exec", "source", "proxy"]);

const PS_PATH: &[&str] = &[
    "destination",
    "encoding",
    "exclude",
    "filepath",
    "filter",
    "include",
    "itemtype",
    "literalpath",
    "name",
    "newname",
    "path",
    "value",
    "inputobject",
];
const PS_WRITES: &[(&str, crate::command::EffectKind)] = &[
    ("-path", Write),
    ("-literalpath", Write),
    ("-filepath", Write),
    ("-destination", Write),
];

const fn cmdlet(name: &'static str) -> Spec {
    Spec::named(name).style(Style::SingleDash).long(PS_PATH)
}

/// Sorted by name.
pub(crate) static TABLE: &[Spec] = &[
    cmdlet("add-content")
        .does(super::Operands::First(Write))
        .with(PS_WRITES),
    program("apt").with_sub(),
    program("apt-get").with_sub(),
    program("aria2c")
        .short("diloxj")
        .long(&["dir", "input-file", "log", "out"])
        .does(Each(Contact))
        .with(&[
            ("-o", Write),
            ("--out", Write),
            ("-d", Write),
            ("--dir", Write),
        ]),
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
    reader("b2sum"),
    reader("base32").short("w"),
    reader("base64")
        .short("wio")
        .with(&[("-i", Read), ("-o", Write)]),
    reader("basenc").short("w"),
    program("bash")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    reader("bat").short("lr"),
    program("brew").with_sub(),
    program("bsdtar")
        .short("bCfIKTX")
        .long(&["directory", "file", "use-compress-program"]),
    program("bun").with_sub(),
    editor("bunzip2"),
    editor("bzip2"),
    program("cargo").with_sub(),
    reader("cat"),
    program("cc")
        .style(Style::SingleDash)
        .long(&["o", "I", "L", "D", "x", "MF", "MT", "include", "isystem"])
        .does(Each(Read))
        .with(&[("-o", Write)]),
    program("cd"),
    program("chattr").short("pv").does(Later(Write)),
    program("chcon").short("lrtu").does(Later(Write)).long(&[
        "range",
        "reference",
        "role",
        "type",
        "user",
    ]),
    program("chgrp")
        .does(Later(Write))
        .long(&["from", "reference"]),
    program("chmod").does(Later(Write)).long(&["reference"]),
    program("chown")
        .does(Later(Write))
        .long(&["from", "reference"]),
    reader("cksum"),
    program("clang")
        .style(Style::SingleDash)
        .long(&["o", "I", "L", "D", "x", "MF", "MT", "include", "isystem"])
        .does(Each(Read))
        .with(&[("-o", Write)]),
    cmdlet("clear-content").does(Each(Write)).with(PS_WRITES),
    reader("cmp").short("in"),
    reader("column").short("cost"),
    reader("comm"),
    program("composer").with_sub(),
    cmdlet("copy-item").does(LastWritten).with(&[
        ("-path", Read),
        ("-literalpath", Read),
        ("-destination", Write),
    ]),
    program("cp")
        .short("St")
        .attached("")
        .long(&["no-preserve", "sparse", "suffix", "target-directory"])
        .does(LastWritten)
        .with(&[("-t", Write), ("--target-directory", Write)]),
    program("cpio")
        .short("CDEFHIMORW")
        .does(super::Operands::Nothing)
        .with(&[("-F", Write), ("-O", Write), ("-I", Read), ("-D", Write)]),
    program("crontab").short("u"),
    program("csplit")
        .short("bfn")
        .does(super::Operands::First(Read))
        .with(&[("-f", Write)]),
    CURL,
    reader("cut").short("bcdf").long(&[
        "bytes",
        "characters",
        "delimiter",
        "fields",
        "output-delimiter",
    ]),
    program("dash")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    program("dd").style(Style::Bare),
    cmdlet("del").style(Style::Slash).does(Each(Delete)),
    reader("df").short("Bt"),
    reader("diff")
        .short("CFIUxXL")
        .long(&["exclude", "from-file", "label", "to-file"]),
    program("dig")
        .short("bcfkpqtxy")
        .does(super::Operands::Nothing),
    program("dnf").with_sub(),
    program("docker").with_sub(),
    program("dpkg").short(""),
    reader("du")
        .short("Bdt")
        .long(&["exclude", "max-depth", "threshold"]),
    program("echo").style(Style::Bare),
    editor("ed").short("p"),
    reader("egrep").short("ABCDefm").does(Later(Read)),
    program("emacs")
        .short("fltu")
        .long(&["eval", "execute", "funcall", "insert", "load", "visit"])
        .does(Each(Write)),
    program("emacsclient")
        .short("acfFs")
        .long(&["eval", "socket-name"])
        .does(Each(Write)),
    editor("ex").short("cStTuUwW").long(&["cmd"]),
    program("eza"),
    editor("fallocate").short("lo").long(&["length", "offset"]),
    reader("fgrep").short("ABCDefm").does(Later(Read)),
    reader("file").short("fFmP"),
    program("find").style(Style::SingleDash),
    reader("fmt").short("gpw"),
    reader("fold").short("w"),
    program("ftp").does(super::Operands::First(Contact)),
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
    cmdlet("get-content")
        .does(Each(Read))
        .with(&[("-path", Read), ("-literalpath", Read)]),
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
    program("gpg")
        .short("oru")
        .long(&[
            "homedir",
            "keyserver",
            "local-user",
            "output",
            "passphrase",
            "passphrase-file",
            "recipient",
        ])
        .does(Each(Read))
        .with(&[("-o", Write), ("--output", Write), ("--keyserver", Contact)]),
    reader("grep")
        .short("ABCDdefm")
        .long(&[
            "after-context",
            "before-context",
            "binary-files",
            "context",
            "directories",
            "exclude",
            "exclude-dir",
            "exclude-from",
            "file",
            "include",
            "label",
            "max-count",
            "regexp",
        ])
        .does(Later(Read)),
    program("gsutil").with_sub(),
    editor("gunzip").short("S"),
    editor("gzip").short("S"),
    reader("hd").short("ens"),
    reader("head").short("cn").long(&["bytes", "lines"]),
    program("helm").with_sub(),
    reader("hexdump").short("efns"),
    program("host")
        .short("cNRtTW")
        .does(super::Operands::Nothing),
    program("http")
        .does(super::Operands::Nothing)
        .short("o")
        .with(&[("-o", Write)]),
    program("https")
        .does(super::Operands::Nothing)
        .short("o")
        .with(&[("-o", Write)]),
    program("install")
        .short("gmoStT")
        .long(&[
            "group",
            "mode",
            "owner",
            "strip-program",
            "suffix",
            "target-directory",
        ])
        .does(LastWritten)
        .with(&[("-t", Write), ("--target-directory", Write)]),
    Spec {
        name: "invoke-restmethod",
        ..WEB_REQUEST
    },
    WEB_REQUEST,
    Spec {
        name: "irm",
        ..WEB_REQUEST
    },
    Spec {
        name: "iwr",
        ..WEB_REQUEST
    },
    reader("join").short("aeijotv12"),
    reader("jq")
        .short("fL")
        .long(&[
            "arg",
            "argfile",
            "argjson",
            "indent",
            "rawfile",
            "slurpfile",
            "from-file",
        ])
        .does(Later(Read)),
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
    reader("less")
        .short("bhjkoOpPtTxyz")
        .with(&[("-o", Write), ("-O", Write)]),
    program("link").does(InOut),
    program("ln")
        .short("St")
        .long(&["suffix", "target-directory"])
        .does(LastWritten)
        .with(&[("-t", Write), ("--target-directory", Write)]),
    program("ls").short("ITw").does(Each(Read)),
    program("lua").short("el").stops(),
    editor("lz4"),
    editor("lzma"),
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
    reader("md5sum"),
    program("mkdir")
        .short("mZ")
        .long(&["mode"])
        .does(Each(Write)),
    program("mkfifo").short("m").does(Each(Write)),
    program("mknod")
        .short("m")
        .does(super::Operands::First(Write)),
    program("mktemp").short("p"),
    reader("more").short("n"),
    cmdlet("move-item").does(LastMoved).with(&[
        ("-path", Delete),
        ("-literalpath", Delete),
        ("-destination", Write),
    ]),
    program("mv")
        .short("St")
        .long(&["suffix", "target-directory"])
        .does(LastMoved)
        .with(&[("-t", Write), ("--target-directory", Write)]),
    editor("nano").short("CorsTQXY"),
    NC,
    Spec { name: "ncat", ..NC },
    Spec {
        name: "netcat",
        ..NC
    },
    cmdlet("new-item").does(Each(Write)).with(PS_WRITES),
    program("nix-shell").short("pA").long(&["run", "command"]),
    reader("nl").short("bdfhilnsvw"),
    program("node")
        .short("Cepr")
        .long(&["eval", "print", "require", "import", "loader"])
        .stops(),
    program("npm")
        .with_sub()
        .long(&["prefix", "registry", "workspace"])
        .short("w"),
    program("nslookup").style(Style::SingleDash),
    editor("nvim").short("cSu").long(&["cmd"]),
    reader("od").short("AjNStw"),
    program("openssl")
        .with_sub()
        .style(Style::SingleDash)
        .long(&[
            "in", "out", "key", "connect", "pass", "CAfile", "days", "subj", "config",
        ])
        .with(&[("-in", Read), ("-out", Write), ("-connect", Contact)]),
    cmdlet("out-file")
        .does(super::Operands::First(Write))
        .with(PS_WRITES),
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
    reader("paste").short("d"),
    program("patch")
        .short("bBdDFgiorpVYz")
        .long(&[
            "directory",
            "fuzz",
            "ifdef",
            "input",
            "output",
            "prefix",
            "reject-file",
            "strip",
            "suffix",
        ])
        .does(super::Operands::First(Write))
        .with(&[
            ("-i", Read),
            ("--input", Read),
            ("-o", Write),
            ("--output", Write),
            ("-d", Write),
            ("--directory", Write),
            ("-r", Write),
        ]),
    program("perl").short("EIe").attached("0CDFMTVimtx").stops(),
    program("php").short("BEFRSZcdfrtz").long(&["run"]).stops(),
    editor("pico").short("CorsTQXY"),
    program("ping").short("cIiLlmMpQsStTWw").does(Each(Contact)),
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
    reader("pr"),
    program("printf").style(Style::Bare),
    program("python").short("QWXcm").stops(),
    reader("readlink"),
    reader("realpath").long(&["relative-base", "relative-to"]),
    cmdlet("remove-item")
        .does(Each(Delete))
        .with(&[("-path", Delete), ("-literalpath", Delete)]),
    cmdlet("rename-item")
        .does(LastMoved)
        .with(&[("-path", Delete), ("-newname", Write)]),
    reader("rev"),
    reader("rg")
        .short("ABCdefgjmMtTE")
        .long(&[
            "after-context",
            "before-context",
            "context",
            "file",
            "glob",
            "iglob",
            "max-count",
            "max-depth",
            "regexp",
            "replace",
            "type",
            "type-not",
        ])
        .does(Later(Read)),
    cmdlet("ri")
        .does(Each(Delete))
        .with(&[("-path", Delete), ("-literalpath", Delete)]),
    program("rm").does(Each(Delete)),
    program("rmdir").does(Each(Delete)),
    program("rsync")
        .short("eBfMT@")
        .long(&[
            "backup-dir",
            "bwlimit",
            "chmod",
            "chown",
            "compare-dest",
            "copy-dest",
            "exclude",
            "exclude-from",
            "files-from",
            "filter",
            "include",
            "include-from",
            "link-dest",
            "log-file",
            "max-size",
            "min-size",
            "out-format",
            "partial-dir",
            "password-file",
            "port",
            "rsh",
            "rsync-path",
            "suffix",
            "temp-dir",
            "timeout",
        ])
        .does(LastWritten)
        .with(&[
            ("--log-file", Write),
            ("--backup-dir", Write),
            ("--partial-dir", Write),
            ("--files-from", Read),
        ]),
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
    program("scp").short("cDFiJloPSX").does(LastWritten),
    program("sed")
        .short("efl")
        .attached("i")
        .long(&["expression", "file", "line-length"]),
    cmdlet("set-content")
        .does(super::Operands::First(Write))
        .with(PS_WRITES),
    program("sftp")
        .short("BbcDFiJloPRSsX")
        .does(super::Operands::First(Contact)),
    program("sh")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    reader("sha1sum"),
    reader("sha224sum"),
    reader("sha256sum"),
    reader("sha384sum"),
    reader("sha512sum"),
    reader("shasum").short("a"),
    program("shred")
        .short("ns")
        .long(&["iterations", "random-source", "size"])
        .does(Each(Delete)),
    reader("shuf")
        .short("no")
        .with(&[("-o", Write), ("--output", Write)]),
    program("skopeo").with_sub(),
    program("sleep"),
    program("socat"),
    reader("sort")
        .short("kotTS")
        .long(&[
            "buffer-size",
            "compress-program",
            "field-separator",
            "files0-from",
            "key",
            "output",
            "parallel",
            "temporary-directory",
        ])
        .with(&[("-o", Write), ("--output", Write)]),
    program("split")
        .short("abClnt")
        .long(&[
            "additional-suffix",
            "bytes",
            "filter",
            "line-bytes",
            "lines",
            "number",
            "separator",
            "suffix-length",
        ])
        .does(InOut),
    editor("sponge"),
    program("ssh").short("BbcDEeFIiJLlmOopQRSWw").stops(),
    program("ssh-copy-id")
        .short("iFop")
        .does(super::Operands::First(Contact)),
    program("start-sleep").style(Style::SingleDash).long(&[
        "duration",
        "m",
        "milliseconds",
        "ms",
        "s",
        "seconds",
    ]),
    reader("stat").short("cft").long(&["format", "printf"]),
    reader("strings").short("ensT"),
    program("systemctl").with_sub().short("Hnopst"),
    reader("tac").short("s"),
    reader("tail").short("cns").long(&[
        "bytes",
        "lines",
        "max-unchanged-stats",
        "pid",
        "sleep-interval",
    ]),
    program("tar").short("bCfFgHIKLNTVX").long(&[
        "checkpoint-action",
        "directory",
        "exclude",
        "exclude-from",
        "file",
        "files-from",
        "format",
        "group",
        "info-script",
        "mtime",
        "newer",
        "owner",
        "rsh-command",
        "starting-file",
        "strip-components",
        "to-command",
        "transform",
        "use-compress-program",
        "xform",
    ]),
    editor("tee"),
    program("telnet")
        .short("aelnSX")
        .does(super::Operands::First(Contact)),
    program("terraform").with_sub().style(Style::SingleDash),
    program("test").style(Style::Bare),
    program("touch")
        .short("drt")
        .long(&["date", "reference", "time"])
        .does(Each(Write)),
    program("tr"),
    program("truncate")
        .short("rs")
        .long(&["reference", "size"])
        .does(Each(Write)),
    reader("uniq").short("fsw").does(InOut),
    program("unlink").does(Each(Delete)),
    editor("unxz"),
    program("unzip").short("dPx").with(&[("-d", Write)]),
    editor("unzstd"),
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
    reader("wc").long(&["files0-from"]),
    WGET,
    program("whois").short("hp"),
    program("wscat").short("c").with(&[("-c", Contact)]),
    reader("xxd").short("bcglos").does(InOut),
    editor("xz"),
    reader("xzcat"),
    program("yarn").with_sub(),
    program("yum").with_sub(),
    reader("zcat"),
    program("zip")
        .short("bnPtTx")
        .does(super::Operands::FirstWritten),
    program("zsh")
        .short("oO")
        .long(&["init-file", "rcfile"])
        .stops(),
    editor("zstd").short("DMoT").with(&[("-o", Write)]),
    reader("zstdcat"),
];
