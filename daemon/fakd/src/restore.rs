//! The kernel's state and the tally, from the journal and back: a cached image and the rows after it.
//!
//! The image is a cache of the fold over the rows: losing it costs time and nothing else. Its first
//! eight bytes say up to which row it goes.

use std::path::Path;

use fak_journal::{Journal, ReadError, Reader, StatePut};
use fak_kernel::{Kernel, Limits, Tally};
use fak_telemetry::{Event, Notice};

use crate::ledger::Counted;

/// The name of the image beside the journal's rows.
const KEY: &str = "kernel";

/// Rows after which a new image is worth its price.
pub(crate) const ROWS_BETWEEN_IMAGES: u64 = 100_000;

/// A kernel and a tally, and the last row they have seen.
pub(crate) struct Restored {
    pub(crate) kernel: Kernel,
    pub(crate) counted: Counted,
    /// The last row the image had seen.
    pub(crate) image_upto: u64,
}

/// Restores the kernel and the tally: from the image when there is a sound one, else from the first row on.
pub(crate) async fn restore(journal: &Journal, path: &Path) -> Result<Restored, ReadError> {
    let image = journal
        .state(KEY)
        .await
        .ok()
        .flatten()
        .map(|state| state.value);
    let found = image.as_deref().map(decode);
    if let Some(None) = found {
        Notice::of(Event::Internal)
            .say("the kernel's image is not one of this build; its state is read from all rows");
    }
    let (kernel, counted) = found
        .flatten()
        .unwrap_or_else(|| (Kernel::new(Limits::default()), Counted::default()));
    let image_upto = counted.upto;
    let path = path.to_owned();
    let replayed = tokio::task::spawn_blocking(move || {
        Reader::open(&path)?.fold(
            image_upto + 1,
            (kernel, counted),
            |(mut kernel, mut counted), record| {
                kernel.replay(&record);
                counted.tally.count(&record);
                counted.upto = record.seq;
                (kernel, counted)
            },
        )
    });
    let (kernel, counted) = replayed
        .await
        .map_err(|error| ReadError::Output(error.to_string()))??;
    Ok(Restored {
        kernel,
        counted,
        image_upto,
    })
}

/// The last row, the length of the kernel's image, that image, the tally's.
fn decode(bytes: &[u8]) -> Option<(Kernel, Counted)> {
    let (upto, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (kernel, tally) = rest.split_at_checked(length)?;
    let counted = Counted {
        tally: Tally::restore(tally).ok()?,
        upto: u64::from_be_bytes(*upto),
    };
    Some((Kernel::restore(Limits::default(), kernel).ok()?, counted))
}

/// The image of a kernel and a tally that have seen every row up to the same one.
pub(crate) fn image(kernel: &Kernel, counted: &Counted) -> StatePut {
    let kernel = kernel.snapshot();
    let length = u64::try_from(kernel.len()).unwrap_or(u64::MAX);
    let mut value = counted.upto.to_be_bytes().to_vec();
    value.extend_from_slice(&length.to_be_bytes());
    value.extend_from_slice(&kernel);
    value.extend_from_slice(&counted.tally.snapshot());
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
    let upto = restored.counted.upto;
    let making = tokio::task::spawn_blocking(move || image(&restored.kernel, &restored.counted));
    let Ok(put) = making.await else {
        return image_upto;
    };
    match journal.append_with(Vec::new(), vec![put]).await {
        Ok(_) => upto,
        Err(_) => image_upto,
    }
}
