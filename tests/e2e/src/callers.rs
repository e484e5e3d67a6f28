//! Callers that remember what they were told, and hold the journal to it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use fak_journal::Reader;
use fak_proto::v1::AdjudicateRequest;
use fak_support::connect;
use tokio::task::JoinHandle;

/// Calls of every sort: admitted, refused by a rule, refused by default, and no call at all.
const CALLS: [(&str, &str); 5] = [
    ("Read", r#"{"file_path":"a.txt"}"#),
    ("Bash", r#"{"command":"ls -l"}"#),
    ("Bash", r#"{"command":"rm -rf /"}"#),
    ("Teleport", "{}"),
    ("Read", "{"),
];

/// A verdict somebody was given, in the words of the wire and of the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    trace: String,
    tool: String,
    kind: String,
    reason: String,
    by: String,
}

/// What all callers were told.
#[derive(Debug, Default)]
pub struct Told {
    answers: Mutex<Answers>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Answers {
    by_row: BTreeMap<u64, Answer>,
    without_row: Vec<Answer>,
}

impl Told {
    /// How many verdicts came with the number of a row.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.answers().by_row.len()
    }

    /// How many verdicts came without one.
    #[must_use]
    pub fn refused_without_row(&self) -> usize {
        self.answers().without_row.len()
    }

    /// The callers of [`ask_on`] end after the answer they wait for.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Callers that are started from now on do not end.
    pub fn go_on(&self) {
        self.stop.store(false, Ordering::SeqCst);
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, seq: u64, answer: Answer) {
        let mut answers = self.answers();
        if seq == 0 {
            answers.without_row.push(answer);
            return;
        }
        let before = answers.by_row.insert(seq, answer);
        assert_eq!(before, None, "row {seq} was given twice");
    }

    /// Holds the journal to it: it verifies, every row somebody was told of is there with the verdict it was told of,
    /// and nothing was admitted without a row.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn hold(&self, journal: &Path, when: &str) {
        let reader = Reader::open(journal).expect("the journal opens");
        let report = reader.verify(None).expect("the journal is read");
        assert!(report.is_sound(), "{when}: {:?}", report.fault);
        let complaints = reader.check_file().expect("the journal is read");
        assert!(complaints.is_empty(), "{when}: {complaints:?}");

        let answers = self.answers();
        for answer in &answers.without_row {
            assert!(
                answer.kind != "ALLOW" && answer.kind != "TRANSFORM",
                "{when}: without a row: {answer:?}"
            );
        }
        let rows = reader.rows(1, usize::MAX).expect("the rows are read");
        let mut found = 0;
        for row in &rows {
            let Some(answer) = answers.by_row.get(&row.seq) else {
                continue;
            };
            let draft = row.record().expect("a row is a record").draft;
            let written = Answer {
                trace: draft.trace,
                tool: draft.tool,
                kind: draft.verdict,
                reason: draft.reason,
                by: draft.by,
            };
            assert_eq!(*answer, written, "{when}: row {}", row.seq);
            found += 1;
        }
        assert_eq!(found, answers.by_row.len(), "{when}: rows are missing");
    }
}

/// Starts `count` callers that ask until nobody answers any more, or until [`Told::stop`].
#[must_use]
pub fn ask_on(socket: &Path, count: usize, when: &str, told: &Arc<Told>) -> Vec<JoinHandle<()>> {
    let lane = |lane| ask(socket.into(), format!("{when}-{lane}"), Arc::clone(told));
    (0..count)
        .map(|number| tokio::spawn(lane(number)))
        .collect()
}

async fn ask(socket: PathBuf, trace: String, told: Arc<Told>) {
    // A daemon that was killed first leaves nobody to connect to.
    let Ok(mut client) = connect(&socket).await else {
        return;
    };
    for (tool, args) in CALLS.iter().cycle() {
        if told.stop.load(Ordering::SeqCst) {
            return;
        }
        let request = AdjudicateRequest {
            tool: (*tool).into(),
            args: args.as_bytes().to_vec(),
            trace_id: trace.clone(),
            ..Default::default()
        };
        let Ok(answer) = client.adjudicate(request).await else {
            return;
        };
        let answer = answer.into_inner();
        let verdict = answer.verdict.expect("an answer has a verdict");
        let told_now = Answer {
            trace: trace.clone(),
            tool: (*tool).into(),
            kind: verdict.kind,
            reason: verdict.reason,
            by: verdict.by,
        };
        told.note(answer.seq, told_now);
    }
}
