# The same package for one user: a daemon of their own, with their own units.

loginctl enable-linger outsider >&2
runtime=/run/user/$(id -u outsider)
own() { as outsider env XDG_RUNTIME_DIR="$runtime" DBUS_SESSION_BUS_ADDRESS="unix:path=$runtime/bus" "$@"; }
within own systemctl --user show-environment
eq "$(code own systemctl --user enable --now fakd.socket)" 0 "a user enables a fakd of their own"
eq "$(code own fakctl adjudicate Bash --args '{"command":"ls"}')" 0 "which answers them"
eq "$(own fakctl --json status | grep -c "$runtime/fak\|/home/outsider")" 1 "from their own directories"
eq "$(code own systemctl --user reload fakd)" 0 "and reloads"
own journalctl --user -u fakd --no-pager >&2
own systemctl --user disable --now fakd.socket fakd.service >&2
loginctl disable-linger outsider >&2
