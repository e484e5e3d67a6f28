//! What certificates say and refuse to say.

use fak_types::Digest;

use super::model::{OWNERS, tag};
use crate::{
    Anchor, Approximated, Bounds, CertificateError, ExactMode, ExactReceipt, Expected, Kind,
    Ledger, Measured, Mode, NeverSaw, Part, Receipt, SeqId, SpanId, SpanSpec, VerifyError,
};

const fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

const ANCHOR: Anchor = Anchor {
    row: 41,
    hash: digest(9),
};

const EQUAL: Measured = Measured {
    before: digest(1),
    after: digest(2),
    fresh: digest(2),
};

/// System, result 17, answer; all computed.
fn talk() -> (Ledger, SeqId) {
    let mut ledger = Ledger::new(Bounds::pages(16));
    let tokens: Vec<u32> = (0..100).collect();
    let parts = [
        Part {
            spec: SpanSpec::new("system", Kind::System),
            tokens: &tokens,
        },
        Part {
            spec: SpanSpec::new("tool result 17", Kind::ToolResult).row(40),
            tokens: &tokens,
        },
        Part {
            spec: SpanSpec::new("answer", Kind::Assistant),
            tokens: &tokens,
        },
    ];
    let opened = ledger
        .start(OWNERS[0], &tag(), &parts)
        .expect("there is room");
    for run in opened.runs {
        ledger.computed(opened.seq, run).expect("it was asked for");
    }
    (ledger, opened.seq)
}

fn exact() -> ExactReceipt {
    let (mut ledger, seq) = talk();
    let plan = ledger
        .plan(seq, SpanId(1), Mode::Exact(ExactMode::Recompute))
        .expect("a plan");
    match ledger.execute(&plan).expect("there is room").receipt {
        Receipt::Exact(receipt) => receipt,
        Receipt::Approximate(_) => unreachable!("it was exact"),
    }
}

fn expected(receipt: &ExactReceipt) -> Expected {
    Expected {
        anchor: ANCHOR,
        span: receipt.span().digest,
        survivors: Some(receipt.facts.survivors),
        fresh: Some(digest(2)),
    }
}

#[test]
fn unequal_measurements_give_no_certificate() {
    let unequal = Measured {
        fresh: digest(3),
        ..EQUAL
    };
    assert_eq!(
        NeverSaw::new(exact(), unequal, ANCHOR).err(),
        Some(CertificateError::NotEqual)
    );
    let (mut ledger, seq) = talk();
    let plan = ledger
        .plan(seq, SpanId(2), Mode::Exact(ExactMode::WriteTime))
        .expect("it is the last");
    let Receipt::Exact(receipt) = ledger.execute(&plan).expect("there is room").receipt else {
        unreachable!("it was exact");
    };
    // Nothing was run again, so what stays may not have changed.
    assert_eq!(
        NeverSaw::new(receipt, EQUAL, ANCHOR).err(),
        Some(CertificateError::Changed)
    );
}

#[test]
fn no_byte_can_change() {
    let receipt = exact();
    let expected = expected(&receipt);
    let certificate = NeverSaw::new(receipt, EQUAL, ANCHOR).expect("it was exact");
    let bytes = certificate.bytes();
    let signed = |read: &[u8]| read == bytes;
    assert_eq!(
        NeverSaw::verify(&bytes, signed, &expected),
        Ok(certificate.clone())
    );
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(
            NeverSaw::verify(&changed, signed, &expected),
            Err(VerifyError::Signature)
        );
        // And without a signature, what is read is never the same certificate.
        assert_ne!(NeverSaw::parse(&changed), Ok(certificate.clone()));
    }
    for cut in 0..bytes.len() {
        assert!(NeverSaw::parse(&bytes[..cut]).is_err());
    }
}

#[test]
fn a_certificate_is_about_one_span_one_row_and_one_list() {
    let receipt = exact();
    let right = expected(&receipt);
    let bytes = NeverSaw::new(receipt, EQUAL, ANCHOR)
        .expect("it was exact")
        .bytes();
    let verify = |expected: Expected| NeverSaw::verify(&bytes, |_| true, &expected).err();
    assert_eq!(verify(right), None);
    let cases = [
        (
            Expected {
                anchor: Anchor { row: 42, ..ANCHOR },
                ..right
            },
            VerifyError::Anchor,
        ),
        (
            Expected {
                anchor: Anchor {
                    hash: digest(0),
                    ..ANCHOR
                },
                ..right
            },
            VerifyError::Anchor,
        ),
        (
            Expected {
                span: digest(0),
                ..right
            },
            VerifyError::Span,
        ),
        (
            Expected {
                survivors: Some(digest(0)),
                ..right
            },
            VerifyError::Survivors,
        ),
        (
            Expected {
                fresh: Some(digest(0)),
                ..right
            },
            VerifyError::NotEqual,
        ),
    ];
    for (expected, error) in cases {
        assert_eq!(verify(expected), Some(error));
    }
}

#[test]
fn a_forged_measurement_does_not_hold() {
    let receipt = exact();
    let expected = Expected {
        fresh: None,
        ..expected(&receipt)
    };
    let bytes = NeverSaw::new(receipt, EQUAL, ANCHOR)
        .expect("it was exact")
        .bytes();
    let text = String::from_utf8(bytes).expect("text");
    let forged = text.replace(
        &format!("kv-after {}", digest(2)),
        &format!("kv-after {}", digest(7)),
    );
    assert_ne!(text, forged);
    let read = NeverSaw::verify(forged.as_bytes(), |_| true, &expected);
    assert_eq!(read, Err(VerifyError::NotEqual));
}

#[test]
fn approximate_never_reads_as_never_saw() {
    let (mut ledger, seq) = talk();
    let plan = ledger
        .plan(seq, SpanId(1), Mode::Approximate)
        .expect("a plan");
    assert!(!plan.exact());
    let Receipt::Approximate(receipt) = ledger.execute(&plan).expect("there is room").receipt
    else {
        unreachable!("it was approximate");
    };
    let certificate = Approximated::new(receipt, digest(1), digest(2), ANCHOR);
    let bytes = certificate.bytes();
    assert_eq!(Approximated::parse(&bytes), Ok(certificate.clone()));
    assert_eq!(NeverSaw::parse(&bytes), Err(VerifyError::Form("kind")));
    let text = String::from_utf8(bytes).expect("text");
    let relabelled = text.replace("kind approximate", "kind never-saw");
    assert_eq!(
        NeverSaw::parse(relabelled.as_bytes()),
        Err(VerifyError::Form("mode"))
    );
    let relabelled = relabelled.replace("mode approximate", "mode recompute");
    // There is no fresh measurement in it.
    assert_eq!(
        NeverSaw::parse(relabelled.as_bytes()),
        Err(VerifyError::Form("kv-fresh"))
    );
    let exact = NeverSaw::new(exact(), EQUAL, ANCHOR)
        .expect("it was exact")
        .bytes();
    assert_eq!(Approximated::parse(&exact), Err(VerifyError::Form("kind")));
    assert_eq!(ExactMode::parse("approximate"), None);
}

#[test]
fn the_text_says_what_was_done() {
    let receipt = exact();
    let survivors = receipt.facts.survivors;
    let span = receipt.span().digest;
    let text = String::from_utf8(
        NeverSaw::new(receipt, EQUAL, ANCHOR)
            .expect("exact")
            .bytes(),
    );
    let expected = format!(
        "fak-kv certificate 1\nkind never-saw\nmode recompute\nmodel tiny\nfamily v1\nkv f16\nsequence 1\n\
         span 1 tool_result 40 100 {span} tool result 17\nleaving 1\n\
         left 1 tool_result 40 100 {span} tool result 17\nzeroed no\nelsewhere 0\nrecomputed 100\n\
         isolated no\nsurvivor-tokens 200\nsurvivors {survivors}\nkv-before {}\nkv-after {}\nkv-fresh {}\n\
         text-taint 1\ntainted 2 answer\nanchor-row 41\nanchor-hash {}\n",
        digest(1),
        digest(2),
        digest(2),
        digest(9),
    );
    assert_eq!(text.expect("text"), expected);
}
