//! What a command reads, writes, removes, contacts and executes.

use crate::command::{Command, Effect, EffectKind};

impl Command {
    /// What the command does to files and network places, as far as its own words and redirects tell.
    /// What programs inside it do (behind `sudo`, in `sh -c`) is told by their own commands.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for redirect in &self.redirects {
            if redirect.writes() {
                effects.push(Effect {
                    kind: EffectKind::Write,
                    target: redirect.target.clone(),
                });
            }
            if redirect.op.reads() {
                effects.push(Effect {
                    kind: EffectKind::Read,
                    target: redirect.target.clone(),
                });
            }
        }
        effects
    }
}
