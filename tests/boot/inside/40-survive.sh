# Killed, hung, restarted under load: nothing is lost and nobody is refused.

asked >&2
before=$(rows)
old=$(pid)
kill -9 "$old"
within test "$(property NRestarts)" -ge 1 || true
within asked
new=$(pid)
eq "$([ "$new" != "$old" ] && [ "$new" -gt 0 ] && echo new)" new "killed, it is started again"
eq "$(code fakctl audit verify /var/lib/fakd/journal.db)" 0 "the journal it left verifies"
eq "$(($(rows) > before))" 1 "no row is lost (it ended with $before and goes on)"

mkdir -p /run/systemd/system/fakd.service.d
printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/fakd.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart fakd
old=$(pid)
began=$EPOCHREALTIME
kill -STOP "$old"
hung() { [ "$(pid)" != "$old" ] && active; }
within hung
ok $? "hung, the watchdog restarts it"
note "after $(awk "BEGIN { printf \"%.1f s\", $EPOCHREALTIME - $began }") with WatchdogSec=2s"
journalctl -u fakd --no-pager | grep -qi 'watchdog timeout'
ok $? "and systemd's journal says so"
rm -r /run/systemd/system/fakd.service.d
systemctl daemon-reload
systemctl reset-failed fakd.service
systemctl restart fakd

# Asks all the time, one call after the other, until told to stop; prints how many were no answer, how many there were
# and how long the slowest took.
client() {
    local began took worst=0 bad=0 answers=0
    while [ ! -e /tmp/enough ]; do
        began=${EPOCHREALTIME/./}
        fakctl --timeout 10s adjudicate Bash --args '{"command":"ls"}' >/dev/null 2>>/out/refused || bad=$((bad + 1))
        took=$((${EPOCHREALTIME/./} - began))
        answers=$((answers + 1))
        [ "$took" -le "$worst" ] || worst=$took
    done
    echo "$bad $answers $worst"
}

rm -f /tmp/enough
for number in 1 2 3 4; do client >"/tmp/client.$number" & clients[number]=$!; done
sleep 0.3
for _ in 1 2 3 4 5; do
    systemctl restart fakd >&2
    sleep 0.3
done
touch /tmp/enough
wait "${clients[@]}"
read -r bad answers worst <<<"$(cat /tmp/client.* | awk '{ b += $1; n += $2; if ($3 > w) w = $3 } END { print b, n, w }')"
note "five restarts, $answers answers, the slowest after $((worst / 1000)) ms"
eq "$bad" 0 "nobody who asks during a restart is refused"
eq "$(code fakctl audit verify /var/lib/fakd/journal.db)" 0 "the journal verifies after the restarts"
systemctl reset-failed fakd.service
