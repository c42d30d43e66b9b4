#!/usr/bin/env bash
# How fast `audit` reads beside tshark, on the same files in one run: 200 MB in full segments as Ethernet carries them, 200 MB in
# segments of 32 KiB as a host sees them whose network card cuts them, and 140 000 short connections. Prints user + system time
# (the median of up to five runs), throughput and peak memory of both, and fails where audit is less than ten times as fast or takes 64 MB or more. It needs
# tshark, python3, 600 MB of disk and some minutes, nearly all of them tshark's.
#
#   ci/bench-capture.sh [FOLDER]      FOLDER for the three files, target/bench without it. They are kept for the next time.
set -eu -o pipefail
cd "$(dirname "$0")/.." || exit 1
folder=${1:-target/bench}
mkdir -p "$folder"
cargo build --profile dist --locked --quiet --bin mqttspec
cargo build --locked --quiet --example make-capture
make() {
  # One that is not whole must not be taken for one that is there.
  [ -s "$folder/$1-$2.pcap" ] && return
  target/debug/examples/make-capture "$1" "$2" > "$folder/$1-$2.part"
  mv "$folder/$1-$2.part" "$folder/$1-$2.pcap"
}
make full 200
make large 200
make short 140000

ci/bench-capture.py "$folder"
