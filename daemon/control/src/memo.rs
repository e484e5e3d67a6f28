//! One look at the world per call: what was seen once is not looked at again.
//!
//! Several rules of a policy ask where the same path leads. Within one call the first answer holds for
//! all of them: it costs the file system one look, and the rules cannot see two different worlds.

use std::sync::Mutex;

use fak_policy::World;

use crate::account::lock;

/// Answers kept for one call. LIMIT: a command that names more paths asks anew for the rest.
const ANSWERS_MAX: usize = 64;

/// A world as one call sees it.
pub(crate) struct Memo<'a> {
    world: &'a dyn World,
    seen: Mutex<Vec<(String, Option<String>)>>,
}

impl<'a> Memo<'a> {
    pub(crate) fn new(world: &'a dyn World) -> Self {
        Self {
            world,
            seen: Mutex::default(),
        }
    }
}

impl World for Memo<'_> {
    fn real_path(&self, path: &str) -> Option<String> {
        let known = lock(&self.seen)
            .iter()
            .find(|(seen, _)| seen == path)
            .map(|(_, real)| real.clone());
        if let Some(real) = known {
            return real;
        }
        let real = self.world.real_path(path);
        let mut seen = lock(&self.seen);
        if seen.len() < ANSWERS_MAX {
            seen.push((path.to_owned(), real.clone()));
        }
        real
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counting(AtomicUsize);

    impl World for Counting {
        fn real_path(&self, path: &str) -> Option<String> {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            (path != "/hidden").then(|| format!("{path}:{count}"))
        }
    }

    #[test]
    fn a_path_is_looked_at_once_whatever_the_answer() {
        let world = Counting(AtomicUsize::new(0));
        let memo = Memo::new(&world);
        for _ in 0..3 {
            assert_eq!(memo.real_path("/a").as_deref(), Some("/a:0"));
            assert_eq!(memo.real_path("/hidden"), None);
        }
        assert_eq!(world.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn beyond_the_bound_the_world_is_asked_again() {
        let world = Counting(AtomicUsize::new(0));
        let memo = Memo::new(&world);
        for path in 0..2 * ANSWERS_MAX {
            memo.real_path(&format!("/{path}"));
        }
        assert_eq!(lock(&memo.seen).len(), ANSWERS_MAX);
        assert_eq!(memo.real_path("/0").as_deref(), Some("/0:0"));
    }
}
