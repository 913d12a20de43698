#!/usr/bin/env bash
# Under nextest: folding, resuming a run, and which case a call belongs to, with 200 rows of a dataset at 64 in flight in one process
# (libtest), and one process a row (our harness). The rows themselves fail on a score that is another's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v cargo-nextest >/dev/null || cargo install cargo-nextest --locked --version 0.9.143
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export LLMTEST_MODE=live RAYON_NUM_THREADS=8 LLMTEST_DIR=$work/records CARGO_TERM_COLOR=never
# expect EXIT PATTERN ARGUMENT...
expect() {
  local want=$1 pattern=$2 code=0; shift 2
  rm -rf "$LLMTEST_DIR"
  cargo nextest run --workspace --locked --no-fail-fast "$@" >"$work/out" 2>&1 || code=$?
  if [ "$code" != "$want" ] || ! grep -qE -- "$pattern" "$work/out"; then
    echo "FAIL  nextest $*: exit $code, expected $want and /$pattern/" >&2
    tail -40 "$work/out" >&2
    exit 1
  fi
  echo "ok    nextest $*"
}
nobody_lost() { [ -s "$LLMTEST_DIR/report.json" ] && ! grep -qF unattributed_spans "$LLMTEST_DIR/report.json"; }
# The processes of a resumption run what is missing.
export BEGUN=$work/begun
expect 0 ' 1 test run: 1 passed' --test fixture_killed_plain -E 'test(=plain)'
rm "$BEGUN"
LLMTEST_RESUME=last cargo nextest run --workspace --locked --no-fail-fast --test fixture_killed_plain >"$work/out" 2>&1 || true
grep -qx spread::row3 "$BEGUN" && ! grep -qx plain "$BEGUN" && [ "$(ls "$LLMTEST_DIR/runs" | wc -l)" = 1 ]
echo "ok    nextest with LLMTEST_RESUME=last"
unset BEGUN
expect 0 ' 5 tests run: 5 passed' --test fixture_concurrent_plain
nobody_lost
[ "$(grep -oE '"row":"[0-9]+"' "$LLMTEST_DIR/report.json" | wc -l)" = 1000 ]
expect 0 ' 400 tests run: 400 passed' --test fixture_concurrent -E 'test(/^(tasks|pool)::/)'
nobody_lost
# Without the one-liner: alone in its process a row has its calls all the same, among others it is told that it lost them.
expect 0 ' 1 test run: 1 passed' --test fixture_concurrent --run-ignored only -E 'test(=forgotten::7)'
expect 100 'outside of all cases this process called `number` \(' --test fixture_concurrent_plain --run-ignored only -E 'test(=forgotten)'
# One process, eight of nextest, and four parts of a run on machines of their own say the same.
each() { LLMTEST_MODE=replay cargo nextest run -p handbook --locked --no-fail-fast "$@" >"$work/out" 2>&1; }
LLMTEST_DIR=$work/eight each --test-threads 8
for n in 1 2 3 4; do LLMTEST_DIR=$work/part$n each --partition "count:$n/4"; done
LLMTEST_MODE=replay LLMTEST_DIR=$work/one cargo test -p handbook --locked >"$work/out" 2>&1
LLMTEST_DIR=$work/merged cargo run -q --locked -p llmtest --features cli --bin cargo-llmtest -- \
  merge "$work"/part[1-4] --into merged
cargo run -q --locked -p llmtest-tests --bin scale -- same "$work"/{one,eight,merged}/report.json
