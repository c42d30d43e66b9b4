#!/usr/bin/env bash
# Tests the page in a headless browser: makes pages of real runs, then opens, filters, reads and controls them by keyboard.
# Chromium is installed from Debian's packages, Playwright from PyPI into a folder below target/.
#
# ci/page/check.sh [PAGE...]: further pages, such as one of many brokers, must open in time and stay small.
# SHOTS=DIR keeps screenshots.
set -eu -o pipefail
cd "$(dirname "$0")/../.." || exit 1

program=${PROGRAM:-target/release/mqttspec}
[ -x "$program" ] || { echo "$program does not exist: build it first"; exit 1; }
if ! command -v chromium >/dev/null && [ -z "${CHROMIUM:-}" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "chromium is not installed; install it, or set CHROMIUM to a browser"
    exit 1
  fi
  { apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; } >/dev/null
fi
tools=target/page-tools
if [ ! -x "$tools/bin/python" ]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" --quiet install playwright==1.65.2
fi
exec "$tools/bin/python" ci/page/check.py "$program" "$@"
