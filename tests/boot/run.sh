#!/usr/bin/env bash
# Boots Debian with systemd as its first process in a container, installs the package there and puts it through what an
# administrator does. Needs root and systemd-nspawn, but no systemd on this machine; Debian packages that are missing are
# installed. The base systems are made once and kept; without a network they must be there.
#   tests/boot/run.sh PACKAGE.deb PREVIOUS.deb [SUITE...]      SUITE: hybrid unified trixie [all three]
#   FAK_BOOT_CACHE=/var/cache/fak-boot   where the base systems lie
#   FAK_BOOT_OUT=target/boot             where the logs go
# Prints TAP lines, or a line `SKIP: boot: REASON`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
package=$(readlink -f "${1:?usage: run.sh PACKAGE.deb PREVIOUS.deb [SUITE...]}")
previous=$(readlink -f "${2:?usage: run.sh PACKAGE.deb PREVIOUS.deb [SUITE...]}")
shift 2
[ $# -gt 0 ] || set -- hybrid unified trixie
cache=${FAK_BOOT_CACHE:-/var/cache/fak-boot}
logs=${FAK_BOOT_OUT:-$root/target/boot}
# What an acceptance run may take at most, in seconds.
limit=240
# The base systems: as small as can be, with what a Debian server has.
base_packages=systemd,systemd-sysv,dbus,libpam-systemd,libnss-systemd,login,passwd,procps,init-system-helpers

skip() {
    echo "SKIP: boot${1:+/$1}: $2"
}

if [ "$(id -u)" -ne 0 ]; then
    skip "" "needs root"
    exit 0
fi
missing=
command -v systemd-nspawn >/dev/null || missing="systemd-container"
command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1; then
        skip "" "$missing cannot be installed with apt-get"
        exit 0
    fi
fi

# Makes the base system of a Debian release unless it is there. A changed list of packages makes it anew.
base() {
    local release=$1 dir=$cache/$1
    if [ "$(cat "$dir/.made-of" 2>/dev/null)" = "$base_packages" ]; then
        return 0
    fi
    mkdir -p "$cache"
    rm -rf "$dir" "$dir.new"
    mkdir "$dir.new"
    echo "# making the base system $release in $cache, once" >&2
    mmdebstrap --quiet --variant=minbase --include="$base_packages" "$release" - 2>"$logs/$release.log" |
        tar -C "$dir.new" -xp 2>>"$logs/$release.log" || return 1
    ln -sf /dev/null "$dir.new/etc/systemd/system/console-getty.service"
    rm -f "$dir.new"/etc/systemd/system/*.wants/*.timer
    echo "$base_packages" >"$dir.new/.made-of"
    mv "$dir.new" "$dir"
}

# The unit that runs the acceptance and ends the boot with its exit code.
unit() {
    cat <<'U'
[Unit]
Description=Acceptance
After=multi-user.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStart=/bin/bash /root/boot/acceptance.sh
StandardOutput=file:/out/tap
StandardError=file:/out/trace
TimeoutStartSec=220
U
}

# Boots one suite on a throw-away overlay of its base system.
boot() {
    local suite=$1 release=$2 out=$logs/$1 run rc=0
    run=$(mktemp -d /var/tmp/fak-boot.XXXXXX)
    rm -rf "$out"
    mkdir -p "$out" "$run/up" "$run/work" "$run/root"
    if ! mount -t overlay overlay -o "lowerdir=$cache/$release,upperdir=$run/up,workdir=$run/work" "$run/root"; then
        rm -rf "$run"
        skip "$suite" "no overlay can be mounted in /var/tmp"
        return 0
    fi
    mkdir "$run/root/root/boot"
    cp "$package" "$run/root/root/boot/fakd.deb"
    cp "$previous" "$run/root/root/boot/previous.deb"
    cp -r "$here/acceptance.sh" "$here/inside" "$run/root/root/boot/"
    : >"$run/root/etc/machine-id"
    # The disk is thrown away: nothing has to reach it.
    echo force-unsafe-io >"$run/root/etc/dpkg/dpkg.cfg.d/boot"
    unit >"$run/root/etc/systemd/system/acceptance.service"
    mkdir -p "$run/root/etc/systemd/system/graphical.target.wants"
    ln -s ../acceptance.service "$run/root/etc/systemd/system/graphical.target.wants/"
    # Its own filter answers "no such call" to landlock otherwise, as if the kernel had none.
    timeout --signal=TERM "$limit" systemd-nspawn --quiet --directory="$run/root" --machine="fak-$suite-$$" --boot \
        --register=no --keep-unit --private-network --link-journal=no --bind="$out:/out" --console=pipe \
        --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self bpf seccomp pidfd_getfd" \
        </dev/null >"$out/console" 2>&1 || rc=$?
    umount "$run/root" 2>/dev/null || umount -l "$run/root"
    rm -rf "$run"
    sed -E "s|^((not )?ok [0-9]+ - )|\1boot/$suite: |" "$out/tap" 2>/dev/null || true
    if [ "$rc" -ne 0 ] || ! grep -q '^1\.\.' "$out/tap" 2>/dev/null; then
        [ "$rc" -ne 0 ] || rc=1
        # The verdict stands even when no line was written.
        echo "not ok 0 - boot/$suite: the acceptance ran to its end and passed (exit $rc, logs in $out)"
        grep -q '^1\.\.' "$out/tap" 2>/dev/null || tail -n 40 "$out/console" | sed 's/^/# /'
    fi
    return "$rc"
}

mkdir -p "$logs"
status=0
for suite in "$@"; do
    unset SYSTEMD_NSPAWN_UNIFIED_HIERARCHY
    case $suite in
    hybrid)
        release=bookworm
        if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
            skip hybrid "this machine has unified cgroups only"
            continue
        fi
        ;;
    unified)
        release=bookworm
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        ;;
    trixie)
        release=trixie
        export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
        ;;
    *)
        echo "run.sh: $suite is no suite; there are hybrid, unified and trixie" >&2
        exit 64
        ;;
    esac
    if ! base "$release"; then
        rm -rf "${cache:?}/$release.new"
        skip "$suite" "no base system $release in $cache, and none can be made (see $logs/$release.log)"
        continue
    fi
    began=$(date +%s)
    boot "$suite" "$release" || status=1
    echo "# boot/$suite took $(($(date +%s) - began)) s"
done
exit "$status"
