#!/usr/bin/env bash
# The units, read without a running systemd: every directive is known, and the services are as closed as they can be.
# Prints TAP lines, or a line `SKIP: units: REASON`.
set -euo pipefail
cd "$(dirname "$0")/../.."
# Ten times the exposure that systemd-analyze security may find at most.
most=15

if ! command -v systemd-analyze >/dev/null; then
    echo "SKIP: units: systemd-analyze is missing (on Debian: apt-get install systemd)"
    exit 0
fi
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
count=0
failed=0
ok() { # STATUS WHAT
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then echo "ok $count - units: $2"; else echo "not ok $count - units: $2"; failed=1; fi
}

# A program that a unit starts must be there: stand-ins below a root of its own, with what the units order themselves by.
mkdir -p "$stage/usr/sbin" "$stage/usr/bin" "$stage/usr/lib/systemd/system" "$stage/etc"
for program in usr/sbin/fakd usr/bin/fakctl; do
    printf '#!/bin/sh\n' >"$stage/$program"
    chmod 755 "$stage/$program"
done
for folder in /usr/lib/systemd/system /lib/systemd/system; do
    for unit in sysinit basic sockets timers multi-user shutdown; do
        [ ! -e "$folder/$unit.target" ] || cp "$folder/$unit.target" "$stage/usr/lib/systemd/system/"
    done
done
cp systemd/system/* "$stage/usr/lib/systemd/system/"
for path in systemd/system/*; do
    unit=${path##*/}
    rc=0
    said=$(systemd-analyze verify --root="$stage" --man=no --recursive-errors=no "$unit" 2>&1) || rc=$?
    # What is missing in the stand-in is not the unit's fault; what systemd ignores in the unit is.
    said=$(grep -F "/$unit:" <<<"$said" || true)
    [ -z "$said" ] || { rc=1; sed 's/^/# /' <<<"$said"; }
    ok "$rc" "$unit has nothing that systemd ignores"
done
for service in systemd/system/*.service; do
    rc=0
    said=$(systemd-analyze security --no-pager --offline=true --threshold="$most" "$service" 2>&1) || rc=$?
    sed -n 's/.*Overall exposure level for/# exposure of/p' <<<"$said"
    ok "$rc" "${service##*/}: exposure at most $((most / 10)).$((most % 10))"
done
exit "$failed"
