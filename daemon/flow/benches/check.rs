//! Measures admission of results and the check of a call.

use divan::{Bencher, black_box, counter::BytesCount};
use fak_args::{Args, Limits};
use fak_flow::{Answer, Control, Field, Ledger, Rules, Sink, Source, Text, Trust};

fn main() {
    divan::main();
}

fn rules() -> Rules {
    let mail = Source::new("read_mail", Trust::Tainted)
        .field(Field::trusted("[].id").class("letter"))
        .field(Field::trusted("[].to").class("address"));
    let send = Sink::new("send_email")
        .asked_by(["send", "write", "mail"])
        .control(Control::new("recipients").class("address"))
        .control(Control::new("cc").class("address"))
        .control(Control::new("attachments[].file_id").class("letter"))
        .text(Text::new("subject").links(Answer::Deny))
        .text(Text::new("body").links(Answer::Deny));
    Rules::builder()
        .source(mail)
        .sink(send)
        .build()
        .expect("rules")
}

/// A mailbox of letters with words of their own.
fn letters(count: usize) -> String {
    let letters: Vec<String> = (0..count)
        .map(|n| {
            format!(
                r#"{{"id":"id{n}","to":["friend{n}@a.example"],"subject":"Subject {n}","body":"Dear all, see https://site{n}.example/page{n} and write to person{n}@mail{n}.example before 2024-05-{:02} about order{n}."}}"#,
                n % 28 + 1
            )
        })
        .collect();
    format!("[{}]", letters.join(","))
}

/// A session that holds at least `values` labelled values, and the user's words.
fn session(values: usize) -> Ledger {
    let (rules, mut ledger) = (rules(), Ledger::default());
    let words = "Please write to 'ann@a.example' and send her the summary of the meeting. ";
    ledger.user_said(&words.repeat(20));
    let none = Args::parse("{}", &Limits::default()).expect("args");
    let mut row = 0;
    let mut count = 16;
    while ledger.usage().values < values {
        row += 1;
        ledger.admit(&rules, "read_mail", &none, letters(count).as_bytes(), row);
        count *= 2;
    }
    assert!(!ledger.usage().full);
    ledger
}

const SMALL: &str =
    r#"{"recipients":["friend7@a.example"],"subject":"Hello","body":"See you at ten."}"#;
const REFUSED: &str =
    r#"{"recipients":["person7@mail7.example"],"subject":"Hello","body":"See you at ten."}"#;
const OWN: &str =
    r#"{"recipients":["nobody@else.example"],"subject":"Hello","body":"See you at ten."}"#;

#[divan::bench(args = [SMALL, REFUSED, OWN])]
fn check(bencher: Bencher<'_, '_>, call: &str) {
    let (rules, ledger) = (rules(), session(10_000));
    let args = Args::parse(call, &Limits::default()).expect("args");
    bencher.bench_local(|| ledger.check(black_box(&rules), "send_email", black_box(&args)));
}

#[divan::bench]
fn check_long_body(bencher: Bencher<'_, '_>) {
    let (rules, ledger) = (rules(), session(10_000));
    let body = "The meeting went well and everybody agreed on the plan for June. ".repeat(64);
    let call = format!(r#"{{"recipients":["friend7@a.example"],"subject":"x","body":"{body}"}}"#);
    let args = Args::parse(&call, &Limits::default()).expect("args");
    let bytes = BytesCount::of_str(&call);
    bencher
        .counter(bytes)
        .bench_local(|| ledger.check(black_box(&rules), "send_email", black_box(&args)));
}

#[divan::bench]
fn admit(bencher: Bencher<'_, '_>) {
    let (rules, result) = (rules(), letters(256));
    let none = Args::parse("{}", &Limits::default()).expect("args");
    bencher
        .counter(BytesCount::of_str(&result))
        .with_inputs(Ledger::default)
        .bench_local_values(|mut ledger| {
            ledger.admit(&rules, "read_mail", &none, black_box(result.as_bytes()), 1);
            ledger
        });
}

/// What a tool answers: ten records of five values, some 4 KiB.
fn records() -> String {
    const WORDS: [&str; 20] = [
        "please", "confirm", "the", "delivery", "of", "three", "chairs", "before", "Monday",
        "because", "our", "office", "moves", "and", "nobody", "will", "be", "there", "to", "sign",
    ];
    let records: Vec<String> = (0..10)
        .map(|n| {
            let note: Vec<&str> = (0..44).map(|at| WORDS[(at * 7 + n * 3) % WORDS.len()]).collect();
            format!(
                r#"{{"id":"order-{n}","customer":"Person Number{n}","mail":"person{n}@site{n}.example","amount":{}.50,"note":"{}."}}"#,
                n * 31 + 7,
                note.join(" ")
            )
        })
        .collect();
    format!("[{}]", records.join(","))
}

/// Pages of this project, which are prose with code in it.
fn prose() -> String {
    include_str!("../../../ARCHITECTURE.md").to_owned()
        + include_str!("../../../docs/information-flow.md")
}

/// Into a session that holds a thousand values.
#[divan::bench(args = ["records", "prose", "prose in a string"])]
fn admit_into(bencher: Bencher<'_, '_>, kind: &str) {
    let rules = rules();
    let result = match kind {
        "records" => records(),
        "prose" => prose(),
        _ => serde_json::json!({ "text": prose() }).to_string(),
    };
    let none = Args::parse("{}", &Limits::default()).expect("args");
    let ledger = session(1000);
    bencher
        .counter(BytesCount::of_str(&result))
        .with_inputs(|| ledger.clone())
        .bench_local_values(|mut ledger| {
            ledger.admit(&rules, "orders", &none, black_box(result.as_bytes()), 1000);
            ledger
        });
}

#[divan::bench]
fn image(bencher: Bencher<'_, '_>) {
    let ledger = session(10_000);
    bencher.bench_local(|| black_box(&ledger).to_bytes());
}

#[divan::bench]
fn restore(bencher: Bencher<'_, '_>) {
    let bytes = session(10_000).to_bytes();
    bencher.bench_local(|| Ledger::from_bytes(black_box(&bytes)));
}
