#!/usr/bin/env bash
# What making the packages needs beside Rust and a C compiler: rpmbuild and lintian from Debian, cargo-deb built once
# below target/tools. Installs what is missing; prints a reason and ends with 69 when it cannot.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
command -v rpmbuild >/dev/null || missing="$missing rpm"
command -v lintian >/dev/null || missing="$missing lintian"
command -v strip >/dev/null || missing="$missing binutils"
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing:$missing (sudo apt-get install$missing)"
        exit 69
    fi
    # shellcheck disable=SC2086
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1; then
        echo "apt-get cannot install$missing"
        exit 69
    fi
fi
# What does not compile is no missing tool.
cargo build --release --locked --quiet -p fak-xtask
if ! cargo xtask tools >/dev/null; then
    echo "cargo-deb cannot be built (no network?)"
    exit 69
fi
