//! Running the real programs in a private place: every test gets its own directories, its own daemon and its
//! own socket, and leaves nothing behind.
//!
//! The programs are the ones of the build the test belongs to (`target/debug/fakd` for a debug test);
//! `FAK_BIN_DIR` names another place.

#![forbid(unsafe_code)]

use std::{
    fs,
    os::unix::{fs::DirBuilderExt, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

mod client;

pub use client::{Client, connect};

/// Longest wait for a daemon to become ready or to end.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A private home for one daemon.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    bin: PathBuf,
}

impl Place {
    /// Makes the directories.
    ///
    /// # Panics
    /// When the temporary directory cannot be made: a test cannot go on.
    #[must_use]
    pub fn new() -> Self {
        Self::in_dir(&bin_dir())
    }

    /// The same for the programs of another directory.
    ///
    /// # Panics
    /// When the temporary directory cannot be made.
    #[must_use]
    pub fn in_dir(bin: &Path) -> Self {
        let dir = TempDir::with_prefix("fak-test-").expect("a temporary directory");
        for name in ["run", "state", "config", "work"] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(dir.path().join(name))
                .expect("a directory");
        }
        Self {
            dir,
            bin: fs::canonicalize(bin).unwrap_or_else(|_| bin.to_owned()),
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A directory inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.join("run/fak/fakd.sock")
    }

    /// Where the journal is.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.join("state/fak/journal.db")
    }

    /// Where user policies are read from, created on first use.
    #[must_use]
    pub fn policy_dir(&self) -> PathBuf {
        let dir = self.join("config/fak/policy.d");
        fs::create_dir_all(&dir).expect("the policy directory");
        dir
    }

    /// A command of the project with the private directories in its environment and nothing of the caller's.
    ///
    /// # Panics
    /// When the program has not been built.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        assert!(
            path.exists(),
            "{} is missing: run `cargo build -p fakd -p fakctl` first",
            path.display()
        );
        let mut command = Command::new(path);
        command
            .env_remove("FAK_SOCKET")
            .env_remove("FAK_SESSION")
            .env_remove("JOURNAL_STREAM")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("LISTEN_FDS")
            .env("XDG_RUNTIME_DIR", self.join("run"))
            .env("XDG_STATE_HOME", self.join("state"))
            .env("XDG_CONFIG_HOME", self.join("config"))
            .env("HOME", self.path())
            .current_dir(self.join("work"));
        command
    }

    /// Runs `fakctl` to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn fakctl(&self, args: &[&str]) -> Output {
        self.command("fakctl")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("fakctl runs")
    }

    /// Starts `fakd --user` with further arguments and waits until it answers.
    ///
    /// # Panics
    /// When it does not become ready within [`PATIENCE`].
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Daemon {
        let mut daemon = self.spawn(args);
        let started = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            if let Some(status) = daemon
                .child
                .try_wait()
                .expect("the daemon can be waited for")
            {
                panic!(
                    "fakd ended with {status} before it was ready:\n{}",
                    daemon.log()
                );
            }
            assert!(
                started.elapsed() < PATIENCE,
                "fakd is not ready:\n{}",
                daemon.log()
            );
            thread::sleep(Duration::from_millis(2));
        }
        daemon
    }

    /// Starts `fakd --user` without waiting.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(&self, args: &[&str]) -> Daemon {
        let log = self.join("fakd.log");
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the log file");
        let child = self
            .command("fakd")
            .arg("--user")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .process_group(0)
            .spawn()
            .expect("fakd starts");
        Daemon { child, log }
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal by name, for example `HUP`.
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(status.expect("kill runs").success(), "kill -{name} failed");
    }

    /// Kills it as `kill -9` does and waits.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end and returns the exit code.
    ///
    /// # Panics
    /// When it is still running after [`PATIENCE`].
    #[must_use]
    pub fn wait(mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the daemon can be waited for") {
                return status.code();
            }
            assert!(
                started.elapsed() < PATIENCE,
                "fakd did not end:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGTERM, then its exit code.
    #[must_use]
    pub fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Resident memory in bytes, from `/proc`.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        kib.and_then(|text| {
            text.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        })
        .unwrap_or(0)
            * 1024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints why a test did not run; `tests/run.sh` collects these lines.
#[expect(
    clippy::print_stdout,
    reason = "this is how a test says that it skipped itself"
)]
pub fn skip(test: &str, reason: &str) {
    println!("SKIP: {test}: {reason}");
}

fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("FAK_BIN_DIR") {
        return dir.into();
    }
    let exe = std::env::current_exe().expect("the test's own path");
    let dir = exe.parent().expect("the test lies in a directory");
    if dir.ends_with("deps") {
        dir.parent().unwrap_or(dir).to_owned()
    } else {
        dir.to_owned()
    }
}
