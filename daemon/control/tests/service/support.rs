//! A service on a real socket in a private directory, with a journal in memory.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use fak_chain::{Draft, RecordKind};
use fak_control::{
    About, Acl, Change, Desk, Door, Entrance, Evidence, Health, Keep, Kept, KeptAbout, KeptKind,
    Limits, Means, Notary, Office, Prepared, ProfileInfo, Refusal, Remember, Row, Signed, Unkept,
    Unwritten, Verified,
};
use fak_kernel::{Kernel, Snapshot, Tally, Timestamp};
use fak_policy::{Diagnostic, Format, NoWorld, Policy, PolicySet};
use fak_proto::v1::{AdjudicateRequest, Verdict, fak_client::FakClient};
use fak_screen::Screen;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{oneshot, watch},
};
use tonic::transport::{Channel, Endpoint};

/// The bounds of a service under test.
pub(crate) const LIMITS: Limits = Limits {
    connections_per_uid: 8,
    connections: 64,
    in_flight_per_uid: 4,
    streams_per_uid: 2,
    frame_bytes: 65_536,
};

/// The policy of a service under test.
pub(crate) const POLICY: &str = r#"{
    "version": "fak-policy/v1",
    "allow": ["Read", "Write"],
    "deny": {"Shred": "POLICY_BLOCK"},
    "redact_fields": ["token"]
}"#;

/// A journal in memory that can be told to fail.
#[derive(Clone)]
pub(crate) struct Memory {
    rows: Arc<Mutex<Vec<Draft>>>,
    pub(crate) fails: Arc<AtomicBool>,
    head: Arc<watch::Sender<u64>>,
}

impl Memory {
    fn new() -> Self {
        Self {
            rows: Arc::default(),
            fails: Arc::default(),
            head: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn drafts(&self) -> Vec<Draft> {
        self.rows.lock().expect("sound").clone()
    }

    fn push(&self, draft: Draft) -> Result<u64, Unwritten> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(Unwritten {
                why: "the disk is full: free space".to_owned(),
            });
        }
        let mut rows = self.rows.lock().expect("sound");
        rows.push(draft);
        let seq = rows.len() as u64;
        drop(rows);
        self.head.send_replace(seq);
        Ok(seq)
    }
}

/// Signs nothing: what it was asked for stands in its answers.
impl Notary for Memory {
    async fn checkpoint(&self, size: u64) -> Result<Signed, Refusal> {
        Ok(Signed {
            note: format!("checkpoint of {size}"),
            key: "key".to_owned(),
        })
    }

    async fn prove(&self, seq: u64, size: u64) -> Result<String, Refusal> {
        Err(Refusal::Missing(format!("no row {seq} of {size}")))
    }

    async fn prove_growth(&self, old: u64, new: u64) -> Result<String, Refusal> {
        Ok(format!("{old} to {new}"))
    }

    async fn witness(&self, who: &str, proof: &str, _log_key: &str) -> Result<Signed, Refusal> {
        Err(Refusal::Conflict(format!("{proof} for {who}")))
    }

    async fn rotate_key(&self, who: &str, reason: &str) -> Result<Signed, Refusal> {
        Err(Refusal::Unavailable(format!("{reason} by {who}")))
    }
}

impl Evidence for Memory {
    async fn append(&self, draft: Draft) -> Result<u64, Unwritten> {
        self.push(draft)
    }

    async fn append_all(&self, drafts: Vec<Draft>) -> Result<Vec<u64>, Unwritten> {
        drafts.into_iter().map(|draft| self.push(draft)).collect()
    }

    fn offer(&self, draft: Draft) {
        let _ = self.push(draft);
    }

    async fn rows(&self, from: u64, limit: usize) -> Result<Vec<Row>, String> {
        let rows = self.drafts();
        let from = usize::try_from(from.max(1)).expect("small");
        let row = |(index, draft): (usize, &Draft)| Row {
            seq: index as u64 + 1,
            body: fak_chain::encode(draft, index as u64 + 1),
            hash: fak_types::Digest::ZERO,
        };
        Ok(rows
            .iter()
            .enumerate()
            .skip(from - 1)
            .take(limit)
            .map(row)
            .collect())
    }

    async fn refusals(&self, of: Option<String>, limit: usize) -> Result<Vec<Row>, String> {
        let rows = self.rows(1, usize::MAX).await?;
        let wanted = |row: &Row| {
            let record = fak_chain::decode(&row.body).expect("a record");
            record.kind == RecordKind::Deny && of.as_ref().is_none_or(|who| record.who == *who)
        };
        Ok(rows.into_iter().rev().filter(wanted).take(limit).collect())
    }

    async fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.drafts().iter().for_each(|row| tally.count(row));
        tally
    }

    async fn verify(&self) -> Result<Verified, String> {
        Ok(Verified {
            rows: self.drafts().len() as u64,
            ..Verified::default()
        })
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    fn health(&self) -> Health {
        let fails = self.fails.load(Ordering::Relaxed);
        let rows = self.drafts().len() as u64;
        Health {
            problem: fails.then(|| "the disk is full".to_owned()),
            rows,
            ..Health::default()
        }
    }
}

/// What stands on a [`Shelf`]; what was let go leaves its place empty.
type Places = Vec<Option<(KeptAbout, Vec<u8>)>>;

/// Keeps bytes in memory, up to a bound.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Places>>);

impl Shelf {
    /// The bytes that stand there.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        let kept = self.0.lock().expect("sound");
        kept.iter().flatten().map(|kept| kept.1.clone()).collect()
    }

    /// Alters or takes away what stands there.
    pub(crate) fn alter(&self, with: impl Fn(&mut Option<(KeptAbout, Vec<u8>)>)) {
        self.0.lock().expect("sound").iter_mut().for_each(with);
    }

    fn place(seal: &str) -> Option<usize> {
        seal.strip_prefix("q-")?
            .parse::<usize>()
            .ok()?
            .checked_sub(1)
    }
}

impl Keep for Shelf {
    fn seal(&self, bytes: &[u8], about: &KeptAbout, _now: Timestamp) -> Result<String, String> {
        let mut kept = self.0.lock().expect("sound");
        if kept.iter().flatten().count() >= SHELF_MAX {
            return Err("the shelf is full".to_owned());
        }
        kept.push(Some((about.clone(), bytes.to_vec())));
        Ok(format!("q-{}", kept.len()))
    }

    fn has(&self, seal: &str) -> bool {
        self.take_out(seal).is_ok_and(|kept| kept.is_some())
    }

    fn forget(&self, _seal: &str) -> Result<(), String> {
        Err("this shelf forgets nothing".to_owned())
    }

    fn let_go(&self, seal: &str, who: &str) -> Result<(), String> {
        let mut kept = self.0.lock().expect("sound");
        let found = Self::place(seal).and_then(|at| kept.get_mut(at));
        if let Some(place) = found
            && (place.as_ref())
                .is_some_and(|(about, _)| about.kind == KeptKind::Cached && about.who == who)
        {
            *place = None;
        }
        Ok(())
    }

    fn take_out(&self, seal: &str) -> Result<Option<Kept>, String> {
        let kept = self.0.lock().expect("sound");
        let found = Self::place(seal).and_then(|at| kept.get(at)?.as_ref());
        Ok(found.map(|(about, bytes)| Kept {
            holds: vec![about.clone()],
            bytes: bytes.clone(),
        }))
    }
}

/// How much a [`Shelf`] holds.
pub(crate) const SHELF_MAX: usize = 3;

fn means(notebook: Notebook) -> Means {
    Means {
        world: Box::new(NoWorld),
        screen: LazyLock::new(Box::new(|| Screen::new(fak_screen::Settings::default()))),
        keep: Box::new(notebook.shelf.clone()),
        memory: Box::new(notebook),
    }
}

/// How many logs a [`Notebook`] has room for.
pub(crate) const LOGS_MAX: usize = 100;

/// Logs in memory that can be told to fail.
#[derive(Clone, Default)]
pub(crate) struct Notebook {
    logs: Arc<Mutex<BTreeMap<String, Vec<Vec<u8>>>>>,
    pub(crate) fails: Arc<AtomicBool>,
    /// What lies beside the logs.
    pub(crate) shelf: Shelf,
}

impl Notebook {
    /// Adds to a log what nobody wrote.
    pub(crate) fn scribble(&self, log: &str, record: &[u8]) {
        let mut logs = self.logs.lock().expect("sound");
        logs.entry(log.to_owned())
            .or_default()
            .push(record.to_vec());
    }

    /// How many records a log has.
    pub(crate) fn records(&self, log: &str) -> usize {
        self.logs
            .lock()
            .expect("sound")
            .get(log)
            .map_or(0, Vec::len)
    }

    fn write(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<Vec<u8>>>)) -> Result<(), Unkept> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(Unkept::Failed("the disk is full: free space".to_owned()));
        }
        work(&mut self.logs.lock().expect("sound"));
        Ok(())
    }
}

impl Remember for Notebook {
    fn remember(&self, log: &str, record: &[u8]) -> Result<(), Unkept> {
        let logs = self.logs.lock().expect("sound");
        if !logs.contains_key(log) && logs.len() == LOGS_MAX {
            return Err(Unkept::Full("too many logs".to_owned()));
        }
        drop(logs);
        self.write(|logs| {
            logs.entry(log.to_owned())
                .or_default()
                .push(record.to_vec());
        })
    }

    fn recall(&self, log: &str) -> Result<Vec<Vec<u8>>, String> {
        let logs = self.logs.lock().expect("sound");
        Ok(logs.get(log).cloned().unwrap_or_default())
    }

    fn condense(&self, log: &str, record: &[u8]) -> Result<(), Unkept> {
        self.write(|logs| {
            logs.insert(log.to_owned(), vec![record.to_vec()]);
        })
    }

    fn drop_log(&self, log: &str) -> Result<(), String> {
        self.write(|logs| {
            logs.remove(log);
        })
        .map_err(|why| why.to_string())
    }

    fn logs(&self) -> Vec<(String, Timestamp)> {
        let logs = self.logs.lock().expect("sound");
        logs.keys()
            .map(|name| (name.clone(), Timestamp(0)))
            .collect()
    }
}

/// An office that loads what it is given and reloads [`POLICY`].
pub(crate) struct Desktop {
    about: About,
    acl: Arc<Acl>,
}

fn compile(name: &str, text: &str) -> Result<Policy, Vec<Diagnostic>> {
    let (manifest, _) = fak_policy::load(name, text, Format::Json)?;
    Policy::compile(name, &manifest)
}

fn snapshot(generation: u64, text: &str) -> Result<Arc<Snapshot>, Vec<Diagnostic>> {
    Ok(Arc::new(Snapshot::new(
        generation,
        PolicySet::new(vec![compile("test.json", text)?])?,
    )))
}

impl Office for Desktop {
    fn about(&self) -> &About {
        &self.about
    }

    fn acl(&self) -> Arc<Acl> {
        Arc::clone(&self.acl)
    }

    fn profiles(&self) -> Vec<ProfileInfo> {
        let policy = compile("test.json", POLICY).expect("sound");
        vec![ProfileInfo {
            name: policy.name().to_owned(),
            source: "test".to_owned(),
            digest: String::new(),
            posture: policy.posture().as_str().to_owned(),
            bind: Vec::new(),
            manifest: policy.digest_text().to_owned(),
        }]
    }

    fn prepare(&self, change: &Change, generation: u64) -> Result<Prepared, Vec<Diagnostic>> {
        let text = match change {
            Change::Reload => POLICY,
            Change::Load(manifest) => &manifest.text,
        };
        let snapshot = snapshot(generation, text)?;
        let digest = snapshot.digest().to_string();
        Ok(Prepared {
            snapshot,
            digest,
            warnings: Vec::new(),
            commit: Box::new(|| ()),
        })
    }
}

/// A running service; it stops when this is dropped.
pub(crate) struct Service {
    pub(crate) dir: TempDir,
    pub(crate) journal: Memory,
    pub(crate) shelf: Shelf,
    pub(crate) desk: Arc<Desk<Memory, Desktop>>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) done: tokio::task::JoinHandle<()>,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::with(POLICY, |_| ())
    }

    pub(crate) fn with(policy: &str, lists: impl FnOnce(&mut Acl)) -> Self {
        Self::at_doors(&[("s.sock", Door::Any)], policy, lists)
    }

    /// A service that remembers in this notebook, as one that was started again.
    pub(crate) fn remembering(policy: &str, notebook: Notebook) -> Self {
        Self::build(&[("s.sock", Door::Any)], policy, |_| (), notebook)
    }

    /// A service with these sockets.
    pub(crate) fn at_doors(
        doors: &[(&str, Door)],
        policy: &str,
        lists: impl FnOnce(&mut Acl),
    ) -> Self {
        Self::build(doors, policy, lists, Notebook::default())
    }

    fn build(
        doors: &[(&str, Door)],
        policy: &str,
        lists: impl FnOnce(&mut Acl),
        notebook: Notebook,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        // Other users must be able to get as far as being refused.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("set");
        let entrance = |(name, door): &(&str, Door)| {
            let socket = dir.path().join(name);
            let listener = UnixListener::bind(&socket).expect("bound");
            fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("set");
            Entrance {
                listener,
                door: *door,
            }
        };
        let entrances = doors.iter().map(entrance).collect();
        let journal = Memory::new();
        let mut acl = Acl::closed(fak_sys::effective_uid());
        lists(&mut acl);
        let about = About {
            version: "test",
            journal_path: PathBuf::from("/nowhere"),
            durability: "commit",
        };
        let office = Desktop {
            about,
            acl: Arc::new(acl),
        };
        let first = snapshot(1, policy).expect("a sound policy");
        let mut kernel = Kernel::new(fak_kernel::Limits::default());
        drop(kernel.install(fak_control::now(), &first));
        let ports = (journal.clone(), office);
        let shelf = notebook.shelf.clone();
        let desk = Arc::new(Desk::new(LIMITS, ports, means(notebook), kernel, first));
        let (stop, stopped) = oneshot::channel();
        let serving = fak_control::serve(Arc::clone(&desk), entrances, async {
            let _ = stopped.await;
        });
        let done = tokio::spawn(async { serving.await.expect("served") });
        Self {
            dir,
            journal,
            shelf,
            desk,
            stop: Some(stop),
            done,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("s.sock")
    }

    pub(crate) async fn client(&self) -> FakClient<Channel> {
        client(&self.socket()).await.expect("connected")
    }
}

/// Connects to a socket.
pub(crate) async fn client(socket: &Path) -> Result<FakClient<Channel>, tonic::transport::Error> {
    let socket = socket.to_owned();
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static(fak_proto::AUTHORITY)
        .connect_with_connector(connector)
        .await
        .map(FakClient::new)
}

/// A call of the session `t`.
pub(crate) fn call(tool: &str, args: &str) -> AdjudicateRequest {
    AdjudicateRequest {
        tool: tool.to_owned(),
        args: args.as_bytes().to_vec(),
        trace_id: "t".to_owned(),
        ..AdjudicateRequest::default()
    }
}

/// `KIND REASON by`.
pub(crate) fn line(verdict: &Option<Verdict>) -> String {
    let verdict = verdict.as_ref().expect("a verdict");
    format!("{} {} {}", verdict.kind, verdict.reason, verdict.by)
}
