//! Disks of a test's own: mounted where they are needed, unmounted when dropped. They need root.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system that is mounted for as long as this lives.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts a new file system in memory; `None` where that is not permitted.
    #[must_use]
    pub fn tmpfs(at: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        ran(&mut mount).then(|| Self(at.to_owned()))
    }

    /// Makes an ext4 image of `size`, with holes where nothing is written, and mounts it; `None` where that is not
    /// permitted or there are no loop devices.
    #[must_use]
    pub fn ext4(image: &Path, size: &str, at: &Path) -> Option<Self> {
        let made = ran(Command::new("truncate").args(["-s", size]).arg(image))
            && ran(Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(image));
        made.then(|| Self::again(image, at)).flatten()
    }

    /// Mounts an image that exists already.
    #[must_use]
    pub fn again(image: &Path, at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop,errors=remount-ro"]);
        ran(mount.arg(image).arg(at)).then(|| Self(at.to_owned()))
    }

    /// Has an ext4 file system find an error in itself, upon which it turns read-only under open files, as it does when
    /// the disk beneath it fails; `false` where the kernel has no such trigger.
    #[must_use]
    pub fn break_down(&self) -> bool {
        let Some(device) = self.loop_device() else {
            return false;
        };
        fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").is_ok()
    }

    /// The loop device beneath. Any other device is not ours to break.
    fn loop_device(&self) -> Option<String> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let at = self.0.to_str()?;
        let line = mounts
            .lines()
            .rfind(|line| line.split(' ').nth(1) == Some(at))?;
        let device = line.split(' ').next()?.strip_prefix("/dev/")?;
        device.starts_with("loop").then(|| device.to_owned())
    }

    /// Takes every free byte; yields the file that holds them.
    ///
    /// # Panics
    /// When not even the file can be made.
    #[must_use]
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = fs::File::create(&path).expect("the ballast");
        let block = vec![0xa5_u8; 4096];
        while file.write_all(&block).is_ok() {}
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Makes a file immutable, or ordinary again; `false` where the file system does not know that.
#[must_use]
pub fn immutable(path: &Path, on: bool) -> bool {
    let flag = if on { "+i" } else { "-i" };
    ran(Command::new("chattr").arg(flag).arg(path))
}

fn ran(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
