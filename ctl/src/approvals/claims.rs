//! What an approver sees for himself: each claim of an approval, looked at with his own hands.
//!
//! The place that is looked at may belong to whoever asked, and he may be at work in it. So nothing in it is run, with
//! one exception that the approver has to ask for by name: a `test:` claim. `git` is asked with a clean environment,
//! without hooks, monitors, fetches and pagers, and not at all in a repository whose configuration names programs of its
//! own; it refuses repositories of other users by itself. Root is nobody's tool: for him both run as the owner of the place.

use std::{
    fs::File,
    io::{self, Read, Write as _},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use sha2::{Digest as _, Sha256};

use crate::{
    exit::{Exit, Failure},
    operate::hex,
    out::{self, plain},
};

/// Where programs are looked for: never in a place of the one who asked.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Submodules within submodules. LIMIT: a deeper one counts as unclean.
const SUBMODULE_DEPTH_MAX: usize = 8;

/// Keys of a repository that make `git` run something, or look somewhere else.
const GIT_KEYS: &str = r"^(filter\..*|core\.(fsmonitor|hookspath|sshcommand|gitproxy|worktree)|extensions\.partialclone|remote\..*\.promisor|include(if)?\..*)$";

/// How an approver looks.
pub(super) struct Hands {
    /// The place, without symbolic links.
    pub(super) dir: PathBuf,
    /// Whether `test:` claims may run.
    pub(super) run_tests: bool,
    /// Longest time for one of them.
    pub(super) test_time_max: Duration,
}

impl Hands {
    /// Looks at one claim: the SHA-256 of what was seen, in hex, when it holds.
    ///
    /// # Errors
    /// [`Exit::No`] when it does not hold, or is of no kind this build can look at; [`Exit::Usage`] for a test that
    /// nobody asked to run.
    pub(super) fn look(&self, claim: &str) -> Result<String, Failure> {
        let (kind, rest) = claim.split_once(':').unwrap_or((claim, ""));
        match (kind, rest) {
            ("git", "clean") => self.clean(&self.dir, 0).map_err(|why| fails(claim, &why)),
            ("git", at) => match at.strip_prefix("commit:") {
                Some(sha) => self.commit(sha).map_err(|why| fails(claim, &why)),
                None => Err(unknown(claim)),
            },
            ("file", rest) => match rest.split_once(':') {
                Some((digest, path)) => self.file(digest, path).map_err(|why| fails(claim, &why)),
                None => Err(unknown(claim)),
            },
            ("test", command) if !command.is_empty() => self.test(claim, command),
            _ => Err(unknown(claim)),
        }
    }

    /// Nothing changed, nothing new, in the tree and in every submodule; what was seen names the commit.
    fn clean(&self, dir: &Path, depth: usize) -> Result<String, String> {
        if depth > SUBMODULE_DEPTH_MAX {
            return Err(format!("submodules nest deeper than {SUBMODULE_DEPTH_MAX}"));
        }
        let top = trusted(dir, depth > 0)?;
        let status = git(
            &top,
            &[
                "status",
                "--porcelain=v2",
                "--branch",
                "--untracked-files=all",
                "--ignore-submodules=dirty",
            ],
        )?;
        let changed = status.lines().find(|line| !line.starts_with("# "));
        if let Some(changed) = changed {
            let path = changed.rsplit(' ').next().unwrap_or(changed);
            return Err(format!("{} is not as committed", plain(path)));
        }
        // Lists of a repository's own may hide a new file from `status`, and marks in its index a change.
        let words = [
            "ls-files",
            "--others",
            "--exclude-per-directory=.gitignore",
            "-z",
        ];
        if let Some(new) = git(&top, &words)?.split('\0').find(|path| !path.is_empty()) {
            return Err(format!("{} is not committed", plain(new)));
        }
        let index = git(&top, &["ls-files", "-v", "-s", "-z"])?;
        let mut seen = Sha256::new();
        seen.update(status.as_bytes());
        for entry in index.split('\0').filter(|entry| !entry.is_empty()) {
            let path = entry.split_once('\t').map_or("", |(_, path)| path);
            if !entry.starts_with("H ") {
                return Err(format!("{} is hidden from `git status`", plain(path)));
            }
            let is_submodule = entry.starts_with("H 160000 ");
            let below = top.join(path);
            if is_submodule && below.join(".git").exists() {
                seen.update(self.clean(&below, depth + 1)?.as_bytes());
            }
        }
        Ok(hex(&seen.finalize()))
    }

    fn commit(&self, sha: &str) -> Result<String, String> {
        let whole =
            matches!(sha.len(), 40 | 64) && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !whole {
            return Err("it names no whole commit".to_owned());
        }
        let top = trusted(&self.dir, false)?;
        let head = git(&top, &["rev-parse", "--verify", "HEAD^{commit}"])?;
        let head = head.trim();
        if head.eq_ignore_ascii_case(sha) {
            Ok(digest(head.as_bytes()))
        } else {
            Err(format!("HEAD is {head}"))
        }
    }

    fn file(&self, wanted: &str, path: &str) -> Result<String, String> {
        let inside = Path::new(path);
        let plain_path = inside
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if path.is_empty() || !(plain_path || inside.is_absolute()) {
            return Err("its path leads out of the place that is looked at".to_owned());
        }
        let at = self.dir.join(inside);
        let said = |error: io::Error| format!("{}: {error}", plain(&at.to_string_lossy()));
        // Whatever stands there in the end is read; a pipe would wait for ever.
        if !at.metadata().map_err(said)?.is_file() {
            return Err(format!("{} is no file", plain(&at.to_string_lossy())));
        }
        let mut file = File::open(&at).map_err(said)?;
        let mut seen = Sha256::new();
        each_piece(&mut file, |piece| seen.update(piece)).map_err(said)?;
        let seen = hex(&seen.finalize());
        if seen.eq_ignore_ascii_case(wanted) {
            Ok(seen)
        } else {
            Err(format!("its SHA-256 is {seen}"))
        }
    }

    /// Runs a command of the policy's, as the approver; what was seen is what it wrote.
    fn test(&self, claim: &str, command: &str) -> Result<String, Failure> {
        let shown = plain(command);
        if !self.run_tests {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "the claim `{}` is a command, and nobody asked to run it",
                    plain(claim)
                ),
            )
            .fix(format!(
                "read it; to run it in {} as yourself, say --run-tests: {shown}",
                self.dir.display()
            )));
        }
        out::complain(&format!(
            "fakctl: running in {}: {shown}",
            self.dir.display()
        ));
        let ran = self
            .run(command)
            .map_err(|error| Failure::new(Exit::Io, format!("`{shown}` cannot run: {error}")))?;
        match ran {
            Ran::Ended(0, seen) => Ok(seen),
            Ran::Ended(code, _) => Err(fails(claim, &format!("it ended with {code}"))),
            Ran::Late => Err(fails(claim, "it did not end in time")),
        }
    }

    fn run(&self, command: &str) -> io::Result<Ran> {
        let (mut reader, writer) = io::pipe()?;
        let mut shell = Command::new("/bin/sh");
        let mut child = harmless(&mut shell, &self.dir)
            .args(["-c", command])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // A group of its own, so that all of it can be ended.
            .process_group(0)
            .spawn()?;
        // Its ends of the pipe are the child's alone from here on.
        drop(shell);
        let group = i32::try_from(child.id()).map(Pid::from_raw);
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let mut seen = Sha256::new();
            // What was read before an error is what was seen.
            let _ = each_piece(&mut reader, |piece| {
                seen.update(piece);
                // Shown as it comes, where text cannot repaint the screen.
                let _ = io::stderr().write_all(shown(piece).as_bytes());
            });
            // Nobody listens any more when the time is up.
            let _ = done.send(hex(&seen.finalize()));
        });
        let seen = ended.recv_timeout(self.test_time_max);
        // Also what it left running in its group.
        if let Ok(group) = group {
            let _ = killpg(group, Signal::SIGKILL);
        }
        let status = child.wait()?;
        Ok(match seen {
            Ok(seen) => Ran::Ended(status.code().unwrap_or(-1), seen),
            Err(_) => Ran::Late,
        })
    }
}

/// Everything there is to read, piece by piece.
fn each_piece(from: &mut impl Read, mut on: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0_u8; 64 * 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => on(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// How a test went.
enum Ran {
    Ended(i32, String),
    Late,
}

/// A test's own output, line by line harmless.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => format!("{}\n", plain(line)),
            None => plain(line).into_owned(),
        })
        .collect()
}

/// A clean environment, and no more rights in `dir` than its owner has.
fn harmless<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    if nix::unistd::geteuid().is_root()
        && let Ok(meta) = dir.metadata()
        && meta.uid() != 0
    {
        command.uid(meta.uid()).gid(meta.gid());
    }
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", "/nonexistent")
}

/// The top of the repository around `dir`, when looking at it runs nothing.
fn trusted(dir: &Path, is_submodule: bool) -> Result<PathBuf, String> {
    let top = git(dir, &["rev-parse", "--show-toplevel"])?;
    let top = PathBuf::from(top.trim_end_matches('\n'));
    if !dir.starts_with(&top) || (is_submodule && dir != top) {
        return Err("its work tree is another place".to_owned());
    }
    let keys = git_config(dir)?;
    // A submodule's repository says where its work tree is; that place was just compared.
    let own = keys
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(scope, _)| matches!(*scope, "local" | "worktree"))
        .map(|(_, key)| key)
        .find(|key| !(is_submodule && *key == "core.worktree"));
    match own {
        Some(key) => Err(format!(
            "the repository's own configuration sets {}, and git would follow it",
            plain(key)
        )),
        None => Ok(top),
    }
}

/// Keys that name programs, with where they come from; empty when there are none.
fn git_config(dir: &Path) -> Result<String, String> {
    let words = [
        "config",
        "--show-scope",
        "--name-only",
        "--get-regexp",
        GIT_KEYS,
    ];
    let output = git_command(dir, &words)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    match output.status.code() {
        // 1: no key matches.
        Some(0 | 1) => String::from_utf8(output.stdout).map_err(|_| "git: not UTF-8".to_owned()),
        _ => Err(said(&output.stderr)),
    }
}

fn git(dir: &Path, words: &[&str]) -> Result<String, String> {
    let output = git_command(dir, words)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(said(&output.stderr));
    }
    String::from_utf8(output.stdout).map_err(|_| "git: a path that is not UTF-8".to_owned())
}

fn git_command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    harmless(&mut command, dir)
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_TERMINAL_PROMPT", "0")
        .arg("--no-pager")
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .arg("-C")
        .arg(dir)
        .args(words)
        .stdin(Stdio::null());
    command
}

fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let first = text.lines().next().unwrap_or("git failed");
    plain(first).into_owned()
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn fails(claim: &str, why: &str) -> Failure {
    Failure::new(
        Exit::No,
        format!("the claim `{}` does not hold: {why}", plain(claim)),
    )
    .fix("nothing was approved; put it right, or name another --dir")
}

fn unknown(claim: &str) -> Failure {
    Failure::new(
        Exit::No,
        format!("the claim `{}` is of no kind this fakctl can look at", plain(claim)),
    )
    .fix("claims are git:clean, git:commit:SHA, file:SHA256:PATH and test:COMMAND; nothing was approved")
}

#[cfg(test)]
mod tests;
