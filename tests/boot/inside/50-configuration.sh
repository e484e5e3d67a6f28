# A configuration that is wrong keeps the service off and says where; a policy that is wrong changes nothing.

bad=/etc/fak/fakd.toml.d/50-bad.toml
printf '# limits of this machine\nlog_level = "loud"\n' >"$bad"
cursor=$(journalctl -n 1 -o cat --show-cursor | sed -n 's/^-- cursor: //p')
eq "$(code systemctl restart fakd)" 1 "a wrong configuration keeps the service from starting"
settled() { [ "$(property ActiveState)" = failed ] && [ "$(property SubState)" = failed ]; }
within settled
ok $? "it has failed"
eq "$(journalctl --after-cursor "$cursor" -o cat -u fakd.service | grep -c '^Starting ')" 1 "nor a second time"
eq "$(property ExecMainStatus)" 78 "the exit code is 78"
eq "$(code fakd --check-config)" 78 "as it is of fakd --check-config"
eq "$(code asked)" 69 "who asks meanwhile is told that nobody answers"
journalctl --after-cursor "$cursor" -o cat -u fakd.service >/out/bad-config
grep -q "$bad:2:.*log_level" /out/bad-config
ok $? "the message names the file, the line and the key"
grep -q 'status=78/CONFIG' /out/bad-config
ok $? "and systemd's journal the exit code"
rm "$bad"
systemctl reset-failed fakd.service fakd.socket fakd-admin.socket fakd-audit.socket
systemctl start fakd
ok $? "mended, it starts"
within asked
ok $? "and answers"

generation() { fakctl --json status | grep -o '"generation":[0-9]*' | head -n 1 | cut -d: -f2; }
before=$(generation)
old=$(pid)
printf 'version: fak-policy/v1\nname: bench\nallow: [Read]\n' >/etc/fak/policy.d/10-bench.yaml
eq "$(code systemctl reload fakd)" 0 "systemctl reload takes a new policy"
eq "$(($(generation) > before))" 1 "which has a new generation"
eq "$(pid)" "$old" "without a restart"
eq "$(code asked)" 3 "and is in force"
printf 'version: fak-policy/v1\nname: bench\nallow: [Read\n' >/etc/fak/policy.d/10-bench.yaml
before=$(generation)
eq "$(code systemctl reload fakd)" 1 "systemctl reload returns the error of a broken policy"
eq "$(generation) $(code asked)" "$before 3" "the old policy stays in force"
journalctl -u fakd -o cat | grep -q '10-bench.yaml'
ok $? "and the log names the file"
rm /etc/fak/policy.d/10-bench.yaml
eq "$(code systemctl reload fakd) $(code asked)" "0 0" "without it the built-in floor judges again"
