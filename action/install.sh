#!/usr/bin/env bash
# Builds `cargo llmtest` of this very version of the action, unless the cache had it. With `key`, says by what the cache knows it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ "${1:-}" = key ]; then
  # A branch moves, and an archive of an action knows no commit: what is cached is named by its sources, and by the system.
  cd "$here"
  sources=$(find Cargo.toml Cargo.lock llmtest llmtest-macros metrics -type f | LC_ALL=C sort | while IFS= read -r file; do git hash-object "$file"; done | git hash-object --stdin)
  echo "key=llmtest-tool-$(uname -sm | tr ' ' '-')-${ImageOS:-}-$sources" >>"$GITHUB_OUTPUT"
  exit 0
fi
if [ -x "$TOOL_DIR/bin/cargo-llmtest" ]; then exit 0; fi
# From here: settings of cargo in the repository that is tested are for its own code.
cd "$here"
cargo install --quiet --locked --path "$here/llmtest" --features cli --bin cargo-llmtest --root "$TOOL_DIR"
