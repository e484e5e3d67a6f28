# systemd's journal: fields to search by, and the catalogue's explanation.

fakctl adjudicate Bash --args '{"command":"rm -rf ~"}' >&2
refused() { journalctl -u fakd FAK_EVENT=REFUSED -o json --no-pager -n 1 | grep -q MESSAGE_ID; }
within refused
ok $? "a refusal is logged under its event"
journalctl -u fakd FAK_EVENT=REFUSED -o json --no-pager -n 1 >/out/refused.json
for field in '"MESSAGE_ID":"917166f7e21843c9a606b5ae374248c7"' '"FAK_TOOL":"Bash"' '"FAK_REASON":"' '"FAK_SEQ":"' \
    '"FAK_TRACE":"' '"_SYSTEMD_UNIT":"fakd.service"'; do
    grep -q "$field" /out/refused.json
    ok $? "with the field $field"
done
grep -q 'rm -rf' /out/refused.json
eq "$?" 1 "and without the arguments"
journalctl -x -u fakd MESSAGE_ID=78a155a452414c9ca8ab84f3b8256e95 --no-pager -n 3 >/out/explained
grep -q 'opened its journal and listens' /out/explained
ok $? "journalctl -x explains a start"
