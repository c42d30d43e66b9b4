#!/usr/bin/env bash
# Feeds everything that reads external data (packets, streams, scenarios, profiles, the bytes notation, captures) with
# inputs made by libFuzzer, under the address sanitizer. It requires: no panic, no overflow, no read out of bounds, no
# input that takes longer than 20 s or more memory than it warrants, and what fuzz/bodies.rs asserts.
#
#   ci/fuzz.sh [SECONDS [TARGET...]]
#
# SECONDS per target (10); without a TARGET all of fuzz/fuzz_targets. Inputs that increase coverage are kept in target/fuzz/found
# for the next run. A finding is in target/fuzz/artifacts; add it to fuzz/corpus once it is fixed.
# SEED=N seeds the random numbers, for CI. It needs a nightly toolchain and a C++ compiler, and exits 2
# if one is missing. `cargo test --test it fuzz_corpus` plays the corpus with a stable toolchain.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

seconds=${1:-10}
[ $# -gt 0 ] && shift
targets=("$@")
if [ $# -eq 0 ]; then
  for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

missing() { printf 'nothing can be fuzzed without %s\n' "$1" >&2; exit 2; }
cargo +nightly --version >/dev/null 2>&1 || missing "a nightly toolchain: rustup toolchain install nightly --profile minimal"
command -v c++ >/dev/null || command -v clang++ >/dev/null || missing "a C++ compiler"

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
out=$PWD/target/fuzz
# The flags that cargo-fuzz sets: coverage for libFuzzer, and the address sanitizer.
flags=(
  -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
  -Zsanitizer=address -Ccodegen-units=4 --cfg=fuzzing
)
# With --target, build scripts and macros are built without the flags.
RUSTFLAGS="${flags[*]}" CARGO_TARGET_DIR=$out cargo +nightly build --quiet --release --locked \
  --manifest-path fuzz/Cargo.toml --target "$host" || exit 1

bad=0
printf '%-10s %12s %8s %10s %8s %9s\n' target executions seconds per-second features memory
for target in "${targets[@]}"; do
  mkdir -p "$out/found/$target" "$out/artifacts/$target"
  log=$out/$target.log
  options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1)
  [ -f "fuzz/$target.dict" ] && options+=(-dict="fuzz/$target.dict")
  [ -n "${SEED:-}" ] && options+=(-seed="$SEED")
  [ "$target" = capture ] && options+=(-max_len=8192)
  "$out/$host/release/$target" "${options[@]}" -artifact_prefix="$out/artifacts/$target/" \
    "$out/found/$target" "fuzz/corpus/$target" >"$log" 2>&1
  code=$?
  awk -v name="$target" '
    /stat::number_of_executed_units/ { runs = $2 }
    /stat::average_exec_per_sec/ { rate = $2 }
    /stat::peak_rss_mb/ { memory = $2 }
    / ft: / { for (i = 1; i < NF; i++) if ($i == "ft:") features = $(i + 1) }
    /^Done / { took = $(NF - 1) }
    END { printf "%-10s %12s %8s %10s %8s %6s MB\n", name, runs, took, rate, features, memory }
  ' "$log"
  if [ $code -ne 0 ]; then
    bad=1
    printf 'a finding in %s:\n' "$target"
    grep -E 'panicked|ERROR|SUMMARY|Test unit written|assertion' -A2 "$log" | head -n 20
  fi
done
exit $bad
