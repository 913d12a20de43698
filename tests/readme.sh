#!/usr/bin/env bash
# Makes the crate that the README describes, from the README's own blocks, and runs it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
ln -s "$root" "$work/llmtest"
mkdir -p "$work/shop/src" "$work/shop/tests"; cd "$work/shop"
# The fenced block whose first line starts with $1.
block() { awk -v first="$1" '/^```/ { inside = !inside; line = 0; wanted = 0; next } inside { line++; if (line == 1 && index($0, first) == 1) wanted = 1; if (wanted) print }' "$root/README.md"; }
{ block '# Cargo.toml'; printf '\n[workspace]\n'; } >Cargo.toml
block '// src/lib.rs' >src/lib.rs
block '// tests/refunds.rs' >tests/refunds.rs
cp "$root/Cargo.lock" .
rustfmt --edition 2024 --check src/lib.rs tests/refunds.rs
cargo test --test refunds 2>&1 | tee out
grep -q 'test answers_refund_questions ... ok' out
grep -q 'retrieve › contains' out
