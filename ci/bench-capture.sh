#!/usr/bin/env bash
# How fast `audit` reads compared with tshark, on the same files in one run: 200 MB in full Ethernet segments, 200 MB in
# segments of 32 KiB as a host sees them if its network card segments them, and 140 000 short connections. Prints user + system time
# (median of up to five runs), throughput and peak memory of both. Fails if audit is not ten times as fast or takes 64 MB. It needs
# tshark, python3, 600 MB of disk and some minutes, nearly all of them for tshark.
#
#   ci/bench-capture.sh [FOLDER]      FOLDER is for the three files (target/bench). They are kept for the next run.
set -eu -o pipefail
cd "$(dirname "$0")/.." || exit 1
folder=${1:-target/bench}
mkdir -p "$folder"
cargo build --profile dist --locked --quiet --bin mqttspec
cargo build --locked --quiet --example make-capture
make() {
  # An incomplete file must not pass for a complete one.
  [ -s "$folder/$1-$2.pcap" ] && return
  target/debug/examples/make-capture "$1" "$2" > "$folder/$1-$2.part"
  mv "$folder/$1-$2.part" "$folder/$1-$2.pcap"
}
make full 200
make large 200
make short 140000

ci/bench-capture.py "$folder"
