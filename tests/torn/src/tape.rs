//! What reached the kernel, in order.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

use fak_journal::Head;
use fak_sim::random::Random;

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
    /// A sync failed: what was written to the file may be on the disk or not, and the kernel holds it for done.
    SyncFailed {
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
    /// It is powersafe, and one sync in twelve fails; the seed says which.
    Failing(u64),
}

/// The record of one directory.
#[derive(Debug)]
pub struct Tape {
    dir: PathBuf,
    device: Device,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    events: Vec<Event>,
    /// Which syncs fail, where some do.
    luck: Random,
    names: BTreeMap<String, Node>,
    nodes: Node,
}

/// The directories that are recorded now.
static RUNNING: Mutex<Vec<Arc<Tape>>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Arc<Tape>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files of a directory, the database first.
fn there(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the directory is there");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("the directory is there").file_name())
        .filter_map(|name| name.into_string().ok())
        .collect();
    names.sort();
    names
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
            state: Mutex::new(State {
                events: Vec::new(),
                luck: Random::new(match device {
                    Device::Failing(seed) => seed,
                    _ => 0,
                }),
                names: BTreeMap::new(),
                nodes: 0,
            }),
        });
        for name in there(&tape.dir) {
            tape.node(&name);
        }
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

    /// Marks a log, by a time nobody else gives a file, so that [`Tape::look_past`] can tell. A log holds no locks, which
    /// opening and closing the file once more would let go of.
    pub(crate) fn mark(&self, name: &str) {
        let file = File::open(self.dir.join(name)).expect("the log is there");
        file.set_modified(UNIX_EPOCH).expect("the log is ours");
    }

    /// Notes that a log was written past SQLite since it was marked. The journal does that when it opens a log; that it
    /// also syncs it cannot be seen from here.
    pub(crate) fn look_past(&self, node: Node) {
        let mut state = self.state();
        let Some((name, _)) = state.names.iter().find(|(_, known)| **known == node) else {
            return;
        };
        let path = self.dir.join(name);
        let marked = fs::metadata(&path).and_then(|meta| meta.modified());
        if marked.is_ok_and(|time| time != UNIX_EPOCH) {
            let bytes = fs::read(&path).expect("the log is there");
            let offset = 0;
            state.events.push(Event::Write {
                node,
                offset,
                bytes,
            });
            if self.device != Device::Lying {
                state.events.push(Event::Sync { node });
            }
        }
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

    /// Notes a sync; yields whether it succeeds.
    pub(crate) fn synced(&self, node: Node, names_too: bool) -> bool {
        let mut state = self.state();
        match self.device {
            Device::Lying => return true,
            Device::Failing(_) if state.luck.one_in(12) => {
                state.events.push(Event::SyncFailed { node });
                return false;
            }
            _ => state.events.push(Event::Sync { node }),
        }
        if names_too {
            state.events.push(Event::SyncNames);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
