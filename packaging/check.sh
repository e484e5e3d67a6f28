#!/usr/bin/env bash
# Holds the packages in target/dist to what is promised of them. Prints TAP lines and `SKIP: packages: REASON`.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=target/dist
count=0
failed=0
ok() { # STATUS WHAT
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then echo "ok $count - packages: $2"; else echo "not ok $count - packages: $2"; failed=1; fi
}
has() { # LIST PATH PACKAGE
    local rc=0
    grep -qxF "$2" <<<"$1" || rc=1
    ok "$rc" "$3 has $2"
}
deb=$(ls "$dist"/fakd_*.deb)
rpm=$(ls "$dist"/fakd-*.rpm)

# The same tree, packed again by the program that packed it, is the same bytes.
rm -rf "$dist/again"
SOURCE_DATE_EPOCH=$(cat "$dist/epoch")
export SOURCE_DATE_EPOCH
target/release/fak-xtask dist --no-build --output "$dist/again" >/dev/null 2>&1
for package in "$deb" "$rpm"; do
    rc=0
    cmp "$package" "$dist/again/${package##*/}" || rc=1
    ok "$rc" "${package##*/} packed twice is the same: $(sha256sum "$package" | cut -c1-16)"
done
rm -rf "$dist/again"

in_deb=$(dpkg-deb --fsys-tarfile "$deb" | tar -t | sed 's|^\./|/|; s|/$||')
in_rpm=$(rpm -qpl "$rpm")
for path in /usr/sbin/fakd /usr/bin/fakctl /etc/fak/fakd.toml /usr/lib/fak/fakd.toml /usr/lib/sysusers.d/fakd.conf \
    /usr/lib/tmpfiles.d/fakd.conf /usr/lib/systemd/catalog/fakd.catalog /usr/share/man/man8/fakd.8.gz \
    /usr/share/man/man1/fakctl.1.gz /usr/share/man/man1/fakctl-adjudicate.1.gz /usr/share/man/man5/fakd.toml.5.gz \
    /usr/share/fak/policy.d/coding-agent.yaml /usr/share/bash-completion/completions/fakctl; do
    has "$in_deb" "$path" "the .deb"
    has "$in_rpm" "$path" "the .rpm"
done
for unit in systemd/system/*; do
    has "$in_deb" "/usr/lib/systemd/system/${unit##*/}" "the .deb"
    has "$in_rpm" "/usr/lib/systemd/system/${unit##*/}" "the .rpm"
done
rc=0
[ "$(dpkg-deb -I "$deb" conffiles)" = /etc/fak/fakd.toml ] || rc=1
[ "$(rpm -qp --configfiles "$rpm")" = /etc/fak/fakd.toml ] || rc=1
ok "$rc" "the configuration is the administrator's in both"
rc=0
rpm -K --nosignature "$rpm" | grep -q 'digests OK' || rc=1
ok "$rc" "the .rpm's digests are right"
rc=0
{ rpm -qp --scripts "$rpm"; dpkg-deb -I "$deb" postinst; } | grep -E '\b(enable|start)\b.*(--now|fakd)' && rc=1
ok "$rc" "no script starts or enables anything behind the administrator's back"
if command -v lintian >/dev/null; then
    rc=0
    lintian --allow-root --fail-on error "$deb" | sed 's/^/# /' || rc=1
    ok "$rc" "lintian finds no error"
else
    echo "SKIP: packages: lintian is missing"
fi
exit "$failed"
