//! Where a system daemon and a user daemon keep their things.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::Problem;

/// The directories of one kind of daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// The socket.
    pub socket: PathBuf,
    /// The socket's mode: users of other ids are kept out by the file system in a user daemon.
    pub socket_mode: u32,
    /// State: the journal.
    pub state: PathBuf,
    /// Profiles.
    pub policy: PathBuf,
    /// Files read before `config`, in order.
    pub vendor: Option<PathBuf>,
    /// `fakd.toml`; the drop-in directory is the same path with `.d`.
    pub config: PathBuf,
}

impl Dirs {
    /// The system daemon's.
    #[must_use]
    pub fn system() -> Self {
        Self {
            socket: "/run/fak/fakd.sock".into(),
            socket_mode: 0o660,
            state: "/var/lib/fakd".into(),
            policy: "/etc/fak/policy.d".into(),
            vendor: Some("/usr/lib/fak/fakd.toml".into()),
            config: "/etc/fak/fakd.toml".into(),
        }
    }

    /// A user daemon's, after the XDG base directory rules: a variable that is unset, empty or not an
    /// absolute path counts as unset. Without `XDG_RUNTIME_DIR` the socket goes to `/tmp/fak-<uid>`,
    /// whose ownership whoever binds or connects must check.
    ///
    /// # Errors
    /// A sentence, when neither `HOME` nor the variable that would replace it is set.
    pub fn user(env: &dyn Fn(&str) -> Option<OsString>, uid: u32) -> Result<Self, String> {
        let absolute = |name: &str| {
            env(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let below_home = |name: &str, rest: &str| {
            absolute(name)
                .or_else(|| absolute("HOME").map(|home| home.join(rest)))
                .ok_or_else(|| format!("neither {name} nor HOME is an absolute path; set one"))
        };
        let runtime = absolute("XDG_RUNTIME_DIR").map_or_else(
            || PathBuf::from(format!("/tmp/fak-{uid}")),
            |runtime| runtime.join("fak"),
        );
        let config = below_home("XDG_CONFIG_HOME", ".config")?.join("fak");
        Ok(Self {
            socket: runtime.join("fakd.sock"),
            socket_mode: 0o600,
            state: below_home("XDG_STATE_HOME", ".local/state")?.join("fak"),
            policy: config.join("policy.d"),
            vendor: None,
            config: config.join("fakd.toml"),
        })
    }

    /// The files to read, in order, whether they exist or not; drop-ins as found.
    pub(crate) fn config_files(&self) -> Result<Vec<PathBuf>, Vec<Problem>> {
        let mut files: Vec<PathBuf> = self.vendor.iter().cloned().collect();
        files.push(self.config.clone());
        let drop_ins = self.config.with_extension("toml.d");
        match drop_in_files(&drop_ins) {
            Ok(found) => files.extend(found),
            Err(error) => {
                return Err(vec![Problem::of_file(
                    &drop_ins,
                    format!("cannot be listed: {error}"),
                )]);
            }
        }
        Ok(files)
    }
}

fn drop_in_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
