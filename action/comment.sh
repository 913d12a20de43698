#!/usr/bin/env bash
# Writes the summary as a comment of the pull request, over the one of an earlier run.
set -euo pipefail
[ -e "$OUT/summary.md" ] || exit 0
marker="<!-- llmtest: ${NAME//[^a-zA-Z0-9_-]/-} -->"
body=$(mktemp); trap 'rm -f "$body" "$body.json"' EXIT
# A comment takes 65,536 characters, a summary more.
{ echo "$marker"; head -c 60000 "$OUT/summary.md" | iconv -c -t UTF-8; } >"$body"
jq -Rs '{body: .}' <"$body" >"$body.json"
# Only comments of the one that writes are taken over: a visitor may have written the marker, too.
earlier=$(gh api --paginate "repos/$REPOSITORY/issues/$NUMBER/comments" \
  --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$marker\"))) | .id" | head -n 1) || earlier=
if [ -n "$earlier" ]; then
  call=(-X PATCH "repos/$REPOSITORY/issues/comments/$earlier")
else
  call=(-X POST "repos/$REPOSITORY/issues/$NUMBER/comments")
fi
if ! gh api "${call[@]}" --input "$body.json" --silent; then
  echo "note: the comment was not written; the summary of the job has all of it"
  echo "hint: pull requests of forks have no right to comment; for others the job needs \`permissions: pull-requests: write\`"
fi
