//! The vault as the service sees it.

use std::{path::Path, sync::Arc};

use fak_control::{Keep, Kept, KeptAbout, KeptKind, Remember, Unkept};
use fak_kernel::Timestamp;
use fak_telemetry::{Event, Notice};
use fak_vault::{Kind, Limits, LogError, LogLimits, Meta, ReadError, SealId, Vault};

use crate::keys::KeyDir;

/// The vault's name in the state directory.
const VAULT_DIR: &str = "vault";

/// The trace of a kept answer, which no session has.
const NO_SESSION: &str = "";

/// How much sessions' logs may take. A record may be an image of a whole ledger of values.
const LOGS: LogLimits = LogLimits {
    bytes_max: 1 << 30,
    count_max: 65_536,
    log_bytes_max: 24 << 20,
    record_bytes_max: 8 << 20,
};

/// Keeps results that may not be read, and what sessions remember, sealed, below the state directory.
#[derive(Clone)]
pub(crate) struct VaultKeep {
    vault: Arc<Vault>,
}

impl VaultKeep {
    /// Opens the vault below a state directory, and tells what was found there.
    ///
    /// # Errors
    /// A sentence that names the file and the fix.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, String> {
        let key = KeyDir::below(state_dir).vault_key()?;
        let limits = Limits {
            logs: LOGS,
            ..Limits::default()
        };
        let (vault, opened) = Vault::open(&state_dir.join(VAULT_DIR), key, limits)
            .map_err(|error| error.to_string())?;
        for unreadable in &opened.unreadable {
            Notice::of(Event::Internal).say(&format!(
                "a sealed result cannot be read: {}",
                unreadable.problem
            ));
        }
        Ok(Self {
            vault: Arc::new(vault),
        })
    }
}

impl Keep for VaultKeep {
    fn seal(&self, bytes: &[u8], about: &KeptAbout, now: Timestamp) -> Result<String, String> {
        let meta = Meta {
            trace: about.trace.clone(),
            who: about.who.clone(),
            tool: about.tool.clone(),
            reason: about.reason,
            rules: about.rules,
            kind: match about.kind {
                KeptKind::Quarantined => Kind::Quarantined,
                KeptKind::PagedOut => Kind::PagedOut,
                KeptKind::Cached => Kind::Cached,
            },
            at_us: now.0,
        };
        let sealed = self.vault.seal(bytes, &meta);
        sealed
            .map(|id| id.to_string())
            .map_err(|error| format!("the result cannot be sealed: {error}"))
    }

    fn has(&self, seal: &str) -> bool {
        let known = |id| !matches!(self.vault.meta(id), Err(ReadError::Unknown(_)));
        SealId::parse(seal).is_some_and(known)
    }

    fn forget(&self, seal: &str) -> Result<(), String> {
        match SealId::parse(seal) {
            Some(id) => self.vault.forget(id).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    fn let_go(&self, seal: &str, who: &str) -> Result<(), String> {
        let Some(id) = SealId::parse(seal) else {
            return Ok(());
        };
        match self.vault.release(id, who, NO_SESSION) {
            Ok(_) | Err(ReadError::Unknown(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn take_out(&self, seal: &str) -> Result<Option<Kept>, String> {
        let Some(id) = SealId::parse(seal) else {
            return Ok(None);
        };
        let sealed = match self.vault.meta(id) {
            Ok(sealed) => sealed,
            Err(ReadError::Unknown(_)) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let bytes = self.vault.read(id).map_err(|error| error.to_string())?;
        let hold = |meta: &Meta| KeptAbout {
            kind: match meta.kind {
                Kind::Quarantined => KeptKind::Quarantined,
                Kind::PagedOut => KeptKind::PagedOut,
                Kind::Cached => KeptKind::Cached,
            },
            trace: meta.trace.clone(),
            who: meta.who.clone(),
            tool: meta.tool.clone(),
            reason: meta.reason,
            rules: meta.rules,
        };
        Ok(Some(Kept {
            holds: sealed.holds.iter().map(hold).collect(),
            bytes,
        }))
    }
}

fn unkept(error: &LogError) -> Unkept {
    match error {
        LogError::Full { .. } => Unkept::Full(error.to_string()),
        other => Unkept::Failed(other.to_string()),
    }
}

impl Remember for VaultKeep {
    fn remember(&self, log: &str, record: &[u8]) -> Result<(), Unkept> {
        let log = self.vault.log(log).map_err(|error| unkept(&error))?;
        log.append(record).map_err(|error| unkept(&error))
    }

    fn recall(&self, log: &str) -> Result<Vec<Vec<u8>>, String> {
        let log = self.vault.log(log).map_err(|error| error.to_string())?;
        log.read_all().map_err(|error| error.to_string())
    }

    fn condense(&self, log: &str, record: &[u8]) -> Result<(), Unkept> {
        let log = self.vault.log(log).map_err(|error| unkept(&error))?;
        log.replace(&[record]).map_err(|error| unkept(&error))
    }

    fn drop_log(&self, log: &str) -> Result<(), String> {
        let log = self.vault.log(log).map_err(|error| error.to_string())?;
        log.remove().map_err(|error| error.to_string())
    }

    fn logs(&self) -> Vec<(String, Timestamp)> {
        let named = self.vault.logs().into_iter();
        named
            .map(|info| (info.name, Timestamp(info.changed_us)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use fak_types::{Digest, Reason};

    use super::*;

    fn about(kind: KeptKind, who: &str, trace: &str) -> KeptAbout {
        KeptAbout {
            kind,
            trace: trace.to_owned(),
            who: who.to_owned(),
            tool: "Read".to_owned(),
            reason: Reason::None,
            rules: Digest([0; 32]),
        }
    }

    #[test]
    fn a_kept_answer_is_let_go_and_what_others_hold_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("set");
        let keep = VaultKeep::open(dir.path()).expect("a vault");
        let seal = |about: KeptAbout| keep.seal(b"bytes", &about, Timestamp(1)).expect("sealed");
        let name = seal(about(KeptKind::Cached, "uid:1", NO_SESSION));
        assert_eq!(seal(about(KeptKind::Cached, "uid:2", NO_SESSION)), name);
        assert_eq!(seal(about(KeptKind::Quarantined, "uid:1", "t")), name);
        for who in ["uid:1", "uid:1", "uid:3"] {
            keep.let_go(&name, who).expect("let go");
        }
        let kept = keep.take_out(&name).expect("read").expect("kept");
        let kinds: Vec<_> = kept.holds.iter().map(|hold| hold.kind).collect();
        assert_eq!(kinds, [KeptKind::Cached, KeptKind::Quarantined]);
        assert_eq!(kept.kept_back().count(), 1);
        assert!(
            kept.hold_of("uid:2").is_none(),
            "a kept answer is asked for with a call"
        );
        keep.forget(&name).expect("forgotten");
        let name = seal(about(KeptKind::Cached, "uid:1", NO_SESSION));
        keep.let_go(&name, "uid:1").expect("let go");
        assert!(!keep.has(&name));
        keep.let_go(&name, "uid:1").expect("gone already");
    }

    #[test]
    fn logs_outlast_the_process() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("set");
        let open = || VaultKeep::open(dir.path()).expect("a vault");
        let keep = open();
        keep.remember("cache", b"one").expect("written");
        keep.remember("cache", b"two").expect("written");
        drop(keep);
        let keep = open();
        assert_eq!(
            keep.recall("cache"),
            Ok(vec![b"one".to_vec(), b"two".to_vec()])
        );
        keep.condense("cache", b"both").expect("written");
        assert_eq!(keep.recall("cache"), Ok(vec![b"both".to_vec()]));
        assert_eq!(keep.logs().len(), 1);
        keep.drop_log("cache").expect("removed");
        assert_eq!(
            (keep.recall("cache"), keep.logs().len()),
            (Ok(Vec::new()), 0)
        );
    }
}
