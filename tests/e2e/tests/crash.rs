//! `kill -9` at any moment: every acknowledged verdict is in the journal, the chain verifies, fakd starts again.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use fak_proto::v1::AdjudicateRequest;
use fak_support::{Place, connect};

const ROUNDS: u64 = 8;
const LANES: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_verdict_survives_kill_nine() {
    let place = Place::new();
    let mut acknowledged_before = 0;
    for round in 0..ROUNDS {
        let daemon = place.start(&[]);
        let seen = Arc::new(Seen::default());
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                tokio::spawn(ask_until_refused(
                    place.socket(),
                    round,
                    lane,
                    Arc::clone(&seen),
                ))
            })
            .collect();
        while seen.acknowledged.load(Ordering::SeqCst) < 10 + 17 * round {
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        daemon.kill();
        for lane in lanes {
            lane.await.expect("a lane ends");
        }

        let journal = place.journal();
        let verified = place.fakctl(&["audit", "verify", &journal.to_string_lossy()]);
        let text = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(
            verified.status.success(),
            "round {round}: the journal verifies: {text}"
        );

        let reader = fak_journal::Reader::open(&journal).expect("the journal opens");
        let head = reader.head().expect("the journal has a head");
        let highest = seen.highest.load(Ordering::SeqCst);
        assert!(
            head.seq >= highest,
            "round {round}: row {highest} was acknowledged, the head is {}",
            head.seq
        );
        assert!(
            head.seq > acknowledged_before,
            "round {round}: the journal goes on from where it was"
        );
        acknowledged_before = head.seq;
    }
}

/// What the lanes were told.
#[derive(Default)]
struct Seen {
    acknowledged: AtomicU64,
    highest: AtomicU64,
}

async fn ask_until_refused(socket: PathBuf, round: u64, lane: u64, seen: Arc<Seen>) {
    let mut client = connect(&socket).await.expect("fakd listens");
    loop {
        let request = AdjudicateRequest {
            tool: "Read".into(),
            args: br#"{"file_path":"a.txt"}"#.to_vec(),
            trace_id: format!("crash-{round}-{lane}"),
            ..Default::default()
        };
        let Ok(answer) = client.adjudicate(request).await else {
            return;
        };
        let seq = answer.into_inner().seq;
        assert!(seq > 0, "a durable verdict names its row");
        seen.highest.fetch_max(seq, Ordering::SeqCst);
        seen.acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}
