# Where the sandbox's system calls are filtered away, fakd does not run without them in silence.

mkdir -p /run/systemd/system/fakd.service.d
printf '[Service]\nSystemCallFilter=~landlock_create_ruleset landlock_add_rule landlock_restrict_self\n' \
    >/run/systemd/system/fakd.service.d/no-landlock.conf
systemctl daemon-reload
code systemctl restart fakd >&2
failed_so() { [ "$(property ExecMainStatus)" = 70 ]; }
within failed_so
eq "$(property ExecMainStatus)" 70 "without landlock fakd ends with 70"
rm -r /run/systemd/system/fakd.service.d
systemctl daemon-reload
systemctl stop fakd.socket fakd.service
systemctl reset-failed fakd.service fakd.socket fakd-admin.socket fakd-audit.socket
systemctl start fakd
ok $? "and with it, it starts"
within asked
