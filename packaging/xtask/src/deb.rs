//! The Debian package, by cargo-deb from the staged tree and `[package.metadata.deb]` of fakd.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Outcome, stage, tool};

/// The version of cargo-deb this layout was tried with.
const CARGO_DEB: &str = "3.8.0";

/// Makes the package in `output` and returns its path.
pub(crate) fn build(
    root: &Path,
    output: &Path,
    version: Option<&str>,
    epoch: &str,
) -> Outcome<PathBuf> {
    let cargo_deb = tool_of_ours(root)?;
    // Another version is for trying an upgrade: it need not be small.
    let is_trial = version.is_some();
    let version = version.map_or_else(
        || concat!(env!("CARGO_PKG_VERSION"), "-1").to_owned(),
        ToOwned::to_owned,
    );
    changelog(root, &version, epoch)?;
    std::fs::create_dir_all(output).map_err(|error| format!("{}: {error}", output.display()))?;
    let architecture = tool::output(Command::new("dpkg").arg("--print-architecture"))?;
    let package = output.join(format!("fakd_{version}_{architecture}.deb"));
    // The programs are built and stripped already, and lie where the other package takes them from.
    let pressing: &[&str] = if is_trial { &["--fast"] } else { &[] };
    tool::run(
        Command::new(&cargo_deb)
            .current_dir(root)
            .args(["-p", "fakd", "--no-build", "--no-strip", "--quiet"])
            .args(pressing)
            .args(["--deb-version", &version, "--output"])
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", epoch),
    )?;
    Ok(package)
}

/// cargo-deb below `target/tools`, installed there when it is missing.
pub(crate) fn tool_of_ours(root: &Path) -> Outcome<PathBuf> {
    let tools = root.join("target/tools");
    let program = tools.join("bin/cargo-deb");
    let has = tool::output(Command::new(&program).arg("--version")).unwrap_or_default();
    if has.split_whitespace().last() != Some(CARGO_DEB) {
        tool::run(
            tool::cargo(root)
                .args([
                    "install",
                    "cargo-deb",
                    "--locked",
                    "--quiet",
                    "--version",
                    CARGO_DEB,
                ])
                .arg("--target-dir")
                .arg(tools.join("build"))
                .arg("--root")
                .arg(&tools),
        )?;
    }
    Ok(program)
}

/// Debian wants a changelog in its own form; what changed is in changelog.gz beside it.
fn changelog(root: &Path, version: &str, epoch: &str) -> Outcome {
    let date = tool::output(Command::new("date").env("LC_ALL", "C").args([
        "-u",
        "-R",
        "-d",
        &format!("@{epoch}"),
    ]))?;
    let text = format!(
        "fakd ({version}) unstable; urgency=medium\n\n  \
         * What changed is in /usr/share/doc/fakd/changelog.gz.\n\n \
         -- fakd maintainers <fakd@lists.example.org>  {date}\n"
    );
    let place = root.join("target/dist/changelog.Debian.gz");
    stage::put(&place, &stage::gzip(text.as_bytes())?, 0o644)
}
