#!/usr/bin/env bash
# Builds the packages that carry the program, installs each into an empty folder, and runs it there: a wheel, the npm packages,
# a release archive with the action's installer. The program is the one that `cargo build --release` has built; releases use
# the profile `dist` instead. Needs node with npm, and python3 with venv.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
program=$target/release/mqttspec
[ -x "$program" ] || { echo "$program is not there: cargo build --release" >&2; exit 2; }
out=$target/packages
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
server=
# shellcheck disable=SC2317 # it is reached by the trap
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
version=$("$program" --version | awk '{ print $2 }')

# Plays a few cases with an installed program, outside of the repository and without it in PATH.
try() {
  local name=$1
  shift
  (cd "$work" && env -i HOME="$work" PATH=/usr/bin:/bin MQTTSPEC_STATE="$work/state" "$@" --version | grep -qx "mqttspec $version") \
    || { echo "$name does not say its version" >&2; return 1; }
  (cd "$work" && env -i HOME="$work" PATH=/usr/bin:/bin MQTTSPEC_STATE="$work/state" "$@" run -e 'ping/*') >"$work/log" 2>&1 \
    || { cat "$work/log" >&2; echo "$name does not run" >&2; return 1; }
  # Its exit code is that of the program.
  local code=0
  (cd "$work" && env -i HOME="$work" PATH=/usr/bin:/bin MQTTSPEC_STATE="$work/state" "$@" run -e 'no/such-case') >/dev/null 2>&1 || code=$?
  [ $code = 4 ] || { echo "$name exits $code if no case fits, not 4" >&2; return 1; }
  printf '%s: %s\n' "$name" "$(tail -n 1 "$work/log")"
}

tools=$root/target/tools/maturin
[ -x "$tools/bin/maturin" ] || { python3 -m venv "$tools" && "$tools/bin/pip" --quiet install maturin==1.16.0; }
# With the flags of the previous build, so that cargo has nothing to do.
"$tools/bin/maturin" build --quiet --profile release --locked --out "$out" --target-dir "$target"
python3 -m venv "$work/python"
"$work/python/bin/pip" --quiet install --no-index "$out"/mqttspec-"$version"-*.whl
try wheel "$work/python/bin/mqttspec"

platform=$(node -p 'process.platform + "-" + process.arch')
node packaging/npm/build.mjs "$out/npm" "$platform=$program"
for package in "mqttspec-$platform" mqttspec; do
  npm pack --silent --pack-destination "$out" "$out/npm/$package" >/dev/null
done
# Offline: the packages of other platforms are optional, and not available.
npm install --silent --offline --no-audit --no-fund --prefix "$work/node" "$out/mqttspec-$platform-$version.tgz" "$out/mqttspec-$version.tgz"
try npm "$work/node/node_modules/.bin/mqttspec"

# The installer asks for the static build. Here it gets this one under that name.
packaging/archive.sh "$program" "$(uname -m)-unknown-linux-musl" "$out/releases/v$version" >/dev/null
python3 - "$out/releases" "$work/port" <<'PYTHON' &
import functools, http.server, pathlib, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
handler = functools.partial(Quiet, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
part = pathlib.Path(sys.argv[2] + ".part")
part.write_text(str(server.server_port))
part.rename(sys.argv[2])
server.serve_forever()
PYTHON
server=$!
until [ -s "$work/port" ]; do kill -0 "$server"; sleep 0.05; done
releases=http://127.0.0.1:$(cat "$work/port")
installed=$(ci/action/install.sh "$releases" "v$version" "$work/installed" 2>"$work/log") || { cat "$work/log" >&2; exit 1; }
try archive "$installed"
# With the program in the cache, nothing is fetched.
ci/action/install.sh http://127.0.0.1:9 "$version" "$work/installed" >/dev/null 2>&1 || { echo "the cached program is not used" >&2; exit 1; }
code=0
ci/action/install.sh "$releases" 99.0.0 "$work/other" >/dev/null 2>&1 || code=$?
[ $code = 1 ] || { echo "a release that does not exist: $code, not 1" >&2; exit 1; }
echo spoilt >>"$out/releases/v$version/mqttspec-$version-$(uname -m)-unknown-linux-musl.tar.gz"
code=0
ci/action/install.sh "$releases" "$version" "$work/spoilt" >/dev/null 2>&1 || code=$?
[ $code = 2 ] || { echo "an archive that does not match its checksum: $code, not 2" >&2; exit 1; }
for package in "$out"/*.whl "$out"/*.tgz; do
  printf '%s: %s bytes\n' "${package##*/}" "$(wc -c <"$package")"
done
