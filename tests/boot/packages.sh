#!/usr/bin/env bash
# Makes the release before out of the same files, then boots every suite with both. SUITE... as for run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
deb=$(ls target/dist/fakd_*.deb)
version=$(dpkg-deb -f "$deb" Version)
architecture=$(dpkg-deb -f "$deb" Architecture)
# A tilde sorts before everything: to the packager this is older, whatever the version is.
previous=${version%-*}~previous-1
target/release/fak-xtask dist --no-build --deb-version "$previous" --output target/dist/previous >/dev/null 2>&1
exec tests/boot/run.sh "$deb" "target/dist/previous/fakd_${previous}_$architecture.deb" "$@"
