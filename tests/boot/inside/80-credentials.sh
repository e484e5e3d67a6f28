# The key that signs checkpoints, as a credential. Up to here there was none, so fakd made its own; the unit asks for a
# credential by its bare name, and one that is not there keeps nothing from starting.

own=/var/lib/fakd/keys/journal.key
eq "$(stat -c '%U:%G %a' "$own")" "fak:fak 600" "without a credential fakd has made its own key"
checkpoint() { fakctl --socket /run/fak/admin.sock audit checkpoint; }
eq "$(code checkpoint)" 0 "and signs checkpoints with it"
public() { fakctl --socket /run/fak/admin.sock audit checkpoint --key; }
its=$(public)

# The same key from the credential store, and none in the state directory.
systemctl stop fakd.service
install -d -m 0700 /etc/credstore /etc/credstore.encrypted
mv "$own" /etc/credstore/fak.journal-key
systemctl start fakd
ok $? "LoadCredential=: it starts with the key in /etc/credstore"
test ! -e "$own"
ok $? "and makes no key of its own"
eq "$(code checkpoint) $(public)" "0 $its" "and signs with the credential"

# The same key encrypted to this machine, by a drop-in.
if systemd-creds setup >&2 && systemd-creds encrypt --with-key=host --name=fak.journal-key \
    /etc/credstore/fak.journal-key /etc/credstore.encrypted/fak.journal-key >&2; then
    systemctl stop fakd.service
    rm /etc/credstore/fak.journal-key
    mkdir -p /etc/systemd/system/fakd.service.d
    printf '[Service]\nLoadCredential=\nLoadCredentialEncrypted=fak.journal-key:/etc/credstore.encrypted/fak.journal-key\n' \
        >/etc/systemd/system/fakd.service.d/key.conf
    systemctl daemon-reload
    systemctl start fakd
    ok $? "LoadCredentialEncrypted=: it starts with the encrypted key"
    test ! -e "$own"
    ok $? "and makes no key of its own"
    eq "$(code checkpoint) $(public)" "0 $its" "and signs with the decrypted key"
    systemctl stop fakd.service
    systemd-creds decrypt --name=fak.journal-key /etc/credstore.encrypted/fak.journal-key "$own" >&2
    chown fak:fak "$own"
    chmod 600 "$own"
    rm -r /etc/systemd/system/fakd.service.d /etc/credstore.encrypted/fak.journal-key
    systemctl daemon-reload
else
    ok 1 "systemd-creds encrypts a key"
fi
systemctl start fakd
eq "$(code fakctl audit verify /var/lib/fakd/journal.db)" 0 "the journal verifies over all of that"
