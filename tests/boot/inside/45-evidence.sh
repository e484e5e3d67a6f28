# Evidence that leaves the machine: checkpoints and proofs at the sockets, break-glass, backups by the timer.

row=$(rows)
eq "$(matrix fakd audit checkpoint)"   "77 77 77 77 77 " "nobody has a checkpoint signed at fakd.sock"
eq "$(matrix audit audit prove "$row")" "77 77 0 77 0 "  "auditors prove a row at audit.sock"
eq "$(matrix admin audit checkpoint)"  "77 77 77 0 0 "   "administrators have a checkpoint signed at admin.sock"
fakctl --socket /run/fak/admin.sock audit checkpoint --key >/tmp/journal.vkey
fakctl --socket /run/fak/admin.sock audit prove "$row" >/tmp/row.proof
eq "$(code as outsider fakctl audit check /tmp/row.proof --key /tmp/journal.vkey)" 0 \
    "and anybody verifies the proof without fakd"

eq "$(matrix fakd emergency disable --reason try)"  "77 77 77 77 77 " "nobody breaks the glass at fakd.sock"
eq "$(matrix audit emergency disable --reason try)" "77 77 77 77 77 " "nor at audit.sock"
refused_call=(adjudicate Bash --args '{"command":"rm -rf ~"}')
eq "$(code as asker fakctl "${refused_call[@]}")" 3 "a call is refused"
eq "$(code as admin fakctl --socket /run/fak/admin.sock emergency disable --reason 'boot test' --for 5m)" 0 \
    "an administrator breaks the glass at admin.sock"
eq "$(code as asker fakctl "${refused_call[@]}")" 0 "the call is admitted"
eq "$(code as admin fakctl --socket /run/fak/admin.sock emergency enable --reason 'boot test over')" 0 "and mends it"
eq "$(code as asker fakctl "${refused_call[@]}")" 3 "the call is refused again"
eq "$(kinds EMERGENCY)" 2 "both are rows of the journal"

# The timer starts the service below; it is started here as the timer would.
eq "$(systemctl show -p Unit --value fak-backup.timer)" fak-backup.service "the timer has its service"
eq "$(code systemctl enable --now fak-backup.timer)" 0 "systemctl enable --now fak-backup.timer"
systemctl list-timers --no-pager fak-backup.timer >&2
for number in 1 2; do
    asked >&2
    eq "$(code systemctl start fak-backup.service)" 0 "backup $number is made"
done
eq "$(find /var/lib/fakd/backups -mindepth 1 -maxdepth 1 | wc -l)" 2 "there are two"
copy=$(find /var/lib/fakd/backups -mindepth 1 -maxdepth 1 | sort | tail -n 1)
eq "$(stat -c '%U %a' "$copy/journal.db")" "fak 600" "the copy is the daemon's alone"
eq "$(code as fak fakctl backup verify "$copy")" 0 "and verifies"
before=$(rows)
eq "$(code as fak fakctl backup restore "$copy" --accept-rollback)" 75 "none is put back under a running fakd"
systemctl stop fakd.socket
eq "$(code as fak fakctl backup restore "$copy" --accept-rollback)" 0 "stopped, it is put back"
systemctl start fakd
ok $? "and fakd starts on it"
eq "$(code fakctl audit verify /var/lib/fakd/journal.db)" 0 "and it verifies"
