#!/usr/bin/env bash
# Conformance: the crate of a new user (../shared/api) builds and runs unchanged, under cargo and nextest, with the
# expected counts and exit codes. Needs ../shared beside the clone.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
api=$root/../shared/api
if [ ! -d "$api/newcomer" ]; then echo "missing $api: conformance needs the shared folder beside the clone" >&2; exit 1; fi
command -v cargo-nextest >/dev/null || cargo install cargo-nextest --locked --version 0.9.143
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
target=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TARGET_DIR=$target
cp -r "$api/newcomer" "$work/newcomer"; cd "$work/newcomer"
sed -i "s#PATH/llmtest#$root/llmtest#" Cargo.toml
cp "$root/Cargo.lock" .
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok    $1"; }
bad() { failed=$((failed + 1)); echo "FAIL  $1"; sed 's/^/      /' out; }
# expect NAME EXIT PATTERN... -- COMMAND...
expect() {
  local name=$1 want=$2 patterns=() code=0; shift 2
  while [ "$1" != -- ]; do patterns+=("$1"); shift; done; shift
  "$@" >out 2>&1 || code=$?
  [ "$code" = "$want" ] || { bad "$name: exit $code, expected $want"; return; }
  for pattern in "${patterns[@]}"; do
    grep -qE -- "$pattern" out || { bad "$name: no line matches $pattern"; return; }
  done
  ok "$name"
}
plain='test result: FAILED. 2 passed; 3 failed; 1 ignored'
full='test result: FAILED. 4 passed; 3 failed; 1 ignored'
expect "plain" 101 "$plain" zebra 'contains +0.00 +at least 1.00' 'rows::second' 'tests/plain.rs:[0-9]+' -- cargo test --test plain
expect "full" 101 "$full" zebra 'contains +0.00 +at least 1.00' 'rows::second' -- cargo test --test full
expect "one by its exact name" 0 'test result: ok. 1 passed' -- cargo test --test full -- --exact passes
expect "the list" 0 'rows::first: test' 'rows::second: test' 'rows::third: test' -- cargo test -q --test full -- --list --format terse
[ "$(grep -c ': test$' out)" = 8 ] && ok "eight names" || bad "eight names"
expect "nextest" 100 '7 tests run: 4 passed.*3 failed.*1 skipped' -- cargo nextest run --no-fail-fast --test full
expect "nextest, zero configuration" 100 '5 tests run: 2 passed.*3 failed.*1 skipped' -- cargo nextest run --no-fail-fast --test plain
printf '[judge]\nmodle = "x"\n' >llmtest.toml
expect "an unknown key of llmtest.toml" 101 'llmtest.toml' 'modle' 'did you mean `model`' 'test passes +... ok' -- cargo test --test full -- passes
rm llmtest.toml
cp forgot.rs tests/plain.rs
expect "a forgotten check" 101 'must return' -- cargo test --test plain
# The same tests in a `#[cfg(test)]` module of the library.
{ cat "$api/newcomer/src/lib.rs"; echo '#[cfg(test)]'; echo 'mod tests {'; sed -e '/^#!\[/d' -e 's/newcomer::answer/crate::answer/' "$api/newcomer/tests/plain.rs"; echo '}'; } > src/lib.rs
rm -r tests; sed -i '/^\[\[test\]\]/,/^$/d' Cargo.toml
expect "a cfg(test) module" 101 "$plain" 'tests::fails' 'tests::rows' zebra -- cargo test --lib
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
