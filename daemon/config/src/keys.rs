//! The one table of configuration keys.

use std::path::PathBuf;

use crate::{Config, Cut, Durability, Grant};

/// What a key's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An absolute path.
    Path,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within these bounds, both included.
    Count(u64, u64),
    /// A file mode as text, `"0660"`, without access for others.
    Mode,
    /// Names of users.
    Users,
    /// Names of groups.
    Groups,
    /// User or group ids.
    Ids,
    /// True or false.
    Flag,
    /// A name without spaces, `+` and control characters.
    Name,
}

impl Kind {
    /// What the key wants, for messages.
    #[must_use]
    pub fn wants(self) -> String {
        match self {
            Self::Path => "an absolute path in quotes".to_owned(),
            Self::Word(words) => format!("one of \"{}\"", words.join("\", \"")),
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Mode => {
                "a file mode in quotes such as \"0660\", with no access for others".to_owned()
            }
            Self::Users => "a list of user names, such as [\"alice\"]".to_owned(),
            Self::Groups => "a list of group names, such as [\"fak\"]".to_owned(),
            Self::Ids => "a list of ids, such as [1000]".to_owned(),
            Self::Flag => "true or false, without quotes".to_owned(),
            Self::Name => {
                "a name in quotes such as \"edge-3.example/fak\", without spaces or `+`".to_owned()
            }
        }
    }
}

/// A value that has passed its key's [`Kind`]; names are resolved to ids.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Path(PathBuf),
    Word(String),
    Count(usize),
    Mode(u32),
    Ids(Vec<u32>),
    Flag(bool),
    Name(String),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// What it does, in a sentence.
    pub about: &'static str,
    pub(crate) set: fn(&mut Config, Value),
}

const WORDS_DURABILITY: &[&str] = &["commit", "async"];
const WORDS_CUT: &[&str] = &["never", "untrusted", "always"];
const WORDS_LOG: &[&str] = &["error", "warn", "info", "debug"];

macro_rules! setter {
    ($variant:ident, |$config:ident, $value:ident| $body:expr) => {
        |$config: &mut Config, value: Value| {
            if let Value::$variant($value) = value {
                $body;
            }
        }
    };
}

macro_rules! cut {
    ($kind:ident, $about:literal) => {
        Key {
            name: concat!("screen.", stringify!($kind)),
            kind: Kind::Word(WORDS_CUT),
            about: concat!(
                $about,
                " no result, results of sources the policy does not trust, or all. Restart to change."
            ),
            set: setter!(Word, |config, word| config.screen.$kind = Cut::of(&word)),
        }
    };
}

macro_rules! grant {
    ($role:ident, $about:literal) => {
        [
            Key {
                name: concat!("acl.", stringify!($role), ".users"),
                kind: Kind::Users,
                about: concat!("Users who may ", $about),
                set: setter!(Ids, |config, ids| add(
                    &mut config.acl.$role,
                    ids,
                    Vec::new()
                )),
            },
            Key {
                name: concat!("acl.", stringify!($role), ".groups"),
                kind: Kind::Groups,
                about: concat!("Groups whose members may ", $about),
                set: setter!(Ids, |config, ids| add(
                    &mut config.acl.$role,
                    Vec::new(),
                    ids
                )),
            },
            Key {
                name: concat!("acl.", stringify!($role), ".uids"),
                kind: Kind::Ids,
                about: concat!("User ids that may ", $about),
                set: setter!(Ids, |config, ids| add(
                    &mut config.acl.$role,
                    ids,
                    Vec::new()
                )),
            },
            Key {
                name: concat!("acl.", stringify!($role), ".gids"),
                kind: Kind::Ids,
                about: concat!("Group ids whose members may ", $about),
                set: setter!(Ids, |config, ids| add(
                    &mut config.acl.$role,
                    Vec::new(),
                    ids
                )),
            },
        ]
    };
}

fn add(grant: &mut Grant, uids: Vec<u32>, gids: Vec<u32>) {
    grant.uids.extend(uids);
    grant.gids.extend(gids);
}

const OBSERVE: [Key; 4] = grant!(observe, "read the status and their own sessions.");
const SUBMIT: [Key; 4] = grant!(submit, "ask for verdicts.");
const AUDIT: [Key; 4] = grant!(
    audit,
    "read the status, every session and the journal, ask for no verdict and change nothing."
);
const ADMIN: [Key; 4] = grant!(
    admin,
    "change the policy and read every session and the journal."
);

/// Every key there is.
pub const KEYS: &[Key] = &[
    Key {
        name: "socket",
        kind: Kind::Path,
        about: "Where fakd listens when the service manager hands it no socket. Restart to change.",
        set: setter!(Path, |config, path| config.socket = path),
    },
    Key {
        name: "socket_mode",
        kind: Kind::Mode,
        about: "The socket's file mode. Restart to change.",
        set: setter!(Mode, |config, mode| config.socket_mode = mode),
    },
    Key {
        name: "state_dir",
        kind: Kind::Path,
        about: "Where the journal lives. Restart to change.",
        set: setter!(Path, |config, path| config.state_dir = path),
    },
    Key {
        name: "policy_dir",
        kind: Kind::Path,
        about: "The directory of profiles (*.json, *.yaml), or one profile's file.",
        set: setter!(Path, |config, path| config.policy_dir = path),
    },
    Key {
        name: "durability",
        kind: Kind::Word(WORDS_DURABILITY),
        about: "commit: a verdict leaves after its row is on disk; async: after it is queued. Restart to change.",
        set: setter!(
            Word,
            |config, word| config.durability = if word == "async" {
                Durability::Async
            } else {
                Durability::Commit
            }
        ),
    },
    Key {
        name: "log_level",
        kind: Kind::Word(WORDS_LOG),
        about: "The least severe message logged. Restart to change.",
        set: setter!(Word, |config, word| config.log_level = word),
    },
    Key {
        name: "limits.connections_per_uid",
        kind: Kind::Count(1, 4096),
        about: "Open connections of one user.",
        set: setter!(Count, |config, count| config.limits.connections_per_uid =
            count),
    },
    Key {
        name: "limits.connections",
        kind: Kind::Count(1, 65_536),
        about: "Open connections altogether.",
        set: setter!(Count, |config, count| config.limits.connections = count),
    },
    Key {
        name: "limits.in_flight_per_uid",
        kind: Kind::Count(1, 65_536),
        about: "Calls of one user being answered at the same time.",
        set: setter!(Count, |config, count| config.limits.in_flight_per_uid =
            count),
    },
    Key {
        name: "limits.streams_per_uid",
        kind: Kind::Count(1, 4096),
        about: "Open streams of one user.",
        set: setter!(Count, |config, count| config.limits.streams_per_uid = count),
    },
    Key {
        name: "limits.frame_bytes",
        kind: Kind::Count(65_536, 64 << 20),
        about: "Longest message in bytes.",
        set: setter!(Count, |config, count| config.limits.frame_bytes = count),
    },
    Key {
        name: "limits.journal_queue",
        kind: Kind::Count(2048, 1 << 20),
        about: "Records that may wait for the journal; beyond it calls are refused and evidence is counted as lost.",
        set: setter!(Count, |config, count| config.limits.journal_queue = count),
    },
    Key {
        name: "evidence.origin",
        kind: Kind::Name,
        about: "The journal's name in checkpoints, taken when its key is made and kept with the key; by default made \
                of the machine's name and the key.",
        set: setter!(Name, |config, name| config.evidence.origin = Some(name)),
    },
    Key {
        name: "evidence.checkpoint_minutes",
        kind: Kind::Count(0, 10_080),
        about: "How often new rows are covered by a signed checkpoint; 0: only when asked, and at every stop.",
        set: setter!(Count, |config, count| config.evidence.checkpoint_minutes =
            count),
    },
    Key {
        name: "screen.oversize_bytes",
        kind: Kind::Count(4096, 16 << 20),
        about: "A longer result is kept, and a stub of it is read instead. Restart to change.",
        set: setter!(Count, |config, count| config.screen.oversize_bytes = count),
    },
    Key {
        name: "screen.redact_secrets",
        kind: Kind::Flag,
        about: "true: secrets are cut out of a text and the rest is read; false: a result with a secret is sealed \
                whole. Restart to change.",
        set: setter!(Flag, |config, flag| config.screen.redact_secrets = flag),
    },
    cut!(cards, "Payment card numbers are cut out of"),
    cut!(
        emails,
        "Mail addresses are cut out of (an agent that may see none can answer no mail)"
    ),
    cut!(
        ssns,
        "Social security numbers of the United States are cut out of"
    ),
    cut!(ibans, "International bank account numbers are cut out of"),
    Key {
        name: "sandbox.allow_degraded",
        kind: Kind::Flag,
        about: "Start where Landlock or seccomp does not work, and say so, instead of ending with exit code 70. \
                Restart to change.",
        set: setter!(Flag, |config, flag| config.allow_degraded = flag),
    },
    OBSERVE[0],
    OBSERVE[1],
    OBSERVE[2],
    OBSERVE[3],
    SUBMIT[0],
    SUBMIT[1],
    SUBMIT[2],
    SUBMIT[3],
    AUDIT[0],
    AUDIT[1],
    AUDIT[2],
    AUDIT[3],
    ADMIN[0],
    ADMIN[1],
    ADMIN[2],
    ADMIN[3],
];
