#!/bin/sh
# fresh: tries the README's two commands on a Debian 12 that has nothing but git and sh.
#
#   tools/fresh.sh FOLDER      as root; FOLDER must not exist, or be one that this made
#
# Makes a minimal system in FOLDER with debootstrap, clones this repository's HEAD into it, runs `./dev demo` and
# `./dev check` there, each twice, and says how long each took.  The folder stays; nothing stays mounted.
set -eu
root=${1:?usage: tools/fresh.sh FOLDER}
here=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "fresh: must be root" >&2; exit 2; }

if [ ! -e "$root" ]; then
  debootstrap --variant=minbase --include=git bookworm "$root" >"$root.log" 2>&1 || {
    tail -n 5 "$root.log" >&2
    exit 3
  }
fi
[ -x "$root/usr/bin/git" ] || { echo "fresh: $root is not a system made by this" >&2; exit 2; }

# shellcheck disable=SC2317 # called by the trap
release() {
  for inner in dev/pts dev proc ''; do
    ! mountpoint -q "$root/$inner" || umount "$root/$inner"
  done
}
trap release EXIT
trap 'exit 130' INT TERM HUP
mount --bind "$root" "$root" # a system's root is a mount, and systems inside this one need that
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind /dev/pts "$root/dev/pts"
cp /etc/resolv.conf "$root/etc/resolv.conf"
[ -e "$root/etc/hosts" ] || echo '127.0.0.1 localhost' >"$root/etc/hosts" # the installer's work, not debootstrap's

inside() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin TERM=dumb sh -c "$1"; }

git -C "$here" bundle create -q "$root/root/lastword.bundle" HEAD
inside 'rm -rf /root/lastword && git -c advice.detachedHead=false clone -q /root/lastword.bundle /root/lastword'
failed=0
for word in demo demo check check; do
  began=$(date +%s)
  status=0
  inside "cd /root/lastword && ./dev $word" >"$root/root/$word.log" 2>&1 || status=$?
  [ "$status" = 0 ] || failed=1
  printf '%s: exit status %s, %s s, last line: %s\n' "$word" "$status" "$(($(date +%s) - began))" \
    "$(tail -n 1 "$root/root/$word.log")"
done
inside 'cd /root/lastword && git status --short'
exit "$failed"
