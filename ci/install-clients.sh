#!/usr/bin/env bash
# Installs client libraries under test into target/clients, each in the version that is pinned here.
#
# Usage: ci/install-clients.sh NAME...
set -euo pipefail
cd "$(dirname "$0")/.."

PAHO_PYTHON=2.1.0

paho_python() {
  local folder=target/clients/paho-python
  [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "paho-mqtt==$PAHO_PYTHON"
  "$folder/bin/python" -c 'import paho.mqtt; print("paho-mqtt", paho.mqtt.__version__)'
}

[ $# -gt 0 ] || { echo "usage: $0 NAME...   (paho-python)" >&2; exit 2; }
for name in "$@"; do
  case $name in
    paho-python) paho_python ;;
    *) echo "$0: no client \`$name\`; there is: paho-python" >&2; exit 2 ;;
  esac
done
