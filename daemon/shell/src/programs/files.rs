//! Programs that work on files: options that take a value, and what is done with operands.

use super::{
    Operands::{self, Each, InOut, LastMoved, LastWritten, Later},
    Spec, Style, index,
};
use crate::command::EffectKind::{Delete, Read, Write};

const fn program(name: &'static str) -> Spec {
    Spec::named(name)
}

const fn reader(name: &'static str) -> Spec {
    Spec::named(name).does(Each(Read))
}

const fn editor(name: &'static str) -> Spec {
    Spec::named(name).does(Each(Write))
}

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
pub(super) static TABLE: &[Spec] = &[
    cmdlet("add-content")
        .does(Operands::First(Write))
        .with(PS_WRITES),
    reader("b2sum"),
    reader("base32").short("w"),
    reader("base64")
        .short("wio")
        .with(&[("-i", Read), ("-o", Write)]),
    reader("basenc").short("w"),
    reader("bat").short("lr"),
    program("bsdtar")
        .short("bCfIKTX")
        .long(&["directory", "file", "use-compress-program"]),
    editor("bunzip2"),
    editor("bzip2"),
    reader("cat"),
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
    cmdlet("clear-content").does(Each(Write)).with(PS_WRITES),
    reader("cmp").short("in"),
    reader("column").short("cost"),
    reader("comm"),
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
        .does(Operands::Nothing)
        .with(&[("-F", Write), ("-O", Write), ("-I", Read), ("-D", Write)]),
    program("csplit")
        .short("bfn")
        .does(Operands::First(Read))
        .with(&[("-f", Write)]),
    reader("cut").short("bcdf").long(&[
        "bytes",
        "characters",
        "delimiter",
        "fields",
        "output-delimiter",
    ]),
    program("dd").style(Style::Bare),
    cmdlet("del").style(Style::Slash).does(Each(Delete)),
    reader("diff")
        .short("CFIUxXL")
        .long(&["exclude", "from-file", "label", "to-file"]),
    reader("du")
        .short("Bdt")
        .long(&["exclude", "max-depth", "threshold"]),
    reader("egrep").short("ABCDefm").does(Later(Read)),
    program("eza"),
    editor("fallocate").short("lo").long(&["length", "offset"]),
    reader("fgrep").short("ABCDefm").does(Later(Read)),
    reader("file").short("fFmP"),
    program("find").style(Style::SingleDash),
    reader("fmt").short("gpw"),
    reader("fold").short("w"),
    cmdlet("get-content")
        .does(Each(Read))
        .with(&[("-path", Read), ("-literalpath", Read)]),
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
    editor("gunzip").short("S"),
    editor("gzip").short("S"),
    reader("hd").short("ens"),
    reader("head").short("cn").long(&["bytes", "lines"]),
    reader("hexdump").short("efns"),
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
    editor("lz4"),
    editor("lzma"),
    reader("md5sum"),
    program("mkdir")
        .short("mZ")
        .long(&["mode"])
        .does(Each(Write)),
    program("mkfifo").short("m").does(Each(Write)),
    program("mknod").short("m").does(Operands::First(Write)),
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
    cmdlet("new-item").does(Each(Write)).with(PS_WRITES),
    reader("nl").short("bdfhilnsvw"),
    reader("od").short("AjNStw"),
    cmdlet("out-file")
        .does(Operands::First(Write))
        .with(PS_WRITES),
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
        .does(Operands::First(Write))
        .with(&[
            ("-i", Read),
            ("--input", Read),
            ("-o", Write),
            ("--output", Write),
            ("-d", Write),
            ("--directory", Write),
            ("-r", Write),
        ]),
    reader("pr"),
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
    cmdlet("set-content")
        .does(Operands::First(Write))
        .with(PS_WRITES),
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
    program("sqlite3")
        .style(Style::SingleDash)
        .long(&[
            "cmd",
            "init",
            "maxsize",
            "mmap",
            "newline",
            "nullvalue",
            "separator",
            "vfs",
        ])
        .with(&[("-init", Read)])
        .does(Operands::First(Write)),
    reader("stat").short("cft").long(&["format", "printf"]),
    reader("strings").short("ensT"),
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
    program("touch")
        .short("drt")
        .long(&["date", "reference", "time"])
        .does(Each(Write)),
    program("truncate")
        .short("rs")
        .long(&["reference", "size"])
        .does(Each(Write)),
    reader("uniq").short("fsw").does(InOut),
    program("unlink").does(Each(Delete)),
    editor("unxz"),
    program("unzip").short("dPx").with(&[("-d", Write)]),
    editor("unzstd"),
    reader("wc").long(&["files0-from"]),
    reader("xxd").short("bcglos").does(InOut),
    editor("xz"),
    reader("xzcat"),
    reader("zcat"),
    program("zip").short("bnPtTx").does(Operands::FirstWritten),
    editor("zstd").short("DMoT").with(&[("-o", Write)]),
    reader("zstdcat"),
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
