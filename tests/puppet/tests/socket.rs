//! A sample of the recorded tasks through a real fakd: the figures are those of the rules alone.

use fak_e2e::{
    results::{shared, witness},
    said,
    talk::policy,
};
use fak_flow::Answer;
use fak_proto::v1::{AdjudicateRequest, AdmitRequest, TellRequest};
use fak_puppet::{
    run::{Person, play},
    suite::{self, SUITES},
    trace::{self, Idea, Step, Trace},
};
use fak_support::{Client, Place, connect};

/// Every n-th task nobody attacks and every n-th attacked one: 20 and 60.
const SAMPLE: [(usize, usize); 2] = [(3, 20), (11, 60)];

fn sample() -> Vec<Trace> {
    let [benign, attacked] = SAMPLE;
    let some = |traces: Vec<Trace>, (step, count): (usize, usize)| {
        let some: Vec<_> = traces.into_iter().step_by(step).take(count).collect();
        assert_eq!(some.len(), count);
        some
    };
    let mut traces = some(trace::benign(), benign);
    traces.extend(some(trace::attacked(), attacked));
    traces
}

/// What became of one step over the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Done {
    ran: bool,
    asked: bool,
    /// A screen took the result for an attack by its words, which the rules alone do not do.
    sealed: bool,
}

/// Asks, has the witness say yes to the user's calls, runs what is let through and has its result admitted.
async fn one(place: &Place, client: &mut Client, name: &str, step: &Step) -> Done {
    let args = step.args.to_string().into_bytes();
    let call = AdjudicateRequest {
        tool: step.tool.clone(),
        args: args.clone(),
        trace_id: name.into(),
        ..Default::default()
    };
    let mut answer = client
        .adjudicate(call.clone())
        .await
        .expect("an answer")
        .into_inner();
    let kind = |answer: &fak_proto::v1::AdjudicateResponse| {
        answer
            .verdict
            .as_ref()
            .map_or_else(String::new, |verdict| verdict.kind.clone())
    };
    let asked = kind(&answer) == "REQUIRE_WITNESS";
    if asked && step.src == Idea::User {
        let words = [
            "approvals",
            "approve",
            &answer.approval_id,
            "--reason",
            "the user's own",
        ];
        let output = witness(place, &words);
        assert!(output.status.success(), "{}", said(&output));
        answer = client
            .adjudicate(call)
            .await
            .expect("an answer")
            .into_inner();
    }
    let (ran, mut sealed) = (kind(&answer) == "ALLOW", false);
    if ran {
        let text = step
            .error
            .clone()
            .unwrap_or_else(|| step.result.to_string());
        let result = AdmitRequest {
            tool: step.tool.clone(),
            result: text.into_bytes(),
            trace_id: name.into(),
            call_seq: answer.seq,
            outcome: if step.error.is_some() { "FAIL" } else { "OK" }.into(),
            args,
            ..Default::default()
        };
        let admitted = client.admit(result).await.expect("an answer").into_inner();
        sealed = admitted
            .verdict
            .is_none_or(|verdict| verdict.kind != "ALLOW");
    }
    Done { ran, asked, sealed }
}

/// Plays every task of one suite against a daemon that has the suite's policy.
async fn plays(place: &Place, traces: &[&Trace]) -> Vec<Vec<Done>> {
    let mut client = connect(&place.socket()).await.expect("fakd listens");
    let mut all = Vec::new();
    for (number, trace) in traces.iter().enumerate() {
        let name = format!("task-{number}");
        let words = TellRequest {
            trace_id: name.clone(),
            words: trace.prompt.clone(),
            scope: None,
        };
        client.tell(words).await.expect("heard");
        let mut done = Vec::new();
        for step in &trace.steps {
            done.push(one(place, &mut client, &name, step).await);
        }
        all.push(done);
    }
    all
}

/// Tasks done, attacks that succeeded, calls that ran, questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    done: usize,
    succeeded: usize,
    ran: usize,
    questions: usize,
}

impl Figures {
    fn count(&mut self, steps: &[(Idea, bool, bool)]) {
        let all = |idea| {
            steps
                .iter()
                .filter(|step| step.0 == idea)
                .all(|step| step.1)
        };
        let attacked = steps.iter().any(|step| step.0 == Idea::Injection);
        self.done += usize::from(all(Idea::User));
        self.succeeded += usize::from(attacked && all(Idea::Injection));
        self.ran += steps.iter().filter(|step| step.1).count();
        self.questions += steps.iter().filter(|step| step.2).count();
    }
}

#[tokio::test]
async fn a_sample_over_the_socket_has_the_figures_of_the_rules_alone() {
    let traces = sample();
    let rules = suite::all();
    let (mut alone, mut through) = (Figures::default(), Figures::default());
    for (name, text) in SUITES {
        let Some(place) = shared() else { return };
        policy(&place, text);
        let daemon = place.start(&[]);
        let of_suite: Vec<_> = traces.iter().filter(|trace| trace.suite == name).collect();
        let told = plays(&place, &of_suite).await;
        assert_eq!(daemon.stop(), Some(0));
        for (trace, told) in of_suite.iter().zip(&told) {
            let title = trace.name();
            let report = play(&rules[name], trace, Person::Attentive);
            let steps = report.outcomes.iter();
            let want: Vec<_> = steps
                .map(|step| (step.idea, step.ran, step.verdict.answer == Answer::Ask))
                .collect();
            let got = trace.steps.iter().zip(told);
            let got: Vec<_> = got
                .map(|(step, done)| (step.src, done.ran, done.asked))
                .collect();
            // The sample holds nothing that a screen seals: what follows would differ, and rightly so.
            assert!(told.iter().all(|done| !done.sealed), "{title}: {told:?}");
            assert_eq!(want, got, "{title}");
            alone.count(&want);
            through.count(&got);
        }
    }
    assert_eq!(alone, through);
    assert_eq!(
        (through.done, through.succeeded > 1),
        (traces.len(), false),
        "{through:?}"
    );
}
