//! What control needs and the daemon provides: evidence to write to, an office that changes the policy.

use std::{
    fmt,
    future::Future,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use fak_chain::Draft;
use fak_kernel::{Snapshot, Tally, Timestamp};
use fak_policy::{Diagnostic, World};
use fak_screen::Screen;
use fak_types::{Digest, Reason};
use tokio::sync::watch;

use crate::acl::Acl;

/// A row could not be made durable, so no verdict may rest on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    /// The cause and the remedy, for whoever is refused because of it; no path but the state directory.
    pub why: String,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Unwritten {}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub seq: u64,
    /// The record's canonical bytes.
    pub body: Vec<u8>,
    /// Its hash.
    pub hash: Digest,
}

/// How the journal fares.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Why it cannot be written; `None` when it can.
    pub problem: Option<String>,
    /// How many rows it has.
    pub rows: u64,
    /// The hash of the last one.
    pub head: Vec<u8>,
    /// Records lost under overload.
    pub gaps: u64,
    /// Room left on its file system.
    pub free_bytes: Option<u64>,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// How many rows were read.
    pub rows: u64,
    /// The last sound one.
    pub head_seq: u64,
    /// Its hash.
    pub head_hash: Vec<u8>,
    /// The first bad row and what is wrong with it.
    pub fault: Option<(u64, String)>,
}

/// Why a notary did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The question makes no sense.
    Invalid(String),
    /// What it is about is not there.
    Missing(String),
    /// What it asks for contradicts what is known.
    Conflict(String),
    /// It cannot be done now.
    Unavailable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Invalid(why)
        | Self::Missing(why)
        | Self::Conflict(why)
        | Self::Unavailable(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Refusal {}

/// Something that was signed, and the public key to verify it with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// A signed note, or one signature's line.
    pub note: String,
    /// The key.
    pub key: String,
}

/// Who signs for the journal.
pub trait Notary: Send + Sync + 'static {
    /// A signed checkpoint of the first `size` rows; 0: of all there are.
    fn checkpoint(&self, size: u64) -> impl Future<Output = Result<Signed, Refusal>> + Send;

    /// The proof that row `seq` is among the first `size` rows; 0: of a checkpoint that covers it.
    fn prove(&self, seq: u64, size: u64) -> impl Future<Output = Result<String, Refusal>> + Send;

    /// The proof that the first `old` rows are the beginning of the first `new`; 0: of all there are.
    fn prove_growth(
        &self,
        old: u64,
        new: u64,
    ) -> impl Future<Output = Result<String, Refusal>> + Send;

    /// Cosigns another journal's checkpoint, for a principal.
    fn witness(
        &self,
        who: &str,
        proof: &str,
        log_key: &str,
    ) -> impl Future<Output = Result<Signed, Refusal>> + Send;

    /// Replaces the journal's key, for a principal who says why.
    fn rotate_key(
        &self,
        who: &str,
        reason: &str,
    ) -> impl Future<Output = Result<Signed, Refusal>> + Send;
}

/// The journal, as control sees it.
pub trait Evidence: Notary {
    /// Makes one row durable and yields its number; 0 when it is queued only.
    fn append(&self, draft: Draft) -> impl Future<Output = Result<u64, Unwritten>> + Send;

    /// Makes rows durable in this order, all or none.
    fn append_all(
        &self,
        drafts: Vec<Draft>,
    ) -> impl Future<Output = Result<Vec<u64>, Unwritten>> + Send;

    /// Queues one row that nothing waits for. Never blocks; a loss is counted and journaled later.
    fn offer(&self, draft: Draft);

    /// Reads at most `limit` rows from number `from` on, in ascending order.
    fn rows(
        &self,
        from: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Row>, String>> + Send;

    /// The last refusals, newest first, of one principal when it is named. Older ones than a bounded look
    /// finds are left out.
    fn refusals(
        &self,
        of: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Row>, String>> + Send;

    /// The counters folded from every row on disk, or from as many as could be read.
    fn tally(&self) -> impl Future<Output = Tally> + Send;

    /// Verifies the whole journal.
    fn verify(&self) -> impl Future<Output = Result<Verified, String>> + Send;

    /// The number of the last row, as it grows.
    fn head(&self) -> watch::Receiver<u64>;

    /// How the journal fares now.
    fn health(&self) -> Health;
}

/// Why bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptKind {
    /// They may not be read.
    Quarantined,
    /// They were too many.
    PagedOut,
    /// They were read, and may be read again while they are true.
    Cached,
}

/// What is known of bytes that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAbout {
    /// Why they are kept.
    pub kind: KeptKind,
    /// The session that asked for them.
    pub trace: String,
    /// Whose session it is.
    pub who: String,
    /// The tool that answered.
    pub tool: String,
    /// Why they may not be read, or why not at once.
    pub reason: Reason,
    /// What judged them: the digest of the screens.
    pub rules: Digest,
}

/// Bytes that were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Who asked for them: the same bytes are kept once, for every session that got them.
    pub holds: Vec<KeptAbout>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Kept {
    /// What this principal's hold on them says, as far as they were kept back: a kept answer is asked for with a call.
    #[must_use]
    pub fn hold_of(&self, who: &str) -> Option<&KeptAbout> {
        self.kept_back().find(|hold| hold.who == who)
    }

    /// Who was not shown them, or not all of them.
    pub fn kept_back(&self) -> impl Iterator<Item = &KeptAbout> {
        let holds = self.holds.iter();
        holds.filter(|hold| hold.kind != KeptKind::Cached)
    }
}

/// Where bytes are kept that a model may not read, or not at once. Its calls may block on the disk.
pub trait Keep: Send + Sync + 'static {
    /// Keeps bytes durably and yields their seal: letters, digits and dashes.
    ///
    /// # Errors
    /// A sentence with the remedy. Then nothing is kept, and nothing may be admitted that wants keeping.
    fn seal(&self, bytes: &[u8], about: &KeptAbout, now: Timestamp) -> Result<String, String>;

    /// The bytes behind a seal; `None` when nothing is kept under it.
    ///
    /// # Errors
    /// A sentence, when they cannot be read or are not what was kept.
    fn take_out(&self, seal: &str) -> Result<Option<Kept>, String>;

    /// Whether something is kept under a seal, readable or not.
    fn has(&self, seal: &str) -> bool;

    /// Removes the bytes behind a seal for good.
    ///
    /// # Errors
    /// A sentence, when they cannot be removed.
    fn forget(&self, seal: &str) -> Result<(), String>;

    /// A principal's answer under this seal is needed no more. What others hold stays, and what it holds itself in
    /// quarantine or paged out.
    ///
    /// # Errors
    /// A sentence, when it cannot be let go of.
    fn let_go(&self, seal: &str, who: &str) -> Result<(), String>;
}

/// Why a record is not in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// There is no room for it; dropping another log makes some.
    Full(String),
    /// It cannot be written now.
    Failed(String),
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Full(why) | Self::Failed(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Unkept {}

/// What must outlive the process and may not be read by others: logs of records, by name, sealed. Its calls may block
/// on the disk.
pub trait Remember: Send + Sync + 'static {
    /// Adds a record to a log; durable when it returns.
    ///
    /// # Errors
    /// [`Unkept`], with the remedy. What depends on the record must be refused.
    fn remember(&self, log: &str, record: &[u8]) -> Result<(), Unkept>;

    /// The records of a log, the oldest first; none for a log nobody wrote.
    ///
    /// # Errors
    /// A sentence, when the log cannot be read or is not what was written.
    fn recall(&self, log: &str) -> Result<Vec<Vec<u8>>, String>;

    /// Puts one record in place of all of a log's, or leaves the log as it was.
    ///
    /// # Errors
    /// [`Unkept`], with the remedy.
    fn condense(&self, log: &str, record: &[u8]) -> Result<(), Unkept>;

    /// Removes a log.
    ///
    /// # Errors
    /// A sentence, when it cannot be removed.
    fn drop_log(&self, log: &str) -> Result<(), String>;

    /// Every log's name, and when it was last written.
    fn logs(&self) -> Vec<(String, Timestamp)>;
}

/// What a desk judges by and with, beside the policy.
pub struct Means {
    /// What a judge may look at.
    pub world: Box<dyn World + Send + Sync>,
    /// What results are judged by.
    pub screen: LazyLock<Screen, Box<dyn FnOnce() -> Screen + Send>>,
    /// Where results go that may not be read.
    pub keep: Box<dyn Keep>,
    /// Where sessions' values and kept answers are remembered.
    pub memory: Box<dyn Remember>,
}

/// A manifest to load.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its text.
    pub text: String,
    /// The name problems are reported under.
    pub name: String,
    /// `json` or `yaml`; empty: by the name's extension.
    pub format: String,
}

/// A change of the policy in force.
#[derive(Clone, Debug)]
pub enum Change {
    /// Everything anew from the files, the access lists included.
    Reload,
    /// This manifest beside or in place of the profile of its name, until the next reload.
    Load(Manifest),
}

/// A change that was built and checked, and is not in force yet.
pub struct Prepared {
    /// What will judge.
    pub snapshot: Arc<Snapshot>,
    /// The digest of what was read.
    pub digest: String,
    /// What a person should look at.
    pub warnings: Vec<Diagnostic>,
    /// To be run when the snapshot is in force.
    pub commit: Box<dyn FnOnce() + Send>,
}

/// What became of a change.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Whether the change is in force, or for a check, whether it could be.
    pub ok: bool,
    /// The generation in force now.
    pub generation: u64,
    /// The digest of what was read.
    pub digest: String,
    /// Problems and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Where a profile came from, for the list.
#[derive(Clone, Debug)]
pub struct ProfileInfo {
    /// Its name.
    pub name: String,
    /// `embedded`, a file, or `loaded` over the socket.
    pub source: String,
    /// The digest of its canonical text.
    pub digest: String,
    /// Its posture.
    pub posture: String,
    /// Who it binds.
    pub bind: Vec<String>,
    /// Its canonical text.
    pub manifest: String,
}

/// What does not change while fakd runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The program's version.
    pub version: &'static str,
    /// The journal's file.
    pub journal_path: PathBuf,
    /// `commit` or `async`.
    pub durability: &'static str,
}

/// The daemon's own doings, as control sees them.
pub trait Office: Send + Sync + 'static {
    /// What does not change while fakd runs.
    fn about(&self) -> &About;

    /// Who may do what, now.
    fn acl(&self) -> Arc<Acl>;

    /// The profiles in force.
    fn profiles(&self) -> Vec<ProfileInfo>;

    /// Reads, builds and checks a change as generation `generation`; puts nothing in force. May take
    /// its time.
    ///
    /// # Errors
    /// Every problem; never an empty list.
    fn prepare(&self, change: &Change, generation: u64) -> Result<Prepared, Vec<Diagnostic>>;
}
