#!/usr/bin/env bash
# Builds `cargo llmtest` of this very version of the action, unless the cache had it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -x "$TOOL_DIR/bin/cargo-llmtest" ]; then exit 0; fi
cargo install --quiet --locked --path "$here/llmtest" --features cli --bin cargo-llmtest --root "$TOOL_DIR"
