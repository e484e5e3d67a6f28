//! The daemon's own doings: building a new policy, and telling what is in force.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use fak_config::Config;
use fak_control::{About, Acl, Change, Grant, Manifest, Office, Prepared, ProfileInfo};
use fak_kernel::Snapshot;
use fak_policy::{Diagnostic, Format};
use fak_telemetry::{Event, Notice};

use crate::{
    args::{Args, Plan},
    profiles::{self, Built, Source},
};

/// What is in force beside the snapshot.
#[derive(Debug)]
struct InForce {
    config: Config,
    acl: Arc<Acl>,
    infos: Vec<ProfileInfo>,
    sources: Vec<Source>,
}

/// Builds changes from the files the program was started with.
pub(crate) struct FileOffice {
    about: About,
    args: Args,
    in_force: Arc<ArcSwap<InForce>>,
}

/// The first policy, before there is an office.
pub(crate) struct First {
    pub(crate) built: Built,
    pub(crate) sources: Vec<Source>,
}

impl First {
    /// Reads and builds the policy of a plan.
    pub(crate) fn of(plan: &Plan) -> Result<Self, Vec<Diagnostic>> {
        let sources = profiles::read(&plan.config.policy_dir, plan.policy_required)?;
        let built = profiles::build(&sources)?;
        Ok(Self { built, sources })
    }
}

impl FileOffice {
    /// The office of a program whose first policy is `infos`, made of `sources`.
    pub(crate) fn new(
        args: Args,
        plan: &Plan,
        about: About,
        infos: Vec<ProfileInfo>,
        sources: Vec<Source>,
    ) -> Self {
        let config = plan.config.clone();
        let acl = Arc::new(acl_of(&config));
        let in_force = InForce {
            config,
            acl,
            infos,
            sources,
        };
        Self {
            about,
            args,
            in_force: Arc::new(ArcSwap::from_pointee(in_force)),
        }
    }

    /// How often new rows are to be signed; `None`: only when asked.
    pub(crate) fn checkpoint_every(&self) -> Option<Duration> {
        let minutes = self.in_force.load().config.evidence.checkpoint_minutes;
        let seconds = u64::try_from(minutes).ok()?.checked_mul(60)?;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    fn reload(&self, generation: u64) -> Result<Prepared, Vec<Diagnostic>> {
        let plan = self
            .args
            .plan()
            .map_err(|failure| vec![Diagnostic::error("", failure.to_string(), "")])?;
        let First { built, sources } = First::of(&plan)?;
        let before = self.in_force.load();
        for key in before.config.needs_restart(&plan.config) {
            Notice::of(Event::RestartNeeded)
                .say(&format!("`{key}` changes at the next start only"));
        }
        let acl = Arc::new(acl_of(&plan.config));
        Ok(self.prepared(generation, built, |infos| InForce {
            config: plan.config,
            acl,
            infos,
            sources,
        }))
    }

    fn load(&self, manifest: &Manifest, generation: u64) -> Result<Prepared, Vec<Diagnostic>> {
        let Manifest { text, name, format } = manifest;
        let format = match format.as_str() {
            "json" => Format::Json,
            "yaml" => Format::Yaml,
            _ => Format::guess(name, text),
        };
        let name = if name.is_empty() { "loaded" } else { name }.to_owned();
        let source = Source {
            name,
            text: text.clone(),
            format,
            origin: "loaded".to_owned(),
        };
        let (loaded, _) = fak_policy::load(&source.name, text, format)?;
        let profile = profiles::profile_name(&source, loaded.name.as_deref());
        let before = self.in_force.load_full();
        // In place of the profile of the same name, else of the default when it is one itself.
        let replaces = |info: &ProfileInfo| {
            info.name == profile || (loaded.bind.is_none() && info.bind.is_empty())
        };
        let mut sources: Vec<Source> = before
            .sources
            .iter()
            .zip(&before.infos)
            .filter(|(_, info)| !replaces(info))
            .map(|(source, _)| source.clone())
            .collect();
        sources.push(source);
        let built = profiles::build(&sources)?;
        let (config, acl) = (before.config.clone(), Arc::clone(&before.acl));
        Ok(self.prepared(generation, built, |infos| InForce {
            config,
            acl,
            infos,
            sources,
        }))
    }

    fn prepared(
        &self,
        generation: u64,
        built: Built,
        make: impl FnOnce(Vec<ProfileInfo>) -> InForce,
    ) -> Prepared {
        let snapshot = Arc::new(Snapshot::new(generation, built.set));
        let (in_force, next) = (Arc::clone(&self.in_force), Arc::new(make(built.infos)));
        Prepared {
            digest: snapshot.digest().to_string(),
            snapshot,
            warnings: built.warnings,
            commit: Box::new(move || in_force.store(next)),
        }
    }
}

impl Office for FileOffice {
    fn about(&self) -> &About {
        &self.about
    }

    fn acl(&self) -> Arc<Acl> {
        Arc::clone(&self.in_force.load().acl)
    }

    fn profiles(&self) -> Vec<ProfileInfo> {
        self.in_force.load().infos.clone()
    }

    fn prepare(&self, change: &Change, generation: u64) -> Result<Prepared, Vec<Diagnostic>> {
        match change {
            Change::Reload => self.reload(generation),
            Change::Load(manifest) => self.load(manifest, generation),
        }
    }
}

fn acl_of(config: &Config) -> Acl {
    let grant = |grant: &fak_config::Grant| Grant {
        uids: grant.uids.clone(),
        gids: grant.gids.clone(),
    };
    Acl {
        own_uid: fak_sys::effective_uid(),
        observe: grant(&config.acl.observe),
        submit: grant(&config.acl.submit),
        audit: grant(&config.acl.audit),
        admin: grant(&config.acl.admin),
    }
}
