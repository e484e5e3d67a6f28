//! Real repositories, real files, real commands.

use std::{fs, os::unix::fs::symlink};

use tempfile::TempDir;

use super::*;

/// A place with one commit of one file.
struct Place {
    dir: TempDir,
    head: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), &["init", "-q", "-b", "main"]);
        fs::write(dir.path().join("a.txt"), "one\n").unwrap();
        let mut place = Self {
            dir,
            head: String::new(),
        };
        place.commit();
        place
    }

    fn commit(&mut self) {
        run(self.dir.path(), &["add", "-A"]);
        run(self.dir.path(), &["commit", "-q", "-m", "a change"]);
        self.head = run(self.dir.path(), &["rev-parse", "HEAD"])
            .trim()
            .to_owned();
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn hands(&self) -> Hands {
        Hands {
            dir: self.dir.path().canonicalize().unwrap(),
            run_tests: false,
            test_time_max: Duration::from_secs(20),
        }
    }

    /// Why a claim does not hold.
    fn refusal(&self, claim: &str) -> String {
        let failure = self.hands().look(claim).expect_err(claim);
        assert_eq!(failure.exit, Exit::No, "{failure}");
        failure.message
    }
}

/// The test's own git, which may do everything.
fn run(dir: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=n@example.org"])
        .args([
            "-c",
            "commit.gpgsign=false",
            "-c",
            "protocol.file.allow=always",
        ])
        .arg("-C")
        .arg(dir)
        .args(words)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_changed_tree_is_not_clean() {
    let place = Place::new();
    let seen = place.hands().look("git:clean").unwrap();
    assert_eq!(seen.len(), 64);
    assert_eq!(
        place.hands().look("git:clean").unwrap(),
        seen,
        "the same is seen again"
    );

    place.write("a.txt", "two\n");
    assert!(
        place
            .refusal("git:clean")
            .contains("a.txt is not as committed")
    );
    place.write("a.txt", "one\n");
    place.write("new.txt", "");
    assert!(place.refusal("git:clean").contains("new.txt"));
    run(place.dir.path(), &["add", "new.txt"]);
    assert!(
        place.refusal("git:clean").contains("new.txt"),
        "staged is not committed"
    );
}

#[test]
fn what_is_hidden_from_git_status_is_found() {
    for mark in ["--assume-unchanged", "--skip-worktree"] {
        let place = Place::new();
        run(place.dir.path(), &["update-index", mark, "a.txt"]);
        place.write("a.txt", "two\n");
        let why = place.refusal("git:clean");
        assert!(
            why.contains("a.txt is hidden from `git status`"),
            "{mark}: {why}"
        );
    }
    let place = Place::new();
    place.write(".git/info/exclude", "hidden.sh\n");
    place.write("hidden.sh", "");
    let why = place.refusal("git:clean");
    assert!(why.contains("hidden.sh is not committed"), "{why}");
}

#[test]
fn a_submodule_is_part_of_the_tree() {
    let inner = Place::new();
    let mut outer = Place::new();
    let from = inner.dir.path().to_str().unwrap();
    run(
        outer.dir.path(),
        &["submodule", "--quiet", "add", from, "sub"],
    );
    outer.commit();
    outer.hands().look("git:clean").unwrap();
    fs::write(outer.dir.path().join("sub/a.txt"), "two\n").unwrap();
    let why = outer.refusal("git:clean");
    assert!(why.contains("a.txt is not as committed"), "{why}");
    run(
        &outer.dir.path().join("sub"),
        &["commit", "-q", "-a", "-m", "elsewhere"],
    );
    let why = outer.refusal("git:clean");
    assert!(why.contains("sub is not as committed"), "{why}");
}

#[test]
fn nothing_a_repository_asks_for_is_run() {
    let ran = tempfile::tempdir().unwrap();
    let flag = ran.path().join("ran");
    let touch = format!("touch {}", flag.display());
    for (key, value) in [
        ("core.fsmonitor", touch.as_str()),
        ("filter.x.clean", &touch),
        ("core.hooksPath", "/tmp"),
        ("core.worktree", "/tmp"),
        ("include.path", "/tmp/none"),
        ("remote.origin.promisor", "true"),
    ] {
        let place = Place::new();
        place.write(".gitattributes", "* filter=x\n");
        run(place.dir.path(), &["add", "-A"]);
        run(place.dir.path(), &["commit", "-q", "-m", "attributes"]);
        run(place.dir.path(), &["config", key, value]);
        place.write("a.txt", "one\n");
        let why = place.refusal("git:clean");
        let named = why.to_lowercase().contains(&key.to_lowercase());
        assert!(named || why.contains("another place"), "{key}: {why}");
        assert!(!flag.exists(), "{key} was run");
    }
}

#[test]
fn a_commit_is_the_one_that_is_checked_out() {
    let place = Place::new();
    let claim = format!("git:commit:{}", place.head);
    assert_eq!(
        place.hands().look(&claim).unwrap(),
        digest(place.head.as_bytes())
    );
    let other = format!("git:commit:{}", "0".repeat(40));
    assert!(place.refusal(&other).contains(&place.head));
    assert!(place.refusal("git:commit:main").contains("no whole commit"));
    let short = format!("git:commit:{}", &place.head[..12]);
    assert!(place.refusal(&short).contains("no whole commit"));
}

#[test]
fn a_file_has_the_bytes_that_are_claimed() {
    let place = Place::new();
    let sha = digest(b"one\n");
    assert_eq!(
        place.hands().look(&format!("file:{sha}:a.txt")).unwrap(),
        sha
    );
    place.write("a.txt", "two\n");
    assert!(
        place
            .refusal(&format!("file:{sha}:a.txt"))
            .contains("its SHA-256 is")
    );
    for path in ["", "none", "../a.txt", ".git", "sub/../../a.txt"] {
        place.refusal(&format!("file:{sha}:{path}"));
    }
    nix::unistd::mkfifo(
        &place.dir.path().join("pipe"),
        nix::sys::stat::Mode::S_IRUSR,
    )
    .unwrap();
    assert!(
        place
            .refusal(&format!("file:{sha}:pipe"))
            .contains("is no file")
    );
    symlink("/dev/zero", place.dir.path().join("endless")).unwrap();
    assert!(
        place
            .refusal(&format!("file:{sha}:endless"))
            .contains("is no file")
    );
}

#[test]
fn a_test_runs_only_when_it_was_asked_for_and_without_the_callers_environment() {
    let place = Place::new();
    let claim = "test:touch ran; echo \"$HOME$SECRET_OF_THE_APPROVER\"; test -f a.txt";
    let failure = place.hands().look(claim).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.fix.contains("--run-tests"), "{failure}");
    assert!(!place.dir.path().join("ran").exists());

    let hands = Hands {
        run_tests: true,
        ..place.hands()
    };
    assert_eq!(hands.look(claim).unwrap(), digest(b"/nonexistent\n"));
    assert!(place.dir.path().join("ran").exists());
    let why = hands.look("test:exit 3").unwrap_err();
    assert!(why.message.contains("it ended with 3"), "{why}");
    let hands = Hands {
        test_time_max: Duration::from_millis(200),
        ..hands
    };
    let began = std::time::Instant::now();
    let why = hands.look("test:sleep 30").unwrap_err();
    assert!(why.message.contains("did not end in time"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Only root can have a place that is somebody else's and see into it.
#[test]
fn root_looks_with_the_rights_of_the_places_owner() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    const NOBODY: u32 = 65_534;
    let place = Place::new();
    let whole = [".", ".git"].map(|name| place.dir.path().join(name));
    for dir in whole {
        std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let hands = Hands {
        run_tests: true,
        ..place.hands()
    };
    let owner = digest(format!("{NOBODY} {NOBODY} {NOBODY}\n").as_bytes());
    assert_eq!(
        hands.look("test:echo $(id -u) $(id -g) $(id -G)").unwrap(),
        owner
    );
    assert_eq!(hands.look("git:clean").unwrap().len(), 64);
}

#[test]
fn what_cannot_be_looked_at_does_not_hold() {
    let place = Place::new();
    for claim in [
        "",
        "git",
        "git:",
        "git:pushed",
        "file:x",
        "test:",
        "moon:full",
        "GIT:clean",
    ] {
        assert!(place.refusal(claim).contains("of no kind"), "{claim}");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let hands = Hands {
        dir: nowhere.path().canonicalize().unwrap(),
        ..place.hands()
    };
    assert_eq!(hands.look("git:clean").unwrap_err().exit, Exit::No);
}
