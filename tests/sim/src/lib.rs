//! The real kernel, policy and chain under a simulated world.
//!
//! One seed decides everything: who asks what, in which order calls are shed, judged, settled and made durable, when the
//! clock jumps, when the disk fails, when the daemon is killed and when the policy changes. After every step the
//! `invariant_*` functions look at the whole world. The same seed gives the same history, so a failure is a seed.
//!
//! What stands between the kernel and the world here is what `fakd` does: a row is durable before its verdict leaves, a
//! verdict whose row failed is taken back, a start restores an image and replays the rows after it.

#![forbid(unsafe_code)]

pub mod callers;
pub mod disk;
pub mod invariants;
pub mod random;
pub mod world;

pub use world::{Faults, World};

/// Runs one history.
///
/// # Errors
/// What did not hold, and at which step.
pub fn run(seed: u64, steps: usize) -> Result<World, String> {
    let mut world = World::new(seed);
    for step in 0..steps {
        world.step();
        invariants::all(&world).map_err(|what| format!("step {step}: {what}"))?;
    }
    world.settle_everything();
    invariants::all(&world).map_err(|what| format!("at the end: {what}"))?;
    invariants::whole_history(&world).map_err(|what| format!("at the end: {what}"))?;
    Ok(world)
}
