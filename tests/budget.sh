#!/usr/bin/env bash
# What a user compiles: the number of crates of each feature set, and no second syn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
count() { cargo tree -p llmtest -e normal,build --prefix none --locked "$@" | sed 's/ (\*)$//; s/ (.*//' | sort -u | wc -l; }
check() {
  local name=$1 most=$2; shift 2
  local crates; crates=$(count "$@")
  echo "$name: $crates crates, at most $most"
  [ "$crates" -le "$most" ]
}
check "only observe" 15 --no-default-features
check "observe, with telemetry" 20 --no-default-features --features tracing
# 45, special with its libm for quantiles, and futures-core for the streams of observed functions: a crate of traits without dependencies.
check "without HTTP" 48 --no-default-features --features harness
check "defaults" 127
# Its signatures take a hash that the metrics have.
check "defaults, with Bedrock" 127 --features bedrock
check "defaults, with the bridge to tracing" 134 --features tracing,tracing-capture
for features in default tracing tracing-capture; do
  if cargo tree -p llmtest -e normal,build --prefix none --locked --features $features | grep -q '^syn v2'; then
    echo "syn 2 is in the tree with the feature $features:" >&2
    cargo tree -p llmtest -e normal,build --locked --features $features -i syn@2 >&2
    exit 1
  fi
done
