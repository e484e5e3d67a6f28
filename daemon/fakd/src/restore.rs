//! The kernel's state, from the journal and back: a cached image and the rows after it.
//!
//! The image is a cache of the fold over the rows: losing it costs time and nothing else. Its first
//! eight bytes say up to which row it goes.

use std::path::Path;

use fak_journal::{Journal, ReadError, Reader, StatePut};
use fak_kernel::{Kernel, Limits};
use fak_telemetry::{Event, Notice};

/// The name of the image beside the journal's rows.
const KEY: &str = "kernel";

/// Rows after which a new image is worth its price.
pub(crate) const ROWS_BETWEEN_IMAGES: u64 = 100_000;

/// A kernel and the last row it has seen.
pub(crate) struct Restored {
    pub(crate) kernel: Kernel,
    pub(crate) upto: u64,
    /// The last row the image had seen.
    pub(crate) image_upto: u64,
}

/// Restores the kernel: from the image when there is a sound one, else from the first row on.
pub(crate) async fn restore(journal: &Journal, path: &Path) -> Result<Restored, ReadError> {
    let image = journal
        .state(KEY)
        .await
        .ok()
        .flatten()
        .map(|state| state.value);
    let (kernel, image_upto) = match image.as_deref().map(decode) {
        Some(Some(found)) => found,
        Some(None) => {
            Notice::of(Event::Internal)
                .say("the kernel's image is unsound; its state is read from all rows");
            (Kernel::new(Limits::default()), 0)
        }
        None => (Kernel::new(Limits::default()), 0),
    };
    let path = path.to_owned();
    let replayed = tokio::task::spawn_blocking(move || {
        Reader::open(&path)?.fold(
            image_upto + 1,
            (kernel, image_upto),
            |(mut kernel, _), record| {
                kernel.replay(&record);
                (kernel, record.seq)
            },
        )
    });
    let (kernel, upto) = replayed
        .await
        .map_err(|error| ReadError::Output(error.to_string()))??;
    Ok(Restored {
        kernel,
        upto,
        image_upto,
    })
}

fn decode(bytes: &[u8]) -> Option<(Kernel, u64)> {
    let (upto, image) = bytes.split_first_chunk::<8>()?;
    let kernel = Kernel::restore(Limits::default(), image).ok()?;
    Some((kernel, u64::from_be_bytes(*upto)))
}

/// The image of a kernel that has seen every row up to `upto`.
pub(crate) fn image(kernel: &Kernel, upto: u64) -> StatePut {
    let mut value = upto.to_be_bytes().to_vec();
    value.extend_from_slice(&kernel.snapshot());
    StatePut {
        key: KEY.to_owned(),
        value,
    }
}

/// Writes a newer image when enough rows have come since the last: by a second kernel that reads what
/// is on disk, so that nobody waits. Yields the row the newest image goes up to.
pub(crate) async fn refresh(journal: &Journal, path: &Path, image_upto: u64) -> u64 {
    let head = *journal.subscribe().borrow();
    if head < image_upto.saturating_add(ROWS_BETWEEN_IMAGES) {
        return image_upto;
    }
    let Ok(restored) = restore(journal, path).await else {
        return image_upto;
    };
    let upto = restored.upto;
    let Ok(put) = tokio::task::spawn_blocking(move || image(&restored.kernel, upto)).await else {
        return image_upto;
    };
    match journal.append_with(Vec::new(), vec![put]).await {
        Ok(_) => upto,
        Err(_) => image_upto,
    }
}
