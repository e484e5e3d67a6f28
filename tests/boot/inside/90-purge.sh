# Removal stops everything and keeps what is not the package's alone; purge leaves nothing.

dpkg -r fakd >/out/dpkg-remove 2>&1
ok $? "dpkg -r"
eq "$(systemctl is-active fakd.service fakd.socket fakd-admin.socket fakd-audit.socket | sort -u)" inactive \
    "everything is stopped"
eq "$(ls /var/lib/fakd/journal.db /etc/fak/fakd.toml | wc -l)" 2 "the journal and the configuration stay"
dpkg -P fakd >/out/dpkg-purge 2>&1
ok $? "dpkg -P"
systemctl daemon-reload
systemctl reset-failed
eq "$(code systemctl cat fakd.service)" 1 "the units are gone"
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /out -o -path /root -o -path /var/log -o -path /home \) -prune \
    -o \( -name '*fakd*' -o -name 'fakctl*' -o -name 'fak-*' -o -name 'fak.*' -o -name fak \) -print)
eq "$left" "" "nothing is left"
eq "$(id -un fak) $(getent group fak-admin fak-audit | cut -d: -f1 | tr '\n' ' ')" "fak fak-admin fak-audit " \
    "but the users and groups: their numbers may stand in backups"
