//! Many images of one record, and what became of them.

use std::{fmt, path::Path, thread};

use fak_journal::Head;
use fak_sim::random::Random;

use crate::{
    examine::Finding,
    image::{self, DATABASE, Disk, cuts},
    tape::{Device, Event},
};

/// How an image is examined: the database's path, and the row that must be there.
pub type Examine = fn(&Path, Option<Head>) -> Finding;

/// What became of the images of one record.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many there were.
    pub images: usize,
    /// How many came after an acknowledged row.
    pub promised: usize,
    /// How many fell into a checkpoint.
    pub in_checkpoint: usize,
    /// How many lacked rows that were acknowledged.
    pub lost: usize,
    /// How many were damaged.
    pub corrupt: usize,
    /// The first ones that were not sound, each with what makes it again and what was found.
    pub told: Vec<String>,
}

/// Most unsound images that are told of.
const TOLD_MAX: usize = 4;

/// Images made and examined at a time.
const HANDS: usize = 2;

impl Tally {
    /// Makes and examines `count` images of a record. The seed decides the cuts and what survives them.
    ///
    /// # Panics
    /// When there is no room for an image.
    #[must_use]
    pub fn of(
        events: &[Event],
        device: Device,
        (count, seed): (usize, u64),
        examine: Examine,
    ) -> Self {
        let cuts = cuts(events, 0, count, &mut Random::new(seed));
        let share = cuts.len().div_ceil(HANDS).max(1);
        let shares: Vec<Self> = thread::scope(|scope| {
            let hands: Vec<_> = cuts
                .chunks(share)
                .enumerate()
                .map(|(hand, cuts)| {
                    let seed = seed ^ (hand as u64 + 1) << 32;
                    scope.spawn(move || share_of(events, device, (cuts, seed), examine))
                })
                .collect();
            hands
                .into_iter()
                .map(|hand| hand.join().expect("a hand ends"))
                .collect()
        });
        shares.into_iter().fold(Self::default(), Self::plus)
    }

    /// How many images were sound and held every acknowledged row.
    #[must_use]
    pub const fn sound(&self) -> usize {
        self.images - self.lost - self.corrupt
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        self.images += other.images;
        self.promised += other.promised;
        self.in_checkpoint += other.in_checkpoint;
        self.lost += other.lost;
        self.corrupt += other.corrupt;
        self.told.extend(other.told);
        self
    }

    fn note(&mut self, finding: &Finding, place: &str) {
        let what = match finding {
            Finding::Sound => return,
            Finding::Lost(what) => {
                self.lost += 1;
                what
            }
            Finding::Corrupt(what) => {
                self.corrupt += 1;
                what
            }
        };
        if self.told.len() < TOLD_MAX {
            self.told.push(format!("{place}: {what}"));
        }
    }
}

fn share_of(
    events: &[Event],
    device: Device,
    (cuts, seed): (&[usize], u64),
    examine: Examine,
) -> Tally {
    let mut tally = Tally::default();
    let mut random = Random::new(seed);
    let mut disk = Disk::new(events, device, events.len() as u64);
    for cut in cuts {
        disk.run_to(*cut);
        let image = disk.image(&mut random);
        tally.images += 1;
        tally.promised += usize::from(image.acked.is_some());
        tally.in_checkpoint += usize::from(disk.in_checkpoint(DATABASE));
        let dir = image.write().expect("there is room for an image");
        let finding = examine(&image::database(dir.path()), image.acked);
        tally.note(
            &finding,
            &format!("seed {seed:#x}, cut {cut} of {}", events.len()),
        );
    }
    tally
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} images, {} after an acknowledged row, {} inside a checkpoint: {} sound, {} with rows lost, {} corrupt",
            self.images,
            self.promised,
            self.in_checkpoint,
            self.sound(),
            self.lost,
            self.corrupt
        )
    }
}
