#!/bin/sh
# Runs a command in the Debian 13 that `ci/install-brokers.sh debian13` makes.
#
#   debian13.sh ROOT FOLDER COMMAND...
#
# FOLDER is /mnt for the command. What is mounted for it is mounted in a namespace of its own and goes with it, and the
# process stays the one that was started: signals reach the command itself. Needs root.
[ $# -gt 2 ] || { echo "debian13.sh ROOT FOLDER COMMAND..." >&2; exit 2; }
[ -x "$1/bin/sh" ] || { echo "no Debian 13 in $1: ci/install-brokers.sh debian13 makes it" >&2; exit 127; }
# The inner shell expands its own variables.
# shellcheck disable=SC2016
exec unshare -m --propagation private sh -c '
    root=$1 folder=$2
    shift 2
    mount -t proc proc "$root/proc" && mount --bind "$folder" "$root/mnt" && mount --bind /dev "$root/dev" || exit 126
    cd / && exec chroot "$root" "$@"
' sh "$@"
