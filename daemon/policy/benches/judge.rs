//! How long a verdict takes in process. `cargo bench -p fak-policy`

use divan::{Bencher, black_box};
use fak_policy::{
    NoWorld, Policy,
    manifest::{ArgRule, Manifest, Matcher},
};
use fak_types::ToolCall;

fn main() {
    divan::main();
}

fn call<'a>(tool: &'a str, args: &'a str) -> ToolCall<'a> {
    ToolCall {
        tool,
        args,
        trace: "bench",
        cwd: Some("/home/u/project"),
        home: Some("/home/u"),
    }
}

fn run(bencher: Bencher<'_, '_>, policy: &Policy, tool: &str, args: &str) {
    let call = call(tool, args);
    bencher.bench_local(|| policy.adjudicate(black_box(&call), &NoWorld));
}

const READ: &str = r#"{"file_path":"/home/u/project/src/main.rs"}"#;
const EDIT: &str = r#"{"file_path":"/home/u/project/src/main.rs","old_string":"let a = 1;","new_string":"let a = 2;"}"#;

#[divan::bench]
fn floor_read(bencher: Bencher<'_, '_>) {
    run(bencher, &Policy::embedded(), "Read", READ);
}

#[divan::bench]
fn floor_edit(bencher: Bencher<'_, '_>) {
    run(bencher, &Policy::embedded(), "Edit", EDIT);
}

#[divan::bench]
fn floor_default_deny(bencher: Bencher<'_, '_>) {
    run(
        bencher,
        &Policy::embedded(),
        "delete_account",
        r#"{"user_id":"u1"}"#,
    );
}

#[divan::bench]
fn compile_floor(bencher: Bencher<'_, '_>) {
    bencher.bench_local(Policy::embedded);
}

#[divan::bench]
fn plain_allow(bencher: Bencher<'_, '_>) {
    let manifest = Manifest {
        allow: vec!["get_order".to_owned()],
        ..Manifest::default()
    };
    run(
        bencher,
        &Policy::compile("p", &manifest).unwrap(),
        "get_order",
        r#"{"order_id":"o-1234"}"#,
    );
}

#[divan::bench]
fn plain_allow_beside_2000_rules(bencher: Bencher<'_, '_>) {
    let rule = |n: usize| ArgRule {
        name: None,
        tool: format!("tool_{n}"),
        arg: "path".to_owned(),
        matcher: Matcher::DenyRegex(format!("^x{n}")),
        reason: None,
        require_witness: false,
        witness: Vec::new(),
        hint: None,
        required: false,
    };
    let manifest = Manifest {
        allow: vec!["get_order".to_owned()],
        arg_rules: (0..2000).map(rule).collect(),
        ..Manifest::default()
    };
    run(
        bencher,
        &Policy::compile("p", &manifest).unwrap(),
        "get_order",
        r#"{"order_id":"o-1234"}"#,
    );
}

#[divan::bench]
fn floor_shell_100_bytes(bencher: Bencher<'_, '_>) {
    let args = r#"{"command":"cd src && grep -rn 'fn main' . | head -20 && cargo test -p fak-policy -- --nocapture 2>&1 | tail -5"}"#;
    run(bencher, &Policy::embedded(), "Bash", args);
}

#[divan::bench]
fn floor_shell_short(bencher: Bencher<'_, '_>) {
    run(
        bencher,
        &Policy::embedded(),
        "Bash",
        r#"{"command":"git status"}"#,
    );
}

#[divan::bench(args = [64, 256, 1023])]
fn floor_shell_kibibytes(bencher: Bencher<'_, '_>, size: usize) {
    let line = "echo one two three | grep -v four > /tmp/out.txt\\n";
    let args = format!(
        r#"{{"command":"{}"}}"#,
        line.repeat(size * 1024 / (line.len() - 1))
    );
    run(bencher, &Policy::embedded(), "Bash", &args);
}
