#!/bin/sh
# Installs what `cargo build --release` made for one user, or below any prefix: programs, manual pages, completions
# and the user units. Removes the same with --remove. Touches no policy, no journal and no running daemon.
#   packaging/install.sh [--remove] [PREFIX]        PREFIX defaults to ~/.local
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
remove=
if [ "${1:-}" = --remove ]; then
    remove=yes
    shift
fi
prefix=${1:-$HOME/.local}
units=$prefix/share/systemd/user

if [ -n "$remove" ]; then
    rm -f "$prefix/bin/fakd" "$prefix/bin/fakctl" "$units/fakd.service" "$units/fakd.socket" \
        "$prefix/share/bash-completion/completions/fakctl" "$prefix/share/zsh/site-functions/_fakctl" \
        "$prefix/share/fish/vendor_completions.d/fakctl.fish"
    for page in "$root"/man/*; do
        rm -f "$prefix/share/man/man${page##*.}/${page##*/}"
    done
    exit 0
fi

bin=$root/target/release
for program in fakd fakctl; do
    if [ ! -x "$bin/$program" ]; then
        echo "install.sh: $bin/$program is missing: run 'cargo build --release -p fakd -p fakctl' first" >&2
        exit 66
    fi
    install -D -m 0755 "$bin/$program" "$prefix/bin/$program"
done
for page in "$root"/man/*; do
    install -D -m 0644 "$page" "$prefix/share/man/man${page##*.}/${page##*/}"
done
mkdir -p "$units" "$prefix/share/bash-completion/completions" "$prefix/share/zsh/site-functions" \
    "$prefix/share/fish/vendor_completions.d"
"$bin/fakctl" completions bash >"$prefix/share/bash-completion/completions/fakctl"
"$bin/fakctl" completions zsh >"$prefix/share/zsh/site-functions/_fakctl"
"$bin/fakctl" completions fish >"$prefix/share/fish/vendor_completions.d/fakctl.fish"
for unit in fakd.service fakd.socket; do
    sed -e "s|/usr/sbin/fakd|$prefix/bin/fakd|g" -e "s|/usr/bin/fakctl|$prefix/bin/fakctl|g" "$root/systemd/user/$unit" >"$units/$unit"
    chmod 0644 "$units/$unit"
done
echo "installed below $prefix; next: systemctl --user enable --now fakd.socket, or: $prefix/bin/fakd --user"
