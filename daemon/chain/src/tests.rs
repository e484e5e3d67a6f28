//! Golden bytes and properties of codec and chain.

use fak_types::Digest;
use proptest::{collection, prelude::*, sample};

use super::*;
use crate::decode::keys;

fn first() -> Draft {
    Draft {
        who: "uid:1000".into(),
        note: "fakd 0.1.0".into(),
        ..Draft::new(RecordKind::Start, 1_700_000_000_000_000)
    }
}

/// Every field of format 1 set, every kind of escape in use.
fn second() -> Draft {
    Draft {
        trace: "t-1".into(),
        who: "uid:1000".into(),
        pid: 4242,
        tool: "Bash \"\\\n\u{1}é".into(),
        verdict: "DENY".into(),
        reason: "POLICY_BLOCK".into(),
        by: "arg_rules/no-sudo".into(),
        disposition: "TERMINAL".into(),
        would_deny: "NONE".into(),
        args_digest: Some(digest_bytes(b"{\"command\":\"sudo ls\"}")),
        args_bytes: 21,
        result_digest: Some(digest_bytes(b"")),
        profile: "coding-agent".into(),
        policy: Some(digest_bytes(b"{}")),
        generation: 3,
        call: "c1".into(),
        subject: "s".into(),
        note: "n".into(),
        count: 1,
        took_us: 7,
        ..Draft::new(RecordKind::Deny, 1_700_000_000_000_001)
    }
}

/// The fields format 2 added.
fn third() -> Draft {
    Draft {
        subject: "example.org/log+0a1b2c3d".into(),
        count: 2,
        root: Some(digest_bytes(b"root")),
        until_us: 1_700_000_900_000_000,
        ..Draft::new(RecordKind::Checkpoint, 1_700_000_000_000_002)
    }
}

/// A result, with the fields only results have.
fn fourth() -> Draft {
    Draft {
        who: "uid:1000".into(),
        trace: "t-1".into(),
        tool: "Fetch".into(),
        verdict: "QUARANTINE".into(),
        reason: "TRUST_VIOLATION".into(),
        by: "injection/override".into(),
        result_digest: Some(digest_bytes(b"page")),
        result_bytes: 4,
        taint: "quarantined".into(),
        subject: "q-0a1b2c3d".into(),
        ..Draft::new(RecordKind::Quarantine, 1_700_000_000_000_003)
    }
}

// Computed by an independent implementation; docs/journal-format.md shows the same vectors.
const FIRST: &str =
    r#"{"kind":"START","note":"fakd 0.1.0","seq":1,"ts_us":1700000000000000,"who":"uid:1000"}"#;
const FIRST_HASH: &str = "sha256:7960acfb5dcc76d98302ba48605bc803a639f2ca15f1fd1260e62331257349c9";
const FIRST_LEAF: &str = "sha256:6c713d6449073c191c003dc1e524e8e20d016007dddb66a89faf752eef6e08a1";
const SECOND: &str = concat!(
    r#"{"args_bytes":21,"#,
    r#""args_digest":"sha256:9d4fcfb997f2aed7cc04541078ba761678e61c514cd38e73231621acec2dd40b","#,
    r#""by":"arg_rules/no-sudo","call":"c1","count":1,"disposition":"TERMINAL","generation":3,"#,
    r#""kind":"DENY","note":"n","pid":4242,"#,
    r#""policy":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","#,
    r#""profile":"coding-agent","reason":"POLICY_BLOCK","#,
    r#""result_digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
    r#""seq":2,"subject":"s","took_us":7,"tool":"Bash \"\\\n\u0001é","trace":"t-1","#,
    r#""ts_us":1700000000000001,"verdict":"DENY","who":"uid:1000","would_deny":"NONE"}"#,
);
const SECOND_HASH: &str = "sha256:497c25f2a55e2df392c71196df0a7052b1138fa882142999237e6e0810c24d34";
const THIRD: &str = concat!(
    r#"{"count":2,"kind":"CHECKPOINT","#,
    r#""root":"sha256:4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2","#,
    r#""seq":3,"subject":"example.org/log+0a1b2c3d","ts_us":1700000000000002,"until_us":1700000900000000}"#,
);
const THIRD_HASH: &str = "sha256:f6df79c4d5b039fb5d1c210400a74171a579c18c0276fa76f68e20941c0bb3eb";
const FOURTH: &str = concat!(
    r#"{"by":"injection/override","kind":"QUARANTINE","reason":"TRUST_VIOLATION","#,
    r#""result_bytes":4,"result_digest":"sha256:3660315a9af3df255d8f19ab077e4797822b41488a0e2a04bc6af71213c23274","#,
    r#""seq":4,"subject":"q-0a1b2c3d","taint":"quarantined","tool":"Fetch","trace":"t-1","ts_us":1700000000000003,"verdict":"QUARANTINE","who":"uid:1000"}"#,
);
const FOURTH_HASH: &str = "sha256:efc54b7cfca9ca3143410e116a10245fa75a6c71f12b43c7d29d98a06ce70b56";

#[test]
fn golden_bytes_and_hashes() {
    let (one, two) = (encode(&first(), 1), encode(&second(), 2));
    let three = encode(&third(), 3);
    assert_eq!(std::str::from_utf8(&one), Ok(FIRST));
    assert_eq!(std::str::from_utf8(&two), Ok(SECOND));
    let hash = link(&Digest::ZERO, &one);
    assert_eq!(hash.to_string(), FIRST_HASH);
    let hash = link(&hash, &two);
    assert_eq!(hash.to_string(), SECOND_HASH);
    assert_eq!(std::str::from_utf8(&three), Ok(THIRD));
    let hash = link(&hash, &three);
    assert_eq!(hash.to_string(), THIRD_HASH);
    let four = encode(&fourth(), 4);
    assert_eq!(std::str::from_utf8(&four), Ok(FOURTH));
    assert_eq!(link(&hash, &four).to_string(), FOURTH_HASH);
    assert_eq!(leaf(&one).to_string(), FIRST_LEAF);
    // RFC 6962: the leaf of an empty entry.
    let empty = "sha256:6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(leaf(b"").to_string(), empty);
}

#[test]
fn the_format_page_shows_the_golden_vectors() {
    let page = include_str!("../../../docs/journal-format.md");
    for shown in [
        FIRST,
        FIRST_HASH,
        FIRST_LEAF,
        SECOND,
        SECOND_HASH,
        THIRD,
        THIRD_HASH,
        FOURTH,
        FOURTH_HASH,
    ] {
        assert!(page.contains(shown), "docs/journal-format.md lacks {shown}");
    }
    for word in keys()
        .into_iter()
        .chain(RecordKind::ALL.map(RecordKind::as_str))
    {
        assert!(
            page.contains(&format!("| `{word}` |")),
            "docs/journal-format.md lacks {word}"
        );
    }
}

#[test]
fn kinds_read_back() {
    for kind in RecordKind::ALL {
        assert_eq!(RecordKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(RecordKind::parse("deny"), None);
}

#[test]
fn keys_ascend_and_the_golden_records_have_all_of_them() {
    let keys = keys();
    assert!(keys.is_sorted_by(|a, b| a < b));
    assert_eq!(
        keys.iter().map(|key| key.len()).max(),
        Some(crate::decode::KEY_BYTES_MAX)
    );
    for key in keys {
        let spelled = format!("\"{key}\":");
        assert!(
            [SECOND, THIRD, FOURTH]
                .iter()
                .any(|golden| golden.contains(&spelled)),
            "{key}"
        );
    }
}

#[test]
fn a_record_reads_as_its_draft() {
    let record = decode(SECOND.as_bytes()).unwrap();
    assert_eq!(
        (record.seq, record.pid, record.tool.as_str()),
        (2, 4242, second().tool.as_str())
    );
    assert_eq!(record.draft, second());
    assert_eq!(check(SECOND.as_bytes()), Ok(2));
    assert_eq!(decode(THIRD.as_bytes()).unwrap().draft, third());
}

#[test]
fn anything_but_the_canonical_form_is_refused_with_its_place() {
    use DecodeProblem as P;
    let cases: &[(&str, usize, P)] = &[
        ("", 0, P::Expected("`{`")),
        ("[]", 0, P::Expected("`{`")),
        (" {}", 0, P::Expected("`{`")),
        ("{}", 1, P::Expected("a key")),
        (r#"{"kind":"STOP","seq":1}"#, 22, P::MissingKey("ts_us")),
        (r#"{"kind":"STOP","ts_us":1}"#, 24, P::MissingKey("seq")),
        (r#"{"seq":1,"ts_us":1}"#, 18, P::MissingKey("kind")),
        (r#"{"kind":"STOP","seq":1,"ts_us":1} "#, 33, P::Trailing),
        (
            r#"{"kind":"STOP","seq":1,"ts_us":1,}"#,
            33,
            P::Expected("a key"),
        ),
        (
            r#"{"kind":"STOP","seq":1,"ts_us":1"#,
            32,
            P::Expected("`,` or `}`"),
        ),
        (
            r#"{"kind":"STOP", "seq":1,"ts_us":1}"#,
            15,
            P::Expected("a key"),
        ),
        (
            r#"{"kind": "STOP","seq":1,"ts_us":1}"#,
            8,
            P::Expected("text"),
        ),
        (
            r#"{"kind":"STOP","args":1,"seq":1,"ts_us":1}"#,
            16,
            P::UnknownKey,
        ),
        (r#"{"kind":"STOP","Seq":1,"ts_us":1}"#, 16, P::UnknownKey),
        (
            r#"{"kind":"STOP","se\u0071":1,"ts_us":1}"#,
            16,
            P::UnknownKey,
        ),
        (
            r#"{"kind":"STOP","seq":1,"ts_us":1,"seq":1}"#,
            34,
            P::DuplicateKey,
        ),
        (r#"{"seq":1,"kind":"STOP","ts_us":1}"#, 10, P::KeyOrder),
        (r#"{"kind":"STOP","seq":01,"ts_us":1}"#, 21, P::NumberForm),
        (
            r#"{"kind":"STOP","seq":1.0,"ts_us":1}"#,
            22,
            P::Expected("`,` or `}`"),
        ),
        (
            r#"{"kind":"STOP","seq":1e0,"ts_us":1}"#,
            22,
            P::Expected("`,` or `}`"),
        ),
        (
            r#"{"kind":"STOP","seq":-1,"ts_us":1}"#,
            21,
            P::Expected("a whole number"),
        ),
        (
            r#"{"kind":"STOP","seq":"1","ts_us":1}"#,
            21,
            P::Expected("a whole number"),
        ),
        (
            r#"{"kind":"STOP","seq":9007199254740992,"ts_us":1}"#,
            21,
            P::NumberRange,
        ),
        (
            r#"{"kind":"STOP","seq":99999999999999999999,"ts_us":1}"#,
            21,
            P::NumberRange,
        ),
        (
            r#"{"kind":"STOP","pid":4294967296,"seq":1,"ts_us":1}"#,
            21,
            P::NumberRange,
        ),
        (
            r#"{"count":0,"kind":"STOP","seq":1,"ts_us":1}"#,
            9,
            P::Empty,
        ),
        (r#"{"by":"","kind":"STOP","seq":1,"ts_us":1}"#, 7, P::Empty),
        (
            r#"{"by":1,"kind":"STOP","seq":1,"ts_us":1}"#,
            6,
            P::Expected("text"),
        ),
        (
            r#"{"by":"x","kind":"HALT","seq":1,"ts_us":1}"#,
            17,
            P::UnknownKind,
        ),
        (r#"{"by":"x"#, 8, P::Expected("the end of the text")),
        (r#"{"by":"\"#, 7, P::TextForm),
        (r#"{"by":"\/"}"#, 7, P::TextForm),
        (r#"{"by":"\u0041"}"#, 7, P::TextForm),
        (r#"{"by":"\u000a"}"#, 7, P::TextForm),
        (r#"{"by":"\u0008"}"#, 7, P::TextForm),
        (r#"{"by":"\u001F"}"#, 7, P::TextForm),
        (r#"{"by":"\u0022"}"#, 7, P::TextForm),
        (r#"{"by":"\u00e9"}"#, 7, P::TextForm),
        ("{\"by\":\"\n\"}", 7, P::TextForm),
        (r#"{"policy":"sha256:00"}"#, 10, P::DigestForm),
        (
            r#"{"kind" :"STOP","seq":1,"ts_us":1}"#,
            6,
            P::Expected("`\":`"),
        ),
        (
            r#"{"policy":"sha256:zz"#,
            20,
            P::Expected("the end of the text"),
        ),
        (r#"{"policy":null}"#, 10, P::Expected("text")),
    ];
    for &(text, at, problem) in cases {
        assert_eq!(
            decode(text.as_bytes()),
            Err(DecodeError { at, problem }),
            "{text}"
        );
        assert_eq!(
            check(text.as_bytes()),
            Err(DecodeError { at, problem }),
            "{text}"
        );
    }
    let bad = b"{\"by\":\"\xff\"}";
    assert_eq!(
        decode(bad),
        Err(DecodeError {
            at: 7,
            problem: P::NotUtf8
        })
    );
    let long = format!(r#"{{"by":"{}"}}"#, "x".repeat(TEXT_BYTES_MAX + 1));
    assert_eq!(
        decode(long.as_bytes()),
        Err(DecodeError {
            at: 7,
            problem: P::TextLength
        })
    );
}

#[test]
fn what_is_too_large_is_cut_to_what_reads_back() {
    let draft = Draft {
        tool: "é".repeat(TEXT_BYTES_MAX),
        by: format!("x{}", "é".repeat(TEXT_BYTES_MAX)),
        note: "\u{1}".repeat(TEXT_BYTES_MAX),
        count: u64::MAX,
        ..Draft::new(RecordKind::Gap, u64::MAX)
    };
    let record = decode(&encode(&draft, u64::MAX)).unwrap();
    assert_eq!(
        (record.seq, record.ts_us, record.count),
        (NUMBER_MAX, NUMBER_MAX, NUMBER_MAX)
    );
    assert_eq!(
        (record.tool.len(), record.by.len()),
        (TEXT_BYTES_MAX, TEXT_BYTES_MAX - 1)
    );
    assert_eq!(record.note, draft.note);
}

#[test]
fn a_right_hash_over_a_wrong_body_is_named() {
    let mut verifier = Verifier::new();
    let body = b"{}";
    let fault = verifier
        .feed(1, body, &link(&Digest::ZERO, body).0)
        .unwrap_err();
    assert!(matches!(fault.problem, Problem::Body(_)), "{fault}");

    let mut verifier = Verifier::new();
    let body = encode(&first(), 2);
    let fault = verifier
        .feed(1, &body, &link(&Digest::ZERO, &body).0)
        .unwrap_err();
    assert_eq!(
        fault,
        Fault {
            seq: 1,
            problem: Problem::BodySequence { found: 2 }
        }
    );
}

#[test]
fn a_fault_stays() {
    let rows = chain(&[first(), second()]);
    let mut verifier = Verifier::new();
    let fault = verifier.feed(2, &rows[1].body, &rows[1].hash).unwrap_err();
    assert_eq!(
        fault,
        Fault {
            seq: 2,
            problem: Problem::Sequence { expected: 1 }
        }
    );
    assert_eq!(
        verifier.feed(1, &rows[0].body, &rows[0].hash),
        Err(fault.clone())
    );
    assert_eq!(verifier.unreadable("x"), fault);
    assert_eq!(verifier.finish(), Err(fault));
    assert_eq!((verifier.rows(), verifier.head()), (0, Head::EMPTY));
}

#[test]
fn a_kept_head_shows_a_cut_and_a_rewrite() {
    let rows = chain(&[first(), second()]);
    let head = verify(&rows, Verifier::new()).unwrap();
    assert_eq!(verify(&rows, Verifier::new().expecting(head)), Ok(head));
    assert_eq!(
        verify(&rows[..1], Verifier::new().expecting(head)),
        Err(Fault {
            seq: 2,
            problem: Problem::CutOff { last: 1 }
        })
    );
    let rewritten = chain(&[second(), second()]);
    assert_eq!(
        verify(&rewritten, Verifier::new().expecting(head)),
        Err(Fault {
            seq: 2,
            problem: Problem::Forked { kept: head.hash }
        })
    );
}

#[test]
fn verification_goes_on_after_a_known_row() {
    let rows = chain(&[first(), second(), first()]);
    let known = verify(&rows[..1], Verifier::new()).unwrap();
    let mut verifier = Verifier::after(known);
    for row in &rows[1..] {
        verifier.feed(row.seq, &row.body, &row.hash).unwrap();
    }
    assert_eq!((verifier.rows(), verifier.expected()), (2, 4));
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    seq: u64,
    body: Vec<u8>,
    hash: Vec<u8>,
}

fn chain(drafts: &[Draft]) -> Vec<Row> {
    let mut head = Digest::ZERO;
    let numbered = drafts.iter().zip(1..);
    numbered
        .map(|(draft, seq)| {
            let body = encode(draft, seq);
            head = link(&head, &body);
            Row {
                seq,
                body,
                hash: head.0.to_vec(),
            }
        })
        .collect()
}

fn verify(rows: &[Row], mut verifier: Verifier) -> Result<Head, Fault> {
    for row in rows {
        verifier.feed(row.seq, &row.body, &row.hash)?;
    }
    verifier.finish()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ -~]{0,12}",
        "\\PC{0,6}",
        "[\\x00-\\x20\"\\\\é]{0,8}"
    ]
}

fn digest() -> impl Strategy<Value = Option<Digest>> {
    proptest::option::of(any::<[u8; 32]>().prop_map(Digest))
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1_u64..100, 0..=NUMBER_MAX, Just(NUMBER_MAX)]
}

prop_compose! {
    fn draft()(
        kind in sample::select(RecordKind::ALL.as_slice()),
        texts in collection::vec(text(), 13),
        numbers in collection::vec(number(), 7),
        digests in collection::vec(digest(), 4),
        pid in any::<u32>(),
    ) -> Draft {
        let text = |at: usize| texts[at].clone();
        Draft {
            kind, ts_us: numbers[0], trace: text(0), who: text(1), pid, tool: text(2),
            verdict: text(3), reason: text(4), by: text(5), disposition: text(6),
            would_deny: text(7), args_digest: digests[0], args_bytes: numbers[1],
            result_digest: digests[1], profile: text(8), policy: digests[2],
            generation: numbers[2], call: text(9), subject: text(10), note: text(11),
            count: numbers[3], took_us: numbers[4],
            root: digests[3], until_us: numbers[5],
            taint: text(12), result_bytes: numbers[6],
        }
    }
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    collection::vec(draft(), 2..7)
}

proptest! {
    #[test]
    fn decode_undoes_encode(draft in draft(), seq in 0..=NUMBER_MAX) {
        let body = encode(&draft, seq);
        prop_assert_eq!(check(&body), Ok(seq));
        prop_assert_eq!(decode(&body), Ok(Record { seq, draft }));
    }

    /// The other half of the bijection, sought where it would fail first: one step from a real body.
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        draft in draft(), at in any::<sample::Index>(), byte in any::<u8>(), cut in 0..3_u8,
    ) {
        let mut body = encode(&draft, 7);
        let at = at.index(body.len());
        match cut {
            0 => body[at] = byte,
            1 => { body.remove(at); }
            _ => body.insert(at, byte),
        }
        if let Ok(record) = decode(&body) {
            prop_assert_eq!(encode(&record, record.seq), body);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in collection::vec(any::<u8>(), 0..64), cut in any::<sample::Index>()) {
        let _ = decode(&bytes);
        let _ = decode(&SECOND.as_bytes()[..cut.index(SECOND.len())]);
    }

    #[test]
    fn an_honest_chain_verifies(drafts in drafts()) {
        let rows = chain(&drafts);
        let head = verify(&rows, Verifier::new()).unwrap();
        prop_assert_eq!(head.seq, rows.len() as u64);
        prop_assert_eq!(head.hash.0.as_slice(), rows.last().unwrap().hash.as_slice());
    }

    #[test]
    fn one_changed_bit_is_found_at_its_row(
        drafts in drafts(), row in any::<sample::Index>(), at in any::<sample::Index>(), bit in 0..8_u8,
        part in 0..3_u8,
    ) {
        let mut rows = chain(&drafts);
        let row = row.index(rows.len());
        match part {
            0 => { let at = at.index(rows[row].body.len()); rows[row].body[at] ^= 1 << bit; }
            1 => { let at = at.index(32); rows[row].hash[at] ^= 1 << bit; }
            _ => rows[row].seq ^= 1 << bit,
        }
        let fault = verify(&rows, Verifier::new()).unwrap_err();
        prop_assert_eq!(fault.seq, rows[row].seq);
    }

    #[test]
    fn a_cut_or_grown_body_or_hash_is_found_at_its_row(
        drafts in drafts(), row in any::<sample::Index>(), grow in any::<bool>(), of_hash in any::<bool>(),
    ) {
        let mut rows = chain(&drafts);
        let row = row.index(rows.len());
        let bytes = if of_hash { &mut rows[row].hash } else { &mut rows[row].body };
        if grow { bytes.push(b'}') } else { bytes.pop(); }
        prop_assert_eq!(verify(&rows, Verifier::new()).unwrap_err().seq, row as u64 + 1);
    }

    /// With the numbers left alone, and with everything behind renumbered to look whole.
    #[test]
    fn a_removed_row_is_found(
        drafts in drafts(), row in any::<sample::Index>(), renumber in any::<bool>(),
    ) {
        let mut rows = chain(&drafts);
        let row = row.index(rows.len() - 1);
        rows.remove(row);
        prop_assume!(!renumber || rows[row].body != encode(&drafts[row], row as u64 + 1));
        if renumber {
            for (row, seq) in rows.iter_mut().zip(1..) { row.seq = seq; }
        }
        let fault = verify(&rows, Verifier::new()).unwrap_err();
        prop_assert_eq!(fault.seq, rows[row].seq);
    }

    #[test]
    fn two_swapped_rows_are_found(
        drafts in drafts(), row in any::<sample::Index>(), renumber in any::<bool>(),
    ) {
        let mut rows = chain(&drafts);
        let row = row.index(rows.len() - 1);
        rows.swap(row, row + 1);
        if renumber {
            for (row, seq) in rows.iter_mut().zip(1..) { row.seq = seq; }
        }
        prop_assert_eq!(verify(&rows, Verifier::new()).unwrap_err().seq, rows[row].seq);
    }

    /// The intruder carries a right hash for its own place; the row it displaced gives it away.
    #[test]
    fn an_inserted_row_is_found(
        drafts in drafts(), intruder in draft(), row in any::<sample::Index>(), renumber in any::<bool>(),
    ) {
        let mut rows = chain(&drafts);
        let row = row.index(rows.len());
        let prev = if row == 0 { Digest::ZERO } else { Digest(rows[row - 1].hash.clone().try_into().unwrap()) };
        let seq = row as u64 + 1;
        let body = encode(&intruder, seq);
        let hash = link(&prev, &body).0.to_vec();
        rows.insert(row, Row { seq, body, hash });
        if renumber {
            for (row, seq) in rows.iter_mut().zip(1..) { row.seq = seq; }
        }
        prop_assert_eq!(verify(&rows, Verifier::new()).unwrap_err().seq, rows[row + 1].seq);
    }
}
