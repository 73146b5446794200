#!/bin/bash
# Counts the body's lines, words and bytes, then lists its most frequent words
# (query "top", 10 if left out). Runs once for each request.
set -euo pipefail

top=10
if [[ ${Http_Query:-} =~ (^|&)top=([0-9]{1,4})(&|$) ]]; then
    top=${BASH_REMATCH[2]}
fi

text=$(mktemp)
trap 'rm -f "$text"' EXIT
cat >"$text"

read -r lines words bytes < <(wc <"$text")
printf 'lines %d\nwords %d\nbytes %d\n' "$lines" "$words" "$bytes"
echo "counted $words words" >&2

# No word at all is no mistake: grep says so with 1.
{ grep -oE '[[:alpha:]]+' "$text" || [ $? -eq 1 ]; } |
    tr '[:upper:]' '[:lower:]' | sort | uniq -c | sort -k1,1nr -k2 | awk -v top="$top" 'NR <= top { print $2, $1 }'
