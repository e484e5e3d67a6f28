//! Answers that have fallen apart.

use fak_screen::shape::{SHAPE_BYTES_MAX, answer_shape};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn the_rows_are_told_apart() {
    let rows = include_str!("../../../tests/cases/results/answer_shape.jsonl");
    assert_eq!(rows.lines().count(), 10);
    for row in rows
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap())
    {
        let shape = answer_shape(row["text"].as_str().unwrap());
        assert_eq!(
            Value::Bool(shape.degenerate),
            row["degen"],
            "{row}: {shape:?}"
        );
        assert_eq!(shape.degenerate, !shape.why.is_empty());
    }
}

#[test]
fn this_projects_own_pages_are_sound() {
    for page in [
        include_str!("../../../ARCHITECTURE.md"),
        include_str!("../../../docs/benchmarks.md"),
        include_str!("../../../docs/limits.md"),
        include_str!("../src/screen.rs"),
        include_str!("../src/secrets/rules.toml"),
        include_str!("../../../tests/cases/results/normalize_rescan.jsonl"),
    ] {
        assert!(!answer_shape(page).degenerate, "{:.60}", page);
    }
}

proptest! {
    #[test]
    fn a_loop_at_the_end_is_found_after_any_beginning(start in "\\PC{0,200}", unit in "[a-z]{2,9}( [a-z]{1,9}){0,4}") {
        let looped = format!("{} ", unit).repeat(2 * SHAPE_BYTES_MAX / unit.len());
        let found = answer_shape(&format!("{start} {looped}"));
        prop_assert!(found.degenerate);
    }

    #[test]
    fn any_text_has_a_shape(text in "(\\PC|[ab\n ]{1,40}){0,80}") {
        let _ = answer_shape(&text);
    }
}
