# A fresh machine: what the package brings, and that it starts nothing by itself.

dpkg -i fakd.deb >/out/dpkg-install 2>&1
ok $? "dpkg -i"
eq "$(dpkg-query -W -f '${Status}' fakd)" "install ok installed" "the package is configured"
eq "$(id -un fak)" fak "the daemon's user exists"
eq "$(getent passwd fak | cut -d: -f6,7)" "/var/lib/fakd:/usr/sbin/nologin" "and cannot log in"
for group in fak fak-admin fak-audit; do
    getent group "$group" >&2
    ok $? "the group $group exists"
done
eq "$(stat -c '%U:%G %a' /run/fak)" "root:root 755" "the sockets' directory is root's"
eq "$(stat -c '%U:%G %a' /etc/fak/policy.d)" "root:root 755" "there is a directory for policies"
for unit in fakd.service fakd.socket fakd-admin.socket fakd-audit.socket fak-backup.timer; do
    eq "$(systemctl is-enabled "$unit") $(systemctl is-active "$unit")" "disabled inactive" \
        "$unit is neither enabled nor started"
done
eq "$(code systemd-analyze verify --man=no fakd.service fakd.socket fakd-admin.socket fakd-audit.socket \
    fak-backup.service fak-backup.timer)" 0 "systemd-analyze verify finds nothing"
exposure=$(systemd-analyze security --no-pager fakd.service 2>/dev/null | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
note "exposure of fakd.service: $exposure"
eq "$(awk "BEGIN { print (\"$exposure\" != \"\" && \"$exposure\" <= 1.5) }")" 1 "the service's exposure is at most 1.5"
fakd --check-config >&2
ok $? "the packaged configuration is sound"

for user in outsider asker admin auditor; do useradd -m "$user"; done
usermod -aG fak asker
usermod -aG fak-admin admin
usermod -aG fak-audit auditor
