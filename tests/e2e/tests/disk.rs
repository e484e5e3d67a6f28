//! A full disk under the running daemon: verdicts become refusals that say why, nothing acknowledged is lost, and
//! judging goes on by itself when there is room again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use fak_support::{Place, skip};

/// A small file system of its own under the state directory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs"])
            .arg(at)
            .output();
        status
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }

    /// Takes every free byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = fs::File::create(&path).expect("the ballast");
        let block = vec![0_u8; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn adjudicate(place: &Place) -> (i32, String) {
    let args = [
        "--json",
        "adjudicate",
        "Read",
        "--args",
        r#"{"file_path":"a.txt"}"#,
        "--trace",
        "disk",
    ];
    let output = place.fakctl(&args);
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn until_allowed(place: &Place) {
    let begun = Instant::now();
    loop {
        let (code, text) = adjudicate(place);
        if code == 0 {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "judging did not resume: {code} {text}"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

fn verifies(place: &Place) {
    let output = place.fakctl(&["audit", "verify", &place.journal().to_string_lossy()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.join("state")) else {
        return skip(
            "a_full_disk_refuses_and_recovers_by_itself",
            "mounting a tmpfs needs root",
        );
    };
    let daemon = place.start(&[]);
    until_allowed(&place);

    let ballast = disk.fill();
    // The pages SQLite already owns may hold a few more rows; every one of them is a real acknowledgement.
    let begun = Instant::now();
    let refusal = loop {
        let (code, text) = adjudicate(&place);
        if code != 0 {
            break (code, text);
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the disk never filled"
        );
    };
    assert_eq!(refusal.0, 3, "a full disk is a refusal: {}", refusal.1);
    assert!(
        refusal.1.contains("journal"),
        "the refusal names the journal: {}",
        refusal.1
    );
    let status = place.fakctl(&["--json", "status"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(
        status.contains("refusing"),
        "status says that fakd refuses: {status}"
    );

    fs::remove_file(ballast).expect("the ballast goes");
    until_allowed(&place);
    verifies(&place);
    assert_eq!(daemon.stop(), Some(0));
    verifies(&place);
}
