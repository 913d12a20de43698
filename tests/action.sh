#!/usr/bin/env bash
# The scripts of the GitHub action on a sample repository: a base whose baseline is accepted, and pull requests that change
# nothing, make it worse, make it better, add a case, and lose the judge. `gh` and the files of GitHub are stand-ins.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target} CI=true
cargo build -q --locked --manifest-path "$root/Cargo.toml" -p llmtest --features cli --bin cargo-llmtest
export TOOL_DIR=$work/tool; mkdir -p "$TOOL_DIR/bin" "$work/fake"
cp "$CARGO_TARGET_DIR/debug/cargo-llmtest" "$TOOL_DIR/bin/"

# A stand-in for `gh api`: comments are files.
cat >"$work/fake/gh" <<'GH'
#!/usr/bin/env bash
set -euo pipefail
[ -z "${FORK:-}" ] || { echo '{"message": "Resource not accessible by integration"}'; exit 1; }
body() { for last; do case $last in body=@*) cat "${last#body=@}" ;; esac; done; }
case "$*" in
  *"api user "*) [ -n "${ME:-}" ] && echo "$ME" || { echo '{"message": "not for you"}'; exit 1; } ;;
  *--paginate*)
    # The name of a file is the id, the writer, and its type.
    for file in "$COMMENTS"/*; do
      if [ -e "$file" ]; then
        IFS=. read -r id login type <<<"$(basename "$file")"
        jq -Rsc --arg id "$id" --arg login "$login" --arg type "$type" '{id: $id, user: {login: $login, type: $type}, body: .}' "$file"
      fi
    done | jq -s . | jq -r "${!#}" ;;
  *"-X POST"*) body "$@" >"$COMMENTS/$(($(ls "$COMMENTS" | wc -l) + 1)).${ME:-actions}.${TYPE:-Bot}" ;;
  *"-X PATCH"*) body "$@" >"$(echo "$COMMENTS/$(basename "$4")".*)" ;;
esac
GH
chmod +x "$work/fake/gh"
export PATH=$work/fake:$PATH COMMENTS=$work/comments; mkdir "$COMMENTS"

mkdir -p "$work/sample/src" "$work/sample/tests" "$work/sample/data"; cd "$work/sample"
cat >Cargo.toml <<TOML
[package]
name = "sample"
version = "0.1.0"
edition = "2024"

[dev-dependencies]
llmtest = { path = "$root/llmtest" }

[[test]]
name = "evals"
harness = false

[workspace]
TOML
cp "$root/Cargo.lock" .
printf '[gate]\nbaseline = "llmtest.baseline.json"\ninvariants = ["must"]\n' >llmtest.toml
cat >src/lib.rs <<'RUST'
//! Adds, and errs where the first number ends in 3.

pub fn answer(question: &str) -> String {
    let mut numbers = question.split(" + ").filter_map(|n| n.parse::<u32>().ok());
    let (a, b) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let sum = if is_hard(a, b) { a } else { a + b };
    sum.to_string()
}

fn is_hard(a: u32, _b: u32) -> bool {
    a % 10 == 3
}
RUST
for n in $(seq 1 80); do printf '{"id": "%s", "input": "%s + %s", "expected": "%s"}\n' "$n" "$n" $((n * 7)) $((n * 8)); done >data/sums.jsonl
cat >tests/evals.rs <<'RUST'
use llmtest::prelude::*;

#[llm_test(dataset = "data/sums.jsonl")]
fn adds(golden: Golden) -> Check {
    let answer = sample::answer(&golden.input);
    golden.answered(answer).expect(ExactMatch::new())
}

#[llm_test(tags("must"))]
fn answers_something() -> Check {
    TestCase::new("1 + 1", sample::answer("1 + 1"))
        .expected("2")
        .expect(ExactMatch::new())
}

fn main() -> std::process::ExitCode {
    llmtest::main()
}
RUST
git init -q -b main .; git config user.email sample@example.org; git config user.name sample
printf 'target\n' >.gitignore

export KIND=run ARGUMENTS="" MODE=replay PARTITION="" SHARDS="" GATE=true NAME=llmtest NUMBER=7 REPOSITORY=sample/sample
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok    $1"; }
bad() { failed=$((failed + 1)); echo "FAIL  $1"; sed 's/^/      /' "$OUT/log" "$OUT/summary.md" 2>/dev/null | tail -60; }
# pull_request NAME EXIT PATTERN...: what the action does for the present tree.
pull_request() {
  local name=$1 want=$2; shift 2
  export OUT=$work/out/${name// /-}; mkdir -p "$OUT"
  export GITHUB_OUTPUT=$OUT/output GITHUB_STEP_SUMMARY=$OUT/step-summary
  "$root/action/run.sh" >"$OUT/log" 2>&1 || { bad "$name: run.sh ended with $?"; return; }
  "$root/action/comment.sh" >>"$OUT/log" 2>&1 || { bad "$name: comment.sh ended with $?"; return; }
  local code; code=$(sed -n 's/^exit-code=//p' "$GITHUB_OUTPUT")
  [ "$code" = "$want" ] || { bad "$name: exit $code, expected $want"; return; }
  cmp -s "$OUT/summary.md" "$GITHUB_STEP_SUMMARY" || { bad "$name: the summary is not the job's"; return; }
  for file in junit.xml report.html report.json comment.md; do
    [ -s "$OUT/$file" ] || { bad "$name: no $file"; return; }
  done
  # In what people see in the pull request; `log:` where GitHub reads it from the log.
  for pattern in "$@"; do
    local file=$OUT/comment.md; case $pattern in log:*) file=$OUT/log pattern=${pattern#log:} ;; esac
    grep -qE -- "$pattern" "$file" || { bad "$name: nothing matches $pattern"; return; }
  done
  # Nothing that tests print is a command: those stand after the word that ends the silence.
  local word; word=$(sed -n '/^::stop-commands::/{s///p;q}' "$OUT/log")
  [ "${#word}" = 32 ] && [ "$(grep -cx "::$word::" "$OUT/log")" = 1 ] || { bad "$name: commands are not stopped and taken up again"; return; }
  awk -v word="::$word::" '$0 == word { on = 0 } on; /^::stop-commands::/ { on = 1 }' "$OUT/log" | grep -cE '[0-9]+ cases' >/dev/null || { bad "$name: the tests do not run where commands are stopped"; return; }
  ok "$name"
}

git add -A; git commit -qm base
LLMTEST_DIR=$work/base "$TOOL_DIR/bin/cargo-llmtest" llmtest run --replay >"$work/base.log" 2>&1 && { echo "the base should have failed cases"; exit 1; }
LLMTEST_DIR=$work/base "$TOOL_DIR/bin/cargo-llmtest" llmtest accept
git add -A; git commit -qm baseline
head() { git checkout -q -B "$1" main; }

head noop; echo '// Nothing.' >>src/lib.rs; git commit -qam noop
pull_request "a change that changes nothing" 0 '✅ llmtest: the gate passes' '81 cases in both \(81 equal by hash\)\.'
head regression; sed -i 's/a % 10 == 3/a % 10 == 3 || _b % 4 == 0/' src/lib.rs; git commit -qam regression
pull_request "a regression" 100 '❌ llmtest: the gate fails' '[0-9]+ worse' 'log:^::error file=data/sums.jsonl,line=[0-9]+,' 'log:^::error title=llmtest gate::exact_match fail'
mv .git ..
pull_request "a package in a folder of its repository" 100 'log:^::error file=sample/data/sums.jsonl,line=[0-9]+,' 'log:^::error title=llmtest gate::'
sed -i 's/dataset = "data.sums.jsonl"/&, pass_rate = 0.1/' tests/evals.rs
pull_request "rows that may fail, in a folder of its repository" 100 'log:^::notice file=sample/data/sums.jsonl,line=[0-9]+,'
git --git-dir=../.git --work-tree=. checkout -q tests; mv ../.git .
head improvement; sed -i 's/a % 10 == 3/a == 3/' src/lib.rs; git commit -qam improvement
pull_request "an improvement" 0 '✅ llmtest: the gate passes' ', 7 better\.'
head new-case; echo '{"id": "large", "input": "1000 + 1", "expected": "1001"}' >>data/sums.jsonl; git commit -qam new
pull_request "a new case" 0 '✅ llmtest: the gate passes' ', 1 new\.' '^- <code>.*large</code>'
head invariant; sed -i 's/let sum = if is_hard(a, b)/let sum = if a == 1/' src/lib.rs; git commit -qam invariant
pull_request "a case that must pass, and does not" 100 '❌ llmtest: the gate fails' 'answers.*something' 'tag must'
head outage
cat >>tests/evals.rs <<'RUST'

#[llm_test]
fn is_polite() -> Check {
    TestCase::new("1 + 1", "two").expect(GEval::new("polite", "The answer is polite.").given([Field::Output]))
}
RUST
git commit -qam outage
pull_request "an outage" 101 'is.*polite' '1 errored'
[ "$(ls "$COMMENTS")" = 1.actions.Bot ] && ok "one comment, written over" || bad "one comment, written over: $(ls "$COMMENTS")"
grep -q polite "$COMMENTS/1.actions.Bot" && ok "the comment is the latest" || bad "the comment is the latest"
# A visitor has copied the comment; a person's token finds the own one.
cp "$COMMENTS/1.actions.Bot" "$COMMENTS/2.visitor.User"
"$root/action/comment.sh" >/dev/null; ME=me TYPE=User "$root/action/comment.sh" >/dev/null; ME=me TYPE=User "$root/action/comment.sh" >/dev/null
[ "$(ls "$COMMENTS" | tr '\n' ' ')" = "1.actions.Bot 2.visitor.User 3.me.User " ] && ok "nobody else's comment is written over" || bad "nobody else's comment is written over: $(ls "$COMMENTS")"
FORK=1 "$root/action/comment.sh" >"$work/fork" && grep -q 'the summary of the job has all of it' "$work/fork" && ok "a fork's pull request goes without a comment" || bad "a fork's pull request: $(cat "$work/fork")"
NAME='live "x" --> `id`' "$root/action/comment.sh" >/dev/null && grep -qFx '<!-- llmtest: live--x-------id- -->' "$COMMENTS/4.actions.Bot" && ok "a name is no markup and no program" || bad "a name: $(ls "$COMMENTS")"
for _ in 1 2; do GITHUB_OUTPUT=$work/key "$root/action/install.sh" key; done
[ "$(sort -u "$work/key" | grep -cE '^key=llmtest-tool-.*-[0-9a-f]{40}$')" = 1 ] && [ "$(wc -l <"$work/key")" = 2 ] && ok "the cache knows the tool by its sources" || bad "the key of the cache: $(cat "$work/key")"
git checkout -q main; sed -i 's/fn answer/fn reply/' src/lib.rs
export OUT=$work/out/broken GITHUB_OUTPUT=$work/broken-output GITHUB_STEP_SUMMARY=$work/broken-summary; mkdir -p "$OUT"
"$root/action/run.sh" >"$OUT/log" 2>&1 || true
grep -q 'verdict=broken' "$GITHUB_OUTPUT" && grep -q 'Nothing was recorded' "$GITHUB_STEP_SUMMARY" && ok "tests that do not build" || bad "tests that do not build: $(cat "$GITHUB_OUTPUT")"
git checkout -q .

# Two jobs of a matrix, and the one that folds them.
if command -v cargo-nextest >/dev/null; then
  mkdir -p "$work/shards"
  for part in 1 2; do
    export OUT=$work/shards/llmtest-shard-$part GITHUB_OUTPUT=$work/shard-$part; mkdir -p "$OUT"
    KIND=shard PARTITION=count:$part/2 "$root/action/run.sh" >"$work/shard-$part.log" 2>&1 || { cat "$work/shard-$part.log"; exit 1; }
  done
  GITHUB_WORKSPACE=$work KIND=reduce SHARDS=shards pull_request "two shards, folded" 0 '81 cases in both \(81 equal by hash\)\.'
  mv "$work/shards/llmtest-shard-2" "$work/elsewhere"
  export OUT=$work/out/missing GITHUB_OUTPUT=$work/missing-output
  KIND=reduce SHARDS=$work/shards "$root/action/run.sh" >"$work/missing" 2>&1 || true
  grep -q 'shard 2 of 2 is missing' "$work/missing" && grep -q 'verdict=broken' "$GITHUB_OUTPUT" && ok "no verdict without a shard" || bad "no verdict without a shard: $(cat "$work/missing")"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
