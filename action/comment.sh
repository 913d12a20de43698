#!/usr/bin/env bash
# Writes the summary as a comment of the pull request, over the one of an earlier run.
set -euo pipefail
[ -e "$OUT/comment.md" ] || exit 0
marker="<!-- llmtest: ${NAME//[^a-zA-Z0-9_-]/-} -->"
body=$(mktemp); trap 'rm -f "$body"' EXIT
{ echo "$marker"; cat "$OUT/comment.md"; } >"$body"
# Only comments of the one that writes are taken over: a visitor may have written the marker, too. The token of a workflow may
# not ask who it is: it is a bot.
me=$(gh api user --jq .login 2>/dev/null) || me=
case $me in
  *[!a-zA-Z0-9_-]* | "") mine='.user.type == "Bot"' ;;
  *) mine=".user.login == \"$me\"" ;;
esac
earlier=$(gh api --paginate "repos/$REPOSITORY/issues/$NUMBER/comments" \
  --jq ".[] | select($mine and (.body | startswith(\"$marker\"))) | .id") || earlier=
earlier=${earlier%%$'\n'*}
if [ -n "$earlier" ]; then
  call=(-X PATCH "repos/$REPOSITORY/issues/comments/$earlier")
else
  call=(-X POST "repos/$REPOSITORY/issues/$NUMBER/comments")
fi
if ! gh api "${call[@]}" -F "body=@$body" --silent; then
  echo "note: the comment was not written; the summary of the job has all of it"
  echo "hint: pull requests of forks have no right to comment; for others the job needs \`permissions: pull-requests: write\`"
fi
