#!/usr/bin/env bash
# Downloads the program of a release into a folder, and prints its path:
#
#   ci/action/install.sh RELEASES VERSION FOLDER
#
# RELEASES is the base address of the releases, such as https://github.com/OWNER/mqttspec/releases/download. The archive
# must match its checksum. A program in FOLDER is used as it is. Exits 1 if there is no such archive, or none for this platform, and 2
# if the checksum does not match.
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "$0" >&2; exit 64; }
releases=$1 version=${2#v} folder=$3

case $(uname -s)-$(uname -m) in
  Linux-x86_64) target=x86_64-unknown-linux-musl ;;
  Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-musl ;;
  Darwin-x86_64) target=x86_64-apple-darwin ;;
  Darwin-arm64) target=aarch64-apple-darwin ;;
  *) echo "no release for $(uname -s) on $(uname -m)" >&2; exit 1 ;;
esac
name=mqttspec-$version-$target
program=$folder/$name/mqttspec
if [ ! -x "$program" ]; then
  mkdir -p "$folder"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
    curl --fail --silent --show-error --location --retry 3 --output "$work/$file" "$releases/v$version/$file" >&2 || exit 1
  done
  (
    cd "$work"
    if command -v sha256sum >/dev/null; then sha256sum --check --quiet "$name.tar.gz.sha256"; else shasum -a 256 -c "$name.tar.gz.sha256"; fi
  ) >&2 || { echo "$name.tar.gz does not match its checksum" >&2; exit 2; }
  tar -C "$folder" -xzf "$work/$name.tar.gz"
fi
"$program" --version >&2
echo "$program"
