//! Images of a disk as a power cut leaves it.
//!
//! A process that dies takes nothing with it that it had handed to the kernel; a machine that loses power takes
//! whatever had not reached the disk, in any order and by halves. So the test records what SQLite hands to the
//! kernel ([`tape`], filled by [`shim`]), cuts the record at any place, and builds what a disk may hold then
//! ([`image`]): everything up to the last sync of each file, and of the rest any sectors at all. Every such image is
//! opened with SQLite's own file layer and examined ([`examine`]).
//!
//! The journal under test is the real one with its real settings; only the default file layer of the process is
//! another. What this cannot show is what a disk does that reports a sync and has not done it; the tests let the
//! recorder play such a disk to show that then rows are lost.

#![deny(unsafe_code)]

pub mod examine;
pub mod image;
pub mod load;
mod shim;
pub mod tally;
pub mod tape;

pub use shim::install;
