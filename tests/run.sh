#!/usr/bin/env bash
# What CI runs. The last lines name every test that ran and every test that skipped itself, with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log" "$log.tap"' EXIT

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

# What stands outside cargo speaks TAP; its lines count like the others.
tap() {
    local out rc=0
    out=$("$@" 2>>"$log.tap") || rc=$?
    grep -E '^(#|SKIP: )' <<<"$out" || true
    sed -nE 's/^ok [0-9]+ - (.*)$/test \1 ... ok/p; s/^not ok [0-9]+ - (.*)$/test \1 ... FAILED/p; /^SKIP: /p' \
        <<<"$out" >>"$log"
    if [ "$rc" -ne 0 ]; then
        status=1
        grep '^not ok' <<<"$out" || cat "$log.tap"
    fi
}

echo "== units"
tap tests/boot/units.sh
echo "== packages"
needs=0
reason=$(packaging/needs.sh 2>"$log.tap") || needs=$?
if [ "$needs" -eq 69 ]; then
    echo "SKIP: packages and boot: $reason" | tee -a "$log"
elif [ "$needs" -ne 0 ]; then
    cat "$log.tap"
    echo "test packages: packaging/needs.sh ... FAILED" >>"$log"
    status=1
else
    rm -f target/dist/*.deb target/dist/*.rpm
    if cargo xtask dist; then
        tap packaging/check.sh
        echo "== boot"
        tap tests/boot/packages.sh
    else
        echo "test packages: cargo xtask dist ... FAILED" >>"$log"
        status=1
    fi
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
