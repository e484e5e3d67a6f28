//! What a command reads, writes, removes, contacts and executes.
//!
//! Most programs follow one of the shapes in `programs::Operands`; those that do not have a function
//! in `effects::special`. The tables say what a program does with a word, not whether it may.

mod git;
mod network;
mod special;

use crate::{
    command::{Command, Effect, EffectKind, Word},
    options::{FlagName, Options},
    programs::{self, Operands, interpreters::invocation},
};

impl Command {
    /// What the command does to files and network places, as far as its own words and redirects tell.
    /// What programs inside it do (behind `sudo`, in `sh -c`) is told by their own commands.
    ///
    /// An identity file (`ssh -i`) is used, not read, and gives no effect.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let mut effects = Effects {
            command: self,
            found: Vec::new(),
        };
        effects.redirects();
        if !self.program.is_empty() {
            effects.program();
        }
        effects.found
    }
}

/// Effects being collected.
pub(crate) struct Effects<'c> {
    pub(crate) command: &'c Command,
    pub(crate) found: Vec<Effect>,
}

impl<'c> Effects<'c> {
    pub(crate) fn add(&mut self, kind: EffectKind, target: &Word) {
        self.found.push(Effect {
            kind,
            target: target.clone(),
        });
    }

    /// An effect on a place that no word names: the working directory.
    pub(crate) fn add_here(&mut self, kind: EffectKind) {
        self.found.push(Effect {
            kind,
            target: Word::fixed(".", self.command.at),
        });
    }

    fn redirects(&mut self) {
        for redirect in &self.command.redirects {
            let path = &redirect.target;
            if let Some(place) = network_device(path) {
                if redirect.op.writes() || redirect.op.reads() {
                    self.found.push(Effect {
                        kind: EffectKind::Contact,
                        target: place,
                    });
                }
                continue;
            }
            if redirect.writes() {
                self.add(EffectKind::Write, path);
            }
            if redirect.op.reads() && !path.process {
                self.add(EffectKind::Read, path);
            }
        }
    }

    fn program(&mut self) {
        let command = self.command;
        if let Some(first) = command.argv.first()
            && first.text.contains('/')
            && !first.opaque
        {
            self.add(EffectKind::Execute, first);
        }
        if self.special() {
            return;
        }
        if let Some(call) = invocation(&command.program, &command.argv) {
            self.interpreter(&call);
            return;
        }
        let spec = programs::spec(&command.program);
        if spec.operands == Operands::Nothing && spec.option_effects.is_empty() {
            return;
        }
        let parts = command.options();
        self.option_values(&parts, spec);
        self.operands(&parts, spec.operands);
    }

    fn option_values(&mut self, parts: &Options<'_>, spec: &programs::Spec) {
        for flag in &parts.flags {
            let Some(value) = flag.value else { continue };
            let rule = spec
                .option_effects
                .iter()
                .find(|(name, _)| match flag.name {
                    // Only a complete name is taken for the option, lest `--out` of another meaning is.
                    FlagName::Long(_) => flag.is(name),
                    _ => flag.is_exactly(name),
                });
            if let Some((_, kind)) = rule {
                let word = value.to_word();
                if !matches!(word.text.as_str(), "-" | "") || word.opaque {
                    self.add(*kind, &word);
                }
            }
        }
    }

    /// What is done with the operands.
    pub(crate) fn operands(&mut self, parts: &Options<'_>, shape: Operands) {
        let operands: Vec<&Word> = parts
            .operands()
            .iter()
            .copied()
            .filter(|w| w.text != "-" && !w.process)
            .collect();
        match shape {
            Operands::Nothing => {}
            Operands::Each(kind) => {
                for word in &operands {
                    self.add(kind, word);
                }
            }
            Operands::Later(kind) => {
                // The pattern may have been given by an option, the mode by a reference.
                let given = parts.has_any(&[
                    "-e",
                    "--regexp",
                    "--reference",
                    "-f",
                    "--file",
                    "--from-file",
                ]);
                for word in operands.iter().skip(usize::from(!given)) {
                    self.add(kind, word);
                }
            }
            Operands::First(kind) => {
                if let Some(word) = operands.first() {
                    self.add(kind, word);
                }
            }
            Operands::FirstWritten => {
                for (index, word) in operands.iter().enumerate() {
                    let kind = if index == 0 {
                        EffectKind::Write
                    } else {
                        EffectKind::Read
                    };
                    self.add(kind, word);
                }
            }
            Operands::InOut => {
                if let Some(word) = operands.first() {
                    self.add(EffectKind::Read, word);
                }
                if let Some(word) = operands.get(1) {
                    self.add(EffectKind::Write, word);
                }
            }
            Operands::LastWritten | Operands::LastMoved => {
                self.last_written(parts, &operands, shape)
            }
        }
    }

    fn last_written(&mut self, parts: &Options<'_>, operands: &[&Word], shape: Operands) {
        let source = if shape == Operands::LastMoved {
            EffectKind::Delete
        } else {
            EffectKind::Read
        };
        let named = parts.has("-t") || parts.has("--target-directory") || parts.has("-destination");
        let only_directories = parts.has("-d") && self.command.program == "install";
        let sources = if named || only_directories {
            operands.len()
        } else {
            operands.len().saturating_sub(1)
        };
        for word in operands.iter().take(sources) {
            self.add(
                if only_directories {
                    EffectKind::Write
                } else {
                    source
                },
                word,
            );
            if named && source == EffectKind::Delete {
                self.add(EffectKind::Read, word);
            }
        }
        for word in operands.iter().skip(sources) {
            if operands.len() == 1 && self.command.program == "ln" {
                // `ln -s TARGET` makes the link here.
                self.add(EffectKind::Read, word);
                self.add_here(EffectKind::Write);
            } else {
                self.add(EffectKind::Write, word);
            }
        }
    }
}

/// `/dev/tcp/host/port` as `host:port`.
fn network_device(path: &Word) -> Option<Word> {
    let rest = path
        .text
        .strip_prefix("/dev/tcp/")
        .or_else(|| path.text.strip_prefix("/dev/udp/"))?;
    let mut place = path.clone();
    place.text = rest.replacen('/', ":", 1);
    place.static_bytes = path
        .static_bytes
        .saturating_sub("/dev/tcp/".len())
        .min(place.text.len());
    Some(place)
}
