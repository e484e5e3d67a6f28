//! `kill -9` at any moment: every acknowledged verdict is in the journal, the chain verifies, fakd starts again.

use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

use fak_proto::v1::AdjudicateRequest;
use fak_support::{connect, Place};

const ROUNDS: u64 = 8;
const LANES: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_verdict_survives_kill_nine() {
    let place = Place::new();
    let mut acknowledged_before = 0;
    for round in 0..ROUNDS {
        let daemon = place.start(&[]);
        let highest = Arc::new(AtomicU64::new(0));
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| tokio::spawn(ask_until_refused(place.socket(), round, lane, Arc::clone(&highest))))
            .collect();
        tokio::time::sleep(Duration::from_millis(40 + 23 * round)).await;
        daemon.kill();
        let mut acknowledged = 0;
        for lane in lanes {
            acknowledged += lane.await.expect("a lane ends");
        }

        let journal = place.journal();
        let verified = place.fakctl(&["audit", "verify", &journal.to_string_lossy()]);
        let text = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(verified.status.success(), "round {round}: the journal verifies: {text}");

        let reader = fak_journal::Reader::open(&journal).expect("the journal opens");
        let head = reader.head().expect("the journal has a head");
        let highest = highest.load(Ordering::SeqCst);
        assert!(acknowledged > 0, "round {round}: something was acknowledged before the kill");
        assert!(head.seq >= highest, "round {round}: row {highest} was acknowledged, the head is {}", head.seq);
        assert!(head.seq > acknowledged_before, "round {round}: the journal goes on from where it was");
        acknowledged_before = head.seq;
    }
}

async fn ask_until_refused(socket: std::path::PathBuf, round: u64, lane: u64, highest: Arc<AtomicU64>) -> u64 {
    let Ok(mut client) = connect(&socket).await else { return 0 };
    let mut acknowledged = 0;
    loop {
        let request = AdjudicateRequest {
            tool: "Read".into(),
            args: br#"{"file_path":"a.txt"}"#.to_vec(),
            trace_id: format!("crash-{round}-{lane}"),
            ..Default::default()
        };
        match client.adjudicate(request).await {
            Ok(answer) => {
                let seq = answer.into_inner().seq;
                assert!(seq > 0, "a durable verdict names its row");
                highest.fetch_max(seq, Ordering::SeqCst);
                acknowledged += 1;
            }
            Err(_) => return acknowledged,
        }
    }
}
