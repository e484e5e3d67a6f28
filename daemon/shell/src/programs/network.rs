//! Programs that talk to other machines: options that take a value, and what is done with operands.

use super::{
    Operands::{self, Each, LastWritten},
    Spec, Style, index,
};
use crate::command::EffectKind::{Contact, Read, Write};

const fn program(name: &'static str) -> Spec {
    Spec::named(name)
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

/// Sorted by name.
pub(super) static TABLE: &[Spec] = &[
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
    CURL,
    program("dig").short("bcfkpqtxy").does(Operands::Nothing),
    program("ftp").does(Operands::First(Contact)),
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
    program("host").short("cNRtTW").does(Operands::Nothing),
    program("http")
        .does(Operands::Nothing)
        .short("o")
        .with(&[("-o", Write)]),
    program("https")
        .does(Operands::Nothing)
        .short("o")
        .with(&[("-o", Write)]),
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
    NC,
    Spec { name: "ncat", ..NC },
    Spec {
        name: "netcat",
        ..NC
    },
    program("nslookup").style(Style::SingleDash),
    program("openssl")
        .with_sub()
        .style(Style::SingleDash)
        .long(&[
            "in", "out", "key", "connect", "pass", "CAfile", "days", "subj", "config",
        ])
        .with(&[("-in", Read), ("-out", Write), ("-connect", Contact)]),
    program("ping").short("cIiLlmMpQsStTWw").does(Each(Contact)),
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
    program("scp").short("cDFiJloPSX").does(LastWritten),
    program("sftp")
        .short("BbcDFiJloPRSsX")
        .does(Operands::First(Contact)),
    program("socat"),
    program("ssh").short("BbcDEeFIiJLlmOopQRSWw").stops(),
    program("ssh-copy-id")
        .short("iFop")
        .does(Operands::First(Contact)),
    program("telnet")
        .short("aelnSX")
        .does(Operands::First(Contact)),
    WGET,
    program("whois").short("hp"),
    program("wscat").short("c").with(&[("-c", Contact)]),
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
