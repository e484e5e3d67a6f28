//! `doctor` on a machine where fakd is a system service: its groups, its sockets, its units.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

use super::Finding;

/// Where packages put units, and where administrators put theirs in front of them.
const UNITS: &str = "/usr/lib/systemd/system";
const UNITS_OF_ADMIN: &str = "/etc/systemd/system";

/// The units of this release, by name.
const RELEASE: [(&str, &str); 6] = [
    (
        "fakd.service",
        include_str!("../../../systemd/system/fakd.service"),
    ),
    (
        "fakd.socket",
        include_str!("../../../systemd/system/fakd.socket"),
    ),
    (
        "fakd-admin.socket",
        include_str!("../../../systemd/system/fakd-admin.socket"),
    ),
    (
        "fakd-audit.socket",
        include_str!("../../../systemd/system/fakd-audit.socket"),
    ),
    (
        "fak-backup.service",
        include_str!("../../../systemd/system/fak-backup.service"),
    ),
    (
        "fak-backup.timer",
        include_str!("../../../systemd/system/fak-backup.timer"),
    ),
];

/// The sockets, and the group whose members may connect to each.
const SOCKETS: [(&str, &str); 3] = [
    ("/run/fak/fakd.sock", "fak"),
    ("/run/fak/admin.sock", "fak-admin"),
    ("/run/fak/audit.sock", "fak-audit"),
];

/// Everything there is to say about the service; nothing where it is not installed.
pub(super) fn findings() -> Vec<Finding> {
    let units = Path::new(UNITS);
    if !units.join("fakd.service").exists() {
        return Vec::new();
    }
    let mut findings = groups();
    findings.extend(SOCKETS.map(|(path, group)| socket(Path::new(path), group)));
    findings.extend(drift(units, Path::new(UNITS_OF_ADMIN)));
    findings
}

/// Which security modules the kernel runs.
pub(super) fn modules() -> Finding {
    match fs::read_to_string("/sys/kernel/security/lsm") {
        Ok(list) => {
            let list = list.trim();
            if list.split(',').any(|module| module == "landlock") {
                Finding::pass("lsm", list)
            } else {
                Finding::fail("lsm", list, "add landlock to the kernel's lsm= list")
            }
        }
        Err(error) => Finding::warn(
            "lsm",
            format!("/sys/kernel/security/lsm: {error}"),
            "mount securityfs to see which security modules run; the sandbox row says what works",
        ),
    }
}

/// Whether the sandbox primitives do what they say, tried here.
pub(super) fn sandbox() -> Finding {
    match fak_sys::prove_confinement() {
        Ok(found) => Finding::pass(
            "sandbox",
            format!(
                "Landlock version {} and seccomp enforce what they accept",
                found.landlock
            ),
        ),
        Err(error) => Finding::fail(
            "sandbox",
            error.to_string(),
            "fakd does not start so: let the filter above this process pass the landlock calls and seccomp, or set \
             sandbox.allow_degraded in fakd.toml",
        ),
    }
}

fn groups() -> Vec<Finding> {
    let mut missing = Vec::new();
    for (_, group) in SOCKETS {
        if !matches!(fak_sys::group_id(group), Ok(Some(_))) {
            missing.push(group);
        }
    }
    if !matches!(fak_sys::user_id("fak"), Ok(Some(_))) {
        missing.push("fak (the user)");
    }
    if missing.is_empty() {
        let said = "the user fak and the groups fak, fak-admin and fak-audit are there";
        return vec![Finding::pass("groups", said)];
    }
    vec![Finding::fail(
        "groups",
        format!("missing: {}", missing.join(", ")),
        "systemd-sysusers /usr/lib/sysusers.d/fakd.conf",
    )]
}

/// A socket's type, owner, group and mode: what the kernel asks before fakd does.
fn socket(path: &Path, group: &str) -> Finding {
    let at = path.display();
    let unit = match group {
        "fak-admin" => "fakd-admin.socket",
        "fak-audit" => "fakd-audit.socket",
        _ => "fakd.socket",
    };
    let fix = format!("systemctl restart {unit}");
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::warn(
                "socket file",
                format!("{at}: not there"),
                format!("systemctl start {unit}"),
            );
        }
        Err(error) => return Finding::warn("socket file", format!("{at}: {error}"), fix),
    };
    let wanted = fak_sys::group_id(group).ok().flatten();
    let mode = meta.mode() & 0o7777;
    if !meta.file_type().is_socket() {
        Finding::fail(
            "socket file",
            format!("{at}: is no socket"),
            format!("remove it, then {fix}"),
        )
    } else if meta.uid() != 0 || Some(meta.gid()) != wanted || mode != 0o660 {
        let said = format!(
            "{at}: is {}:{} {mode:04o} and should be root:{group} 0660",
            meta.uid(),
            meta.gid()
        );
        Finding::fail("socket file", said, fix)
    } else {
        Finding::pass("socket file", format!("{at}: root:{group} 0660"))
    }
}

/// Units that are not those of this release, or that something stands in front of.
fn drift(installed: &Path, of_admin: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, text) in RELEASE {
        let (path, front) = (installed.join(name), of_admin.join(name));
        match fs::read_to_string(&path) {
            Ok(found) if found == text => {}
            Ok(_) => findings.push(Finding::warn(
                "units",
                format!("{}: is not the one of this release", path.display()),
                format!(
                    "reinstall the package; keep changes in {}.d/",
                    front.display()
                ),
            )),
            Err(error) => findings.push(Finding::warn(
                "units",
                format!("{}: {error}", path.display()),
                "reinstall the package",
            )),
        }
        if fs::symlink_metadata(&front).is_ok_and(|meta| meta.is_file()) {
            findings.push(Finding::warn(
                "units",
                format!("{}: replaces the packaged unit as a whole", front.display()),
                "keep only what differs, in a drop-in: systemctl edit",
            ));
        }
        let drop_ins = drop_ins(&front.with_file_name(format!("{name}.d")));
        if !drop_ins.is_empty() {
            findings.push(Finding::pass(
                "units",
                format!("{name} is changed by {}", drop_ins.join(", ")),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::pass("units", "as this release has them"));
    }
    findings
}

fn drop_ins(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .filter(|name| name.ends_with(".conf"))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};

    #[test]
    fn units_that_differ_or_are_replaced_are_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let (installed, of_admin) = (dir.path().join("lib"), dir.path().join("etc"));
        fs::create_dir_all(&installed).expect("made");
        fs::create_dir_all(of_admin.join("fakd.service.d")).expect("made");
        for (name, text) in RELEASE {
            fs::write(installed.join(name), text).expect("written");
        }
        let sound = drift(&installed, &of_admin);
        assert!(sound.len() == 1 && sound[0].level == Level::Pass);

        fs::write(installed.join("fakd.socket"), "[Socket]\n").expect("written");
        fs::remove_file(installed.join("fak-backup.timer")).expect("removed");
        fs::write(of_admin.join("fakd.service"), "[Service]\n").expect("written");
        fs::write(of_admin.join("fakd.service.d/limits.conf"), "[Service]\n").expect("written");
        let said: Vec<_> = drift(&installed, &of_admin)
            .into_iter()
            .map(|finding| finding.said)
            .collect();
        for part in [
            "fakd.socket: is not the one of this release",
            "fak-backup.timer: No such file",
            "fakd.service: replaces the packaged unit",
            "fakd.service is changed by",
        ] {
            assert!(
                said.iter().any(|said| said.contains(part)),
                "{part}: {said:?}"
            );
        }
        assert_eq!(said.len(), 4);
    }

    #[test]
    fn a_file_in_a_sockets_place_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("fakd.sock");
        assert!(socket(&path, "fak").level == Level::Warn);
        fs::write(&path, "").expect("written");
        let found = socket(&path, "fak");
        assert!(found.level == Level::Fail && found.said.contains("is no socket"));
        fs::remove_file(&path).expect("removed");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let found = socket(&path, "no-such-group-here");
        assert!(
            found
                .said
                .contains("should be root:no-such-group-here 0660"),
            "{}",
            found.said
        );
    }
}
