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

# Four ask all the time, one after the other, while the service is restarted five times. Each prints how long the
# slowest answer took and how many were no answer.
client() {
    local end=$((SECONDS + $1)) began took worst=0 bad=0 answers=0
    while [ "$SECONDS" -lt "$end" ]; do
        began=${EPOCHREALTIME/./}
        fakctl --timeout 10s adjudicate Bash --args '{"command":"ls"}' >/dev/null 2>>/out/refused || bad=$((bad + 1))
        took=$((${EPOCHREALTIME/./} - began))
        answers=$((answers + 1))
        [ "$took" -le "$worst" ] || worst=$took
    done
    echo "$bad $answers $worst"
}
for number in 1 2 3 4; do client 6 >"/tmp/client.$number" & clients[number]=$!; done
sleep 0.5
for _ in 1 2 3 4 5; do
    systemctl restart fakd >&2
    sleep 0.6
done
wait "${clients[@]}"
read -r bad answers worst <<<"$(cat /tmp/client.* | awk '{ b += $1; n += $2; if ($3 > w) w = $3 } END { print b, n, w }')"
note "five restarts, $answers answers, the slowest after $((worst / 1000)) ms"
eq "$bad" 0 "nobody who asks during a restart is refused"
eq "$(code fakctl audit verify /var/lib/fakd/journal.db)" 0 "the journal verifies after the restarts"
systemctl reset-failed fakd.service
