# What the service can see and what it cannot do. A judge must see where links lead, in a home and in /tmp too.

printf 'version: fak-policy/v1\nname: sight\nallow: [Write]\narg_rules:\n  - { name: outside, tool: Write, arg: file_path, path: { access: [write], roots: [/tmp/agent, /home/asker] } }\n' \
    >/etc/fak/policy.d/10-sight.yaml
chmod 755 /home/asker
as asker mkdir -p /tmp/agent
as asker ln -s /etc /tmp/agent/link
as asker ln -s /etc /home/asker/link
systemctl reload fakd
ok $? "a policy of two roots"
writes() { code as asker fakctl adjudicate Write --args "{\"file_path\":\"$1\",\"content\":\"x\"}"; }
eq "$(writes /tmp/agent/file) $(writes /tmp/agent/link/passwd)" "0 3" "a link out of /tmp is seen"
eq "$(writes /home/asker/file) $(writes /home/asker/link/passwd)" "0 3" "a link out of a home is seen"
rm -r /etc/fak/policy.d/10-sight.yaml /tmp/agent
systemctl reload fakd

# The unit's own settings, tried by a program that is started like fakd.
mapfile -t settings < <(systemctl show fakd.service -p ProtectSystem -p ProtectHome -p PrivateDevices -p PrivateNetwork \
    -p NoNewPrivileges -p RestrictNamespaces -p MemoryDenyWriteExecute -p RestrictAddressFamilies | sed 's/^/--property=/')
probe() {
    systemd-run --quiet --wait --pipe --service-type=exec --property=User=fak "${settings[@]}" /bin/sh -c "$1" >&2 2>&1
}
eq "$(code probe true)" 0 "a program starts under the unit's settings"
eq "$(code probe 'touch /tmp/x')" 1 "and cannot write to /tmp"
eq "$(code probe 'touch /home/asker/x')" 1 "nor to a home"
