//! The RPM package, by rpmbuild from the staged tree and `packaging/rpm/fakd.spec`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Outcome, tool};

/// Makes the package in `output` and returns its path.
pub(crate) fn build(root: &Path, staged: &Path, output: &Path, epoch: &str) -> Outcome<PathBuf> {
    let version = env!("CARGO_PKG_VERSION");
    let top = root.join("target/dist/rpmbuild");
    let define = |name: &str, value: &Path| format!("{name} {}", value.display());
    tool::run(
        Command::new("rpmbuild")
            .args(["-bb", "--quiet"])
            .args(["--define", &define("_topdir", &top)])
            .args(["--define", &define("_rpmdir", output)])
            .args(["--define", &define("staged", staged)])
            .args([
                "--define",
                "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
            ])
            .args(["--define", &format!("fak_version {version}")])
            .arg(root.join("packaging/rpm/fakd.spec"))
            .env("SOURCE_DATE_EPOCH", epoch),
    )
    .map_err(|why| format!("{why} (on Debian: apt-get install rpm)"))?;
    let architecture = tool::output(Command::new("rpm").args(["--eval", "%{_arch}"]))?;
    Ok(output.join(format!("fakd-{version}-1.{architecture}.rpm")))
}
