//! fakd where its sandbox primitives are filtered away: it ends, instead of going on without them.

use std::{collections::BTreeMap, fs, process::Command, thread};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// Runs fakd on a thread whose system calls to Landlock are refused, as a service manager's filter would.
fn run_filtered(config: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("fakd.toml");
    fs::write(&file, config).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fakd"));
    command
        .env_clear()
        .env("HOME", dir.path())
        .env("XDG_RUNTIME_DIR", dir.path())
        // A socket that cannot be made ends a fakd that got past the self-test.
        .args([
            "--user",
            "--foreground",
            "--socket",
            "/proc/none/fakd.sock",
            "--config",
        ])
        .arg(&file);
    let output = thread::spawn(move || {
        let rules = BTreeMap::from([(libc::SYS_landlock_create_ruleset, Vec::new())]);
        let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let target = std::env::consts::ARCH.try_into().expect("a target");
        let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, target)
            .and_then(TryInto::try_into)
            .expect("a filter");
        seccompiler::apply_filter(&program).expect("installed");
        command.output().expect("ran")
    });
    let output = output.join().expect("an answer");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_filtered_landlock_ends_fakd_with_70() {
    let (code, said) = run_filtered("");
    assert_eq!(code, Some(70), "{said}");
    assert!(
        said.contains("the sandbox self-test failed: Landlock cannot be used"),
        "{said}"
    );
    assert!(said.contains("sandbox.allow_degraded"), "{said}");
}

#[test]
fn who_accepts_it_is_told_and_goes_on() {
    let (code, said) = run_filtered("[sandbox]\nallow_degraded = true\n");
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("sandbox.allow_degraded is set"), "{said}");
}
