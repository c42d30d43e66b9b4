#!/usr/bin/env bash
# Makes docs/images/terminal-80.png and terminal-60.png: what a run with failures by cause prints on a terminal of so many
# columns. Needs `aha` and `chromium` from Debian's packages.
set -eu -o pipefail
cd "$(dirname "$0")/../.." || exit 1

export PROGRAM=${PROGRAM:-target/release/mqttspec}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/run.sh" <<'END'
stty cols "$COLUMNS_WANTED" rows 60
exec "$PROGRAM" run --mqtt v5 --fault v5:MQTT-4.7.2-1 --fault v5:MQTT-3.8.4-3 --fault v5:MQTT-3.10.4-1 \
  -e topic/ -e subscribe/ -e unsubscribe/ --trace never
END
for columns in 80 60; do
  COLUMNS_WANTED=$columns TERM=xterm-256color \
    script --quiet --return --command "env -u CI -u NO_COLOR sh $folder/run.sh" "$folder/typed" </dev/null >/dev/null || true
  # What the line of progress has drawn and erased is not on the screen at the end. Of the failures in full, the last is enough.
  python3 - "$folder/typed" "$columns" >"$folder/screen" <<'END'
import re, sys
lines = open(sys.argv[1], encoding="utf-8", newline="\n").read().split("\n")[1:-2]
lines = [re.sub(r".*\x1b\[2K", "", line.rstrip("\r")) for line in lines]
lines = [line.rsplit("\r", 1)[-1] for line in lines]
plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
full = [number for number, line in enumerate(plain) if line.startswith("FAIL ")]
print("\n".join(lines[full[-1]:]))
# The lines that a terminal of so many columns shows.
rows = sum(max(1, -(-len(line) // int(sys.argv[2]))) for line in plain[full[-1]:])
open(sys.argv[1] + ".rows", "w").write(str(rows))
END
  aha --black --no-header <"$folder/screen" >"$folder/body"
  { echo "<!doctype html><meta charset=utf-8><style>body{margin:12px;background:#111;color:#ddd}pre{font:14px/18px 'DejaVu Sans Mono',monospace;margin:0;width:${columns}ch;white-space:pre-wrap;word-break:break-all}</style><pre>"
    cat "$folder/body"; echo "</pre>"; } >"$folder/page.html"
  height=$(($(cat "$folder/typed.rows") * 18 + 42))
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 \
    --window-size=$((columns * 843 / 100 + 30)),"$height" --screenshot="docs/images/terminal-$columns.png" "file://$folder/page.html" >/dev/null 2>&1
done
