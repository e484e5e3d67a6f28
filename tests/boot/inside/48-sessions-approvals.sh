# Sessions held and calls approved by an administrator; kept answers and every word readable in no file.

# Without a process there is none to kill: 0 would be this script and all it started.
killed() { [ "$(pid)" -gt 0 ] && kill -9 "$(pid)"; }

cat >/etc/fak/policy.d/sessions.yaml <<'P'
name: sessions
bind: {uids: [ASKER]}
allow: [Bash, look]
approval: {expires_s: 600}
budget: {turns: 2}
arg_rules:
  - {name: push, tool: Bash, arg: command, deny_regex: 'git push', verdict: REQUIRE_WITNESS}
cache:
  reads: {look: {namespace: fs}}
P
sed -i "s/ASKER/$(id -u asker)/" /etc/fak/policy.d/sessions.yaml
chmod 644 /etc/fak/policy.d/sessions.yaml
eq "$(code as admin fakctl --socket /run/fak/admin.sock reload)" 0 "a policy with budgets and approvals is read"

listens=(adjudicate Bash --args '{"command":"ls"}' --trace held)
eq "$(code as asker fakctl "${listens[@]}")" 0 "a session begins"
hold=(session pause held --principal "uid:$(id -u asker)" --reason 'boot test')
eq "$(matrix fakd "${hold[@]}")"  "77 77 77 77 77 " "nobody steers a session at fakd.sock, not even their own"
eq "$(matrix audit "${hold[@]}")" "77 77 77 77 77 " "nor at audit.sock"
eq "$(code as admin fakctl --socket /run/fak/admin.sock "${hold[@]}")" 0 "an administrator pauses it at admin.sock"
eq "$(code as asker fakctl "${listens[@]}")" 3 "its calls wait"
systemctl restart fakd
active
ok $? "fakd is restarted"
eq "$(as asker fakctl "${listens[@]}" --json | grep -o 'session/paused')" session/paused "and it is still paused"
eq "$(code as admin fakctl --socket /run/fak/admin.sock session resume held --reason 'boot test over')" 0 "it is resumed"
eq "$(code as asker fakctl "${listens[@]}")" 0 "and its calls pass"
for turn in one two; do
    eq "$(code as asker fakctl session reserve held --turn $turn)" 0 "turn $turn is put aside"
done
eq "$(code as asker fakctl session reserve held --turn three)" 3 "the budget has no third"
eq "$(code as outsider fakctl session reserve held --turn four)" 77 "and outsiders have none"

push=(adjudicate Bash --args '{"command":"git push origin canary-8c2d"}' --trace pushes --json)
as asker fakctl "${push[@]}" >/tmp/push 2>/dev/null
eq "$?" 4 "a push waits for somebody else"
id=$(sed -n 's/.*"approval_id":"\([0-9a-f]*\)".*/\1/p' /tmp/push)
approve=(approvals approve "$id" --reason 'looked at it')
eq "$(matrix fakd "${approve[@]}")" "77 77 77 77 66 " "nobody approves at fakd.sock, and root sees none there"
killed
within asked
eq "$(as asker fakctl approvals list | grep -c "^$id  pending")" 1 "it waits across a kill"
eq "$(code as admin fakctl --socket /run/fak/admin.sock "${approve[@]}")" 0 "an administrator approves it"
eq "$(code as asker fakctl "${push[@]}")" 0 "the push passes"
eq "$(code as asker fakctl "${push[@]}")" 4 "once"
eq "$(kinds APPROVE | grep -c '^[1-9]')" 1 "which are rows of the journal"

read=(look --trace reads --call-id one)
as asker fakctl adjudicate "${read[@]}" >&2
echo 'kept canary-8c2d' | as asker fakctl admit "${read[@]}" --args '{}' >&2
eq "$(as asker fakctl adjudicate "${read[@]}" --json | grep -c '"cached"')" 1 "an answer is kept"
killed
within asked
eq "$(as asker fakctl adjudicate "${read[@]}" --json | grep -c '"cached"')" 1 "and given again after a kill"
eq "$(code as asker fakctl tell --trace reads --words 'write to canary-8c2d')" 0 "the user's words are heard"
eq "$(grep -rl canary-8c2d /var/lib/fakd | wc -l)" 0 "no file holds a word of it"
eq "$(journalctl -u fakd --no-pager | grep -c canary-8c2d)" 0 "nor does the system's journal"
eq "$(find /var/lib/fakd/vault ! -user fak | wc -l)" 0 "everything in the vault is the daemon's"
eq "$(find /var/lib/fakd/vault -mindepth 1 -perm /077 | wc -l)" 0 "and the daemon's alone"
eq "$(code fakctl audit verify /var/lib/fakd/journal.db)" 0 "the journal verifies"
rm /etc/fak/policy.d/sessions.yaml
eq "$(code as admin fakctl --socket /run/fak/admin.sock reload)" 0 "the policy is taken away again"
