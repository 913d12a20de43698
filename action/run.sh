#!/usr/bin/env bash
# Runs the tests, or folds what shards ran, and writes the reports. Ends well also when tests failed: the exit code is an
# output, which the last step of the action ends with, so that the steps between still run.
set -euo pipefail
tool=$TOOL_DIR/bin/cargo-llmtest
mkdir -p "$OUT"
output() { if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "$1=$2" >>"$GITHUB_OUTPUT"; fi; }
die() { echo "error: $1" >&2; output exit-code 2; output verdict broken; exit 2; }
case $MODE in replay | live | record) ;; *) die "\`mode\` is \`$MODE\`: expected replay, live or record" ;; esac
case $KIND in run | shard | reduce) ;; *) die "\`kind\` is \`$KIND\`: expected run, shard or reduce" ;; esac
read -r -d '' -a arguments <<<"${ARGUMENTS:-}" || true
# What tests and models write is no command to GitHub (`::add-mask::e`): none is taken until a word comes that nobody can guess.
word=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "::stop-commands::$word"
trap 'echo "::$word::"' EXIT
# Everything of this run in a folder of its own: nothing of a restored target folder is taken for it.
export LLMTEST_DIR=$OUT/records
# The tool has folded the run, also one of so many processes that these left it to a command.
recorded() { compgen -G "$LLMTEST_DIR/runs/*/report.json" >/dev/null; }
code=0
if [ "$KIND" = reduce ]; then
  # Artefacts are downloaded to the workspace of the job, wherever in it the package is.
  case $SHARDS in /*) ;; *) SHARDS=${GITHUB_WORKSPACE:-$PWD}/$SHARDS ;; esac
  folders=("$SHARDS"/*)
  [ -e "${folders[0]}" ] || die "there are no shards in \`$SHARDS\`
hint: download the artefacts of the shards with actions/download-artifact, \`pattern: $NAME-shard-*\` and \`path: $SHARDS\`"
  # Cases that nobody ran would stand there as removed: without one of the shards there is no verdict.
  for folder in "${folders[@]}"; do
    [ -e "$folder/partition" ] || die "the shard in \`$folder\` broke before its end; its log has the reason"
    of=$(tr -dc '0-9/' <"$folder/partition"); of=${of#*/}
    for ((part = 1; part <= ${of:-0}; part++)); do
      grep -qsE "(^|:)$part/$of\$" "$SHARDS"/*/partition || die "shard $part of $of is missing in \`$SHARDS\`: its job did not end, or its artefact was not downloaded"
    done
  done
  "$tool" llmtest merge "${folders[@]}" --into merged
  if [ "$GATE" = true ]; then "$tool" llmtest gate || code=$?; fi
else
  flags=("--$MODE")
  if [ -n "${PARTITION:-}" ]; then flags+=(--nextest --partition "$PARTITION"); fi
  # A shard sees a part of the cases only: the job that folds them decides.
  if [ "$KIND" = run ] && [ "$GATE" = true ]; then flags+=(--gate); fi
  "$tool" llmtest run "${flags[@]}" ${arguments[@]+"${arguments[@]}"} || code=$?
  if [ "$KIND" = shard ] && [ "$GATE" = true ] && [ "$code" = 101 ] && recorded; then code=0; fi
fi
case $code in
  0) verdict=pass ;;
  100) verdict=fail ;;
  101) verdict=tests-failed ;;
  102) verdict=inconclusive ;;
  *) verdict=broken ;;
esac
output exit-code "$code"
output verdict "$verdict"
output folder "$OUT"
if [ "$KIND" = shard ]; then
  # A part that broke is no part: the job that folds them then finds it missing.
  case $code in 0 | 101) echo "$PARTITION" >"$OUT/partition" ;; esac
  output artefact "shard-${PARTITION//[^a-zA-Z0-9]/-}"
  exit 0
fi
output artefact report
if ! recorded; then
  printf '## %s\n\nNothing was recorded: the tests did not build, or none of them ran. The log has the reason.\n' "$NAME" | tee "$OUT/comment.md" >"$OUT/summary.md"
else
  for format in markdown:comment.md junit:junit.xml html:report.html json:report.json; do
    "$tool" llmtest report --format "${format%%:*}" --out "$OUT/${format#*:}"
  done
  "$tool" llmtest report --format markdown --full --out "$OUT/summary.md"
  # Paths of the compiler begin at the root of the workspace, those of GitHub at that of the repository.
  prefix=$(manifest=$(cargo locate-project --workspace --message-format plain) && git -C "${manifest%/*}" rev-parse --show-prefix) || prefix=
  prefix=${prefix//%/%25}; prefix=${prefix//:/%3A}; prefix=${prefix//,/%2C}
  notes=$("$tool" llmtest report --format annotations)
  echo "::$word::"; trap - EXIT
  while IFS= read -r line; do
    case $line in
      "::error file="* | "::warning file="* | "::notice file="*) printf '%sfile=%s%s\n' "${line%%file=*}" "$prefix" "${line#*file=}" ;;
      ?*) printf '%s\n' "$line" ;;
    esac
  done <<<"$notes"
fi
if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat "$OUT/summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
