//! What a disk may hold after a cut.
//!
//! Two views of each file are kept: the kernel's, which has every write, and the disk's. A sync makes them equal. After
//! a file's last sync before the cut each sector of each write reaches the disk or does not, by itself: so later writes
//! survive earlier ones, one file's writes survive another's, and a write survives by halves. A sector that reaches the
//! disk does so as the kernel held it then, with what earlier writes had left in it. The same goes for sizes and names.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use fak_journal::Head;
use fak_sim::random::Random;
use tempfile::TempDir;

use crate::tape::{Device, Event, Node};

/// What a disk writes whole or tears.
const SECTOR: usize = 512;

/// In how many of sixteen cases a sector reaches the disk; drawn for each file of an image.
const ODDS: [u64; 5] = [0, 2, 8, 14, 16];

/// What was on the disk for certain at some event, and what was not.
#[derive(Debug)]
pub struct Disk<'a> {
    events: &'a [Event],
    device: Device,
    at: usize,
    files: Vec<File>,
    names: BTreeMap<String, Node>,
    /// The changes of names since they were last synced.
    renamed: Vec<usize>,
    acked: Option<Head>,
    /// Decides what a sync that failed has written.
    luck: Random,
}

#[derive(Debug, Default)]
struct File {
    /// What the disk holds for certain.
    synced: Vec<u8>,
    /// What the kernel held at the last sync. The two differ only where a sync failed.
    kernel: Vec<u8>,
    /// The changes since the last sync.
    changed: Vec<usize>,
}

/// A directory as a crash leaves it.
#[derive(Debug)]
pub struct Image {
    /// The files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The last row that was acknowledged before the cut.
    pub acked: Option<Head>,
}

impl<'a> Disk<'a> {
    /// The disk before the first event, with the files that were there before it.
    #[must_use]
    pub fn new(events: &'a [Event], device: Device, seed: u64) -> Self {
        let mut disk = Self {
            events,
            device,
            at: 0,
            files: Vec::new(),
            names: BTreeMap::new(),
            renamed: Vec::new(),
            acked: None,
            luck: Random::new(seed),
        };
        let there =
            |event: &Event| matches!(event, Event::Create { found, .. } if !found.is_empty());
        while disk.events.get(disk.at).is_some_and(there) {
            disk.run_to(disk.at + 1);
        }
        disk
    }

    /// Goes on until the event numbered `cut` is the next one. There is no way back.
    pub fn run_to(&mut self, cut: usize) {
        while self.at < cut {
            self.step();
            self.at += 1;
        }
    }

    fn step(&mut self) {
        match &self.events[self.at] {
            Event::Create { node, found, .. } => {
                assert_eq!(*node, self.files.len(), "nodes are numbered as they come");
                self.files.push(File {
                    synced: found.clone(),
                    kernel: found.clone(),
                    changed: Vec::new(),
                });
                self.renamed.push(self.at);
                if !found.is_empty() {
                    self.sync_names();
                }
            }
            Event::Delete { .. } => self.renamed.push(self.at),
            Event::Write { node, .. } | Event::Truncate { node, .. } => {
                self.files[*node].changed.push(self.at);
            }
            Event::Sync { node } => self.files[*node].sync(self.events),
            Event::SyncFailed { node } => {
                let file = &mut self.files[*node];
                file.synced = torn(self.events, self.device, file, &mut self.luck);
                let File {
                    kernel, changed, ..
                } = file;
                for change in changed.drain(..) {
                    apply(&self.events[change], kernel);
                }
            }
            Event::SyncNames => self.sync_names(),
            Event::Ack(head) => {
                if self.acked.is_none_or(|acked| acked.seq < head.seq) {
                    self.acked = Some(*head);
                }
            }
        }
    }

    fn sync_names(&mut self) {
        for change in self.renamed.drain(..) {
            rename(&self.events[change], &mut self.names);
        }
    }

    /// Whether the next event is a write into the database itself, which is a checkpoint.
    #[must_use]
    pub fn in_checkpoint(&self, database: &str) -> bool {
        let node = match self.events.get(self.at) {
            Some(Event::Write { node, .. } | Event::Sync { node }) => *node,
            _ => return false,
        };
        self.names.get(database) == Some(&node) && !self.files[node].changed.is_empty()
    }

    /// One of the images a cut here may leave.
    #[must_use]
    pub fn image(&self, random: &mut Random) -> Image {
        let mut names = self.names.clone();
        for change in &self.renamed {
            if random.one_in(2) {
                rename(&self.events[*change], &mut names);
            }
        }
        let files = names
            .into_iter()
            .map(|(name, node)| {
                let bytes = torn(self.events, self.device, &self.files[node], random);
                (name, bytes)
            })
            .collect();
        Image {
            files,
            acked: self.acked,
        }
    }
}

impl File {
    fn sync(&mut self, events: &[Event]) {
        for change in &self.changed {
            apply(&events[*change], &mut self.kernel);
            if let Event::Truncate { size, .. } = &events[*change] {
                self.synced.resize(*size, 0);
            }
        }
        self.synced.resize(self.kernel.len(), 0);
        for change in self.changed.drain(..) {
            let Event::Write { offset, bytes, .. } = &events[change] else {
                continue;
            };
            let to = (offset + bytes.len()).next_multiple_of(SECTOR);
            let (from, to) = (offset / SECTOR * SECTOR, to.min(self.kernel.len()));
            if from < to {
                self.synced[from..to].copy_from_slice(&self.kernel[from..to]);
            }
        }
    }
}

/// What the disk may hold of a file whose changes are not synced.
fn torn(events: &[Event], device: Device, file: &File, random: &mut Random) -> Vec<u8> {
    let odds = *random.pick(&ODDS);
    let (mut disk, mut kernel) = (file.synced.clone(), file.kernel.clone());
    for change in &file.changed {
        let event = &events[*change];
        apply(event, &mut kernel);
        match event {
            Event::Truncate { size, .. } if random.one_in(2) => disk.resize(*size, 0),
            Event::Write { offset, bytes, .. } => {
                let last = (offset + bytes.len()).div_ceil(SECTOR);
                for sector in offset / SECTOR..last {
                    let torn = random.one_in(64);
                    if torn || random.below(16) < odds {
                        let noise = matches!(device, Device::Bare | Device::Lying);
                        land(sector, (&kernel, &mut disk), torn.then_some(noise), random);
                    }
                }
            }
            _ => {}
        }
    }
    // A size may reach the disk before the bytes it makes room for.
    if random.one_in(4) && disk.len() < kernel.len() {
        disk.resize(kernel.len(), 0);
    }
    disk
}

/// Lets a sector reach the disk; where `torn` says something only its beginning, and noise after it where it says so.
fn land(
    sector: usize,
    (kernel, disk): (&[u8], &mut Vec<u8>),
    torn: Option<bool>,
    random: &mut Random,
) {
    let from = sector * SECTOR;
    let to = (from + SECTOR).min(kernel.len());
    if from >= to {
        return;
    }
    if disk.len() < to {
        disk.resize(to, 0);
    }
    let (old, new) = (&mut disk[from..to], &kernel[from..to]);
    let Some(noise) = torn else {
        return old.copy_from_slice(new);
    };
    let reached = usize::try_from(random.below(SECTOR as u64)).expect("below a sector");
    let reached = reached.min(new.len());
    old[..reached].copy_from_slice(&new[..reached]);
    if noise {
        old[reached..].fill_with(|| random.draw().to_le_bytes()[0]);
    }
}

fn rename(event: &Event, names: &mut BTreeMap<String, Node>) {
    match event {
        Event::Create { node, name, .. } => {
            names.insert(name.clone(), *node);
        }
        Event::Delete { name } => {
            names.remove(name);
        }
        _ => {}
    }
}

fn apply(event: &Event, file: &mut Vec<u8>) {
    match event {
        Event::Write { offset, bytes, .. } => {
            let end = offset + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*offset..end].copy_from_slice(bytes);
        }
        Event::Truncate { size, .. } => file.resize(*size, 0),
        _ => {}
    }
}

impl Image {
    /// Writes the files into a directory of their own.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self) -> io::Result<TempDir> {
        let dir = room()?;
        for (name, bytes) in &self.files {
            fs::write(dir.path().join(name), bytes)?;
        }
        Ok(dir)
    }
}

/// A directory in memory where there is one.
///
/// # Errors
/// When it cannot be made.
pub fn room() -> io::Result<TempDir> {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    TempDir::with_prefix_in("fak-torn-", place)
}

/// The cuts of a record, in order: a third of them anywhere, a third at the writes into the database, which are
/// checkpoints, and a third close behind an answered append.
#[must_use]
pub fn cuts(events: &[Event], database: Node, count: usize, random: &mut Random) -> Vec<usize> {
    let places = |wanted: &dyn Fn(&Event) -> bool| -> Vec<usize> {
        (0..events.len())
            .filter(|at| wanted(&events[*at]))
            .collect()
    };
    let stored = places(
        &|event| matches!(event, Event::Write { node, .. } | Event::Sync { node } if *node == database),
    );
    let answered = places(&|event| matches!(event, Event::Ack(_)));
    let end = events.len();
    let mut cuts: Vec<usize> = (0..count)
        .map(|turn| match turn % 3 {
            1 if !stored.is_empty() => *random.pick(&stored),
            2 if !answered.is_empty() => {
                let behind = usize::try_from(random.below(8)).expect("below eight");
                (random.pick(&answered) + 1 + behind).min(end)
            }
            _ => usize::try_from(random.below(end as u64 + 1)).expect("a place in a list"),
        })
        .collect();
    cuts.sort_unstable();
    cuts
}

/// The file in a directory of a workload.
#[must_use]
pub fn database(dir: &Path) -> PathBuf {
    dir.join(DATABASE)
}

/// The name of the database in every workload.
pub const DATABASE: &str = "journal.db";
