#!/bin/bash
# Runs as the last unit of the boot. Standard output is TAP; everything a check says goes to standard error.
# Each file below `inside` is one theme; they run in order, on one machine, and may build on what came before.
set -u
cd /root/boot || exit 1
failed=0
count=0

ok() { # STATUS WHAT
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failed=1
    fi
    echo "== $count: $2: $1" >&2
}

eq() { # GOT WANTED WHAT
    if [ "$1" = "$2" ]; then ok 0 "$3"; else ok 1 "$3 (got '$1', wanted '$2')"; fi
}

# Runs a command quietly and returns its exit code as text.
code() {
    local rc=0
    "$@" >&2 2>&1 || rc=$?
    echo "$rc"
}

# Waits until a command succeeds, for at most ten seconds.
within() {
    local _
    for _ in $(seq 100); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    return 1
}

as() { # USER COMMAND...
    local user=$1
    shift
    setpriv --reuid "$user" --regid "$user" --init-groups --reset-env -- "$@"
}

note() { echo "# $*"; }
pid() { systemctl show -p MainPID --value fakd.service; }
property() { systemctl show -p "$1" --value "${2:-fakd.service}"; }
active() { [ "$(systemctl is-active fakd.service)" = active ]; }
asked() { fakctl adjudicate Bash --args '{"command":"ls"}'; }
# The number of the newest row, from the file alone.
rows() { fakctl audit verify /var/lib/fakd/journal.db --json | sed -n 's/.*"seq":\([0-9]*\).*/\1/p' | head -n 1; }
# Rows of a kind in the journal.
kinds() { fakctl audit export /var/lib/fakd/journal.db | grep -c "\"kind\":\"$1\""; }

note "$(systemctl --version | head -n 1), cgroups: $(stat -fc %T /sys/fs/cgroup), kernel $(uname -r)"
for theme in inside/*.sh; do
    note "${theme#inside/}"
    began=$EPOCHREALTIME
    # shellcheck disable=SC1090
    . "./$theme"
    note "$(awk "BEGIN { printf \"%.1f s\", $EPOCHREALTIME - $began }")"
done
journalctl --no-pager -o short-monotonic -u 'fakd*' -u 'fak-*' >/out/journal 2>&1
echo "1..$count"
exit "$failed"
