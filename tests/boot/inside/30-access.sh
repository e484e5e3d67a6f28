# Who may do what at which socket, by exit code: 0 done, 69 no such socket, 77 not permitted.

matrix() { # SOCKET VERB... : the exit codes of outsider, asker, auditor, admin and root
    local socket=$1 codes="" user
    shift
    for user in outsider asker auditor admin root; do
        codes="$codes$(code as "$user" fakctl --socket "/run/fak/$socket.sock" "$@") "
    done
    echo "$codes"
}

call=(adjudicate Bash --args '{"command":"ls"}')
#                                            outsider asker auditor admin root
eq "$(matrix fakd "${call[@]}")"               "77 0 77 77 0 " "asking at fakd.sock"
eq "$(matrix fakd status)"                     "77 0 77 77 0 " "the status at fakd.sock"
eq "$(matrix fakd sessions)"                   "77 0 77 77 0 " "own sessions at fakd.sock"
eq "$(matrix fakd reload)"                     "77 77 77 77 77 " "nobody reloads at fakd.sock, not even root"
eq "$(matrix audit "${call[@]}")"              "77 77 77 77 77 " "nobody asks at audit.sock"
eq "$(matrix audit status)"                    "77 77 0 77 0 " "the status at audit.sock"
eq "$(matrix fakd metrics)"                    "77 0 77 77 0 " "the numbers at fakd.sock"
eq "$(matrix audit metrics)"                   "77 77 0 77 0 " "the numbers at audit.sock"
eq "$(matrix audit sessions)"                  "77 77 0 77 0 " "all sessions at audit.sock"
eq "$(matrix audit reload)"                    "77 77 77 77 77 " "nobody reloads at audit.sock"
eq "$(matrix admin "${call[@]}")"              "77 77 77 0 0 " "asking at admin.sock"
eq "$(matrix admin status)"                    "77 77 77 0 0 " "the status at admin.sock"
eq "$(matrix admin reload)"                    "77 77 77 0 0 " "reloading at admin.sock"
eq "$(code as fak fakctl --socket /run/fak/fakd.sock reload)" 0 "the daemon's own user reloads at fakd.sock"
eq "$(code as outsider cat /var/lib/fakd/journal.db)" 1 "the journal's file is closed to outsiders"
eq "$(code as asker cat /var/lib/fakd/journal.db)" 1 "and to those who ask"
as asker fakctl --socket /run/fak/fakd.sock sessions >/out/sessions-asker 2>&1
as auditor fakctl --socket /run/fak/audit.sock sessions >/out/sessions-auditor 2>&1
eq "$(($(wc -l </out/sessions-auditor) > $(wc -l </out/sessions-asker)))" 1 "an auditor sees more sessions than one who asks"
