//! A journal and an image that survive the daemon, on a disk that sometimes does not write.

use fak_chain::{Draft, Record, Verifier, decode, encode, link};
use fak_types::Digest;

/// What is on the disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    rows: Vec<(Vec<u8>, Digest)>,
    /// An image and the number of rows it stands for.
    image: Option<(Vec<u8>, usize)>,
    /// Whether writes fail now.
    pub full: bool,
}

impl Disk {
    /// Makes rows durable, all or none.
    pub fn append(&mut self, drafts: &[Draft]) -> bool {
        if self.full {
            return false;
        }
        for draft in drafts {
            let body = encode(draft, self.count() + 1);
            let head = self.rows.last().map_or(Digest::ZERO, |(_, hash)| *hash);
            let hash = link(&head, &body);
            self.rows.push((body, hash));
        }
        true
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }

    /// Every row from the one at `skip` on.
    ///
    /// # Panics
    /// When a row does not read back.
    pub fn records(&self, skip: usize) -> impl Iterator<Item = Record> {
        self.rows
            .iter()
            .skip(skip)
            .map(|(body, _)| decode(body).expect("a row reads back"))
    }

    /// Keeps an image of the state after every row there is.
    pub fn keep(&mut self, image: Vec<u8>) {
        if !self.full {
            self.image = Some((image, self.rows.len()));
        }
    }

    /// The image and the number of rows it stands for.
    #[must_use]
    pub fn image(&self) -> Option<(&[u8], usize)> {
        self.image
            .as_ref()
            .map(|(image, rows)| (image.as_slice(), *rows))
    }

    /// Damages the image, as a torn write would.
    pub fn tear_image(&mut self) {
        if let Some((image, _)) = &mut self.image {
            image.truncate(image.len() / 2);
        }
    }

    /// Whether the chain holds from the first row to the last.
    #[must_use]
    pub fn verifies(&self) -> bool {
        let mut verifier = Verifier::new();
        let fed = (1..)
            .zip(&self.rows)
            .all(|(seq, (body, hash))| verifier.feed(seq, body, &hash.0).is_ok());
        fed && verifier.finish().is_ok_and(|head| head.seq == self.count())
    }
}
