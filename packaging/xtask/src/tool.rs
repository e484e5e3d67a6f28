//! Running other programs.

use std::{env, path::Path, process::Command};

use crate::Outcome;

/// Cargo, in the workspace's folder.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}

/// Runs `command` and lets its output through.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed: {status}")),
        Err(error) => Err(format!("{name} cannot be run: {error}")),
    }
}

/// Runs `command` and returns what it printed, without the last line's end.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} failed: {}: {said}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}

/// The time every packed file carries, in seconds since 1970: `SOURCE_DATE_EPOCH`, else the last commit's.
pub(crate) fn epoch(root: &Path) -> Outcome<String> {
    let given = env::var("SOURCE_DATE_EPOCH").ok();
    let epoch = match given.filter(|given| !given.is_empty()) {
        Some(given) => given,
        None => output(
            Command::new("git")
                .current_dir(root)
                .args(["log", "-1", "--format=%ct"]),
        )
        .map_err(|why| format!("{why}; without a repository set SOURCE_DATE_EPOCH"))?,
    };
    match epoch.parse::<u64>() {
        Ok(_) => Ok(epoch),
        Err(_) => Err(format!(
            "SOURCE_DATE_EPOCH is `{epoch}`, not a number of seconds"
        )),
    }
}
