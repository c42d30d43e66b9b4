#!/usr/bin/env bash
# Packs a built program as a release archive, with manual pages, completions, licences and a checksum beside it.
#
#   packaging/archive.sh PROGRAM TARGET FOLDER
#
# TARGET is Rust's name of the platform. Writes FOLDER/mqttspec-VERSION-TARGET.tar.gz and the same name with
# .sha256. The program is run, so this has to be on a machine of its platform.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=ci/common.sh
. ci/common.sh
[ $# -eq 3 ] || usage

program=$1 target=$2
mkdir -p "$3"
folder=$(cd "$3" && pwd)
version=$(awk -F'"' '/^version = / { print $2; exit }' Cargo.toml)
name=mqttspec-$version-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name/completions" "$work/$name/man"
cp "$program" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$work/$name/"
"$program" man --dir "$work/$name/man"
for shell in bash zsh fish; do
  "$program" completions $shell >"$work/$name/completions/mqttspec.$shell"
done
archive=$name.tar.gz
# The same bytes for the same program: no times, no names of users.
tar --version | grep -q GNU && same=(--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner) || same=()
tar -C "$work" ${same[@]+"${same[@]}"} -cf - "$name" | gzip -9n >"$folder/$archive"
cd "$folder"
if command -v sha256sum >/dev/null; then sha256sum "$archive"; else shasum -a 256 "$archive"; fi >"$archive.sha256"
cat "$archive.sha256"
