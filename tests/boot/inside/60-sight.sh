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
probe() {
    systemd-run --quiet --wait --pipe --service-type=exec -p User=fak \
        $(systemctl show fakd.service -p ProtectSystem -p ProtectHome -p PrivateDevices -p PrivateNetwork \
            -p NoNewPrivileges -p RestrictNamespaces -p MemoryDenyWriteExecute -p RestrictAddressFamilies |
            sed 's/^/-p /') /bin/sh -c "$1" >&2 2>&1
}
probe 'touch /tmp/x'
eq "$(($? != 0))" 1 "a program under the unit's settings cannot write to /tmp"
probe 'touch /home/asker/x'
eq "$(($? != 0))" 1 "nor to a home"
