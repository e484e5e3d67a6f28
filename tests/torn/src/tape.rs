//! What reached the kernel, in order.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fak_journal::Head;

/// Which file, as it is created: a name that is deleted and made again is another node.
pub type Node = usize;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A name came to be, with what was in the file already.
    Create {
        /// The file.
        node: Node,
        /// Its name in the directory.
        name: String,
        /// What it held before anything was recorded; that is on the disk.
        found: Vec<u8>,
    },
    /// A name went away.
    Delete {
        /// The name.
        name: String,
    },
    /// Bytes were written.
    Write {
        /// The file.
        node: Node,
        /// Where.
        offset: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// The file was cut or extended to a size.
    Truncate {
        /// The file.
        node: Node,
        /// The size in bytes.
        size: usize,
    },
    /// What was written to the file is on the disk.
    Sync {
        /// The file.
        node: Node,
    },
    /// The names are on the disk.
    SyncNames,
    /// An append was answered: this row must be there from now on.
    Ack(Head),
}

/// What the file layer says of the device, and how the device behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// It promises nothing, and a sector that was being written may hold anything.
    Bare,
    /// It promises what SQLite takes for granted on Unix: a torn write leaves the other bytes of its sector alone.
    Powersafe,
    /// It promises nothing and reports syncs it has not done.
    Lying,
}

/// The record of one directory.
#[derive(Debug)]
pub struct Tape {
    dir: PathBuf,
    device: Device,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    names: BTreeMap<String, Node>,
    nodes: Node,
}

/// The directories that are recorded now.
static RUNNING: Mutex<Vec<Arc<Tape>>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Arc<Tape>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tape {
    /// Records what SQLite does in `dir` until [`Tape::stop`].
    ///
    /// # Panics
    /// When there is no such directory.
    #[must_use]
    pub fn start(dir: &Path, device: Device) -> Arc<Self> {
        crate::install();
        let tape = Arc::new(Self {
            dir: fs::canonicalize(dir).expect("the directory is there"),
            device,
            state: Mutex::default(),
        });
        running().push(Arc::clone(&tape));
        tape
    }

    /// Ends the recording and yields what was recorded.
    #[must_use]
    pub fn stop(&self) -> Vec<Event> {
        running().retain(|tape| tape.dir != self.dir);
        std::mem::take(&mut self.state().events)
    }

    /// Notes that a row was acknowledged.
    pub fn ack(&self, head: Head) {
        self.state().events.push(Event::Ack(head));
    }

    /// The tape that records the directory of `path`, and the file's name in it.
    pub(crate) fn of(path: &Path) -> Option<(Arc<Self>, String)> {
        let (dir, name) = (path.parent()?, path.file_name()?.to_str()?);
        let tape = running().iter().find(|tape| tape.dir == dir).cloned()?;
        Some((tape, name.to_owned()))
    }

    pub(crate) const fn device(&self) -> Device {
        self.device
    }

    /// The node a name stands for, which is new to the record when the name is.
    pub(crate) fn node(&self, name: &str) -> Node {
        let mut state = self.state();
        if let Some(node) = state.names.get(name) {
            return *node;
        }
        let node = state.nodes;
        state.nodes += 1;
        state.names.insert(name.to_owned(), node);
        let found = fs::read(self.dir.join(name)).unwrap_or_default();
        state.events.push(Event::Create {
            node,
            name: name.to_owned(),
            found,
        });
        node
    }

    pub(crate) fn deleted(&self, name: &str, synced: bool) {
        let mut state = self.state();
        if state.names.remove(name).is_some() {
            state.events.push(Event::Delete { name: name.into() });
        }
        if synced && self.device != Device::Lying {
            state.events.push(Event::SyncNames);
        }
    }

    pub(crate) fn wrote(&self, node: Node, offset: usize, bytes: &[u8]) {
        self.state().events.push(Event::Write {
            node,
            offset,
            bytes: bytes.to_vec(),
        });
    }

    pub(crate) fn truncated(&self, node: Node, size: usize) {
        self.state().events.push(Event::Truncate { node, size });
    }

    pub(crate) fn synced(&self, node: Node, names_too: bool) {
        if self.device == Device::Lying {
            return;
        }
        let mut state = self.state();
        state.events.push(Event::Sync { node });
        if names_too {
            state.events.push(Event::SyncNames);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
