//! Where symbolic links lead: the one question the judge cannot answer by itself.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use fak_policy::World;

/// Links followed for one path. LIMIT: the kernel's own bound; a longer chain is a loop.
const LINKS_MAX: usize = 40;

/// Components looked at for one path. LIMIT: a path of a few kilobytes has no more.
const COMPONENTS_MAX: usize = 4096;

/// The file system as fakd sees it.
///
/// Nothing is followed into `/proc`: its links mean another thing to every process, and fakd's own are
/// not the caller's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FileSystem;

impl World for FileSystem {
    fn real_path(&self, path: &str) -> Option<String> {
        real_path(Path::new(path))?
            .into_os_string()
            .into_string()
            .ok()
    }
}

fn real_path(path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() {
        return None;
    }
    let mut real = PathBuf::from("/");
    // What is still to be walked, next component last.
    let mut ahead: Vec<PathBuf> = components(path);
    let (mut links, mut steps) = (0, 0);
    while let Some(step) = ahead.pop() {
        steps += 1;
        if steps > COMPONENTS_MAX {
            return None;
        }
        if step == Path::new("..") {
            real.pop();
            continue;
        }
        real.push(&step);
        if real.starts_with("/proc") {
            return None;
        }
        match fs::symlink_metadata(&real) {
            Ok(found) if found.is_symlink() => {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                let target = fs::read_link(&real).ok()?;
                real.pop();
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                ahead.extend(components(&target));
            }
            Ok(_) => {}
            Err(error) if is_absent(&error) => {
                // Nothing exists from here on, so nothing can lead elsewhere.
                return append(real, ahead);
            }
            Err(_) => return None,
        }
    }
    Some(real)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The rest of a path below a place that does not exist.
fn append(mut real: PathBuf, mut ahead: Vec<PathBuf>) -> Option<PathBuf> {
    while let Some(step) = ahead.pop() {
        if step == Path::new("..") {
            // Who makes the missing directory may make it a link: what is behind it is unknown.
            return None;
        }
        real.push(step);
    }
    Some(real)
}

fn components(path: &Path) -> Vec<PathBuf> {
    let mut steps: Vec<PathBuf> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(PathBuf::from(name)),
            Component::ParentDir => Some(PathBuf::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect();
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn real(path: &Path) -> Option<String> {
        FileSystem.real_path(path.to_str().expect("text"))
    }

    #[test]
    fn links_of_the_existing_part_are_followed_and_the_rest_is_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("real");
        fs::create_dir(root.join("in")).expect("made");
        symlink("/etc", root.join("in/out")).expect("linked");
        symlink("in", root.join("relative")).expect("linked");
        assert_eq!(
            real(&root.join("in/out/shadow")).as_deref(),
            Some("/etc/shadow")
        );
        assert_eq!(
            real(&root.join("relative/out/no/such")).as_deref(),
            Some("/etc/no/such")
        );
        let new = root.join("in/new/file");
        assert_eq!(real(&new).as_deref(), new.to_str());
        assert_eq!(
            real(&root.join("in/../in/x")).as_deref(),
            root.join("in/x").to_str()
        );
    }

    #[test]
    fn loops_and_other_processes_views_are_not_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        symlink("loop", dir.path().join("loop")).expect("linked");
        symlink("/proc/self/cwd", dir.path().join("cwd")).expect("linked");
        assert_eq!(real(&dir.path().join("loop/x")), None);
        assert_eq!(real(&dir.path().join("cwd/x")), None);
        assert_eq!(real(Path::new("/proc/self/root/etc")), None);
        assert_eq!(real(Path::new("relative")), None);
        assert_eq!(real(&dir.path().join("missing/../x")), None);
    }
}
