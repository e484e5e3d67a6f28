use std::{ffi::OsString, fs, path::PathBuf};

use super::*;

fn dirs_in(root: &Path) -> Dirs {
    Dirs {
        vendor: Some(root.join("vendor.toml")),
        config: root.join("fakd.toml"),
        ..Dirs::system()
    }
}

fn loaded(text: &str) -> Result<Config, Vec<Problem>> {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs = dirs_in(dir.path());
    fs::write(&dirs.config, text).expect("written");
    Config::load(&Sources::Standard(&dirs))
}

fn refused(text: &str) -> String {
    let problems = loaded(text).expect_err("refused");
    let text = render(&problems);
    // The directory differs from run to run.
    text.lines()
        .map(|line| match line.find("fakd.toml") {
            Some(at) if !line.starts_with("  ") => line[at..].to_owned(),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn no_file_is_needed() {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs = dirs_in(dir.path());
    let config = Config::load(&Sources::Standard(&dirs)).expect("defaults");
    assert_eq!(config, Config::defaults(&dirs));
    assert_eq!(config.acl, Acl::default());
}

#[test]
fn every_key_is_read() {
    let config = loaded(
        "socket = '/a/s'\nsocket_mode = '0600'\nstate_dir = '/b'\npolicy_dir = '/c'\n\
         durability = 'async'\nlog_level = 'debug'\n\
         [limits]\nconnections_per_uid = 1\nconnections = 2\nin_flight_per_uid = 3\nstreams_per_uid = 4\n\
         frame_bytes = 65536\njournal_queue = 0x1000\n\
         [evidence]\norigin = 'edge-3.example/fak'\ncheckpoint_minutes = 0\n[screen]\noversize_bytes = 5000\nredact_secrets = false\n\
         cards = 'never'\nemails = 'always'\nssns = 'untrusted'\nibans = 'always'\n[sandbox]\nallow_degraded = true\n\
         [acl.observe]\nusers = ['root']\n[acl.submit]\ngroups = ['root']\nuids = [7]\n\
         [acl.audit]\ngids = [6]\nuids = [5]\n[acl.admin]\ngids = [8, 9]\n",
    )
    .expect("read");
    assert_eq!(config.socket, PathBuf::from("/a/s"));
    assert_eq!(config.socket_mode, 0o600);
    assert_eq!(config.durability, Durability::Async);
    assert_eq!(config.limits.journal_queue, 4096);
    assert_eq!(config.limits.streams_per_uid, 4);
    assert_eq!(
        config.evidence.origin.as_deref(),
        Some("edge-3.example/fak")
    );
    assert_eq!(config.evidence.checkpoint_minutes, 0);
    let screen = Screening {
        oversize_bytes: 5000,
        redact_secrets: false,
        cards: Cut::Never,
        emails: Cut::Always,
        ssns: Cut::Untrusted,
        ibans: Cut::Always,
    };
    assert_eq!(config.screen, screen);
    assert!(config.allow_degraded);
    assert_eq!(
        config.acl.observe,
        Grant {
            uids: vec![0],
            gids: vec![]
        }
    );
    assert_eq!(
        config.acl.submit,
        Grant {
            uids: vec![7],
            gids: vec![0]
        }
    );
    assert_eq!(
        config.acl.audit,
        Grant {
            uids: vec![5],
            gids: vec![6]
        }
    );
    assert_eq!(
        config.acl.admin,
        Grant {
            uids: vec![],
            gids: vec![8, 9]
        }
    );
    assert_eq!(config.log_level, "debug");
}

#[test]
fn every_problem_is_told_with_its_place() {
    let told = refused(
        "sokket = '/a'\nstate_dir = 'relative'\ndurability = 'maybe'\nlimits = 3\n[acl.submit]\n\
         users = ['no-such-user']\nuids = [1, -2]\n[acl.owner]\nuids = [1]\n",
    );
    let want = "\
fakd.toml:1:1: error: unknown key `sokket`
  help: did you mean `socket`?
fakd.toml:2:13: error: `state_dir` is not an absolute path
  help: it takes an absolute path in quotes
fakd.toml:3:14: error: `durability` is not a known word
  help: it takes one of \"commit\", \"async\"
fakd.toml:4:10: error: `limits` is a section, not a value
  help: write [limits] and its keys below
fakd.toml:6:10: error: `acl.submit.users` names the user `no-such-user`, which does not exist
  help: it takes a list of user names, such as [\"alice\"]
fakd.toml:7:12: error: `acl.submit.uids` holds not a whole number from 0 up that fits
  help: it takes a list of ids, such as [1000]";
    assert!(told.starts_with(want), "{told}");
    assert!(
        told.contains("fakd.toml:8:6: error: unknown key `acl.owner`"),
        "{told}"
    );
}

#[test]
fn broken_toml_and_duplicates_are_refused_with_their_line() {
    assert!(
        refused("socket = '/a'\nsocket = '/b'\n")
            .starts_with("fakd.toml:2:1: error: duplicate key")
    );
    assert!(refused("a = 1\n[limits\n").starts_with("fakd.toml:2:"));
}

#[test]
fn bounds_hold() {
    assert!(refused("[limits]\nframe_bytes = 10\n").contains("out of bounds"));
    assert!(refused("[limits]\nframe_bytes = 1.5\n").contains("is a decimal number"));
    assert!(refused("socket_mode = '0666'\n").contains("is not such a mode"));
    assert!(refused("socket_mode = '0066'\n").contains("is not such a mode"));
    assert!(refused("[acl.admin]\nuids = [4294967295]\n").contains("holds no valid id"));
}

#[test]
fn later_files_win_and_replace_whole_roles() {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs = dirs_in(dir.path());
    let drop_ins = dir.path().join("fakd.toml.d");
    fs::create_dir(&drop_ins).expect("made");
    fs::write(
        dirs.vendor.as_ref().expect("set"),
        "state_dir = '/vendor'\nlog_level = 'warn'\n",
    )
    .expect("written");
    fs::write(
        &dirs.config,
        "state_dir = '/etc'\n[acl.admin]\nuids = [1]\ngids = [2]\n",
    )
    .expect("written");
    fs::write(
        drop_ins.join("20-b.toml"),
        "state_dir = '/b'\n[acl.admin]\nuids = [3]\n",
    )
    .expect("written");
    fs::write(drop_ins.join("10-a.toml"), "state_dir = '/a'\n").expect("written");
    fs::write(drop_ins.join("30-c.conf"), "state_dir = '/c'\n").expect("written");
    let config = Config::load(&Sources::Standard(&dirs)).expect("read");
    assert_eq!(config.state_dir, PathBuf::from("/b"));
    assert_eq!(config.log_level, "warn");
    assert_eq!(
        config.acl.admin,
        Grant {
            uids: vec![3],
            gids: vec![]
        }
    );
}

#[test]
fn a_named_file_must_exist() {
    let dirs = Dirs::system();
    let problems =
        Config::load(&Sources::File(&dirs, Path::new("/no/such/fakd.toml"))).expect_err("missing");
    assert!(
        render(&problems).starts_with("/no/such/fakd.toml: error: cannot be read: "),
        "{problems:?}"
    );
}

#[test]
fn a_user_daemon_follows_xdg() {
    let set = |pairs: &'static [(&str, &str)]| {
        move |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        }
    };
    let env = set(&[
        ("HOME", "/home/a"),
        ("XDG_RUNTIME_DIR", "/run/user/7"),
        ("XDG_STATE_HOME", "relative"),
    ]);
    let dirs = Dirs::user(&env, 7).expect("known");
    assert_eq!(dirs.socket, PathBuf::from("/run/user/7/fak/fakd.sock"));
    assert_eq!(dirs.state, PathBuf::from("/home/a/.local/state/fak"));
    assert_eq!(dirs.policy, PathBuf::from("/home/a/.config/fak/policy.d"));
    let env = set(&[
        ("HOME", "/home/a"),
        ("XDG_CONFIG_HOME", "/c"),
        ("XDG_STATE_HOME", "/s"),
    ]);
    let dirs = Dirs::user(&env, 7).expect("known");
    assert_eq!(dirs.socket, PathBuf::from("/tmp/fak-7/fakd.sock"));
    assert_eq!(
        (dirs.config, dirs.state),
        (PathBuf::from("/c/fak/fakd.toml"), PathBuf::from("/s/fak"))
    );
    assert!(
        Dirs::user(&set(&[]), 7)
            .expect_err("unknown")
            .contains("HOME")
    );
}

#[test]
fn a_flag_is_no_text_and_a_name_has_no_parts() {
    let text = refused("[sandbox]\nallow_degraded = 'yes'\n[evidence]\norigin = 'a+b'\n");
    assert!(
        text.contains("fakd.toml:2:18: error: `sandbox.allow_degraded` is a text"),
        "{text}"
    );
    assert!(
        text.contains("it takes true or false, without quotes"),
        "{text}"
    );
    assert!(
        text.contains("fakd.toml:4:10: error: `evidence.origin` is not such a name"),
        "{text}"
    );
}

#[test]
fn static_keys_ask_for_a_restart() {
    let old = Config::defaults(&Dirs::system());
    let new = Config {
        socket: "/x".into(),
        policy_dir: "/y".into(),
        ..old.clone()
    };
    assert_eq!(old.needs_restart(&new), ["socket"]);
}

#[test]
fn key_names_are_unique() {
    let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KEYS.len());
}
