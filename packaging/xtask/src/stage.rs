//! The installed tree: one table says which file goes where, both packages are made from it.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use clap_complete::Shell;
use flate2::{Compression, write::GzEncoder};

use crate::{Outcome, man, tool};

/// Source below the workspace, place below `/`, mode.
const FILES: &[(&str, &str, u32)] = &[
    ("target/release/fakd", "usr/sbin/fakd", 0o755),
    ("target/release/fakctl", "usr/bin/fakctl", 0o755),
    ("packaging/fakd.toml", "usr/lib/fak/fakd.toml", 0o644),
    ("packaging/etc-fakd.toml", "etc/fak/fakd.toml", 0o644),
    (
        "systemd/sysusers.d/fakd.conf",
        "usr/lib/sysusers.d/fakd.conf",
        0o644,
    ),
    (
        "systemd/tmpfiles.d/fakd.conf",
        "usr/lib/tmpfiles.d/fakd.conf",
        0o644,
    ),
    (
        "systemd/catalog/fakd.catalog",
        "usr/lib/systemd/catalog/fakd.catalog",
        0o644,
    ),
    ("README.md", "usr/share/doc/fakd/README.md", 0o644),
    ("SECURITY.md", "usr/share/doc/fakd/SECURITY.md", 0o644),
    ("packaging/copyright", "usr/share/doc/fakd/copyright", 0o644),
];

/// Whole folders: source below the workspace, place below `/`. Files only, mode 0644.
const FOLDERS: &[(&str, &str)] = &[
    ("systemd/system", "usr/lib/systemd/system"),
    ("systemd/user", "usr/lib/systemd/user"),
    ("policy.d", "usr/share/fak/policy.d"),
    ("docs", "usr/share/doc/fakd"),
];

/// Completions: shell, place below `/`.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "usr/share/bash-completion/completions/fakctl"),
    (Shell::Zsh, "usr/share/zsh/vendor-completions/_fakctl"),
    (
        Shell::Fish,
        "usr/share/fish/vendor_completions.d/fakctl.fish",
    ),
];

/// Makes the tree below `staged` anew; every file in it carries the time `epoch`.
pub(crate) fn stage(root: &Path, staged: &Path, epoch: &str) -> Outcome {
    if staged.exists() {
        fs::remove_dir_all(staged).map_err(|error| format!("{}: {error}", staged.display()))?;
    }
    for &(source, place, mode) in FILES {
        put(&staged.join(place), &read(&root.join(source))?, mode)?;
    }
    for &(source, place) in FOLDERS {
        for name in names(&root.join(source))? {
            let text = read(&root.join(source).join(&name))?;
            put(&staged.join(place).join(&name), &text, 0o644)?;
        }
    }
    for program in ["usr/sbin/fakd", "usr/bin/fakctl"] {
        tool::run(
            Command::new("strip")
                .arg("--strip-all")
                .arg(staged.join(program)),
        )?;
    }
    for (shell, place) in COMPLETIONS {
        put(&staged.join(place), &completion(shell), 0o644)?;
    }
    let changes = read(&root.join("CHANGELOG.md"))?;
    put(
        &staged.join("usr/share/doc/fakd/changelog.gz"),
        &gzip(&changes)?,
        0o644,
    )?;
    let mut pages = man::pages()?;
    for name in names(&root.join("man"))? {
        let text = read(&root.join("man").join(&name))?;
        pages.push((name, text));
    }
    for (name, text) in pages {
        let section = name.rsplit('.').next().unwrap_or_default().to_owned();
        let place = format!("usr/share/man/man{section}/{name}.gz");
        put(&staged.join(place), &gzip(&text)?, 0o644)?;
    }
    clamp(staged, epoch)
}

/// Writes the three completion scripts into `dir`.
pub(crate) fn completions(dir: &Path) -> Outcome {
    for (shell, place) in COMPLETIONS {
        let name = Path::new(place).file_name().unwrap_or_default();
        let name = match shell {
            Shell::Bash => Path::new("fakctl.bash").as_os_str(),
            _ => name,
        };
        put(&dir.join(name), &completion(shell), 0o644)?;
    }
    Ok(())
}

fn completion(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut fakctl::command(), "fakctl", &mut script);
    script
}

/// Names of the plain files of a folder, sorted.
fn names(folder: &Path) -> Outcome<Vec<String>> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file with its mode, whatever the umask, and what is missing above it with 0755.
pub(crate) fn put(path: &Path, bytes: &[u8], mode: u32) -> Outcome {
    let failed = |error| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)
}

/// Compressed without a name and a time, so that the same page gives the same bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Outcome<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed
        .write_all(bytes)
        .and_then(|()| packed.finish())
        .map_err(|error| format!("compressing: {error}"))
}

/// Gives everything below `path` the time `epoch`, and folders 0755.
fn clamp(path: &Path, epoch: &str) -> Outcome {
    let failed = |error| format!("{}: {error}", path.display());
    let seconds = epoch.parse().unwrap_or_default();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    if path.is_dir() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        for entry in fs::read_dir(path).map_err(failed)? {
            clamp(&entry.map_err(failed)?.path(), epoch)?;
        }
    }
    File::open(path)
        .and_then(|file| file.set_modified(time))
        .map_err(failed)
}
