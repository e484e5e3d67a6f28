# Starting: by hand with everything it needs, and by the first who asks.

systemctl enable --now fakd >&2
ok $? "systemctl enable --now fakd"
for unit in fakd.service fakd.socket fakd-admin.socket fakd-audit.socket; do
    eq "$(systemctl is-enabled "$unit") $(systemctl is-active "$unit")" "enabled active" "which brings $unit along"
done
eq "$(stat -c '%U:%G %a' /run/fak/fakd.sock)" "root:fak 660" "who may open fakd.sock"
eq "$(stat -c '%U:%G %a' /run/fak/admin.sock)" "root:fak-admin 660" "who may open admin.sock"
eq "$(stat -c '%U:%G %a' /run/fak/audit.sock)" "root:fak-audit 660" "who may open audit.sock"
eq "$(stat -c '%U:%G %a' /var/lib/fakd)" "fak:fak 750" "the state directory is the daemon's"
eq "$(stat -c '%U:%G %a' /var/lib/fakd/journal.db)" "fak:fak 600" "the journal is the daemon's alone"
eq "$(ps -o user= -p "$(pid)")" fak "fakd runs as its own user"
eq "$(awk '/^(CapEff|CapBnd|NoNewPrivs|Seccomp):/ { printf "%s ", $2 }' "/proc/$(pid)/status")" \
    "0000000000000000 0000000000000000 1 2 " "without capabilities, filtered, and without a way to gain any"
eq "$(code asked)" 0 "root asks and is answered"
eq "$(code fakctl doctor)" 0 "fakctl doctor finds nothing to mend"

systemctl stop fakd.service
eq "$(systemctl is-active fakd.service fakd.socket | tr '\n' ' ')" "inactive active " "stopped, the sockets listen on"
eq "$(code as asker fakctl adjudicate Bash --args '{"command":"ls"}')" 0 "who asks then is answered"
active
ok $? "and has started the service"

systemctl stop fakd.socket
eq "$(systemctl is-active fakd.service fakd-admin.socket fakd-audit.socket | tr '\n' ' ')" \
    "inactive inactive inactive " "stopping the main socket stops everything"
eq "$(find /run/fak -type s)" "" "and no socket is left"
eq "$(code as asker fakctl status)" 69 "who asks then is told that fakd is not running"
systemctl start fakd
active
ok $? "started again"
