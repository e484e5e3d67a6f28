# From the release before: state kept, the service restarted, who asks meanwhile waits and is answered.

dpkg -i previous.deb >/out/dpkg-previous 2>&1
ok $? "dpkg -i of the previous release"
systemctl enable --now fakd >&2
systemctl enable fak-backup.timer >&2
printf '# kept\nlog_level = "info"\n' >/etc/fak/fakd.toml
asked >&2
before=$(rows)
old=$(pid)
rm -f /tmp/enough
client >/tmp/client.upgrade &
upgrade_client=$!
sleep 0.5
dpkg -i --force-confdef --force-confold fakd.deb >/out/dpkg-upgrade 2>&1
ok $? "dpkg -i of this release over it"
touch /tmp/enough
wait "$upgrade_client"
read -r bad answers worst </tmp/client.upgrade
note "during the upgrade $answers answers, the slowest after $((worst / 1000)) ms"
eq "$bad" 0 "nobody who asks during the upgrade is refused"
eq "$(active && [ "$(pid)" != "$old" ] && echo new)" new "the service was restarted"
for unit in fakd.service fakd.socket fakd-admin.socket fakd-audit.socket fak-backup.timer; do
    eq "$(systemctl is-enabled "$unit")" enabled "$unit is enabled as before"
done
eq "$(head -n 1 /etc/fak/fakd.toml)" "# kept" "the configuration is kept"
eq "$(code fakctl audit verify /var/lib/fakd/journal.db) $(($(rows) > before))" "0 1" \
    "the journal verifies and goes on after row $before"
systemctl disable --now fakd.service fakd.socket fak-backup.timer >&2
dpkg -P fakd >/out/dpkg-purge-2 2>&1
ok $? "purged again"
eq "$(find /etc/systemd /etc/fak /var/lib/fakd /run/fak -name '*fak*' 2>/dev/null)" "" "and nothing of it is left"
