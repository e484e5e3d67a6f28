//! Answers that are kept and given again while they are true.
//!
//! The cache is asked only about a call that was judged and admitted, and what it has is screened by the rules in force
//! and made evidence like any result. What a call changes is stale before the call may run.

mod store;

use fak_args::{Args, Kind as JsonKind, Selector};
use fak_cache::{Answer, Call, Effect, Entry, EventKind, Key, Place, Read, Resources, Ticket};
use fak_chain::digest_bytes;
use fak_kernel::{Decision, Judgement, ResultFacts, Snapshot, Timestamp, revoke_row};
use fak_proto::v1;
use fak_screen::{Outcome as Screened, Trust};
use fak_telemetry::{Event, Notice};
use fak_types::{Digest, Outcome, Principal, Reason, SourceClass, Taint, Verdict, VerdictKind};
use tonic::Status;

pub(crate) use self::store::Coherence;
use self::store::count;
use crate::{
    admit::{BY_SCREEN, BY_VAULT, check_reason, note},
    desk::{Desk, now, unhurried},
    flow::{ARGS, Reading},
    gate::Caller,
    port::{Evidence, KeptAbout, KeptKind, Office, Unkept},
    question::{Question, WITNESS_BYTES_MAX, witness_is_sound},
};

/// Most events of one answer, and as many when nothing is asked. LIMIT: the answer says where to go on.
const CHANGES_MAX: u32 = 1000;

/// How long an answer is believed whose profile sets no time, in microseconds: for as long as nothing changes it.
const FOREVER_US: u64 = u64::MAX / 2;

/// What the cache is to do about a call that was admitted.
#[derive(Debug)]
pub(crate) enum Concern {
    /// Nothing.
    None,
    /// To look for its answer, and to await it.
    Reads(Box<Wanted>),
    /// It was told that the call changes something.
    Changes(Ticket),
}

/// A call whose answer may be kept.
#[derive(Debug)]
pub(crate) struct Wanted {
    key: Key,
    profile: Digest,
    namespace: String,
    resources: Resources,
    ttl_us: u64,
}

/// A result, as far as the cache is concerned.
pub(crate) struct Came<'a> {
    pub(crate) tool: &'a str,
    pub(crate) trace: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) call_row: u64,
    pub(crate) outcome: Outcome,
    /// The arguments of the call, when they were sent.
    pub(crate) args: Option<&'a str>,
    pub(crate) bytes: &'a [u8],
    pub(crate) digest: Digest,
}

impl Came<'_> {
    fn call(&self) -> Call {
        Call {
            row: self.call_row,
            trace: self.trace.to_owned(),
            id: self.call_id.to_owned(),
        }
    }
}

impl<E: Evidence, O: Office> Desk<E, O> {
    /// Settles a call, and tells the cache of one that is let run: what it changes is stale, durably, before its row is
    /// written. When that fails the call is refused.
    pub(crate) fn settle_coherently(
        &self,
        (who, question): (&Principal, &Question),
        snapshot: &Snapshot,
        now: Timestamp,
        judgement: Judgement,
    ) -> (Decision, Concern) {
        if snapshot.cache(who).is_none() && !self.coherence.any() {
            let decision = self.settle_flow((who, question), snapshot, now, judgement);
            return (decision, Concern::None);
        }
        let again = judgement.clone();
        let decision = self.settle_flow((who, question), snapshot, now, judgement);
        match self.concern(who, question, snapshot, &decision.verdict) {
            Ok(concern) => (decision, concern),
            Err(why) => {
                let verdict = Verdict::deny(Reason::DefaultDeny, BY_VAULT, &why.to_string());
                let decision = self.with_kernel(|kernel| {
                    kernel.retract(&decision.draft);
                    kernel.settle(now, who, &question.call(), Judgement { verdict, ..again })
                });
                (decision, Concern::None)
            }
        }
    }

    fn concern(
        &self,
        who: &Principal,
        question: &Question,
        snapshot: &Snapshot,
        verdict: &Verdict,
    ) -> Result<Concern, Unkept> {
        if !verdict.kind.admits() {
            return Ok(Concern::None);
        }
        let said = snapshot.cache(who);
        if let Some(read) = said.and_then(|said| said.read(&question.tool)) {
            // What runs otherwise than it was asked, or only because nothing is enforced, is not looked for.
            if verdict.kind != VerdictKind::Allow || verdict.would_deny.is_some() {
                return Ok(Concern::None);
            }
            let resources = resources(&read.resources, &question.args, question.place());
            let profile = snapshot.profile_of(who).map(|profile| profile.digest);
            let ttl_us = read
                .ttl_s
                .map_or(FOREVER_US, |s| s.saturating_mul(1_000_000));
            let mut wanted = Wanted {
                key: Key::NONE,
                profile: profile.unwrap_or(Digest::ZERO),
                namespace: read.namespace.clone(),
                resources,
                ttl_us: ttl_us.min(FOREVER_US),
            };
            let name = who.name();
            return Ok(match Key::of(&wanted.read(&name, question)) {
                Ok(key) => {
                    wanted.key = key;
                    Concern::Reads(Box::new(wanted))
                }
                Err(_) => Concern::None,
            });
        }
        let args = (verdict.kind == VerdictKind::Allow).then_some(&*question.args);
        let place = question.place();
        let effect = effect(snapshot, who, &question.tool, args, place);
        let name = who.name();
        if effect == Effect::Unknown && !self.coherence.with(|cache| cache.concerns(&name)) {
            return Ok(Concern::None);
        }
        let call = question.named(0);
        let told = self.change_cache(|cache| {
            cache.write_begins(&name, &question.tool, &effect, &call, now().0)
        })?;
        Ok(Concern::Changes(told))
    }

    /// Changes the cache and lets go of the bytes that nobody needs any more.
    fn change_cache<T>(
        &self,
        work: impl FnOnce(&mut fak_cache::Cache) -> (T, Option<fak_cache::Step>),
    ) -> Result<T, Unkept> {
        unhurried(|| {
            let (said, gone) = self.coherence.change(&*self.means.memory, work)?;
            for gone in gone {
                // Bytes that stay are displaced when the vault needs room.
                if let Err(why) = self.means.keep.let_go(&gone.seal, &gone.who) {
                    Notice::of(Event::Internal).say(&format!("a kept answer stays: {why}"));
                }
            }
            Ok(said)
        })
    }

    /// What the cache does about a call once its row is written: the answer, or waiting for it.
    pub(crate) async fn follow(
        &self,
        who: &Principal,
        question: &Question,
        concern: Concern,
        row: u64,
    ) -> Option<v1::Cached> {
        let name = who.name();
        match concern {
            Concern::None => None,
            Concern::Changes(ticket) => {
                self.coherence.with(|cache| cache.name(&name, ticket, row));
                None
            }
            Concern::Reads(wanted) => {
                self.coherence.expect_some();
                count(&self.coherence.counts.lookups, 1);
                let look = || {
                    self.coherence
                        .with(|cache| cache.look(&wanted.key, now().0).cloned())
                };
                if let Some(entry) = look()
                    && let Some(cached) = self.replay(who, question, &entry).await
                    // What became stale meanwhile is not given.
                    && look().as_ref() == Some(&entry)
                {
                    count(&self.coherence.counts.hits, 1);
                    return Some(cached);
                }
                let call = question.named(row);
                self.coherence.with(|cache| {
                    let read = wanted.read(&name, question);
                    cache.read_begins(wanted.key, &read, &call, now().0)
                });
                None
            }
        }
    }

    /// A call does not run after all.
    pub(crate) fn unfollow(&self, who: &Principal, concern: &Concern) {
        if let Concern::Changes(ticket) = concern {
            self.coherence
                .with(|cache| cache.cancel(&who.name(), *ticket));
        }
    }

    /// Screens a kept answer by the rules in force and makes its being read evidence. What does not pass is let go.
    async fn replay(
        &self,
        who: &Principal,
        question: &Question,
        entry: &Entry,
    ) -> Option<v1::Cached> {
        let kept = unhurried(|| self.means.keep.take_out(&entry.seal));
        let bytes = kept.ok().flatten().map(|kept| kept.bytes);
        let bytes = bytes.filter(|bytes| digest_bytes(bytes) == entry.digest());
        let snapshot = self.snapshot();
        let source = snapshot.source(who, &entry.tool);
        let trust = match source {
            SourceClass::Tainted => Trust::Untrusted,
            SourceClass::TrustedLocal | SourceClass::Pure => Trust::Local,
        };
        let screened = match bytes {
            Some(bytes) => {
                let turn = self.turn(who, &question.trace, bytes.len()).await;
                let admission = self.screen_bytes(&entry.tool, &bytes, trust);
                drop(turn);
                matches!(admission.verdict, Screened::Allow).then_some((bytes, admission))
            }
            None => None,
        };
        let Some((bytes, admission)) = screened else {
            // In memory it is gone even when the log cannot be written.
            let _ = self.change_cache(|cache| ((), cache.forget_seal(&entry.seal)));
            return None;
        };
        let is_trusted = entry.is_trusted && source != SourceClass::Tainted;
        let taint = if is_trusted {
            Taint::Trusted
        } else {
            Taint::Tainted
        };
        let verdict = Verdict::allow(BY_SCREEN);
        let facts = ResultFacts {
            tool: &entry.tool,
            trace: &question.trace,
            call: &question.call_id,
            verdict: &verdict,
            digest: entry.digest(),
            bytes: entry.len,
            taint,
            seal: "",
            note: &format!("replayed from row {}; {}", entry.row, note(&admission)),
        };
        self.prepare_reading(who, &snapshot, &question.trace);
        let seq = self.write_result(who, &snapshot, &facts).await.ok()?;
        let reading = Reading {
            trace: &question.trace,
            tool: &entry.tool,
            args: Some(&question.args),
            shown: &bytes,
            row: seq,
        };
        self.note_reading(who, &snapshot, &reading).ok()?;
        Some(v1::Cached {
            result: bytes,
            taint: taint.as_str().to_owned(),
            kept_seq: entry.row,
            seq,
        })
    }

    /// A call has ended: what it changes is stale once more, before anybody reads its result.
    ///
    /// # Errors
    /// The refusal that comes of it when that cannot be made durable.
    pub(crate) fn note_end(
        &self,
        who: &Principal,
        snapshot: &Snapshot,
        came: &Came<'_>,
    ) -> Result<(), Verdict> {
        let said = snapshot.cache(who);
        if said.is_none() && !self.coherence.any() {
            return Ok(());
        }
        if said.is_some_and(|said| said.read(came.tool).is_some()) {
            return Ok(());
        }
        let effect = effect(snapshot, who, came.tool, came.args, Place::default());
        let name = who.name();
        let ended = self.change_cache(|cache| {
            (
                (),
                cache.write_ends(&name, came.tool, &effect, &came.call(), now().0),
            )
        });
        ended.map_err(|why| Verdict::deny(Reason::DefaultDeny, BY_VAULT, &why.to_string()))
    }

    /// Keeps an answer that was shown as it came, if its call is one whose answer may be kept. That it is not kept is
    /// nobody's trouble.
    pub(crate) fn note_answer(&self, who: &Principal, came: &Came<'_>, taint: Taint, row: u64) {
        if !self.coherence.any() {
            return;
        }
        let (name, call) = (who.name(), came.call());
        let mut answer = Answer {
            tool: came.tool,
            body: came.bytes,
            digest: came.digest,
            seal: "",
            row,
            is_trusted: taint == Taint::Trusted,
        };
        let (outcome, now) = (came.outcome, now());
        let is_awaited = self
            .coherence
            .with(|cache| cache.is_awaited(&name, &call, &answer, outcome, now.0));
        if is_awaited.is_err() {
            return;
        }
        let about = KeptAbout {
            kind: KeptKind::Cached,
            trace: String::new(),
            who: name.clone(),
            tool: came.tool.to_owned(),
            reason: Reason::None,
            rules: self.means.screen.digest(),
        };
        let Ok(seal) = unhurried(|| self.means.keep.seal(came.bytes, &about, now)) else {
            return;
        };
        answer.seal = &seal;
        let kept = self.change_cache(|cache| {
            match cache.answered(&name, &call, &answer, outcome, now.0) {
                Ok(step) => (true, Some(step)),
                Err(_) => (false, None),
            }
        });
        if kept == Ok(true) {
            count(&self.coherence.counts.stores, 1);
        } else if !self.coherence.with(|cache| cache.needs(&name, &seal)) {
            // Another answer of the same bytes may be kept under this seal.
            let _ = unhurried(|| self.means.keep.let_go(&seal, &name));
        }
    }

    /// Bytes that may not be read are not read from the cache either.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub(crate) fn evict_bytes(&self, digest: &Digest) -> Result<(), Unkept> {
        if !self.coherence.any() {
            return Ok(());
        }
        self.change_cache(|cache| ((), cache.forget_bytes(digest)))
    }

    /// The same for bytes under a seal that are removed for good.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub(crate) fn evict_seal(&self, seal: &str) -> Result<(), Unkept> {
        self.change_cache(|cache| ((), cache.forget_seal(seal)))
    }

    pub(crate) async fn changes(
        &self,
        caller: &Caller,
        request: v1::ChangesRequest,
    ) -> Result<v1::ChangesResponse, Status> {
        let limit = match request.limit {
            0 => CHANGES_MAX,
            limit => limit.min(CHANGES_MAX),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let found = self
            .coherence
            .changes(&caller.peer.name, request.since, limit);
        Ok(v1::ChangesResponse {
            changes: found.events.into_iter().map(wire_change).collect(),
            cursor: found.cursor,
            gap: found.gap,
        })
    }

    /// Revokes a witness: the row that says so first, then what was kept under it goes.
    pub(crate) async fn revoke(
        &self,
        caller: &Caller,
        request: v1::RevokeRequest,
    ) -> Result<v1::RevokeResponse, Status> {
        let v1::RevokeRequest { witness, reason } = request;
        if witness.is_empty() || !witness_is_sound(&witness) {
            return Err(Status::invalid_argument(format!(
                "witness: is no witness; send 1 to {WITNESS_BYTES_MAX} bytes without control characters"
            )));
        }
        check_reason(&reason)?;
        let who = &caller.peer.principal;
        // From here on nothing is kept under it, so the row's count is that of the step.
        let evicted = self.coherence.with(|cache| {
            let step = cache.revoke(&witness);
            cache.evicted_by(&step)
        });
        let row = revoke_row(now(), who, &witness, evicted, &reason);
        let written = self.evidence.append(row).await;
        let seq = written.map_err(|unwritten| Status::unavailable(unwritten.why))?;
        let revoked = self.change_cache(|cache| {
            let step = cache.revoke(&witness);
            (cache.evicted_by(&step), Some(step))
        });
        let evicted = revoked.map_err(|why| {
            Status::unavailable(format!(
                "it is revoked until a restart, and not beyond: {why}; say it again"
            ))
        })?;
        count(&self.coherence.counts.revocations, 1);
        let (_, trust_epoch) = self.coherence.with(|cache| cache.clocks());
        Ok(v1::RevokeResponse {
            witness,
            evicted,
            trust_epoch,
            seq,
        })
    }
}

impl Wanted {
    fn read<'a>(&'a self, who: &'a str, question: &'a Question) -> Read<'a> {
        Read {
            who,
            profile: self.profile,
            tool: &question.tool,
            args: &question.args,
            place: question.place(),
            namespace: &self.namespace,
            resources: &self.resources,
            witness: &question.witness,
            ttl_us: self.ttl_us,
        }
    }
}

/// What a call of this tool changes; without arguments all of the tool's namespace.
fn effect(
    snapshot: &Snapshot,
    who: &Principal,
    tool: &str,
    args: Option<&str>,
    place: Place<'_>,
) -> Effect {
    let said = snapshot.cache(who).and_then(|said| said.write(tool));
    said.map_or(Effect::Unknown, |write| Effect::Of {
        namespace: write.namespace.clone(),
        resources: args.map_or(Resources::ALL, |args| {
            resources(&write.resources, args, place)
        }),
    })
}

/// What the selected arguments name; all of the namespace when they name nothing, or cannot be read.
fn resources(selectors: &[String], args: &str, place: Place<'_>) -> Resources {
    let Ok(args) = Args::parse(args, &ARGS) else {
        return Resources::ALL;
    };
    let mut names = Vec::new();
    for selector in selectors {
        let Ok(selector) = Selector::parse(selector) else {
            return Resources::ALL;
        };
        for value in args.select(&selector) {
            match value.kind() {
                JsonKind::String => names.push(value.as_str().unwrap_or_default().into_owned()),
                JsonKind::Number => names.push(value.raw().to_owned()),
                // A name that is no text may name anything.
                JsonKind::Null | JsonKind::Bool | JsonKind::Array | JsonKind::Object => {
                    return Resources::ALL;
                }
            }
        }
    }
    Resources::of(names.iter().map(String::as_str), place)
}

fn wire_change(event: fak_cache::Event) -> v1::Change {
    let mut change = v1::Change {
        cursor: event.cursor,
        evicted: event.evicted,
        world_version: event.world,
        trust_epoch: event.trust,
        ..v1::Change::default()
    };
    if let Some((namespace, resources)) = event.changed() {
        namespace.clone_into(&mut change.namespace);
        resources.clone_into(&mut change.resources);
    }
    match event.kind {
        EventKind::Mutation { tool, .. } => {
            "mutation".clone_into(&mut change.kind);
            change.tool = tool;
        }
        EventKind::Revocation { witness } => {
            "revocation".clone_into(&mut change.kind);
            change.witness = witness;
        }
    }
    change
}
