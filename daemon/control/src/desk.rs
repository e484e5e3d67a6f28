//! Where a question becomes an answer: judged, settled, made durable, only then told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use fak_chain::Draft;
use fak_kernel::{BY_EMERGENCY, Decision, Kernel, Snapshot, Timestamp, Viewer};
use fak_policy::Diagnostic;
use fak_proto::v1;
use fak_telemetry::{Event, Notice};
use fak_types::{Principal, Reason, Rights, Verdict, VerdictKind};
use tokio::sync::watch;

use crate::{
    account::{Accounts, Limits, lock},
    approvals,
    board::Board,
    coherence::{Coherence, Concern},
    conn::Peer,
    door::Door,
    emergency::Glass,
    flow::Ledgers,
    gate::Porter,
    memo::Memo,
    port::{Change, Changed, Evidence, Means, Office, Prepared, Unwritten},
    question::Question,
    queue::{FairQueue, Turn},
    status::Checked,
    wire,
};

/// Arguments from this size on are judged where they do not hold up other peers' answers.
const LARGE_ARGS_BYTES: usize = 64 << 10;

/// Pieces of long work done at a time. LIMIT: others wait their turn; what is short never does.
const LONG_TURNS_MAX: usize = 2;

/// Reported in `by` when the journal cannot be written.
pub const BY_JOURNAL: &str = "journal";

/// The policy in force, the kernel's state, and the ports: everything a handler needs.
///
/// INVARIANT: a verdict leaves [`Desk::answer`] only after its row is durable; when the row cannot be
/// written the answer is a refusal and the kernel takes its bookkeeping back.
pub struct Desk<E, O> {
    /// The journal.
    pub evidence: E,
    /// The daemon's own doings.
    pub office: O,
    pub(crate) accounts: Arc<Accounts>,
    limits: Limits,
    /// What results are judged by and kept in, and what a judge may look at.
    pub means: Means,
    snapshot: ArcSwap<Snapshot>,
    kernel: Mutex<Kernel>,
    pub(crate) checked: Mutex<Option<Checked>>,
    draining: watch::Sender<bool>,
    queue: FairQueue,
    pub(crate) ledgers: Ledgers,
    pub(crate) coherence: Coherence,
    pub(crate) board: Board,
    pub(crate) glass: Glass,
    /// Held while a change is made.
    pub(crate) changing: tokio::sync::Mutex<()>,
    judged: AtomicU64,
    started: Instant,
}

/// A settled call whose row is not durable yet.
struct Settled {
    question: Question,
    decision: Decision,
    concern: Concern,
}

/// The time as records keep it.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl<E: Evidence, O: Office> Desk<E, O> {
    /// A desk that judges by `snapshot`, which `kernel` must have installed already.
    pub fn new(
        limits: Limits,
        ports: (E, O),
        means: Means,
        kernel: Kernel,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        let (evidence, office) = ports;
        let ledgers = Ledgers::new(&*means.memory);
        let coherence = Coherence::new(&*means.memory, now().0);
        Self {
            evidence,
            office,
            accounts: Arc::new(Accounts::new(limits)),
            limits,
            snapshot: ArcSwap::new(snapshot),
            means,
            board: Board::default(),
            glass: Glass::of(&kernel, now()),
            kernel: Mutex::new(kernel),
            checked: Mutex::default(),
            draining: watch::Sender::new(false),
            queue: FairQueue::new(LONG_TURNS_MAX),
            ledgers,
            coherence,
            changing: tokio::sync::Mutex::default(),
            judged: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// The policy in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Works with the kernel's state. `work` must not block.
    pub fn with_kernel<T>(&self, work: impl FnOnce(&mut Kernel) -> T) -> T {
        work(&mut lock(&self.kernel))
    }

    /// Builds, checks and puts a change in force, or only checks it. On any problem the policy before
    /// stays in force and the refusal is journaled. Changes take turns.
    pub async fn change(&self, who: Option<&Principal>, change: &Change, dry_run: bool) -> Changed {
        let _turn = self.changing.lock().await;
        let generation = self.with_kernel(|kernel| kernel.generation()) + 1;
        let prepared = match unhurried(|| self.office.prepare(change, generation)) {
            Ok(prepared) => prepared,
            Err(problems) if dry_run => return self.unchanged(problems),
            Err(problems) => return self.refuse_change(who, problems),
        };
        let Prepared {
            snapshot,
            digest,
            warnings,
            commit,
        } = prepared;
        if dry_run {
            return Changed {
                ok: true,
                digest,
                ..self.unchanged(warnings)
            };
        }
        if let Err(unwritten) = self.install(snapshot).await {
            let problem = Diagnostic::error("", unwritten.why, "the policy before stays in force");
            return self.refuse_change(who, vec![problem]);
        }
        commit();
        Notice::of(Event::Reloaded)
            .generation(generation)
            .say(&format!(
                "policy generation {generation} is in force, {digest}"
            ));
        Changed {
            ok: true,
            generation,
            digest,
            diagnostics: warnings,
        }
    }

    fn unchanged(&self, diagnostics: Vec<Diagnostic>) -> Changed {
        let generation = self.snapshot().generation();
        Changed {
            ok: false,
            generation,
            digest: String::new(),
            diagnostics,
        }
    }

    fn refuse_change(&self, who: Option<&Principal>, problems: Vec<Diagnostic>) -> Changed {
        let first = problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        let why = first.lines().next().unwrap_or_default();
        let mut draft = fak_kernel::policy_refused(now(), who, why);
        draft.generation = self.snapshot().generation();
        draft.count = u64::try_from(problems.len()).unwrap_or(u64::MAX);
        self.evidence.offer(draft);
        for problem in &problems {
            Notice::of(Event::ReloadFailed).say(&problem.to_string().replace('\n', ";"));
        }
        self.unchanged(problems)
    }

    /// Puts a snapshot in force: its rows are durable before it judges the first call. On an error the
    /// snapshot before stays in force, with its quotas.
    async fn install(&self, snapshot: Arc<Snapshot>) -> Result<(), Unwritten> {
        let rows = self.with_kernel(|kernel| kernel.install(now(), &snapshot));
        match self.evidence.append_all(rows).await {
            Ok(_) => {
                self.snapshot.store(snapshot);
                Ok(())
            }
            Err(unwritten) => {
                let before = self.snapshot();
                // These rows state what the journal says already.
                self.with_kernel(|kernel| drop(kernel.install(now(), &before)));
                Err(unwritten)
            }
        }
    }

    /// Asks streams to end after the answers they owe.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Whether fakd is stopping.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// How many calls and streams are being answered.
    pub fn busy(&self) -> usize {
        self.accounts.busy()
    }

    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How many calls were judged since the start: a sign of life.
    pub fn judged(&self) -> u64 {
        self.judged.load(Ordering::Relaxed)
    }

    /// Answers one call.
    pub(crate) async fn answer(
        &self,
        who: &Principal,
        question: Question,
    ) -> v1::AdjudicateResponse {
        let turn = self.turn(who, &question.trace, question.args.len()).await;
        let Settled {
            question,
            decision:
                Decision {
                    verdict,
                    draft,
                    approval,
                },
            concern,
        } = self.settle(who, question);
        drop(turn);
        let generation = draft.generation;
        match self.evidence.append(draft.clone()).await {
            Ok(seq) => {
                let cached = self.follow(who, &question, concern, seq).await;
                self.announce(who, &question.trace, approval.as_deref());
                let answer = self.response(question, &verdict, seq, generation);
                with_more(answer, approval.as_deref(), cached)
            }
            Err(unwritten) => {
                self.unfollow(who, &concern);
                self.unwitnessed(question, &draft, &unwritten)
            }
        }
    }

    /// Answers calls in order, as if they had been asked one by one, with one wait for the journal.
    pub(crate) async fn answer_all(
        &self,
        who: &Principal,
        questions: Vec<Question>,
    ) -> Vec<v1::AdjudicateResponse> {
        let bytes = questions.iter().map(|question| question.args.len()).sum();
        let trace = questions.first().map_or("", |question| &question.trace);
        let turn = self.turn(who, trace, bytes).await;
        let settled: Vec<Settled> = questions
            .into_iter()
            .map(|question| self.settle(who, question))
            .collect();
        drop(turn);
        let drafts = settled
            .iter()
            .map(|settled| settled.decision.draft.clone())
            .collect();
        let written = self.evidence.append_all(drafts).await;
        let mut answers = Vec::with_capacity(settled.len());
        for (index, settled) in settled.into_iter().enumerate() {
            let Settled {
                question,
                decision,
                concern,
            } = settled;
            let generation = decision.draft.generation;
            answers.push(match &written {
                Ok(seqs) => {
                    let seq = seqs.get(index).copied().unwrap_or(0);
                    let cached = self.follow(who, &question, concern, seq).await;
                    self.announce(who, &question.trace, decision.approval.as_deref());
                    let answer = self.response(question, &decision.verdict, seq, generation);
                    with_more(answer, decision.approval.as_deref(), cached)
                }
                Err(unwritten) => {
                    self.unfollow(who, &concern);
                    self.unwitnessed(question, &decision.draft, unwritten)
                }
            });
        }
        answers
    }

    /// Says what every rung thinks of a call. Nothing is counted and nothing is journaled.
    pub(crate) fn explain(&self, who: &Principal, question: &Question) -> v1::ExplainResponse {
        let call = question.call();
        let snapshot = self.snapshot.load();
        let (mut judgement, rungs) = snapshot.explain(who, &call, &Memo::new(&*self.means.world));
        judgement.flow = self.flow_opinion(who, &snapshot, question);
        let explanation =
            self.with_kernel(|kernel| kernel.explain(now(), who, &call, &judgement, rungs));
        v1::ExplainResponse {
            verdict: Some(wire::verdict(&explanation.verdict)),
            rungs: explanation.rungs.into_iter().map(wire::rung).collect(),
            profile: judgement.profile.as_ref().to_owned(),
            policy_digest: judgement.policy.to_string(),
            generation: judgement.generation,
        }
    }

    /// Waits for a turn at long work; what is short goes ahead at once.
    pub(crate) async fn turn(&self, who: &Principal, trace: &str, bytes: usize) -> Option<Turn> {
        if bytes < LARGE_ARGS_BYTES {
            return None;
        }
        let name: Arc<str> = who.name().into();
        let session = self.with_kernel(|kernel| kernel.session(Viewer::Own(&name), trace));
        let priority = session.and_then(|session| Some(session.steering?.priority));
        Some(self.queue.turn(&name, priority.unwrap_or(0)).await)
    }

    fn settle(&self, who: &Principal, question: Question) -> Settled {
        let is_large = question.args.len() >= LARGE_ARGS_BYTES;
        let (decision, concern) = if is_large {
            unhurried(|| self.judge(who, &question))
        } else {
            self.judge(who, &question)
        };
        Settled {
            question,
            decision,
            concern,
        }
    }

    fn judge(&self, who: &Principal, question: &Question) -> (Decision, Concern) {
        let started = Instant::now();
        let call = question.call();
        let snapshot = self.snapshot.load();
        let now = now();
        let shed = self.with_kernel(|kernel| {
            self.glass.mind(kernel);
            kernel.precheck(now, who, &call, &snapshot)
        });
        let mut judgement = match shed {
            Some(verdict) => snapshot.shed(who, &call, verdict),
            None => snapshot.judge(who, &call, &Memo::new(&*self.means.world)),
        };
        judgement.nonce = approvals::nonce(&snapshot, who, &judgement);
        let (mut decision, concern) =
            self.settle_coherently((who, question), &snapshot, now, judgement);
        decision.draft.call.clone_from(&question.call_id);
        decision.draft.took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.judged.fetch_add(1, Ordering::Relaxed);
        (decision, concern)
    }

    /// Tells whoever watches, once the row is durable.
    fn announce(&self, who: &Principal, trace: &str, approval: Option<&str>) {
        self.board.session(|| who.name(), trace);
        if let Some(id) = approval {
            self.board.approval(id);
        }
    }

    fn response(
        &self,
        question: Question,
        verdict: &Verdict,
        seq: u64,
        generation: u64,
    ) -> v1::AdjudicateResponse {
        if &*verdict.by == BY_EMERGENCY {
            self.note_use(&question, verdict, seq);
        } else if !verdict.kind.admits() {
            self.note_refusal(&question, verdict, seq, generation);
        }
        let repaired_args = if verdict.kind == VerdictKind::Transform {
            let edits: Vec<_> = verdict
                .edits
                .iter()
                .map(|edit| (edit.span.clone(), &*edit.with))
                .collect();
            fak_args::apply_edits(&question.args, &edits).into_bytes()
        } else {
            Vec::new()
        };
        v1::AdjudicateResponse {
            verdict: Some(wire::verdict(verdict)),
            trace_id: question.trace,
            call_id: question.call_id,
            repaired_args,
            seq,
            generation,
            ..v1::AdjudicateResponse::default()
        }
    }

    fn note_refusal(&self, question: &Question, verdict: &Verdict, seq: u64, generation: u64) {
        Notice::of(Event::Refused)
            .verdict(verdict.kind.as_str())
            .reason(verdict.reason.as_str())
            .tool(&question.tool)
            .trace(&question.trace)
            .seq(seq)
            .generation(generation)
            .say(&format!("a call was refused by {}", verdict.by));
    }

    /// The answer when the row could not be written: a refusal, and nothing is counted as spent.
    fn unwitnessed(
        &self,
        question: Question,
        draft: &Draft,
        unwritten: &Unwritten,
    ) -> v1::AdjudicateResponse {
        self.with_kernel(|kernel| kernel.retract(draft));
        let verdict = Verdict::deny(Reason::DefaultDeny, BY_JOURNAL, &unwritten.why);
        v1::AdjudicateResponse {
            verdict: Some(wire::verdict(&verdict)),
            trace_id: question.trace,
            call_id: question.call_id,
            generation: draft.generation,
            ..v1::AdjudicateResponse::default()
        }
    }
}

/// The answer with the id of the approval it is about, and with what the same call was answered before.
fn with_more(
    answer: v1::AdjudicateResponse,
    approval: Option<&str>,
    cached: Option<v1::Cached>,
) -> v1::AdjudicateResponse {
    v1::AdjudicateResponse {
        approval_id: approval.unwrap_or_default().to_owned(),
        cached,
        ..answer
    }
}

/// Runs work that takes its time. On a runtime with several workers the others take over meanwhile.
pub(crate) fn unhurried<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl<E: Evidence, O: Office> Porter for Desk<E, O> {
    fn rights_at(&self, door: Door, peer: &Peer) -> Rights {
        self.office.acl().rights_at(door, &peer.principal)
    }

    fn refused(&self, peer: &Peer, rpc: &str, rights: Rights, count: u64) {
        let why = format!("the caller's role is `{}`", rights.as_str());
        let mut draft = fak_kernel::rpc_refused(now(), &peer.principal, rpc, &why);
        draft.count = count;
        self.evidence.offer(draft);
        Notice::of(Event::RpcRefused)
            .principal(&peer.name)
            .say(&format!(
                "{rpc} was refused: {why} ({count} such since the last line)"
            ));
    }

    fn frame_bytes(&self) -> usize {
        self.limits.frame_bytes
    }
}
