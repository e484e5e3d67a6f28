#!/usr/bin/env bash
# What CI runs. The last lines name every test that ran and every test that skipped itself, with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "== format"
cargo fmt --all --check
echo "== lints"
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
echo "== programs"
cargo build --locked --quiet -p fakd -p fakctl
echo "== tests"
status=0
cargo test --workspace --locked --no-fail-fast -- --show-output >"$log" 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
    cat "$log"
fi

echo "== ran"
grep -E '^test .* (ok|FAILED|ignored)' "$log" | sed 's/^test //' | sort || true
if grep -q '^SKIP: ' "$log"; then
    echo "== skipped themselves"
    grep '^SKIP: ' "$log" | sort -u
fi
passed=$(grep -cE '^test .* ok$' "$log" || true)
failed=$(grep -cE '^test .* FAILED$' "$log" || true)
echo "== $passed passed, $failed failed"
exit "$status"
