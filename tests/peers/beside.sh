#!/usr/bin/env bash
# Ours and DeepEval's G-Eval on the same rows, one after the other: beside.sh MODEL_URL [ROWS]. See README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
url=${1:?usage: beside.sh MODEL_URL [ROWS], such as http://127.0.0.1:8089 60}; rows=${2:-60}
python=${PYTHON:-python}; data=${DATA:-../../../shared/data/qags_unieval/items.jsonl}; port=${PORT:-8189}
proxy=http://127.0.0.1:$port
"$python" counting_proxy.py "$port" "$url" & trap 'kill $!' EXIT
until curl -sf "$proxy/counted" >/dev/null; do sleep 0.1; done
(cd ../.. && cargo build -q --release -p llmtest-tests --bin beside)
curl -sf -X POST -d '' "$proxy/counted" >/dev/null
printf 'llmtest   %s' "$(LLMTEST_MODE=live LLMTEST_MODEL=${MODEL:-qwen1.5b} LLMTEST_BASE_URL=$proxy/v1 OPENAI_API_KEY=none \
  LLMTEST_JUDGE_TIMEOUT=300s cargo run -q --release -p llmtest-tests --bin beside -- --data "$data" --limit "$rows")"
printf ' %s\n' "$(curl -sf "$proxy/counted")"
printf 'deepeval  %s\n' "$("$python" deepeval_qags.py --data "$data" --limit "$rows" --url "$proxy" --model "${MODEL:-qwen1.5b}" | tail -1)"
