//! The flags of `changes`.

use clap::Args;

/// Which changes.
#[derive(Args, Debug)]
pub(crate) struct ChangesFlags {
    /// The last cursor seen; 0: all that is remembered
    #[arg(long, value_name = "CURSOR", default_value_t = 0)]
    pub(crate) since: u64,
    /// At most this many at once; 0: 1000
    #[arg(short = 'n', long, default_value_t = 0, hide_default_value = true)]
    pub(crate) limit: u32,
    /// Keep on printing changes as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
}
