#!/usr/bin/env bash
# Builds the book of docs/*.md, with a page for each statement and each scenario, into target/book/html, and exits 1 if one
# of its links leads nowhere. `ci/book.sh [PROGRAM]`: the content of the pages comes from PROGRAM, target/release/mqttspec unless
# given. Needs Python 3 and mdbook, which ci/tools.sh installs.
set -eu -o pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/release/mqttspec}")
book=target/book
PATH=$PWD/target/tools/bin:$PATH
rm -rf "$book"
mkdir -p "$book/src"
cp ci/book.toml "$book/book.toml"
python3 ci/book.py sources "$program" "$book/src"
mdbook build "$book"
python3 ci/book.py check "$book/html"
