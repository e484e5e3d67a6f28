//! The one question the pure judge cannot answer by itself.

/// What only the machine knows.
///
/// The judge asks through this trait and does no I/O of its own; `fakd` answers from the file
/// system, tests answer from a table.
pub trait World: Sync {
    /// The real path behind an absolute `path`: the links of its longest existing prefix followed, the
    /// rest appended unchanged. `None` when the place cannot be seen.
    fn real_path(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }
}

/// A world nobody can see: every path is judged by its text alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWorld;

impl World for NoWorld {}
