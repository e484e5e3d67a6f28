//! Keys on disk: the journal's, which signs checkpoints, and the witness's, which cosigns others'.
//!
//! A secret lies in one file that only the daemon's user can read, or comes as a credential from the
//! service manager and lies in none of ours. Files change by rename alone, so a crash leaves the key
//! before or the key after, never half of one.

use std::{
    env, fs,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use fak_chain::{KeyType, SecretKey};

/// The credential that replaces the journal's key file.
pub(crate) const CREDENTIAL: &str = "fak.journal-key";

/// Longest key file read. LIMIT: a key takes less than a tenth of it.
const KEY_BYTES_MAX: u64 = 4096;

const JOURNAL_KEY: &str = "journal.key";
const NEXT_KEY: &str = "journal.key.next";
const WITNESS_KEY: &str = "witness.key";

/// Where the journal's key came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The service manager.
    Credential,
    /// The key directory.
    File,
    /// It was made just now.
    Made,
}

/// The directory of keys.
#[derive(Debug)]
pub(crate) struct KeyDir {
    dir: PathBuf,
}

impl KeyDir {
    /// The keys below a state directory.
    pub(crate) fn below(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.join("keys"),
        }
    }

    /// The journal's key: the credential, else the file, else a new one under `name`.
    ///
    /// `recorded` is the public key the journal's newest KEY row names: a rotation that was interrupted
    /// after that row is finished here.
    ///
    /// # Errors
    /// A sentence that names the file and the fix and holds nothing of the secret.
    pub(crate) fn journal_key(
        &self,
        name: &str,
        recorded: Option<&str>,
    ) -> Result<(SecretKey, Origin), String> {
        if let Some(dir) = env::var_os("CREDENTIALS_DIRECTORY") {
            let path = PathBuf::from(dir).join(CREDENTIAL);
            if let Some(key) = read(&path, KeyType::Ed25519)? {
                return Ok((key, Origin::Credential));
            }
        }
        self.finish_rotation(recorded)?;
        match read(&self.path(JOURNAL_KEY), KeyType::Ed25519)? {
            Some(key) => Ok((key, Origin::File)),
            None => {
                let key = new_key(name, KeyType::Ed25519)?;
                self.write(JOURNAL_KEY, &key)?;
                Ok((key, Origin::Made))
            }
        }
    }

    /// The witness's key, made when it is first asked for.
    ///
    /// # Errors
    /// As [`KeyDir::journal_key`].
    pub(crate) fn witness_key(&self, name: &str) -> Result<SecretKey, String> {
        if let Some(key) = read(&self.path(WITNESS_KEY), KeyType::Cosignature)? {
            return Ok(key);
        }
        let key = new_key(name, KeyType::Cosignature)?;
        self.write(WITNESS_KEY, &key)?;
        Ok(key)
    }

    /// Makes the key that comes next and keeps it aside until [`KeyDir::adopt_next`].
    ///
    /// # Errors
    /// As [`KeyDir::journal_key`].
    pub(crate) fn make_next(&self, name: &str) -> Result<SecretKey, String> {
        let key = new_key(name, KeyType::Ed25519)?;
        self.write(NEXT_KEY, &key)?;
        Ok(key)
    }

    /// Puts the key that was made by [`KeyDir::make_next`] in the place of the one before, whose secret
    /// is gone then.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn adopt_next(&self) -> Result<(), String> {
        let (from, to) = (self.path(NEXT_KEY), self.path(JOURNAL_KEY));
        fs::rename(&from, &to)
            .and_then(|()| sync_dir(&self.dir))
            .map_err(|error| format!("{}: cannot be put in place: {error}", from.display()))
    }

    fn finish_rotation(&self, recorded: Option<&str>) -> Result<(), String> {
        let path = self.path(NEXT_KEY);
        let Some(next) = read(&path, KeyType::Ed25519)? else {
            return Ok(());
        };
        if recorded == Some(next.public().to_string().as_str()) {
            return self.adopt_next();
        }
        // No row names it: that rotation never happened.
        fs::remove_file(&path)
            .map_err(|error| format!("{}: cannot be removed: {error}", path.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn write(&self, name: &str, key: &SecretKey) -> Result<(), String> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir);
        let path = self.path(name);
        made.and_then(|()| replace(&path, 0o600, format!("{}\n", key.reveal()).as_bytes()))
            .map_err(|error| format!("{}: the key cannot be written: {error}", path.display()))
    }
}

/// Replaces a file as a whole, durably.
pub(crate) fn replace(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn new_key(name: &str, kind: KeyType) -> Result<SecretKey, String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| format!("no randomness for a key: {error}"))?;
    let key = SecretKey::from_seed(name, kind, &seed).map_err(|error| format!("{name}: {error}"));
    seed.fill(0);
    key
}

/// Reads a key; `None` when there is no such file.
fn read(path: &Path, kind: KeyType) -> Result<Option<SecretKey>, String> {
    use io::Read as _;
    let at = path.display();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{at}: the key cannot be read: {error}")),
    };
    let is_open = file.metadata().is_ok_and(|meta| meta.mode() & 0o007 != 0);
    if is_open {
        return Err(format!(
            "{at}: everybody can read this key: replace it, then `chmod 0600` the new one"
        ));
    }
    let mut text = String::new();
    file.take(KEY_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("{at}: the key cannot be read: {error}"))?;
    let key = SecretKey::parse(&text).map_err(|error| {
        format!("{at}: is no key: {error}; put the right file there, or remove it for a new key")
    })?;
    if key.public().kind() == kind {
        Ok(Some(key))
    } else {
        Err(format!(
            "{at}: is a key of another type: a journal's and a witness's key are not the same"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn keys() -> (tempfile::TempDir, KeyDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = KeyDir::below(dir.path());
        (dir, keys)
    }

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let (dir, keys) = keys();
        let (made, origin) = keys.journal_key("a/b", None).expect("made");
        assert_eq!((origin, made.public().name()), (Origin::Made, "a/b"));
        let (read, origin) = keys.journal_key("other", None).expect("read");
        assert_eq!((origin, read.public()), (Origin::File, made.public()));
        let mode = |path: &str| fs::metadata(dir.path().join(path)).expect("there").mode() & 0o777;
        assert_eq!((mode("keys"), mode("keys/journal.key")), (0o700, 0o600));
        let witness = keys.witness_key("a/b/witness").expect("made");
        assert_eq!(witness.public().kind(), KeyType::Cosignature);
        assert_ne!(witness.public().id(), made.public().id());
    }

    #[test]
    fn a_key_everybody_can_read_or_that_is_none_is_refused_without_showing_it() {
        let (dir, keys) = keys();
        let (key, _) = keys.journal_key("a/b", None).expect("made");
        let path = dir.path().join("keys/journal.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        let error = keys.journal_key("a/b", None).expect_err("open to all");
        assert!(error.contains("everybody can read this key"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        let broken = key.reveal().replace("PRIVATE", "PRIVATF");
        fs::write(&path, &broken).expect("written");
        let error = keys.journal_key("a/b", None).expect_err("no key");
        assert!(
            error.contains("is no key") && !error.contains("a/b+"),
            "{error}"
        );
        fs::copy(
            dir.path().join("keys/journal.key"),
            dir.path().join("keys/witness.key"),
        )
        .expect("copied");
        fs::write(dir.path().join("keys/witness.key"), key.reveal()).expect("written");
        assert!(
            keys.witness_key("w")
                .expect_err("another type")
                .contains("another type")
        );
    }

    #[test]
    fn an_interrupted_rotation_is_finished_when_its_row_is_there_and_forgotten_else() {
        let (_dir, keys) = keys();
        let (old, _) = keys.journal_key("a/b", None).expect("made");
        let next = keys.make_next("a/b").expect("made");
        let recorded = old.public().to_string();
        let (now, _) = keys.journal_key("a/b", Some(&recorded)).expect("read");
        assert_eq!(now.public(), old.public());
        assert_ne!(next.public(), old.public());
        let next = keys.make_next("a/b").expect("made");
        let recorded = next.public().to_string();
        let (now, _) = keys.journal_key("a/b", Some(&recorded)).expect("read");
        assert_eq!(now.public(), next.public());
    }
}
