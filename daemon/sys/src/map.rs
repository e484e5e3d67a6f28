//! Files as memory.

use std::{fs::File, io, ops::Deref};

/// A file's bytes, read as they are used.
///
/// Whoever can write the file can change the bytes while they are looked at, and one who cuts it short ends the process
/// with SIGBUS. So only a process that may be ended maps a file, and nothing that was checked once is believed twice.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps a whole file for reading.
    ///
    /// # Errors
    /// As of `mmap(2)`.
    pub fn of(file: &File) -> io::Result<Self> {
        // SAFETY: the map is private and read only, and its bytes are read as plain numbers that mean nothing by
        // themselves. Another process that writes the file meanwhile is what the type's words warn of.
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(file) };
        map.map(Self)
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
