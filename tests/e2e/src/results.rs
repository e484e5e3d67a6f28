//! Results and the witnesses who let them out.

use std::{
    fs,
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use fak_support::Place;
use serde_json::Value;

use crate::said;

/// A user who is neither root nor the one who runs the tests.
pub const WITNESS: u32 = 65_534;

/// Gives a result to `fakctl admit`.
///
/// # Panics
/// When it cannot be run, or ends otherwise.
#[must_use]
pub fn admit(place: &Place, args: &[&str], bytes: &[u8]) -> Output {
    let mut child = place
        .command("fakctl")
        .arg("admit")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(bytes)
        .expect("written");
    child.wait_with_output().expect("ended")
}

/// The answer of `fakctl admit`, which must end with `code`.
///
/// # Panics
/// When it cannot be run, or ends otherwise.
#[must_use]
pub fn admitted(place: &Place, args: &[&str], bytes: &[u8], code: i32) -> Value {
    let output = admit(place, &[args, &["--json"]].concat(), bytes);
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("json")
}

/// The files below `dir` that hold this text.
///
/// # Panics
/// When it is no directory.
#[must_use]
pub fn holds(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holds(&path, text));
        } else if fs::read(&path).is_ok_and(|bytes| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        }) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// A place another user may come to, with a daemon that takes its word; none where there is no second user.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn shared() -> Option<Place> {
    let is_root = fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !is_root {
        fak_support::skip("results", "a second user wants root");
        return None;
    }
    let place = Place::new();
    for name in ["", "run", "work"] {
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(place.join(name), open).expect("set");
    }
    let config = place.join("config/fak");
    fs::create_dir_all(&config).expect("made");
    let text = format!("socket_mode = \"0660\"\n[acl.admin]\nuids = [{WITNESS}]\n");
    fs::write(config.join("fakd.toml"), text).expect("written");
    let program = place.command("fakctl").get_program().to_owned();
    fs::copy(program, place.join("work/fakctl")).expect("copied");
    Some(place)
}

/// Runs fakctl as the witness.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn witness(place: &Place, args: &[&str]) -> Output {
    Command::new(place.join("work/fakctl"))
        .env_clear()
        .arg("--socket")
        .arg(place.socket())
        .args(args)
        .current_dir("/")
        .uid(WITNESS)
        // The socket's group, as `fak-admin` is on a system service.
        .gid(0)
        .output()
        .expect("ran")
}
