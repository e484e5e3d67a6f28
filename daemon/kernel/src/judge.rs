//! The pure half: a policy generation, and what it says about one call.

mod flow;

use std::{collections::HashMap, sync::Arc};

use fak_chain::digest_bytes;
use fak_flow::Rules;
use fak_policy::{
    Policy, PolicySet, World,
    manifest::{RateLimit, cache::Cache},
};
use fak_types::{Digest, Posture, Principal, SourceClass, ToolCall, Verdict};

use crate::terms::{APPROVAL_MS, Terms};

/// One policy generation: every profile, compiled and digested. It never changes; a new policy is a new snapshot.
#[derive(Debug)]
pub struct Snapshot {
    generation: u64,
    digest: Digest,
    set: Arc<PolicySet>,
    profiles: Vec<Profile>,
    /// From a policy's address in `set` to its place in `profiles`.
    places: HashMap<usize, usize>,
}

/// One profile of a snapshot.
#[derive(Debug)]
pub struct Profile {
    /// The name rows, quotas and reports use; no other profile of the snapshot has it.
    pub name: Arc<str>,
    /// SHA-256 of the policy's canonical text.
    pub digest: Digest,
    /// What the profile does with a refusal.
    pub posture: Posture,
    /// The profile's quotas, as its manifest states them.
    pub rate_limits: Vec<RateLimit>,
    /// The profile's rules of information flow; without any for a profile that says nothing about it.
    pub flow: Arc<Rules>,
    /// What a session may spend, what a turn costs, how long an approval is waited for.
    pub terms: Terms,
    /// The policy itself.
    pub policy: Arc<Policy>,
}

/// What a policy generation says about one call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Judgement {
    /// The policy's verdict, or that of the rung that shed the call before.
    pub verdict: Verdict,
    /// The profile that judged.
    pub profile: Arc<str>,
    /// The profile's digest.
    pub policy: Digest,
    /// The policy generation that judged.
    pub generation: u64,
    /// The profile's posture.
    pub posture: Posture,
    /// SHA-256 of the raw argument bytes.
    pub args_digest: Digest,
    /// What the session's information flow says of the call: the rung `flow`; `None` where nothing is known.
    pub flow: Option<Verdict>,
    /// 128 random bits, the id of an approval should the call need one; 0: it is told to wait, and nobody can approve.
    pub nonce: u128,
    /// How long an approval may be waited for, in milliseconds.
    pub approval_ms: u64,
}

impl Snapshot {
    /// Digests a set of policies as generation `generation`.
    #[must_use]
    pub fn new(generation: u64, set: impl Into<Arc<PolicySet>>) -> Self {
        let set = set.into();
        let mut profiles: Vec<Profile> = Vec::new();
        let mut places = HashMap::new();
        for policy in set.policies() {
            let mut name = policy.name().to_owned();
            // The built-in floor stands beside whatever an operator called like it.
            while profiles.iter().any(|profile| *profile.name == name) {
                name.push_str("+floor");
            }
            places.insert(Arc::as_ptr(policy).addr(), profiles.len());
            profiles.push(Profile {
                name: name.into(),
                digest: digest_bytes(policy.digest_text().as_bytes()),
                posture: policy.posture(),
                rate_limits: policy.rate_limits().to_vec(),
                flow: flow::rules(policy),
                terms: Terms::of(policy),
                policy: Arc::clone(policy),
            });
        }
        let digest = digest_bytes(set.digest_text().as_bytes());
        Self {
            generation,
            digest,
            set,
            profiles,
            places,
        }
    }

    /// The generation's number.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// SHA-256 of the whole set's canonical text.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Every profile, in the order given, the built-in floor last when it judges everyone else.
    #[must_use]
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The profile that judges a principal; `None` never happens for a snapshot made by [`Snapshot::new`].
    #[must_use]
    pub fn profile_of(&self, who: &Principal) -> Option<&Profile> {
        let policy = self.set.for_principal(who);
        self.profiles
            .get(*self.places.get(&Arc::as_ptr(policy).addr())?)
    }

    /// How far the results of a tool may be trusted, for this principal.
    #[must_use]
    pub fn source(&self, who: &Principal, tool: &str) -> SourceClass {
        self.set.for_principal(who).source(tool)
    }

    /// The rules of information flow for this principal; `None` when its profile says nothing about it, so that no call
    /// needs a ledger.
    #[must_use]
    pub fn flow(&self, who: &Principal) -> Option<&Arc<Rules>> {
        let profile = self.profile_of(who)?;
        profile.policy.flow().map(|_| &profile.flow)
    }

    /// Which answers of tools may be kept for this principal; `None`: none are.
    #[must_use]
    pub fn cache(&self, who: &Principal) -> Option<&Cache> {
        self.set.for_principal(who).cache()
    }

    /// Judges a call. Pure but for what `world` looks up: takes no lock and may run on any thread.
    pub fn judge(&self, who: &Principal, call: &ToolCall<'_>, world: &dyn World) -> Judgement {
        let verdict = self.set.for_principal(who).adjudicate(call, world);
        self.with_verdict(who, call, verdict)
    }

    /// The judgement of a call that [`crate::Kernel::precheck`] shed before the policy was asked.
    pub fn shed(&self, who: &Principal, call: &ToolCall<'_>, verdict: Verdict) -> Judgement {
        self.with_verdict(who, call, verdict)
    }

    /// Judges a call and keeps every rung's opinion, for [`crate::Kernel::explain`].
    pub fn explain(
        &self,
        who: &Principal,
        call: &ToolCall<'_>,
        world: &dyn World,
    ) -> (Judgement, Vec<(String, Verdict)>) {
        (
            self.judge(who, call, world),
            self.set.for_principal(who).explain(call, world),
        )
    }

    /// The digest of the arguments is made here, outside the kernel's lock: arguments may be megabytes.
    fn with_verdict(&self, who: &Principal, call: &ToolCall<'_>, verdict: Verdict) -> Judgement {
        let profile = self.profile_of(who);
        Judgement {
            verdict,
            profile: profile.map_or_else(|| "".into(), |profile| Arc::clone(&profile.name)),
            policy: profile.map_or(Digest::ZERO, |profile| profile.digest),
            generation: self.generation,
            posture: profile.map_or(Posture::FailClosed, |profile| profile.posture),
            args_digest: digest_bytes(call.args.as_bytes()),
            flow: None,
            nonce: 0,
            approval_ms: profile.map_or(APPROVAL_MS, |profile| profile.terms.approval_ms),
        }
    }
}
